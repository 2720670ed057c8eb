// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"image"
)

// gif walks the blocks to the trailer. What stands after it is not read.
func (s *scanner) gif() Container {
	s.buffered()
	head := s.next(13)
	c := Container{Size: image.Pt(
		int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:])))}
	s.skip(gifColors(head[10]))
	for s.more() {
		switch s.next(1)[0] {
		case 0x21:
			s.skip(1)
			s.gifData()
		case 0x2c:
			c.Frames++
			s.countFrame(c.Frames)
			s.skip(gifColors(s.next(9)[8]) + 1)
			s.gifData()
		case 0x3b:
			if c.Frames == 0 {
				s.fail(ErrMalformed)
			}
			return c
		case 0x00: // a stray terminator: decoders pass over it
		default:
			s.fail(ErrMalformed)
		}
	}
	return c
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
