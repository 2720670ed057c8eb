// SPDX-License-Identifier: MIT

package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// reader decodes a file value by value, so that every mistake has a line and
// none hides the next.
type reader struct {
	file     string
	env      Environment
	toml     toml.MetaData
	lines    map[string]int  // of tables and values, by dotted key
	bad      map[string]bool // values with a mistake, by dotted key
	mistakes []Mistake
	warnings []Mistake
}

// table is a TOML table whose values are not decoded yet.
type table struct {
	key    string // dotted
	values map[string]toml.Primitive
}

// at returns the dotted key of the value name.
func (t table) at(name string) string {
	key := toml.Key{name}.String()
	if t.key == "" {
		return key
	}
	return t.key + "." + key
}

func (t table) has(name string) bool {
	_, ok := t.values[name]
	return ok
}

// mistake notes what is wrong with the value of a dotted key.
func (r *reader) mistake(key, format string, args ...any) {
	r.bad[key] = true
	r.mistakes = append(r.mistakes, r.at(key, fmt.Sprintf(format, args...)))
}

func (r *reader) warn(key, format string, args ...any) {
	r.warnings = append(r.warnings, r.at(key, fmt.Sprintf(format, args...)))
}

// at returns a mistake at the line of key or, where the file does not have it,
// of the table that lacks it.
func (r *reader) at(key, text string) Mistake {
	m := Mistake{File: r.file, Line: r.lines[key], Key: key, Text: printable(text)}
	for m.Line == 0 && key != "" {
		key = key[:max(strings.LastIndexByte(key, '.'), 0)]
		m.Line = r.lines[key]
	}
	return m
}

// printable keeps what comes from the file or the disk in one line.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return unicode.ReplacementChar
		}
		return c
	}, s)
}

// missing notes that t lacks a value, and shows one.
func (r *reader) missing(t table, name, example string) {
	if !t.has(name) {
		r.mistake(t.at(name), "missing; e.g. %s = %s", name, example)
	}
}

// sound reports whether t has all of names, without a mistake so far.
func (r *reader) sound(t table, names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !t.has(name) || r.bad[t.at(name)]
	})
}

// decode returns the top level of data, or notes where its syntax is wrong.
func (r *reader) decode(data string) (top table, ok bool) {
	var err error
	r.toml, err = toml.Decode(data, &top.values)
	if err == nil {
		return top, true
	}
	m := Mistake{File: r.file, Text: printable(err.Error())}
	if pe, ok := errors.AsType[toml.ParseError](err); ok {
		m.Line, m.Text = pe.Position.Line, printable(pe.Message)
	}
	r.mistakes = append(r.mistakes, m)
	return top, false
}

var errPosition = errors.New("position")

// position takes a value and refuses it: the decoder knows where each value
// is, but says so only in errors.
type position struct{ value any }

func (p *position) UnmarshalTOML(v any) error {
	p.value = v
	return errPosition
}

// look returns the value and the line of p.
func (r *reader) look(p toml.Primitive) (value any, line int) {
	var at position
	pe, _ := errors.AsType[toml.ParseError](r.toml.PrimitiveDecode(p, &at))
	if pe.Position.Line > 0 {
		return at.value, pe.Position.Line
	}
	// A table that has no header of its own begins where its first value is.
	for _, q := range r.values(p) {
		if _, l := r.look(q); line == 0 || l < line {
			line = l
		}
	}
	return at.value, line
}

// values returns what is in the table p, nil if p is none.
func (r *reader) values(p toml.Primitive) map[string]toml.Primitive {
	var values map[string]toml.Primitive
	if r.toml.PrimitiveDecode(p, &values) != nil {
		return nil
	}
	return values
}

// table returns the table name of t. It is not ok if there is none, or another
// value, which is a mistake.
func (r *reader) table(t table, name string) (sub table, ok bool) {
	p, ok := t.values[name]
	if !ok {
		return table{}, false
	}
	sub = table{key: t.at(name), values: r.values(p)}
	value, line := r.look(p)
	r.lines[sub.key] = line
	if sub.values == nil {
		r.mistake(sub.key, "want a table, have %s", have(value))
	}
	return sub, sub.values != nil
}

// setter takes the value of a key. Its error says what is wanted instead, in
// several errors joined if several are wrong.
type setter func(v any) error

// fields are the keys of a table. Those without a setter are tables.
type fields map[string]setter

// read gives the values of t to their setters and notes what they refuse, and
// unknown keys.
func (r *reader) read(t table, known fields) {
	for _, name := range slices.Sorted(maps.Keys(t.values)) {
		set, ok := known[name]
		if ok && set == nil {
			continue
		}
		key := t.at(name)
		value, line := r.look(t.values[name])
		r.lines[key] = line
		if !ok {
			r.mistake(key, "unknown key%s", guess(name, known))
			continue
		}
		for _, err := range separate(set(value)) {
			r.mistake(key, "%v", err)
		}
	}
}

func separate(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err != nil {
		return []error{err}
	}
	return nil
}

// guess returns a remedy for an unknown key: the known one that is at most two
// edits away, or all where they are few.
func guess(name string, known fields) string {
	names := slices.Sorted(maps.Keys(known))
	if len(name) <= 64 {
		nearest := slices.MinFunc(names, func(a, b string) int {
			return cmp.Compare(distance(name, a), distance(name, b))
		})
		if d := distance(name, nearest); d <= 2 && d < len(nearest)/2 {
			return "; did you mean " + nearest + "?"
		}
	}
	if len(names) > 6 {
		return ""
	}
	return "; want " + alternatives(names)
}

// distance returns how many bytes must be inserted, removed or replaced to
// make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// have shows a value of the file in a message.
func have(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	case []any:
		return "a list"
	default:
		return fmt.Sprint(v)
	}
}
