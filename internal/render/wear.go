// SPDX-License-Identifier: MIT

package render

import (
	"io"

	"thumbd/internal/thumb"
)

// unseen is the wear of an output if the format of its original is not checked in Go before
// a decoder in C sees it. Otherwise the wear is 1.
const unseen = 10

// mostDoubts is the number of originals that a worker may call unsupported after a
// decoder in C has seen them. An honest worker does so if no header shows the problem,
// for example for a TIFF of measurements, or a drawing with another size in its style
// sheet. If a folder is full of such files, every ten cost a worker.
const mostDoubts = 10

// wear returns the count of one output of an original towards WorkerRenders. If thumbd
// can't check a file before a decoder parses it, a hostile file could control the worker
// more easily: so a file that has no Checked format counts more, for example an AVIF. Only
// the first bytes are compared, nothing is parsed.
func wear(original io.ReaderAt) int {
	head := make([]byte, thumb.SignatureLength)
	// An error leaves less to compare.
	n, _ := original.ReadAt(head, 0)
	for _, f := range thumb.Formats() {
		if f.Checked() && f.Begins(head[:n]) {
			return 1
		}
	}
	return unseen
}
