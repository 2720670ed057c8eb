// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"unicode"

	"thumbd/internal/engine/plane"
	"thumbd/internal/geometry"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// Files are the inputs and outputs of a job. The caller closes them.
type Files struct {
	Original   *os.File
	Watermarks []*os.File // the images of wire.Job.Watermarks
	Outputs    []*os.File // one for each of wire.Job.Outputs, as long as wire.Job.Bytes
}

// Render makes every output of job. It writes each picture from offset 0 of its
// file and cuts the file to the picture's length. The result of an output is at its
// index.
func (e *Engine) Render(job wire.Job, files Files) []wire.Result {
	// libvips keeps buffers for each thread that calls it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	results := make([]wire.Result, len(job.Outputs))
	o, err := e.open(files.Original, job)
	if err != nil {
		for i := range results {
			results[i] = resultOf(image.Point{}, err)
			results[i].Decoded = o.isDecoded
		}
		return results
	}
	defer o.close()
	m := e.newMarks(job, files.Watermarks)
	defer m.close()
	outputs := o.plan(job, files.Outputs)
	e.settle(outputs)
	pictures := slices.DeleteFunc(slices.Clone(outputs), func(out *output) bool { return out.Measure })
	for _, outputs := range o.together(pictures) {
		outputs = o.gather(outputs)
		for i, out := range outputs {
			if out.err == nil {
				o.shrinkBase(outputs[i:])
				out.err = o.make(out, m)
			}
		}
		o.group.close()
	}
	upright := geometry.Upright(o.stored, o.orientation)
	for i, out := range outputs {
		results[i] = resultOf(out.size(o), out.err)
		results[i].Decoded = o.isDecoded
		results[i].Quality, results[i].Over = out.chosen, out.over
		results[i].OriginalWidth, results[i].OriginalHeight = upright.X, upright.Y
	}
	return results
}

func resultOf(size image.Point, err error) wire.Result {
	if err == nil {
		return wire.Result{Width: size.X, Height: size.Y}
	}
	r := wire.Result{Failure: wire.Internal, Detail: detail(err.Error())}
	// If memory ran out, nothing is known of the original.
	if f, ok := errors.AsType[*failure](err); ok && !errors.Is(err, plane.ErrMemory) {
		r.Failure = f.kind
	}
	return r
}

// detail makes text fit for a reply: a decoder may have put any bytes into it.
func detail(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' '
		case r > unicode.MaxASCII, !unicode.IsPrint(r), strings.ContainsRune(`"\<>&`, r):
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), 500)]
}

// output is one thumbnail of a job.
type output struct {
	thumb.Transform
	plan     geometry.Plan // for the original as it is seen
	animated bool          // of all frames of an animation
	file     *os.File
	limit    int64 // bytes
	err      error
	chosen   int  // the quality, if the worker was to choose it
	over     bool // more bytes than MaxBytes
	// found is the place of the part that Plan.Seek prefers, if sought is true.
	sought bool
	found  image.Point
}

// size returns the size of the picture that is made of o.
func (out *output) size(o *original) image.Point {
	if out.Method == thumb.Original {
		return o.stored
	}
	return out.plan.Canvas
}

// plan returns the outputs of job. If an output can't be made, it has an error.
func (o *original) plan(job wire.Job, files []*os.File) []*output {
	upright := geometry.Upright(o.stored, o.orientation)
	outputs := make([]*output, len(job.Outputs))
	for i, t := range job.Outputs {
		out := &output{Transform: t, file: files[i], limit: job.Bytes}
		outputs[i] = out
		out.animated = o.frames > 1 && (t.Method == thumb.Original || t.Frames != 1 && t.Format.Animates())
		if t.Method == thumb.Original {
			out.err = o.checkFrames(out, job)
			continue
		}
		if t.Variant && !out.animated && (o.frames > 1 || o.container.Film) {
			out.err = failed(wire.NoVariant, "a still of an animation")
			continue
		}
		var err error
		out.plan, err = geometry.New(upright, t, image.Pt(job.Width, job.Height))
		if err == nil && o.format == thumb.SVG {
			err = o.drawable(out.plan, job)
		}
		if err != nil {
			out.err = failed(wire.ThumbnailTooLarge, "%dx%d pixels: %w", upright.X, upright.Y, err)
			continue
		}
		if err := o.checkFrames(out, job); err != nil && t.FramesOver == thumb.FirstFrame {
			out.animated = false
		} else {
			out.err = err
		}
	}
	return outputs
}

// settle gives the default quality to outputs whose quality can't be chosen: libvips
// writes their format, but can't read it to compare. The daemon has a warning of it.
func (e *Engine) settle(outputs []*output) {
	for _, out := range outputs {
		if out.Quality == thumb.AutoQuality && !slices.Contains(e.read, out.Format) {
			out.Quality = out.Format.Quality()
			out.chosen = out.Quality
		}
	}
}

// checkFrames returns an error if out shows all frames of the original and these
// are too many, or have too many pixels.
func (o *original) checkFrames(out *output, job wire.Job) error {
	n := int64(o.frames)
	switch {
	case !out.animated:
		return nil
	case o.frames > job.Frames:
		return failed(wire.TooManyFrames, "%d frames", n)
	case pixels(o.stored)*n > job.Pixels:
		return failed(wire.TooManyFrames, "%d frames of %dx%d pixels", n, o.stored.X, o.stored.Y)
	case pixels(out.plan.Canvas)*n > job.Pixels:
		return failed(wire.ThumbnailTooLarge, "%d frames of %dx%d pixels", n, out.plan.Canvas.X, out.plan.Canvas.Y)
	}
	return nil
}

// drawable returns an error if an SVG is too large to be drawn for plan. The whole
// drawing counts, also the part that plan cuts away.
func (o *original) drawable(plan geometry.Plan, job wire.Job) error {
	const mostSide = 32767 // of a surface of cairo
	size := o.drawnFor(o.need(plan))
	if plan.Enlarges() || max(size.X, size.Y) > mostSide || int64(size.X)*int64(size.Y) > job.Pixels {
		return fmt.Errorf("%w: the drawing would be %v", geometry.ErrTooLarge, size)
	}
	return nil
}

// make writes one output.
func (o *original) make(out *output, m *marks) error {
	if out.Method == thumb.Original {
		return o.copyTo(out)
	}
	all, err := o.load(o.need(out.plan), out)
	if err != nil {
		return err
	}
	defer all.close()
	if !all.planes.None() && o.staysPlanes(out) {
		return o.encodePlanes(all, out)
	}
	p, a, err := o.picture(all, out, m)
	if err != nil {
		return err
	}
	defer p.close()
	want := image.Pt(out.plan.Canvas.X, out.plan.Canvas.Y*a.frames)
	if p.size() != want {
		return failed(wire.Internal, "made %v instead of %v", p.size(), want)
	}
	if out.Info {
		return o.describe(p, out)
	}
	if out.Quality == thumb.AutoQuality || out.MaxBytes != 0 {
		// Without a copy in memory each encode would repeat p's operations, e.g. a blur.
		flat, err := p.flat(out.Format)
		if err != nil {
			return err
		}
		defer flat.close()
		p = flat
	}
	if out.Quality == thumb.AutoQuality {
		if err := out.choose(tilesOf(p)); err != nil {
			return err
		}
	}
	return o.encode(out, func(quality int, write func([]byte) error) error {
		t := out.Transform
		t.Quality = quality
		return p.encode(t, a, o.container.Palette || o.tiff.Palette, write)
	})
}

// copyTo writes the original's own bytes, when it is of the format wanted and
// can be decoded to its end.
func (o *original) copyTo(out *output) error {
	if o.format != out.Format {
		return failed(wire.Unsupported, "the format is %v, not %v", o.format, out.Format)
	}
	if o.length > out.limit {
		return failed(wire.ThumbnailBytes, "%d bytes", o.length)
	}
	p, err := o.loadPicture(image.Pt(1, 1), out.animated)
	if err != nil {
		return err
	}
	defer p.close()
	if err := o.check(p, true); err != nil {
		return err
	}
	n, err := io.Copy(io.NewOffsetWriter(out.file, 0), io.NewSectionReader(o.file, 0, o.length))
	if err == nil {
		err = out.file.Truncate(n)
	}
	return err
}

// write writes the encoded picture of out.
func (o *original) write(out *output, data []byte) error {
	n := int64(len(data))
	if n > out.limit {
		return failed(wire.ThumbnailBytes, "%d bytes", n)
	}
	if out.Variant && float64(n) > float64(o.length)*(1-out.MinSaving.Float()) {
		return failed(wire.NoVariant, "%d bytes of %d", n, o.length)
	}
	if _, err := out.file.WriteAt(data, 0); err != nil {
		return err
	}
	return out.file.Truncate(n)
}
