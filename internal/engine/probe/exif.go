// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Tags of a TIFF directory, and the type of text.
const (
	tagArtist    = 0x013b
	tagCopyright = 0x8298
	typeASCII    = 2
)

// Rights returns the artist and the copyright that an EXIF block names, or
// nothing for what it lacks or spells wrong. The block may begin with "Exif".
func Rights(block []byte) (artist, copyright string) {
	block = bytes.TrimPrefix(block, []byte("Exif\x00\x00"))
	if len(block) < 8 {
		return "", ""
	}
	var order binary.ByteOrder
	switch string(block[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return "", ""
	}
	at := int64(order.Uint32(block[4:]))
	if at+2 > int64(len(block)) {
		return "", ""
	}
	count := int64(order.Uint16(block[at:]))
	for i := range count {
		entry := at + 2 + 12*i
		if entry+12 > int64(len(block)) {
			break
		}
		switch order.Uint16(block[entry:]) {
		case tagArtist:
			artist = tiffText(block, entry, order)
		case tagCopyright:
			copyright = tiffText(block, entry, order)
		}
	}
	return artist, copyright
}

// tiffText returns the text of a directory's entry. A copyright has two parts,
// the photographer's and the editor's, with a NUL between them.
func tiffText(block []byte, entry int64, order binary.ByteOrder) string {
	if order.Uint16(block[entry+2:]) != typeASCII {
		return ""
	}
	length := int64(order.Uint32(block[entry+4:]))
	from := entry + 8
	if length > 4 {
		from = int64(order.Uint32(block[from:]))
	}
	if from+length > int64(len(block)) {
		return ""
	}
	var parts []string
	for part := range strings.SplitSeq(string(block[from:from+length]), "\x00") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.ToValidUTF8(strings.Join(parts, "; "), "?")
}
