// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/thumb"
)

func TestEveryFormatToEveryFormat(t *testing.T) {
	e := started(t)
	if diff := cmp.Diff(append(slices.Clone(everyFormat), thumb.SVG, thumb.JXL), e.Reads()); diff != "" {
		t.Errorf("formats read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(everyFormat[:5], e.Writes()); diff != "" {
		t.Errorf("formats written (-want +got):\n%s", diff)
	}
	for _, from := range everyFormat {
		data := originalFile(t, quadrants(400, 300), from)
		for _, to := range everyFormat[:5] {
			t.Run(fmt.Sprintf("%v to %v", from, to), func(t *testing.T) {
				file := thumbnailFile(t, data, thumb.Transform{Width: 100, Height: 100, Method: thumb.Fit, Format: to, Quality: 85})
				m := decode(t, file, to)
				if got := m.Bounds().Size(); got != image.Pt(100, 75) {
					t.Errorf("size: got %v", got)
				}
				expectQuadrants(t, m, 8)
				save(t, fmt.Sprintf("%v-to-%v.%v", from, to, to), file)
			})
		}
	}
}

func TestOrientations(t *testing.T) {
	upright := quadrants(800, 600)
	for o := 1; o <= 8; o++ {
		data := withEXIF(originalFile(t, turned(upright, o), thumb.JPEG), exif{orientation: o})
		for _, tr := range []thumb.Transform{
			{Width: 100, Height: 75, Method: thumb.Crop},
			{Width: 60, Height: 75, Method: thumb.Crop},
			{Width: 60, Method: thumb.Fit},
			{Width: 100, Height: 75, Method: thumb.Smart},
			{Width: 790, Height: 590, Method: thumb.Crop},
			{Width: 1000, Height: 740, Method: thumb.Crop, Enlarge: true},
			{Width: 1000, Height: 750, Method: thumb.Attention, Enlarge: true},
		} {
			t.Run(fmt.Sprintf("%d %v %dx%d", o, tr.Method, tr.Width, tr.Height), func(t *testing.T) {
				for _, tr.Format = range []thumb.Format{thumb.JPEG, thumb.PNG} {
					tr.Quality, tr.Metadata = 95, thumb.AllMetadata
					file := thumbnailFile(t, data, tr)
					expectQuadrants(t, decode(t, file, tr.Format), 12)
					if bytes.Contains(file, []byte{1, 0x12, 0, 3, 0, 0, 0, 1, 0, byte(o)}) && o != 1 {
						t.Error("the orientation is in the thumbnail, too")
					}
					save(t, fmt.Sprintf("orientation-%d-%v-%d.%v", o, tr.Method, tr.Width, tr.Format), file)
				}
			})
		}
	}
}

// TestGravityOfTurnedPictures cuts the right half of what is seen, however it
// is stored.
func TestGravityOfTurnedPictures(t *testing.T) {
	for o := 1; o <= 8; o++ {
		data := withEXIF(originalFile(t, turned(quadrants(800, 400), o), thumb.JPEG), exif{orientation: o})
		m := thumbnail(t, data, thumb.Transform{
			Width: 80, Height: 80, Method: thumb.Crop, Gravity: thumb.East, Format: thumb.PNG,
		})
		expectColor(t, m, 20, 20, green, 10)
		expectColor(t, m, 60, 20, green, 10)
		expectColor(t, m, 20, 60, yellow, 10)
		expectColor(t, m, 60, 60, yellow, 10)
	}
}

// TestSeekingMethods hides something to see in a dull picture.
func TestSeekingMethods(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 1200, 400))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.NRGBA{90, 95, 100, 255}), image.Point{}, draw.Src)
	for y := 100; y < 300; y++ {
		for x := 950; x < 1150; x++ {
			if (x/10+y/10)%2 == 0 {
				m.SetNRGBA(x, y, color.NRGBA{240, 150, 120, 255})
			}
		}
	}
	data := originalFile(t, m, thumb.JPEG)
	for _, method := range []thumb.Method{thumb.Smart, thumb.Attention} {
		for _, enlarge := range []bool{false, true} {
			side := 200
			if enlarge {
				side = 800
			}
			got := thumbnail(t, data, thumb.Transform{
				Width: side, Height: side, Method: method, Enlarge: enlarge, Format: thumb.PNG,
			})
			bright := 0
			for y := range side {
				for x := range side {
					if c := color.NRGBAModel.Convert(got.At(x, y)).(color.NRGBA); c.R > 160 {
						bright++
					}
				}
			}
			// Half of a square of half the side.
			if want := side * side / 8; bright < want*8/10 {
				t.Errorf("%v, enlarge %v: %d bright pixels, want about %d", method, enlarge, bright, want)
			}
		}
	}
}

// TestSeekingMethodsSeekTheirOwn has noise on the left, of the highest entropy,
// and on the right what draws the eye: a disc of the color of skin.
func TestSeekingMethodsSeekTheirOwn(t *testing.T) {
	m := uniform(1200, 400, color.NRGBA{90, 95, 100, 255})
	r := rand.New(rand.NewPCG(7, 8))
	for y := range 400 {
		for x := range 1200 {
			dx, dy := x-1000, y-200
			switch v := uint8(70 + r.IntN(60)); {
			case x < 400:
				m.SetNRGBA(x, y, color.NRGBA{v, v, v, 255})
			case dx*dx+dy*dy < 100*100:
				m.SetNRGBA(x, y, color.NRGBA{230, 160, 130, 255})
			}
		}
	}
	data := originalFile(t, m, thumb.PNG)
	for method, skin := range map[thumb.Method]bool{thumb.Smart: false, thumb.Attention: true} {
		got := thumbnail(t, data, thumb.Transform{Width: 200, Height: 200, Method: method, Format: thumb.PNG})
		found := false
		for x := range 200 {
			c := color.NRGBAModel.Convert(got.At(x, 100)).(color.NRGBA)
			found = found || c.R > 200
		}
		if found != skin {
			t.Errorf("%v: skin %v, want %v", method, found, skin)
		}
	}
}

func TestProfilesBecomeSRGB(t *testing.T) {
	patch := color.NRGBA{180, 90, 60, 255}
	m := image.NewNRGBA(image.Rect(0, 0, 160, 160))
	draw.Draw(m, m.Bounds(), image.NewUniform(patch), image.Point{}, draw.Src)
	plain := originalFile(t, m, thumb.JPEG)
	gray := grayProfile(1.8)
	for _, c := range []struct {
		name    string
		profile []byte
		want    color.NRGBA
	}{
		{"sRGB", srgbSpace.profile(), patch},
		{"Display P3", p3Space.profile(), p3Space.toSRGB(patch)},
		{"Adobe RGB", adobeSpace.profile(), adobeSpace.toSRGB(patch)},
		{"ProPhoto RGB", proPhotoSpace.profile(), proPhotoSpace.toSRGB(patch)},
		{"gray, which the picture is not", gray, patch},
		{"broken", p3Space.profile()[:200], patch},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := withProfile(plain, c.profile)
			for _, f := range everyFormat[:5] {
				tr := thumb.Transform{Width: 40, Height: 40, Method: thumb.Crop, Format: f, Quality: 95}
				for _, tr.Metadata = range []thumb.Metadata{thumb.NoMetadata, thumb.CopyrightMetadata, thumb.AllMetadata} {
					file := thumbnailFile(t, data, tr)
					expectColor(t, decode(t, file, f), 20, 20, c.want, 3)
					if bytes.Contains(file, []byte("acsp")) || bytes.Contains(file, []byte("iCCP")) {
						t.Errorf("%v, %v: the profile is in the thumbnail", f, tr.Metadata)
					}
				}
			}
		})
	}
}

func TestCMYK(t *testing.T) {
	data, err := os.ReadFile("testdata/cmyk.jpg")
	if err != nil {
		t.Fatal(err)
	}
	m := thumbnail(t, data, thumb.Transform{Width: 80, Height: 60, Method: thumb.Crop, Format: thumb.PNG})
	for i, want := range []color.NRGBA{red, green, yellow, blue} {
		x, y := 20+(i&1^i>>1)*40, 15+i/2*30
		got := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
		// Out of the inks' gamut: the hue must be right, no more.
		if !near(got, want, 75) {
			t.Errorf("at %d,%d: got %v, want about %v", x, y, got, want)
		}
	}
}

func TestGrayStaysGray(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 320, 240))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.Gray{128}), image.Point{}, draw.Src)
	for _, c := range []struct {
		name string
		data []byte
		want uint8
	}{
		{"JPEG", originalFile(t, m, thumb.JPEG), 128},
		{"PNG", originalFile(t, m, thumb.PNG), 128},
		{"with a profile", withProfile(originalFile(t, m, thumb.JPEG), grayProfile(1.8)), 147},
		{"with an RGB profile", withProfile(originalFile(t, m, thumb.JPEG), p3Space.profile()), 128},
		{"16 bits", originalFile(t, gray16(0x80ff), thumb.PNG), 128},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range []thumb.Format{thumb.JPEG, thumb.PNG} {
				got := thumbnail(t, c.data, thumb.Transform{Width: 80, Method: thumb.Fit, Format: f, Quality: 95})
				g, ok := got.(*image.Gray)
				if !ok {
					t.Fatalf("%v: got a %T", f, got)
				}
				if v := int(g.GrayAt(40, 30).Y); v < int(c.want)-2 || v > int(c.want)+2 {
					t.Errorf("%v: got %d, want %d", f, v, c.want)
				}
			}
			for _, f := range []thumb.Format{thumb.WebP, thumb.AVIF, thumb.GIF} {
				got := thumbnail(t, c.data, thumb.Transform{Width: 80, Method: thumb.Fit, Format: f, Quality: 95})
				expectColor(t, got, 40, 30, color.NRGBA{c.want, c.want, c.want, 255}, 3)
			}
		})
	}
}

func gray16(v uint16) image.Image {
	m := image.NewGray16(image.Rect(0, 0, 320, 240))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.Gray16{v}), image.Point{}, draw.Src)
	return m
}

func TestSixteenBitsAreScaled(t *testing.T) {
	m := image.NewNRGBA64(image.Rect(0, 0, 320, 240))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.NRGBA64{0xff00, 0x8080, 0x1010, 0xffff}), image.Point{}, draw.Src)
	for _, f := range everyFormat[:5] {
		got := thumbnail(t, originalFile(t, m, thumb.PNG), thumb.Transform{Width: 80, Method: thumb.Fit, Format: f, Quality: 95})
		t.Run(f.String(), func(t *testing.T) {
			expectColor(t, got, 40, 30, color.NRGBA{255, 128, 16, 255}, 4)
		})
	}
}

// transparentDisc is a red disc on nothing. The nothing is bright green, which
// shows wherever colors are mixed without their alpha.
func transparentDisc(opaque bool) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, 400, 400))
	for y := range 400 {
		for x := range 400 {
			c := color.NRGBA{0, 255, 0, 0}
			if dx, dy := x-200, y-200; dx*dx+dy*dy < 150*150 {
				c = color.NRGBA{200, 20, 20, 255}
			}
			if opaque {
				c.A = 255
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func TestAlphaLeavesNoHalo(t *testing.T) {
	disc := transparentDisc(false)
	deep := image.NewNRGBA64(disc.Bounds())
	for i, v := range disc.Pix {
		deep.Pix[2*i], deep.Pix[2*i+1] = v, v
	}
	originals := map[string][]byte{"16-bit png": encodePNG(t, deep)}
	for _, f := range []thumb.Format{thumb.PNG, thumb.WebP, thumb.AVIF, thumb.TIFF} {
		originals[f.String()] = originalFile(t, disc, f)
	}
	for from, data := range originals {
		for _, tr := range []thumb.Transform{
			{Width: 70, Format: thumb.PNG},
			{Width: 70, Format: thumb.WebP, Quality: 95},
			{Width: 70, Format: thumb.AVIF, Quality: 90},
			{Width: 70, Format: thumb.GIF},
			{Width: 470, Format: thumb.PNG, Enlarge: true},
		} {
			tr.Method = thumb.Fit
			t.Run(fmt.Sprintf("%s to %v %d", from, tr.Format, tr.Width), func(t *testing.T) {
				m := thumbnail(t, data, tr)
				side := m.Bounds().Dx()
				most := uint8(100) // of green, as encoders mix colors
				if tr.Format == thumb.PNG && strings.HasSuffix(from, "png") {
					most = 40
				}
				expectColor(t, m, side/2, side/2, color.NRGBA{200, 20, 20, 255}, 12)
				if c := color.NRGBAModel.Convert(m.At(1, 1)).(color.NRGBA); c.A > 4 {
					t.Errorf("corner: got %v", c)
				}
				for y := range side {
					for x := range side {
						if c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA); c.A > 40 && c.G > most {
							t.Fatalf("halo at %d,%d: %v", x, y, c)
						}
					}
				}
			})
		}
	}
}

func TestAlphaBecomesWhiteInJPEG(t *testing.T) {
	file := thumbnailFile(t, originalFile(t, transparentDisc(false), thumb.PNG),
		thumb.Transform{Width: 100, Method: thumb.Fit, Format: thumb.JPEG, Quality: 95})
	m := decode(t, file, thumb.JPEG)
	expectColor(t, m, 3, 3, color.NRGBA{255, 255, 255, 255}, 4)
	expectColor(t, m, 50, 50, color.NRGBA{200, 20, 20, 255}, 6)
	save(t, "disc.jpg", file)
}

func TestOpaqueAlphaIsDropped(t *testing.T) {
	m := photograph(400, 400)
	// Go writes an opaque picture without alpha; one pixel that is cut away
	// keeps it.
	m.(*image.NRGBA).SetNRGBA(0, 0, color.NRGBA{0, 255, 0, 254})
	got := thumbnail(t, originalFile(t, m, thumb.PNG), thumb.Transform{
		Width: 100, Height: 50, Method: thumb.Crop, Gravity: thumb.South, Format: thumb.PNG,
	})
	if _, ok := got.(*image.RGBA); !ok {
		t.Errorf("got a %T", got)
	}
}

// TestNearlyOpaqueAlphaStays has alpha that can just be seen.
func TestNearlyOpaqueAlphaStays(t *testing.T) {
	for _, f := range []thumb.Format{thumb.PNG, thumb.WebP, thumb.AVIF} {
		m := thumbnail(t, encodePNG(t, uniform(400, 400, color.NRGBA{200, 20, 20, 254})),
			thumb.Transform{Width: 100, Method: thumb.Fit, Format: f, Quality: 100})
		expectColor(t, m, 50, 50, color.NRGBA{200, 20, 20, 254}, 3)
		if c := color.NRGBAModel.Convert(m.At(50, 50)).(color.NRGBA); c.A == 255 {
			t.Errorf("%v: %v", f, c)
		}
	}
}

func TestFirstFrame(t *testing.T) {
	var b bytes.Buffer
	palette := color.Palette{color.NRGBA{}, red, green, blue, yellow}
	first, second := image.NewPaletted(image.Rect(0, 0, 200, 100), palette), image.NewPaletted(image.Rect(20, 10, 40, 30), palette)
	draw.Draw(first, first.Bounds(), image.NewUniform(red), image.Point{}, draw.Src)
	draw.Draw(second, second.Bounds(), image.NewUniform(blue), image.Point{}, draw.Src)
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{first, second}, Delay: []int{5, 5}}); err != nil {
		t.Fatal(err)
	}
	full := image.Rect(0, 0, 200, 100)
	var stills [][]byte
	for _, c := range []color.Color{red, blue} {
		m := image.NewNRGBA(image.Rect(0, 0, 200, 100))
		draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
		stills = append(stills, originalFile(t, m, thumb.WebP))
	}
	for name, data := range map[string][]byte{
		"GIF": b.Bytes(), "WebP": animatedWebP(full.Max, 0, webpFrame{still: stills[0], at: full}, webpFrame{still: stills[1], at: full}),
	} {
		for _, f := range everyFormat[:5] {
			m := thumbnail(t, data, thumb.Transform{Width: 100, Height: 100, Method: thumb.Fit, Format: f, Quality: 95})
			if got := m.Bounds().Size(); got != image.Pt(100, 50) {
				t.Errorf("%s to %v: size %v", name, f, got)
			}
			expectColor(t, m, 15, 10, red, 8)
		}
	}
}

func TestPaletteAndOneBit(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 300, 200), color.Palette{color.Black, color.White})
	draw.Draw(m, image.Rect(0, 0, 150, 200), image.NewUniform(color.White), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	got := thumbnail(t, b.Bytes(), thumb.Transform{Width: 60, Method: thumb.Fit, Format: thumb.PNG})
	expectColor(t, got, 10, 20, color.NRGBA{255, 255, 255, 255}, 1)
	expectColor(t, got, 50, 20, color.NRGBA{0, 0, 0, 255}, 1)
	// What it has more than two colors of is not drawn with two, also where the
	// original's palette is told with all of its metadata.
	between := thumbnail(t, b.Bytes(), thumb.Transform{Width: 61, Method: thumb.Fit, Format: thumb.PNG, Metadata: thumb.AllMetadata})
	if c := color.GrayModel.Convert(between.At(30, 20)).(color.Gray).Y; c < 60 || c > 200 {
		t.Errorf("the edge is %d", c)
	}
}

// TestFewColorsMakeAPalette has pictures of every so many colors, which come out
// as they went in.
func TestFewColorsMakeAPalette(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 4, 5, 16, 17, 100, 255, 256, 257} {
		for kind, color := range map[string]func(i int) color.NRGBA{
			"close":  func(i int) color.NRGBA { return color.NRGBA{uint8(i), uint8(i / 2), uint8(7 + i>>8), 255} },
			"random": func(i int) color.NRGBA { return color.NRGBA{uint8(r.IntN(256)), uint8(i), uint8(i >> 8), 255} },
			"transparent": func(i int) color.NRGBA {
				return color.NRGBA{uint8(r.IntN(256)), uint8(i), uint8(i >> 8), uint8(i + i>>8)}
			},
		} {
			t.Run(fmt.Sprintf("%d %s", n, kind), func(t *testing.T) {
				m := image.NewNRGBA(image.Rect(0, 0, 100, 80))
				for i := range 100 * 80 {
					m.SetNRGBA(i%100, i/100, color(i%n))
					if i >= n {
						m.SetNRGBA(i%100, i/100, m.NRGBAAt(i%n%100, i%n/100))
					}
				}
				// The original has more bytes than any thumbnail of it.
				var file bytes.Buffer
				if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&file, m); err != nil {
					t.Fatal(err)
				}
				got := thumbnail(t, file.Bytes(), thumb.Transform{Width: 100, Method: thumb.Fit, Format: thumb.PNG})
				if _, palette := got.(*image.Paletted); palette != (n <= 256) {
					t.Errorf("got a %T", got)
				}
				for i := range 100 * 80 {
					expectColor(t, got, i%100, i/100, m.NRGBAAt(i%100, i/100), 0)
				}
			})
		}
	}
}
