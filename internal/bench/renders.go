// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/engine"
	"thumbd/internal/engine/peer"
	"thumbd/internal/render/wire"
	"thumbd/internal/rig"
	"thumbd/internal/thumb"
)

// boxes are the sizes at which renderers are compared.
var boxes = []image.Point{{100, 100}, {400, 300}, {1200, 900}}

const defaultQuality = 82

// original is a file that thumbnails are made of.
type original struct {
	name string
	data []byte
	file *os.File
}

// maker makes one thumbnail, in this process or another that has ended when it
// returns.
type maker func(o original, box image.Point) error

// comparison is the processor time that several makers take for the same.
type comparison struct {
	names  []string
	makers []maker
	spent  [][]time.Duration // by maker and box
}

// compare has every maker make every thumbnail, in turns, so that what else
// the machine does hits all of them.
func compare(ctx context.Context, c *comparison, originals []original, rounds int) error {
	c.spent = make([][]time.Duration, len(c.makers))
	for i := range c.spent {
		c.spent[i] = make([]time.Duration, len(boxes))
	}
	for round := range rounds + 1 {
		for _, o := range originals {
			for at, box := range boxes {
				for i, m := range c.makers {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					before := processorTime()
					if err := m(o, box); err != nil {
						return fmt.Errorf("%s of %s: %w", c.names[i], o.name, err)
					}
					// The first round fills caches.
					if round > 0 {
						c.spent[i][at] += processorTime() - before
					}
				}
			}
		}
	}
	return nil
}

// processorTime returns what this process and those that it has waited for
// have used.
func processorTime() time.Duration {
	var total int64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			total += u.Utime.Nano() + u.Stime.Nano()
		}
	}
	return time.Duration(total)
}

func (c *comparison) sum(i int) (sum time.Duration) {
	for _, d := range c.spent[i] {
		sum += d
	}
	return sum
}

// ratio returns the first maker's time over the second's.
func (c *comparison) ratio() float64 { return float64(c.sum(0)) / float64(c.sum(1)) }

// detail tells the mean time of each maker at each size, and the ratio of the
// first to the others.
func (c *comparison) detail(thumbnails int) string {
	var lines []string
	for i, name := range c.names {
		var cells []string
		for at, box := range boxes {
			cells = append(cells, fmt.Sprintf("%dx%d %.1f ms", box.X, box.Y, milliseconds(c.spent[i][at])/float64(thumbnails)))
			if i > 0 {
				cells[at] += fmt.Sprintf(" (%.2f)", float64(c.spent[0][at])/float64(c.spent[i][at]))
			}
		}
		lines = append(lines, fmt.Sprintf("\n            %-15s %s", name, strings.Join(cells, ", ")))
	}
	return strings.Join(lines, "")
}

// own returns thumbd's maker, of thumbnails that fit into the box.
func own(e *engine.Engine, f thumb.Format) maker {
	return func(o original, box image.Point) error {
		return render(e, o.file, thumb.Transform{Width: box.X, Height: box.Y, Method: thumb.Fit, Format: f, Quality: defaultQuality})
	}
}

// render makes outputs of one original in one job.
func render(e *engine.Engine, file *os.File, outputs ...thumb.Transform) (err error) {
	const limit = 32 << 20
	job := wire.Job{
		Formats: e.Reads(), Pixels: 1e8, Frames: 1, Width: 4096, Height: 4096, Bytes: limit, Outputs: outputs,
	}
	files := engine.Files{Original: file}
	for range outputs {
		fd, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		out := os.NewFile(uintptr(fd), "memfd")
		defer out.Close()
		if err := out.Truncate(limit); err != nil {
			return err
		}
		files.Outputs = append(files.Outputs, out)
	}
	for _, r := range e.Render(job, files) {
		if r.Failure != "" {
			return fmt.Errorf("%s: %s", r.Failure, r.Detail)
		}
	}
	return nil
}

// inProcess is vips_thumbnail on the same library.
func inProcess(o original, box image.Point) error {
	_, err := peer.Fit(o.data, box.X, box.Y, defaultQuality)
	return err
}

// withOriginals calls f with photographs of a format, of 2 to 24 megapixels.
func withOriginals(format string, f func(string, []original) error) (err error) {
	folder, err := os.MkdirTemp("", "thumbd-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	made, err := largePhotographs(folder, format)
	if err != nil {
		return err
	}
	defer func() {
		for _, o := range made {
			err = errors.Join(err, o.file.Close())
		}
	}()
	return f(folder, made)
}

func open(path string) (original, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return original{}, err
	}
	f, err := os.Open(path)
	return original{filepath.Base(path), data, f}, err
}

// against compares thumbd with vips_thumbnail on originals of one format.
func against(format string, rounds int) func(context.Context, rig.Programs) (figure, error) {
	return func(ctx context.Context, _ rig.Programs) (f figure, err error) {
		e, err := engine.Start()
		if err != nil {
			return f, err
		}
		err = withOriginals(format, func(_ string, originals []original) error {
			c := &comparison{names: []string{"thumbd", "vips_thumbnail"}, makers: []maker{own(e, thumb.JPEG), inProcess}}
			if err := compare(ctx, c, originals, rounds); err != nil {
				return err
			}
			f = figure{c.ratio(), "processor time per thumbnail, and thumbd's over the others'" + c.detail(rounds*len(originals))}
			return nil
		})
		return f, err
	}
}
