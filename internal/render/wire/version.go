// SPDX-License-Identifier: MIT

package wire

import (
	"encoding"
	"encoding/json"
	"hash/crc32"
	"reflect"
	"strconv"

	"thumbd/internal/thumb/thumbjson"
)

// Version is the protocol's: daemon and worker of two installations do not talk to each
// other by mistake. It is computed from the fields of the messages, so it changes with
// each field that is added, renamed or given another type.
var Version = versionOf(edition, messages)

// messages are the types in JSON of everything that is sent.
var messages = []reflect.Type{
	reflect.TypeFor[Hello](), reflect.TypeFor[Job](), reflect.TypeFor[thumbjson.Transform](), reflect.TypeFor[Reply](),
}

// edition is for changes that no field shows. Raise it if a field keeps its name and its
// type but gets another meaning, for example another unit.
const edition = 6

// versionOf returns a number for an edition of the protocol with messages of these types.
func versionOf(edition int, messages []reflect.Type) int {
	text := strconv.Itoa(edition)
	for _, m := range messages {
		text += "\n" + shape(m)
	}
	return int(crc32.ChecksumIEEE([]byte(text)))
}

// shape returns the fields of a type as they are in JSON, for example
// "{id uint64; results []{width,omitempty int; over,omitempty bool; }; }".
func shape(t reflect.Type) string {
	switch {
	case t.Implements(reflect.TypeFor[json.Marshaler]()), t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return t.String()
	case t.Kind() == reflect.Slice:
		return "[]" + shape(t.Elem())
	case t.Kind() == reflect.Struct:
		text := "{"
		for f := range t.Fields() {
			text += f.Tag.Get("json") + " " + shape(f.Type) + "; "
		}
		return text + "}"
	}
	return t.String()
}
