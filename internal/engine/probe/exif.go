// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Tags of a TIFF directory, and the types of text: ASCII (in fact it is often UTF-8), and
// the UTF-8 of EXIF 3.
const (
	tagArtist    = 0x013b
	tagCopyright = 0x8298
	typeASCII    = 2
	typeUTF8     = 129
)

// exifRights reads the artist and the copyright of the first directory. The
// latter has two parts, the photographer's and the editor's, with a NUL between
// them. The block may begin with "Exif".
func exifRights(block []byte) Rights {
	return rightsOf(exifTexts(bytes.TrimPrefix(block, exifHead)))
}

func rightsOf(texts map[uint16][]byte) Rights {
	text := func(tag uint16) string { return joined(strings.Split(decoded(texts[tag]), "\x00")) }
	return Rights{Artist: text(tagArtist), Copyright: text(tagCopyright)}
}

// exifTexts returns the texts of a TIFF's first directory, as parts of block.
func exifTexts(block []byte) map[uint16][]byte {
	order := orderOf(block)
	if order == nil {
		return nil
	}
	at := int64(order.Uint32(block[4:]))
	if at+2 > int64(len(block)) {
		return nil
	}
	texts := make(map[uint16][]byte)
	count := int64(order.Uint16(block[at:]))
	for i := range count {
		entry := at + 2 + 12*i
		if entry+12 > int64(len(block)) {
			break
		}
		if kind := order.Uint16(block[entry+2:]); kind != typeASCII && kind != typeUTF8 {
			continue
		}
		length, from := int64(order.Uint32(block[entry+4:])), entry+8
		if length > 4 {
			from = int64(order.Uint32(block[from:]))
		}
		if from+length <= int64(len(block)) {
			texts[order.Uint16(block[entry:])] = block[from : from+length]
		}
	}
	return texts
}

// orderOf returns the byte order of a TIFF, or nil if block is no TIFF.
func orderOf(block []byte) byteOrder {
	if len(block) < 8 {
		return nil
	}
	switch string(block[:4]) {
	case "II*\x00":
		return binary.LittleEndian
	case "MM\x00*":
		return binary.BigEndian
	}
	return nil
}

// Stand returns texts of as many bytes, of ASCII, for r to be put in their place.
func (r Rights) Stand() Rights {
	return Rights{Artist: strings.Repeat("x", len(r.Artist)), Copyright: strings.Repeat("x", len(r.Copyright))}
}

// Put puts r in the place of r.Stand() in every EXIF block of file.
func (r Rights) Put(file []byte) {
	stand := r.Stand()
	for at := 0; ; at++ {
		next := bytes.Index(file[at:], []byte("II*\x00\x08\x00\x00\x00"))
		if next < 0 {
			return
		}
		at += next
		texts := exifTexts(file[at:])
		put(texts[tagArtist], stand.Artist, r.Artist)
		put(texts[tagCopyright], stand.Copyright, r.Copyright)
	}
}

// put overwrites old and its NUL with text, if there is exactly old and a NUL.
func put(there []byte, old, text string) {
	if string(there) == old+"\x00" {
		copy(there, text)
	}
}
