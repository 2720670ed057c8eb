// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"image"
	"os"
	"slices"

	"thumbd/internal/geometry"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// marks are the watermarks of a job.
type marks struct {
	engine *Engine
	job    wire.Job
	files  []*os.File
	// last is the output for which lay has made faded and placed; its frames share
	// them.
	last   *output
	faded  picture
	placed image.Rectangle
}

func (e *Engine) newMarks(job wire.Job, files []*os.File) *marks {
	// A watermark may be of any format, also if the site does not allow it for originals.
	job.Formats = slices.DeleteFunc(e.Reads(), func(f thumb.Format) bool { return f == thumb.SVG })
	return &marks{engine: e, job: job, files: files}
}

func (m *marks) close() { m.faded.close() }

// lay returns p, the thumbnail of out, with its watermark.
func (m *marks) lay(p picture, out *output) (picture, error) {
	if m.last != out {
		if err := m.prepare(out, p.size()); err != nil {
			return picture{}, failed(wire.Watermark, "%s: %w", out.Watermark.Name, err)
		}
	}
	return p.overlay(m.faded, m.placed.Min)
}

// prepare makes out's watermark for a thumbnail of the given size.
func (m *marks) prepare(out *output, size image.Point) error {
	m.last = nil
	m.faded.close()
	m.faded = picture{}
	i := slices.Index(m.job.Watermarks, out.Watermark.Name)
	if i < 0 || i >= len(m.files) {
		return errors.New("no image came with the job")
	}
	o, err := m.engine.open(m.files[i], m.job)
	if err != nil {
		return err
	}
	defer o.close()
	upright := geometry.Upright(o.stored, o.orientation)
	m.placed = geometry.Overlay(size, upright, out.Watermark)
	plan := geometry.Plan{
		Source: image.Rectangle{Max: upright},
		Size:   m.placed.Size(),
		Cut:    image.Rectangle{Max: m.placed.Size()},
	}
	all, err := o.loadPicture(o.need(plan), false)
	if err != nil {
		return err
	}
	defer all.close()
	mark, err := o.oriented(all, plan)
	if err != nil {
		return err
	}
	defer mark.close()
	if m.faded, err = mark.fade(out.Watermark.Opacity.Float()); err != nil {
		return err
	}
	m.last = out
	return nil
}
