// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"fmt"
	"io"
)

// maxGarbage is how many bytes some cameras leave between a scan's data and the
// marker that follows.
const maxGarbage = 4

// WholeJPEG decodes the entropy-coded data of a JPEG, and returns the end of the last
// scan's data. A JPEG is whole if each of its scans has data to the last
// MCU, with every restart marker in its place, if all components were scanned to
// the last bit, and if then the end marker follows. If nothing is in its place, or
// the trailer of a phone, the padding of the last byte must be right, too.
//
// It takes ten times as long as the decoder. So it is called only if a file has no end
// marker, or if the decoder has complained.
func WholeJPEG(r io.ReaderAt, size int64) (int64, error) {
	j := &jpegWalk{scanner: &scanner{file: r, size: size}}
	d := &entropy{jpegWalk: j}
	j.begin()
	j.data = d.scan
	if j.head(); j.more() {
		d.follow()
	}
	if j.more() && (!j.frame.scanned() || !j.frame.refined()) {
		j.fail(ErrTruncated)
	}
	return d.end, j.err
}

// entropy decodes entropy-coded data as far as to know how long it is.
type entropy struct {
	*jpegWalk
	byte byte
	left uint // bits of byte that are not read yet
	run  int  // blocks that follow and have no further coefficients
	end  int64
}

// follow walks from the end of one scan to the next one's, and so on.
func (d *entropy) follow() {
	for d.more() {
		switch b, _ := d.ahead.Peek(64); {
		case d.isOver(b):
			if !d.padded() {
				d.fail(ErrTruncated)
			}
			return
		case garbage(b) > maxGarbage:
			d.fail(ErrTruncated)
			return
		}
		scans := d.scans
		for d.more() && d.scans == scans {
			if !d.segment(d.marker()) {
				return
			}
		}
	}
}

// isOver reports whether the picture ends without its marker, before b: the file
// ends, or the trailer that a phone maker appends begins. It has entries of two
// bytes of zero, a type, the length of a name, and the name.
func (d *entropy) isOver(b []byte) bool {
	if len(b) == 0 || len(b) == 1 && b[0] == 0xff {
		return true
	}
	const head = 8
	if len(b) < 2*head || b[0] != 0 || b[1] != 0 || b[4] == 0 || b[5] != 0 || b[6] != 0 || b[7] != 0 {
		return false
	}
	for _, c := range b[head : 2*head] {
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// garbage returns how many bytes there are before a marker.
func garbage(b []byte) int {
	for n := 0; ; {
		i := bytes.IndexByte(b[n:], 0xff)
		if i < 0 || n+i+1 >= len(b) {
			return len(b)
		}
		if n += i; b[n+1] != 0 {
			return n
		}
		n++
	}
}

// padded reports whether the unused bits of the last byte are ones. If the file was
// overwritten by zeros, they are zeros.
func (d *entropy) padded() bool {
	mask := byte(1)<<d.left - 1
	return d.byte&mask == mask && d.byte != 0
}

// scan decodes the data of a scan.
func (d *entropy) scan(s jpegScan) {
	mcus := d.layOut()
	if !d.more() {
		return
	}
	across, down := mcus.X, mcus.Y
	alone := len(s.parts) == 1
	if alone {
		across, down = s.parts[0].across, s.parts[0].down
	}
	d.left, d.run = 0, 0
	due, turn := d.restart, byte(0)
	for y := range down {
		for x := range across {
			if d.restart > 0 && due == 0 {
				d.expectRestart(turn)
				due, turn = d.restart, (turn+1)%8
			}
			due--
			for i := range s.parts {
				p := &s.parts[i]
				if alone {
					d.block(&s, p, y*p.blocks+x)
					continue
				}
				for v := range p.sampling.Y {
					for h := range p.sampling.X {
						d.block(&s, p, (y*p.sampling.Y+v)*p.blocks+x*p.sampling.X+h)
					}
				}
			}
			if !d.more() {
				return
			}
		}
	}
	d.end = d.at
}

// expectRestart reads a restart marker.
func (d *entropy) expectRestart(turn byte) {
	d.left, d.run = 0, 0
	if b := d.next(1); b[0] != 0xff {
		d.fail(ErrMalformed)
	}
	code := byte(0xff)
	for d.more() && code == 0xff {
		code = d.next(1)[0]
	}
	if code != markerRST+turn {
		d.fail(ErrMalformed)
	}
}

// block decodes the block at index at of a component.
func (d *entropy) block(s *jpegScan, p *scanPart, at int) {
	switch {
	case !d.more():
	case s.from == 0 && s.high > 0:
		d.bits(1)
	case s.from == 0:
		d.bits(uint(d.symbol(0, p.dc) & 15))
		if s.to > 0 {
			d.coefficients(s, p, nil)
		}
	case s.high == 0:
		d.coefficients(s, p, &p.nonzero[at])
	default:
		d.refine(s, p, &p.nonzero[at])
	}
}

// coefficients decodes the AC coefficients of a block, and sets the bit in nonzero of
// each that is not zero.
func (d *entropy) coefficients(s *jpegScan, p *scanPart, nonzero *uint64) {
	if d.run > 0 {
		d.run--
		return
	}
	for k := max(s.from, 1); k <= s.to && d.more(); k++ {
		symbol := d.symbol(1, p.ac)
		zeros, size := int(symbol>>4), uint(symbol&15)
		if size == 0 && zeros < 15 {
			if nonzero != nil {
				d.run = 1<<zeros + d.bits(uint(zeros)) - 1
			} else if zeros > 0 {
				d.fail(ErrMalformed)
			}
			return
		}
		if k += zeros; k > s.to {
			d.fail(ErrMalformed)
			return
		}
		d.bits(size)
		if nonzero != nil && size > 0 {
			*nonzero |= 1 << k
		}
	}
}

// refine decodes one further bit of the coefficients of a block.
func (d *entropy) refine(s *jpegScan, p *scanPart, nonzero *uint64) {
	k := s.from
	for d.run == 0 && k <= s.to && d.more() {
		symbol := d.symbol(1, p.ac)
		zeros, size := int(symbol>>4), symbol&15
		if size == 0 && zeros < 15 {
			d.run = 1<<zeros + d.bits(uint(zeros))
			break
		}
		if size > 1 {
			d.fail(ErrMalformed)
		}
		d.bits(uint(size))
		for ; k <= s.to; k++ {
			if *nonzero>>k&1 == 1 {
				d.bits(1)
			} else if zeros == 0 {
				break
			} else {
				zeros--
			}
		}
		if size > 0 {
			if k > s.to {
				d.fail(ErrMalformed)
				return
			}
			*nonzero |= 1 << k
		}
		k++
	}
	if d.run > 0 {
		for ; k <= s.to; k++ {
			d.bits(uint(*nonzero >> k & 1))
		}
		d.run--
	}
}

// bits reads n bits.
func (d *entropy) bits(n uint) int {
	value := 0
	for range n {
		if d.left == 0 {
			d.fill()
		}
		d.left--
		value = value<<1 | int(d.byte>>d.left&1)
	}
	return value
}

// fill reads the next byte. If a marker follows, the data ends there, and the byte is
// missing.
func (d *entropy) fill() {
	d.byte, d.left = 0, 8
	if !d.more() {
		return
	}
	var err error
	if d.byte, err = d.ahead.ReadByte(); err == nil && d.byte == 0xff {
		var stuffed byte
		if stuffed, err = d.ahead.ReadByte(); err == nil && stuffed != 0 {
			d.fail(ErrTruncated)
		}
		d.at++
	}
	d.at++
	d.check(err)
}

// symbol reads a symbol by a table: 0 of DC, 1 of AC.
func (d *entropy) symbol(class int, id uint8) byte {
	h := d.tables[class][id]
	if h == nil {
		d.fail(ErrMalformed)
		return 0
	}
	code, first, at := 0, 0, 0
	for _, n := range h.count {
		code |= d.bits(1)
		if code-first < int(n) {
			return h.symbols[at+code-first]
		}
		at += int(n)
		first = (first + int(n)) << 1
		code <<= 1
	}
	d.fail(ErrMalformed)
	return 0
}

// huffman is a table of codes: how many there are of each length, and the
// symbols in the codes' order.
type huffman struct {
	count   [16]byte
	symbols []byte
}

// readTables reads the tables of a segment.
func (j *jpegWalk) readTables(end int64) {
	for j.more() && j.at < end {
		id := j.next(1)[0]
		if id>>4 > 1 || id&15 > 3 {
			j.fail(ErrMalformed)
			return
		}
		h := &huffman{}
		copy(h.count[:], j.next(16))
		total := 0
		for _, n := range h.count {
			total += int(n)
		}
		if total > 256 || j.at+int64(total) > end {
			j.fail(ErrMalformed)
			return
		}
		for range total {
			h.symbols = append(h.symbols, j.next(1)[0])
		}
		j.tables[id>>4][id&15] = h
	}
}

// layOut sets the sizes of the components in blocks, and returns that of the
// picture in MCUs.
func (d *entropy) layOut() (mcus struct{ X, Y int }) {
	f := &d.frame
	if f.kind < 0xc0 || f.kind > 0xc2 || f.size.X == 0 || f.size.Y == 0 {
		d.fail(errNotHuffman)
		return
	}
	up := func(n, by int) int { return (n + by - 1) / by }
	mcus.X, mcus.Y = up(f.size.X, 8*f.most.X), up(f.size.Y, 8*f.most.Y)
	for i := range f.components {
		c := &f.components[i]
		c.blocks = mcus.X * c.sampling.X
		c.across = up(up(f.size.X*c.sampling.X, f.most.X), 8)
		c.down = up(up(f.size.Y*c.sampling.Y, f.most.Y), 8)
		if f.progressive() && c.nonzero == nil {
			c.nonzero = make([]uint64, c.blocks*mcus.Y*c.sampling.Y)
		}
	}
	return mcus
}

// errNotHuffman is a JPEG of another coding, or one that states no height.
var errNotHuffman = fmt.Errorf("%w: data of its coding can't be checked", ErrMalformed)
