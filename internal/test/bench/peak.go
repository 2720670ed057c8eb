// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"thumbd/internal/engine"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/peer/vips"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// growth is the resident memory of a process before it makes one thumbnail, and its peak
// meanwhile, in KiB.
type growth struct{ before, peak int }

func (g growth) kib() int { return g.peak - g.before }

// grower is a way to make one thumbnail in a new process. In an old one, memory that is
// left of earlier thumbnails would hide the peak.
type grower struct {
	name string
	make func(context.Context, original, image.Point) (growth, error)
	most int // KiB, of all thumbnails
}

// peak compares by how much a worker grows for a thumbnail with the growth of processes
// that call vips_thumbnail and sharp. Its value is that of progressive JPEGs at 1/8,
// because libjpeg keeps every coefficient of them.
func peak(ctx context.Context, p rig.Programs) (f figure, err error) {
	if _, err := engine.Start(); err != nil { // for photographs in WebP
		return f, err
	}
	if _, err := installSharp(ctx); err != nil {
		return f, err
	}
	growers := []*grower{{name: "thumbd", make: growWorker(p)}, {name: vipsThumbnail, make: growVips}, {name: "sharp", make: growSharp}}
	f.detail = "MiB, the peak of a process that makes one thumbnail, and by how much it grew for that"
	for _, format := range []string{"jpg", "progressive.jpg", "png", "rgba.png", "webp"} {
		err = withOriginals(format, func(_ string, originals []original) error {
			for _, o := range originals {
				for _, box := range boxes {
					grown, cells, err := growAll(ctx, growers, o, box)
					if err != nil {
						return err
					}
					f.detail += fmt.Sprintf("\n            %-24s %-9s %s", o.name, fmt.Sprintf("%dx%d", box.X, box.Y), cells)
					// All programs decode it at 1/8.
					if format == "progressive.jpg" && box == boxes[0] {
						f.value = max(f.value, float64(grown[0])/float64(grown[1]))
					}
				}
			}
			return nil
		})
		if err != nil {
			return f, err
		}
	}
	for _, g := range growers[1:] {
		f.also = append(f.also, aim{
			fmt.Sprintf("the most that a worker grew, %d MiB, over the most with %s, %d MiB", growers[0].most>>10, g.name, g.most>>10),
			float64(growers[0].most) / float64(g.most), 1, false,
		})
	}
	return f, nil
}

// growAll has each of growers make a thumbnail, and returns by how many KiB they grew,
// also as text.
func growAll(ctx context.Context, growers []*grower, o original, box image.Point) (grown []int, text string, err error) {
	var cells []string
	for _, g := range growers {
		m, err := g.make(ctx, o, box)
		if err != nil {
			return nil, "", fmt.Errorf("%s of %s: %w", g.name, o.name, err)
		}
		grown = append(grown, m.kib())
		g.most = max(g.most, m.kib())
		cells = append(cells, fmt.Sprintf("%s %3d (%3d)", g.name, m.peak>>10, m.kib()>>10))
	}
	return grown, strings.Join(cells, "  "), nil
}

// growWorker returns the make function of thumbd. It starts a daemon with workers = 1, and
// measures the growth of its workers while a request is answered.
func growWorker(p rig.Programs) func(context.Context, original, image.Point) (growth, error) {
	return func(ctx context.Context, o original, box image.Point) (g growth, err error) {
		folder := filepath.Dir(o.file.Name())
		r, err := rig.Start(ctx, rig.Options{
			Programs: p, Sites: []rig.Site{site(folder)}, TOML: "[daemon]\nworkers = 1\nworker_renders = 0",
		})
		if err != nil {
			return g, err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		workers, err := warmWorkers(ctx, r.DaemonPID())
		if err != nil {
			return g, err
		}
		c, err := dial(ctx, "unix", socket(r))
		if err != nil {
			return g, err
		}
		defer c.conn.Close()
		uri, err := target(o.name, thumb.Transform{Width: box.X, Height: box.Y, Method: thumb.Fit, Format: thumb.JPEG}, 1)
		if err != nil {
			return g, err
		}
		return growthOf(workers, func() error {
			_, err := c.get(uri)
			return err
		})
	}
}

// warmWorkers waits until both workers of a daemon with workers = 1 have started, and
// returns their PIDs: one renders, one is spare. A worker also grows while it starts.
func warmWorkers(ctx context.Context, daemon int) ([]int, error) {
	const places, filters = 2, 2 // filters: SECCOMP_MODE_FILTER, the last step of a start
	for ctx.Err() == nil {
		pids, err := aid.Children(daemon)
		if err != nil {
			return nil, err
		}
		warm := 0
		for _, pid := range pids {
			mode, err := status(strconv.Itoa(pid), "Seccomp:")
			if err != nil {
				return nil, err
			}
			if mode == filters {
				warm++
			}
		}
		if warm == places {
			return pids, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, ctx.Err()
}

// growVips calls vips_thumbnail in this program, started anew.
func growVips(ctx context.Context, o original, box image.Point) (g growth, err error) {
	self, err := os.Executable()
	if err != nil {
		return g, err
	}
	cmd := exec.CommandContext(ctx, self, vipsThumbnail, o.file.Name(), strconv.Itoa(box.X), strconv.Itoa(box.Y))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return g, err
	}
	_, err = fmt.Sscan(string(out), &g.before, &g.peak)
	return g, err
}

// vipsThumbnail is the name of the peer, and the first argument that growVips starts this
// program with.
const vipsThumbnail = "vips_thumbnail"

// tellGrowth prints by how much this process grows for a thumbnail by vips_thumbnail: of
// the file, width and height of arguments.
func tellGrowth(arguments []string, out io.Writer) error {
	if len(arguments) != 3 {
		return fmt.Errorf("%s: want a file, width and height", vipsThumbnail)
	}
	t := vips.Thumbnail{Quality: defaultQuality}
	if _, err := fmt.Sscan(arguments[1]+" "+arguments[2], &t.Width, &t.Height); err != nil {
		return err
	}
	if _, err := engine.Start(); err != nil {
		return err
	}
	g, err := growthOf([]int{os.Getpid()}, func() error {
		_, err := vips.Make(arguments[0], t)
		return err
	})
	if err == nil {
		_, err = fmt.Fprintln(out, g.before, g.peak)
	}
	return err
}

// growSharp calls sharp in a node of its own.
func growSharp(ctx context.Context, o original, box image.Point) (g growth, err error) {
	s, err := startSharp(ctx)
	if err != nil {
		return g, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return growthOf([]int{s.cmd.Process.Pid}, func() error { return s.alike().make(o, box) })
}

// growthOf returns the growth of the process, of several, that grows most while f runs.
func growthOf(pids []int, f func() error) (most growth, err error) {
	before := make([]int, len(pids))
	for i, pid := range pids {
		if before[i], err = resetPeak(strconv.Itoa(pid)); err != nil {
			return most, err
		}
	}
	if err := f(); err != nil {
		return most, err
	}
	for i, pid := range pids {
		after, err := status(strconv.Itoa(pid), "VmHWM:")
		if err != nil {
			return most, err
		}
		if g := (growth{before[i], after}); i == 0 || g.kib() > most.kib() {
			most = g
		}
	}
	return most, nil
}
