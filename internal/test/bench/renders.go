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
	"thumbd/internal/render/wire"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// boxes are the sizes of the thumbnails for which renderers are compared.
var boxes = []image.Point{{100, 100}, {400, 300}, {1200, 900}}

const defaultQuality = 82

// original is a file that thumbnails are made of.
type original struct {
	name string
	data []byte
	file *os.File
}

// comparison is the processor time that several peers take for the same.
type comparison struct {
	peers []*peer
	spent [][]time.Duration // by peer and box
}

// compare lets every peer make every thumbnail, in turns, so that other work of the
// machine slows all of them. In each round another peer is first, because the first has
// to bring the original into the processor's caches.
func compare(ctx context.Context, c *comparison, originals []original, rounds int) error {
	c.spent = make([][]time.Duration, len(c.peers))
	for i := range c.spent {
		c.spent[i] = make([]time.Duration, len(boxes))
	}
	for round := range rounds + 1 {
		for _, o := range originals {
			for at, box := range boxes {
				for i := range c.peers {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					i = (i + round) % len(c.peers)
					p := c.peers[i]
					before := p.spent()
					if err := p.make(o, box); err != nil {
						return fmt.Errorf("%s of %s: %w", p.name, o.name, err)
					}
					// The first round fills caches.
					if round > 0 {
						c.spent[i][at] += p.spent() - before
					}
				}
			}
		}
	}
	return nil
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
	for i, p := range c.peers {
		var cells []string
		for at, box := range boxes {
			cells = append(cells, fmt.Sprintf("%dx%d %.1f ms", box.X, box.Y, milliseconds(c.spent[i][at])/float64(thumbnails)))
			if i > 0 {
				cells[at] += fmt.Sprintf(" (%.2f)", float64(c.spent[0][at])/float64(c.spent[i][at]))
			}
		}
		lines = append(lines, fmt.Sprintf("\n            %-16s %s", p.name, strings.Join(cells, ", ")))
	}
	return strings.Join(lines, "")
}

// render makes outputs of one original in one job.
func render(e *engine.Engine, file *os.File, outputs ...thumb.Transform) error {
	files, err := rendered(e, file, outputs...)
	for _, f := range files {
		f.Close()
	}
	return err
}

// rendered returns outputs of one original, made in one job. The caller closes
// them, also after an error.
func rendered(e *engine.Engine, file *os.File, outputs ...thumb.Transform) ([]*os.File, error) {
	const limit = 32 << 20
	job := wire.Job{
		Formats: e.Reads(), Pixels: 1e8, Frames: 1, Width: 4096, Height: 4096, Bytes: limit, Outputs: outputs,
	}
	files := engine.Files{Original: file}
	for range outputs {
		fd, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC)
		if err != nil {
			return files.Outputs, err
		}
		out := os.NewFile(uintptr(fd), "memfd")
		files.Outputs = append(files.Outputs, out)
		if err := out.Truncate(limit); err != nil {
			return files.Outputs, err
		}
	}
	for _, r := range e.Render(job, files) {
		if r.Failure != "" {
			return files.Outputs, fmt.Errorf("%s: %s", r.Failure, r.Detail)
		}
	}
	return files.Outputs, nil
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

// worst returns the greatest of the first peer's times over the second's at a
// size.
func (c *comparison) worst() (worst float64) {
	for at := range boxes {
		worst = max(worst, float64(c.spent[0][at])/float64(c.spent[1][at]))
	}
	return worst
}

// against compares thumbd with vips_thumbnail on originals of one format.
func against(format string, rounds int) func(context.Context, rig.Programs) (figure, error) {
	return func(ctx context.Context, _ rig.Programs) (f figure, err error) {
		e, err := engine.Start()
		if err != nil {
			return f, err
		}
		err = withOriginals(format, func(_ string, originals []original) error {
			c := &comparison{peers: []*peer{
				own(e, "thumbd", thumb.JPEG, defaultQuality), inProcess("vips_thumbnail", false), inProcess("the same to sRGB", true),
			}}
			if err := compare(ctx, c, originals, rounds); err != nil {
				return err
			}
			f = figure{value: c.ratio(), detail: times + c.detail(rounds*len(originals))}
			return nil
		})
		return f, err
	}
}

const times = "processor time per thumbnail, and the first's over the others'"

// againstAll compares thumbd with vips_thumbnail, and with all other programs here
// that make thumbnails of JPEG.
func againstAll(ctx context.Context, _ rig.Programs) (f figure, err error) {
	const rounds = 5
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	err = withOriginals("jpg", func(folder string, originals []original) (err error) {
		peers, skipped, end := others(ctx, folder)
		defer func() { err = errors.Join(err, end()) }()
		c := &comparison{peers: append([]*peer{
			own(e, "thumbd", thumb.JPEG, defaultQuality), inProcess("vips_thumbnail", false), inProcess("the same to sRGB", true),
		}, peers...)}
		if err := compare(ctx, c, originals, rounds); err != nil {
			return err
		}
		f = figure{value: c.ratio(), detail: times + c.detail(rounds*len(originals))}
		f.also = []aim{{"at the worst of the sizes", c.worst(), 0.95, false}}
		for i, p := range c.peers {
			if p.name == "sharp" {
				f.also = append(f.also, aim{"over sharp's", float64(c.sum(0)) / float64(c.sum(i)), 1, false})
			}
			if p.name == "vipsthumbnail" || p.name == "convert" {
				cost, err := startCost(ctx, "/usr/bin/"+p.name, "--version")
				if err != nil {
					return err
				}
				f.detail += fmt.Sprintf("\n            %s's start alone takes %.1f ms", p.name, milliseconds(cost))
			}
		}
		for _, line := range skipped {
			f.detail += "\n            " + line
		}
		return nil
	})
	return f, err
}

// avifOverWebP compares the two formats that cost most to write.
func avifOverWebP(ctx context.Context, _ rig.Programs) (f figure, err error) {
	const rounds = 2
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	err = withOriginals("jpg", func(_ string, originals []original) error {
		c := &comparison{peers: []*peer{own(e, "AVIF", thumb.AVIF, 55), own(e, "WebP", thumb.WebP, 80)}}
		if err := compare(ctx, c, originals, rounds); err != nil {
			return err
		}
		f = figure{value: c.worst(), detail: times + c.detail(rounds*len(originals))}
		return nil
	})
	return f, err
}
