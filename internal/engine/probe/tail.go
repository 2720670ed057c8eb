// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// Tags of a TIFF directory for the places of its chunks (strips or tiles) and its
// profile.
const (
	tagStrips       = 273
	tagRowsPerStrip = 278
	tagTiles        = 324
	tagProfile      = 34675
)

// leastTail is a number of zeros: if a TIFF ends with fewer, it is no unfinished copy. A
// copy is written in blocks, and the smallest blocks are the sectors of old disks.
const leastTail = 512

// leastRun is the number of pixels in a row that are evidence: fewer may be dark
// by chance.
const leastRun = 8

// tiffTail checks that the samples of an uncompressed TIFF were written to their end. An
// unfinished copy has its length already, but its last part is still zeros. If the TIFF
// is compressed, the decoder finds this.
//
// Zeros alone prove nothing: a film's still has a black bar at its bottom, a
// drawing is on transparent ground, and 0 is white in many scans. But the
// zeros of a copy begin anywhere in a row. So the rows around that place are
// compared. Example, a picture of 10 pixels a row, 0 a pixel of zeros:
//
//	a copy      x x x x x x x x x x     a black bar  x x x x x x x x x x
//	            x x x x 0 0 0 0 0 0                  x x x x x x x x x x
//	            0 0 0 0 0 0 0 0 0 0                  0 0 0 0 0 0 0 0 0 0
//
// A copy has 7 of 8 pixels that are not zero, both before that place and in the
// row above behind it. An honest picture has this, too, but only if its black part
// begins with an edge that falls by less than two pixels over the width. A tile is
// narrow, so the last row of the tile at its left must be full, too.
//
// A copy is not found if it ends within leastRun pixels of the side, in the tile at
// the left, or in a part of the picture that is zeros itself.
type tiffTail struct {
	file  io.ReaderAt
	zeros int64 // where the zeros begin that the file ends in
	pixel int64 // bytes of a pixel in a chunk, at least 1
	row   int64 // bytes of a row of a chunk
	rows  int64 // rows of a chunk
	// across is the number of chunks beside each other, of strips 1. So far before
	// a chunk is the chunk above it.
	across int
	height int64 // of the picture
}

// checkTail returns ErrTruncated if the samples of d end in zeros of an
// unfinished copy.
func (t tiffReader) checkTail(d directory, x pixels) error {
	if x.compression != 1 || t.size-t.zeros < leastTail {
		return nil
	}
	tail := newTIFFTail(d, x)
	tail.file, tail.zeros = t.file, t.zeros
	chunks := d[tagStrips]
	if x.tiled {
		chunks = d[tagTiles]
	}
	if i := lastBefore(chunks, uint64(t.zeros)); i >= 0 && tail.isCopy(chunks, i) {
		return fmt.Errorf("%w: only zeros from byte %d on", ErrTruncated, t.zeros)
	}
	return nil
}

// lastBefore returns the index of the last chunk that begins before place, or -1. Only
// this chunk can have the byte before place: in an honest file chunks do not overlap. In
// a hostile file a million of them may, so only one is looked at.
func lastBefore(chunks []uint64, place uint64) int {
	last := -1
	for i, chunk := range chunks {
		if chunk < place && (last < 0 || chunk > chunks[last]) {
			last = i
		}
	}
	return last
}

func newTIFFTail(d directory, x pixels) tiffTail {
	width, height := int64(d.get(tagWidth, 0)), int64(d.get(tagHeight, 0))
	bits := int64(x.bits * x.samples)
	if x.planar == 2 {
		bits = int64(x.bits)
	}
	t := tiffTail{across: 1, height: height, rows: min(int64(d.get(tagRowsPerStrip, 1<<32-1)), height)}
	if x.tiled {
		side := int64(d.get(tagTileWidth, 1))
		t.across = int((width + side - 1) / side)
		width, t.rows = side, int64(d.get(tagTileHeight, 1))
	}
	t.row, t.pixel = (width*bits+7)/8, max(bits/8, 1)
	return t
}

// isUnwritten reports whether a profile ends in zeros of an unfinished copy. Zeros
// behind the data of all its tags are padding.
func (t tiffReader) isUnwritten(at, length int64) bool {
	if at+length < t.zeros+leastTail {
		return false
	}
	head := readAt(t.file, at, headLength)
	if profileSpace(head) == "" || tagCount(head) > mostTags {
		return true
	}
	tags := readAt(t.file, at+headLength, tagLength*tagCount(head))
	end := at + headLength + int64(len(tags))
	// The last byte that a table has to have may be the zero of a size.
	if tags == nil || end >= t.zeros+4 {
		return true
	}
	for tag := range slices.Chunk(tags, tagLength) {
		_, to := tagRange(tag)
		end = max(end, at+to)
	}
	return end >= t.zeros+leastTail
}

// zerosOf returns the place where the zeros at the end of a file begin, or its size.
func zerosOf(file io.ReaderAt, size int64) int64 {
	const block = 32 << 10
	for size > 0 {
		from := max(size-block, 0)
		b := bytes.TrimRight(readAt(file, from, size-from), "\x00")
		if size = from + int64(len(b)); len(b) > 0 {
			break
		}
	}
	return size
}

// isCopy compares the rows around the place where the zeros begin, in the chunk at
// chunks[i].
func (t tiffTail) isCopy(chunks []uint64, i int) bool {
	from := int64(chunks[i])
	last := t.zeros - 1 - from
	y := last / t.row
	if y >= t.rows {
		return false
	}
	// The pixel of the last byte was written, maybe in part.
	x := (last%t.row/t.pixel + 1) * t.pixel
	run := leastRun * t.pixel
	if x < run || t.row-x < run || !t.isFull(chunks[i], y, x-run, x) || !t.isFullAtLeft(chunks, i) {
		return false
	}
	switch {
	case y > 0:
		return t.isFull(chunks[i], y-1, x, t.row)
	case i >= t.across:
		return t.isFull(chunks[i-t.across], t.rows-1, x, t.row)
	}
	// All of the picture is zeros but the begin of its first row.
	return true
}

// isFullAtLeft reports whether the last row of the tile at the left of tile i is
// full. Nothing is beside a strip.
func (t tiffTail) isFullAtLeft(chunks []uint64, i int) bool {
	if t.across == 1 {
		return true
	}
	top := int64(i/t.across) * t.rows
	return i%t.across > 0 && t.isFull(chunks[i-1], min(t.rows, t.height-top)-1, 0, t.row)
}

// isFull reports whether 7 of 8 pixels of a part of row y of a chunk are not zero.
// The part begins and ends at the given bytes of the row.
func (t tiffTail) isFull(chunk uint64, y, begin, end int64) bool {
	// None of it is behind the pixel where the zeros begin.
	limit := t.zeros + t.pixel
	if chunk > uint64(limit) || y < 0 || y > limit/t.row || int64(chunk)+y*t.row+end > limit {
		return false
	}
	full, all := int64(0), (end-begin)/t.pixel
	for p := range slices.Chunk(readAt(t.file, int64(chunk)+y*t.row+begin, end-begin), int(t.pixel)) {
		if len(bytes.Trim(p, "\x00")) > 0 {
			full++
		}
	}
	return 8*full >= 7*all
}
