// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // for DecodeConfig
	"image/png"
	"io"
	"os"
	"strings"

	"thumbd/internal/engine"
	"thumbd/internal/engine/jpeg"
	"thumbd/internal/engine/plane"
	"thumbd/internal/geometry"
	"thumbd/internal/test/likeness"
	"thumbd/internal/test/peer/vips"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// stages are peers that each do a part of the work of thumbd or sharp, and their
// times.
type stages struct {
	comparison
	sizes   map[string]image.Point   // of originals
	encoded map[string]vips.Picture  // thumbnails
	small   map[string]plane.Picture // those that are planes
}

// The places of the peers.
const (
	ownAll = iota
	ownDecode
	ownEncode
	sharpAll
	sharpDecode
	sharpDecodeLikeOwn
	sharpRaw
	sharpProgressive
)

// whereTimeGoes compares thumbd with sharp step by step.
func whereTimeGoes(ctx context.Context, _ rig.Programs) (f figure, err error) {
	const rounds = 5
	err = withSharp(ctx, "jpg", func(e *engine.Engine, process *sharpProcess, originals []original) error {
		s, err := newStages(e, process, originals)
		if err != nil {
			return err
		}
		defer s.close()
		if err := compare(ctx, &s.comparison, originals, rounds); err != nil {
			return err
		}
		f = figure{
			value:  float64(s.sum(ownAll)) / float64(s.sum(sharpAll)),
			detail: "processor time per thumbnail" + s.table(sharpRows, rounds*len(originals)),
		}
		for i, name := range []string{"thumbd", "sharp"} {
			least, err := leastLikeness(originals, func(o original, box image.Point) (image.Image, error) {
				if i == 0 {
					return ownPixels(e, o, box)
				}
				return process.pixels(o, box)
			})
			if err != nil {
				return err
			}
			f.detail += fmt.Sprintf("\n            least SSIM of %s with a Lanczos3 reduction of all pixels: %s", name, least)
		}
		return nil
	})
	return f, err
}

// stagesOf returns stages that have no peers yet.
func stagesOf(originals []original) (*stages, error) {
	s := &stages{sizes: make(map[string]image.Point), encoded: make(map[string]vips.Picture), small: make(map[string]plane.Picture)}
	for _, o := range originals {
		c, _, err := image.DecodeConfig(bytes.NewReader(o.data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		s.sizes[o.name] = image.Pt(c.Width, c.Height)
	}
	return s, nil
}

func newStages(e *engine.Engine, process *sharpProcess, originals []original) (*stages, error) {
	s, err := stagesOf(originals)
	if err != nil {
		return nil, err
	}
	s.peers = []*peer{
		ownAll:             own(e, "thumbd", thumb.JPEG, defaultQuality),
		ownDecode:          {name: "decode", spent: clock, make: s.decode},
		ownEncode:          {name: "encode", spent: clock, make: s.encode},
		sharpAll:           process.peer("jpeg"),
		sharpDecode:        process.peer("raw"),
		sharpDecodeLikeOwn: process.peer("raw"),
		sharpRaw:           process.peer("raw"),
		sharpProgressive:   process.peer("progressive"),
	}
	for at, scale := range map[int]func(original, image.Point) int{sharpDecode: s.sharpScale, sharpDecodeLikeOwn: s.scale} {
		s.peers[at].make = func(o original, box image.Point) error {
			return process.ask("nearest", decodedAt(s.sizes[o.name], scale(o, box)), o)
		}
	}
	return s, nil
}

func (s *stages) close() {
	for _, p := range s.encoded {
		p.Close()
	}
	for _, p := range s.small {
		p.Close()
	}
}

// fitted returns the size of a thumbnail.
func (s *stages) fitted(o original, box image.Point) image.Point {
	t := thumb.Transform{Width: box.X, Height: box.Y, Method: thumb.Fit}
	p, err := geometry.New(s.sizes[o.name], t, box)
	if err != nil {
		return image.Point{}
	}
	return p.Size
}

// scale returns the part of an original's width that thumbd decodes: 1, 2, 4 or 8.
func (s *stages) scale(o original, box image.Point) int {
	return geometry.Divisor(s.sizes[o.name], s.fitted(o, box))
}

// sharpScale is the N of N/8 at which sharp decodes: the smallest that is larger than
// the wanted size.
func (s *stages) sharpScale(o original, box image.Point) int {
	whole := s.sizes[o.name].X / s.fitted(o, box).X
	for _, n := range []int{8, 4, 2} {
		if whole == n {
			return n / 2
		}
		if whole > n {
			return n
		}
	}
	return 1
}

// decodedAt returns the size of a thumbnail for which sharp decodes an original of the given
// size at 1/scale. Sharp then makes the thumbnail by leaving out pixels, at nearly no cost.
func decodedAt(size image.Point, scale int) image.Point {
	return size.Mul(2).Div(2*scale + scale/2 + 1)
}

// planes decodes as thumbd does, or returns none if libvips decodes.
func (s *stages) planes(o original, box image.Point) (plane.Picture, error) {
	n := geometry.Eighths(s.sizes[o.name], s.fitted(o, box))
	if n == 0 {
		return plane.Picture{}, nil
	}
	return jpeg.Decode(o.file, jpeg.Scale{Size: s.sizes[o.name], Eighths: n, Halved: true})
}

func (s *stages) decode(o original, box image.Point) error {
	if planes, err := s.planes(o, box); err != nil || !planes.None() {
		planes.Close()
		return err
	}
	p, err := vips.Decode(o.data, s.scale(o, box))
	if err != nil {
		return err
	}
	p.Close()
	return nil
}

// encode is of a thumbnail that the first round has made.
func (s *stages) encode(o original, box image.Point) error {
	key := fmt.Sprint(o.name, box)
	if small, made := s.small[key]; made {
		e := jpeg.Encoding{Quality: defaultQuality, Progressive: box.X*box.Y >= engine.ProgressiveArea}
		return jpeg.Encode(small, e, func([]byte) error { return nil })
	}
	if p, made := s.encoded[key]; made {
		_, err := p.Encode(defaultQuality)
		return err
	}
	planes, err := s.planes(o, box)
	if err != nil {
		return err
	}
	if !planes.None() {
		defer planes.Close()
		size := s.fitted(o, box)
		s.small[key], err = planes.Resize(plane.Resizing{Size: size, Cut: image.Rectangle{Max: size}, Halved: true})
		return err
	}
	file, err := vips.Make(o.file.Name(), vips.Thumbnail{Width: box.X, Height: box.Y, Quality: 95})
	if err != nil {
		return err
	}
	s.encoded[key], err = vips.Decode(file, 1)
	return err
}

// row is a line of a table of steps: a peer's time, without that of others.
type row struct {
	name  string
	peer  int
	minus []int
}

// sharpRows are the steps of thumbd and sharp. The rest of the time is resizing.
var sharpRows = []row{
	{"thumbd", ownAll, nil},
	{"  decode", ownDecode, nil},
	{"  read, resize and the rest", ownAll, []int{ownDecode, ownEncode}},
	{"  encode, progressive at 1200x900", ownEncode, nil},
	{"sharp", sharpAll, nil},
	{"  decode", sharpDecode, nil},
	{"  read, resize and the rest", sharpRaw, []int{sharpDecode}},
	{"  encode", sharpAll, []int{sharpRaw}},
	{"sharp's decoder at thumbd's scale", sharpDecodeLikeOwn, nil},
	{"sharp's encoder, progressive", sharpProgressive, []int{sharpRaw}},
}

// table tells the steps' times.
func (s *stages) table(rows []row, thumbnails int) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "\n            %-42s", r.name)
		for i, box := range boxes {
			d := s.spent[r.peer][i]
			for _, other := range r.minus {
				d -= s.spent[other][i]
			}
			fmt.Fprintf(&b, " %dx%d %5.1f ms", box.X, box.Y, milliseconds(d)/float64(thumbnails))
		}
	}
	return b.String()
}

// leastLikeness returns the least SSIM of the pictures of pixels, for each size.
func leastLikeness(originals []original, pixels func(original, image.Point) (image.Image, error)) (string, error) {
	least := make([]float64, len(boxes))
	for i := range least {
		least[i] = 1
	}
	for _, o := range originals {
		const all = 1 << 14
		m, err := peerPixels(o, image.Pt(all, all))
		if err != nil {
			return "", err
		}
		full := likeness.Luma(m)
		for i, box := range boxes {
			small, err := pixels(o, box)
			if err != nil {
				return "", err
			}
			got := likeness.Luma(small)
			least[i] = min(least[i], likeness.SSIM(got, full.Reduced(got.W, got.H)))
		}
	}
	var cells []string
	for i, box := range boxes {
		cells = append(cells, fmt.Sprintf("%dx%d %.4f", box.X, box.Y, least[i]))
	}
	return strings.Join(cells, ", "), nil
}

// ownPixels returns a thumbnail of thumbd's before it is encoded with loss.
func ownPixels(e *engine.Engine, o original, box image.Point) (image.Image, error) {
	files, err := rendered(e, o.file, thumb.Transform{Width: box.X, Height: box.Y, Method: thumb.Fit, Format: thumb.PNG})
	if err != nil {
		return nil, err
	}
	defer files[0].Close()
	return png.Decode(io.NewSectionReader(files[0], 0, 1<<30))
}

// peerPixels returns a thumbnail of vips_thumbnail's before it is encoded with loss.
func peerPixels(o original, box image.Point) (image.Image, error) {
	file, err := vips.Make(o.file.Name(), vips.Thumbnail{Width: box.X, Height: box.Y})
	if err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(file))
}

// pixels returns a thumbnail of sharp's before it is encoded with loss.
func (s *sharpProcess) pixels(o original, box image.Point) (image.Image, error) {
	if err := s.ask("png", box, o); err != nil {
		return nil, err
	}
	path := o.file.Name() + ".png"
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := png.Decode(bytes.NewReader(file))
	return m, errors.Join(err, os.Remove(path))
}
