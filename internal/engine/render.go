// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"runtime"
	"strings"
	"unicode"

	"thumbd/internal/geometry"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// Render makes every output of job from the original. It writes each picture
// from offset 0 of its output, which is at least job.Bytes long, and cuts that
// to the picture's length. The result of an output is at its index. The files
// stay the caller's.
func (e *Engine) Render(file *os.File, job wire.Job, outputs []*os.File) []wire.Result {
	// libvips keeps buffers for each thread that calls it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	results := make([]wire.Result, len(job.Outputs))
	o, err := e.open(file, job)
	if err != nil {
		for i := range results {
			results[i] = resultOf(image.Point{}, err)
		}
		return results
	}
	defer o.close()
	for i, t := range job.Outputs {
		results[i] = resultOf(o.make(t, job, outputs[i]))
		upright := geometry.Upright(o.stored, o.orientation)
		results[i].OriginalWidth, results[i].OriginalHeight = upright.X, upright.Y
	}
	return results
}

func resultOf(size image.Point, err error) wire.Result {
	if err == nil {
		return wire.Result{Width: size.X, Height: size.Y}
	}
	r := wire.Result{Failure: wire.Internal, Detail: detail(err.Error())}
	if f, ok := errors.AsType[*failure](err); ok {
		r.Failure = f.kind
	}
	return r
}

// detail makes text fit for a reply, whatever a decoder has put into it.
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

// make writes one output and returns its size.
func (o *original) make(t thumb.Transform, job wire.Job, out *os.File) (image.Point, error) {
	if t.Method == thumb.Original {
		return o.stored, o.copyTo(out, t.Format, job.Bytes)
	}
	upright := geometry.Upright(o.stored, o.orientation)
	plan, err := geometry.New(upright, t, image.Pt(job.Width, job.Height))
	if err != nil {
		return image.Point{}, failed(wire.ThumbnailTooLarge, "%dx%d pixels: %w", upright.X, upright.Y, err)
	}
	p, err := o.picture(plan)
	if err != nil {
		return image.Point{}, err
	}
	defer p.close()
	if p.size() != plan.Cut.Size() {
		return image.Point{}, failed(wire.Internal, "made %v instead of %v", p.size(), plan.Cut.Size())
	}
	err = p.encode(t, func(data []byte) error { return write(out, data, job.Bytes) })
	if err != nil {
		return image.Point{}, fmt.Errorf("encode %v: %w", t.Format, err)
	}
	return p.size(), nil
}

// picture returns what plan makes of the original. The caller closes it.
func (o *original) picture(plan geometry.Plan) (picture, error) {
	if plan.Seek != 0 && plan.Enlarges() {
		return o.soughtFirst(plan)
	}
	p, err := o.reduced(plan)
	if err != nil || plan.Seek == 0 {
		return p, err
	}
	defer p.close()
	return p.seek(plan.Cut.Size(), plan.Seek)
}

// reduced returns the original, upright and as plan resizes it, cut unless the
// place of the cut is yet to be sought.
func (o *original) reduced(plan geometry.Plan) (picture, error) {
	if plan.Seek != 0 {
		plan.Cut = image.Rectangle{Max: plan.Size}
	}
	stored := plan.Stored(geometry.Upright(o.stored, o.orientation), o.orientation)
	o.memory = max(o.memory, int64(stored.Cut.Dx())*int64(stored.Cut.Dy())*8)
	loaded, err := o.load(stored.Size)
	if err != nil {
		return loaded, err
	}
	defer loaded.close()
	if size := loaded.size(); size != o.stored {
		stored.Source = image.Rectangle{Max: size}
	}
	small, err := loaded.reduce(stored)
	if err != nil {
		return small, o.damaged(err)
	}
	defer small.close()
	return small.normalize(o.profile)
}

// soughtFirst seeks the part to keep before it is enlarged.
func (o *original) soughtFirst(plan geometry.Plan) (picture, error) {
	upright := geometry.Upright(o.stored, o.orientation)
	all, err := o.reduced(geometry.Plan{
		Source: image.Rectangle{Max: upright},
		Size:   upright,
		Cut:    image.Rectangle{Max: upright},
	})
	if err != nil {
		return all, err
	}
	defer all.close()
	part, err := all.seek(plan.Source.Size(), plan.Seek)
	if err != nil {
		return part, err
	}
	defer part.close()
	plan.Source = image.Rectangle{Max: part.size()}
	return part.reduce(plan)
}

// copyTo writes the original's own bytes, when it is of the format wanted and
// can be decoded to its end.
func (o *original) copyTo(out *os.File, want thumb.Format, limit int64) error {
	if o.format != want {
		return failed(wire.Unsupported, "the format is %v, not %v", o.format, want)
	}
	if o.length > limit {
		return failed(wire.ThumbnailBytes, "%d bytes", o.length)
	}
	p, err := o.load(image.Pt(1, 1))
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.drain(); err != nil {
		return o.damaged(err)
	}
	n, err := io.Copy(io.NewOffsetWriter(out, 0), io.NewSectionReader(o.file, 0, o.length))
	if err == nil {
		err = out.Truncate(n)
	}
	return err
}

func write(out *os.File, data []byte, limit int64) error {
	if int64(len(data)) > limit {
		return failed(wire.ThumbnailBytes, "%d bytes", len(data))
	}
	if _, err := out.WriteAt(data, 0); err != nil {
		return err
	}
	return out.Truncate(int64(len(data)))
}
