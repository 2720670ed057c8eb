// SPDX-License-Identifier: MIT

package probe

// video has the color codes of a video codec's data, by ITU-T H.273.
type video struct {
	primaries, transfer uint8
	full                bool // range
}

// readAV1 reads the sequence header of AV1. It stands before the picture.
func readAV1(data []byte) (video, bool) {
	const sequenceHeader = 1
	for len(data) >= 2 {
		kind, extended, sized := data[0]>>3&0xf, data[0]&4 != 0, data[0]&2 != 0
		data = data[1:]
		if extended {
			data = data[1:]
		}
		length := uint64(len(data))
		if sized {
			length, data = leb128(data)
		}
		if kind == sequenceHeader {
			b := bits{data: data[:min(length, uint64(len(data)))], high: true}
			v := b.sequence()
			return v, !b.short
		}
		if length > uint64(len(data)) {
			break
		}
		data = data[length:]
	}
	return video{}, false
}

func leb128(data []byte) (n uint64, rest []byte) {
	for i := range min(8, len(data)) {
		n |= uint64(data[i]&0x7f) << (7 * i)
		if data[i] < 0x80 {
			return n, data[i+1:]
		}
	}
	return 0, nil
}

// sequence reads sequence_header_obu of the AV1 specification, 5.5.
func (b *bits) sequence() video {
	profile := b.read(3)
	b.read(1)
	reduced := b.flag()
	if reduced {
		b.read(5)
	} else {
		b.operatingPoints()
	}
	width, height := int(b.read(4))+1, int(b.read(4))+1
	b.read(width)
	b.read(height)
	if !reduced && b.flag() {
		b.read(4 + 3)
	}
	b.read(3)
	if !reduced {
		b.tools()
	}
	b.read(3)
	return b.colorConfig(profile)
}

func (b *bits) operatingPoints() {
	delay, model := 0, false
	if b.flag() { // timing
		b.read(32)
		b.read(32)
		if b.flag() {
			b.uvlc()
		}
		if model = b.flag(); model {
			delay = int(b.read(5)) + 1
			b.read(32)
			b.read(10)
		}
	}
	display := b.flag()
	for range b.read(5) + 1 {
		b.read(12)
		if b.read(5) > 7 {
			b.read(1)
		}
		if model && b.flag() {
			b.read(delay)
			b.read(delay)
			b.read(1)
		}
		if display && b.flag() {
			b.read(4)
		}
	}
}

// tools passes over the flags of coding tools.
func (b *bits) tools() {
	b.read(4)
	order := b.flag()
	if order {
		b.read(2)
	}
	// The first bit of each tool leaves the choice to each frame.
	screen := b.flag()
	if !screen {
		screen = b.flag()
	}
	if screen && !b.flag() {
		b.read(1)
	}
	if order {
		b.read(3)
	}
}

func (b *bits) colorConfig(profile uint32) video {
	v := video{primaries: unspecified, transfer: unspecified}
	deep, mono := b.flag(), false
	if profile == 2 && deep {
		b.read(1)
	}
	if profile != 1 {
		mono = b.flag()
	}
	matrix := uint32(unspecified)
	if b.flag() {
		v.primaries, v.transfer, matrix = uint8(b.read(8)), uint8(b.read(8)), b.read(8)
	}
	if !mono && v.primaries == bt709 && v.transfer == srgbTransfer && matrix == 0 {
		v.full = true
	} else {
		v.full = b.flag()
	}
	return v
}

// bits reads numbers bit by bit. Beyond the end all bits are 0, and short is
// set.
type bits struct {
	data  []byte
	high  bool // a byte's highest bit is its first, and a number's
	at    int
	short bool
}

func (b *bits) flag() bool { return b.read(1) == 1 }

// read returns a number of n bits, at most 32.
func (b *bits) read(n int) uint32 {
	var v uint32
	for i := range n {
		if b.at >= 8*len(b.data) {
			b.short = true
			return 0
		}
		bit := uint32(b.data[b.at/8])
		if b.high {
			v = v<<1 | bit>>(7-b.at%8)&1
		} else {
			v |= bit >> (b.at % 8) & 1 << i
		}
		b.at++
	}
	return v
}

// uvlc passes over a number of variable length.
func (b *bits) uvlc() {
	zeros := 0
	for zeros < 32 && !b.short && !b.flag() {
		zeros++
	}
	b.read(zeros)
}
