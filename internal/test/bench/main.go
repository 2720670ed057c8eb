// SPDX-License-Identifier: MIT

// Command bench measures thumbd's speed and compares it with the aims. On a machine
// that others use too, only the ratios of one run mean something, not the times.
//
// Arguments name the measurements to make; without any, all are made. See
// package rig for THUMBD_BUILD.
//
// Each measurement is a file. They are one command because they are compared: one run, on
// one machine, has them all.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// measurement is one figure that thumbd is measured by.
type measurement struct {
	name string
	what string
	aim  float64 // at most, or at least where more is better
	more bool
	unit string
	run  func(context.Context, rig.Programs) (figure, error)
}

// figure is a result, with the measurements behind it.
type figure struct {
	value  float64
	detail string
	also   []aim
}

// aim is a further value that a measurement is to keep: at most, or at least where more
// is better.
type aim struct {
	what       string
	value, aim float64
	more       bool
}

var measurements = []measurement{
	{"hits", "hits per second, over the same file without thumbd's configuration", 0.98, true, "", hits},
	{"protected", "hits per second of a protected site, over those of an open one", 0.5, true, "", protected},
	{"protected-cached", "the same, if nginx keeps allowed questions for a second", 0.5, true, "", protectedCached},
	{"overhead", "a miss in daemon and protocol beyond the worker's own, without the sync, p50", 1, false, " ms", overhead},
	{"cold", "the first thumbnail after an idle exit, above a warm one, p50", 250, false, " ms", cold},
	{"memory", "a worker's resident memory after 2,000 renders of 12 MP, over after 200", 1.1, false, "", memory},
	{"peak", "memory by which a worker grows for a thumbnail of a progressive JPEG at 1/8, over vips_thumbnail's, at the worst", 0.2, false, "", peak},
	{"jpeg", "thumbnails of JPEG, processor time over vips_thumbnail's", 0.85, false, "", againstAll},
	{"vips", "thumbnails of JPEG, processor time over vips_thumbnail's, without other programs", 0.6, false, "", against("jpg", 3)},
	{"baseline", "thumbnails of JPEG, processor time over sharp's, progressive where thumbd's are", 0.6, false, "", overSharp("jpg", thumb.JPEG, 0.7)},
	{"baseline-large", "the same of 12 to 24 megapixels", 0.6, false, "", overSharp("large.jpg", thumb.JPEG, 0.7)},
	{"progressive", "thumbnails of progressive JPEG, the same", 0.2, false, "", overSharp("progressive.jpg", thumb.JPEG, 0.7)},
	{"mixed", "thumbnails of JPEG, half of them progressive, a third 4:4:4, a third each with a profile, turned, and with restart markers, the same", 0.45, false, "", overSharp("mixed.jpg", thumb.JPEG, 0.7)},
	{"six-sharp", "the six default presets of such a JPEG in one job, over six calls of sharp", 0.15, false, "", oneJobOverSharp},
	{"png-sharp", "thumbnails of PNG, over sharp's", 0.6, false, "", overSharp("png", thumb.JPEG, 0.7)},
	{"png-png", "thumbnails of PNG as PNG, the same", 0.6, false, "", overSharp("png", thumb.PNG, 0.7)},
	{"rgba-png", "thumbnails of PNG with alpha as PNG, the same", 0.5, false, "", overSharp("rgba.png", thumb.PNG, 0.7)},
	{"webp-sharp", "thumbnails of WebP as JPEG, the same", 0.9, false, "", overSharp("webp", thumb.JPEG, 1)},
	{"bytes", "bytes of thumbnails as JPEG, over those of libvips alone", 1, false, "", bytesOverLibvips},
	{"earlier", "bytes of thumbnails as JPEG, over those of the last version without own decoders and encoders", 1, false, "", overEarlier},
	{"stages", "thumbnails of JPEG, processor time over sharp's, step by step", 1, false, "", whereTimeGoes},
	{"png", "thumbnails of PNG, processor time over vips_thumbnail's", 1, false, "", against("png", 3)},
	{"webp", "thumbnails of WebP, processor time over vips_thumbnail's, step by step", 1, false, "", whereWebPGoes},
	{"avif", "thumbnails as AVIF, processor time over the same as WebP, at the worst of the sizes", 3, false, "", avifOverWebP},
	{"auto", "bytes of 60 pictures as JPEG, WebP and AVIF with quality = \"auto\", over those with 82, 80 and 55", 0.85, false, "", autoOverFixed},
	{"turned", "thumbnails of photographs on their side, over upright ones", 1.1, false, "", turnedOver},
	{"one-job", "the six default presets in one job, over the largest alone", 1.5, false, "", inOneJob},
	{"widths", "a picture's five widths as JPEG, WebP and AVIF in one job, over fifteen jobs", 0.4, false, "", widthsTogether},
	{"info", "the description of an original beside a thumbnail of 400x300, of one decode, more than the thumbnail alone", 5, false, " ms", infoBeside},
	{"warm", "the six default presets of a tree by thumbd warm, processor time over that of one size after the other", 0.5, false, "", warm},
	{"inplace-bytes", "variants of the scheme inplace as AVIF, bytes over those of the photographs", 0.65, false, "", inPlaceBytes},
	{"inplace-hits", "hits of the scheme inplace, AVIF, over those of the file without thumbd's configuration", 0.98, true, "", inPlaceHits},
	{"inplace-first", "the first byte of a miss of the scheme inplace, later than a hit's, p50", 5, false, " ms", inPlaceFirst},
	{"inplace-12mp", "both variants of a photograph of 12 MP in its own size, processor time", 8, false, " s", inPlaceLarge},
	{"journal", "requests a minute of an idle node to the bucket of the journal", 43, false, "", journal},
	{"farm", "misses a second of three nodes behind the front, half a processor each, over one node", 2.6, true, "", farm},
	{"front", "hits per second through the shipped front, over a front with keepalive", 0.5, true, "", fronted},
	{"saturated", "p99 of hits while misses saturate the CPUs, over idle", 3, false, "", saturated},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run makes the measurements that names name. An aim that is missed is told
// and is no error. The name vips_thumbnail is for the program itself: see growVips.
func run(ctx context.Context, names []string, out io.Writer) (err error) {
	if len(names) > 0 && names[0] == vipsThumbnail {
		return tellGrowth(names[1:], out)
	}
	for _, name := range names {
		if !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == name }) {
			return fmt.Errorf("no measurement %q", name)
		}
	}
	dir, err := os.MkdirTemp("", "thumbd-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs, err := rig.Build(ctx, dir)
	if err != nil {
		return err
	}
	for _, m := range measurements {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		f, err := m.run(ctx, programs)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		fmt.Fprintf(out, "%-11s %7.3f%s  %s\n          %s: %s\n", m.name, f.value, m.unit, m.verdict(f.value), m.what, f.detail)
		for _, a := range f.also {
			verdict := measurement{aim: a.aim, more: a.more}.verdict(a.value)
			fmt.Fprintf(out, "          %7.3f  %s, %s\n", a.value, verdict, a.what)
		}
	}
	return nil
}

func (m measurement) verdict(value float64) string {
	word, relation := "kept", "or less"
	met := value <= m.aim
	if m.more {
		relation, met = "or more", value >= m.aim
	}
	if !met {
		word = "MISSED"
	}
	return fmt.Sprintf("aim %g%s %s: %s", m.aim, m.unit, relation, word)
}
