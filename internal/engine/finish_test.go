// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"os"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

var (
	white       = color.NRGBA{255, 255, 255, 255}
	black       = color.NRGBA{0, 0, 0, 255}
	transparent = color.NRGBA{}
	orange      = color.NRGBA{255, 128, 0, 255}
)

func uniform(w, h int, c color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	return m
}

func TestPad(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 400, 200))
	draw.Draw(gray, gray.Bounds(), image.NewUniform(color.Gray{100}), image.Point{}, draw.Src)
	for _, c := range []struct {
		name       string
		original   image.Image
		format     thumb.Format
		background thumb.Color
		around     color.NRGBA
		within     color.NRGBA
	}{
		{"transparent", uniform(400, 200, red), thumb.PNG, 0, transparent, red},
		{"transparent", uniform(400, 200, red), thumb.WebP, 0, transparent, red},
		{"transparent", uniform(400, 200, red), thumb.GIF, 0, transparent, red},
		{"white without alpha", uniform(400, 200, red), thumb.JPEG, 0, white, red},
		{"colored", uniform(400, 200, red), thumb.PNG, thumb.NewColor(255, 128, 0), orange, red},
		{"colored", uniform(400, 200, red), thumb.JPEG, thumb.NewColor(255, 128, 0), orange, red},
		{"black", uniform(400, 200, red), thumb.PNG, thumb.NewColor(0, 0, 0), black, red},
		{"transparent original, colored", uniform(400, 200, transparent), thumb.PNG, thumb.NewColor(255, 128, 0), orange, orange},
		{"transparent original, white", uniform(400, 200, transparent), thumb.JPEG, 0, white, white},
		{"gray", gray, thumb.PNG, 0, transparent, color.NRGBA{100, 100, 100, 255}},
		{"gray, white", gray, thumb.JPEG, 0, white, color.NRGBA{100, 100, 100, 255}},
		{"gray, colored", gray, thumb.PNG, thumb.NewColor(255, 128, 0), orange, color.NRGBA{100, 100, 100, 255}},
	} {
		t.Run(fmt.Sprintf("%s %v", c.name, c.format), func(t *testing.T) {
			m := thumbnail(t, originalFile(t, c.original, thumb.PNG), thumb.Transform{
				Width: 100, Height: 100, Method: thumb.Pad, Format: c.format, Background: c.background, Quality: 95,
			})
			if m.Bounds().Size() != image.Pt(100, 100) {
				t.Fatalf("got %v", m.Bounds())
			}
			for y, want := range map[int]color.NRGBA{1: c.around, 22: c.around, 28: c.within, 50: c.within, 71: c.within, 78: c.around, 98: c.around} {
				expectColor(t, m, 50, y, want, 8)
			}
		})
	}
}

func TestStretch(t *testing.T) {
	m := thumbnail(t, originalFile(t, quadrants(800, 300), thumb.JPEG), thumb.Transform{
		Width: 80, Height: 200, Method: thumb.Stretch, Format: thumb.PNG,
	})
	if m.Bounds().Size() != image.Pt(80, 200) {
		t.Fatalf("got %v", m.Bounds())
	}
	expectQuadrants(t, m, 8)
}

// TestFocusOfTurnedPictures keeps what lies around a point of what is seen,
// however it is stored.
func TestFocusOfTurnedPictures(t *testing.T) {
	m := uniform(800, 400, blue)
	draw.Draw(m, image.Rect(550, 0, 650, 400), image.NewUniform(yellow), image.Point{}, draw.Src)
	for o := 1; o <= 8; o++ {
		data := withEXIF(originalFile(t, turned(m, o), thumb.JPEG), exif{orientation: o})
		got := thumbnail(t, data, thumb.Transform{
			Width: 100, Height: 100, Method: thumb.Crop, Focus: thumb.NewFocus(7500, 3000), Format: thumb.PNG,
		})
		// A quarter of the size: 25 pixels of yellow in the middle.
		for x, want := range map[int]color.NRGBA{20: blue, 35: blue, 41: yellow, 50: yellow, 59: yellow, 66: blue, 90: blue} {
			expectColor(t, got, x, 50, want, 12)
		}
	}
}

func TestBackgroundBelowTransparency(t *testing.T) {
	data := originalFile(t, transparentDisc(false), thumb.PNG)
	for _, f := range []thumb.Format{thumb.PNG, thumb.JPEG, thumb.WebP} {
		m := thumbnail(t, data, thumb.Transform{Width: 60, Method: thumb.Fit, Format: f, Background: thumb.NewColor(255, 128, 0), Quality: 95})
		expectColor(t, m, 1, 1, orange, 6)
	}
}

func TestGray(t *testing.T) {
	for _, f := range []thumb.Format{thumb.PNG, thumb.JPEG, thumb.WebP, thumb.GIF, thumb.AVIF} {
		m := thumbnail(t, originalFile(t, quadrants(400, 300), thumb.JPEG), thumb.Transform{
			Width: 100, Method: thumb.Fit, Format: f, Gray: true, Quality: 95,
		})
		for _, at := range []image.Point{{25, 20}, {75, 20}, {25, 55}, {75, 55}} {
			c := color.NRGBAModel.Convert(m.At(at.X, at.Y)).(color.NRGBA)
			if !near(c, color.NRGBA{c.G, c.G, c.G, 255}, 2) {
				t.Errorf("%v at %v: %v", f, at, c)
			}
		}
		if f == thumb.PNG {
			if _, ok := m.(*image.Gray); !ok {
				t.Errorf("PNG of %T", m)
			}
		}
	}
}

// edge is black on the left and white on the right.
func edge(w, h int) *image.NRGBA {
	m := uniform(w, h, black)
	draw.Draw(m, image.Rect(w/2, 0, w, h), image.NewUniform(white), image.Point{}, draw.Src)
	return m
}

// TestBlur compares the blur of an edge with the integral of a Gaussian.
func TestBlur(t *testing.T) {
	data := originalFile(t, edge(400, 60), thumb.PNG)
	for _, c := range []struct {
		blur thumb.Decimal
		dpr  int
	}{{100, 0}, {300, 0}, {550, 0}, {800, 0}, {2000, 0}, {400, 2}, {150, 2}} {
		tr := thumb.Transform{Width: 400, Method: thumb.Fit, Format: thumb.PNG, Blur: c.blur, Enlarge: true, DPR: c.dpr}
		if c.dpr > 0 {
			tr.Width /= c.dpr
		}
		m := thumbnail(t, data, tr)
		sigma := c.blur.Float() * float64(max(c.dpr, 1))
		for x := range 400 {
			want := 255 * (1 + math.Erf((float64(x)+0.5-200)/(sigma*math.Sqrt2))) / 2
			got := color.NRGBAModel.Convert(m.At(x, 30)).(color.NRGBA)
			if math.Abs(float64(got.R)-want) > 6 {
				t.Errorf("blur %v: %d at %d, want %.0f", sigma, got.R, x, want)
				break
			}
		}
	}
}

func TestBlurHasNoHalo(t *testing.T) {
	m := thumbnail(t, originalFile(t, transparentDisc(false), thumb.PNG), thumb.Transform{
		Width: 100, Method: thumb.Fit, Format: thumb.PNG, Blur: 300,
	})
	want := color.NRGBAModel.Convert(m.At(50, 50)).(color.NRGBA)
	for x := range 100 {
		c := color.NRGBAModel.Convert(m.At(x, 50)).(color.NRGBA)
		if c.A > 40 && !near(color.NRGBA{c.R, c.G, c.B, 255}, want, 12) {
			t.Errorf("%v at %d, want %v", c, x, want)
		}
	}
}

func TestSharpen(t *testing.T) {
	m := uniform(400, 60, color.NRGBA{80, 80, 80, 255})
	draw.Draw(m, image.Rect(200, 0, 400, 60), image.NewUniform(color.NRGBA{160, 160, 160, 255}), image.Point{}, draw.Src)
	data := originalFile(t, m, thumb.PNG)
	last := 0
	for _, amount := range []thumb.Decimal{0, 50, 100, 200} {
		got := thumbnail(t, data, thumb.Transform{Width: 400, Method: thumb.Fit, Format: thumb.PNG, Sharpen: amount})
		at := func(x int) int { return int(color.NRGBAModel.Convert(got.At(x, 30)).(color.NRGBA).R) }
		// Half a pixel from the edge a blur of 1 takes 31 % of its 80 away.
		want := int(math.Round(0.3085 * 80 * amount.Float()))
		if d := at(200) - 160; d < want-4 || d > want+4 || 80-at(199) < want-4 || 80-at(199) > want+4 {
			t.Errorf("sharpen %v: %d and %d beside the edge, want %d more and less", amount, at(199), at(200), want)
		}
		if contrast := at(200) - at(199); contrast <= last || at(100) != 80 || at(300) != 160 {
			t.Errorf("sharpen %v: contrast %d after %d, flat parts %d and %d", amount, contrast, last, at(100), at(300))
		} else {
			last = contrast
		}
	}
	// Of twice as many pixels the same is seen: a blur of 2 takes 40 % away.
	double := thumbnail(t, data, thumb.Transform{Width: 200, Method: thumb.Fit, Format: thumb.PNG, Sharpen: 100, DPR: 2})
	expectColor(t, double, 200, 30, color.NRGBA{192, 192, 192, 255}, 3)
	disc := thumbnail(t, originalFile(t, transparentDisc(false), thumb.PNG), thumb.Transform{
		Width: 100, Method: thumb.Fit, Format: thumb.PNG, Sharpen: 300,
	})
	expectColor(t, disc, 1, 1, transparent, 0)
}

// mark is a square of one color, half of it transparent.
func mark(c color.NRGBA) *image.NRGBA {
	m := uniform(40, 20, transparent)
	draw.Draw(m, image.Rect(20, 0, 40, 20), image.NewUniform(c), image.Point{}, draw.Src)
	return m
}

// watermarked renders one output of original with a watermark.
func watermarked(t *testing.T, original, image []byte, tr thumb.Transform) ([]byte, wire.Result) {
	t.Helper()
	job := limits()
	job.Watermarks, job.Outputs = []string{"other", tr.Watermark.Name}, []thumb.Transform{tr}
	in, other, logo, out := fileOf(t, original), fileOf(t, nil), fileOf(t, image), outputFile(t, job.Bytes)
	defer func() {
		for _, f := range []*os.File{in, other, logo, out} {
			f.Close()
		}
	}()
	r := started(t).Render(job, Files{Original: in, Watermarks: []*os.File{other, logo}, Outputs: []*os.File{out}})[0]
	file, err := os.ReadFile(nameOf(out))
	if err != nil {
		t.Fatal(err)
	}
	return file, r
}

func TestWatermark(t *testing.T) {
	opaque := originalFile(t, uniform(400, 300, blue), thumb.JPEG)
	clear := originalFile(t, uniform(400, 300, transparent), thumb.PNG)
	m := image.NewGray(image.Rect(0, 0, 400, 300))
	grayOriginal := originalFile(t, m, thumb.PNG)
	half := func(a, b color.NRGBA) color.NRGBA {
		return color.NRGBA{uint8((int(a.R) + int(b.R)) / 2), uint8((int(a.G) + int(b.G)) / 2), uint8((int(a.B) + int(b.B)) / 2), 255}
	}
	for _, c := range []struct {
		name     string
		original []byte
		w        thumb.Watermark
		format   thumb.Format
		want     map[image.Point]color.NRGBA // of 100x75
	}{
		{"its own size at the corner", opaque, thumb.Watermark{Opacity: 100, Position: thumb.SouthEast}, thumb.PNG, map[image.Point]color.NRGBA{
			{50, 40}: blue, {65, 60}: blue, {77, 70}: blue, {83, 70}: yellow, {98, 73}: yellow, {98, 57}: yellow, {98, 52}: blue,
		}},
		{"half of it", opaque, thumb.Watermark{Opacity: 50, Position: thumb.SouthEast}, thumb.JPEG, map[image.Point]color.NRGBA{
			{65, 60}: blue, {90, 65}: half(blue, yellow),
		}},
		{"none of it", opaque, thumb.Watermark{Opacity: 0, Position: thumb.SouthEast}, thumb.PNG, map[image.Point]color.NRGBA{{90, 65}: blue}},
		{"all of the width", opaque, thumb.Watermark{Opacity: 100, Position: thumb.North, Scale: 100}, thumb.PNG, map[image.Point]color.NRGBA{
			{45, 2}: blue, {55, 2}: yellow, {98, 46}: yellow, {98, 54}: blue,
		}},
		{"on transparency", clear, thumb.Watermark{Opacity: 50, Position: thumb.NorthWest}, thumb.PNG, map[image.Point]color.NRGBA{
			{15, 10}: transparent, {30, 10}: {yellow.R, yellow.G, yellow.B, 128}, {50, 10}: transparent,
		}},
		{"colored on gray", grayOriginal, thumb.Watermark{Opacity: 100, Position: thumb.NorthWest}, thumb.PNG, map[image.Point]color.NRGBA{
			{15, 10}: black, {30, 10}: yellow,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.w.Name = "logo"
			file, r := watermarked(t, c.original, originalFile(t, mark(yellow), thumb.PNG), thumb.Transform{
				Width: 100, Method: thumb.Fit, Format: c.format, Quality: 95, Watermark: c.w,
			})
			if r.Failure != "" {
				t.Fatalf("%s: %s", r.Failure, r.Detail)
			}
			save(t, "watermark-"+c.name+"."+c.format.String(), file)
			got := decode(t, file, c.format)
			for at, want := range c.want {
				expectColor(t, got, at.X, at.Y, want, 6)
			}
		})
	}
}

// TestBadWatermark is ours, not the original's: it has a failure of its own.
func TestBadWatermark(t *testing.T) {
	photo := originalFile(t, quadrants(400, 300), thumb.JPEG)
	tr := thumb.Transform{Width: 100, Method: thumb.Fit, Format: thumb.PNG, Watermark: thumb.Watermark{Name: "logo", Opacity: 50}}
	for name, data := range map[string][]byte{
		"nothing": nil, "text": []byte("text"), "cut off": photo[:len(photo)/2], "drawing": drawing(`width="40" height="30"`),
	} {
		if _, r := watermarked(t, photo, data, tr); r.Failure != wire.Watermark {
			t.Errorf("%s: got %q: %s", name, r.Failure, r.Detail)
		}
	}
}

func TestFinishingOfTurnedPictures(t *testing.T) {
	for o := 1; o <= 8; o++ {
		data := withEXIF(originalFile(t, turned(quadrants(400, 200), o), thumb.JPEG), exif{orientation: o})
		file, r := watermarked(t, data, originalFile(t, mark(orange), thumb.PNG), thumb.Transform{
			Width: 200, Height: 200, Method: thumb.Pad, Format: thumb.PNG, Background: thumb.NewColor(0, 0, 0),
			Watermark: thumb.Watermark{Name: "logo", Opacity: 100, Position: thumb.NorthEast},
		})
		if r.Failure != "" {
			t.Fatal(r.Detail)
		}
		m := decode(t, file, thumb.PNG)
		for at, want := range map[image.Point]color.NRGBA{
			{50, 75}: red, {150, 75}: green, {50, 125}: blue, {150, 125}: yellow,
			{50, 40}: black, {50, 160}: black, {170, 10}: black, {190, 10}: orange,
		} {
			expectColor(t, m, at.X, at.Y, want, 10)
		}
	}
}
