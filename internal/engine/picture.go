// SPDX-License-Identifier: MIT

package engine

import (
	"image"

	"thumbd/internal/geometry"
	"thumbd/internal/render/wire"
)

// picture makes out of the loaded original all, and returns the picture and its
// timing. The frames of an animation are below one another. The caller closes the
// picture.
func (o *original) picture(all loaded, out *output, m *marks) (picture, animation, error) {
	a := animation{frames: 1}
	if !out.animated {
		p, err := o.still(all, out, m)
		return p, a, err
	}
	a.frames, a.loop = o.frames, all.number("loop")
	// The delays are the file's, and the file may have one frame more: see newSource.
	a.delay = all.ints("delay")
	a.delay = a.delay[:min(len(a.delay), a.frames)]
	if size := all.size(); size.Y != o.frames*o.stored.Y {
		return picture{}, a, failed(wire.Damaged, "%d frames of %v are %v", o.frames, o.stored, size)
	}
	p, err := o.film(all.picture, out, m)
	return p, a, err
}

// film makes out of every frame of all.
func (o *original) film(all picture, out *output, m *marks) (picture, error) {
	frames := make([]picture, 0, o.frames)
	defer func() {
		for _, f := range frames {
			f.close()
		}
	}()
	for i := range o.frames {
		frame, err := all.frame(i*o.stored.Y, o.stored.Y)
		if err != nil {
			return picture{}, o.damaged(err)
		}
		p, err := o.still(frame.whole(), out, m)
		frame.close()
		if err != nil {
			return picture{}, err
		}
		frames = append(frames, p)
	}
	return join(frames)
}

// still makes out of one picture.
func (o *original) still(l loaded, out *output, m *marks) (picture, error) {
	p, err := o.framed(l, out)
	if err != nil {
		return p, err
	}
	defer p.close()
	finished, err := p.finish(out.Transform, out.plan)
	if err != nil || out.Watermark.Name == "" {
		return finished, err
	}
	defer finished.close()
	return m.lay(finished, out)
}

// framed returns l, upright and in its colors, as out's plan resizes and cuts
// it.
func (o *original) framed(l loaded, out *output) (picture, error) {
	plan := out.plan
	if plan.Seek == 0 {
		return o.oriented(l, plan)
	}
	// Sought in the resized picture, or before it is enlarged.
	all := plan
	all.Cut = image.Rectangle{Max: plan.Size}
	if plan.Enlarges() {
		upright := geometry.Upright(o.stored, o.orientation)
		all = geometry.Plan{Source: image.Rectangle{Max: upright}, Size: upright, Cut: image.Rectangle{Max: upright}}
	}
	whole, err := o.oriented(l, all)
	if err != nil {
		return whole, err
	}
	defer whole.close()
	part := plan.Cut
	if plan.Enlarges() {
		part = plan.Source
	}
	// All frames are cut at the same place: otherwise an animation would tremble.
	if !out.sought {
		if out.found, err = whole.seek(part.Size(), plan.Seek); err != nil {
			return picture{}, err
		}
		out.sought = true
	}
	kept, err := whole.cut(image.Rectangle{Max: part.Size()}.Add(out.found))
	if err != nil || !plan.Enlarges() {
		return kept, err
	}
	defer kept.close()
	plan.Source = image.Rectangle{Max: part.Size()}
	return kept.whole().resize(plan)
}

// need returns the size to which plan resizes the picture as it is stored.
func (o *original) need(plan geometry.Plan) image.Point {
	if plan.Seek != 0 && plan.Enlarges() {
		return o.stored
	}
	return geometry.Upright(plan.Size, o.orientation)
}

// oriented returns l resized and cut by plan, upright and in its colors.
func (o *original) oriented(l loaded, plan geometry.Plan) (picture, error) {
	stored := plan.Stored(geometry.Upright(o.stored, o.orientation), o.orientation)
	o.memory = max(o.memory, int64(stored.Cut.Dx())*int64(stored.Cut.Dy())*8)
	if size := l.size(); l.planes.None() && size != o.stored {
		stored.Source = image.Rectangle{Max: size}
	}
	rest := o.reads(l) && stored.Source.Max.Y < l.size().Y
	if rest {
		kept, err := l.keepLines()
		if err != nil {
			return picture{}, err
		}
		defer kept.close()
		l.picture = kept
	}
	small, err := o.resized(l, stored)
	if err != nil {
		return small, o.damaged(err)
	}
	defer small.close()
	if err := o.check(l, rest); err != nil {
		return picture{}, err
	}
	return small.normalize(o.profile)
}

// resized resizes and cuts l by plan, a plan for the picture as it is stored. If the
// resized picture is large enough for outputs that follow, it is kept for them, before
// the cut. WebP is an exception: its decoder alone changes the picture by nearly as
// much as two thumbnails of one size may differ.
func (o *original) resized(l loaded, plan geometry.Plan) (picture, error) {
	if !l.planes.None() {
		return o.pixels(l, plan)
	}
	if o.scalable || plan.Source.Size() != l.size() || !o.group.isBase(l, plan) {
		return l.resize(plan)
	}
	part := plan.Cut
	plan.Cut = image.Rectangle{Max: plan.Size}
	whole, err := l.resize(plan)
	if err != nil {
		return whole, err
	}
	o.group.keep(whole.whole())
	return whole.cut(part)
}
