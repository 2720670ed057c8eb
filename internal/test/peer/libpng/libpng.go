// SPDX-License-Identifier: MIT

// Package libpng makes random PNGs and reads PNGs by libpng, for tests of package
// png of the engine.
package libpng

// #cgo pkg-config: libpng
// #cgo CFLAGS: -std=gnu11 -O2 -Wall -Wextra
// #include <stdlib.h>
// #include "peer.h"
import "C"

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"math/rand/v2"
	"slices"
	"unsafe"
)

// ErrRefused is a file that libpng does not decode.
var ErrRefused = errors.New("libpng refuses it")

// Decoded is a file as libpng decodes it.
type Decoded struct {
	Size     image.Point
	Bands    int
	Pixels   []byte
	Warnings int
}

// Decode decodes a PNG that is not interlaced to samples of 8 bits, or of 16.
func Decode(file []byte) (Decoded, error) {
	var out *C.uint8_t
	var width, height, bands, warned C.int
	if len(file) == 0 || C.peer_decode((*C.uint8_t)(&file[0]), C.size_t(len(file)), &out, &width, &height, &bands, &warned) != 0 {
		return Decoded{}, ErrRefused
	}
	defer C.free(unsafe.Pointer(out))
	return Decoded{
		image.Pt(int(width), int(height)), int(bands),
		C.GoBytes(unsafe.Pointer(out), width*height*bands), int(warned),
	}, nil
}

// Shrunk returns the pixels of d shrunk by n, in plain arithmetic: a pixel is the mean of
// n.X x n.Y pixels, or of fewer at the right and at the bottom. If there is alpha, colors
// count as much as their alpha.
func (d Decoded) Shrunk(n image.Point) (out []byte) {
	for top := 0; top < d.Size.Y; top += n.Y {
		for left := 0; left < d.Size.X; left += n.X {
			cell := image.Rect(left, top, left+n.X, top+n.Y).Intersect(image.Rectangle{Max: d.Size})
			out = append(out, d.mean(cell)...)
		}
	}
	return out
}

// mean returns the mean of the pixels in a cell.
func (d Decoded) mean(cell image.Rectangle) []byte {
	alpha := d.Bands%2 == 0
	sums := make([]int, d.Bands)
	weights := 0
	for y := cell.Min.Y; y < cell.Max.Y; y++ {
		for x := cell.Min.X; x < cell.Max.X; x++ {
			pixel := d.Pixels[(y*d.Size.X+x)*d.Bands:][:d.Bands]
			weight := 1
			if alpha {
				weight = int(pixel[d.Bands-1])
			}
			weights += weight
			for b, v := range pixel {
				sums[b] += int(v) * weight
			}
		}
	}
	mean := make([]byte, d.Bands)
	for b, sum := range sums {
		mean[b] = byte((sum + weights/2) / max(weights, 1))
	}
	if alpha {
		area := cell.Dx() * cell.Dy()
		mean[d.Bands-1] = byte((weights + area/2) / area)
	}
	return mean
}

// Chunk returns a chunk with its length and sum.
func Chunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// Making is a PNG to be made.
type Making struct {
	Size            image.Point
	Type, Depth     int
	Colors, Alphas  int // of a palette
	Filters         []int
	Level, ChunkLen int
}

// Bands returns the samples of a pixel, once a palette is looked up.
func (m Making) Bands() int {
	if m.Type == 3 && m.Alphas > 0 {
		return 4
	}
	return map[int]int{0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[m.Type]
}

// bpp returns the bytes of a pixel as a filter counts them, and line the bytes of a line.
func (m Making) bpp() int  { return map[int]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[m.Type] }
func (m Making) line() int { return (m.Size.X*m.bpp()*m.Depth + 7) / 8 }

// Random returns a PNG of a kind that package png decodes, and how it was made.
func Random(r *rand.Rand) ([]byte, Making) {
	m := Making{
		Size: image.Pt(1+r.IntN(120), 1+r.IntN(60)), Type: []int{0, 2, 3, 4, 6}[r.IntN(5)], Depth: 8,
		Filters: []int{r.IntN(5)}, Level: r.IntN(10), ChunkLen: 1 + r.IntN(3000),
	}
	if r.IntN(8) == 0 {
		m.Size = image.Pt(1+r.IntN(3), 1+r.IntN(300))
	}
	if m.Type == 0 || m.Type == 3 {
		m.Depth = []int{1, 2, 4, 8}[r.IntN(4)]
	}
	if m.Type == 3 {
		m.Colors = 1 + r.IntN(1<<m.Depth)
		m.Alphas = r.IntN(2) * r.IntN(m.Colors+1)
	}
	if r.IntN(2) == 0 {
		m.Filters = []int{0, 1, 2, 3, 4, 4, 4}
	}
	return Make(r, m), m
}

// Make returns a PNG with random pixels.
func Make(r *rand.Rand, m Making) []byte {
	header := binary.BigEndian.AppendUint32(nil, uint32(m.Size.X))
	header = binary.BigEndian.AppendUint32(header, uint32(m.Size.Y))
	file := append([]byte("\x89PNG\r\n\x1a\n"), Chunk("IHDR", append(header, byte(m.Depth), byte(m.Type), 0, 0, 0))...)
	if m.Type == 3 {
		file = append(file, Chunk("PLTE", noise(r, 3*m.Colors))...)
	}
	if m.Alphas > 0 {
		file = append(file, Chunk("tRNS", noise(r, m.Alphas))...)
	}
	if r.IntN(3) == 0 {
		file = append(file, Chunk("tEXt", []byte("Title\x00a"))...)
	}
	var packed bytes.Buffer
	w, err := zlib.NewWriterLevel(&packed, m.Level)
	if err != nil {
		panic(err)
	}
	lines := filtered(r, m)
	if _, err := w.Write(lines); err != nil || w.Close() != nil {
		panic("a buffer takes no bytes")
	}
	for part := range slices.Chunk(packed.Bytes(), m.ChunkLen) {
		file = append(file, Chunk("IDAT", part)...)
	}
	if r.IntN(3) == 0 {
		file = append(file, Chunk("tIME", make([]byte, 7))...)
	}
	return append(file, Chunk("IEND", nil)...)
}

// filtered returns random lines, each after the byte of its filter. Without a palette any
// bytes are a valid line. With a palette each pixel must be a color of it, so these lines
// have the filter none.
func filtered(r *rand.Rand, m Making) []byte {
	var out []byte
	for range m.Size.Y {
		line := noise(r, m.line())
		filter := m.Filters[r.IntN(len(m.Filters))]
		if m.Type == 3 && m.Colors < 1<<m.Depth {
			filter = 0
			line = numbers(r, m)
		}
		if r.IntN(4) == 0 {
			clear(line[len(line)/2:])
		}
		out = append(append(out, byte(filter)), line...)
	}
	return out
}

// numbers returns a line of numbers of colors.
func numbers(r *rand.Rand, m Making) []byte {
	line := make([]byte, m.line())
	for x := range m.Size.X {
		line[x*m.Depth/8] |= byte(r.IntN(m.Colors) << (8 - m.Depth - x*m.Depth%8))
	}
	return line
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return b
}
