// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"image"
	"math"
	"slices"
	"unsafe"

	"thumbd/internal/geometry"
	"thumbd/internal/info"
	"thumbd/internal/thumb"
)

// tinySides are the longest sides, in pixels, of the picture in a description, and
// tinyQuality is the quality of that. It is the first one that is small enough.
var tinySides = []int{16, 12, 8, 4}

const tinyQuality = 60

// describe writes out as the JSON description of o by package info. p is o upright, in
// its colors, and at most thumb.InfoSide pixels wide and high.
func (o *original) describe(p picture, out *output) error {
	pixels, err := p.pixels()
	if err != nil {
		return err
	}
	size := geometry.Upright(o.stored, o.orientation)
	if o.format == thumb.SVG {
		// It is stored in the size of the largest thumbnail.
		size = image.Pt(whole(o.container.Drawing.Width), whole(o.container.Drawing.Height))
	}
	i := info.Info{Width: size.X, Height: size.Y, Format: o.format, Bytes: o.length, Frames: o.frames}
	i.Look(pixels)
	for _, side := range tinySides {
		tiny, err := p.tiny(info.Shrink(pixels, side))
		if err != nil {
			return fmt.Errorf("encode the lqip: %w", err)
		}
		if i.Place(tiny) {
			break
		}
	}
	file, err := i.File()
	if err != nil {
		return err
	}
	return o.write(out, file)
}

// whole returns a side of a drawing in pixels.
func whole(side float64) int { return int(min(max(math.Round(side), 1), 1<<24)) }

// single is no animation.
var single = animation{frames: 1}

// pixels returns the pixels of p, in sRGB or gray of 8 bits.
func (p picture) pixels() (*image.NRGBA, error) {
	flat, err := p.flat(thumb.PNG)
	if err != nil {
		return nil, err
	}
	defer flat.close()
	size, bands := flat.size(), flat.bands()
	if bands < 1 || bands > 4 {
		return nil, fmt.Errorf("a picture of %d bands", bands)
	}
	from := unsafe.Slice((*uint8)(flat.memory()), size.X*size.Y*bands)
	out := image.NewNRGBA(image.Rectangle{Max: size})
	for to := out.Pix; len(to) > 0; from, to = from[bands:], to[4:] {
		to[3] = 255
		if bands < 3 {
			to[0], to[1], to[2] = from[0], from[0], from[0]
		} else {
			copy(to, from[:3])
		}
		if bands%2 == 0 {
			to[3] = from[bands-1]
		}
	}
	return out, nil
}

// tiny returns pixels, a smaller copy of p, as a WebP file.
func (p picture) tiny(pixels *image.NRGBA) (file []byte, err error) {
	size := pixels.Rect.Size()
	small, memory, stride, err := p.blank(size, 0)
	if err != nil {
		return nil, err
	}
	defer small.close()
	bands := small.bands()
	for y := range size.Y {
		line := unsafe.Slice((*uint8)(unsafe.Add(memory, y*stride)), size.X*bands)
		for x := range size.X {
			px := pixels.Pix[pixels.PixOffset(x, y):]
			copy(line[x*bands:(x+1)*bands], px)
			if bands == 2 {
				line[x*bands+1] = px[3]
			}
		}
	}
	err = small.encode(thumb.Transform{Format: thumb.WebP, Quality: tinyQuality}, single, false, func(b []byte) error {
		file = slices.Clone(b)
		return nil
	})
	return file, err
}
