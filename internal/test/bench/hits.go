// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// The thumbnails of the measurements.
var (
	card = thumb.Transform{Width: 400, Height: 300, Method: thumb.Crop, Format: thumb.JPEG}
	icon = thumb.Transform{Width: 100, Height: 75, Method: thumb.Crop, Format: thumb.JPEG}
)

// photographs returns the folder of the test data's.
func photographs() (string, error) { return rig.Testdata("originals/photos") }

// oneCard returns the folder of the photographs and the request target of a card of one of
// them.
func oneCard() (folder, uri string, err error) {
	if folder, err = photographs(); err != nil {
		return "", "", err
	}
	uri, err = target("fig.jpg", card, 1)
	return folder, uri, err
}

// hits compares an nginx with thumbd's files and one without, on a file that
// both have, in turns.
func hits(ctx context.Context, p rig.Programs) (f figure, err error) {
	const rounds, clients, round = 40, 8, 300 * time.Millisecond
	folder, uri, err := oneCard()
	if err != nil {
		return f, err
	}
	with, err := rig.Start(ctx, rig.Options{Programs: p, Sites: []rig.Site{site(folder)}})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, with.Close()) }()
	if _, err := with.Get(ctx, uri); err != nil {
		return f, err
	}
	plain, err := rig.Start(ctx, rig.Options{Plain: true, Sites: []rig.Site{site(folder)}})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	if err := copyTree(with.Root("gallery"), plain.Root("gallery")); err != nil {
		return f, err
	}
	var ratios, rates []float64
	for range rounds {
		var n [2]int
		for i, r := range []*rig.Rig{with, plain} {
			took, err := repeat(ctx, r, uri, clients, round)
			if err != nil {
				return f, err
			}
			n[i] = len(took)
		}
		ratios = append(ratios, float64(n[0])/float64(n[1]))
		rates = append(rates, float64(n[1])/round.Seconds())
	}
	return ofRounds(ratios, fmt.Sprintf("%.0f a second without", quantile(rates, 0.5))), nil
}

func copyTree(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(from))
}

// saturated compares the slowest hits on an idle machine with the slowest hits while
// every CPU renders.
func saturated(ctx context.Context, p rig.Programs) (f figure, err error) {
	const long, clients = 8 * time.Second, 2
	folder, hit, err := oneCard()
	if err != nil {
		return f, err
	}
	r, err := rig.Start(ctx, rig.Options{Programs: p, Sites: []rig.Site{site(folder)}})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if _, err := r.Get(ctx, hit); err != nil {
		return f, err
	}
	idle, err := repeat(ctx, r, hit, clients, long)
	if err != nil {
		return f, err
	}
	busy, stop := context.WithCancel(ctx)
	var misses int
	var wg sync.WaitGroup
	wg.Go(func() { misses = saturate(busy, r) })
	loaded, err := repeat(ctx, r, hit, clients, long)
	stop()
	wg.Wait()
	if err != nil {
		return f, err
	}
	a, b := milliseconds(quantile(idle, 0.99)), milliseconds(quantile(loaded, 0.99))
	return figure{value: b / a, detail: fmt.Sprintf("p99 %.2f ms over %.2f ms, p50 %.2f over %.2f, with %d misses",
		b, a, milliseconds(quantile(loaded, 0.5)), milliseconds(quantile(idle, 0.5)), misses)}, nil
}

// saturate asks for ever new thumbnails, more at once than there are workers,
// and returns how many it got.
func saturate(ctx context.Context, r *rig.Rig) int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	made := 0
	for i := range 8 {
		wg.Go(func() {
			for version := i; ctx.Err() == nil; version += 8 {
				uri, err := target("mountains.jpg", thumb.Transform{Width: 1000, Height: 700, Method: thumb.Fit, Format: thumb.WebP}, 100+version)
				if err != nil {
					return
				}
				if resp, err := r.Get(ctx, uri); err == nil && resp.Status == 200 {
					mu.Lock()
					made++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return made
}
