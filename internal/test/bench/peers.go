// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/engine"
	"thumbd/internal/test/peer/vips"
	"thumbd/internal/thumb"
)

// peer is something that makes thumbnails, one at a time.
type peer struct {
	name  string
	make  func(original, image.Point) error // one, that fits into the box
	spent func() time.Duration              // of processor time, so far
	close func() error                      // or nil
}

// clock returns the processor time of this process and of the processes that it has
// waited for.
func clock() time.Duration {
	var total int64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			total += u.Utime.Nano() + u.Stime.Nano()
		}
	}
	return time.Duration(total)
}

// clockOf is that of another process, with all of its threads.
func clockOf(pid int) func() time.Duration {
	// As clock_getcpuclockid(3) makes it.
	const perProcess, scheduled = 0, 2
	id := ^int32(pid)<<3 | perProcess | scheduled
	return func() time.Duration {
		var t unix.Timespec
		if unix.ClockGettime(id, &t) != nil {
			return 0
		}
		return time.Duration(t.Nano())
	}
}

// own is thumbd's engine, in this process.
func own(e *engine.Engine, name string, f thumb.Format, quality int) *peer {
	return &peer{name: name, spent: clock, make: func(o original, box image.Point) error {
		return render(e, o.file, thumb.Transform{Width: box.X, Height: box.Y, Method: thumb.Fit, Format: f, Quality: quality})
	}}
}

// inProcess is vips_thumbnail on the same library, in this process. It converts
// to sRGB if srgb is set: the photographs here have no profile, and thumbd leaves
// such colors as they are.
func inProcess(name string, srgb bool) *peer {
	return &peer{name: name, spent: clock, make: func(o original, box image.Point) error {
		_, err := vips.Make(o.file.Name(), vips.Thumbnail{Width: box.X, Height: box.Y, Quality: defaultQuality, SRGB: srgb})
		return err
	}}
}

// program is one that is started for each thumbnail, with the arguments that
// arguments returns.
func program(ctx context.Context, path string, arguments func(from, to string, box image.Point) []string) (*peer, error) {
	if _, err := exec.LookPath(path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "thumbd-bench-")
	if err != nil {
		return nil, err
	}
	to := filepath.Join(dir, "thumbnail.jpg")
	return &peer{
		name: filepath.Base(path), spent: clock,
		close: func() error { return os.RemoveAll(dir) },
		make: func(o original, box image.Point) error {
			cmd := exec.CommandContext(ctx, path, arguments(o.file.Name(), to, box)...)
			cmd.Env = append(os.Environ(), "VIPS_CONCURRENCY=1", "MAGICK_THREAD_LIMIT=1", "OMP_NUM_THREADS=1")
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, lastLine(out))
			}
			_, err := os.Stat(to)
			return errors.Join(err, os.Remove(to))
		},
	}, nil
}

// vipsthumbnailPath is the path of libvips' own program in distributions.
const vipsthumbnailPath = "/usr/bin/vipsthumbnail"

// vipsthumbnail(1), with the settings of inProcess.
func vipsthumbnail(ctx context.Context, _ string) (*peer, error) {
	return program(ctx, vipsthumbnailPath, func(from, to string, box image.Point) []string {
		return []string{
			from, "--size", fmt.Sprintf("%dx%d>", box.X, box.Y), "-o",
			fmt.Sprintf("%s[Q=%d,optimize_coding,strip]", to, defaultQuality),
		}
	})
}

// imageMagick is its convert, told to load a JPEG as small as it can.
func imageMagick(ctx context.Context, _ string) (*peer, error) {
	return program(ctx, "/usr/bin/convert", func(from, to string, box image.Point) []string {
		return []string{
			"-define", fmt.Sprintf("jpeg:size=%dx%d", 2*box.X, 2*box.Y), from, "-auto-orient",
			"-thumbnail", fmt.Sprintf("%dx%d>", box.X, box.Y), "-quality", fmt.Sprint(defaultQuality), to,
		}
	})
}

// others starts the peers that are installed, of originals in folder, and says
// why the others are not measured. The caller calls end.
func others(ctx context.Context, folder string) (peers []*peer, skipped []string, end func() error) {
	for _, s := range []struct {
		name  string
		start func(ctx context.Context, folder string) (*peer, error)
	}{
		{"vipsthumbnail", vipsthumbnail}, {"convert", imageMagick}, {"image_filter", imageFilter},
		{"sharp", func(ctx context.Context, _ string) (*peer, error) { return sharp(ctx) }},
	} {
		p, err := s.start(ctx, folder)
		if err != nil {
			skipped = append(skipped, fmt.Sprintf("%s is skipped: %v", s.name, err))
			continue
		}
		peers = append(peers, p)
	}
	return peers, skipped, func() (err error) {
		for _, p := range peers {
			err = errors.Join(err, p.close())
		}
		return err
	}
}

// startCost returns the time of starting a program that does nothing, the mean of
// several.
func startCost(ctx context.Context, name string, argument string) (time.Duration, error) {
	const times = 10
	before := clock()
	for range times {
		if err := exec.CommandContext(ctx, name, argument).Run(); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	return (clock() - before) / times, nil
}
