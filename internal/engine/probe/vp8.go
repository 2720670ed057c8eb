// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"io"

	"golang.org/x/image/vp8"
)

// maxFlush is how many bytes an encoder of VP8 may write at the end that no
// decoder needs, and manyZeros is a run of zeros that is looked into.
const maxFlush, manyZeros = 8, 32

// wholeWebP checks the last frame of a WebP if its data ends in zeros. For a flat picture
// VP8's arithmetic coder writes hundreds of zeros, and a decoder needs all of them. If it
// reaches the last pixel without the last bytes, the encoder had written other bytes
// there. If there are too few bytes, libwebp detects it.
func wholeWebP(r io.ReaderAt, size int64) error {
	s := &scanner{file: r, size: size}
	data, lossy := s.lastFrame()
	zeros := len(data) - len(bytes.TrimRight(data, "\x00"))
	switch {
	case s.err != nil:
		return s.err
	case !lossy, zeros >= manyZeros && decodesVP8(data[:len(data)-maxFlush]):
		return ErrTruncated
	}
	return nil
}

// lastFrame returns the data of the last frame, and whether it is VP8.
func (s *scanner) lastFrame() ([]byte, bool) {
	end := int64(binary.LittleEndian.Uint32(s.next(12)[4:])) + 8
	var at, length int64
	lossy := false
	for s.more() && s.at+8 <= end {
		head := s.next(8)
		n := int64(binary.LittleEndian.Uint32(head[4:]))
		switch string(head[:4]) {
		case "ANMF": // its chunks follow those of its head
			s.skip(16)
			continue
		case "VP8 ", "VP8L":
			at, length, lossy = s.at, n, head[3] == ' '
		}
		s.skip(n + n%2)
	}
	if length < fewZeros || at+length > s.size {
		s.fail(ErrMalformed)
		return nil, false
	}
	return readAt(s.file, at, length), lossy
}

// decodesVP8 reports whether there is data for all macroblocks.
func decodesVP8(data []byte) bool {
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(data), len(data))
	if _, err := d.DecodeFrameHeader(); err != nil {
		return false
	}
	_, err := d.DecodeFrame()
	return err == nil
}
