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

// withLastProfile returns a picture with so many bytes behind its samples, which are
// its profile.
func withLastProfile(profile []byte) []byte {
	p := plainTIFFs[0]
	file := p.file(func(int, int) []byte { return p.pixel(9) })
	entry := bytes.Index(file, []byte{305 & 255, 305 >> 8, 2, 0})
	b := binary.LittleEndian.AppendUint16(nil, tagProfile)
	b = binary.LittleEndian.AppendUint32(append(b, 7, 0), uint32(len(profile)))
	copy(file[entry:], binary.LittleEndian.AppendUint32(b, uint32(len(file))))
	return slices.Concat(file, profile)
}

// TestUnwrittenProfile has a profile behind the samples, of which the file has
// zeros: in place of its data, or behind all of that.
func TestUnwrittenProfile(t *testing.T) {
	const data, padding = 2000, 3000
	profile := append(slices.Concat(make([]byte, 16), []byte("RGB XYZ "), make([]byte, 12), []byte("acsp"), make([]byte, 88)), 0, 0, 0, 2)
	for i, kind := range []string{"rTRC", "A2B0"} {
		profile = binary.BigEndian.AppendUint32(append(profile, kind...), uint32(200+1000*i))
		profile = binary.BigEndian.AppendUint32(profile, 1000-uint32(200*i))
	}
	table := len(profile)
	profile = append(profile, bytes.Repeat([]byte{7}, data-table)...)
	profile = append(profile, make([]byte, padding)...)
	for written, want := range map[int]error{
		data: nil, data - leastTail + 1: nil, data - leastTail: ErrTruncated, 1300: ErrTruncated,
		table: ErrTruncated, table - 4: ErrTruncated, table - 12: ErrTruncated, 100: ErrTruncated, 0: ErrTruncated,
	} {
		file := withLastProfile(slices.Concat(profile[:written], make([]byte, len(profile)-written)))
		if err := plainTIFFs[0].read(file); !errors.Is(err, want) {
			t.Errorf("%d bytes of a profile: %v, want %v", written, err, want)
		}
	}
	hostile := slices.Clone(profile)
	copy(hostile[headLength-4:], "\xff\xff\xff\xff")
	for name, bad := range map[string][]byte{"of many tags": hostile, "of no kind": make([]byte, 5000)} {
		if err := plainTIFFs[0].read(withLastProfile(bad)); !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// countingFile counts the bytes that are read of a file.
type countingFile struct {
	*bytes.Reader
	read int
}

func (c *countingFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.Reader.ReadAt(p, at)
	c.read += n
	return n, err
}

// TestManyStrips has a list of strips that all are at one place, where the zeros
// begin in the second of its long rows. Whatever it is, each byte is read a few times.
func TestManyStrips(t *testing.T) {
	const strips, width = 1 << 12, 10_000
	p := plainTIFF{width: width, height: strips, bits: 8, samples: 1, rows: 1}
	row := bytes.Repeat([]byte{9}, width)
	file := p.file(func(x, y int) []byte { return row[x:][:1] })
	file = file[:len(file)-(strips-2)*width]
	begin := len(file) - 2*width
	clear(file[begin+width+width/2:])
	clear(file[begin+width/2 : begin+width]) // so that none of them is a copy
	list := bytes.Index(file, []byte{tagStrips & 255, tagStrips >> 8, 4, 0})
	places := file[binary.LittleEndian.Uint32(file[list+8:]):][:4*strips]
	for at := range slices.Chunk(places, 4) {
		binary.LittleEndian.PutUint32(at, uint32(begin))
	}
	rows := bytes.Index(file, []byte{tagRowsPerStrip & 255, tagRowsPerStrip >> 8, 4, 0})
	binary.LittleEndian.PutUint32(file[rows+8:], strips)
	counting := &countingFile{Reader: bytes.NewReader(file)}
	_, err := ReadTIFF(counting, int64(len(file)))
	if counting.read > 8*len(file) {
		t.Errorf("%d bytes were read of %d: %v", counting.read, len(file), err)
	}
}
