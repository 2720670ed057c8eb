// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"io"
	"slices"
)

// Tags of a TIFF directory that lead to others.
const (
	tagExif = 0x8769
	tagGPS  = 0x8825
)

// notAbout are the tags of the EXIF directory about pixels, or about a place among
// them, and the notes of makers, because they have offsets of their own.
var notAbout = []uint16{
	0x9101, 0x9102, 0x9214, 0x927c, 0xa001, 0xa002, 0xa003, 0xa005, 0xa214,
}

// about are the tags of a TIFF's first directory that tell about the picture;
// the others are of how its pixels lie.
var about = []uint16{
	0x010d, 0x010e, 0x010f, 0x0110, 0x0131, 0x0132, 0x013c, 0x4746, 0x4749, tagArtist, tagCopyright, tagExif, tagGPS,
	0x9c9b, 0x9c9c, 0x9c9d, 0x9c9e, 0x9c9f,
}

// Limits for one directory: entries, bytes of one entry, and bytes in all. All of it must
// fit into the segment of a JPEG.
const maxEntries, maxValue, maxBlock = 500, 8 << 10, 60_000

// kindSizes are the bytes of a value of each type.
var kindSizes = map[uint16]int64{
	1: 1, typeASCII: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, typeUTF8: 1,
}

// tiffEntry is an entry of a directory. Its value is as it lies in the file.
type tiffEntry struct {
	tag, kind uint16
	count     uint32
	value     []byte
}

// TIFFBlock returns the metadata of a TIFF's first picture, without the layout of its
// pixels, as the EXIF block that another file would have: libvips does not read this
// metadata. If there is none, or if the file is a BigTIFF, it returns nil. The block
// lacks the notes of makers, because they have offsets of their own.
func TIFFBlock(file io.ReaderAt) []byte {
	head := readAt(file, 0, 8)
	order := orderOf(head)
	if order == nil {
		return nil
	}
	entries := readDirectory(file, order, int64(order.Uint32(head[4:])))
	entries = slices.DeleteFunc(entries, func(e tiffEntry) bool { return !slices.Contains(about, e.tag) })
	if len(entries) == 0 {
		return nil
	}
	block := slices.Clone(head)
	for i, e := range entries {
		if e.tag != tagExif && e.tag != tagGPS || len(e.value) != 4 {
			continue
		}
		more := readDirectory(file, order, int64(order.Uint32(e.value)))
		more = slices.DeleteFunc(more, func(e tiffEntry) bool { return slices.Contains(notAbout, e.tag) })
		entries[i].value = order.AppendUint32(nil, uint32(len(block)))
		block = appendDirectory(block, order, more)
	}
	order.PutUint32(block[4:], uint32(len(block)))
	return appendDirectory(block, order, entries)
}

// readDirectory returns the entries with values that can be read.
func readDirectory(file io.ReaderAt, order byteOrder, at int64) []tiffEntry {
	count := readAt(file, at, 2)
	if count == nil {
		return nil
	}
	var entries []tiffEntry
	for i := range int64(min(order.Uint16(count), maxEntries)) {
		b := readAt(file, at+2+12*i, 12)
		if b == nil {
			break
		}
		e := tiffEntry{order.Uint16(b), order.Uint16(b[2:]), order.Uint32(b[4:]), nil}
		length := kindSizes[e.kind] * int64(e.count)
		switch {
		case length == 0 || length > maxValue:
			continue
		case length <= 4:
			e.value = b[8:][:length]
		default:
			e.value = readAt(file, int64(order.Uint32(b[8:])), length)
		}
		if e.value != nil {
			entries = append(entries, e)
		}
	}
	return entries
}

// appendDirectory appends a directory and then its values, as many as fit.
func appendDirectory(block []byte, order byteOrder, entries []tiffEntry) []byte {
	for at, size := 0, len(block)+6; at < len(entries); at++ {
		if size += 12 + len(entries[at].value); size > maxBlock {
			entries = entries[:at]
		}
	}
	block = order.AppendUint16(block, uint16(len(entries)))
	values := len(block) + 12*len(entries) + 4
	var after []byte
	for _, e := range entries {
		block = order.AppendUint16(order.AppendUint16(block, e.tag), e.kind)
		block = order.AppendUint32(block, e.count)
		if len(e.value) <= 4 {
			block = append(append(block, e.value...), make([]byte, 4-len(e.value))...)
			continue
		}
		block = order.AppendUint32(block, uint32(values+len(after)))
		after = append(after, e.value...)
	}
	return append(append(block, 0, 0, 0, 0), after...)
}

// byteOrder reads and writes numbers.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// readAt returns n bytes of file, or nil if the file does not have them.
func readAt(file io.ReaderAt, offset, n int64) []byte {
	b := make([]byte, n)
	if _, err := file.ReadAt(b, offset); err != nil {
		return nil
	}
	return b
}
