// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"image"
	"io"
	"slices"
)

// maxHEIF is the most pixels of a picture that libheif decodes, up to 1.18 without
// a way to ask for more.
const maxHEIF = 16384 * 16384

// decodable are the kinds of items that libheif decodes in all versions: of AV1 and
// HEVC, and those made of others.
var decodable = []string{"av01", "hvc1", "grid", "iden", "iovl"}

// item is an entry of the list of a HEIF's items.
type item struct {
	kind      string // Example: "av01"
	encrypted bool
}

// ReadHEIF returns the size of the picture of an AVIF or HEIC as it is coded, or 0x0
// if the file does not tell it, also with an error. It returns an error that wraps ErrUnsupported if
// libheif can't read such a picture, which it would call damaged.
func ReadHEIF(file io.ReaderAt, size int64) (image.Point, error) {
	h := readHEIF(file, size)
	if h == nil {
		if (&scanner{file: file, size: size}).hasBox("moov", "meta") {
			return image.Point{}, unsupported("a film without a still picture")
		}
		return image.Point{}, nil
	}
	items := []uint32{h.primary}
	if h.items[h.primary].kind == "grid" {
		items = append(items, h.first("dimg", h.primary))
	}
	for _, id := range items {
		i, known := h.items[id]
		switch {
		case !known:
		case i.encrypted:
			return image.Point{}, unsupported("a picture that is encrypted")
		case !slices.Contains(decodable, i.kind):
			return image.Point{}, unsupported("a picture of the kind %q", i.kind)
		}
		if c, err := h.size(id); err != nil {
			return c, err
		}
	}
	return h.size(h.primary)
}

// hasBox reports whether there is a box of one kind at the top level of a file, and
// none of another.
func (s *scanner) hasBox(kind, other string) bool {
	found := false
	for s.more() && s.at < s.size {
		head := s.next(8)
		length := int64(binary.BigEndian.Uint32(head)) - 8
		switch string(head[4:]) {
		case other:
			return false
		case kind:
			found = true
		}
		if length+8 == 1 {
			length = int64(binary.BigEndian.Uint64(s.next(8))) - 16
		}
		s.skip(length)
	}
	return found
}

// size returns the size of an item before it is turned and cropped.
func (h *heif) size(id uint32) (image.Point, error) {
	turned := ""
	for _, b := range h.properties[id] {
		switch {
		case b.kind == "irot", b.kind == "imir", b.kind == "clap":
			turned = b.kind
		case b.kind == "ispe" && len(b.body) >= 12:
			w, h := binary.BigEndian.Uint32(b.body[4:]), binary.BigEndian.Uint32(b.body[8:])
			if turned != "" {
				return image.Point{}, unsupported("its property %s comes before its size", turned)
			}
			size := image.Pt(int(w), int(h))
			if uint64(w)*uint64(h) > maxHEIF {
				return size, unsupported("%dx%d pixels, more than %d", w, h, maxHEIF)
			}
			return size, nil
		}
	}
	return image.Point{}, nil
}

// readItems reads the list of items.
func (h *heif) readItems(iinf []byte) {
	f := fields{rest: iinf}
	if f.version() == 0 {
		f.u16()
	} else {
		f.u32()
	}
	for b := range boxesOf(f.rest) {
		f := fields{rest: b.body}
		version := f.version()
		if b.kind != "infe" || version < 2 {
			continue
		}
		id := f.id(version > 2)
		encrypted := f.u16() != 0
		if kind := string(f.take(4)); !f.short {
			h.items[id] = item{kind, encrypted}
		}
	}
}
