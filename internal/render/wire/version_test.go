// SPDX-License-Identifier: MIT

package wire

import (
	"reflect"
	"strings"
	"testing"
)

// The version differs if a field is added, renamed or of another type, also in a list and
// in a struct inside of the message, and if the edition is raised.
func TestVersionChangesWithEachField(t *testing.T) {
	type part struct {
		Width int `json:"width,omitempty"`
	}
	type renamed struct {
		Width int `json:"w,omitempty"`
	}
	type message struct {
		ID    uint64 `json:"id"`
		Parts []part `json:"parts"`
	}
	of := func(edition int, message ...reflect.Type) int { return versionOf(edition, message) }
	first := of(1, reflect.TypeFor[message]())
	for name, version := range map[string]int{
		"edition": of(2, reflect.TypeFor[message]()),
		"another field": of(1, reflect.TypeFor[struct {
			ID    uint64 `json:"id"`
			Parts []part `json:"parts"`
			Blur  int    `json:"blur"`
		}]()),
		"another name in a list": of(1, reflect.TypeFor[struct {
			ID    uint64    `json:"id"`
			Parts []renamed `json:"parts"`
		}]()),
		"another type": of(1, reflect.TypeFor[struct {
			ID    string `json:"id"`
			Parts []part `json:"parts"`
		}]()),
		"no list": of(1, reflect.TypeFor[struct {
			ID    uint64 `json:"id"`
			Parts part   `json:"parts"`
		}]()),
		"another message": of(1, reflect.TypeFor[message](), reflect.TypeFor[part]()),
	} {
		if version == first {
			t.Errorf("%s: the version stays", name)
		}
	}
	// The fields' names in Go are not sent.
	if same := of(1, reflect.TypeFor[struct {
		Number uint64 `json:"id"`
		List   []part `json:"parts"`
	}]()); same != first {
		t.Error("other names in Go: another version")
	}
}

// Version is computed from every field of the messages, at any depth.
func TestVersionHasEachField(t *testing.T) {
	text := ""
	for _, m := range messages {
		text += shape(m) + "\n"
	}
	for _, want := range []string{
		"{version int; vips string; ", "{id uint64; formats []thumb.Format; ", "; outputs wire.Outputs; }\n",
		"results []{failure,omitempty wire.Failure; ", "focus,omitzero thumb.Focus; ", "watermark,omitzero {name string; ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
