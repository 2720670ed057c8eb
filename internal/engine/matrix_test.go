// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// campaign takes all of the matrix.
var campaign = flag.Bool("campaign", false, "render every original of the matrix in every way, and damage each at 40 places")

// TestMatrix is a matrix: each format, each way in which it tells of colors, each
// depth, with alpha and without, turned and not, and each method and format of a
// thumbnail. Without -campaign each original has one orientation beside the first
// and one thumbnail, by turns.
func TestMatrix(t *testing.T) {
	turn := 0
	for _, name := range slices.Sorted(maps.Keys(colorWriters)) {
		for _, c := range matrix(name) {
			turn++
			orientations := []int{1, 2 + turn%7}
			if *campaign {
				orientations = []int{1, 2, 3, 4, 5, 6, 7, 8}
			}
			for i, orientation := range orientations {
				c.orientation = orientation
				if file := colorWriters[name](t, c); file != nil {
					t.Run(fmt.Sprint(name, c), func(t *testing.T) { c.expect(t, name, file, 2*turn+i) })
				}
			}
		}
	}
}

// matrix returns the pictures of a writer, upright.
func matrix(name string) (all []colored) {
	format, _, _ := strings.Cut(name, ", ")
	every := [][2]byte{{1, 13}, {12, 13}, {9, 13}, {1, 8}, {12, 4}, {9, 16}, {1, 18}}
	if testing.Short() {
		every = every[4:6]
	}
	for _, codes := range every {
		for _, alpha := range []uint8{255, 128} {
			all = append(all, colored{format, coded.alpha(alpha).picture(), codes, 1})
		}
	}
	return all
}

// String tells codes, alpha and orientation.
func (c colored) String() string {
	return fmt.Sprintf(" %d, %d alpha %d orientation %d", c.codes[0], c.codes[1], c.upright.NRGBAAt(0, 0).A, c.orientation)
}

// want returns the colors that browsers show.
func (c colored) want() six {
	want := inChromium[c.codes]
	if want == (six{}) {
		want = coded.each(shown(c.codes[0], c.codes[1]))
	}
	return want.alpha(c.upright.NRGBAAt(0, 0).A)
}

// expect checks a thumbnail of the original in file, the one of a turn, or all of
// them in a campaign.
func (c colored) expect(t *testing.T, name string, file []byte, turn int) {
	t.Helper()
	_, way, _ := strings.Cut(name, ", ")
	outputs := matrixOutputs()
	if !*campaign {
		turn %= len(outputs)
		outputs = outputs[turn : turn+1]
	}
	for _, tr := range outputs {
		want, tolerance := c.want(), tolerances[way]+4
		switch {
		case c.upright.Opaque() && tr.Format == thumb.PNG:
		case c.upright.Opaque():
			tolerance += 4
		case tr.Format == thumb.GIF:
			continue // It has no such alpha.
		case tr.Format == thumb.JPEG:
			want, tolerance = want.each(onWhite), tolerance+4
		default:
			tolerance += 4
		}
		want.expect(t, thumbnail(t, file, tr), tolerance)
		if t.Failed() {
			t.Fatalf("%v, %v", tr.Method, tr.Format)
		}
	}
}

// onWhite returns a color as it shows on white.
func onWhite(c color.NRGBA) color.NRGBA {
	mix := func(v uint8) uint8 { return uint8((int(v)*int(c.A) + 255*(255-int(c.A)) + 127) / 255) }
	return color.NRGBA{mix(c.R), mix(c.G), mix(c.B), 255}
}

// matrixOutputs are thumbnails of half the size in every method and format.
func matrixOutputs() (all []thumb.Transform) {
	for m := thumb.Scale; m <= thumb.Stretch; m++ {
		for _, to := range everyFormat[:5] {
			tr := thumb.Transform{Width: 60, Height: 40, Method: m, Format: to}
			if to != thumb.PNG && to != thumb.GIF {
				tr.Quality = 95
			}
			all = append(all, tr)
		}
	}
	return all
}

// colored is a picture that is to be written.
type colored struct {
	format      string
	upright     *image.NRGBA
	codes       [2]byte
	orientation int
}

// colorWriters write a picture in a format in the way of telling its colors. nil
// is one that can't be told so.
var colorWriters = map[string]func(*testing.T, colored) []byte{
	"PNG, cICP":           func(t *testing.T, c colored) []byte { return withChunks(c.png(t, c.stored()), cICP(c.codes)) },
	"PNG, cICP 16 bits":   func(t *testing.T, c colored) []byte { return withChunks(c.png(t, c.deep()), cICP(c.codes)) },
	"PNG, cICP palette":   func(t *testing.T, c colored) []byte { return withChunks(c.png(t, c.palette()), cICP(c.codes)) },
	"PNG, profile":        func(t *testing.T, c colored) []byte { return withPNGProfileOf(t, c.png(t, c.stored()), c.profile()) },
	"PNG, profile 16 bit": func(t *testing.T, c colored) []byte { return withPNGProfileOf(t, c.png(t, c.deep()), c.profile()) },
	"JPEG, profile":       jpegWithProfile,
	"WebP, profile":       func(t *testing.T, c colored) []byte { return c.through(t, bimg.WEBP) },
	"AVIF, profile":       func(t *testing.T, c colored) []byte { return c.through(t, bimg.AVIF) },
	"HEIC, profile":       func(t *testing.T, c colored) []byte { return c.through(t, bimg.HEIF) },
	"TIFF, profile":       func(t *testing.T, c colored) []byte { return c.through(t, bimg.TIFF) },
	"PNG, gAMA and cHRM":  func(t *testing.T, c colored) []byte { return c.gamma(t) },
	"PNG, interlaced":     func(t *testing.T, c colored) []byte { return c.interlaced(t) },
	"JPEG, progressive":   func(t *testing.T, c colored) []byte { return c.progressive(t) },
	"GIF, palette":        func(t *testing.T, c colored) []byte { return c.gif(t) },
	"AVIF, nclx":          func(t *testing.T, c colored) []byte { return c.heif(t, bimg.AVIF) },
	"HEIC, nclx":          func(t *testing.T, c colored) []byte { return c.heif(t, bimg.HEIF) },
}

// tolerances are for the colors that an encoder changes.
var tolerances = map[string]int{"nclx": 3, "profile": 1, "progressive": 1}

// stored returns the picture as it lies in the file.
func (c colored) stored() *image.NRGBA { return turned(c.upright, c.orientation) }

func (c colored) deep() image.Image {
	m := c.stored()
	return converted(m, image.NewNRGBA64(m.Bounds()))
}

func (c colored) palette() image.Image {
	m := c.stored()
	p := color.Palette{}
	for i := range 6 {
		p = append(p, c.upright.At(i%3*40+20, i/3*40+20))
	}
	return converted(m, image.NewPaletted(m.Bounds(), p))
}

// png returns m as a PNG with the orientation in EXIF.
func (c colored) png(t *testing.T, m image.Image) []byte {
	t.Helper()
	block, _ := bytes.CutPrefix(exif{orientation: c.orientation}.bytes(), []byte("Exif\x00\x00"))
	return withChunks(encodePNG(t, m), chunk{"eXIf", string(block)})
}

// profile returns that of the codes, or nil for what it can't tell.
func (c colored) profile() []byte {
	s := map[byte]space{1: srgbSpace, 9: bt2020Space, 12: p3Space}[c.codes[0]]
	gamma, ok := map[byte]float64{13: 0, 8: 1, 4: 2.19922}[c.codes[1]]
	if s.gamma = gamma; !ok {
		return nil
	}
	return s.profile()
}

func withPNGProfileOf(t *testing.T, file, profile []byte) []byte {
	t.Helper()
	if profile == nil {
		return nil
	}
	return withPNGProfile(t, file, profile)
}

func jpegWithProfile(t *testing.T, c colored) []byte {
	t.Helper()
	if c.profile() == nil || !c.upright.Opaque() {
		return nil
	}
	return withEXIF(withProfile(originalFile(t, c.stored(), thumb.JPEG), c.profile()), exif{orientation: c.orientation})
}

// through returns a PNG with a profile as bimg makes a file of it, which turns
// it, with the profile. An orientation is put in afterwards.
func (c colored) through(t *testing.T, to bimg.ImageType) []byte {
	t.Helper()
	if c.profile() == nil {
		return nil
	}
	file := withPNGProfile(t, encodePNG(t, c.stored()), c.profile())
	file = processed(t, file, bimg.Options{Type: to, Quality: 98, Speed: 8, NoAutoRotate: true})
	switch {
	case c.orientation == 1:
		return file
	case to == bimg.AVIF || to == bimg.HEIF:
		return c.turned(t, file)
	}
	f := map[bimg.ImageType]thumb.Format{bimg.WEBP: thumb.WebP, bimg.TIFF: thumb.TIFF}[to]
	return retagged(t, file, f, fmt.Sprintf("-Orientation#=%d", c.orientation))
}

// heif returns an AVIF or HEIC with the codes in a colr box.
func (c colored) heif(t *testing.T, to bimg.ImageType) []byte {
	t.Helper()
	file := processed(t, encodePNG(t, c.stored()), bimg.Options{Type: to, Quality: 98, Speed: 8, NoAutoRotate: true})
	file = told(t, file, nclx(c.codes[0], c.codes[1], true))
	return c.turned(t, file)
}

// turned returns a HEIF with the orientation, or nil if that is mirrored.
func (c colored) turned(t *testing.T, file []byte) []byte {
	t.Helper()
	quarters, straight := map[int]byte{1: 0, 8: 1, 3: 2, 6: 3}[c.orientation]
	switch {
	case !straight:
		return nil
	case quarters == 0:
		return file
	}
	return rotated(t, file, quarters)
}

// gamma returns a PNG that tells its colors as a power and as primaries.
func (c colored) gamma(t *testing.T) []byte {
	t.Helper()
	file := c.png(t, c.stored())
	switch c.codes {
	case [2]byte{1, 13}:
		return withChunks(file, chunk{"sRGB", "\x00"})
	case [2]byte{1, 8}:
		return withChunks(file, gAMA(1))
	case [2]byte{12, 4}:
		return withChunks(file, gAMA(1/2.2), cHRM(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06))
	}
	return nil
}

func (c colored) interlaced(t *testing.T) []byte {
	t.Helper()
	file := processed(t, encodePNG(t, c.stored()), bimg.Options{Type: bimg.PNG, Interlace: true})
	block, _ := bytes.CutPrefix(exif{orientation: c.orientation}.bytes(), []byte("Exif\x00\x00"))
	return withChunks(file, chunk{"eXIf", string(block)}, cICP(c.codes))
}

func (c colored) progressive(t *testing.T) []byte {
	t.Helper()
	if c.profile() == nil || !c.upright.Opaque() {
		return nil
	}
	file := processed(t, encodePNG(t, c.stored()), bimg.Options{Type: bimg.JPEG, Quality: 98, Interlace: true})
	return withEXIF(withProfile(file, c.profile()), exif{orientation: c.orientation})
}

// gif returns a GIF, which can tell neither colors nor an orientation.
func (c colored) gif(t *testing.T) []byte {
	t.Helper()
	if c.codes != [2]byte{1, 13} || !c.upright.Opaque() || c.orientation != 1 {
		return nil
	}
	return originalFile(t, c.palette(), thumb.GIF)
}

// TestDamagedMatrix damages originals of the matrix: cuts them, lets them end in
// zeros, or in an end marker or another picture. A thumbnail is that of the
// whole original, or none. A byte that is changed is told by checksums alone, so it
// may be another picture in other formats, but no failure of the worker's.
func TestDamagedMatrix(t *testing.T) {
	places := 2
	if *campaign {
		places = 40
	}
	tr := thumb.Transform{Width: 60, Height: 40, Method: thumb.Fit, Format: thumb.PNG}
	for _, name := range slices.Sorted(maps.Keys(colorWriters)) {
		for i, c := range matrix(name) {
			if !*campaign && i > 0 {
				break
			}
			c.orientation = 6
			// A GIF is never turned. exiftool puts the directory of a TIFF before its
			// pixels: TestDamagedIsNeverPublished has such a file.
			if c.format == "GIF" || c.format == "TIFF" {
				c.orientation = 1
			}
			file := colorWriters[name](t, c)
			if file == nil {
				continue
			}
			whole := thumbnailFile(t, file, tr)
			t.Run(fmt.Sprint(name, c), func(t *testing.T) {
				for _, d := range damages {
					for place := range places {
						n := len(file) * (2*place + 1) / (2 * places)
						made, r := render(t, d.of(file, n), limits(), tr)
						if r[0].Failure == wire.Internal || r[0].Failure == "" && d.name != "flipped" && !bytes.Equal(made[0], whole) {
							t.Errorf("%s at %d of %d: %q %s", d.name, n, len(file), r[0].Failure, r[0].Detail)
						}
					}
				}
			})
		}
	}
}
