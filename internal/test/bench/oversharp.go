// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"time"

	"thumbd/internal/engine"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// overSharp compares thumbd with sharp on originals of one format. Both write JPEGs
// of one quality, progressive ones at the same sizes, or PNGs.
func overSharp(format string, to thumb.Format, worst float64) func(context.Context, rig.Programs) (figure, error) {
	const rounds = 3
	return func(ctx context.Context, _ rig.Programs) (f figure, err error) {
		err = withSharp(ctx, format, func(e *engine.Engine, process *sharpProcess, originals []original) error {
			c := &comparison{peers: []*peer{own(e, "thumbd", to, defaultQuality), process.alike()}}
			if to == thumb.PNG {
				c.peers = []*peer{own(e, "thumbd", to, 0), process.peer("pack")}
			}
			if err := compare(ctx, c, originals, rounds); err != nil {
				return err
			}
			f = figure{value: c.ratio(), detail: times + c.detail(rounds*len(originals))}
			f.also = []aim{{"at the worst of the sizes", c.worst(), worst, false}}
			return nil
		})
		return f, err
	}
}

// oneJobOverSharp compares the six default presets in one job with six calls of
// sharp.
func oneJobOverSharp(ctx context.Context, _ rig.Programs) (f figure, err error) {
	const rounds = 3
	var presets []thumb.Transform
	for _, p := range thumb.DefaultPresets() {
		t := p.Transform
		t.Format, t.Quality = thumb.JPEG, defaultQuality
		presets = append(presets, t)
	}
	err = withSharp(ctx, "mixed.jpg", func(e *engine.Engine, process *sharpProcess, originals []original) error {
		calls := process.alike()
		var spent [2]time.Duration
		for round := range rounds + 1 {
			for _, o := range originals {
				start, other := clock(), calls.spent()
				if err := render(e, o.file, presets...); err != nil {
					return err
				}
				middle := clock()
				for _, t := range presets {
					if err := calls.make(o, image.Pt(t.Width, t.Height)); err != nil {
						return err
					}
				}
				// The first round fills caches.
				if round > 0 {
					spent[0] += middle - start
					spent[1] += calls.spent() - other
				}
			}
		}
		n := float64(rounds * len(originals))
		f = figure{value: float64(spent[0]) / float64(spent[1]),
			detail: fmt.Sprintf("%.1f ms for all six, %.1f ms for sharp's six", milliseconds(spent[0])/n, milliseconds(spent[1])/n)}
		return nil
	})
	return f, err
}

// withSharp calls f with the engine, sharp, and photographs of a format, of 2 to 24
// megapixels.
func withSharp(ctx context.Context, format string, f func(*engine.Engine, *sharpProcess, []original) error) (err error) {
	e, err := engine.Start()
	if err != nil {
		return err
	}
	process, err := startSharp(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, process.close()) }()
	return withOriginals(format, func(_ string, originals []original) error { return f(e, process, originals) })
}

// alike is sharp with thumbd's settings: if thumbd writes a progressive JPEG at a size,
// sharp does, too.
func (s *sharpProcess) alike() *peer {
	p := s.peer("jpeg")
	p.make = func(o original, box image.Point) error {
		if box.X*box.Y >= engine.ProgressiveArea {
			return s.ask("progressive", box, o)
		}
		return s.ask("jpeg", box, o)
	}
	return p
}
