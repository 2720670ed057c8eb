// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	_ "image/jpeg" // of thumbnails

	_ "golang.org/x/image/webp"

	"thumbd/internal/engine"
	"thumbd/internal/test/likeness"
	"thumbd/internal/test/peer/vips"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// earlier is the last commit in which libvips decodes, resizes and encodes all JPEGs:
// the next one adds package jpeg.
const earlier = "fc2b96c2e25db9f3ec1f1602ccf716c8b2d49f4f"

// The makers of the thumbnails that overEarlier compares: the present version, the earlier
// one, and the present one if the original is a PNG of the same pixels. All pixels of a PNG
// are resized, so the third maker tells how many bytes the detail of the original takes.
const (
	present = iota
	past
	fromPNG
	makers
)

// cell is the thumbnails of one kind of originals, in one format and size, by maker.
type cell struct {
	bytes  [makers][]float64
	ssim   [makers][]float64 // of luma, with a Lanczos3 reduction of all pixels
	chroma [makers][]float64 // mean errors of Cb and Cr, compared with the same
}

// overEarlier compares bytes and likeness of thumbnails with those that the earlier
// version makes of the same originals.
func overEarlier(ctx context.Context, now rig.Programs) (f figure, err error) {
	before, err := rig.BuildCommit(ctx, earlier)
	if err != nil {
		return f, err
	}
	if _, err := engine.Start(); err != nil { // libvips, for the originals' pixels
		return f, err
	}
	all := make([][]*cell, len(outputs))
	f.detail = "bytes over the earlier version's, of all and of the worst, and over those of the same pixels as PNG;" +
		"\n            SSIM, mean and least, and the error of chroma: now, of the earlier version, and of the PNG"
	for _, kind := range kinds {
		err := withOriginals(kind, func(folder string, originals []original) error {
			cells, err := compareVersions(ctx, []rig.Programs{now, before}, folder, originals, kind == "jpg")
			for i := range cells {
				all[i] = append(all[i], cells[i]...)
				for at, c := range cells[i] {
					f.detail += fmt.Sprintf("\n            %-15s %-4v %4d  %s", kind, outputs[i], boxes[at].X, c.detail())
				}
			}
			return err
		})
		if err != nil {
			return f, err
		}
	}
	for i, to := range outputs {
		var ratio, ssim, chroma float64
		for _, c := range all[i] {
			n := float64(len(all[i]))
			ratio += sum(c.bytes[present]) / sum(c.bytes[past]) / n
			ssim += (mean(c.ssim[present]) - mean(c.ssim[past])) / n
			chroma += mean(c.chroma[present]) / mean(c.chroma[past]) / n
		}
		if i == 0 {
			f.value = ratio
		} else {
			f.also = append(f.also, aim{fmt.Sprintf("the same as %v", to), ratio, 1, false})
		}
		f.also = append(f.also,
			aim{fmt.Sprintf("mean SSIM as %v, above the earlier version's (%+.5f)", to, ssim), ssim, 0, true},
			aim{fmt.Sprintf("error of chroma as %v, over the earlier version's", to), chroma, 1, false})
	}
	return f, nil
}

func (c *cell) detail() string {
	worst := 0.0
	for i, n := range c.bytes[present] {
		worst = max(worst, n/c.bytes[past][i])
	}
	line := fmt.Sprintf("%.3f %.3f", sum(c.bytes[present])/sum(c.bytes[past]), worst)
	if len(c.bytes[fromPNG]) > 0 {
		line += fmt.Sprintf(" %.3f", sum(c.bytes[present])/sum(c.bytes[fromPNG]))
	}
	for maker := range makers {
		if len(c.ssim[maker]) > 0 {
			line += fmt.Sprintf("  %.4f %.4f %.2f", mean(c.ssim[maker]), slices.Min(c.ssim[maker]), mean(c.chroma[maker]))
		}
	}
	return line
}

func sum(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

func mean(values []float64) float64 { return sum(values) / float64(len(values)) }

// compareVersions returns cells by format and size: of thumbnails that the present and the
// earlier programs make of the originals in folder, and if asPNG is set, also of PNGs of
// their pixels.
func compareVersions(ctx context.Context, programs []rig.Programs, folder string, originals []original, asPNG bool) (cells [][]*cell, err error) {
	// A worker has a low priority, and other programs of the machine may not.
	const toml = "[daemon]\nworkers = 1\n[limits]\nrender_time = \"2m\""
	daemons := make([]*rig.Rig, len(programs))
	for i, p := range programs {
		o := rig.Options{Programs: p, Sites: []rig.Site{site(folder)}, TOML: toml}
		if daemons[i], err = rig.Start(ctx, o); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, daemons[i].Close()) }()
	}
	for range outputs {
		var sizes []*cell
		for range boxes {
			sizes = append(sizes, new(cell))
		}
		cells = append(cells, sizes)
	}
	for _, o := range originals {
		full, err := reductionsOf(o)
		if err != nil {
			return nil, err
		}
		names := []string{o.name, o.name}
		if asPNG {
			names = append(names, o.name+".png")
			file, err := encode(full.whole, "png", 0)
			if err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(folder, o.name+".png"), file, 0o644); err != nil {
				return nil, err
			}
		}
		for maker, name := range names {
			for i, to := range outputs {
				for at, box := range boxes {
					t := thumb.Transform{Width: box.X, Height: box.Y, Method: thumb.Fit, Format: to, Quality: to.Quality()}
					length, m, err := thumbnail(ctx, daemons[maker%len(daemons)], name, t)
					if err != nil {
						return nil, err
					}
					ssim, chroma := full.likeness(m, to == thumb.JPEG)
					c := cells[i][at]
					c.bytes[maker] = append(c.bytes[maker], float64(length))
					c.ssim[maker] = append(c.ssim[maker], ssim)
					c.chroma[maker] = append(c.chroma[maker], chroma)
				}
			}
		}
	}
	return cells, nil
}

// thumbnail asks a daemon for a thumbnail. It returns the number of its bytes, and the
// picture.
func thumbnail(ctx context.Context, r *rig.Rig, original string, t thumb.Transform) (length int, m image.Image, err error) {
	uri, err := target(original, t, 1)
	if err != nil {
		return 0, nil, err
	}
	answer, err := r.Get(ctx, uri)
	if err != nil {
		return 0, nil, err
	}
	if answer.Status != http.StatusOK {
		return 0, nil, fmt.Errorf("%s: status %d, %s", uri, answer.Status, answer.Header.Get("X-Thumbd-Reason"))
	}
	m, _, err = image.Decode(bytes.NewReader(answer.Body))
	return len(answer.Body), m, err
}

// reductions are Lanczos3 reductions of all pixels of one original, each computed once.
type reductions struct {
	whole    *image.NRGBA
	planes   map[bool][]likeness.Plane // luma, Cb and Cr; true: on white
	computed map[reduction][]likeness.Plane
}

type reduction struct {
	size image.Point
	flat bool
}

func reductionsOf(o original) (*reductions, error) {
	m, err := vips.Upright(o.file.Name())
	return &reductions{m, map[bool][]likeness.Plane{}, map[reduction][]likeness.Plane{}}, err
}

// likeness compares a thumbnail with the original: the SSIM of luma, and the mean error of
// Cb and Cr. Transparent pixels are on black, or the original's are on white if flat is set.
func (r *reductions) likeness(m image.Image, flat bool) (ssim, chroma float64) {
	flat = flat && !r.whole.Opaque()
	key := reduction{m.Bounds().Size(), flat}
	if r.planes[flat] == nil {
		r.planes[flat] = planesOf(r.on(flat))
	}
	if r.computed[key] == nil {
		for _, p := range r.planes[flat] {
			r.computed[key] = append(r.computed[key], p.Reduced(key.size.X, key.size.Y))
		}
	}
	full, own := r.computed[key], planesOf(m)
	return likeness.SSIM(full[0], own[0]), (likeness.Error(full[1], own[1]) + likeness.Error(full[2], own[2])) / 2
}

// on returns the original, on white if flat is set.
func (r *reductions) on(flat bool) image.Image {
	if !flat {
		return r.whole
	}
	m := image.NewRGBA(r.whole.Rect)
	draw.Draw(m, m.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(m, m.Rect, r.whole, image.Point{}, draw.Over)
	return m
}

func planesOf(m image.Image) []likeness.Plane {
	chroma := likeness.Chroma(m)
	return []likeness.Plane{likeness.Luma(m), chroma[0], chroma[1]}
}
