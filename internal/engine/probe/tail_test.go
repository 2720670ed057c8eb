// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// plainTIFF is an uncompressed picture whose samples are the end of its file.
type plainTIFF struct {
	width, height, bits, samples int
	rows                         int // of a strip, or 0: all
	tile                         int // side of a tile, or 0: strips
	planes                       bool
}

// file returns a TIFF of which at returns the bytes of pixel x, y.
func (p plainTIFF) file(at func(x, y int) []byte) []byte {
	planes := 1
	if p.planes {
		planes = p.samples
	}
	var chunks [][]byte
	for plane := range planes {
		for _, c := range p.chunks() {
			var b []byte
			for y := c[1]; y < c[3]; y++ {
				for x := c[0]; x < c[2]; x++ {
					pixel := at(x, y)
					if x >= p.width || y >= p.height {
						pixel = make([]byte, len(pixel)) // beyond the picture, in a tile
					}
					n := len(pixel) / planes
					b = append(b, pixel[plane*n:][:n]...)
				}
			}
			chunks = append(chunks, b)
		}
	}
	photometric, layout, strips := uint32(1), uint32(1), uint32(tagStrips)
	if p.samples > 2 {
		photometric = 2
	}
	if p.planes {
		layout = 2
	}
	n, lists := uint32(len(chunks)), uint32(8+2+11*12+4)
	entries := [][4]uint32{
		{256, 4, 1, uint32(p.width)}, {257, 4, 1, uint32(p.height)}, {258, 3, 1, uint32(p.bits)}, {259, 3, 1, 1},
		{262, 3, 1, photometric}, {277, 3, 1, uint32(p.samples)}, {284, 3, 1, layout},
	}
	if p.tile > 0 {
		strips = tagTiles
		entries = append(entries, [4]uint32{322, 4, 1, uint32(p.tile)}, [4]uint32{323, 4, 1, uint32(p.tile)})
	} else {
		entries = append(entries, [4]uint32{tagRowsPerStrip, 4, 1, uint32(p.stripRows())}, [4]uint32{305, 2, 4, 0})
	}
	first := lists + 8*n
	places := [4]uint32{strips, 4, n, lists}
	lengths := [4]uint32{strips + 1, 4, n, lists + 4*n}
	if strips == tagStrips {
		lengths[0] = 279
	}
	if n == 1 {
		places[3], lengths[3] = first, uint32(len(chunks[0]))
	}
	b := smallTIFF(append(entries, places, lengths)...)
	var sizes []byte
	for _, c := range chunks {
		b = binary.LittleEndian.AppendUint32(b, first)
		sizes = binary.LittleEndian.AppendUint32(sizes, uint32(len(c)))
		first += uint32(len(c))
	}
	return slices.Concat(b, sizes, slices.Concat(chunks...))
}

func (p plainTIFF) stripRows() int {
	if p.rows == 0 {
		return p.height
	}
	return p.rows
}

// chunks returns the left, top, right and bottom of each strip or tile.
func (p plainTIFF) chunks() (chunks [][4]int) {
	if p.tile == 0 {
		for y := 0; y < p.height; y += p.stripRows() {
			chunks = append(chunks, [4]int{0, y, p.width, min(y+p.stripRows(), p.height)})
		}
		return chunks
	}
	for y := 0; y < p.height; y += p.tile {
		for x := 0; x < p.width; x += p.tile {
			chunks = append(chunks, [4]int{x, y, x + p.tile, y + p.tile})
		}
	}
	return chunks
}

func (p plainTIFF) read(file []byte) error {
	_, err := ReadTIFF(bytes.NewReader(file), int64(len(file)))
	return err
}

// pixel returns the bytes of a pixel of value v.
func (p plainTIFF) pixel(v byte) []byte {
	return bytes.Repeat([]byte{v}, p.bits/8*p.samples)
}

var plainTIFFs = []plainTIFF{
	{width: 200, height: 90, bits: 8, samples: 3},
	{width: 203, height: 91, bits: 8, samples: 1},
	{width: 203, height: 91, bits: 8, samples: 3, rows: 7},
	{width: 203, height: 91, bits: 8, samples: 4, rows: 1},
	{width: 203, height: 91, bits: 16, samples: 3, rows: 30},
	{width: 203, height: 91, bits: 8, samples: 3, planes: true},
	{width: 192, height: 96, bits: 8, samples: 3, tile: 32},
	{width: 192, height: 96, bits: 8, samples: 1, tile: 96},
}

// TestUnwrittenTIFF has copies that are as long as they shall be, of which the
// end is not written yet: each is found, but for one that ends beside the end of
// a row, or in the tile at the left.
func TestUnwrittenTIFF(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range plainTIFFs {
		file := p.file(func(int, int) []byte { return p.pixel(byte(1 + r.IntN(255))) })
		if err := p.read(file); err != nil {
			t.Errorf("%+v: %v", p, err)
			continue
		}
		pixel, width := p.bits/8*p.samples, p.width
		if p.planes {
			pixel = 1
		}
		if p.tile > 0 {
			width = p.tile
		}
		samples := p.bits / 8 * p.samples * p.width * p.height
		begin := len(file) - samples
		for n := begin + 40*pixel; n < len(file)-leastTail; n += 331 {
			x := ((n-begin-1)/pixel + 1) % width
			if x < leastRun || width-x < leastRun {
				continue
			}
			if chunk := (n - begin) / (p.tile*p.tile*pixel + 1); p.tile > 0 && chunk%(p.width/p.tile) == 0 {
				continue // the tile at the left
			}
			if p.planes && (n-begin)%(samples/3)/p.width == 0 {
				continue // the first row of a plane: of the others nothing is missing
			}
			cut := slices.Concat(file[:n], make([]byte, len(file)-n))
			if err := p.read(cut); !errors.Is(err, ErrTruncated) {
				t.Errorf("%+v: zeros from byte %d of %d: %v", p, n, len(file), err)
			}
		}
		// It is not a copy if anything but zeros follows.
		cut := slices.Concat(file[:len(file)/2], make([]byte, len(file)/2), []byte{1})
		if err := p.read(cut); err != nil {
			t.Errorf("%+v: zeros, and then more: %v", p, err)
		}
	}
}

// TestBlackTIFF has honest pictures that end in zeros: none is refused.
func TestBlackTIFF(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	noise := func() byte { return byte(1 + r.IntN(255)) }
	dark := func() byte { return byte(r.IntN(2)) }
	only := func(shown bool, v byte) byte {
		if shown {
			return v
		}
		return 0
	}
	disc := func(x, y, cx, cy, radius int) bool { return (x-cx)*(x-cx)+(y-cy)*(y-cy) < radius*radius }
	pictures := map[string]func(x, y int) byte{
		"black":                func(x, y int) byte { return 0 },
		"a bar":                func(x, y int) byte { return only(y < 60, noise()) },
		"a bar below dark":     func(x, y int) byte { return only(y < 60, dark()) },
		"a frame":              func(x, y int) byte { return only(y < 60 && x > 3 && x < 180, noise()) },
		"black to the left":    func(x, y int) byte { return only(y < 60 && x > 90, noise()) },
		"a bar that rises":     func(x, y int) byte { return only(40*y < 2400-x, noise()) },
		"a bar that falls":     func(x, y int) byte { return only(40*y < 2200+x, noise()) },
		"a fall of two":        func(x, y int) byte { return only(100*y < 6000+x, noise()) },
		"a rise of two":        func(x, y int) byte { return only(90*y < 5400-x, noise()) },
		"fading":               func(x, y int) byte { return byte(max(0, 250-4*y)) },
		"fading to the corner": func(x, y int) byte { return byte(max(0, 250-4*y-x/3)) },
		"an axis with ticks":   func(x, y int) byte { return only(y == 50 || y == 51 && x%20 == 10, 200) },
		"a line of a third":    func(x, y int) byte { return only(y < 50 || y == 50 && x < 70 && x%3 == 0, noise()) },
		"one row":              func(x, y int) byte { return only(y == 0, noise()) },
	}
	for i := range 6 {
		cx, cy, radius := r.IntN(200), r.IntN(50), 3+r.IntN(30)
		pictures[fmt.Sprintf("disc %d", i)] = func(x, y int) byte { return only(disc(x, y, cx, cy, radius), noise()) }
		pictures[fmt.Sprintf("discs %d", i)] = func(x, y int) byte {
			return only(disc(x, y, cx, cy, radius) || disc(x, y, 200-cx, cy, radius) || y < cy, noise())
		}
	}
	for name, picture := range pictures {
		for _, p := range plainTIFFs {
			file := p.file(func(x, y int) []byte { return p.pixel(picture(x, y)) })
			if err := p.read(file); err != nil {
				t.Errorf("%s, %+v: %v", name, p, err)
			}
		}
	}
}

// TestUnwrittenProfile has a profile behind the samples, of which the file has
// zeros.
func TestUnwrittenProfile(t *testing.T) {
	p := plainTIFFs[0]
	for written, want := range map[int]error{2000: nil, 1000: ErrTruncated, 0: ErrTruncated} {
		file := p.file(func(int, int) []byte { return p.pixel(9) })
		entry := bytes.Index(file, []byte{305 & 255, 305 >> 8, 2, 0})
		b := binary.LittleEndian.AppendUint16(nil, tagProfile)
		b = binary.LittleEndian.AppendUint32(append(b, 7, 0), 2000)
		copy(file[entry:], binary.LittleEndian.AppendUint32(b, uint32(len(file))))
		file = slices.Concat(file, bytes.Repeat([]byte{7}, written), make([]byte, 2000-written))
		if err := p.read(file); !errors.Is(err, want) {
			t.Errorf("%d bytes of a profile: %v, want %v", written, err, want)
		}
	}
}
