// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"image"
	"io"
	"slices"
)

// maxHEIF is the most pixels of a picture that libheif decodes. In versions up to 1.18 no
// program can raise this limit.
const maxHEIF = 16384 * 16384

// decodable are the kinds of items that libheif decodes in all versions: AV1, HEVC, and
// items that are made of other items.
var decodable = []string{"av01", "hvc1", "grid", "iden", "iovl"}

// item is an entry of the list of a HEIF's items.
type item struct {
	kind      string // Example: "av01"
	encrypted bool
}

// HEIF has the facts about the picture of an AVIF or HEIC.
type HEIF struct {
	// Size is the size of the coded picture, or 0x0 if the file does not have it.
	Size image.Point
	// Orientation is EXIF's number, 1 to 8, for the turns and the mirroring of the
	// coded picture.
	Orientation int
	// Turns has the place in the file of each property that turns or mirrors the
	// picture or its alpha: of its value, behind the name of its box. If these
	// properties are overwritten, libheif decodes the picture as it is coded.
	Turns []int64
}

// ReadHEIF reads the facts about the picture of an AVIF or HEIC. If libheif can't read
// such a picture, and would call it damaged, the error wraps ErrUnsupported. The size
// is set also with an error.
func ReadHEIF(file io.ReaderAt, size int64) (HEIF, error) {
	h := readHEIF(file, size)
	if h == nil {
		if (&scanner{file: file, size: size}).hasBox("moov", "meta") {
			return HEIF{}, unsupported("a film without a still picture")
		}
		return HEIF{Orientation: 1}, nil
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
			return HEIF{}, unsupported("a picture that is encrypted")
		case !slices.Contains(decodable, i.kind):
			return HEIF{}, unsupported("a picture of the kind %q", i.kind)
		}
		if c, err := h.size(id); err != nil {
			return HEIF{Size: c}, err
		}
	}
	c, err := h.size(h.primary)
	orientation, turns := h.turns()
	return HEIF{c, orientation, turns}, err
}

// orientations are EXIF's numbers for so many quarters against the clock, without and
// with a mirroring from top to bottom behind them.
var orientations = [2][4]int{{1, 8, 3, 6}, {4, 5, 2, 7}}

// turns returns the orientation of the primary item, and the places of the properties
// that make it. Its alpha has the same properties or none, so they add nothing. If a
// clean aperture follows a turn, the turns are left to libheif, because such an aperture
// is for the turned picture.
func (h *heif) turns() (orientation int, places []int64) {
	mirrored, quarters := 0, 0
	for _, b := range h.properties[h.primary] {
		switch {
		case b.kind == "clap" && len(places) > 0:
			return 1, nil
		case len(b.body) == 0:
		case b.kind == "irot":
			quarters += int(b.body[0]&3) * (1 + 2*mirrored)
			places = append(places, b.at)
		case b.kind == "imir":
			// From left to right is half a turn, and then from top to bottom.
			quarters += 2 * int(b.body[0]&1)
			mirrored = 1 - mirrored
			places = append(places, b.at)
		}
	}
	if alpha, ok := h.alpha(); ok {
		for _, b := range h.properties[alpha] {
			if (b.kind == "irot" || b.kind == "imir") && len(b.body) > 0 {
				places = append(places, b.at)
			}
		}
	}
	return orientations[mirrored][quarters%4], places
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
