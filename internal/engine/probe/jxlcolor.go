// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"io"
)

// maxJXLHead is the most that is read of a JPEG XL's codestream: sizes, the kind
// of samples and of colors take less, unless extra channels have long names.
const maxJXLHead = 4096

// jxlColoring reads the colors in the head of a JPEG XL, if they are colors of HDR. For
// all others the decoder makes an ICC profile.
func jxlColoring(file io.ReaderAt, size int64) Coloring {
	b := bits{data: jxlCodestream(file, size)}
	b.read(16)
	b.jxlSize()
	c := b.jxlMetadata()
	if b.short {
		return Coloring{}
	}
	return c
}

// jxlCodestream returns the beginning of the codestream. The codestream may be in a box,
// or in parts.
func jxlCodestream(file io.ReaderAt, size int64) []byte {
	s := &scanner{file: file, size: size}
	if s.next(1)[0] != 0 {
		return readAt(file, 0, min(size, maxJXLHead))
	}
	var all []byte
	for s.at = 0; s.more() && s.at < size && len(all) < maxJXLHead; {
		head := s.next(8)
		length, kind := int64(binary.BigEndian.Uint32(head))-8, string(head[4:])
		switch length + 8 {
		case 0:
			length = size - s.at
		case 1:
			length = int64(binary.BigEndian.Uint64(s.next(8))) - 16
		}
		part := min(length, maxJXLHead, size-s.at)
		switch {
		case part < 0:
			return nil
		case kind == "jxlc":
			return readAt(file, s.at, part)
		case kind == "jxlp" && part >= 4: // after the part's number
			all = append(all, readAt(file, s.at+4, part-4)...)
		}
		s.skip(length)
	}
	return all
}

// number reads one of four kinds of numbers: each of so many bits, and added to
// so much.
func (b *bits) number(kinds [4][2]uint32) uint32 {
	kind := kinds[b.read(2)]
	return b.read(int(kind[0])) + kind[1]
}

// code reads a value of an enumeration.
func (b *bits) code() uint32 {
	return b.number([4][2]uint32{{0, 0}, {0, 1}, {4, 2}, {6, 18}})
}

func (b *bits) jxlSize() {
	side := [4][2]uint32{{9, 1}, {13, 1}, {18, 1}, {30, 1}}
	b.jxlSides(5, side)
}

// jxlSides skips a height and a width. After a flag, each is either a number of eights
// bits, in units of 8 pixels, or a number in one of the four forms of side.
func (b *bits) jxlSides(eights int, side [4][2]uint32) {
	small := b.flag()
	read := func() {
		if small {
			b.read(eights)
		} else {
			b.number(side)
		}
	}
	read()
	if b.read(3) == 0 { // no ratio
		read()
	}
}

func (b *bits) jxlMetadata() Coloring {
	if b.flag() { // all as usual
		return Coloring{}
	}
	if b.flag() {
		b.jxlExtras()
	}
	b.jxlDepth()
	b.read(1)
	var c Coloring
	for range b.number([4][2]uint32{{0, 0}, {0, 1}, {4, 2}, {12, 1}}) {
		if b.jxlChannel() {
			c.Multiplied = true
		}
		if b.short {
			return Coloring{}
		}
	}
	b.read(1)
	if c.Color = b.jxlColor(); c.Color != (Color{}) {
		c.Over = true
	}
	return c
}

// jxlExtras passes over the orientation, a size, a preview and an animation.
func (b *bits) jxlExtras() {
	b.read(3)
	if b.flag() {
		b.jxlSize()
	}
	if b.flag() {
		b.jxlPreview()
	}
	if b.flag() {
		b.number([4][2]uint32{{0, 100}, {0, 1000}, {10, 1}, {30, 1}})
		b.number([4][2]uint32{{0, 1}, {0, 1001}, {8, 1}, {10, 1}})
		b.number([4][2]uint32{{0, 0}, {3, 0}, {16, 0}, {32, 0}})
		b.read(1)
	}
}

func (b *bits) jxlPreview() {
	small := b.flag()
	read := func() {
		if small {
			b.number([4][2]uint32{{0, 16}, {0, 32}, {5, 1}, {9, 33}})
		} else {
			b.number([4][2]uint32{{6, 1}, {8, 65}, {10, 321}, {12, 1345}})
		}
	}
	read()
	if b.read(3) == 0 {
		read()
	}
}

func (b *bits) jxlDepth() {
	if b.flag() { // floats
		b.number([4][2]uint32{{0, 32}, {0, 16}, {0, 24}, {6, 1}})
		b.read(4)
		return
	}
	b.number([4][2]uint32{{0, 8}, {0, 10}, {0, 12}, {6, 1}})
}

// jxlChannel reads an extra channel, and returns whether it is an alpha that
// the colors were multiplied by.
func (b *bits) jxlChannel() bool {
	const alpha, spot, filter = 0, 2, 5
	if b.flag() { // an alpha as usual
		return false
	}
	kind := b.code()
	b.jxlDepth()
	b.number([4][2]uint32{{0, 0}, {0, 3}, {0, 4}, {3, 1}})
	for range b.number([4][2]uint32{{0, 0}, {4, 0}, {5, 16}, {10, 48}}) {
		b.read(8)
	}
	switch kind {
	case alpha:
		return b.flag()
	case spot:
		b.read(32)
		b.read(32)
	case filter:
		b.number([4][2]uint32{{0, 1}, {2, 0}, {4, 3}, {8, 19}})
	}
	return false
}

// jxlColor reads the color space, and returns it if it is one of HDR.
func (b *bits) jxlColor() Color {
	const gray, xyb, custom, srgb, bt2100, p3 = 1, 2, 2, 1, 9, 11
	if isSRGB := b.flag(); isSRGB {
		return Color{}
	}
	if hasProfile := b.flag(); hasProfile {
		return Color{}
	}
	space := b.code()
	if space == xyb {
		return Color{}
	}
	if white := b.code(); white == custom {
		b.jxlPoint()
	}
	primaries := uint32(srgb)
	if space != gray {
		if primaries = b.code(); primaries == custom {
			b.jxlPoint()
			b.jxlPoint()
			b.jxlPoint()
		}
	}
	if b.flag() { // a gamma
		return Color{}
	}
	transfer := b.code()
	if transfer > 255 || !isHDR(uint8(transfer)) {
		return Color{}
	}
	codes := map[uint32]uint8{srgb: bt709, bt2100: 9, p3: 12}
	return cicpColor(codes[primaries], uint8(transfer))
}

func (b *bits) jxlPoint() {
	for range 2 {
		b.number([4][2]uint32{{19, 0}, {19, 524288}, {20, 1048576}, {21, 2097152}})
	}
}
