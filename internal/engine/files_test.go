// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"math"
	"slices"
)

// exif is an EXIF block in the making.
type exif struct {
	orientation       int
	artist, copyright string
	gpsDate           string
}

// bytes returns the block as in an APP1 segment.
func (e exif) bytes() []byte {
	var entries, values []byte
	count := 0
	gps := e.gpsDate != ""
	total := 0
	for _, on := range []bool{e.orientation != 0, e.artist != "", e.copyright != "", gps} {
		if on {
			total++
		}
	}
	start := 8 + 2 + 12*total + 4
	entry := func(tag, kind uint16, n, value int) {
		entries = binary.BigEndian.AppendUint16(entries, tag)
		entries = binary.BigEndian.AppendUint16(entries, kind)
		entries = binary.BigEndian.AppendUint32(entries, uint32(n))
		entries = binary.BigEndian.AppendUint32(entries, uint32(value))
		count++
	}
	text := func(tag uint16, s string) {
		if s != "" {
			entry(tag, 2, len(s)+1, start+len(values))
			values = append(append(values, s...), 0)
		}
	}
	if e.orientation != 0 {
		entry(0x0112, 3, 1, e.orientation<<16)
	}
	text(0x013b, e.artist)
	text(0x8298, e.copyright)
	if gps {
		entry(0x8825, 4, 1, start+len(values))
		at := start + len(values) + 18
		values = append(values, 0, 1, 0, 0x1d, 0, 2)
		values = binary.BigEndian.AppendUint32(values, uint32(len(e.gpsDate)+1))
		values = binary.BigEndian.AppendUint32(values, uint32(at))
		values = append(append(append(values, 0, 0, 0, 0), e.gpsDate...), 0)
	}
	b := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08")
	b = binary.BigEndian.AppendUint16(b, uint16(count))
	return slices.Concat(b, entries, []byte{0, 0, 0, 0}, values)
}

// withSegment puts a segment at the front of a JPEG.
func withSegment(file []byte, marker byte, data []byte) []byte {
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, marker}, uint16(len(data)+2))
	return slices.Concat(head, data, file[2:])
}

func withEXIF(file []byte, e exif) []byte { return withSegment(file, 0xe1, e.bytes()) }

func withProfile(file, profile []byte) []byte {
	return withSegment(file, 0xe2, append([]byte("ICC_PROFILE\x00\x01\x01"), profile...))
}

// space is an RGB color space under D50.
type space struct {
	red, green, blue [3]float64
	gamma            float64 // 0: sRGB's curve
}

var (
	srgbSpace     = space{[3]float64{0.4361, 0.2225, 0.0139}, [3]float64{0.3851, 0.7169, 0.0971}, [3]float64{0.1431, 0.0606, 0.7141}, 0}
	p3Space       = space{[3]float64{0.5151, 0.2412, -0.0011}, [3]float64{0.2920, 0.6922, 0.0419}, [3]float64{0.1571, 0.0666, 0.7841}, 0}
	adobeSpace    = space{[3]float64{0.6097, 0.3111, 0.0195}, [3]float64{0.2053, 0.6257, 0.0609}, [3]float64{0.1492, 0.0632, 0.7446}, 563.0 / 256}
	proPhotoSpace = space{[3]float64{0.7977, 0.2880, 0}, [3]float64{0.1352, 0.7119, 0}, [3]float64{0.0313, 0.0001, 0.8249}, 1.8}
)

// profile returns the space as an ICC profile.
func (s space) profile() []byte {
	curve := append([]byte("curv\x00\x00\x00\x00\x00\x00\x00\x01"), 0, 0, 0, 0)
	binary.BigEndian.PutUint16(curve[12:], uint16(s.gamma*256))
	if s.gamma == 0 {
		curve = []byte("para\x00\x00\x00\x00\x00\x03\x00\x00")
		for _, v := range []float64{2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045} {
			curve = appendFixed(curve, v)
		}
	}
	xyz := func(v [3]float64) []byte {
		b := []byte("XYZ \x00\x00\x00\x00")
		for _, x := range v {
			b = appendFixed(b, x)
		}
		return b
	}
	return iccProfile("mntrRGB XYZ ", [][2]string{
		{"wtpt", string(xyz([3]float64{0.9642, 1, 0.8249}))},
		{"rXYZ", string(xyz(s.red))}, {"gXYZ", string(xyz(s.green))}, {"bXYZ", string(xyz(s.blue))},
		{"rTRC", string(curve)}, {"gTRC", string(curve)}, {"bTRC", string(curve)},
	})
}

// grayProfile returns a gray ICC profile of a gamma.
func grayProfile(gamma float64) []byte {
	curve := append([]byte("curv\x00\x00\x00\x00\x00\x00\x00\x01"), 0, 0, 0, 0)
	binary.BigEndian.PutUint16(curve[12:], uint16(gamma*256))
	white := appendFixed(appendFixed(appendFixed([]byte("XYZ \x00\x00\x00\x00"), 0.9642), 1), 0.8249)
	return iccProfile("mntrGRAYXYZ ", [][2]string{{"wtpt", string(white)}, {"kTRC", string(curve)}})
}

func iccProfile(class string, tags [][2]string) []byte {
	head := make([]byte, 128)
	copy(head[8:], "\x02\x40\x00\x00"+class)
	copy(head[36:], "acsp")
	head = appendFixed(appendFixed(appendFixed(head[:68], 0.9642), 1), 0.8249)
	head = append(head, make([]byte, 128-len(head))...)
	head = binary.BigEndian.AppendUint32(head, uint32(len(tags)))
	var data []byte
	for _, tag := range tags {
		head = append(head, tag[0]...)
		head = binary.BigEndian.AppendUint32(head, uint32(132+12*len(tags)+len(data)))
		head = binary.BigEndian.AppendUint32(head, uint32(len(tag[1])))
		data = append(data, tag[1]...)
	}
	b := append(head, data...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

func appendFixed(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(v*65536))))
}

// toSRGB converts a color of s.
func (s space) toSRGB(c color.NRGBA) color.NRGBA {
	var linear [3]float64
	for i, v := range []uint8{c.R, c.G, c.B} {
		x := float64(v) / 255
		if s.gamma != 0 {
			linear[i] = math.Pow(x, s.gamma)
		} else if linear[i] = x / 12.92; x > 0.04045 {
			linear[i] = math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	var xyz [3]float64
	for i := range xyz {
		xyz[i] = linear[0]*s.red[i] + linear[1]*s.green[i] + linear[2]*s.blue[i]
	}
	// XYZ under D50 to linear sRGB.
	m := [3][3]float64{{3.1339, -1.6169, -0.4906}, {-0.9788, 1.9161, 0.0335}, {0.0719, -0.2290, 1.4052}}
	out := func(row [3]float64) uint8 {
		x := row[0]*xyz[0] + row[1]*xyz[1] + row[2]*xyz[2]
		if x = max(min(x, 1), 0); x <= 0.0031308 {
			x *= 12.92
		} else {
			x = 1.055*math.Pow(x, 1/2.4) - 0.055
		}
		return uint8(math.Round(255 * x))
	}
	return color.NRGBA{out(m[0]), out(m[1]), out(m[2]), c.A}
}

// turned returns how a camera stores a picture that is to be seen as upright.
func turned(upright image.Image, orientation int) *image.NRGBA {
	b := upright.Bounds()
	w, h := b.Dx(), b.Dy()
	if orientation >= 5 {
		w, h = h, w
	}
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			right, bottom := w-1-x, h-1-y
			at := []image.Point{
				{x, y}, {right, y}, {right, bottom}, {x, bottom},
				{y, x}, {bottom, x}, {bottom, right}, {y, right},
			}[orientation-1]
			m.Set(x, y, upright.At(at.X, at.Y))
		}
	}
	return m
}

// webpFrame is a frame of an animated WebP: a still file at an even place of
// the canvas.
type webpFrame struct {
	still  []byte
	at     image.Rectangle
	delay  int  // milliseconds
	alone  bool // takes the place of what is below
	erased bool // is transparent before the next
}

// animatedWebP puts frames into an animation that is shown so many times, 0:
// for ever.
func animatedWebP(size image.Point, loop int, frames ...webpFrame) []byte {
	chunk := func(kind string, data []byte) []byte {
		b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data)))
		b = append(b, data...)
		if len(data)%2 == 1 {
			b = append(b, 0)
		}
		return b
	}
	uint24 := func(n int) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16)} }
	features := byte(2) // an animation
	for _, f := range frames {
		if bytes.Contains(f.still, []byte("VP8L")) || bytes.Contains(f.still, []byte("ALPH")) {
			features |= 0x10 // with alpha
		}
	}
	body := slices.Concat([]byte("WEBP"),
		chunk("VP8X", slices.Concat([]byte{features, 0, 0, 0}, uint24(size.X-1), uint24(size.Y-1))),
		chunk("ANIM", []byte{0, 0, 0, 0, byte(loop), byte(loop >> 8)}))
	for _, f := range frames {
		picture := f.still[12:] // without RIFF's head
		for _, kind := range []string{"VP8L", "ALPH", "VP8 "} {
			if i := bytes.Index(picture, []byte(kind)); i >= 0 {
				picture = picture[i:]
				break
			}
		}
		var flags byte
		if f.erased {
			flags |= 1
		}
		if f.alone {
			flags |= 2
		}
		body = append(body, chunk("ANMF", slices.Concat(uint24(f.at.Min.X/2), uint24(f.at.Min.Y/2),
			uint24(f.at.Dx()-1), uint24(f.at.Dy()-1), uint24(f.delay), []byte{flags}, picture))...)
	}
	return chunk("RIFF", body)
}
