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
	bare, transparent := false, false
	for s.more() {
		switch s.next(1)[0] {
		case 0x21:
			const control = 0xf9
			if s.next(1)[0] != control {
				s.gifData()
			} else if s.gifControl() {
				transparent = true
			}
		case 0x2c:
			c.Frames++
			s.countFrame(c.Frames)
			place := s.next(9)
			if c.Frames == 1 {
				bare = leavesBare(place, c.Size)
			}
			s.skip(gifColors(place[8]) + 1)
			s.gifData()
		case 0x3b:
			if c.Frames == 0 {
				s.fail(ErrMalformed)
			}
			if bare && !transparent {
				c.Bare = s.at - 1
			}
			return c
		case 0x00: // a stray terminator: decoders pass over it
		default:
			s.fail(ErrMalformed)
		}
	}
	return c
}

// gifControl passes over the extension that tells about the frame that follows,
// and returns whether it has a transparent color.
func (s *scanner) gifControl() bool {
	n := s.next(1)[0]
	if n == 0 {
		return false
	}
	flags := s.next(1)[0]
	s.skip(int64(n) - 1)
	s.gifData()
	return flags&1 != 0
}

// leavesBare reports whether a frame does not cover the canvas. Its place is the
// left, the top, the width and the height.
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
