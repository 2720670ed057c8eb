// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/image/draw"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// memory compares the resident memory of a worker that is never replaced after
// many renders with that after few.
func memory(ctx context.Context, p rig.Programs) (f figure, err error) {
	const few, many = 200, 2000
	folder, err := os.MkdirTemp("", "thumbd-bench-")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := largePhotograph(filepath.Join(folder, "large.jpg")); err != nil {
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
	var after []int
	for i := range many {
		t := thumb.Transform{Width: 100 + 50*(i%16), Height: 400, Method: thumb.Crop, Format: thumb.JPEG}
		uri, err := target("large.jpg", t, i)
		if err != nil {
			return f, err
		}
		if _, err := c.get(uri); err != nil {
			return f, err
		}
		if i+1 == few || i+1 == many {
			kib, err := residentWorker(r.DaemonPID())
			if err != nil {
				return f, err
			}
			after = append(after, kib)
		}
	}
	return figure{value: float64(after[1]) / float64(after[0]), detail: fmt.Sprintf("%d MiB over %d MiB", after[1]>>10, after[0]>>10)}, nil
}

// largePhotograph writes a photograph of 12 MP: a small one enlarged, with the
// noise of a sensor.
func largePhotograph(path string) error {
	folder, err := photographs()
	if err != nil {
		return err
	}
	small, err := os.ReadFile(filepath.Join(folder, "mountains.jpg"))
	if err != nil {
		return err
	}
	from, err := jpeg.Decode(bytes.NewReader(small))
	if err != nil {
		return err
	}
	to := image.NewRGBA(image.Rect(0, 0, 4000, 3000))
	draw.BiLinear.Scale(to, to.Rect, from, from.Bounds(), draw.Src, nil)
	noise := rand.New(rand.NewPCG(1, 2))
	for i := range to.Pix {
		to.Pix[i] = uint8(min(max(int(to.Pix[i])+noise.IntN(9)-4, 0), 255))
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(jpeg.Encode(out, to, &jpeg.Options{Quality: 90}), out.Close())
}

// residentWorker returns the resident memory, in KiB, of the worker of a daemon
// with one place: the larger one, as the other is a spare.
func residentWorker(daemon int) (int, error) {
	pids, err := aid.Children(daemon)
	if err != nil {
		return 0, err
	}
	most := 0
	for _, pid := range pids {
		kib, err := status(strconv.Itoa(pid), "VmRSS:")
		if err != nil {
			return 0, err
		}
		most = max(most, kib)
	}
	if most == 0 {
		return 0, errors.New("the daemon has no workers")
	}
	return most, nil
}

// resetPeak sets the peak of a process to its present resident memory, and returns that,
// in KiB. It takes the rights of the process' owner, or root's.
func resetPeak(pid string) (int, error) {
	const peak = "5" // See proc(5).
	if err := os.WriteFile("/proc/"+pid+"/clear_refs", []byte(peak), 0); err != nil {
		return 0, err
	}
	return status(pid, "VmRSS:")
}

// status returns a number of /proc/PID/status, memory in KiB: "VmRSS:" for the resident
// memory, "VmHWM:" for its peak. A pid of "self" is this process.
func status(pid, key string) (int, error) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key); ok {
			return strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		}
	}
	return 0, fmt.Errorf("/proc/%s/status: no %s", pid, key)
}
