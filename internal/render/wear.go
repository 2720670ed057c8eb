// SPDX-License-Identifier: MIT

package render

import (
	"io"
	"strings"
)

// unseen is by how much sooner a worker is replaced for an original whose
// format is not walked in Go before a decoder in C sees it.
const unseen = 10

// mostDoubts is the number of originals that a worker may call unsupported after a
// decoder in C has seen them. An honest one does so for what no header tells: a
// TIFF of measurements, or a drawing whose style sheet gives it another size. A
// folder of them costs a worker for every ten.
const mostDoubts = 10

// wear returns what one output of an original counts towards WorkerRenders. A
// decoder that parses what thumbd can't check is where a hostile file would
// take a worker over. The first bytes are compared, nothing is parsed: a file
// that is none of JPEG, PNG, GIF and WebP counts more.
func wear(original io.ReaderAt) int {
	head := make([]byte, 12)
	// An error leaves less to compare.
	n, _ := original.ReadAt(head, 0)
	text := string(head[:n])
	for _, start := range []string{"\xff\xd8\xff", "\x89PNG", "GIF8"} {
		if strings.HasPrefix(text, start) {
			return 1
		}
	}
	if strings.HasPrefix(text, "RIFF") && strings.HasSuffix(text, "WEBP") {
		return 1
	}
	return unseen
}
