// SPDX-License-Identifier: MIT

package publish

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"

	"thumbd/internal/thumb"
)

// An AVIF file is a list of ISOBMFF boxes (ISO/IEC 14496-12): a length, big
// endian and header included, a type of four bytes, the body. Its dimensions
// (ISO/IEC 23008-12) are properties of the primary item:
//
//	ftyp           brands, avif or avis among them
//	meta
//	  pitm         the primary item's ID
//	  iprp
//	    ipco       all properties: ispe (dimensions), clap, irot, others
//	    ipma       for each item the positions, from 1, of its properties
//
// Not all of them, and no other box, is needed to compare dimensions.

const (
	maxBrands     = 4 << 10 // bytes of ftyp
	maxMeta       = 1 << 20 // bytes of meta, which has the ICC profile
	maxProperties = 64      // of one item
	maxSide       = 1 << 24 // pixels
)

var errBox = errors.New("boxes that do not fit into each other")

// readBrand reads the first box and fails unless it has a brand of f.
func readBrand(in *bufio.Reader, f thumb.Format) error {
	kind, size, err := readBoxHeader(in)
	if err != nil {
		return err
	}
	if kind != "ftyp" || size < 8 || size > maxBrands {
		return fmt.Errorf("%s box of %d bytes", kind, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	c := &cursor{b: body}
	major := c.take(4)
	c.take(4) // minor version
	for brand := major; !c.bad; brand = c.take(4) {
		if thumb.FormatOfBrand(string(brand)) == f {
			return nil
		}
	}
	return fmt.Errorf("brand %q", major)
}

// decodeAVIF reads on after readBrand and returns the dimensions of the
// primary item as it is shown: cut by clap, turned by irot.
func decodeAVIF(in *bufio.Reader) (image.Config, error) {
	for {
		kind, size, err := readBoxHeader(in)
		if err != nil {
			return image.Config{}, err
		}
		if kind != "meta" {
			if _, err := io.CopyN(io.Discard, in, size); err != nil {
				return image.Config{}, err
			}
			continue
		}
		if size > maxMeta {
			return image.Config{}, fmt.Errorf("meta box of %d bytes", size)
		}
		meta := make([]byte, size)
		if _, err := io.ReadFull(in, meta); err != nil {
			return image.Config{}, err
		}
		return parseMeta(meta)
	}
}

// readBoxHeader returns a box's type and the length of its body. If the body has no stated
// length, it is refused: only the last box may lack it, and no box that matters here is
// the last.
func readBoxHeader(in *bufio.Reader) (kind string, size int64, err error) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return "", 0, err
	}
	size = int64(binary.BigEndian.Uint32(head[:4])) - 8
	if size == 1-8 {
		var large [8]byte
		if _, err := io.ReadFull(in, large[:]); err != nil {
			return "", 0, err
		}
		size = int64(binary.BigEndian.Uint64(large[:])) - 16
	}
	if size < 0 {
		return "", 0, errBox
	}
	return string(head[4:]), size, nil
}

func parseMeta(meta []byte) (image.Config, error) {
	c := &cursor{b: meta}
	c.take(4) // version and flags
	boxes := c.boxes()
	primary, ok := boxes.first("pitm")
	if !ok {
		return image.Config{}, errors.New("no primary item")
	}
	properties, _ := boxes.first("iprp")
	list := (&cursor{b: properties}).boxes()
	all, _ := list.first("ipco")
	have := (&cursor{b: all}).boxes()
	var shown []box
	for _, b := range list {
		if b.kind != "ipma" {
			continue
		}
		for _, i := range associations(b.body, itemID(primary)) {
			if i < 1 || i > len(have) {
				return image.Config{}, errBox
			}
			shown = append(shown, have[i-1])
		}
	}
	return applyProperties(shown)
}

// itemID reads the body of pitm.
func itemID(pitm []byte) uint32 {
	c := &cursor{b: pitm}
	if c.version() == 0 {
		return c.uint(2)
	}
	return c.uint(4)
}

// associations reads the body of ipma and returns the positions of the item's
// properties, at most maxProperties. If the body ends early, it returns the positions so
// far.
func associations(ipma []byte, item uint32) []int {
	c := &cursor{b: ipma}
	head := c.uint(4)
	version, wide := head>>24, head&1 != 0
	idSize := 2
	if version > 0 {
		idSize = 4
	}
	var positions []int
	for n := c.uint(4); n > 0 && !c.bad; n-- {
		id := c.uint(idSize)
		for m := c.uint(1); m > 0 && !c.bad; m-- {
			var position uint32
			if wide {
				position = c.uint(2) & 0x7fff // without the essential bit
			} else {
				position = c.uint(1) & 0x7f
			}
			if id == item && !c.bad && position != 0 && len(positions) < maxProperties {
				positions = append(positions, int(position))
			}
		}
	}
	return positions
}

// applyProperties follows the properties in their order, as a reader does.
func applyProperties(properties []box) (image.Config, error) {
	var w, h uint32
	for _, p := range properties {
		c := &cursor{b: p.body}
		switch p.kind {
		case "ispe":
			if w != 0 {
				return image.Config{}, errors.New("dimensions stated twice")
			}
			c.take(4) // version and flags
			w, h = c.uint(4), c.uint(4)
		case "clap":
			w, h = c.fraction(), c.fraction()
		case "irot":
			if c.uint(1)&1 != 0 {
				w, h = h, w
			}
		}
		if c.bad {
			return image.Config{}, fmt.Errorf("%s box: %w", p.kind, errBox)
		}
	}
	if w == 0 || h == 0 || w > maxSide || h > maxSide {
		return image.Config{}, fmt.Errorf("%dx%d is no size", w, h)
	}
	return image.Config{Width: int(w), Height: int(h)}, nil
}

// cursor reads from b. Past its end it returns zeros, and bad is true.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	head := c.b[:n]
	c.b = c.b[n:]
	return head
}

// uint reads n bytes, at most 4.
func (c *cursor) uint(n int) uint32 {
	var v uint32
	for _, b := range c.take(n) {
		v = v<<8 | uint32(b)
	}
	return v
}

// version reads the first word of a full box.
func (c *cursor) version() uint32 { return c.uint(4) >> 24 }

// fraction reads a numerator and a denominator.
func (c *cursor) fraction() uint32 {
	n, d := c.uint(4), c.uint(4)
	if d == 0 {
		c.bad = true
		return 0
	}
	return n / d
}

type box struct {
	kind string
	body []byte
}

type boxes []box

// boxes reads all boxes, up to one that does not fit.
func (c *cursor) boxes() boxes {
	var list boxes
	for len(c.b) > 0 && !c.bad {
		size := c.uint(4)
		kind := string(c.take(4))
		body := c.take(int(size) - 8)
		if c.bad {
			break
		}
		list = append(list, box{kind, body})
	}
	return list
}

func (l boxes) first(kind string) ([]byte, bool) {
	for _, b := range l {
		if b.kind == kind {
			return b.body, true
		}
	}
	return nil, false
}
