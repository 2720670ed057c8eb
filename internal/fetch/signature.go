// SPDX-License-Identifier: MIT

package fetch

import (
	"bytes"
	"slices"

	"thumbd/internal/thumb"
)

// signatureLength is how much of an original is looked at.
const signatureLength = 64

// signatures are the bytes that files of a format have at an offset. What
// begins with one need not be of the format: the worker looks again.
var signatures = []struct {
	format thumb.Format
	offset int
	bytes  string
}{
	{thumb.JPEG, 0, "\xff\xd8\xff"},
	{thumb.PNG, 0, "\x89PNG\r\n\x1a\n"},
	{thumb.GIF, 0, "GIF8"},
	{thumb.WebP, 8, "WEBP"},
	{thumb.AVIF, 4, "ftyp"},
	{thumb.HEIC, 4, "ftyp"},
	{thumb.TIFF, 0, "II*\x00"},
	{thumb.TIFF, 0, "MM\x00*"},
	{thumb.TIFF, 0, "II+\x00"},
	{thumb.TIFF, 0, "MM\x00+"},
	{thumb.JXL, 0, "\xff\x0a"},
	{thumb.JXL, 0, "\x00\x00\x00\x0cJXL "},
}

// beginsAs reports whether head can be the beginning of a file of one of
// formats. SVG is text, and has no more of a signature than its first bracket.
func beginsAs(head []byte, formats []thumb.Format) bool {
	for _, s := range signatures {
		if slices.Contains(formats, s.format) && len(head) >= s.offset && bytes.HasPrefix(head[s.offset:], []byte(s.bytes)) {
			return true
		}
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	return slices.Contains(formats, thumb.SVG) && bytes.HasPrefix(text, []byte("<"))
}
