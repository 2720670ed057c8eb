// SPDX-License-Identifier: MIT

package migrate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of a YAML file. Aliases count as often as they are used.
const (
	mostValues = 20_000
	mostDepth  = 40
)

// value is a value of a YAML file with its key and line.
type value struct {
	name   string // its key; in a list ""
	line   int
	text   string // of a scalar
	null   bool
	fields []*value // of a mapping
	items  []*value // of a list
}

// parse reads one YAML document. It takes no tags, and each key once.
func parse(text []byte) (*value, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%w: it is no mapping", ErrSettings)
	}
	left := mostValues
	return convert("", doc.Content[0], mostDepth, &left)
}

func convert(name string, n *yaml.Node, depth int, left *int) (*value, error) {
	wrong := func(format string, args ...any) (*value, error) {
		return nil, fmt.Errorf("%w: line %d: %s", ErrSettings, n.Line, fmt.Sprintf(format, args...))
	}
	if *left--; *left < 0 || depth == 0 {
		return wrong("more than %d values, or %d levels", mostValues, mostDepth)
	}
	if n.Style&yaml.TaggedStyle != 0 {
		return wrong("the tag %q: tags are not read", n.Tag)
	}
	v := &value{name: name, line: n.Line}
	switch n.Kind {
	case yaml.AliasNode:
		v, err := convert(name, n.Alias, depth-1, left)
		if err == nil {
			v.line = n.Line
		}
		return v, err
	case yaml.SequenceNode:
		for _, item := range n.Content {
			x, err := convert("", item, depth-1, left)
			if err != nil {
				return nil, err
			}
			v.items = append(v.items, x)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0 {
				return wrong("a key that is no text")
			}
			x, err := convert(key.Value, n.Content[i+1], depth-1, left)
			if err != nil {
				return nil, err
			}
			x.line = key.Line
			if v.get(x.name) != nil {
				return wrong("%q is there twice", x.name)
			}
			v.fields = append(v.fields, x)
		}
		v.merge()
	default:
		v.text, v.null = n.Value, n.Tag == "!!null"
	}
	return v, nil
}

// merge takes the fields of "<<: *other" that v does not have.
func (v *value) merge() {
	i := slices.IndexFunc(v.fields, func(f *value) bool { return f.name == "<<" })
	if i < 0 {
		return
	}
	from := v.fields[i]
	v.fields = slices.Delete(v.fields, i, i+1)
	for _, source := range append(from.items, from) {
		for _, f := range source.fields {
			if v.get(f.name) == nil {
				v.fields = append(v.fields, f)
			}
		}
	}
}

// get returns the field of a name, or nil.
func (v *value) get(name string) *value {
	if v == nil {
		return nil
	}
	for _, f := range v.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// empty reports whether v is missing, null, or has nothing in it.
func (v *value) empty() bool {
	return v == nil || v.text == "" && len(v.fields) == 0 && len(v.items) == 0 || v.null
}

// whole returns the number that v is, and 0 if it is empty.
func (v *value) whole(most int) (n int, ok bool) {
	if v.empty() {
		return 0, true
	}
	n, err := strconv.Atoi(v.text)
	return n, err == nil && n > 0 && n <= most
}

// truth reports whether v is true: Symfony's parser takes true, True and TRUE.
func (v *value) truth() bool { return v != nil && (strings.EqualFold(v.text, "true") || v.text == "1") }

// box returns the sides that a list of two has. A side that is null is 0.
func (v *value) box() (w, h int, ok bool) {
	if v == nil || len(v.items) != 2 {
		return 0, 0, false
	}
	w, okWidth := v.items[0].whole(mostSide)
	h, okHeight := v.items[1].whole(mostSide)
	return w, h, okWidth && okHeight && (w > 0 || h > 0)
}

// mostSide is the largest side that a setting can ask for.
const mostSide = 100_000
