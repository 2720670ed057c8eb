// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"slices"
	"testing"

	"thumbd/internal/engine/probe"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// fourFrames are animations of 200x100 whose first frame is red.
func fourFrames(t *testing.T) map[thumb.Format][]byte {
	t.Helper()
	data := film(t, 0)
	return map[thumb.Format][]byte{
		thumb.GIF:  data,
		thumb.WebP: thumbnailFile(t, data, thumb.Transform{Width: 200, Method: thumb.Fit, Format: thumb.WebP, Quality: 95}),
	}
}

// TestTooManyFrames has an animation over a limit refused where all frames are
// needed, and nowhere else.
func TestTooManyFrames(t *testing.T) {
	for f, data := range fourFrames(t) {
		all := thumb.Transform{Width: 100, Method: thumb.Fit, Format: f, Quality: 90}
		asked, first, still := all, all, all
		asked.Frames = 1
		first.FramesOver = thumb.FirstFrame
		still.Format = thumb.PNG
		original := thumb.Transform{Method: thumb.Original, Format: f, FramesOver: thumb.FirstFrame}
		for name, change := range map[string]func(*wire.Job){
			"frames": func(j *wire.Job) { j.Frames = 3 },
			"pixels": func(j *wire.Job) { j.Pixels = 200*100*4 - 1 },
		} {
			t.Run(fmt.Sprintf("%v, too many %s", f, name), func(t *testing.T) {
				job := limits()
				change(&job)
				files, results := render(t, data, job, all, original, asked, first, still)
				for i, want := range []wire.Failure{wire.TooManyFrames, wire.TooManyFrames, "", "", ""} {
					if r := results[i]; r.Failure != want {
						t.Errorf("output %d: %q (%s), want %q", i, r.Failure, r.Detail, want)
					}
				}
				for i, format := range map[int]thumb.Format{2: f, 3: f, 4: thumb.PNG} {
					if n := framesOf(t, format, files[i]); n != 1 {
						t.Errorf("output %d has %d frames", i, n)
					}
					m := decode(t, files[i], format)
					expectColor(t, m, 25, 25, red, 8)
					expectColor(t, m, 75, 25, red, 8)
				}
			})
		}
		t.Run(fmt.Sprintf("%v within the limits", f), func(t *testing.T) {
			if n := framesOf(t, f, thumbnailFile(t, data, first)); n != 4 {
				t.Errorf("%d frames, want 4", n)
			}
		})
	}
}

func framesOf(t *testing.T, f thumb.Format, file []byte) int {
	t.Helper()
	c, err := probe.Walk(f, bytes.NewReader(file), int64(len(file)), 100)
	if err != nil {
		t.Fatal(err)
	}
	return c.Frames
}

// TestFirstOfTooManyFrames compares stills of an animation over the limit with
// those of the same animation within it.
func TestFirstOfTooManyFrames(t *testing.T) {
	animations := fourFrames(t)
	small := image.NewPaletted(image.Rect(20, 10, 60, 40), color.Palette{red, blue})
	clear := image.NewPaletted(image.Rect(0, 0, 100, 50), color.Palette{color.NRGBA{}, blue})
	var bare, seen bytes.Buffer
	for b, frames := range map[*bytes.Buffer][]*image.Paletted{&bare: {small, small, small}, &seen: {small, clear, clear}} {
		err := gif.EncodeAll(b, &gif.GIF{
			Image: frames, Delay: make([]int, 3), Disposal: slices.Repeat([]byte{gif.DisposalBackground}, 3),
			Config: image.Config{Width: 100, Height: 50},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	webp := animations[thumb.WebP]
	for name, data := range map[string][]byte{
		"GIF": animations[thumb.GIF], "GIF without trailer": bytes.TrimSuffix(animations[thumb.GIF], []byte(";")),
		"GIF that leaves the canvas bare": bare.Bytes(), "GIF with transparency later": seen.Bytes(),
		"WebP": webp, "WebP that is turned": retagged(t, webp, thumb.WebP, "-Orientation#=6"),
	} {
		t.Run(name, func(t *testing.T) {
			job := limits()
			still := thumb.Transform{Width: 50, Method: thumb.Fit, Format: thumb.PNG}
			want, r := render(t, data, job, still)
			job.Frames = 2
			got, over := render(t, data, job, still)
			if r[0].Failure != "" || over[0].Failure != "" {
				t.Fatalf("%+v, over the limit %+v", r, over)
			}
			m := decode(t, got[0], thumb.PNG)
			if d := different(m, decode(t, want[0], thumb.PNG), 1); d != "" {
				t.Error(d)
			}
			if _, r := render(t, data[:len(data)-len(data)/4], job, still); r[0].Failure != wire.Damaged {
				t.Errorf("cut off behind the first frame: %+v", r)
			}
		})
	}
}

// TestManyFramesAreNotListed has 60,000 frames. libvips would look for each of
// them from the first on: a minute and more.
func TestManyFramesAreNotListed(t *testing.T) {
	dot := originalFile(t, quadrants(2, 2), thumb.WebP)
	data := animatedWebP(image.Pt(2, 2), 0, slices.Repeat([]webpFrame{{still: dot, at: image.Rect(0, 0, 2, 2)}}, 60_000)...)
	tr := thumb.Transform{Width: 2, Method: thumb.Fit, Format: thumb.GIF, FramesOver: thumb.FirstFrame}
	if m := thumbnail(t, data, tr); m.Bounds().Size() != image.Pt(2, 2) {
		t.Errorf("%v", m.Bounds())
	}
}
