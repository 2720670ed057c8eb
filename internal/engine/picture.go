// SPDX-License-Identifier: MIT

package engine

import (
	"image"

	"thumbd/internal/geometry"
	"thumbd/internal/render/wire"
)

// picture returns what out makes of the original, its frames below one
// another. The caller closes it.
func (o *original) picture(out *output, m *marks) (picture, animation, error) {
	a := animation{frames: 1}
	loaded, err := o.load(o.need(out.plan), out.animated)
	if err != nil {
		return picture{}, a, err
	}
	defer loaded.close()
	if !out.animated {
		p, err := o.still(loaded, out, m)
		return p, a, err
	}
	a.frames, a.delay, a.loop = o.frames, loaded.ints("delay"), loaded.number("loop")
	if size := loaded.size(); size.Y != o.frames*o.stored.Y {
		return picture{}, a, failed(wire.Damaged, "%d frames of %v are %v", o.frames, o.stored, size)
	}
	p, err := o.film(loaded, out, m)
	return p, a, err
}

// film makes out of every frame of loaded.
func (o *original) film(loaded picture, out *output, m *marks) (picture, error) {
	frames := make([]picture, 0, o.frames)
	defer func() {
		for _, f := range frames {
			f.close()
		}
	}()
	for i := range o.frames {
		frame, err := loaded.frame(i*o.stored.Y, o.stored.Y)
		if err != nil {
			return picture{}, o.damaged(err)
		}
		p, err := o.still(frame, out, m)
		frame.close()
		if err != nil {
			return picture{}, err
		}
		frames = append(frames, p)
	}
	return join(frames)
}

// still makes out of one picture, as it was loaded.
func (o *original) still(loaded picture, out *output, m *marks) (picture, error) {
	p, err := o.framed(loaded, out)
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

// framed returns loaded, upright and in its colors, as out's plan resizes and
// cuts it.
func (o *original) framed(loaded picture, out *output) (picture, error) {
	plan := out.plan
	if plan.Seek == 0 {
		return o.reduced(loaded, plan)
	}
	// Sought in the resized picture, or before it is enlarged.
	all := plan
	all.Cut = image.Rectangle{Max: plan.Size}
	if plan.Enlarges() {
		upright := geometry.Upright(o.stored, o.orientation)
		all = geometry.Plan{Source: image.Rectangle{Max: upright}, Size: upright, Cut: image.Rectangle{Max: upright}}
	}
	whole, err := o.reduced(loaded, all)
	if err != nil {
		return whole, err
	}
	defer whole.close()
	part := plan.Cut
	if plan.Enlarges() {
		part = plan.Source
	}
	// An animation that cut every frame elsewhere would tremble.
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
	return kept.reduce(plan)
}

// need returns the size to which plan resizes the picture as it is stored.
func (o *original) need(plan geometry.Plan) image.Point {
	if plan.Seek != 0 && plan.Enlarges() {
		return o.stored
	}
	return geometry.Upright(plan.Size, o.orientation)
}

// reduced returns loaded upright and in its colors, as plan resizes and cuts
// it.
func (o *original) reduced(loaded picture, plan geometry.Plan) (picture, error) {
	stored := plan.Stored(geometry.Upright(o.stored, o.orientation), o.orientation)
	o.memory = max(o.memory, int64(stored.Cut.Dx())*int64(stored.Cut.Dy())*8)
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
