// SPDX-License-Identifier: MIT

package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// reader decodes a file value by value, so that every mistake has a line and
// none hides the next.
type reader struct {
	files    []string // the names, the first is that of thumbd.toml
	env      Environment
	places   map[string]place // of tables and values, by dotted key
	bad      map[string]bool  // values with a mistake, by dotted key
	uses     []keyUse         // of keys that are for all sites
	mistakes []Mistake
	warnings []Mistake
}

// place is a line of one of the files.
type place struct {
	file int // its index in reader.files
	line int // from 1; 0: the file as a whole
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.file, q.file), cmp.Compare(p.line, q.line))
}

// value is a value of TOML that is not decoded yet.
type value struct {
	toml.Primitive
	from *source
}

// source is a file while its values are read.
type source struct {
	file int // as in place
	toml toml.MetaData
}

// table is a TOML table. Its values are not decoded yet.
type table struct {
	key    string // dotted
	values map[string]value
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

// mistake notes a mistake in the value of a dotted key, for example "limits.queue".
func (r *reader) mistake(key, format string, args ...any) {
	r.bad[key] = true
	r.mistakes = append(r.mistakes, r.at(key, fmt.Sprintf(format, args...)))
}

func (r *reader) warn(key, format string, args ...any) {
	r.warnings = append(r.warnings, r.at(key, fmt.Sprintf(format, args...)))
}

// at returns a mistake at the line of key or, if no file has it, of the table that
// lacks it.
func (r *reader) at(key, text string) Mistake {
	p := r.places[key]
	for at := key; p.line == 0 && at != ""; p = r.places[at] {
		at = at[:max(strings.LastIndexByte(at, '.'), 0)]
	}
	return Mistake{File: r.files[p.file], Line: p.line, Key: key, Text: printable(text)}
}

// line names the place of a table in a message: "line 12", or, if there are several
// files, "sites.d/a.toml:12".
func (r *reader) line(key string) string {
	p := r.places[key]
	if len(r.files) == 1 {
		return fmt.Sprintf("line %d", p.line)
	}
	return fmt.Sprintf("%s:%d", r.files[p.file], p.line)
}

// byPlace compares two tables by their places.
func (r *reader) byPlace(a, b table) int {
	return r.places[a.key].compare(r.places[b.key])
}

// sort sorts mistakes and warnings by file and line. If a mistake has no line, it comes
// last in its file.
func (r *reader) sort() {
	at := func(m Mistake) place {
		p := place{slices.Index(r.files, m.File), m.Line}
		if m.Line == 0 {
			p.line = math.MaxInt
		}
		return p
	}
	for _, noted := range [][]Mistake{r.mistakes, r.warnings} {
		slices.SortStableFunc(noted, func(a, b Mistake) int { return at(a).compare(at(b)) })
	}
}

// printable keeps text from the file or the disk in one line.
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

// decode returns the top level of a file. If its syntax is wrong, decode notes the place.
func (r *reader) decode(file int, data string) table {
	from := &source{file: file}
	var values map[string]toml.Primitive
	var err error
	from.toml, err = toml.Decode(data, &values)
	if err == nil {
		return table{values: from.values(values)}
	}
	m := Mistake{File: r.files[file], Text: printable(err.Error())}
	if pe, ok := errors.AsType[toml.ParseError](err); ok {
		m.Line, m.Text = pe.Position.Line, printable(pe.Message)
	}
	r.mistakes = append(r.mistakes, m)
	return table{}
}

// values adds to primitives the file that they are from.
func (s *source) values(primitives map[string]toml.Primitive) map[string]value {
	if primitives == nil {
		return nil
	}
	values := make(map[string]value, len(primitives))
	for name, p := range primitives {
		values[name] = value{p, s}
	}
	return values
}

// merge returns the tables that all tops have by a name, "site" for [site.a] and
// [site.b], as one. It is a mistake to have a table in two files.
func (r *reader) merge(tops []table, name string) table {
	all := table{key: name, values: make(map[string]value)}
	for _, top := range tops {
		t, ok := r.table(top, name)
		if !ok {
			continue
		}
		for _, sub := range slices.Sorted(maps.Keys(t.values)) {
			first, twice := all.values[sub]
			if !twice {
				all.values[sub] = t.values[sub]
				continue
			}
			_, at := r.look(first)
			_, r.places[t.at(sub)] = r.look(t.values[sub])
			r.mistake(t.at(sub), "%s:%d has it too; remove one of them", r.files[at.file], at.line)
		}
	}
	return all
}

var errPosition = errors.New("position")

// position takes a value and refuses it: the decoder knows where each value
// is, but says so only in errors.
type position struct{ value any }

func (p *position) UnmarshalTOML(v any) error {
	p.value = v
	return errPosition
}

// look returns the decoded value of v and its place.
func (r *reader) look(v value) (decoded any, at place) {
	var p position
	pe, _ := errors.AsType[toml.ParseError](v.from.toml.PrimitiveDecode(v.Primitive, &p))
	at = place{v.from.file, pe.Position.Line}
	if at.line > 0 {
		return p.value, at
	}
	// If a table has no header of its own, it begins with its first value.
	for _, sub := range r.values(v) {
		if _, first := r.look(sub); at.line == 0 || first.line < at.line {
			at = first
		}
	}
	return p.value, at
}

// values returns the values of the table v, or nil if v is no table.
func (r *reader) values(v value) map[string]value {
	var values map[string]toml.Primitive
	if v.from.toml.PrimitiveDecode(v.Primitive, &values) != nil {
		return nil
	}
	return v.from.values(values)
}

// table returns the table name of t. If there is none, ok is false. If name has a value
// that is no table, ok is false, too, and table notes a mistake.
func (r *reader) table(t table, name string) (sub table, ok bool) {
	p, ok := t.values[name]
	if !ok {
		return table{}, false
	}
	sub = table{key: t.at(name), values: r.values(p)}
	value, at := r.look(p)
	r.places[sub.key] = at
	if sub.values == nil {
		want := "a table"
		if name == "quality" {
			want = `a table such as { jpg = 82, webp = "auto", avif = 55 }`
		}
		r.mistake(sub.key, "want %s, have %s", want, have(value))
	}
	return sub, sub.values != nil
}

// setter takes the value of a key. If the value is wrong, its error describes the values
// that are allowed. If several parts are wrong, it joins several errors.
type setter func(v any) error

// fields are the keys of a table. If a key has no setter, it is a table itself.
type fields map[string]setter

// read gives the values of t to their setters. It notes a mistake if a setter refuses its
// value, or if a key is unknown.
func (r *reader) read(t table, known fields) {
	for _, name := range slices.Sorted(maps.Keys(t.values)) {
		set, ok := known[name]
		if ok && set == nil {
			continue
		}
		key := t.at(name)
		value, at := r.look(t.values[name])
		r.places[key] = at
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

// guess returns a remedy for an unknown key: the known key that is at most two edits away,
// or all known keys if they are few.
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
