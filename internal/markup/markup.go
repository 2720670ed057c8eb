// SPDX-License-Identifier: MIT

// Package markup writes the HTML of a thumbnail in several widths and formats, with
// its real sizes, without I/O. The packages for applications, in packaging/clients,
// write the same HTML: all of them are tested by testdata/vectors/clients.json.
package markup

import (
	"errors"
	"fmt"
	"image"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"thumbd/internal/geometry"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// Wanted is a picture that a page shows.
type Wanted struct {
	Original string
	Size     image.Point // of the original as it is seen: turned
	Preset   string
	Alt      string
	Sizes    string // of the attribute; "": see New
	Base     string // before each path, for example https://img.example
	Lazy     bool   // load it when it comes near to the window
	Priority bool   // load it before other pictures
	// Placeholder shows a tiny picture until the picture is loaded. It is made of ThumbHash,
	// a field of the original's description.
	Placeholder bool
	ThumbHash   string
}

// Source is a source element, a format that browsers choose if they know it.
type Source struct {
	Type   string `json:"type"`
	Srcset string `json:"srcset"`
	Sizes  string `json:"sizes"`
}

// Image is the img element, in the original's own format, or JPEG if thumbnails
// can't have that format.
type Image struct {
	Src           string `json:"src"`
	Srcset        string `json:"srcset"`
	Sizes         string `json:"sizes"`
	Width         int    `json:"width"`
	Height        int    `json:"height"`
	Alt           string `json:"alt"`
	Loading       string `json:"loading"`
	Decoding      string `json:"decoding"`
	FetchPriority string `json:"fetchpriority,omitempty"`
	Style         string `json:"style,omitempty"` // the placeholder
}

// Picture is the picture element. Its sources are in the order of the preset's
// formats.
type Picture struct {
	Sources []Source `json:"sources"`
	Image   Image    `json:"img"`
}

// ErrSize means that the size of the original is missing or impossible.
var ErrSize = errors.New("the original's width and height must be known")

// New returns the picture of a preset of site. Its src is the preset itself. Its
// srcset has the preset's widths, or if there are none the preset and its NAME@Nx,
// each once with the width that the thumbnail really has. Without w.Sizes the sizes are
// 100vw, or for a preset without widths its own width.
func New(site *thumb.Site, w Wanted) (Picture, error) {
	if w.Size.X < 1 || w.Size.Y < 1 {
		return Picture{}, ErrSize
	}
	preset, ok := site.Presets[w.Preset]
	if !ok || preset.Transform.Info {
		return Picture{}, fmt.Errorf("%w: %q", thumb.ErrUnknownPreset, w.Preset)
	}
	own, err := newThumb(site, w, w.Preset, "")
	if err != nil {
		return Picture{}, err
	}
	size, err := realSize(own, w.Size)
	if err != nil {
		return Picture{}, err
	}
	p := Picture{Sources: []Source{}, Image: Image{
		Src: w.url(own), Width: size.X, Height: size.Y, Alt: w.Alt, Sizes: w.Sizes, Loading: "eager", Decoding: "async",
	}}
	switch {
	case w.Sizes != "":
	case len(preset.Widths) > 0:
		p.Image.Sizes = "100vw"
	default:
		p.Image.Sizes = strconv.Itoa(size.X) + "px"
	}
	if w.Lazy {
		p.Image.Loading = "lazy"
	}
	if w.Priority {
		p.Image.FetchPriority = "high"
	}
	if w.Placeholder {
		if p.Image.Style, err = style(w.ThumbHash, w.Size, preset.Transform.Method); err != nil {
			return Picture{}, err
		}
	}
	if p.Image.Srcset, err = srcset(site, w, ""); err != nil {
		return Picture{}, err
	}
	for _, f := range formats(preset, own) {
		set, err := srcset(site, w, f.String())
		if err != nil {
			return Picture{}, err
		}
		p.Sources = append(p.Sources, Source{f.MediaType(), set, p.Image.Sizes})
	}
	return p, nil
}

// formats returns the formats of the sources beside that of own. A GIF has no AVIF:
// it may be an animation.
func formats(preset thumb.Preset, own thumb.Thumb) []thumb.Format {
	return slices.DeleteFunc(slices.Clone(preset.Formats), func(f thumb.Format) bool {
		return f == own.Spec.Format || f == thumb.AVIF && own.Spec.Format == thumb.GIF
	})
}

// srcset returns the attribute of an extension: "/a-320w.jpg 320w, /a-640w.jpg 640w". An
// original that is smaller than a width ends the list with its own width.
func srcset(site *thumb.Site, w Wanted, ext string) (string, error) {
	names := site.Ladder(w.Preset)
	if len(names) == 0 {
		names = site.Sizes(w.Preset)
	}
	var list []string
	last := 0
	for _, name := range ascending(site, names) {
		t, err := newThumb(site, w, name, ext)
		if err != nil {
			return "", err
		}
		size, err := realSize(t, w.Size)
		if errors.Is(err, geometry.ErrTooLarge) || size.X <= last {
			continue
		}
		last = size.X
		list = append(list, w.url(t)+" "+strconv.Itoa(size.X)+"w")
	}
	return strings.Join(list, ", "), nil
}

// ascending returns the names of sizes of a preset with the smallest first.
func ascending(site *thumb.Site, names []string) []string {
	width := func(name string) int {
		t, err := site.New(thumb.Wanted{Original: "a.jpg", Preset: name})
		if err != nil {
			return 0
		}
		w, h := t.Transform().Box()
		return max(w, h)
	}
	return slices.SortedStableFunc(slices.Values(names), func(a, b string) int { return width(a) - width(b) })
}

func newThumb(site *thumb.Site, w Wanted, preset, ext string) (thumb.Thumb, error) {
	t, err := site.New(thumb.Wanted{Original: w.Original, Preset: preset, Ext: ext})
	if err == nil && site.Scheme.HasKeys() {
		t.Signature = sign.Sign(t, site.Keys[0])
	}
	return t, err
}

// realSize returns the size of the thumbnail t of an original of a size.
func realSize(t thumb.Thumb, original image.Point) (image.Point, error) {
	tr := t.Transform()
	if tr.Method == thumb.Original {
		return original, nil
	}
	if f, _ := thumb.FormatOfName(t.Original); f == thumb.SVG {
		tr.Enlarge = true
	}
	plan, err := geometry.New(original, tr, image.Pt(t.Site.MaxWidth, t.Site.MaxHeight))
	return plan.Canvas, err
}

func (w Wanted) url(t thumb.Thumb) string {
	return strings.TrimSuffix(w.Base, "/") + (&url.URL{Path: t.URI()}).EscapedPath()
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// HTML returns the element, a line for each of its parts.
func (p Picture) HTML() string {
	var b strings.Builder
	b.WriteString("<picture>\n")
	for _, s := range p.Sources {
		fmt.Fprintf(&b, "<source type=\"%s\" srcset=\"%s\" sizes=\"%s\">\n", s.Type, escaper.Replace(s.Srcset), escaper.Replace(s.Sizes))
	}
	i := p.Image
	fmt.Fprintf(&b, "<img src=\"%s\" srcset=\"%s\" sizes=\"%s\" width=\"%d\" height=\"%d\" alt=\"%s\" loading=\"%s\" decoding=\"%s\"",
		escaper.Replace(i.Src), escaper.Replace(i.Srcset), escaper.Replace(i.Sizes), i.Width, i.Height, escaper.Replace(i.Alt), i.Loading, i.Decoding)
	if i.FetchPriority != "" {
		fmt.Fprintf(&b, " fetchpriority=\"%s\"", i.FetchPriority)
	}
	if i.Style != "" {
		fmt.Fprintf(&b, " style=\"%s\"", escaper.Replace(i.Style))
	}
	b.WriteString(">\n</picture>\n")
	return b.String()
}
