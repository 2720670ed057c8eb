// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"testing"

	"thumbd/internal/thumb"
)

// jpegSegments returns the lengths of a JPEG's segments before its data, added
// up by marker.
func jpegSegments(t *testing.T, file []byte) map[byte]int {
	t.Helper()
	lengths := make(map[byte]int)
	for at := 2; at+4 <= len(file) && file[at+1] != 0xda; {
		n := int(binary.BigEndian.Uint16(file[at+2:]))
		lengths[file[at+1]] += n
		at += 2 + n
	}
	return lengths
}

func TestJPEGIsOptimizedAndProgressiveWhereLarge(t *testing.T) {
	const baseline, progressive, tables = 0xc0, 0xc2, 0xc4
	data := encodePNG(t, photograph(600, 600))
	for side, kind := range map[int]byte{100: baseline, 399: baseline, 400: progressive, 600: progressive} {
		file := thumbnailFile(t, data, thumb.Transform{Width: side, Method: thumb.Fit, Format: thumb.JPEG, Quality: 82})
		segments := jpegSegments(t, file)
		if segments[kind] == 0 {
			t.Errorf("%d pixels: segments %v, want %x", side, segments, kind)
		}
		// Those that the standard gives as an example take 420 bytes.
		if n := segments[tables]; kind == baseline && (n == 0 || n >= 420) {
			t.Errorf("%d pixels: tables of %d bytes", side, n)
		}
	}
}

// TestQualityIsUsed has every quality make a larger file than the one below, and
// no difference where a format has none.
func TestQualityIsUsed(t *testing.T) {
	data := encodePNG(t, photograph(300, 300))
	for _, f := range everyFormat[:5] {
		var last []byte
		for _, q := range []int{20, 50, 80, 95} {
			file := thumbnailFile(t, data, thumb.Transform{Width: 200, Method: thumb.Fit, Format: f, Quality: q})
			lossy := f != thumb.PNG && f != thumb.GIF
			if last != nil && (lossy && len(file) < len(last)*11/10 || !lossy && !bytes.Equal(file, last)) {
				t.Errorf("%v of quality %d: %d bytes, of the quality below %d", f, q, len(file), len(last))
			}
			last = file
		}
	}
}
