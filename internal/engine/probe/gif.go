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
	var control gifControl
	for s.more() {
		switch s.next(1)[0] {
		case 0x21:
			if s.next(1)[0] == 0xf9 {
				control = s.gifControl()
				transparent = transparent || control.isTransparent()
			} else {
				s.gifData()
			}
		case 0x2c:
			c.Frames++
			s.countFrame(c.Frames)
			place := s.next(9)
			if c.Frames == 1 {
				bare = leavesBare(place, c.Size)
			}
			s.skip(gifColors(place[8]))
			if codeSize := s.next(1)[0]; control.isCleared() && !control.isTransparent() && codeSize < 8 {
				c.Cleared = append(c.Cleared, control.at)
			}
			control = gifControl{}
			s.gifData()
		case 0x3b:
			if c.Frames == 0 {
				s.fail(ErrMalformed)
			}
			c.Trailer = s.at - 1
			c.Bare = bare && !transparent && len(c.Cleared) == 0
			return c
		case 0x00: // a stray terminator: decoders pass over it
		default:
			s.fail(ErrMalformed)
		}
	}
	return c
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
