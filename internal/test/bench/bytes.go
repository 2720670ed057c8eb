// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"slices"

	_ "image/jpeg" // of the sizes of thumbnails

	"thumbd/internal/engine"
	"thumbd/internal/test/peer/vips"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// outputs are the formats of the thumbnails whose bytes are compared, and kinds the
// kinds of their originals.
var (
	outputs = []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP}
	kinds   = []string{"jpg", "progressive.jpg", "mixed.jpg", "png", "rgba.png"}
)

// ratios are of thumbnails' bytes, at each of boxes: ours over those of libvips alone.
type ratios struct {
	ours, theirs []int // sums
	each         [][]float64
}

func newRatios() *ratios {
	n := len(boxes)
	return &ratios{make([]int, n), make([]int, n), make([][]float64, n)}
}

func (r *ratios) add(at, ours, theirs int) {
	r.ours[at] += ours
	r.theirs[at] += theirs
	r.each[at] = append(r.each[at], float64(ours)/float64(theirs))
}

// detail tells the ratio of all bytes at each size, and the median and the greatest of
// the single thumbnails' ratios.
func (r *ratios) detail() (line string) {
	for at, box := range boxes {
		sorted := slices.Sorted(slices.Values(r.each[at]))
		line += fmt.Sprintf("  %dx%d %.3f (%.3f, %.3f)", box.X, box.Y,
			float64(r.ours[at])/float64(r.theirs[at]), sorted[len(sorted)/2], sorted[len(sorted)-1])
	}
	return line
}

// all returns the mean of the sizes' ratios.
func (r *ratios) all() (mean float64) {
	for at := range boxes {
		mean += float64(r.ours[at]) / float64(r.theirs[at]) / float64(len(boxes))
	}
	return mean
}

// bytesOverLibvips compares the bytes of thumbnails with those that libvips alone makes
// with the settings that thumbd had before it decoded and encoded itself.
func bytesOverLibvips(ctx context.Context, _ rig.Programs) (f figure, err error) {
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	sums := make([]float64, len(outputs))
	f.detail = "bytes of all at each size, and the median and greatest of single thumbnails"
	for _, kind := range kinds {
		err = withOriginals(kind, func(_ string, originals []original) error {
			for i, to := range outputs {
				r := newRatios()
				for _, o := range originals {
					if err := r.compare(ctx, e, o, to); err != nil {
						return fmt.Errorf("%s as %v: %w", o.name, to, err)
					}
				}
				f.detail += fmt.Sprintf("\n            %-15s to %-4v %s", kind, to, r.detail())
				sums[i] += r.all() / float64(len(kinds))
			}
			return nil
		})
		if err != nil {
			return f, err
		}
	}
	f.value = sums[0]
	for i, to := range outputs[1:] {
		f.also = append(f.also, aim{fmt.Sprintf("the same as %v", to), sums[i+1], 1, false})
	}
	return f, nil
}

// compare adds thumbnails of o.
func (r *ratios) compare(ctx context.Context, e *engine.Engine, o original, to thumb.Format) error {
	for at, box := range boxes {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t := thumb.Transform{Width: box.X, Height: box.Y, Method: thumb.Fit, Format: to, Quality: to.Quality()}
		size, ours, err := sizeAndBytes(e, o, t)
		if err != nil {
			return err
		}
		theirs, err := vips.Whole(o.file.Name(), size, to, to.Quality())
		if err != nil {
			return err
		}
		r.add(at, ours, bytesOfPicture(theirs, to))
	}
	return nil
}

// bytesOfPicture returns the length of a file that libvips was told to write without
// metadata. libvips 8.14 writes 194 bytes of EXIF into a WebP nevertheless, and the
// header that they need. thumbd took both out, then as now, so they do not count.
func bytesOfPicture(file []byte, format thumb.Format) int {
	const head, chunkHead = 12, 8
	if format != thumb.WebP {
		return len(file)
	}
	bytes, extension, alpha := head, 0, false
	for at := head; at+chunkHead <= len(file); {
		size := chunkHead + int(binary.LittleEndian.Uint32(file[at+4:])+1)/2*2
		switch string(file[at : at+4]) {
		case "EXIF":
		case "VP8X":
			extension = size
		case "ALPH":
			alpha = true
			fallthrough
		default:
			bytes += size
		}
		at += size
	}
	if alpha {
		return bytes + extension
	}
	return bytes
}

// sizeAndBytes returns the size of a thumbnail, and how many bytes it has.
func sizeAndBytes(e *engine.Engine, o original, t thumb.Transform) (size image.Point, bytes int, err error) {
	// Each alone: in company a thumbnail may have other bytes.
	alone, err := rendered(e, o.file, t)
	if err != nil {
		return size, 0, err
	}
	defer alone[0].Close()
	info, err := alone[0].Stat()
	if err != nil {
		return size, 0, err
	}
	t.Format, t.Quality = thumb.JPEG, defaultQuality
	same, err := rendered(e, o.file, t)
	if err != nil {
		return size, 0, err
	}
	defer same[0].Close()
	c, _, err := image.DecodeConfig(io.NewSectionReader(same[0], 0, 1<<30))
	return image.Pt(c.Width, c.Height), int(info.Size()), err
}
