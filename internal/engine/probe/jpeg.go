// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"errors"
	"image"
	"io"
)

// The markers of a JPEG that mean something to a walk.
const (
	markerDHT = 0xc4
	markerRST = 0xd0 // to 0xd7
	markerSOI = 0xd8
	markerEOI = 0xd9
	markerSOS = 0xda
	markerDRI = 0xdd
)

// jpegWalk is a walk through the segments of a JPEG.
type jpegWalk struct {
	*scanner
	frame   jpegFrame
	tables  [2][4]*huffman // DC, AC; only if scans are decoded
	restart int            // MCUs from one restart marker to the next; 0: none
	scans   int
	// data reads the data of one scan. The scan's header has been read.
	data func(jpegScan)
}

// jpeg checks that all scans of a JPEG are there, without decoding them. If the end
// marker is missing, or not in its place, only WholeJPEG can decide.
func (s *scanner) jpeg() Container {
	c := Container{Frames: 1}
	j := &jpegWalk{scanner: s}
	j.begin()
	j.data = func(jpegScan) {} // marker passes over it
	if j.head(); !s.more() {
		return c
	}
	c.Size = j.frame.size
	// The decoder reads a scan of all components to its last MCU. A file of
	// one such scan needs no further look.
	single := !j.frame.progressive() && j.frame.scanned()
	if single && s.endsIn(0xff, markerEOI) {
		return c
	}
	j.walk()
	if s.more() && !j.frame.refined() {
		s.fail(ErrTruncated)
	}
	// The walk may have gone through bytes that are no JPEG.
	if errors.Is(s.err, ErrTruncated) || errors.Is(s.err, ErrMalformed) {
		s.err, c.NoEnd = nil, true
	}
	return c
}

// begin goes to the first segment.
func (j *jpegWalk) begin() {
	j.at = 2
	j.buffered()
}

// endsIn reports whether the file ends in two bytes.
func (s *scanner) endsIn(a, b byte) bool {
	var end [2]byte
	_, err := s.file.ReadAt(end[:], s.size-2)
	return (err == nil || errors.Is(err, io.EOF)) && end == [2]byte{a, b}
}

// maxJunk is how many bytes there may be between two segments: libjpeg passes over
// some that cameras leave there. More are the rest of a segment: a file was cut in one,
// and another file behind it has filled that up.
const maxJunk = 32

// head walks to the first scan and through it.
func (j *jpegWalk) head() {
	for j.more() && j.scans == 0 {
		marker := j.marker()
		if j.junk > maxJunk {
			j.fail(ErrTruncated)
			return
		}
		if !j.segment(marker) {
			j.fail(ErrMalformed)
		}
	}
}

// walk walks to the end marker. Behind it cameras put other data, for example previews
// and films.
func (j *jpegWalk) walk() {
	for j.more() && j.segment(j.marker()) {
	}
}

// segment reads the segment of a marker. It returns false for the end marker.
func (j *jpegWalk) segment(marker byte) bool {
	switch {
	case !j.more():
		return false
	case marker == markerEOI:
		return false
	case marker == markerSOI: // of another picture
		j.fail(ErrTruncated)
		return false
	case marker == 0x01, marker >= markerRST && marker < markerSOI:
		return true
	}
	length := int64(binary.BigEndian.Uint16(j.next(2))) - 2
	end := j.at + length
	switch {
	case marker == markerSOS:
		scan := j.frame.readScan(j.scanner, length)
		j.skip(end - j.at)
		if j.more() {
			j.scans++
			j.data(scan)
		}
		return true
	case marker == markerDHT:
		j.readTables(end)
	case marker == markerDRI && length >= 2:
		j.restart = int(binary.BigEndian.Uint16(j.next(2)))
	case marker >= 0xc0 && marker <= 0xcf && marker != 0xc8 && marker != 0xcc:
		j.frame.read(j.scanner, marker, length)
	}
	j.skip(end - j.at)
	return true
}

// marker skips garbage and entropy-coded data to the next marker, and returns the
// marker's code. It sets junk to the number of skipped bytes.
func (s *scanner) marker() byte {
	s.junk = 0
	for s.more() {
		// A line that fits the buffer ends in FF; one that does not is all data.
		line, err := s.ahead.ReadSlice(0xff)
		s.at += int64(len(line))
		s.junk += int64(len(line)) - 1
		if err != nil {
			if len(line) < s.ahead.Size() {
				s.check(err)
			}
			continue
		}
		code := s.next(1)[0]
		for s.more() && code == 0xff {
			code = s.next(1)[0]
		}
		if code != 0 {
			return code
		}
	}
	return 0
}

// jpegFrame is the header of a JPEG's frame, with the coefficient bits that the scans so
// far have had.
type jpegFrame struct {
	kind       byte // the marker: 0xc0 and so on
	size       image.Point
	most       image.Point // of the components' samplings
	components []jpegComponent
}

type jpegComponent struct {
	id       byte
	sampling image.Point
	seen     bool
	// low is, for each coefficient, the number of its low bits that are not
	// there yet, plus one; 0: it was in no scan.
	low [64]uint8
	// blocks is the number of blocks in whole MCUs, across x down the picture's blocks.
	blocks, across, down int
	// nonzero has a bit for each coefficient of each block that is not zero.
	nonzero []uint64
}

// jpegScan is the header of a scan. It has the coefficients from to to, with their bits
// above low. high is low of the scan before, or 0 for the first scan of these
// coefficients.
type jpegScan struct {
	parts     []scanPart
	from, to  int
	high, low uint8
}

type scanPart struct {
	*jpegComponent
	dc, ac uint8 // tables
}

func (f *jpegFrame) progressive() bool { return f.kind == 0xc2 }

// read reads a frame header of length bytes.
func (f *jpegFrame) read(s *scanner, kind byte, length int64) {
	if f.kind != 0 || length < 9 {
		s.fail(ErrMalformed)
		return
	}
	b := s.next(6)
	f.kind = kind
	f.size = image.Pt(int(binary.BigEndian.Uint16(b[3:])), int(binary.BigEndian.Uint16(b[1:])))
	n := int(b[5])
	s.check(readable(kind, b[0], n))
	if n == 0 || n > 4 || length < 6+3*int64(n) {
		s.fail(ErrMalformed)
		return
	}
	for range n {
		b := s.next(3)
		c := jpegComponent{id: b[0], sampling: image.Pt(int(b[1]>>4), int(b[1]&15))}
		if c.sampling.X < 1 || c.sampling.X > 4 || c.sampling.Y < 1 || c.sampling.Y > 4 {
			s.fail(ErrMalformed)
		}
		f.most = image.Pt(max(f.most.X, c.sampling.X), max(f.most.Y, c.sampling.Y))
		f.components = append(f.components, c)
	}
}

// readable returns an error that wraps ErrUnsupported if no libjpeg of 8 bits reads the
// frame: lossless, hierarchical, of more bits, or of two components. Some builds of
// libjpeg read arithmetic coding, so it is not refused here.
func readable(kind, bits byte, components int) error {
	switch {
	case kind&3 == 3:
		return unsupported("a lossless JPEG, SOF%d", kind&15)
	case kind&7 > 4:
		return unsupported("a hierarchical JPEG, SOF%d", kind&15)
	case bits != 8:
		return unsupported("%d bits a sample", bits)
	case components == 2:
		return unsupported("2 components")
	}
	return nil
}

// readScan reads a scan header of length bytes.
func (f *jpegFrame) readScan(s *scanner, length int64) jpegScan {
	n := int(s.next(1)[0])
	if n == 0 || n > len(f.components) || length != 4+2*int64(n) {
		s.fail(ErrMalformed)
		return jpegScan{}
	}
	var scan jpegScan
	for range n {
		b := s.next(2)
		part := scanPart{nil, b[1] >> 4 & 3, b[1] & 3}
		for i := range f.components {
			if f.components[i].id == b[0] {
				part.jpegComponent = &f.components[i]
			}
		}
		if part.jpegComponent == nil {
			s.fail(ErrMalformed)
			return jpegScan{}
		}
		scan.parts = append(scan.parts, part)
	}
	b := s.next(3)
	scan.from, scan.to, scan.high, scan.low = int(b[0]), int(b[1]), b[2]>>4, b[2]&15
	if !f.progressive() {
		scan.from, scan.to, scan.high, scan.low = 0, 63, 0, 0
	}
	if scan.to > 63 || scan.from > scan.to || scan.from == 0 && scan.to > 0 && f.progressive() || scan.from > 0 && n > 1 {
		s.fail(ErrMalformed)
		return jpegScan{}
	}
	for _, p := range scan.parts {
		p.seen = true
		for k := scan.from; k <= scan.to; k++ {
			p.low[k] = scan.low + 1
		}
	}
	return scan
}

// scanned reports whether every component was in a scan.
func (f *jpegFrame) scanned() bool {
	for i := range f.components {
		if !f.components[i].seen {
			return false
		}
	}
	return len(f.components) > 0
}

// refined reports whether all coefficients that were begun are there to their
// last bit.
func (f *jpegFrame) refined() bool {
	for i := range f.components {
		low := &f.components[i].low
		for k := range low {
			if low[k] > 1 || low[0] == 0 {
				return false
			}
		}
	}
	return len(f.components) > 0
}
