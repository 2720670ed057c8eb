// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"os"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

func withFormats(formats ...thumb.Format) wire.Job {
	job := limits()
	job.Formats = append(slices.Clone(job.Formats), formats...)
	return job
}

// drawing has the colors of quadrants, with a square hole in the middle.
func drawing(size string) []byte {
	rect := func(x, y int, c color.NRGBA) string {
		return fmt.Sprintf(`<rect x="%d" y="%d" width="20" height="15" fill="#%02x%02x%02x" shape-rendering="crispEdges"/>`, x, y, c.R, c.G, c.B)
	}
	return []byte(`<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" ` + size + ` viewBox="0 0 40 30"><mask id="m"><path fill="#fff" d="M0 0H40V30H0zM18 13V17H22V13z"/></mask><g mask="url(#m)">` +
		rect(0, 0, red) + rect(20, 0, green) + rect(20, 15, yellow) + rect(0, 15, blue) + `</g></svg>`)
}

func TestDrawingsAreRenderedAtTheSizeAskedFor(t *testing.T) {
	for _, size := range []string{`width="40" height="30"`, `width="4000" height="3000"`, ``} {
		for _, c := range []struct {
			tr   thumb.Transform
			want image.Point
		}{
			{thumb.Transform{Width: 20, Method: thumb.Fit}, image.Pt(20, 15)},
			{thumb.Transform{Width: 800, Height: 700, Method: thumb.Fit}, image.Pt(800, 600)},
			{thumb.Transform{Width: 800, Height: 600, Method: thumb.Crop}, image.Pt(800, 600)},
			{thumb.Transform{Width: 200, Height: 150, Method: thumb.Smart}, image.Pt(200, 150)},
			{thumb.Transform{Width: 300, Height: 200, Method: thumb.Stretch}, image.Pt(300, 200)},
		} {
			t.Run(fmt.Sprintf("%s %v", size, c.tr), func(t *testing.T) {
				c.tr.Format = thumb.PNG
				files, results := render(t, drawing(size), withFormats(thumb.SVG), c.tr)
				if results[0].Failure != "" {
					t.Fatal(results[0].Detail)
				}
				m := decode(t, files[0], thumb.PNG)
				if m.Bounds().Size() != c.want {
					t.Fatalf("got %v, want %v", m.Bounds().Size(), c.want)
				}
				w, h := c.want.X, c.want.Y
				for at, want := range map[image.Point]color.NRGBA{
					{w / 4, h / 4}: red, {3 * w / 4, h / 4}: green, {3 * w / 4, 3 * h / 4}: yellow, {w / 4, 3 * h / 4}: blue,
					{w / 2, h / 2}: transparent,
				} {
					expectColor(t, m, at.X, at.Y, want, 3)
				}
				if w%2 == 0 && h%2 == 0 && c.tr.Method != thumb.Stretch {
					// Sharp, however large.
					expectColor(t, m, w/2-1, h/4, red, 3)
					expectColor(t, m, w/2, h/4, green, 3)
					expectColor(t, m, w/4, h/2-1, red, 3)
					expectColor(t, m, w/4, h/2, blue, 3)
				}
			})
		}
	}
}

func TestDrawingsTooLarge(t *testing.T) {
	job := withFormats(thumb.SVG)
	job.Pixels = 1_000_000
	for _, c := range []struct {
		size string
		tr   thumb.Transform
		want wire.Failure
	}{
		{`width="1" height="10000000"`, thumb.Transform{Width: 4, Height: 400, Method: thumb.Fit}, ""},
		{`width="1" height="10000000"`, thumb.Transform{Width: 4, Height: 4, Method: thumb.Crop}, wire.ThumbnailTooLarge},
		{`width="100" height="10"`, thumb.Transform{Width: 10, Height: 400, Method: thumb.Crop}, wire.ThumbnailTooLarge},
		{`width="100" height="10"`, thumb.Transform{Width: 10, Height: 300, Method: thumb.Crop}, ""},
	} {
		data := []byte(`<svg xmlns="http://www.w3.org/2000/svg" ` + c.size + ` preserveAspectRatio="none"><path d="M0 0H9V9z"/></svg>`)
		c.tr.Format = thumb.PNG
		if _, r := render(t, data, job, c.tr); r[0].Failure != c.want {
			t.Errorf("%s %v: got %q (%s), want %q", c.size, c.tr, r[0].Failure, r[0].Detail, c.want)
		}
	}
}

// TestDrawingsAsBrowsersDrawThem has quadrants in the corners of what a browser
// shows, whatever the root element says of its size.
func TestDrawingsAsBrowsersDrawThem(t *testing.T) {
	parts := func(x, y, w, h float64) string {
		var all strings.Builder
		for i, c := range []color.NRGBA{red, green, blue, yellow} {
			fmt.Fprintf(&all, `<rect x="%v" y="%v" width="%v" height="%v" fill="#%02x%02x%02x"/>`,
				x+float64(i%2)*w, y+float64(i/2)*h, w, h, c.R, c.G, c.B)
		}
		return all.String()
	}
	root := func(attributes, inside string) string {
		return `<svg xmlns="http://www.w3.org/2000/svg" ` + attributes + `>` + inside + `</svg>`
	}
	for name, text := range map[string]string{
		"no size but a viewBox":   root(`viewBox="0 0 40 30"`, parts(0, 0, 20, 15)),
		"far from the origin":     root(`viewBox="-900 7000 40 30"`, parts(-900, 7000, 20, 15)),
		"width alone":             root(`width="7" viewBox="0 0 40 30"`, parts(0, 0, 20, 15)),
		"percentages":             root(`width="100%" height="50%" viewBox="0 0 40 30"`, parts(0, 0, 20, 15)),
		"percentages inside":      root(`width="40" height="30"`, parts(0, 0, 20, 15)+`<rect x="50%" y="50%" width="50%" height="50%" fill="#e6dc28"/>`),
		"inches":                  root(`width="1in" height=".75in"`, parts(0, 0, 48, 36)),
		"a style of another size": root(`width="40" height="30" style="width:5px;height:900px"`, parts(0, 0, 20, 15)),
		"a sheet of another size": root(`width="40" height="30"`, `<style>svg{width:5px !important;height:900px}</style>`+parts(0, 0, 20, 15)),
		"a place of its own":      root(`x="20" y="20" width="40" height="30" viewBox="0 0 40 30"`, parts(0, 0, 20, 15)),
		"a small viewBox":         root(`viewBox="0 0 .4 .3"`, parts(0, 0, .2, .15)),
		"a large viewBox":         root(`viewBox="0 0 4000000 3000000"`, parts(0, 0, 2e6, 1.5e6)),
		"stretched":               root(`width="40" height="30" viewBox="0 0 8 100" preserveAspectRatio="none"`, parts(0, 0, 4, 50)),
		"slices":                  root(`width="40" height="30" viewBox="0 0 40 90" preserveAspectRatio="xMidYMax slice"`, parts(0, 60, 20, 15)),
		"bands at the sides":      root(`width="40" height="30" viewBox="0 0 20 30"`, parts(-10, 0, 20, 15)),
		"a long comment":          "<!-- <svg> " + strings.Repeat("a word ", 9000) + "-->" + root(`viewBox="0 0 40 30"`, parts(0, 0, 20, 15)),
		"a prefix": strings.NewReplacer("<rect", "<s:rect", "<svg xmlns", "<s:svg xmlns:s", "</svg", "</s:svg").
			Replace(root(`viewBox="0 0 40 30"`, parts(0, 0, 20, 15))),
	} {
		files, results := render(t, []byte(text), withFormats(thumb.SVG),
			thumb.Transform{Width: 80, Height: 80, Method: thumb.Fit, Format: thumb.PNG},
			thumb.Transform{Width: 30, Height: 64, Method: thumb.Stretch, Format: thumb.PNG})
		for i, want := range []image.Point{{80, 60}, {30, 64}} {
			if results[i].Failure != "" {
				t.Errorf("%s: %s", name, results[i].Detail)
				continue
			}
			m := decode(t, files[i], thumb.PNG)
			if m.Bounds().Size() != want {
				t.Errorf("%s: got %v, want %v", name, m.Bounds().Size(), want)
			}
			for corner, c := range []color.NRGBA{red, green, blue, yellow} {
				for _, at := range []float64{.04, .46} {
					x, y := (float64(corner%2)/2+at)*float64(want.X), (float64(corner/2)/2+at)*float64(want.Y)
					expectColor(t, m, int(x), int(y), c, 6)
				}
			}
			if t.Failed() {
				t.Fatalf("%s, %v", name, want)
			}
		}
	}
}

// TestDrawingsCostTheirThumbnail holds that a drawing is never drawn larger than
// its thumbnail: libvips' scale ends at 1/1000, and then is 1.
func TestDrawingsCostTheirThumbnail(t *testing.T) {
	job := withFormats(thumb.SVG)
	job.Outputs = []thumb.Transform{{Width: 16, Height: 16, Method: thumb.Fit, Format: thumb.PNG}}
	for attributes, want := range map[string]image.Point{
		`width="17000" height="17000"`:                                            {16, 16},
		`width="1e6" height="1e6"`:                                                {16, 16},
		`width="1e30" height="5e29"`:                                              {16, 8},
		`viewBox="0 0 1e9 1e9"`:                                                   {16, 16},
		`width="9" height="9" style="width:1e6px;height:1e6px"`:                   {16, 16},
		`width="1e6" height="1e6" viewBox="0 0 2e6 1e6"`:                          {16, 16},
		`width="1e7" height="1" preserveAspectRatio="xMinYMin"`:                   {16, 1},
		`width="9" height="9" style="width:99px!important;height:99px!important"`: {},
		`width="1e7" height="1" viewBox="0 0 1 1" stroke="none"`:                  {},
	} {
		text := `<svg xmlns="http://www.w3.org/2000/svg" ` + attributes + `><rect width="100%" height="100%" fill="red"/></svg>`
		o, err := started(t).open(fileOf(t, []byte(text)), job)
		if err != nil {
			t.Fatal(err)
		}
		out := o.plan(job, []*os.File{nil})[0]
		var l loaded
		if err = out.err; err == nil {
			l, err = o.load(o.need(out.plan), out)
		}
		if (err != nil) != (want == image.Point{}) {
			t.Errorf("%s: %v", attributes, err)
		}
		if err == nil && l.size() != want {
			t.Errorf("%s: drawn as %v, want %v", attributes, l.size(), want)
		}
		l.close()
		o.close()
	}
}

func TestDrawingsRefused(t *testing.T) {
	fit := thumb.Transform{Width: 20, Method: thumb.Fit, Format: thumb.PNG}
	whole := string(drawing(`width="40" height="30"`))
	for name, c := range map[string]struct {
		text string
		want wire.Failure
	}{
		"text":      {strings.Replace(whole, "<g ", "<text>a</text><g ", 1), wire.Unsupported},
		"file":      {strings.Replace(whole, "<g ", `<image href="/etc/hostname"/><g `, 1), wire.Unsupported},
		"entity":    {strings.Replace(whole, "<svg", `<!DOCTYPE svg [<!ENTITY a "a">]><svg`, 1), wire.Unsupported},
		"cut":       {whole[:len(whole)-6], wire.Damaged},
		"malformed": {strings.Replace(whole, "</g>", "", 1), wire.Damaged},
		"no size":   {`<svg xmlns="http://www.w3.org/2000/svg"><path d="M60 40h9v9z"/></svg>`, wire.Unsupported},
		"twice":     {strings.Replace(whole, "<g ", `<g id="a" id="b" `, 1), wire.Unsupported},
	} {
		if _, r := render(t, []byte(c.text), withFormats(thumb.SVG), fit); r[0].Failure != c.want {
			t.Errorf("%s: got %q (%s), want %q", name, r[0].Failure, r[0].Detail, c.want)
		}
	}
	for _, percent := range []int{25, 50, 90, 99} {
		cut := whole[:len(whole)*percent/100]
		if _, r := render(t, []byte(cut), withFormats(thumb.SVG), fit); r[0].Failure != wire.Damaged {
			t.Errorf("cut at %d%%: got %q (%s)", percent, r[0].Failure, r[0].Detail)
		}
	}
	if _, r := render(t, []byte(whole), limits(), fit); r[0].Failure != wire.Unsupported {
		t.Errorf("where the site does not allow it: got %q", r[0].Failure)
	}
}

// inBoxes is a JPEG XL file with boxes, one of which has an EXIF block.
func inBoxes(codestream []byte, e exif) []byte {
	box := func(kind string, data []byte) []byte {
		return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(8+len(data))), []byte(kind), data)
	}
	block := bytes.TrimPrefix(e.bytes(), []byte("Exif\x00\x00"))
	return slices.Concat(box("JXL ", []byte("\r\n\x87\n")), box("ftyp", []byte("jxl \x00\x00\x00\x00jxl ")),
		box("Exif", append(make([]byte, 4), block...)), box("jxlc", codestream))
}

// TestJPEGXL has a file without boxes and one with them. An EXIF block's
// orientation is not the picture's, which the codestream has.
func TestJPEGXL(t *testing.T) {
	bare, err := os.ReadFile("testdata/quadrants.jxl")
	if err != nil {
		t.Fatal(err)
	}
	tr := thumb.Transform{Width: 100, Method: thumb.Fit, Format: thumb.PNG}
	for name, data := range map[string][]byte{"bare": bare, "boxes": inBoxes(bare, exif{orientation: 6})} {
		files, results := render(t, data, withFormats(thumb.JXL), tr)
		if results[0].Failure != "" {
			t.Fatal(results[0].Detail)
		}
		expectQuadrants(t, decode(t, files[0], thumb.PNG), 8)
		for _, percent := range []int{10, 25, 50, 90, 99} {
			if _, r := render(t, data[:len(data)*percent/100], withFormats(thumb.JXL), tr); r[0].Failure != wire.Damaged {
				t.Errorf("%s, %d%%: got %q (%s)", name, percent, r[0].Failure, r[0].Detail)
			}
		}
		if _, r := render(t, data, limits(), tr); r[0].Failure != wire.Unsupported {
			t.Errorf("%s where the site does not allow it: got %q", name, r[0].Failure)
		}
	}
}
