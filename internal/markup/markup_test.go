// SPDX-License-Identifier: MIT

package markup

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"image"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/route"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

var update = flag.Bool("update", false, "write what this package prints into the vectors")

const vectorsFile = "../../testdata/vectors/clients.json"

// vectors are the cases of all packages for applications.
type vectors struct {
	About   string              `json:"about"`
	Sites   map[string]siteText `json:"sites"`
	URLs    []vector            `json:"urls"`
	Srcsets []vector            `json:"srcsets"`
	Picture []vector            `json:"pictures"`
	Refused []vector            `json:"refused"`
}

// siteText is a site as packages for applications take it: the keys of
// thumbd.toml(5), and the key.
type siteText struct {
	Prefix  string                `json:"prefix"`
	Scheme  string                `json:"scheme"`
	Key     string                `json:"key,omitempty"`
	Base    string                `json:"base,omitempty"`
	Enlarge bool                  `json:"enlarge,omitempty"`
	Formats []thumb.Format        `json:"formats,omitempty"`
	Presets map[string]presetText `json:"presets"`
}

type presetText struct {
	Size      string          `json:"size"`
	Method    thumb.Method    `json:"method"`
	DPR       []int           `json:"dpr,omitempty"`
	Widths    []int           `json:"widths,omitempty"`
	Formats   []thumb.Format  `json:"formats,omitempty"`
	Enlarge   *bool           `json:"enlarge,omitempty"`
	Uncovered thumb.Uncovered `json:"uncovered,omitzero"`
	// Packages take any other key of thumbd.toml, which changes nothing in what they print.
	Quality  any    `json:"quality,omitempty"`
	MaxBytes string `json:"max_bytes,omitempty"`
}

type vector struct {
	Site     string  `json:"site"`
	Original string  `json:"original"`
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
	Spec     string  `json:"spec"`
	Format   *string `json:"format,omitempty"` // "" is as none, and so are Sizes
	Alt      string  `json:"alt,omitempty"`
	Sizes    *string `json:"sizes,omitempty"`
	Lazy     bool    `json:"lazy,omitempty"`
	Priority bool    `json:"priority,omitempty"`

	Info        *infoText `json:"info,omitempty"`
	Placeholder bool      `json:"placeholder,omitempty"`

	Want string `json:"want,omitempty"`
	Why  string `json:"why,omitempty"`
}

// infoText is the part of an original's description that a page needs.
type infoText struct {
	Width     int    `json:"width,omitempty"`
	Height    int    `json:"height,omitempty"`
	ThumbHash string `json:"thumbhash"`
}

func (x siteText) site(t *testing.T) *thumb.Site {
	t.Helper()
	s := &thumb.Site{
		Route: route.Route{Prefix: x.Prefix}, Keys: [][]byte{[]byte(x.Key)}, Enlarge: x.Enlarge, Formats: x.Formats,
		MaxWidth: 4096, MaxHeight: 4096, Presets: make(map[string]thumb.Preset),
	}
	if err := s.Scheme.UnmarshalText([]byte(x.Scheme)); err != nil {
		t.Fatal(err)
	}
	if len(s.Formats) == 0 {
		s.Formats = thumb.ThumbnailFormats()
	}
	for name, p := range x.Presets {
		to := thumb.Preset{DPR: p.DPR, Widths: p.Widths, Formats: p.Formats}
		to.Transform = thumb.Transform{Method: p.Method, Uncovered: p.Uncovered}
		to.Transform.Width, to.Transform.Height = box(t, p.Size)
		if p.Enlarge != nil {
			to.Enlarge = thumb.Never
			if *p.Enlarge {
				to.Enlarge = thumb.Always
			}
		}
		s.Presets[name] = to
	}
	return s
}

// box parses "400x300" as URLs of the signed scheme have it.
func box(t *testing.T, size string) (width, height int) {
	t.Helper()
	s := thumb.Site{Route: route.Route{Prefix: "/t/"}, Scheme: thumb.Signed, Formats: thumb.ThumbnailFormats(), MaxWidth: 1 << 20, MaxHeight: 1 << 20}
	x, err := s.New(thumb.Wanted{Original: "a.jpg", Size: size, Method: "fit"})
	if err != nil {
		t.Fatal(err)
	}
	return x.Spec.Width, x.Spec.Height
}

func read(t *testing.T) vectors {
	t.Helper()
	b, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil || len(v.URLs) == 0 || len(v.Srcsets) == 0 || len(v.Picture) == 0 {
		t.Fatalf("%d, %d and %d vectors: %v", len(v.URLs), len(v.Srcsets), len(v.Picture), err)
	}
	return v
}

// made is a vector's text as this package prints it.
func made(t *testing.T, v vectors, kind string, x vector) (string, error) {
	t.Helper()
	text := v.Sites[x.Site]
	site := text.site(t)
	w := Wanted{
		Original: x.Original, Size: image.Pt(x.Width, x.Height), Preset: x.Spec,
		Alt: x.Alt, Sizes: or(x.Sizes), Base: text.Base, Lazy: x.Lazy, Priority: x.Priority, Placeholder: x.Placeholder,
	}
	if x.Info != nil {
		w.ThumbHash = x.Info.ThumbHash
		if x.Width == 0 && x.Height == 0 {
			w.Size = image.Pt(x.Info.Width, x.Info.Height)
		}
	}
	switch kind {
	case "url":
		if site.HasPreset(x.Spec) {
			u, err := newThumb(site, w, x.Spec, or(x.Format))
			return w.url(u), err
		}
		u, err := site.New(specified(x))
		if err != nil {
			return "", err
		}
		return w.url(signed(site, u)), nil
	case "srcset":
		return srcset(site, w, or(x.Format))
	}
	p, err := New(site, w)
	return p.HTML(), err
}

func or(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func TestVectors(t *testing.T) {
	v := read(t)
	for kind, list := range map[string][]vector{"url": v.URLs, "srcset": v.Srcsets, "picture": v.Picture} {
		for i, x := range list {
			got, err := made(t, v, kind, x)
			if err != nil {
				t.Errorf("%s %+v: %v", kind, x, err)
			}
			if *update {
				list[i].Want = got
			} else if got != x.Want {
				t.Errorf("%s %+v (-want +got):\n%s", kind, x, cmp.Diff(x.Want, got))
			}
		}
	}
	for _, x := range v.Refused {
		if got, err := made(t, v, "picture", x); err == nil {
			t.Errorf("refused %+v: got %s", x, got)
		}
	}
	if *update {
		var b bytes.Buffer
		to := json.NewEncoder(&b)
		to.SetEscapeHTML(false)
		to.SetIndent("", " ")
		if err := to.Encode(v); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// An original that is smaller than a width ends the ladder with its own width, and
// the element has the sizes that thumbnails have.
func TestRealWidths(t *testing.T) {
	site := siteText{Prefix: "/p/", Scheme: "preset", Presets: map[string]presetText{
		"hero": {Size: "1600x900", Method: thumb.Crop, Widths: []int{1600, 320, 960}, Formats: []thumb.Format{thumb.AVIF, thumb.WebP}},
	}}.site(t)
	for _, tt := range []struct {
		size          image.Point
		want          string
		width, height int
	}{
		{image.Pt(4000, 3000), "/p/hero-320w/a.jpg 320w, /p/hero-960w/a.jpg 960w, /p/hero-1600w/a.jpg 1600w", 1600, 900},
		{image.Pt(1000, 1000), "/p/hero-320w/a.jpg 320w, /p/hero-960w/a.jpg 960w, /p/hero-1600w/a.jpg 1000w", 1000, 563},
		{image.Pt(960, 540), "/p/hero-320w/a.jpg 320w, /p/hero-960w/a.jpg 960w", 960, 540},
		{image.Pt(100, 900), "/p/hero-320w/a.jpg 100w", 100, 56},
	} {
		p, err := New(site, Wanted{Original: "a.jpg", Preset: "hero", Size: tt.size})
		if err != nil {
			t.Fatal(err)
		}
		if p.Image.Srcset != tt.want || p.Image.Width != tt.width || p.Image.Height != tt.height || len(p.Sources) != 2 {
			t.Errorf("%v: got %+v, want %s, %dx%d", tt.size, p, tt.want, tt.width, tt.height)
		}
	}
	if _, err := New(site, Wanted{Original: "a.jpg", Preset: "hero"}); !errors.Is(err, ErrSize) {
		t.Errorf("without a size: %v", err)
	}
}

// specified is what the URL of a vector without a preset names.
func specified(x vector) thumb.Wanted {
	size, method, _ := strings.Cut(x.Spec, "_")
	options := strings.Split(method, "_")
	slices.Sort(options[1:])
	return thumb.Wanted{Original: x.Original, Size: size, Method: strings.Join(options, "_"), Ext: or(x.Format)}
}

func signed(site *thumb.Site, t thumb.Thumb) thumb.Thumb {
	t.Signature = sign.Sign(t, site.Keys[0])
	return t
}
