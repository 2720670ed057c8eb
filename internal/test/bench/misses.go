// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/engine"
	"thumbd/internal/render/wire"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// overhead compares a miss, asked of the daemon itself, with the render alone,
// by the same engine in this process, in turns. The original is small: the
// overhead does not depend on it, and the spread of a long render would hide it.
// The document root is in memory, so that a sync costs nothing.
func overhead(ctx context.Context, p rig.Programs) (f figure, err error) {
	const rounds, name = 500, "1.jpg"
	old := os.Getenv("TMPDIR")
	if err := os.Setenv("TMPDIR", "/dev/shm"); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.Setenv("TMPDIR", old)) }()
	folder, err := rig.Testdata("originals/tests/orientation")
	if err != nil {
		return f, err
	}
	r, err := rig.Start(ctx, rig.Options{Programs: p, Sites: []rig.Site{site(folder)}, TOML: "[daemon]\nworkers = 1\nworker_renders = 0"})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	c, err := dial(ctx, "unix", socket(r))
	if err != nil {
		return f, err
	}
	defer c.conn.Close()
	alone, err := newRenderer(filepath.Join(folder, name))
	if err != nil {
		return f, err
	}
	defer alone.original.Close()
	var whole, own, beyond []time.Duration
	for i := range rounds {
		uri, err := target(name, icon, i)
		if err != nil {
			return f, err
		}
		took, err := c.get(uri)
		if err != nil {
			return f, err
		}
		whole = append(whole, took)
		render, err := alone.render(icon)
		if err != nil {
			return f, err
		}
		own = append(own, render)
		beyond = append(beyond, took-render)
	}
	a, b := milliseconds(quantile(whole, 0.5)), milliseconds(quantile(own, 0.5))
	return figure{value: milliseconds(quantile(beyond, 0.5)), detail: fmt.Sprintf("%.2f ms whole, %.2f ms the render, p50 of %d", a, b, rounds)}, nil
}

// renderer is the worker's engine, in this process.
type renderer struct {
	engine   *engine.Engine
	original *os.File
}

func newRenderer(path string) (*renderer, error) {
	e, err := engine.Start()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	return &renderer{e, f}, err
}

// render returns how long one output takes, into a memfd of its own.
func (r *renderer) render(t thumb.Transform) (time.Duration, error) {
	const limit = 32 << 20
	fd, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC)
	if err != nil {
		return 0, err
	}
	out := os.NewFile(uintptr(fd), "memfd")
	defer out.Close()
	if err := out.Truncate(limit); err != nil {
		return 0, err
	}
	t.Quality = 82
	job := wire.Job{
		Formats: []thumb.Format{thumb.JPEG}, Pixels: 1e8, Frames: 1, Width: 4096, Height: 4096, Bytes: limit,
		Outputs: []thumb.Transform{t},
	}
	start := time.Now()
	result := r.engine.Render(job, engine.Files{Original: r.original, Outputs: []*os.File{out}})[0]
	took := time.Since(start)
	if result.Failure != "" {
		return 0, fmt.Errorf("%s: %s", result.Failure, result.Detail)
	}
	return took, nil
}

// cold compares the first thumbnail of a daemon that has yet to be started
// with a later one.
func cold(ctx context.Context, p rig.Programs) (f figure, err error) {
	const rounds = 15
	folder, err := photographs()
	if err != nil {
		return f, err
	}
	r, err := rig.Start(ctx, rig.Options{Programs: p, Sites: []rig.Site{site(folder)}, Stopped: true})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var first, later []time.Duration
	for i := range rounds {
		start := time.Now()
		// The socket is held, so the request can wait for the daemon.
		started := make(chan error, 1)
		go func() { started <- r.StartDaemon(ctx) }()
		for n, into := range []*[]time.Duration{&first, &later} {
			uri, err := target("fig.jpg", card, 2*i+n)
			if err != nil {
				return f, err
			}
			if n > 0 {
				start = time.Now()
			}
			resp, err := r.Get(ctx, uri)
			if err != nil || resp.Status != 200 {
				return f, errors.Join(err, fmt.Errorf("status %d", resp.Status))
			}
			*into = append(*into, time.Since(start))
		}
		if err := errors.Join(<-started, r.StopDaemon()); err != nil {
			return f, err
		}
	}
	a, b := milliseconds(quantile(first, 0.5)), milliseconds(quantile(later, 0.5))
	return figure{value: a - b, detail: fmt.Sprintf("%.0f ms cold, %.0f ms warm, p50 of %d", a, b, rounds)}, nil
}
