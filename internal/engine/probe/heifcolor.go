// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
)

// maxMeta is the most that is read of the box that describes a HEIF's items. One
// of a thousand tiles has about 50 kB.
const maxMeta = 1 << 20

// heif has the facts about items in the meta box of an AVIF or HEIC. An item is named
// by its number.
type heif struct {
	file       io.ReaderAt
	primary    uint32
	items      map[uint32]item
	properties map[uint32][]box  // of an item, in their order
	references []reference       // from item to item
	extents    map[uint32]extent // where an item's data begins
}

// box is a part of an ISO base media file.
type box struct {
	kind string
	body []byte
	at   int64 // of the body in what it is a part of; of a property, in the file
}

// reference is from an item to other items. Example: "auxl" from an alpha to its
// picture.
type reference struct {
	kind string
	from uint32
	to   []uint32
}

type extent struct{ offset, length int64 }

// heifColoring reads the properties of the primary item and of its alpha. If there is no
// colr box, the color codes in the codec's data count.
func heifColoring(file io.ReaderAt, size int64) Coloring {
	h := readHEIF(file, size)
	if h == nil {
		return Coloring{}
	}
	main := h.look(h.primary)
	if main.coding == nil {
		// A grid's own properties may be with its first tile alone.
		tile := h.look(h.first("dimg", h.primary))
		main.coding, main.mono = tile.coding, tile.mono
		if !main.told {
			main.color, main.limited = tile.color, tile.limited
		}
	}
	c := Coloring{Color: main.color}
	// Of a picture in colors the decoder widens the range itself.
	if c.Color.limited = main.mono && main.limited; c.Color == plain {
		c.Color = Color{}
	}
	if alpha, ok := h.alpha(); ok {
		c.LimitedAlpha = h.look(alpha).limited
		c.Multiplied = h.first("prem", h.primary) == alpha
	}
	return c
}

// itemLook is how an item looks to be decoded.
type itemLook struct {
	coding  []byte // av1C or hvcC
	told    bool   // there is a colr box of numbers
	color   Color
	limited bool // of range
	mono    bool
}

func (h *heif) look(item uint32) itemLook {
	var l itemLook
	for _, b := range h.properties[item] {
		switch {
		case b.kind == "colr" && len(b.body) >= 11 && string(b.body[:4]) == "nclx" && !l.told:
			l.told = true
			l.color = nclxColor(uint8(b.body[5]), uint8(b.body[7]))
			l.limited = b.body[10]&0x80 == 0
		case b.kind == "av1C" && len(b.body) >= 4:
			l.coding, l.mono = b.body, b.body[2]&0x10 != 0
		case b.kind == "hvcC" && len(b.body) >= 23:
			l.coding, l.mono = b.body, b.body[16]&3 == 0
		}
	}
	if l.told || l.coding == nil {
		return l
	}
	if v, ok := h.sequence(item, l.coding); ok {
		l.color, l.limited = nclxColor(v.primaries, v.transfer), !v.full
	}
	return l
}

// plain is sRGB: it needs no profile.
var plain = Color{primaries: bt709, transfer: srgbTransfer}

// nclxColor returns the color space of codes in a file of video's kind. The
// curves of cameras are undone by sRGB's, as browsers do, and so is one that is
// not told.
func nclxColor(primaries, transfer uint8) Color {
	if primaries == unspecified {
		primaries = bt709
	}
	switch transfer {
	case 1, unspecified, 6, 11, 12, 14, 15:
		transfer = srgbTransfer
	}
	if c := cicpColor(primaries, transfer); c != (Color{}) {
		return c
	}
	return plain
}

// sequence reads the head of an AV1 item's data.
func (h *heif) sequence(item uint32, av1C []byte) (video, bool) {
	if v, ok := readAV1(av1C[4:]); ok {
		return v, true
	}
	e, ok := h.extents[item]
	if !ok {
		return video{}, false
	}
	return readAV1(readAt(h.file, e.offset, min(e.length, 256)))
}

// first returns the first item that item refers to.
func (h *heif) first(kind string, item uint32) uint32 {
	for _, r := range h.references {
		if r.kind == kind && r.from == item && len(r.to) > 0 {
			return r.to[0]
		}
	}
	return 0
}

// alpha returns the item that is the alpha of the primary one.
func (h *heif) alpha() (uint32, bool) {
	for _, r := range h.references {
		if r.kind != "auxl" || !slices.Contains(r.to, h.primary) {
			continue
		}
		for _, b := range h.properties[r.from] {
			if b.kind != "auxC" || len(b.body) < 4 {
				continue
			}
			name, _, _ := bytes.Cut(b.body[4:], []byte{0})
			if slices.Contains(alphaNames, string(name)) {
				return r.from, true
			}
		}
	}
	return 0, false
}

var alphaNames = []string{"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", "urn:mpeg:hevc:2015:auxid:1"}

// readHEIF reads the meta box, or nothing of a file that has none that can be
// understood.
func readHEIF(file io.ReaderAt, size int64) *heif {
	s := &scanner{file: file, size: size}
	for s.more() && s.at < size {
		head := s.next(8)
		length, kind := int64(binary.BigEndian.Uint32(head))-8, string(head[4:])
		if length+8 == 1 {
			length = int64(binary.BigEndian.Uint64(s.next(8))) - 16
		}
		if kind != "meta" {
			s.skip(length)
			continue
		}
		if length > min(maxMeta, size-s.at) || length < 4 {
			return nil
		}
		return parseMeta(file, readAt(file, s.at, length), s.at)
	}
	return nil
}

// parseMeta reads the body of the meta box at a place of the file.
func parseMeta(file io.ReaderAt, meta []byte, at int64) *heif {
	h := &heif{
		file: file, items: make(map[uint32]item), properties: make(map[uint32][]box), extents: make(map[uint32]extent),
	}
	if len(meta) < 4 {
		return nil
	}
	for b := range boxesOf(meta[4:]) {
		switch f := (fields{rest: b.body}); b.kind {
		case "pitm":
			h.primary = f.id(f.version() > 0)
		case "iinf":
			h.readItems(b.body)
		case "iprp":
			h.readProperties(b.body, at+4+b.at)
		case "iref":
			h.readReferences(b.body)
		case "iloc":
			h.readPlaces(b.body)
		}
	}
	return h
}

// boxesOf iterates over the boxes in body.
func boxesOf(body []byte) func(yield func(box) bool) {
	return func(yield func(box) bool) {
		for at := int64(8); len(body) >= 8; {
			length := int64(binary.BigEndian.Uint32(body))
			if length < 8 || length > int64(len(body)) || !yield(box{string(body[4:8]), body[8:length], at}) {
				return
			}
			body = body[length:]
			at += length
		}
	}
}

// readProperties reads the list of properties and the lists of their items, at a
// place of the file.
func (h *heif) readProperties(iprp []byte, at int64) {
	var all []box
	for b := range boxesOf(iprp) {
		switch b.kind {
		case "ipco":
			for p := range boxesOf(b.body) {
				p.at += at + b.at
				all = append(all, p)
			}
		case "ipma":
			f := fields{rest: b.body}
			version := f.version()
			for range f.u32() {
				item := f.id(version > 0)
				for range f.u8() {
					at := int(f.u8() & 0x7f) // without the bit for essential
					if f.flags&1 != 0 {
						at = at<<8 | int(f.u8())
					}
					if at > 0 && at <= len(all) {
						h.properties[item] = append(h.properties[item], all[at-1])
					}
				}
				if f.short {
					return
				}
			}
		}
	}
}

func (h *heif) readReferences(iref []byte) {
	f := fields{rest: iref}
	wide := f.version() > 0
	for b := range boxesOf(f.rest) {
		f := fields{rest: b.body}
		r := reference{kind: b.kind, from: f.id(wide)}
		for range f.u16() {
			r.to = append(r.to, f.id(wide))
			if f.short {
				return
			}
		}
		h.references = append(h.references, r)
	}
}

// readPlaces reads the place where the data of each item begins, if the data is in the
// file itself.
func (h *heif) readPlaces(iloc []byte) {
	f := fields{rest: iloc}
	version := f.version()
	sizes, more := f.u8(), f.u8()
	if version == 0 {
		more &= 0xf0 // the rest is reserved
	}
	count := uint32(f.u16())
	if version > 1 {
		count = count<<16 | uint32(f.u16())
	}
	for range count {
		item := f.id(version > 1)
		method := uint16(0)
		if version > 0 {
			method = f.u16() & 0xf
		}
		reference := f.u16()
		base := f.sized(more >> 4)
		for i := range f.u16() {
			f.sized(more & 0xf)
			e := extent{base + f.sized(sizes>>4), f.sized(sizes & 0xf)}
			if i == 0 && method == 0 && reference == 0 {
				h.extents[item] = e
			}
			if f.short {
				return
			}
		}
		if f.short {
			delete(h.extents, item)
			return
		}
	}
}

// fields reads numbers from front to back. Beyond the end they are zero, and
// short is set.
type fields struct {
	rest  []byte
	flags uint32
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.rest) {
		f.short, f.rest = true, nil
		return make([]byte, n)
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) u8() uint8   { return f.take(1)[0] }
func (f *fields) u16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) u32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }

// version reads the version and the flags of a full box.
func (f *fields) version() uint8 {
	v := f.u32()
	f.flags = v & 0xffffff
	return uint8(v >> 24)
}

// id reads the number of an item.
func (f *fields) id(wide bool) uint32 {
	if wide {
		return f.u32()
	}
	return uint32(f.u16())
}

// sized reads a number of n bytes: 0, 4 or 8.
func (f *fields) sized(n uint8) int64 {
	var v uint64
	for _, b := range f.take(int(n)) {
		v = v<<8 | uint64(b)
	}
	return int64(v)
}
