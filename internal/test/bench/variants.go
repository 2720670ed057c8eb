// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/h2non/bimg"

	"thumbd/internal/engine"
	"thumbd/internal/test/likeness"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// variants are those of the scheme inplace by its default settings, without min_saving,
// and if large not for max_width and max_height.
func variants(large bool) (list []thumb.Transform) {
	side := 2560
	if large {
		side = 4096
	}
	for _, v := range []struct {
		format  thumb.Format
		quality int
	}{{thumb.AVIF, 55}, {thumb.WebP, 80}} {
		list = append(list, thumb.Transform{Width: side, Height: side, Method: thumb.Fit, Format: v.format, Quality: v.quality})
	}
	return list
}

// inPlaceBytes compares the variants of photographs with these, in bytes and in what
// they show. A variant that does not save a tenth is not sent, but its original.
func inPlaceBytes(ctx context.Context, _ rig.Programs) (f figure, err error) {
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	folder, err := photographs()
	if err != nil {
		return f, err
	}
	paths, err := filepath.Glob(folder + "/*.jpg")
	if err != nil {
		return f, err
	}
	var small []original
	for _, path := range paths {
		o, err := open(path)
		if err != nil {
			return f, err
		}
		defer o.file.Close()
		small = append(small, o)
	}
	web, err := variantsOf(ctx, e, small)
	if err != nil {
		return f, err
	}
	err = withOriginals("jpg", func(_ string, originals []original) error {
		cameras, err := variantsOf(ctx, e, originals)
		if err != nil {
			return err
		}
		f = figure{
			value:  web[0].share(),
			detail: fmt.Sprintf("%d photographs of about 2 MP\n            AVIF %s\n            WebP %s", len(small), web[0], web[1]),
			also: []aim{
				{"WebP, the same", web[1].share(), 0.85, false},
				{"least SSIM of AVIF with the originals", web[0].least, 0.94, true},
				{"least SSIM of WebP with the originals", web[1].least, 0.94, true},
				{fmt.Sprintf("AVIF of %d photographs of 2 to 24 MP with a sensor's noise, at most 2560 pixels wide: %s", len(originals), cameras[0]), cameras[0].share(), 0.65, false},
				{"WebP of these: " + cameras[1].String(), cameras[1].share(), 0.85, false},
			},
		}
		return nil
	})
	return f, err
}

// saved is by how much variants of a format are smaller than their originals.
type saved struct {
	sent, originals, unsaved int     // bytes, bytes, originals without a variant
	least, sum               float64 // of the likeness
	n                        int
}

func (s saved) share() float64 { return float64(s.sent) / float64(s.originals) }

func (s saved) String() string {
	return fmt.Sprintf("%.3f of the bytes, %d of %d without a variant, SSIM %.4f in the mean and %.4f at least", s.share(), s.unsaved, s.n, s.sum/float64(s.n), s.least)
}

// variantsOf makes the variants of originals and returns the saving of each format.
func variantsOf(ctx context.Context, e *engine.Engine, originals []original) ([]saved, error) {
	transforms := variants(false)
	list := make([]saved, len(transforms))
	for i := range list {
		list[i].least = 1
	}
	for _, o := range originals {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		full, err := luma(o.data, bimg.Options{})
		if err != nil {
			return nil, err
		}
		files, err := rendered(e, o.file, transforms...)
		for i, file := range files {
			if err == nil {
				err = list[i].add(full, len(o.data), file)
			}
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
	}
	return list, nil
}

// add counts a variant of an original.
func (s *saved) add(original likeness.Plane, bytes int, file *os.File) error {
	encoded, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<30))
	if err != nil {
		return err
	}
	got, err := luma(encoded, bimg.Options{})
	if err != nil {
		return err
	}
	if got.W != original.W {
		original = original.Reduced(got.W, got.H)
	}
	like := likeness.SSIM(got, original)
	s.least, s.sum, s.n = min(s.least, like), s.sum+like, s.n+1
	sent := len(encoded)
	if float64(sent) > 0.9*float64(bytes) {
		sent = bytes
		s.unsaved++
	}
	s.sent, s.originals = s.sent+sent, s.originals+bytes
	return nil
}

// luma returns that of a file of any format, or of a part of it.
func luma(file []byte, part bimg.Options) (likeness.Plane, error) {
	part.Type, part.Compression = bimg.PNG, 1
	pixels, err := bimg.NewImage(file).Process(part)
	if err != nil {
		return likeness.Plane{}, err
	}
	m, err := png.Decode(bytes.NewReader(pixels))
	if err != nil {
		return likeness.Plane{}, err
	}
	return likeness.Luma(m), nil
}

// inPlaceLarge makes both variants of a photograph of 12 MP in its own size, of one
// decode, and measures the other efforts of the AVIF encoder.
func inPlaceLarge(ctx context.Context, _ rig.Programs) (f figure, err error) {
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	folder, err := os.MkdirTemp("", "thumbd-bench-")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "large.jpg")
	if err := largePhotograph(path); err != nil {
		return f, err
	}
	o, err := open(path)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, o.file.Close()) }()
	for _, large := range []bool{true, false} {
		took, peak, err := costOfVariants(e, o, variants(large))
		if err != nil {
			return f, err
		}
		if large {
			f.value = took.Seconds()
			f.also = []aim{{"MiB, the peak of a worker's memory meanwhile, over before", float64(peak >> 10), 512, false}}
			continue
		}
		f.also = append(f.also, aim{"s, both variants of at most 2560x2560", took.Seconds(), 4, false},
			aim{"MiB, their peak", float64(peak >> 10), 512, false})
	}
	f.detail, err = efforts(ctx, folder, o)
	return f, err
}

// costOfVariants returns the processor time of a job, and by how many KiB this process
// grew.
func costOfVariants(e *engine.Engine, o original, transforms []thumb.Transform) (took time.Duration, peak int, err error) {
	debug.FreeOSMemory()
	before, err := resetPeak("self")
	if err != nil {
		return 0, 0, err
	}
	start := clock()
	if err := render(e, o.file, transforms...); err != nil {
		return 0, 0, err
	}
	took = clock() - start
	after, err := status("self", "VmHWM:")
	return took, after - before, err
}

// efforts tells the time, memory, bytes and likeness of AVIFs of an original by libvips'
// own program, from the least effort on; the engine has effort 1. aom's speed is 9 less
// the effort.
func efforts(ctx context.Context, folder string, o original) (string, error) {
	const quality, most = 55, 5
	full, err := luma(o.data, middle)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "below, of the encoder alone, as AVIF of quality %d, %d kB in JPEG", quality, len(o.data)/1000)
	for effort := range most + 1 {
		path := filepath.Join(folder, "large.avif")
		cmd := exec.CommandContext(ctx, "vips", "heifsave", o.file.Name(), path,
			"--Q", strconv.Itoa(quality), "--effort", strconv.Itoa(effort), "--compression", "av1", "--strip")
		cmd.Env = append(os.Environ(), "VIPS_CONCURRENCY=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("vips heifsave: %w\n%s", err, out)
		}
		encoded, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		got, err := luma(encoded, middle)
		if err != nil {
			return "", err
		}
		kib := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
		fmt.Fprintf(&b, "\n            effort %d %6.2f s, %4d kB, SSIM %.4f, peak of the program %d MiB", effort,
			(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), len(encoded)/1000, likeness.SSIM(full, got), kib>>10)
	}
	return b.String(), nil
}

// middle is the middle of a picture of 4000x3000 pixels.
var middle = bimg.Options{Left: 1200, Top: 900, AreaWidth: 1600, AreaHeight: 1200}
