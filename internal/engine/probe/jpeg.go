// SPDX-License-Identifier: MIT

package probe

import "encoding/binary"

// jpeg makes sure that the picture's end is there. A decoder that reduces or
// is not asked for the lowest lines does not read that far.
func (s *scanner) jpeg() {
	// Inside entropy-coded data no FF is followed by D9: where the file ends
	// in this marker it was not cut there. One that was cut before that data
	// has no picture at all, and the decoder says so.
	if s.size >= 4 {
		s.at = s.size - 2
		if end := s.next(2); s.err == nil && end[0] == 0xff && end[1] == 0xd9 {
			return
		}
	}
	if s.err == nil {
		s.at = 2
		s.buffered()
		s.segments()
	}
}

// segments walks to the end marker of a file that has more bytes after it:
// cameras put previews, films and whatever else there.
func (s *scanner) segments() {
	for s.more() {
		switch m := s.marker(); {
		case m == 0xd9:
			return
		case m == 0x01, m >= 0xd0 && m <= 0xd8:
		default:
			s.skip(int64(binary.BigEndian.Uint16(s.next(2))) - 2)
		}
	}
}

// marker passes over garbage and entropy-coded data to the next marker, and
// returns its code.
func (s *scanner) marker() byte {
	for s.more() {
		// A line that fits the buffer ends in FF; one that does not is all data.
		line, err := s.ahead.ReadSlice(0xff)
		s.at += int64(len(line))
		if err != nil {
			if len(line) < s.ahead.Size() {
				s.check(err)
			}
			continue
		}
		code := s.next(1)[0]
		for code == 0xff {
			code = s.next(1)[0]
		}
		if code != 0 {
			return code
		}
	}
	return 0
}
