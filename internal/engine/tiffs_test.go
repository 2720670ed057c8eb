// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// tiffTag is an entry of a directory: its type, 3, 4, 5 or 12, and its numbers.
type tiffTag struct {
	kind    uint16
	numbers []uint32
}

// tiffPicture is a directory of a TIFF in the making.
type tiffPicture struct {
	tags   map[uint16]tiffTag
	chunks [][]byte // strips or tiles
	subs   []tiffPicture
}

func short(n ...uint32) tiffTag { return tiffTag{3, n} }
func long(n ...uint32) tiffTag  { return tiffTag{4, n} }

// writeTIFF returns a file of pictures, in a chain.
func writeTIFF(order binary.AppendByteOrder, pictures ...tiffPicture) []byte {
	b := []byte("II*\x00\x00\x00\x00\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*\x00\x00\x00\x00")
	}
	link := 4
	for _, p := range pictures {
		var at int
		b, at = appendPicture(b, order, p)
		copy(b[link:], order.AppendUint32(nil, uint32(at)))
		link = len(b) - 4
	}
	return b
}

// appendPicture appends a picture and its directory, which ends with the place
// of the next one, and returns where the directory is.
func appendPicture(b []byte, order binary.AppendByteOrder, p tiffPicture) ([]byte, int) {
	tags := maps.Clone(p.tags)
	var places, lengths []uint32
	for _, c := range p.chunks {
		places, lengths = append(places, uint32(len(b))), append(lengths, uint32(len(c)))
		b = append(b, c...)
		b = append(b, make([]byte, len(c)%2)...)
	}
	tags[273], tags[279] = long(places...), long(lengths...)
	if _, tiled := tags[322]; tiled {
		tags[324], tags[325] = tags[273], tags[279]
		delete(tags, 273)
		delete(tags, 279)
	}
	var subs []uint32
	for _, sub := range p.subs {
		var at int
		b, at = appendPicture(b, order, sub)
		subs = append(subs, uint32(at))
	}
	if subs != nil {
		tags[330] = long(subs...)
	}
	var entries []byte
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		var value []byte
		for _, n := range tags[tag].numbers {
			if tags[tag].kind == 3 {
				value = order.AppendUint16(value, uint16(n))
			} else {
				value = order.AppendUint32(value, n)
			}
		}
		count := len(tags[tag].numbers)
		if tags[tag].kind == 5 {
			count /= 2
		}
		entries = order.AppendUint16(order.AppendUint16(entries, tag), tags[tag].kind)
		entries = order.AppendUint32(entries, uint32(count))
		if len(value) > 4 {
			at := len(b)
			b = append(append(b, value...), make([]byte, len(value)%2)...)
			value = order.AppendUint32(nil, uint32(at))
		}
		entries = append(append(entries, value...), make([]byte, 4-len(value))...)
	}
	at := len(b)
	b = order.AppendUint16(b, uint16(len(tags)))
	return append(append(b, entries...), 0, 0, 0, 0), at
}

// tiffKind is a way in which a TIFF keeps quadrants.
type tiffKind struct {
	photometric, format, bits uint32
	planar, tiled             bool
	compression, predictor    uint32
	extra                     []uint32 // nil: none and no word of them
	more                      int      // samples beside the color
	order                     binary.AppendByteOrder
}

func (k tiffKind) String() string {
	return fmt.Sprintf("photometric %d, format %d, %d bits, planar %v, tiled %v, compression %d, predictor %d, %d more %v, %v",
		k.photometric, k.format, k.bits, k.planar, k.tiled, k.compression, k.predictor, k.more, k.extra, k.order)
}

// side is that of the pictures in pixels: two tiles.
const side = 32

// Colors of the quadrants, of a picture with colors and of a gray one.
var (
	tiffColors = []color.NRGBA{{200, 100, 50, 255}, {60, 180, 90, 255}, {40, 60, 200, 255}, {128, 128, 128, 255}}
	tiffGrays  = []color.NRGBA{{0, 0, 0, 255}, {85, 85, 85, 255}, {170, 170, 170, 255}, {255, 255, 255, 255}}
	tiffAlphas = []float64{1, 0.5, 1, 0.25}
)

func light(v uint8) float64 {
	x := float64(v) / 255
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}

// samples returns the color of a quadrant as samples from 0 to 1, or from -128
// to 127 for a* and b*.
func (k tiffKind) samples(quadrant int) []float64 {
	c, g := tiffColors[quadrant], float64(tiffGrays[quadrant].R)/255
	r, gr, b := float64(c.R)/255, float64(c.G)/255, float64(c.B)/255
	if k.format == 3 {
		r, gr, b, g = light(c.R), light(c.G), light(c.B), light(tiffGrays[quadrant].R)
	}
	var s []float64
	switch k.photometric {
	case 0:
		s = []float64{1 - g}
	case 3:
		s = []float64{float64(quadrant) / (math.Exp2(float64(k.bits)) - 1)}
	case 5:
		s = []float64{0, 0, 0, 1 - g}
	case 6:
		y := .299*r + .587*gr + .114*b
		s = []float64{y, (b-y)/1.772 + 128.0/255, (r-y)/1.402 + 128.0/255}
	case 8:
		s = labOf(c)
	case 2, 34892:
		s = []float64{r, gr, b}
	default:
		s = []float64{g}
	}
	for i := range k.more {
		v := 0.7 // of a mask
		if k.alpha() == i {
			v = tiffAlphas[quadrant]
			if k.extra[i] == 1 {
				for j := range s {
					s[j] *= v
				}
			}
		}
		s = append(s, v)
	}
	return s
}

// alpha returns which of the samples beside the color is alpha, or -1.
func (k tiffKind) alpha() int {
	for i, e := range k.extra {
		if e != 0 {
			return i
		}
	}
	return -1
}

// labOf returns L* from 0 to 1 and a* and b*, under the white of sRGB.
func labOf(c color.NRGBA) []float64 {
	r, g, b := light(c.R), light(c.G), light(c.B)
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4124*r + 0.3576*g + 0.1805*b) / 0.9505)
	y := f(0.2126*r + 0.7152*g + 0.0722*b)
	z := f((0.0193*r + 0.1192*g + 0.9505*b) / 1.0891)
	return []float64{(116*y - 16) / 100, 500 * (x - y), 200 * (y - z)}
}

// word returns a sample as its bits.
func (k tiffKind) word(i int, v float64) uint64 {
	most := math.Exp2(float64(k.bits)) - 1
	switch {
	case k.format == 3 && k.bits == 16:
		return 0x3800 // 0.5
	case k.format == 3 && k.bits == 64:
		return math.Float64bits(v)
	case k.format == 3:
		return uint64(math.Float32bits(float32(v)))
	case k.photometric == 8 && i > 0 && k.bits == 8:
		return uint64(uint8(int8(math.Round(v))))
	case k.photometric == 8 && i > 0:
		return uint64(uint16(int16(math.Round(256 * v))))
	case k.format == 2:
		return uint64(math.Round(v * (most - 1) / 2))
	}
	return uint64(math.Round(v * most))
}

// block returns the samples from one on, n of each pixel, of a part of the
// picture.
func (k tiffKind) block(part image.Rectangle, from, n int) []byte {
	var b []byte
	for y := part.Min.Y; y < part.Max.Y; y++ {
		used := uint32(0)
		var rest byte
		for x := part.Min.X; x < part.Max.X; x++ {
			quadrant := x*2/side + y*2/side*2
			for i, v := range k.samples(quadrant)[from : from+n] {
				w := k.word(from+i, v)
				switch k.bits {
				case 8:
					b = append(b, byte(w))
				case 16:
					b = k.order.AppendUint16(b, uint16(w))
				case 32:
					b = k.order.AppendUint32(b, uint32(w))
				case 64:
					b = k.order.AppendUint64(b, w)
				default:
					for bit := range k.bits {
						rest = rest<<1 | byte(w>>(k.bits-1-bit)&1)
						if used++; used%8 == 0 {
							b, rest = append(b, rest), 0
						}
					}
				}
			}
		}
	}
	return k.compress(k.predict(b, n, part.Dx()))
}

// predict replaces samples of 8 bits with differences to those before them.
func (k tiffKind) predict(b []byte, n, width int) []byte {
	if k.predictor != 2 {
		return b
	}
	for line := range slices.Chunk(b, n*width) {
		for i := len(line) - 1; i >= n; i-- {
			line[i] -= line[i-n]
		}
	}
	return b
}

func (k tiffKind) compress(b []byte) []byte {
	var out bytes.Buffer
	switch k.compression {
	case 8, 32946:
		w := zlib.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
	case 32773:
		for run := range slices.Chunk(b, 128) {
			out.WriteByte(byte(len(run) - 1))
			out.Write(run)
		}
	default:
		return b
	}
	return out.Bytes()
}

func (k tiffKind) file() []byte {
	n := len(k.samples(0))
	p := tiffPicture{tags: map[uint16]tiffTag{
		256: long(side), 257: long(side), 258: short(slices.Repeat([]uint32{k.bits}, n)...),
		259: short(k.compression), 262: short(k.photometric), 277: short(uint32(n)), 284: short(1),
		339: short(slices.Repeat([]uint32{k.format}, n)...),
	}}
	if k.extra != nil {
		p.tags[338] = short(k.extra...)
	}
	if k.predictor != 0 {
		p.tags[317] = short(k.predictor)
	}
	switch k.photometric {
	case 3:
		entries := 1 << k.bits
		table := make([]uint32, 3*entries)
		for i, c := range tiffColors[:min(4, entries)] {
			table[i], table[entries+i], table[2*entries+i] = uint32(c.R)*257, uint32(c.G)*257, uint32(c.B)*257
		}
		p.tags[320] = short(table...)
	case 6:
		p.tags[530] = short(1, 1)
	}
	height := 16
	if k.tiled {
		p.tags[322], p.tags[323] = long(16), long(16)
	} else {
		p.tags[278] = long(uint32(height))
	}
	planes, per := 1, n
	if k.planar {
		p.tags[284] = short(2)
		planes, per = n, 1
	}
	for plane := range planes {
		for y := 0; y < side; y += height {
			width := side
			if k.tiled {
				width = 16
			}
			for x := 0; x < side; x += width {
				p.chunks = append(p.chunks, k.block(image.Rect(x, y, x+width, y+height), plane, per))
			}
		}
	}
	return writeTIFF(k.order, p)
}

// want returns the color that a quadrant is to have, and how far off it may be.
func (k tiffKind) want(quadrant int) (color.NRGBA, int) {
	c, tolerance := tiffColors[quadrant], 2
	switch k.photometric {
	case 0, 1:
		c = tiffGrays[quadrant]
	case 3:
		c = tiffColors[quadrant%(1<<k.bits)]
	case 8:
		tolerance = 6
	case 5:
		c, tolerance = tiffGrays[quadrant], 40 // of a press: black is no full black
	}
	if k.bits == 1 && k.photometric <= 1 {
		c = []color.NRGBA{{0, 0, 0, 255}, {0, 0, 0, 255}, {255, 255, 255, 255}, {255, 255, 255, 255}}[quadrant]
	}
	if k.alpha() >= 0 {
		c.A = uint8(math.Round(255 * tiffAlphas[quadrant]))
		tolerance += 3
	}
	return c, tolerance
}

// shown are the kinds that have to be shown: the others may be refused.
func (k tiffKind) shown() bool {
	deep := k.bits == 8 || k.bits == 16
	bilevel := k.bits <= 8 && k.bits&(k.bits-1) == 0
	switch {
	case k.planar && (k.tiled || k.bits < 8 || len(k.samples(0)) > 1 && k.photometric != 2 && k.photometric != 5),
		k.photometric == 0 && (k.format == 3 || slices.Contains(k.extra, 1)), k.compression == 34887, k.more > 0 && (k.bits < 8 || k.photometric > 2):
		return false
	case k.format == 3:
		return k.bits == 32 && k.photometric <= 2 && !slices.Contains(k.extra, 1)
	case k.format != 1:
		return false
	case k.photometric <= 1:
		return deep || bilevel || k.bits == 32 && !slices.Contains(k.extra, 1)
	case k.photometric == 2:
		return deep || k.bits == 32 && !slices.Contains(k.extra, 1)
	case k.photometric == 3:
		return bilevel || k.bits == 16
	case k.photometric == 5, k.photometric == 8:
		return deep
	case k.photometric == 6:
		return k.bits == 8
	}
	return false
}

// tiffKinds are all kinds that can be written.
func tiffKinds() []tiffKind {
	var all []tiffKind
	for _, photometric := range []uint32{0, 1, 2, 3, 5, 6, 8, 32803, 34892} {
		for _, format := range []uint32{1, 2, 3} {
			for _, bits := range []uint32{1, 2, 4, 8, 12, 16, 32, 64} {
				if photometric == 3 && bits > 16 || format == 3 && bits < 16 || format != 3 && bits == 64 {
					continue
				}
				k := tiffKind{photometric: photometric, format: format, bits: bits, order: binary.LittleEndian}
				all = append(all, k.variants()...)
			}
		}
	}
	return all
}

// variants are k with each layout and compression, and with each kind of samples
// beside the color.
func (k tiffKind) variants() []tiffKind {
	var all []tiffKind
	for layout := range 4 {
		for _, compression := range []uint32{1, 8, 32773, 34887} {
			v := k
			v.planar, v.tiled, v.compression = layout&1 != 0, layout&2 != 0, compression
			if layout == 1 {
				v.order = binary.BigEndian
			}
			all = append(all, v)
			if compression == 8 && k.bits == 8 && k.format == 1 {
				v.predictor = 2
				all = append(all, v)
			}
		}
		for _, extra := range [][]uint32{{0}, {1}, {2}, {0, 2}, {2, 0}, {0, 0}, {1, 0}} {
			v := k
			v.planar, v.tiled, v.compression, v.extra, v.more = layout&1 != 0, layout&2 != 0, 1, extra, len(extra)
			all = append(all, v)
		}
	}
	return all
}

// TestTIFFKinds has the same quadrants in every kind of TIFF that can be
// written. The thumbnail is right, or the kind is refused with a reason.
func TestTIFFKinds(t *testing.T) {
	tr := thumb.Transform{Width: side, Height: side, Method: thumb.Fit, Format: thumb.PNG}
	job := limits()
	job.Bytes = 1 << 16
	shown, refused := 0, 0
	for _, k := range tiffKinds() {
		files, results := render(t, k.file(), job, tr)
		switch r := results[0]; {
		case r.Failure == "" && expectKind(t, k, decode(t, files[0], thumb.PNG)):
			shown++
		case r.Failure == wire.Unsupported && !k.shown() && strings.HasPrefix(r.Detail, "TIFF: "):
			refused++
		default:
			t.Errorf("%v: %+v", k, r)
		}
	}
	if t.Logf("%d shown, %d refused", shown, refused); shown < 300 || refused < 300 {
		t.Error("the table is not what it was")
	}
}

func expectKind(t *testing.T, k tiffKind, m image.Image) bool {
	t.Helper()
	ok := true
	for quadrant := range 4 {
		want, tolerance := k.want(quadrant)
		x, y := side/4+quadrant%2*side/2, side/4+quadrant/2*side/2
		got := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
		if !near(got, want, tolerance) {
			t.Errorf("%v: quadrant %d: got %v, want %v", k, quadrant, got, want)
			ok = false
		}
	}
	return ok
}

// tiffOf is a picture of bytes, all of one color.
func tiffOf(w, h uint32, c color.NRGBA, tags map[uint16]tiffTag) tiffPicture {
	p := tiffPicture{tags: map[uint16]tiffTag{
		256: long(w), 257: long(h), 258: short(8, 8, 8), 259: short(1), 262: short(2), 277: short(3), 278: long(h), 284: short(1),
	}, chunks: [][]byte{bytes.Repeat([]byte{c.R, c.G, c.B}, int(w*h))}}
	maps.Copy(p.tags, tags)
	return p
}

// TestTIFFDirectories has files of several pictures: the picture is the first
// one that is no reduced copy of another.
func TestTIFFDirectories(t *testing.T) {
	reduced := map[uint16]tiffTag{254: long(1)}
	preview := tiffOf(12, 8, red, reduced)
	picture := tiffOf(48, 32, green, nil)
	within := func(p tiffPicture, subs ...tiffPicture) tiffPicture {
		p.subs = subs
		return p
	}
	old := tiffOf(12, 8, red, map[uint16]tiffTag{255: short(2)})
	mask := tiffOf(48, 32, red, map[uint16]tiffTag{254: long(4)})
	raw := tiffOf(48, 32, red, map[uint16]tiffTag{262: short(32803)})
	for name, c := range map[string]struct {
		pictures []tiffPicture
		want     wire.Failure
	}{
		"preview first":          {[]tiffPicture{preview, picture}, ""},
		"preview by the old tag": {[]tiffPicture{old, picture}, ""},
		"mask first":             {[]tiffPicture{mask, picture}, ""},
		"in a SubIFD":            {[]tiffPicture{within(preview, picture)}, ""},
		"in the second SubIFD":   {[]tiffPicture{within(preview, preview, picture), preview}, ""},
		"pyramid":                {[]tiffPicture{within(picture, preview, preview)}, ""},
		"pages":                  {[]tiffPicture{picture, tiffOf(48, 32, red, nil)}, ""},
		"second page's SubIFD":   {[]tiffPicture{preview, within(preview, picture)}, ""},
		"raw":                    {[]tiffPicture{within(preview, raw, preview)}, wire.Unsupported},
	} {
		files, results := render(t, writeTIFF(binary.BigEndian, c.pictures...), limits(),
			thumb.Transform{Width: 48, Height: 48, Method: thumb.Fit, Format: thumb.PNG})
		r := results[0]
		if r.Failure != c.want || r.Failure == "" && (r.OriginalWidth != 48 || r.OriginalHeight != 32) {
			t.Errorf("%s: %+v", name, r)
		} else if r.Failure == "" {
			expectColor(t, decode(t, files[0], thumb.PNG), 24, 16, green, 2)
		}
	}
}

// TestTIFFOfJPEG has pictures that JPEG compresses.
func TestTIFFOfJPEG(t *testing.T) {
	m := quadrants(64, 64)
	for name, c := range map[string]struct {
		m           image.Image
		photometric uint32
		samples     int
	}{
		"YCbCr": {m, 6, 3}, "gray": {converted(m, image.NewGray(m.Bounds())), 1, 1},
	} {
		for _, tiled := range []bool{false, true} {
			var file bytes.Buffer
			if err := jpeg.Encode(&file, c.m, &jpeg.Options{Quality: 95}); err != nil {
				t.Fatal(err)
			}
			p := tiffPicture{tags: map[uint16]tiffTag{
				256: long(64), 257: long(64), 258: short(slices.Repeat([]uint32{8}, c.samples)...), 259: short(7),
				262: short(c.photometric), 277: short(uint32(c.samples)), 278: long(64), 284: short(1), 530: short(2, 2),
			}, chunks: [][]byte{file.Bytes()}}
			if tiled {
				p.tags[322], p.tags[323] = long(64), long(64)
			}
			got := thumbnail(t, writeTIFF(binary.LittleEndian, p), thumb.Transform{Width: 64, Method: thumb.Fit, Format: thumb.PNG})
			for at, want := range map[image.Point]color.NRGBA{{16, 16}: red, {48, 16}: green, {48, 48}: yellow, {16, 48}: blue} {
				if c.samples == 1 {
					v := color.GrayModel.Convert(want).(color.Gray).Y
					want = color.NRGBA{v, v, v, 255}
				}
				if got := color.NRGBAModel.Convert(got.At(at.X, at.Y)).(color.NRGBA); !near(got, want, 6) {
					t.Errorf("%s, tiled %v, at %v: got %v, want %v", name, tiled, at, got, want)
				}
			}
		}
	}
}

// TestTIFFOfMeasurements has floating point that is no light: heights in meters.
func TestTIFFOfMeasurements(t *testing.T) {
	p := tiffPicture{tags: map[uint16]tiffTag{
		256: long(8), 257: long(8), 258: short(32), 259: short(1), 262: short(1), 277: short(1), 278: long(8), 284: short(1), 339: short(3),
	}}
	for _, c := range []struct {
		value float64
		want  wire.Failure
	}{{0.5, ""}, {700, wire.Unsupported}, {-3, wire.Unsupported}, {math.NaN(), wire.Unsupported}} {
		var b []byte
		for range 64 {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(c.value)))
		}
		p.chunks = [][]byte{b}
		_, results := render(t, writeTIFF(binary.LittleEndian, p), limits(), thumb.Transform{Width: 8, Method: thumb.Fit, Format: thumb.PNG})
		if r := results[0]; r.Failure != c.want {
			t.Errorf("%g: %+v", c.value, r)
		}
	}
}
