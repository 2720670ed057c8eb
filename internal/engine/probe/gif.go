// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"errors"
	"image"
	"io"
)

// maxStray is how many terminators a GIF may have at its end without being one
// that was never written to its end.
const maxStray = 1

// gifWalk is a walk through the blocks of a GIF.
type gifWalk struct {
	*scanner
	c                 Container
	control           gifControl // of the frame that follows
	announced         bool       // a frame follows
	bare, transparent bool
	stray             int  // terminators since the last block
	film              bool // an extension says how often frames are repeated, or more
	// data reads the data of a frame of so many pixels, in codes of so many bits.
	data func(pixels int64, bits byte)
}

// gif walks the blocks to the trailer. The bytes after it are not read.
func (s *scanner) gif() Container {
	g := &gifWalk{scanner: s}
	g.data = func(int64, byte) { s.gifData() }
	g.walk()
	return g.c
}

// wholeGIF returns an error unless every frame before end has data for all of
// its pixels. If something else than the file's end follows, there is also no data
// that does not belong to the pixels.
func wholeGIF(r io.ReaderAt, end, size int64) error {
	s := &scanner{file: r, size: end}
	g := &gifWalk{scanner: s}
	g.data = s.gifPixels
	if end < size {
		g.data = s.gifExactly
	}
	g.walk()
	return s.err
}

func (g *gifWalk) walk() {
	g.buffered()
	head := g.next(13)
	g.c.Size = image.Pt(
		int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:])))
	g.skip(gifColors(head[10]))
	for g.more() && !g.c.NoEnd {
		// Between blocks the file may end without a trailer.
		if g.at == g.size && g.c.Frames > 0 && !g.announced && g.stray <= maxStray {
			g.c.NoEnd = true
			break
		}
		kind := g.next(1)[0]
		if kind == 0 { // decoders pass over it
			g.stray++
			continue
		}
		if g.stray = 0; kind == 0x3b {
			break
		}
		if g.isJunk(kind) {
			g.c.NoEnd = true
			g.at--
			break
		}
		g.block(kind)
	}
	if g.c.Frames == 0 {
		g.fail(ErrMalformed)
	}
	g.c.Trailer = g.at
	if !g.c.NoEnd {
		g.c.Trailer--
	}
	g.c.Palette = true
	g.c.Bare = g.bare && !g.transparent && len(g.c.Cleared) == 0
}

// isJunk reports whether a still picture ends before a byte that begins no block: a
// whole file was appended in place of the trailer, for example. An animation may go
// on behind the byte.
func (g *gifWalk) isJunk(kind byte) bool {
	return kind != 0x21 && kind != 0x2c && g.more() && g.c.Frames == 1 && !g.announced && !g.film
}

func (g *gifWalk) block(kind byte) {
	switch kind {
	case 0x21:
		switch g.next(1)[0] {
		case 0xf9:
			g.control, g.announced = g.gifControl(), true
			g.transparent = g.transparent || g.control.isTransparent()
		case 0xff:
			g.film = true
			g.gifData()
		default:
			g.gifData()
		}
	case 0x2c:
		g.frame()
		g.control, g.announced = gifControl{}, false
	default:
		g.fail(ErrMalformed)
	}
}

func (g *gifWalk) frame() {
	g.c.Frames++
	place := bytes.Clone(g.next(9))
	if g.c.Frames == 1 {
		g.bare = leavesBare(place, g.c.Size)
	}
	g.skip(gifColors(place[8]))
	bits := g.next(1)[0]
	if g.c.Frames <= g.frames && g.control.isCleared() && !g.control.isTransparent() && bits < 8 {
		g.c.Cleared = append(g.c.Cleared, g.control.at)
	}
	g.data(int64(binary.LittleEndian.Uint16(place[4:]))*int64(binary.LittleEndian.Uint16(place[6:])), bits)
	if g.c.Frames == 1 {
		g.c.First = g.at
	}
}

// gifPixels reads the data of a frame and counts its pixels.
func (s *scanner) gifPixels(pixels int64, bits byte) {
	blocks := &gifBlocks{scanner: s}
	r := lzw.NewReader(blocks, lzw.LSB, int(bits))
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, pixels); err != nil && s.err == nil {
		s.fail(ErrTruncated)
	}
	if s.skip(int64(blocks.left)); !blocks.over {
		s.gifData()
	}
}

// gifExactly reads the data of a frame. The data must end with the frame's last pixel
// and the code for the end.
func (s *scanner) gifExactly(pixels int64, bits byte) {
	blocks := &gifBlocks{scanner: s}
	r := lzw.NewReader(blocks, lzw.LSB, int(bits))
	defer r.Close()
	n, err := io.CopyN(io.Discard, r, pixels+1)
	if n != pixels || !errors.Is(err, io.EOF) || blocks.left > 0 {
		s.fail(ErrTruncated)
	}
	if !blocks.over && s.next(1)[0] != 0 {
		s.fail(ErrTruncated)
	}
}

// gifBlocks reads a series of blocks.
type gifBlocks struct {
	*scanner
	left int  // bytes of the current block
	over bool // the terminator was read
}

// ReadByte makes b an io.ByteReader, so that a decoder reads no byte too many.
func (b *gifBlocks) ReadByte() (byte, error) {
	if b.left == 0 && !b.over {
		b.left = int(b.next(1)[0])
		b.over = b.left == 0
	}
	if b.over || !b.more() {
		return 0, io.EOF
	}
	b.left--
	return b.next(1)[0], nil
}

func (b *gifBlocks) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := b.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

// gifControl is the extension that tells about the frame that follows.
type gifControl struct {
	at    int64 // where its flags stand
	flags byte
}

func (c gifControl) isTransparent() bool { return c.flags&1 != 0 }

// isCleared reports whether the frame is taken away after it was shown.
func (c gifControl) isCleared() bool { return c.flags>>2&7 == 2 }

func (s *scanner) gifControl() gifControl {
	n := s.next(1)[0]
	if n == 0 {
		return gifControl{}
	}
	c := gifControl{at: s.at}
	c.flags = s.next(1)[0]
	s.skip(int64(n) - 1)
	s.gifData()
	if n != 4 {
		c.at, c.flags = 0, c.flags&1
	}
	return c
}

// leavesBare reports whether a frame does not cover the canvas. place has the frame's
// left, top, width and height, in two bytes each.
func leavesBare(place []byte, canvas image.Point) bool {
	number := func(i int) int { return int(binary.LittleEndian.Uint16(place[2*i:])) }
	return number(0) > 0 || number(1) > 0 || number(2) < canvas.X || number(3) < canvas.Y
}

// gifColors returns the bytes of the color table that flags announce.
func gifColors(flags byte) int64 {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

// gifData skips a series of blocks up to its terminator.
func (s *scanner) gifData() {
	for s.more() {
		n := s.next(1)[0]
		if n == 0 {
			return
		}
		s.skip(int64(n))
	}
}
