// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"image"

	"thumbd/internal/engine"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// overSharp compares thumbd with sharp on originals of one format. Both write
// JPEGs of one quality, progressive ones at the same sizes.
func overSharp(format string, worst float64) func(context.Context, rig.Programs) (figure, error) {
	const rounds = 3
	return func(ctx context.Context, _ rig.Programs) (f figure, err error) {
		err = withSharp(ctx, format, func(e *engine.Engine, process *sharpProcess, originals []original) error {
			c := &comparison{peers: []*peer{own(e, "thumbd", thumb.JPEG, defaultQuality), process.alike()}}
			if err := compare(ctx, c, originals, rounds); err != nil {
				return err
			}
			f = figure{value: c.ratio(), detail: times + c.detail(rounds*len(originals))}
			f.also = []aim{{"at the worst of the sizes", c.worst(), worst}}
			return nil
		})
		return f, err
	}
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

// alike makes a JPEG progressive if thumbd does.
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
