// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"slices"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// film is an animation of four frames on a canvas of 200x100, red, then green
// over the left half, then a small blue square over that, which is taken away
// again, then a yellow one at another place.
func film(t testing.TB, loop int) []byte {
	t.Helper()
	colors := color.Palette{color.NRGBA{}, red, green, blue, yellow}
	frame := func(r image.Rectangle, i uint8) *image.Paletted {
		m := image.NewPaletted(r, colors)
		for j := range m.Pix {
			m.Pix[j] = i
		}
		return m
	}
	var b bytes.Buffer
	err := gif.EncodeAll(&b, &gif.GIF{
		Image: []*image.Paletted{
			frame(image.Rect(0, 0, 200, 100), 1), frame(image.Rect(0, 0, 100, 100), 2),
			frame(image.Rect(20, 20, 80, 80), 3), frame(image.Rect(120, 20, 180, 80), 4),
		},
		Delay:     []int{10, 20, 30, 45},
		Disposal:  []byte{gif.DisposalNone, gif.DisposalNone, gif.DisposalPrevious, gif.DisposalNone},
		LoopCount: loop,
		Config:    image.Config{ColorModel: colors, Width: 200, Height: 100},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// filmWant are the colors of film's frames at the middles of the left and the
// right half, and near the left and the right edge.
var filmWant = [][4]color.NRGBA{
	{red, red, red, red}, {green, red, green, red}, {blue, red, green, red}, {green, yellow, green, red},
}

func expectFilm(t *testing.T, frames []image.Image) {
	t.Helper()
	if len(frames) != len(filmWant) {
		t.Fatalf("%d frames, want %d", len(frames), len(filmWant))
	}
	for i, m := range frames {
		w, h := m.Bounds().Dx(), m.Bounds().Dy()
		for j, x := range []int{w / 4, 3 * w / 4, w / 25, w - 1 - w/25} {
			expectColor(t, m, x, h/2, filmWant[i][j], 12)
		}
		// Nothing of the frames above and below.
		expectColor(t, m, w/4, 0, filmWant[i][2], 14)
		expectColor(t, m, w/4, h-1, filmWant[i][2], 14)
	}
}

// gifFrames returns a GIF's frames as they are seen.
func gifFrames(t *testing.T, file []byte) ([]image.Image, *gif.GIF) {
	t.Helper()
	g, err := gif.DecodeAll(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	var frames []image.Image
	for i, m := range g.Image {
		before := &image.NRGBA{Pix: slices.Clone(canvas.Pix), Stride: canvas.Stride, Rect: canvas.Rect}
		draw.Draw(canvas, m.Bounds(), m, m.Bounds().Min, draw.Over)
		frames = append(frames, &image.NRGBA{Pix: slices.Clone(canvas.Pix), Stride: canvas.Stride, Rect: canvas.Rect})
		switch g.Disposal[i] {
		case gif.DisposalBackground:
			draw.Draw(canvas, m.Bounds(), image.Transparent, image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			canvas = before
		}
	}
	return frames, g
}

// webpFrames returns an animated WebP's frames, the delays in milliseconds and
// how often all are shown.
func webpFrames(t *testing.T, file []byte) (frames []image.Image, delays []int, loop int) {
	t.Helper()
	for at := 12; at+8 <= len(file); {
		kind, n := string(file[at:at+4]), int(binary.LittleEndian.Uint32(file[at+4:]))
		body := file[at+8:][:n]
		switch kind {
		case "ANIM":
			loop = int(binary.LittleEndian.Uint16(body[4:]))
		case "ANMF":
			delays = append(delays, int(body[12])|int(body[13])<<8|int(body[14])<<16)
		}
		at += 8 + n + n%2
	}
	// As GIF, whose frames can be looked at.
	g := thumbnailFile(t, file, thumb.Transform{Width: 4096, Method: thumb.Fit, Format: thumb.GIF})
	frames, _ = gifFrames(t, g)
	return frames, delays, loop
}

func TestAnimations(t *testing.T) {
	source := film(t, 0)
	asWebP := thumbnailFile(t, source, thumb.Transform{Width: 200, Method: thumb.Fit, Format: thumb.WebP, Quality: 95})
	for name, data := range map[string][]byte{"gif": source, "webp": asWebP} {
		for _, tr := range []thumb.Transform{
			{Width: 100, Height: 100, Method: thumb.Fit},
			{Width: 77, Height: 33, Method: thumb.Scale},
			{Width: 150, Height: 75, Method: thumb.Crop},
			{Width: 160, Height: 60, Method: thumb.Stretch},
			{Width: 300, Height: 150, Method: thumb.Attention, Enlarge: true},
			{Width: 100, Height: 50, Method: thumb.Smart},
		} {
			t.Run(fmt.Sprintf("%s %v %dx%d", name, tr.Method, tr.Width, tr.Height), func(t *testing.T) {
				tr.Format = thumb.GIF
				file := thumbnailFile(t, data, tr)
				save(t, fmt.Sprintf("film-%s-%v.gif", name, tr.Method), file)
				frames, g := gifFrames(t, file)
				expectFilm(t, frames)
				if !slices.Equal(g.Delay, []int{10, 20, 30, 45}) || g.LoopCount != 0 {
					t.Errorf("GIF: delays %v, loop %d", g.Delay, g.LoopCount)
				}
				tr.Format, tr.Quality = thumb.WebP, 90
				file = thumbnailFile(t, data, tr)
				save(t, fmt.Sprintf("film-%s-%v.webp", name, tr.Method), file)
				frames, delays, loop := webpFrames(t, file)
				expectFilm(t, frames)
				if !slices.Equal(delays, []int{100, 200, 300, 450}) || loop != 0 {
					t.Errorf("WebP: delays %v, loop %d", delays, loop)
				}
			})
		}
	}
}

// TestLoops counts as GIF does: -1 is once, and n is n times more.
func TestLoops(t *testing.T) {
	for loop, times := range map[int]int{-1: 1, 0: 0, 1: 2, 4: 5} {
		data := film(t, loop)
		_, g := gifFrames(t, thumbnailFile(t, data, thumb.Transform{Width: 50, Method: thumb.Fit, Format: thumb.GIF}))
		if g.LoopCount != loop {
			t.Errorf("GIF of %d: %d", loop, g.LoopCount)
		}
		_, _, got := webpFrames(t, thumbnailFile(t, data, thumb.Transform{Width: 50, Method: thumb.Fit, Format: thumb.WebP, Quality: 80}))
		if got != times {
			t.Errorf("WebP of %d: %d times, want %d", loop, got, times)
		}
	}
}

func TestStillsOfAnimations(t *testing.T) {
	data := film(t, 0)
	for _, tr := range []thumb.Transform{
		{Format: thumb.GIF, Frames: 1}, {Format: thumb.WebP, Frames: 1}, {Format: thumb.JPEG}, {Format: thumb.PNG}, {Format: thumb.AVIF},
	} {
		tr.Width, tr.Method, tr.Quality = 100, thumb.Fit, 90
		file := thumbnailFile(t, data, tr)
		if bytes.Contains(file, []byte("ANMF")) {
			t.Errorf("%v is an animation", tr.Format)
		}
		if tr.Format == thumb.GIF {
			if frames, _ := gifFrames(t, file); len(frames) != 1 {
				t.Errorf("GIF of %d frames", len(frames))
			}
		}
		m := decode(t, file, tr.Format)
		if m.Bounds().Size() != image.Pt(100, 50) {
			t.Errorf("%v: %v", tr.Format, m.Bounds())
		}
		expectColor(t, m, 25, 25, red, 12)
	}
}

// TestTransparentAnimation has what is seen through stay so in every frame.
func TestTransparentAnimation(t *testing.T) {
	colors := color.Palette{color.NRGBA{}, red, blue}
	var g gif.GIF
	for i := range 3 {
		m := image.NewPaletted(image.Rect(0, 0, 120, 60), colors)
		draw.Draw(m, image.Rect(40*i, 0, 40*i+40, 60), image.NewUniform(red), image.Point{}, draw.Src)
		g.Image, g.Delay, g.Disposal = append(g.Image, m), append(g.Delay, 5), append(g.Disposal, gif.DisposalBackground)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	for _, tr := range []thumb.Transform{
		{Method: thumb.Fit}, {Method: thumb.Pad, Height: 60}, {Method: thumb.Fit, Background: thumb.NewColor(40, 50, 210)},
	} {
		tr.Width, tr.Format = 60, thumb.GIF
		frames, _ := gifFrames(t, thumbnailFile(t, b.Bytes(), tr))
		empty := transparent
		if tr.Background != 0 {
			empty = blue
		}
		for i, m := range frames {
			for j := range 3 {
				want := empty
				if i == j {
					want = red
				}
				expectColor(t, m, 10+20*j, m.Bounds().Dy()/2, want, 10)
			}
		}
	}
}

// TestStillsOfOneFrame has a still twice as high as the frames of its original.
func TestStillsOfOneFrame(t *testing.T) {
	for _, f := range []thumb.Format{thumb.GIF, thumb.WebP} {
		tr := thumb.Transform{Width: 200, Height: 200, Method: thumb.Pad, Format: f, Quality: 80, Frames: 1, Metadata: thumb.AllMetadata}
		file := thumbnailFile(t, film(t, 0), tr)
		m := decode(t, file, f)
		if bytes.Contains(file, []byte("ANMF")) || m.Bounds().Size() != image.Pt(200, 200) {
			t.Errorf("%v of %v", f, m.Bounds())
		}
		if f == thumb.GIF {
			if frames, g := gifFrames(t, file); len(frames) != 1 || g.Delay[0] != 0 {
				t.Errorf("GIF of %d frames, each %v", len(frames), g.Delay)
			}
		}
	}
}

func TestFinishedAnimation(t *testing.T) {
	file, r := watermarked(t, film(t, 0), originalFile(t, mark(orange), thumb.PNG), thumb.Transform{
		Width: 100, Height: 100, Method: thumb.Pad, Format: thumb.GIF, Background: thumb.NewColor(0, 0, 0),
		Watermark: thumb.Watermark{Name: "logo", Opacity: 100, Position: thumb.SouthEast},
	})
	if r.Failure != "" {
		t.Fatal(r.Detail)
	}
	frames, _ := gifFrames(t, file)
	for i, m := range frames {
		expectColor(t, m, 25, 50, filmWant[i][0], 12)
		expectColor(t, m, 25, 10, black, 8)
		expectColor(t, m, 90, 90, orange, 12)
	}
}

// TestAnimationsOfManyPixels has thumbnails count all of their frames.
func TestAnimationsOfManyPixels(t *testing.T) {
	job := limits()
	job.Pixels = 200 * 100 * 4
	large := thumb.Transform{Width: 201, Height: 100, Method: thumb.Pad, Format: thumb.GIF}
	still := large
	still.Frames = 1
	_, results := render(t, film(t, 0), job, large, still)
	if results[0].Failure != wire.ThumbnailTooLarge || results[1].Failure != "" {
		t.Errorf("got %+v", results)
	}
}
