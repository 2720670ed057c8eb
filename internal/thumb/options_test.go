// SPDX-License-Identifier: MIT

package thumb

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each row of the table of options is complete: its name, its key, and its examples, which
// are parsed, printed and checked.
func TestEachOptionIsComplete(t *testing.T) {
	site := &Site{
		Scheme: Signed, Formats: ThumbnailFormats(), MaxWidth: 100, MaxHeight: 100, Watermarks: map[string]Watermark{"logo": {Name: "logo"}},
	}
	site.Prefix = "/t/"
	if !slices.IsSortedFunc(options, func(a, b option) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the options are not in alphabetical order")
	}
	keys := make(map[string]string)
	for _, o := range options {
		if other, ok := keys[o.key]; ok && o.key != "" {
			t.Errorf("%s and %s have the key %s", other, o.name, o.key)
		}
		keys[o.key] = o.name
		if len(o.examples) == 0 {
			t.Errorf("%s has no example", o.name)
		}
	}
	for text, example := range Examples() {
		uri := "/t/a.jpg/10x20_crop_" + text + "_" + strings.Repeat("0", signatureLength) + ".webp"
		got, err := site.Parse(uri)
		if err != nil || got.URI() != uri {
			t.Errorf("%s is %q, %v", uri, got.URI(), err)
			continue
		}
		want := example
		want.Width, want.Height, want.Method, want.Format = 10, 20, Crop, WebP
		if got.Spec != want {
			t.Errorf("%s: %+v, and the example is %+v", text, got.Spec, want)
		}
		if example == (Transform{}) && got.Version == "" {
			t.Errorf("%s changes nothing", text)
		}
		if err := got.Spec.CheckValues(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Each field of a transform is an option's, or one of the few that no option of URIs sets.
func TestEachFieldIsAnOption(t *testing.T) {
	others := []string{
		"Width", "Height", "Method", "Uncovered", "MaxBytes", "Format", "Enlarge", "Metadata", "FramesOver", "Variant", "MinSaving",
		"Measure", "Info",
	}
	want := slices.Clone(others)
	for _, transform := range Examples() {
		for field, value := range reflect.ValueOf(transform).Fields() {
			if !value.IsZero() && !slices.Contains(want, field.Name) {
				want = append(want, field.Name)
			}
		}
	}
	var got []string
	for field := range reflect.TypeFor[Transform]().Fields() {
		got = append(got, field.Name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-) and fields of Transform (+):\n%s", diff)
	}
}
