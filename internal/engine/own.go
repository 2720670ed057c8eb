// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"io"
	"slices"

	"thumbd/internal/geometry"
	"thumbd/internal/thumb"
)

// smaller returns data, the encoded output, or the original's own bytes without
// metadata if these are fewer and show the same.
func (o *original) smaller(data []byte, out *output) []byte {
	if o.length > out.limit || !o.isAsIs(out) {
		return data
	}
	all := make([]byte, o.length)
	if _, err := io.ReadFull(io.NewSectionReader(o.file, 0, o.length), all); err != nil {
		return data
	}
	bare := strippers[o.format](bytes.Clone(all))
	if bare == nil || len(bare) >= len(data) || out.Metadata != thumb.NoMetadata && !bytes.Equal(bare, all) {
		return data
	}
	return bare
}

// isAsIs reports whether out shows the original as it is: in its format and size,
// upright, with its own colors and all of its frames.
func (o *original) isAsIs(out *output) bool {
	_, _, _, ground := out.Background.RGB()
	whole := image.Rectangle{Max: o.stored}
	return strippers[o.format] != nil && out.Format == o.format &&
		geometry.Upright(o.stored, o.orientation) == o.stored && o.orientation <= 1 &&
		out.plan.Size == o.stored && out.plan.Cut == whole && out.plan.Canvas == o.stored && out.plan.Source == whole &&
		!out.Finishes() && !ground &&
		o.profile == ignoreProfile && o.made == nil && out.animated == (o.frames > 1) &&
		!o.container.NoEnd && o.container.Excess.Length == 0
}

// strippers return a file of a format without the parts that are not needed to show
// its pixels. They may change the file. They return nil if the file has a part that
// they don't know, or samples that no thumbnail has, for example 16 bits.
var strippers = map[thumb.Format]func([]byte) []byte{
	thumb.JPEG: stripJPEG,
	thumb.PNG:  stripPNG,
	thumb.GIF:  stripGIF,
	thumb.WebP: stripWholeWebP,
}

// stripJPEG keeps the segments of tables, frames and scans, and the segments of JFIF
// and Adobe, because they say how the components are colors. It drops the preview at
// the end of JFIF's segment.
func stripJPEG(file []byte) []byte {
	const soi, eoi, sos, app0, app14 = 0xd8, 0xd9, 0xda, 0xe0, 0xee
	kept := []byte{0xff, soi}
	for at := 2; at+2 <= len(file) && file[at] == 0xff; {
		kind := file[at+1]
		if kind == eoi {
			return append(kept, 0xff, eoi)
		}
		if at+4 > len(file) || !isKnown(kind) {
			return nil
		}
		end := at + 2 + int(binary.BigEndian.Uint16(file[at+2:]))
		if end < at+4 || end > len(file) {
			return nil
		}
		segment := file[at:end]
		at = end
		switch {
		case kind == app0:
			if !bytes.HasPrefix(segment[4:], []byte("JFIF\x00")) || len(segment) < 18 {
				continue
			}
			segment = slices.Concat([]byte{0xff, app0, 0, 16}, segment[4:16], []byte{0, 0})
		case kind == app14:
			if !bytes.HasPrefix(segment[4:], []byte("Adobe")) || len(segment) < 16 {
				continue
			}
			segment = slices.Concat([]byte{0xff, app14, 0, 14}, segment[4:16])
		case kind > app0:
			continue
		case kind <= 0xc2 && (len(segment) < 10 || segment[9] != 1 && segment[9] != 3):
			return nil // of CMYK
		}
		kept = append(kept, segment...)
		if kind != sos {
			continue
		}
		data := at
		for at+1 < len(file) && (file[at] != 0xff || file[at+1] == 0 || file[at+1] >= 0xd0 && file[at+1] < soi) {
			at++
		}
		kept = append(kept, file[data:at]...)
	}
	return nil
}

// isKnown reports whether all browsers know a marker of a JPEG: of baseline and
// progressive frames, tables, scans, applications and comments.
func isKnown(marker byte) bool {
	switch marker {
	case 0xc0, 0xc1, 0xc2, 0xc4, 0xda, 0xdb, 0xdd, 0xfe:
		return true
	}
	return marker >= 0xe0 && marker <= 0xef
}

// stripPNG keeps the chunks of pixels, palette and transparency, of at most 8 bits.
func stripPNG(file []byte) []byte {
	const head = 8
	if len(file) < head+17 || string(file[head+4:head+8]) != "IHDR" || file[head+16] > 8 {
		return nil
	}
	kept := bytes.Clone(file[:head])
	for at := head; at+12 <= len(file); {
		length := int64(binary.BigEndian.Uint32(file[at:]))
		if length > int64(len(file)-at-12) {
			return nil
		}
		chunk := file[at:][:length+12]
		at += len(chunk)
		switch kind := string(chunk[4:8]); kind {
		case "IHDR", "PLTE", "tRNS", "IDAT", "IEND":
			sum := len(chunk) - 4
			if crc32.ChecksumIEEE(chunk[4:sum]) != binary.BigEndian.Uint32(chunk[sum:]) {
				return nil
			}
			if kept = append(kept, chunk...); kind == "IEND" {
				return kept
			}
		}
	}
	return nil
}

// stripGIF keeps frames, their timing, and how often they are repeated.
func stripGIF(file []byte) []byte {
	table := func(flags byte) int {
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	// blocks returns the end of a series of blocks that begins at a place.
	blocks := func(at int) int {
		for at < len(file) && file[at] != 0 {
			at += int(file[at]) + 1
		}
		return at + 1
	}
	if len(file) < 13 {
		return nil
	}
	at := 13 + table(file[10])
	kept := bytes.Clone(file[:min(at, len(file))])
	for at+10 < len(file) || at < len(file) && file[at] == ';' {
		from := at
		switch file[at] {
		case ';':
			return append(kept, ';')
		case ',':
			at = blocks(at + 11 + table(file[at+9]))
		case '!':
			at = blocks(at + 2)
			if kind := file[from+1]; kind != 0xf9 && (kind != 0xff || !bytes.HasPrefix(file[from+3:], []byte("NETSCAPE2.0"))) {
				continue
			}
		default:
			return nil
		}
		kept = append(kept, file[from:min(at, len(file))]...)
	}
	return nil
}

func stripWholeWebP(file []byte) []byte {
	if len(file) < 12 {
		return nil
	}
	end := int64(binary.LittleEndian.Uint32(file[4:])) + 8
	// An alpha that the header does not tell of.
	odd := bytes.HasPrefix(file[12:], []byte("VP8X")) && len(file) > 20 && file[20]&0x12 == 0 && bytes.Contains(file, []byte("ALPH"))
	if end < 12 || end > int64(len(file)) || odd {
		return nil
	}
	return stripWebP(file[:end])
}
