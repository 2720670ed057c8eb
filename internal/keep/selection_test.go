// SPDX-License-Identifier: MIT

package keep

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/admin"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// The sizes of WordPress are those of presets, and in place of all presets.
func TestSelectionOfSizes(t *testing.T) {
	for _, tt := range []struct {
		scheme    thumb.Scheme
		selection admin.Selection
		want      error
	}{
		{thumb.PresetScheme, admin.Selection{}, nil},
		{thumb.PresetScheme, admin.Selection{Presets: []string{"a"}}, nil},
		{thumb.PresetScheme, admin.Selection{Presets: []string{"b"}}, ErrSelection},
		{thumb.PresetScheme, admin.Selection{Specs: []string{"9x9_fit"}}, ErrSelection},
		{thumb.PresetScheme, admin.Selection{Formats: []string{"webp"}}, ErrSelection},
		{thumb.InPlace, admin.Selection{}, nil},
		{thumb.InPlace, admin.Selection{Presets: []string{"a"}}, ErrSelection},
	} {
		s := &Site{Thumb: &thumb.Site{Route: route.Route{Name: "wp"}, Scheme: tt.scheme, Layout: thumb.WordPressLayout, Presets: map[string]thumb.Preset{"a": {}}}}
		if err := s.checkSelection(tt.selection); !errors.Is(err, tt.want) {
			t.Errorf("%v %+v: got %v, want %v", tt.scheme, tt.selection, err, tt.want)
		}
	}
}

// nginx looks for what it negotiates behind a name.
func TestSelectedNames(t *testing.T) {
	both := []thumb.Format{thumb.AVIF, thumb.WebP}
	for _, tt := range []struct {
		scheme    thumb.Scheme
		negotiate []thumb.Format
		selection admin.Selection
		original  string
		want      []string // without signatures
	}{
		{thumb.Signed, nil, admin.Selection{}, "a.png", []string{"a.png/p_.jpg", "a.png/q_.jpg"}},
		{thumb.Signed, both, admin.Selection{Presets: []string{"q"}}, "d/a.jpg", []string{"d/a.jpg/q_.jpg", "d/a.jpg/q_.jpg.avif", "d/a.jpg/q_.jpg.webp"}},
		{thumb.Signed, both[1:], admin.Selection{Presets: []string{"q"}}, "a.jpg", []string{"a.jpg/q_.jpg", "a.jpg/q_.jpg.webp"}},
		{thumb.Signed, both, admin.Selection{Specs: []string{"9x_fit_q=7"}, Formats: []string{"gif", "webp", "avif"}}, "a.jpg",
			[]string{"a.jpg/9x_fit_q=7_.gif", "a.jpg/9x_fit_q=7_.gif.webp", "a.jpg/9x_fit_q=7_.webp", "a.jpg/9x_fit_q=7_.avif"}},
		{thumb.Signed, both[1:], admin.Selection{Presets: []string{"q", "q"}, Specs: []string{"9x_fit", "9x_fit"}, Formats: []string{"", "jpg"}}, "a.jpg",
			[]string{"a.jpg/q_.jpg", "a.jpg/q_.jpg.webp", "a.jpg/9x_fit_.jpg", "a.jpg/9x_fit_.jpg.webp"}},
		{thumb.PresetScheme, both, admin.Selection{}, "a.JPG", []string{"p/a.JPG", "p/a.JPG.avif", "p/a.JPG.webp", "q/a.JPG", "q/a.JPG.avif", "q/a.JPG.webp"}},
		// The maps do not have it.
		{thumb.PresetScheme, both, admin.Selection{Presets: []string{"p"}}, "a.jpe", []string{"p/a.jpe"}},
		{thumb.RestThumbnails, nil, admin.Selection{Specs: []string{"9x9_crop"}}, "a.jpg", []string{"a.jpg/9x9/crop/.jpg"}},
	} {
		s := &Site{Thumb: &thumb.Site{
			Negotiate: tt.negotiate,
			Route:     route.Route{Prefix: "/t/"}, Scheme: tt.scheme, Keys: [][]byte{[]byte("thumbd-test-key-0123456789abcdef")}, MaxWidth: 99, MaxHeight: 99,
			Presets: map[string]thumb.Preset{
				"p": {Transform: thumb.Transform{Width: 9, Height: 9, Method: thumb.Fit}},
				"q": {Transform: thumb.Transform{Width: 10, Height: 9, Method: thumb.Fit}},
			},
			Formats: []thumb.Format{thumb.JPEG, thumb.WebP, thumb.AVIF, thumb.GIF},
		}}
		list, err := s.selected(tt.selection, tt.original)
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, a := range list {
			got = append(got, strings.Replace(strings.TrimPrefix(a.Name, "/t/"), a.thumb.Signature, "", 1))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v of %s (-want +got):\n%s", tt.selection, tt.original, diff)
		}
	}
}
