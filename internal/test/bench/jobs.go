// SPDX-License-Identifier: MIT

package main

import (
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
