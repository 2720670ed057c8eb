// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/thumb"
)

// plane is one band of a picture.
type plane struct {
	w, h int
	v    []float64
}

func newPlane(w, h int) plane { return plane{w, h, make([]float64, w*h)} }

// luma returns the luma of m on black, 0 to 255, as BT.601 has it.
func luma(m image.Image) plane {
	b := m.Bounds()
	p := newPlane(b.Dx(), b.Dy())
	for y := range p.h {
		for x := range p.w {
			r, g, b, _ := m.At(b.Min.X+x, b.Min.Y+y).RGBA()
			p.v[y*p.w+x] = (0.299*float64(r) + 0.587*float64(g) + 0.114*float64(b)) / 257
		}
	}
	return p
}

func (p plane) turned() plane {
	t := newPlane(p.h, p.w)
	for y := range p.h {
		for x := range p.w {
			t.v[x*t.w+y] = p.v[y*p.w+x]
		}
	}
	return t
}

// narrowed returns p with w columns, by a Lanczos filter of three lobes over
// all the pixels that a new one covers.
func (p plane) narrowed(w int) plane {
	out := newPlane(w, p.h)
	factor := float64(p.w) / float64(w)
	for x := range w {
		center := (float64(x)+0.5)*factor - 0.5
		from, to := int(math.Ceil(center-3*factor)), int(math.Floor(center+3*factor))
		weights, sum := make([]float64, to-from+1), 0.0
		for i := range weights {
			weights[i] = lanczos(float64(from+i)-center, factor)
			sum += weights[i]
		}
		for y := range p.h {
			v := 0.0
			for i, weight := range weights {
				v += weight * p.v[y*p.w+min(max(from+i, 0), p.w-1)]
			}
			out.v[y*w+x] = v / sum
		}
	}
	return out
}

func lanczos(distance, factor float64) float64 {
	x := math.Pi * distance / factor
	if x == 0 {
		return 1
	}
	return math.Sin(x) * math.Sin(x/3) / (x * x / 3)
}

// reduced returns p in another size, each value rounded to a byte.
func (p plane) reduced(w, h int) plane {
	out := p.narrowed(w).turned().narrowed(h).turned()
	for i, v := range out.v {
		out.v[i] = math.Round(min(max(v, 0), 255))
	}
	return out
}

// ssim returns the mean structural similarity of two planes, with a Gaussian
// window of 11x11, sigma 1.5, as Wang et al. define it (2004).
func ssim(a, b plane) float64 {
	const side = 11
	const c1, c2 = 0.01 * 255 * 0.01 * 255, 0.03 * 255 * 0.03 * 255
	window := make([]float64, side)
	sum := 0.0
	for i := range window {
		d := float64(i - side/2)
		window[i] = math.Exp(-d * d / (2 * 1.5 * 1.5))
		sum += window[i]
	}
	for i := range window {
		window[i] /= sum
	}
	mean := func(value func(i int) float64) plane {
		p := newPlane(a.w, a.h)
		for i := range p.v {
			p.v[i] = value(i)
		}
		return p.windowed(window).turned().windowed(window).turned()
	}
	ma, mb := mean(func(i int) float64 { return a.v[i] }), mean(func(i int) float64 { return b.v[i] })
	aa, bb := mean(func(i int) float64 { return a.v[i] * a.v[i] }), mean(func(i int) float64 { return b.v[i] * b.v[i] })
	ab := mean(func(i int) float64 { return a.v[i] * b.v[i] })
	total := 0.0
	for i := range ma.v {
		x, y := ma.v[i], mb.v[i]
		total += (2*x*y + c1) * (2*(ab.v[i]-x*y) + c2) / ((x*x + y*y + c1) * (aa.v[i] - x*x + bb.v[i] - y*y + c2))
	}
	return total / float64(len(ma.v))
}

// windowed returns the weighted means along the rows, where the window fits.
func (p plane) windowed(window []float64) plane {
	out := newPlane(p.w-len(window)+1, p.h)
	for y := range out.h {
		for x := range out.w {
			v := 0.0
			for i, weight := range window {
				v += weight * p.v[y*p.w+x+i]
			}
			out.v[y*out.w+x] = v
		}
	}
	return out
}

func TestSSIM(t *testing.T) {
	m := luma(photograph(90, 70))
	if s := ssim(m, m); math.Abs(s-1) > 1e-9 {
		t.Errorf("of a picture with itself: %v", s)
	}
	shifted := newPlane(m.w, m.h)
	copy(shifted.v[1:], m.v)
	if s := ssim(m, shifted); s > 0.97 {
		t.Errorf("of a picture with itself a pixel further: %v", s)
	}
}

const photos = "../../testdata/originals/photos/"

// photographs are those of the corpus that show most of what is done to them:
// with fine detail, in sizes that no decoder can halve without a rest.
func photographs(t testing.TB) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for _, name := range []string{"brook.jpg", "fig.jpg", "sunset.jpg"} {
		data, err := os.ReadFile(photos + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	return files
}

// TestPhotographsLookAsTheyShould compares with a reduction of all of the
// original's pixels, before the thumbnail is encoded, and after that with what
// vipsthumbnail(1) makes at the same quality and subsampling.
func TestPhotographsLookAsTheyShould(t *testing.T) {
	for name, data := range photographs(t) {
		decoded, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		full := luma(decoded)
		for _, width := range []int{100, 160, 300, 560, 1200} {
			if width >= full.w {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", name, width), func(t *testing.T) {
				tr := thumb.Transform{Width: width, Method: thumb.Fit, Format: thumb.PNG}
				m := thumbnail(t, data, tr)
				want := full.reduced(m.Bounds().Dx(), m.Bounds().Dy())
				got := ssim(luma(m), want)
				if got < 0.98 {
					t.Errorf("SSIM %.4f", got)
				}
				tr.Format, tr.Quality = thumb.JPEG, 82
				ours := ssim(luma(thumbnail(t, data, tr)), want)
				file := vipsthumbnail(t, name, width)
				theirs := luma(decode(t, file, thumb.JPEG))
				if theirs.h != want.h {
					theirs = theirs.reduced(want.w, want.h)
				}
				peers := ssim(theirs, want)
				if ours < peers-0.002 {
					t.Errorf("as JPEG %.4f, vipsthumbnail's %.4f", ours, peers)
				}
				t.Logf("SSIM %.4f; JPEG %.4f, vipsthumbnail's %.4f", got, ours, peers)
			})
		}
	}
}

func vipsthumbnail(t *testing.T, photo string, width int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "thumbnail.jpg")
	cmd := exec.Command("vipsthumbnail", photos+photo, "--size", fmt.Sprintf("%dx>", width),
		"--export-profile", "srgb", "-o", path+"[Q=82,optimize_coding,strip]")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("vipsthumbnail: %v: %s", err, out)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestInCompany compares what is made of one decode for several outputs with
// what each is alone.
func TestInCompany(t *testing.T) {
	tall := func(w, h int) thumb.Transform {
		return thumb.Transform{Width: w, Height: h, Method: thumb.Fit, Format: thumb.PNG}
	}
	outputs := []thumb.Transform{tall(100, 100), tall(500, 500), tall(800, 800), tall(64, 64), tall(300, 300), {
		Width: 200, Height: 150, Method: thumb.Crop, Gravity: thumb.North, Format: thumb.PNG,
	}, {
		Width: 320, Height: 200, Method: thumb.Pad, Format: thumb.PNG,
	}}
	// Each just small enough to be made of the one before.
	var steps []thumb.Transform
	for side := 900; side > 50; side = side * 2 / 3 {
		steps = append(steps, tall(side, side))
	}
	files := photographs(t)
	files["fig.webp"] = processed(t, files["fig.jpg"], bimg.Options{Type: bimg.WEBP, Quality: 90})
	files["disc"] = encodePNG(t, transparentDisc(false))
	files["photograph.png"] = encodePNG(t, photograph(1100, 800))
	for name, data := range files {
		expectAloneAsInCompany(t, name, data, outputs)
		expectAloneAsInCompany(t, name, data, steps)
	}
}

func expectAloneAsInCompany(t *testing.T, name string, data []byte, outputs []thumb.Transform) {
	t.Helper()
	company, results := render(t, data, limits(), outputs...)
	for i, tr := range outputs {
		if results[i].Failure != "" {
			t.Fatal(results[i].Detail)
		}
		alone := thumbnailFile(t, data, tr)
		if !bytes.Equal(alone, thumbnailFile(t, data, tr)) {
			t.Errorf("%s %v: alone it differs from one time to the next", name, tr)
		}
		s := ssim(luma(decode(t, alone, thumb.PNG)), luma(decode(t, company[i], thumb.PNG)))
		if s < 0.995 {
			t.Errorf("%s %v: SSIM %.4f", name, tr, s)
		}
		t.Logf("%s %v: %.5f", name, tr, s)
	}
}
