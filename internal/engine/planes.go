// SPDX-License-Identifier: MIT

package engine

// #include "vips.h"
import "C"

import (
	"image"

	"thumbd/internal/engine/jpeg"
	"thumbd/internal/engine/plane"
	"thumbd/internal/geometry"
	"thumbd/internal/thumb"
)

// subsampled is the quality below which libjpeg and libheif are told to write
// half as many samples of chroma across and down.
const subsampled = 90

// ProgressiveArea is the size in pixels, width x height, from which JPEGs are
// progressive.
const ProgressiveArea = C.THUMBD_PROGRESSIVE

// halves reports whether out is written with half as many samples of chroma,
// across and down, as of luma.
func (out *output) halves() bool {
	switch out.Format {
	case thumb.JPEG, thumb.AVIF:
		return out.Quality < subsampled
	case thumb.WebP, thumb.JSON:
		return true
	}
	return false
}

// loadPlanes decodes a JPEG by package jpeg for a resize to size, or returns none
// if libvips is to decode it. The caller closes it.
func (o *original) loadPlanes(size image.Point, halved bool) loaded {
	n := geometry.Eighths(o.stored, size)
	if o.format != thumb.JPEG || n == 0 || o.left {
		return loaded{}
	}
	p, err := jpeg.Decode(o.file, jpeg.Scale{Size: o.stored, Eighths: n, Halved: halved})
	if err != nil {
		o.left = true
		return loaded{}
	}
	return loaded{planes: p, halved: halved}
}

// staysPlanes reports whether out is a JPEG that can be made of planes alone: no step
// of its render needs pixels.
func (o *original) staysPlanes(out *output) bool {
	return out.Format == thumb.JPEG && o.profile == ignoreProfile &&
		out.plan.Seek == 0 && out.plan.Canvas == out.plan.Cut.Size() &&
		!out.Finishes() &&
		// Planes keep their chroma, and a lower quality has half of it.
		(out.MaxBytes == 0 || out.halves())
}

// encodePlanes makes out of the planes of l and writes it.
func (o *original) encodePlanes(l loaded, out *output) error {
	plan := out.plan.Stored(geometry.Upright(o.stored, o.orientation), o.orientation)
	small, err := o.resizedPlanes(l, plan, o.orientation)
	if err != nil {
		return o.damaged(err)
	}
	defer small.Close()
	seen := small
	if o.orientation > 1 {
		if seen, err = small.Turn(o.orientation); err != nil {
			return o.damaged(err)
		}
		defer seen.Close()
	}
	if out.Quality == thumb.AutoQuality {
		if err := out.choose(tilesOfLuma(seen)); err != nil {
			return err
		}
	}
	var segments []byte
	if out.Metadata != thumb.NoMetadata {
		if err := o.keepHeader(); err != nil {
			return err
		}
		if segments, err = o.header.segments(out.Transform, seen.Size()); err != nil {
			return err
		}
	}
	return o.encode(out, func(quality int, write func([]byte) error) error {
		return jpeg.Encode(seen, encodingOf(quality, seen.Size()), withSegments(segments, write))
	})
}

// encodingOf returns how a JPEG of a size is encoded.
func encodingOf(quality int, size image.Point) jpeg.Encoding {
	return jpeg.Encoding{Quality: quality, Progressive: size.X*size.Y >= ProgressiveArea, Halved: quality < subsampled}
}

// pixels resizes and cuts the planes of l by plan, a plan for the picture as it is
// stored, and returns the pixels.
func (o *original) pixels(l loaded, plan geometry.Plan) (picture, error) {
	const asStored = 1
	small, err := o.resizedPlanes(l, plan, asStored)
	if err != nil {
		return picture{}, err
	}
	defer small.Close()
	if err := o.keepHeader(); err != nil {
		return picture{}, err
	}
	return o.header.like(small)
}

// resizedPlanes resizes and cuts the planes of l by plan. The caller turns them by
// orientation afterwards. As with resized, the resized planes may be kept for outputs
// that follow.
func (o *original) resizedPlanes(l loaded, plan geometry.Plan, orientation int) (plane.Picture, error) {
	r := plane.Resizing{
		Size: plan.Size, Cut: plan.Cut, Halved: l.halved,
		FromRight:  orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8,
		FromBottom: orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7,
	}
	if !o.group.isBase(l, plan) {
		return l.planes.Resize(r)
	}
	whole, err := l.planes.Resize(plane.Resizing{
		Size: plan.Size, Cut: image.Rectangle{Max: plan.Size}, Halved: l.halved,
	})
	if err != nil {
		return plane.Picture{}, err
	}
	o.group.keep(loaded{planes: whole, halved: l.halved})
	return whole.Resize(r)
}
