// SPDX-License-Identifier: MIT

// Package probe reads an original's format, size and completeness from its bytes, in Go
// and without decoding a picture.
//
// A picture is whole if every row, block and frame of it is there and was read. The
// answer does not depend on the thumbnail in the request. Walk finds most missing
// parts. The decoder finds the others, and each decoder has to keep these rules:
//
//   - JPEG: each decoded scan has data to its last MCU and not a bit more,
//     and its restart markers in order. If a scan is skipped, it is walked marker by
//     marker. Then the end marker follows, e.g. not that of another picture. All
//     components are scanned, all coefficients that were begun to their last bit.
//     Without an end marker (Container.NoEnd) no scan may be skipped, and the
//     decoder must not warn. WholeJPEG is this rule: if a decoder warns and goes on,
//     WholeJPEG decides.
//   - PNG: all rows are decoded, and the checksums of their chunks are right, also
//     behind the last row that a crop needs. IEND may be missing.
//   - GIF: all frames have data for all of their pixels. The trailer may be missing,
//     directly after a frame. If a still picture's data ends with its last pixel,
//     something else may stand in the trailer's place.
//   - WebP, AVIF, HEIC: the decoder finds missing data, but takes zeros for data.
//     So the data of the last frame, or of the last mdat, must not end in zeros, except
//     in lossy WebP if the picture needs them.
//
// It is larger than other packages because each format is read by the rules of its own
// standard: a file for each format, or for a part of it that is read for its color.
package probe

import (
	"bytes"
	"encoding/binary"

	"thumbd/internal/thumb"
)

// SniffLength is how much of a file Sniff needs to see.
const SniffLength = 512

// Sniff returns the format of the file that begins with head, or 0. It takes any
// XML for an SVG.
func Sniff(head []byte) thumb.Format {
	for _, f := range thumb.Formats() {
		switch {
		case !f.Begins(head):
		case f.Branded():
			return brand(head)
		default:
			return f
		}
	}
	if isXML(head) {
		return thumb.SVG
	}
	return 0
}

// brand returns the format of a file of ISO/IEC 14496-12, or 0. If its own brand is the
// neutral mif1, it lists one that names the codec.
func brand(head []byte) thumb.Format {
	if len(head) < 12 {
		return 0
	}
	if f := thumb.FormatOfBrand(string(head[8:12])); f != 0 {
		return f
	}
	end := min(int64(binary.BigEndian.Uint32(head)), int64(len(head)))
	for i := int64(16); i+4 <= end; i += 4 {
		if f := thumb.FormatOfBrand(string(head[i : i+4])); f != 0 {
			return f
		}
	}
	return 0
}

// isXML reports whether head is the beginning of an XML document. Comments of any
// length may come before its root element: Walk tells an SVG from others.
func isXML(head []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(text, []byte("<"))
}
