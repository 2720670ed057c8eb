// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"slices"
	"testing"
)

func TestEXIFIsWritten(t *testing.T) {
	small := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00")
	large := []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	for _, block := range [][]byte{small, large, slices.Concat(exifHead, small)} {
		// Of its own zeros the last ones may be missing.
		count := bytes.LastIndexAny(block, "\x01") + 1
		for n := range block {
			zeros := slices.Concat(block[:n], make([]byte, len(block)-n))
			if want := n >= count; isWritten(zeros, false) != want && n > 0 {
				t.Errorf("%q: written is %v", zeros, !want)
			}
			cut := slices.Concat(block[:n], []byte("RIFF\x00\x10\x00\x00WEBPVP8X"))
			if isWritten(cut, true) {
				t.Errorf("%q is written", cut)
			}
		}
		if !isWritten(block, true) {
			t.Errorf("%q is not written", block)
		}
	}
	if !isWritten([]byte("no TIFF, RIFF of its own"), false) {
		t.Error("an EXIF that is none")
	}
}
