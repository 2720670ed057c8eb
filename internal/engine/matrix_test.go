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

// campaign takes all pictures of the matrix.
var campaign = flag.Bool("campaign", false, "render the pictures of the matrix in all orientations, and damage each")

// TestMatrix is a matrix: each format, each way in which it tells of colors, each
// depth, with alpha and without, turned and not, and each method and format of a
// thumbnail. Every second picture has one orientation and one thumbnail, by turns;
// with -campaign, which takes minutes, each has all orientations, and in each of them
// so many thumbnails that a writer's pictures have all.
func TestMatrix(t *testing.T) {
	turn := 0
	for n, name := range slices.Sorted(maps.Keys(colorWriters)) {
		made := 0
		for i, c := range matrix(name) {
			// Of one writer's colors some with alpha and some without, of the next one's
			// the others.
			if !*campaign && !testing.Short() && (i+i/2+n)%2 == 0 {
				continue
			}
			orientations, thumbnails := []int{1 + turn%8}, 1
			if *campaign {
				orientations, thumbnails = []int{1, 2, 3, 4, 5, 6, 7, 8}, 3
			}
			for _, orientation := range orientations {
				turn++
				c.orientation = orientation
				file := colorWriters[name](t, c)
				if file == nil && !*campaign {
					c.orientation = 1 // A GIF has no other.
					file = colorWriters[name](t, c)
				}
				if file == nil {
					continue
				}
				made++
				t.Run(fmt.Sprint(name, c), func(t *testing.T) {
					for i := range thumbnails {
						c.expect(t, name, file, 2*turn+7*i)
					}
				})
			}
		}
		if made == 0 && !testing.Short() {
			t.Errorf("%s: no picture", name)
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
	samples, isGray := coded, strings.HasSuffix(name, "gray")
	if isGray {
		samples = codedGray
	}
	for _, codes := range every {
		for _, alpha := range []uint8{255, 128} {
			all = append(all, colored{format, samples.alpha(alpha).picture(), isGray, codes, 1})
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
	samples, want := coded, inChromium[c.codes]
	if c.isGray {
		samples, want = codedGray, grayInChromium[c.codes[1]]
	}
	if want == (six{}) {
		want = samples.each(shown(c.codes[0], c.codes[1]))
	}
	return want.alpha(c.upright.NRGBAAt(0, 0).A)
}

// expect checks a thumbnail of the original in file: the one of a turn.
func (c colored) expect(t *testing.T, name string, file []byte, turn int) {
	t.Helper()
	_, way, _ := strings.Cut(name, ", ")
	way, _, _ = strings.Cut(way, " ")
	outputs := matrixOutputs()
	tr := outputs[turn%len(outputs)]
	want, tolerance := c.want(), tolerances[way]+4
	switch {
	case c.upright.Opaque() && tr.Format == thumb.PNG:
	case c.upright.Opaque():
		tolerance += 4
	case tr.Format == thumb.GIF:
		return // It has no such alpha.
	case tr.Format == thumb.JPEG:
		want, tolerance = want.each(onWhite), tolerance+4
	default:
		tolerance += 4
	}
	want.expect(t, decode(t, matrixFile(t, file, tr), tr.Format), tolerance)
	if t.Failed() {
		t.Fatalf("%v, %v", tr.Method, tr.Format)
	}
}

// matrixJob reads JPEG XL, too.
func matrixJob() wire.Job {
	job := limits()
	job.Formats = append(slices.Clone(job.Formats), thumb.JXL)
	return job
}

func matrixFile(t *testing.T, file []byte, tr thumb.Transform) []byte {
	t.Helper()
	files, results := render(t, file, matrixJob(), tr)
	if r := results[0]; r.Failure != "" {
		t.Fatalf("%v %v: %s: %s", tr.Method, tr.Format, r.Failure, r.Detail)
	}
	return files[0]
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
	isGray      bool
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

	"AVIF, nclx 8 bits limited": func(t *testing.T, c colored) []byte { return c.avifenc(t, 8, "-y", "444", "-r", "limited") },
	"AVIF, nclx 10 bits":        func(t *testing.T, c colored) []byte { return c.avifenc(t, 10, "-y", "444") },
	"AVIF, nclx 12 bits":        func(t *testing.T, c colored) []byte { return c.avifenc(t, 12, "-y", "422") },
	"AVIF, nclx multiplied":     func(t *testing.T, c colored) []byte { return c.avifenc(t, 10, "-y", "444", "-p") },
	"AVIF, nclx gray":           func(t *testing.T, c colored) []byte { return c.avifenc(t, 8, "-y", "400") },
	"AVIF, nclx 10 bits gray":   func(t *testing.T, c colored) []byte { return c.avifenc(t, 10, "-y", "400", "-r", "limited") },
	"AVIF, profile 12 bits":     func(t *testing.T, c colored) []byte { return c.avifenc(t, 12, "profile", "-y", "444") },
	"HEIC, nclx 10 bits":        func(t *testing.T, c colored) []byte { return c.heifEnc(t, 10, "-p", "chroma=444") },
	"HEIC, nclx gray":           func(t *testing.T, c colored) []byte { return c.heifEnc(t, 8, "-p", "chroma=420") },
	"JXL, space":                func(t *testing.T, c colored) []byte { return c.cjxl(t, 8, "-d", "0") },
	"JXL, space 16 bits":        func(t *testing.T, c colored) []byte { return c.cjxl(t, 16, "-d", "0") },
	"JXL, space multiplied":     func(t *testing.T, c colored) []byte { return c.cjxl(t, 8, "-d", "0", "--premultiply=1") },
	"JXL, space gray":           func(t *testing.T, c colored) []byte { return c.cjxl(t, 8, "-d", "0") },
	"JXL, lossy space":          func(t *testing.T, c colored) []byte { return c.cjxl(t, 16, "-d", "0.1") },
	"JXL, profile":              func(t *testing.T, c colored) []byte { return c.cjxl(t, 8, "profile", "-d", "0") },
}

// tolerances are for the colors that an encoder changes.
var tolerances = map[string]int{"nclx": 3, "profile": 1, "progressive": 1, "lossy": 3}

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
	return c.tagged(encodePNG(t, m))
}

// tagged returns a PNG with the orientation in EXIF, and perhaps other chunks.
func (c colored) tagged(file []byte, more ...chunk) []byte {
	block, _ := bytes.CutPrefix(exif{orientation: c.orientation}.bytes(), []byte("Exif\x00\x00"))
	return withChunks(file, append([]chunk{{"eXIf", string(block)}}, more...)...)
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

// turned returns a HEIF with properties for the orientation.
func (c colored) turned(t *testing.T, file []byte) []byte {
	t.Helper()
	turn := heifTurns[c.orientation]
	if turn.irot > 0 {
		file = withTurn(t, file, "irot", byte(turn.irot))
	}
	if turn.imir >= 0 {
		file = withTurn(t, file, "imir", byte(turn.imir))
	}
	return file
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
	return c.tagged(file, cICP(c.codes))
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
// may be another picture in other formats, but no failure of the worker's. The first
// picture of each writer is damaged at two places; with -campaign each at 5 of
// 40, by turns.
func TestDamagedMatrix(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(colorWriters)) {
		for i, c := range matrix(name) {
			places := []int{10, 30}
			if *campaign {
				places = nil
				for place := range 5 {
					places = append(places, 8*place+i%8)
				}
			} else if i > 0 {
				break
			}
			c.orientation = 6
			// A GIF is never turned. exiftool puts the directory of a TIFF before its
			// pixels: TestDamagedIsNeverPublished has such a file.
			if c.format == "GIF" || c.format == "TIFF" {
				c.orientation = 1
			}
			if file := colorWriters[name](t, c); file != nil {
				t.Run(fmt.Sprint(name, c), func(t *testing.T) { expectDamages(t, file, places) })
			}
		}
	}
}

// expectDamages damages a file at some of 40 places in each way.
func expectDamages(t *testing.T, file []byte, places []int) {
	t.Helper()
	tr := thumb.Transform{Width: 60, Height: 40, Method: thumb.Fit, Format: thumb.PNG}
	whole := matrixFile(t, file, tr)
	for _, d := range damages {
		for _, place := range places {
			n := len(file) * (2*place + 1) / 80
			if cannotBeTold(d.name, file, n) {
				continue
			}
			made, r := render(t, d.of(file, n), matrixJob(), tr)
			if r[0].Failure == wire.Internal || r[0].Failure == "" && d.name != "flipped" && !bytes.Equal(made[0], whole) {
				t.Errorf("%s at %d of %d: %q %s", d.name, n, len(file), r[0].Failure, r[0].Detail)
			}
		}
	}
}

// cannotBeTold reports whether a damage may make another picture that no rule finds:
// a few zeros at the end of a HEIF, a JPEG that was cut in its head, of which up to 32
// bytes are left between two segments, and a HEIF with one more mdat.
func cannotBeTold(damage string, file []byte, n int) bool {
	isHEIF, left := string(file[4:8]) == "ftyp", len(file)-n
	switch damage {
	case "zeros":
		return isHEIF && left < 8
	case "cut, then itself":
		scan := bytes.Index(file, []byte{0xff, 0xda})
		return isHEIF && bytes.HasPrefix(file[left+4:], []byte("mdat")) || string(file[:2]) == "\xff\xd8" && n < scan
	}
	return false
}
