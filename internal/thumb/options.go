// SPDX-License-Identifier: MIT

package thumb

import (
	"fmt"
	"iter"
	"strings"
)

// option is one of a transform's options, in URIs and in presets.
type option struct {
	name string // in URIs
	key  string // of presets in the configuration; "": they have none
	// value returns the option's value in a transform. It is nil for v, which is of
	// the Thumb.
	value func(*Transform) Value
	// fits reports whether the option, which t has, goes with the method and with the options
	// before it; nil: with all.
	fits func(t Thumb) bool
	// finishes says that the option changes pixels of the resized picture.
	finishes bool
	// examples are values in URIs. If the option runs other code for other values, there is
	// one for each: a blur of 50 is done on a smaller picture. The worker renders each
	// example before it gives up its rights, and tests parse, send and render it.
	examples []string
}

// value returns the value of an option in t.
func (t *Thumb) value(o option) Value {
	if o.value == nil {
		return version{&t.Version}
	}
	return o.value(&t.Spec)
}

// parseOptions parses NAME=VALUE_NAME=VALUE…, each at most once.
func (t *Thumb) parseOptions(s string) error {
	next := 0
	for field := range strings.SplitSeq(s, "_") {
		name, text, ok := strings.Cut(field, "=")
		for next < len(options) && options[next].name != name {
			next++
		}
		if !ok || next == len(options) || !t.parseOption(options[next], text) {
			return fmt.Errorf("%w: option %q", ErrMalformed, field)
		}
		next++
	}
	return nil
}

func (t *Thumb) parseOption(o option, text string) bool {
	return t.value(o).parse(text) && (o.fits == nil || o.fits(*t))
}

// formatOptions returns the options as parseOptions parses them, each after a _.
func (t Thumb) formatOptions() string {
	var b strings.Builder
	for _, o := range options {
		if text := t.value(o).String(); text != "" {
			b.WriteString("_" + o.name + "=" + text)
		}
	}
	return b.String()
}

// PresetOptions returns the values in t of the options that presets have, by their keys in
// the configuration, for example "background".
func (t *Transform) PresetOptions() map[string]Value {
	values := make(map[string]Value)
	for _, o := range options {
		if o.key != "" {
			values[o.key] = o.value(t)
		}
	}
	return values
}

// Finishes reports whether pixels of the resized picture are changed: by a filter or a
// watermark.
func (t Transform) Finishes() bool {
	for _, o := range options {
		if o.finishes && o.value(&t).String() != "" {
			return true
		}
	}
	return false
}

// checkOptions returns an error if an option of t has a value that no URI can give it.
func (t Transform) checkOptions() error {
	for _, o := range options {
		if o.value == nil {
			continue
		}
		if text := o.value(&t).String(); text != "" && !o.value(&Transform{}).parse(text) {
			return fmt.Errorf("option %s=%s", o.name, text)
		}
	}
	return nil
}

// Examples yields examples of each option, as text and as a transform that has this option
// alone: no size, method or format. One of them is "blur=1" and Transform{Blur: 1_00}. The
// option v is not of the transform, so its transform is empty.
func Examples() iter.Seq2[string, Transform] {
	return func(yield func(string, Transform) bool) {
		for _, o := range options {
			for _, text := range o.examples {
				var t Thumb
				t.value(o).parse(text)
				if !yield(o.name+"="+text, t.Spec) {
					return
				}
			}
		}
	}
}
