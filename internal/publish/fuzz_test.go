// SPDX-License-Identifier: MIT

package publish

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"thumbd/internal/thumb"
)

// FuzzVerify holds that whatever a worker leaves in its memfd is a picture of
// one format and of one size, or ErrPicture. The daemon reads it, and recovers
// from no panic.
func FuzzVerify(f *testing.F) {
	formats := []thumb.Format{thumb.JPEG, thumb.PNG, thumb.GIF, thumb.WebP, thumb.AVIF}
	for _, p := range pictures(f) {
		f.Add(p.content, uint16(33), uint16(21))
	}
	f.Add(makeAVIF(append(words(1<<24|1, 1, 7), 1, 0x80, 1), makeBox("ispe", words(0, 33, 21))), uint16(33), uint16(21))
	f.Fuzz(func(t *testing.T, b []byte, w, h uint16) {
		check := func(format thumb.Format, w, h int) bool {
			err := verify(io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), Want{Format: format, Width: w, Height: h})
			if err != nil && !errors.Is(err, ErrPicture) {
				t.Errorf("%v of %dx%d: %v; want nil or %v", format, w, h, err, ErrPicture)
			}
			return err == nil
		}
		var as []thumb.Format
		for _, format := range formats {
			// Of any size, as an original that is published as it is.
			any := check(format, 0, 0)
			if any {
				as = append(as, format)
			}
			if w == 0 && h == 0 || !check(format, int(w), int(h)) {
				continue
			}
			if !any || check(format, int(w)+1, int(h)) || check(format, int(w), int(h)+1) {
				t.Errorf("a %v of more sizes than %dx%d", format, w, h)
			}
		}
		if len(as) > 1 {
			t.Errorf("one file of formats %v", as)
		}
	})
}
