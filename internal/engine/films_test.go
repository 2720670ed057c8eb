// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/thumb"
)

// randomFrame is a picture of few colors somewhere on the canvas, all of it at
// even places.
func randomFrame(r *rand.Rand, canvas image.Point, colors color.Palette) *image.Paletted {
	at := image.Pt(r.IntN(canvas.X/2)*2, r.IntN(canvas.Y/2)*2)
	if r.IntN(3) == 0 {
		at = image.Point{}
	}
	size := image.Pt(1+r.IntN(canvas.X-at.X), 1+r.IntN(canvas.Y-at.Y))
	m := image.NewPaletted(image.Rectangle{at, at.Add(size)}, colors)
	all := uint8(r.IntN(len(colors)))
	for i := range m.Pix {
		m.Pix[i] = all
		if r.IntN(4) == 0 {
			m.Pix[i] = uint8(r.IntN(len(colors)))
		}
	}
	return m
}

// randomGIF returns an animation, what is seen of it and how long.
func randomGIF(t *testing.T, r *rand.Rand) (file []byte, seen []image.Image, delays []int) {
	t.Helper()
	canvas := image.Pt(8+r.IntN(40), 8+r.IntN(40))
	own := color.Palette{color.NRGBA{}, red, green, blue, yellow, white, black}
	opaque := r.IntN(3) == 0
	if opaque {
		own = own[1:]
	}
	g := &gif.GIF{Config: image.Config{Width: canvas.X, Height: canvas.Y, ColorModel: own}}
	for range 2 + r.IntN(5) {
		colors := own
		if r.IntN(3) == 0 && !opaque {
			colors = color.Palette{red, color.NRGBA{}, blue, orange}
		}
		g.Image = append(g.Image, randomFrame(r, canvas, colors))
		delay := r.IntN(12)
		if opaque {
			// Of a frame that says nothing, so not how long it is shown either,
			// browsers make of 0 what libvips does, 10.
			delay++
		}
		g.Delay = append(g.Delay, delay)
		g.Disposal = append(g.Disposal, byte(r.IntN(4)))
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	seen, _ = gifFrames(t, b.Bytes())
	return b.Bytes(), seen, g.Delay
}

// randomWebP is as randomGIF.
func randomWebP(t *testing.T, r *rand.Rand) (file []byte, seen []image.Image, delays []int) {
	t.Helper()
	canvas := image.NewNRGBA(image.Rect(0, 0, 8+r.IntN(40), 8+r.IntN(40)))
	var frames []webpFrame
	for range 2 + r.IntN(5) {
		m := randomFrame(r, canvas.Rect.Max, color.Palette{color.NRGBA{}, red, green, blue, yellow, white, black})
		own := image.NewNRGBA(image.Rectangle{Max: m.Rect.Size()})
		draw.Draw(own, own.Rect, m, m.Rect.Min, draw.Src)
		f := webpFrame{
			still: processed(t, encodePNG(t, own), bimg.Options{Type: bimg.WEBP, Lossless: true}),
			at:    m.Rect, delay: 10 * r.IntN(30), alone: r.IntN(2) == 0, erased: r.IntN(2) == 0,
		}
		frames, delays = append(frames, f), append(delays, f.delay/10)
		over := draw.Over
		if f.alone {
			over = draw.Src
		}
		draw.Draw(canvas, m.Rect, m, m.Rect.Min, over)
		seen = append(seen, &image.NRGBA{Pix: slices.Clone(canvas.Pix), Stride: canvas.Stride, Rect: canvas.Rect})
		if f.erased {
			draw.Draw(canvas, m.Rect, image.Transparent, image.Point{}, draw.Src)
		}
	}
	return animatedWebP(canvas.Rect.Max, 0, frames...), seen, delays
}

// TestFramesAreAsSeen has animations of frames of all sizes, at all places, that
// are laid on, and taken away from, what is below in every way.
func TestFramesAreAsSeen(t *testing.T) {
	for name, random := range map[string]func(*testing.T, *rand.Rand) ([]byte, []image.Image, []int){"gif": randomGIF, "webp": randomWebP} {
		for seed := range uint64(120) {
			file, want, delays := random(t, rand.New(rand.NewPCG(seed, 9)))
			made := thumbnailFile(t, file, thumb.Transform{Width: 4000, Method: thumb.Fit, Format: thumb.GIF})
			got, g := gifFrames(t, made)
			if len(got) != len(want) || !slices.Equal(g.Delay, delays) {
				t.Errorf("%s %d: %d frames for %v, want %d for %v", name, seed, len(got), g.Delay, len(want), delays)
				continue
			}
			for i := range want {
				if why := different(got[i], want[i], 12); why != "" {
					t.Errorf("%s %d, frame %d: %s", name, seed, i, why)
					break
				}
			}
		}
	}
}

// TestClearedFrameKeepsItsLastColor has a frame that is taken away, all of the
// color of number 255: that is none to see through.
func TestClearedFrameKeepsItsLastColor(t *testing.T) {
	colors := make(color.Palette, 256)
	for i := range colors {
		colors[i] = color.NRGBA{uint8(i), 0, uint8(255 - i), 255}
	}
	g := &gif.GIF{Config: image.Config{Width: 20, Height: 10, ColorModel: colors}}
	for i, disposal := range []byte{gif.DisposalBackground, gif.DisposalNone} {
		m := image.NewPaletted(image.Rect(0, 0, 20-10*i, 10), colors)
		for j := range m.Pix {
			m.Pix[j] = 255
		}
		g.Image, g.Delay, g.Disposal = append(g.Image, m), append(g.Delay, 5), append(g.Disposal, disposal)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	got, _ := gifFrames(t, thumbnailFile(t, b.Bytes(), thumb.Transform{Width: 4000, Method: thumb.Fit, Format: thumb.GIF}))
	expectColor(t, got[0], 15, 5, color.NRGBA{255, 0, 0, 255}, 12)
	expectColor(t, got[1], 5, 5, color.NRGBA{255, 0, 0, 255}, 12)
}

// different returns where two pictures do not look alike.
func different(got, want image.Image, tolerance int) string {
	b := want.Bounds()
	if got.Bounds() != b {
		return fmt.Sprintf("got %v, want %v", got.Bounds(), b)
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			g := color.NRGBAModel.Convert(got.At(x, y)).(color.NRGBA)
			if w := color.NRGBAModel.Convert(want.At(x, y)).(color.NRGBA); !near(g, w, tolerance) {
				return fmt.Sprintf("at %d,%d: got %v, want %v", x, y, g, w)
			}
		}
	}
	return ""
}

// TestBareCanvasIsSeenThrough has frames that leave a part of the canvas free,
// and no transparent color: what is never drawn is no black.
func TestBareCanvasIsSeenThrough(t *testing.T) {
	colors := color.Palette{red, green, blue}
	g := &gif.GIF{Config: image.Config{Width: 100, Height: 50, ColorModel: colors}}
	for i, at := range []image.Rectangle{image.Rect(40, 0, 100, 50), image.Rect(0, 0, 30, 30), image.Rect(20, 10, 60, 40)} {
		m := image.NewPaletted(at, colors)
		draw.Draw(m, at, image.NewUniform(colors[i]), image.Point{}, draw.Src)
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10)
		g.Disposal = append(g.Disposal, gif.DisposalNone)
		var b bytes.Buffer
		if err := gif.EncodeAll(&b, g); err != nil {
			t.Fatal(err)
		}
		want, _ := gifFrames(t, b.Bytes())
		tr := thumb.Transform{Width: 100, Method: thumb.Fit, Format: thumb.GIF, Quality: 90}
		got, made := gifFrames(t, thumbnailFile(t, b.Bytes(), tr))
		if len(got) != len(want) || len(want) > 1 && !slices.Equal(made.Delay, g.Delay) {
			t.Fatalf("%d frames for %v, want %d for %v", len(got), made.Delay, len(want), g.Delay)
		}
		for i := range want {
			if why := different(got[i], want[i], 5); why != "" {
				t.Errorf("frame %d of %d: %s", i, len(want), why)
			}
		}
		tr.Format = thumb.JPEG
		expectColor(t, thumbnail(t, b.Bytes(), tr), 5, 5, white, 5)
		tr.Format, tr.Method = thumb.GIF, thumb.Original
		if files, _ := render(t, b.Bytes(), limits(), tr); !bytes.Equal(files[0], b.Bytes()) {
			t.Error("other bytes than its own")
		}
	}
}

// TestFramesAreCutAtOnePlace has what draws the eye on the left and then on the
// right: an animation whose frames were each cut around it would tremble.
func TestFramesAreCutAtOnePlace(t *testing.T) {
	dull := color.NRGBA{90, 95, 100, 255}
	g := &gif.GIF{}
	for _, x := range []int{40, 440} {
		m := image.NewPaletted(image.Rect(0, 0, 600, 200), color.Palette{dull, orange, white})
		for y := 60; y < 140; y++ {
			for dx := range 80 {
				m.SetColorIndex(x+dx, y, uint8(1+(dx/8+y/8)%2))
			}
		}
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	for _, tr := range []thumb.Transform{
		{Width: 100, Height: 100}, {Width: 300, Height: 300, Enlarge: true},
	} {
		for _, tr.Method = range []thumb.Method{thumb.Smart, thumb.Attention} {
			tr.Format = thumb.GIF
			frames, _ := gifFrames(t, thumbnailFile(t, b.Bytes(), tr))
			side := tr.Width
			first := different(frames[0], uniform(side, side, dull), 30)
			second := different(frames[1], uniform(side, side, dull), 30)
			if first == "" || second != "" {
				t.Errorf("%v %d: the first frame shows nothing, or the second %q", tr.Method, side, second)
			}
		}
	}
}

// TestLoopsOfWebP counts as WebP does: 0 is for ever.
func TestLoopsOfWebP(t *testing.T) {
	full := image.Rect(0, 0, 60, 40)
	frame := func(c color.NRGBA) webpFrame {
		return webpFrame{still: originalFile(t, uniform(60, 40, c), thumb.WebP), at: full, delay: 70}
	}
	for times, loop := range map[int]int{0: 0, 1: -1, 2: 1, 5: 4} {
		data := animatedWebP(full.Max, times, frame(red), frame(blue))
		tr := thumb.Transform{Width: 30, Method: thumb.Fit, Format: thumb.WebP, Quality: 80}
		if _, delays, got := webpFrames(t, thumbnailFile(t, data, tr)); got != times || !slices.Equal(delays, []int{70, 70}) {
			t.Errorf("%d times: WebP %d times, delays %v", times, got, delays)
		}
		tr.Format = thumb.GIF
		if _, g := gifFrames(t, thumbnailFile(t, data, tr)); g.LoopCount != loop {
			t.Errorf("%d times: GIF of loop %d, want %d", times, g.LoopCount, loop)
		}
	}
}
