// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"time"

	"thumbd/internal/engine"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// turnedOver compares photographs that are stored on their side with the same
// upright.
func turnedOver(ctx context.Context, _ rig.Programs) (f figure, err error) {
	const rounds = 5
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	err = withOriginals("jpg", func(folder string, originals []original) error {
		turned := make(map[string]*os.File)
		for _, o := range originals {
			path := filepath.Join(folder, "turned-"+o.name)
			if err := os.WriteFile(path, onItsSide(o.data), 0o644); err != nil {
				return err
			}
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			turned[o.name] = file
		}
		upright := own(e, "upright", thumb.JPEG, defaultQuality)
		onSide := &peer{name: "turned", spent: clock, make: func(o original, box image.Point) error {
			// Of the same number of pixels as upright.
			return upright.make(original{file: turned[o.name]}, image.Pt(box.Y, box.X))
		}}
		c := &comparison{peers: []*peer{onSide, upright}}
		if err := compare(ctx, c, originals, rounds); err != nil {
			return err
		}
		f = figure{value: c.ratio(), detail: times + c.detail(rounds*len(originals))}
		return nil
	})
	return f, err
}

// onItsSide returns a JPEG with an EXIF orientation of 6.
func onItsSide(file []byte) []byte {
	segment := "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	return append([]byte(string(file[:2])+segment), file[2:]...)
}

// inOneJob compares the six default presets of one original in one job with
// the largest alone.
func inOneJob(_ context.Context, _ rig.Programs) (f figure, err error) {
	const rounds = 10
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	var all []thumb.Transform
	var largest thumb.Transform
	for _, p := range thumb.DefaultPresets() {
		t := p.Transform
		t.Format, t.Quality = thumb.JPEG, defaultQuality
		all = append(all, t)
		if t.Width > largest.Width {
			largest = t
		}
	}
	err = withOriginals("jpg", func(_ string, originals []original) error {
		var together, alone time.Duration
		for round := range rounds + 1 {
			for _, o := range originals {
				start := clock()
				if err := render(e, o.file, all...); err != nil {
					return err
				}
				middle := clock()
				if err := render(e, o.file, largest); err != nil {
					return err
				}
				if round > 0 {
					together += middle - start
					alone += clock() - middle
				}
			}
		}
		n := float64(rounds * len(originals))
		f = figure{value: float64(together) / float64(alone),
			detail: fmt.Sprintf("%.1f ms for all six, %.1f ms for 800x800 alone", milliseconds(together)/n, milliseconds(alone)/n)}
		return nil
	})
	return f, err
}

// widthsTogether compares all files of a picture element, five widths in three formats, in
// one job with the same in a job for each.
func widthsTogether(ctx context.Context, _ rig.Programs) (f figure, err error) {
	const rounds = 3
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	formats := []thumb.Format{thumb.JPEG, thumb.WebP, thumb.AVIF}
	var all []thumb.Transform
	for _, format := range formats {
		for _, width := range []int{320, 640, 960, 1280, 1600} {
			all = append(all, thumb.Transform{Width: width, Height: width * 9 / 16, Method: thumb.Crop, Format: format, Quality: format.Quality()})
		}
	}
	err = withOriginals("jpg", func(_ string, originals []original) error {
		var together time.Duration
		alone := make(map[thumb.Format]time.Duration)
		for round := range rounds + 1 {
			for _, o := range originals {
				start := clock()
				if err := render(e, o.file, all...); err != nil {
					return err
				}
				took := clock() - start
				// The first round fills caches.
				if round > 0 {
					together += took
				}
				for _, t := range all {
					start := clock()
					if err := cmp.Or(render(e, o.file, t), ctx.Err()); err != nil {
						return err
					}
					if round > 0 {
						alone[t.Format] += clock() - start
					}
				}
			}
		}
		n := float64(rounds * len(originals))
		var sum time.Duration
		f.detail = fmt.Sprintf("%.0f ms in one job; in a job for each", milliseconds(together)/n)
		for _, format := range formats {
			sum += alone[format]
			f.detail += fmt.Sprintf(", %.0f ms as %v", milliseconds(alone[format])/n, format)
		}
		f.value = float64(together) / float64(sum)
		return nil
	})
	return f, err
}

// infoBeside compares a job of a thumbnail and the original's description with a job of
// the thumbnail alone.
func infoBeside(ctx context.Context, _ rig.Programs) (f figure, err error) {
	const rounds = 10
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	thumbnail := thumb.Transform{Width: 400, Height: 300, Method: thumb.Crop, Format: thumb.JPEG, Quality: defaultQuality}
	description := thumb.InfoPreset().Transform
	description.Format = thumb.JSON
	err = withOriginals("jpg", func(_ string, originals []original) error {
		var both, alone time.Duration
		for round := range rounds + 1 {
			for _, o := range originals {
				start := clock()
				if err := render(e, o.file, thumbnail, description); err != nil {
					return err
				}
				middle := clock()
				if err := cmp.Or(render(e, o.file, thumbnail), ctx.Err()); err != nil {
					return err
				}
				// The first round fills caches.
				if round > 0 {
					both += middle - start
					alone += clock() - middle
				}
			}
		}
		n := float64(rounds * len(originals))
		f = figure{value: milliseconds(both-alone) / n,
			detail: fmt.Sprintf("%.1f ms with it, %.1f ms without", milliseconds(both)/n, milliseconds(alone)/n)}
		return nil
	})
	return f, err
}
