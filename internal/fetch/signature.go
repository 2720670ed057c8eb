// SPDX-License-Identifier: MIT

package fetch

import (
	"bytes"
	"slices"

	"thumbd/internal/thumb"
)

// signatureLength is how much of an original is looked at.
const signatureLength = 64

// beginsAs reports whether head can be the beginning of a file of one of formats.
// The worker checks the whole file. An SVG is text that begins with a bracket.
func beginsAs(head []byte, formats []thumb.Format) bool {
	if slices.ContainsFunc(formats, func(f thumb.Format) bool { return f.Begins(head) }) {
		return true
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	return slices.Contains(formats, thumb.SVG) && bytes.HasPrefix(text, []byte("<"))
}
