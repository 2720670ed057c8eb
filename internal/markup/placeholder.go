// SPDX-License-Identifier: MIT

package markup

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"hash/crc32"
	"image"
	"math"

	"thumbd/internal/geometry"
	"thumbd/internal/thumb"
)

// ErrThumbHash means that a ThumbHash is missing or damaged.
var ErrThumbHash = errors.New("the original's thumbhash is missing or damaged: want that of its description")

// tinySide is the longest side of the tiny picture of a ThumbHash, in pixels. The
// browser smooths it: more pixels would make the page larger and look the same.
const tinySide = 16

// style returns the style attribute that shows the tiny picture of a ThumbHash below
// the picture until that is there:
//
//	background:url(data:image/png;base64,iVBORw0KG…) center/cover
//
// It is "" for pictures below which it would stay visible: those with transparent
// pixels, and padded ones, whose padding may be transparent.
func style(thumbHash string, original image.Point, method thumb.Method) (string, error) {
	hash, err := base64.StdEncoding.DecodeString(thumbHash)
	if err != nil {
		return "", ErrThumbHash
	}
	colors, ok := decode(hash)
	switch {
	case !ok:
		return "", ErrThumbHash
	case colors.alpha || method == thumb.Pad:
		return "", nil
	}
	box := image.Pt(tinySide, tinySide)
	plan, err := geometry.New(original, thumb.Transform{Method: thumb.Fit, Width: tinySide, Height: tinySide}, box)
	if err != nil {
		return "", err
	}
	fill := "cover"
	if method == thumb.Stretch {
		fill = "100% 100%"
	}
	return "background:url(data:image/png;base64," + base64.StdEncoding.EncodeToString(pngFile(plan.Canvas, colors.paint(plan.Canvas))) + ") center/" + fill, nil
}

// wave is a channel of a ThumbHash: its mean, and the sizes of its waves, of which there
// are nx across and ny down, a triangle of them.
type wave struct {
	nx, ny int
	mean   float64
	sizes  []float64
}

// hashed are the channels of a ThumbHash: luminance, yellow less blue, red less green.
type hashed struct {
	l, p, q wave
	alpha   bool // the hash has a channel for it
}

// decode reads a ThumbHash: 24 and 16 bits of means and scales, then four bits for each
// wave. It is not ok if bytes are missing.
func decode(hash []byte) (h hashed, ok bool) {
	if len(hash) < 5 {
		return h, false
	}
	head := int(hash[0]) | int(hash[1])<<8 | int(hash[2])<<16
	more := int(hash[3]) | int(hash[4])<<8
	h.alpha = head>>23 == 1
	most, start := 7, 5
	if h.alpha {
		most, start = 5, 6
	}
	nx, ny := max(more&7, 3), most
	if more>>15 == 1 {
		nx, ny = ny, nx
	}
	h.l = wave{nx: nx, ny: ny, mean: float64(head&63) / 63}
	h.p = wave{nx: 3, ny: 3, mean: float64(head>>6&63)/31.5 - 1}
	h.q = wave{nx: 3, ny: 3, mean: float64(head>>12&63)/31.5 - 1}
	at := 2 * start
	for _, c := range []struct {
		*wave
		scale float64
	}{
		{&h.l, float64(head>>18&31) / 31},
		// The differences of colors come back a quarter stronger: rounding weakens them.
		{&h.p, float64(more>>3&63) / 63 * 1.25},
		{&h.q, float64(more>>9&63) / 63 * 1.25},
	} {
		for y := range c.ny {
			for x := 0; x*c.ny < c.nx*(c.ny-y); x++ {
				switch {
				case x == 0 && y == 0:
					c.sizes = append(c.sizes, 0)
					continue
				case at/2 >= len(hash):
					return h, false
				}
				c.sizes = append(c.sizes, (float64(hash[at/2]>>(at%2*4)&15)/7.5-1)*c.scale)
				at++
			}
		}
	}
	return h, true
}

// at returns the value of a channel at a pixel, whose cosines are across and down.
func (w wave) at(across, down []float64) float64 {
	v, i := w.mean, 0
	for y := range w.ny {
		for x := 0; x*w.ny < w.nx*(w.ny-y); x++ {
			v += float64(w.sizes[i] * across[x] * down[y] * 2)
			i++
		}
	}
	return v
}

// cosines returns the cosines of a DCT at the middle of pixel i of n, with 0 to 6 half waves
// over all n pixels.
func cosines(i, n int) []float64 {
	list := make([]float64, 7)
	for k := range list {
		list[k] = math.Cos(math.Pi / float64(n) * (float64(i) + 0.5) * float64(k))
	}
	return list
}

// paint returns the pixels of h in a size, line by line, in red, green and blue.
func (h hashed) paint(size image.Point) []byte {
	var pixels []byte
	for y := range size.Y {
		down := cosines(y, size.Y)
		for x := range size.X {
			across := cosines(x, size.X)
			l, p, q := h.l.at(across, down), h.p.at(across, down), h.q.at(across, down)
			b := l - p*2/3
			r := (float64(3*l) - b + q) / 2
			pixels = append(pixels, sample(r), sample(r-q), sample(b))
		}
	}
	return pixels
}

func sample(v float64) byte { return byte(math.Floor(float64(min(max(v, 0), 1)*255) + 0.5)) }

// pngFile returns pixels as a PNG. Its data are stored as they are: so all languages
// write the same bytes.
func pngFile(size image.Point, pixels []byte) []byte {
	var lines []byte
	for y := range size.Y {
		lines = append(append(lines, 0), pixels[y*size.X*3:(y+1)*size.X*3]...)
	}
	be, le := binary.BigEndian, binary.LittleEndian
	head := be.AppendUint32(be.AppendUint32(nil, uint32(size.X)), uint32(size.Y))
	data := le.AppendUint16([]byte{0x78, 0x01, 0x01}, uint16(len(lines)))
	data = append(le.AppendUint16(data, ^uint16(len(lines))), lines...)
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		part := append([]byte(name), data...)
		b.Write(be.AppendUint32(nil, uint32(len(data))))
		b.Write(be.AppendUint32(part, crc32.ChecksumIEEE(part)))
	}
	chunk("IHDR", append(head, 8, 2, 0, 0, 0))
	chunk("IDAT", be.AppendUint32(data, adler32.Checksum(lines)))
	chunk("IEND", nil)
	return b.Bytes()
}
