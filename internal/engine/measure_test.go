// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"os"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// A measure is the size of the original as it is seen, and makes no picture. A file
// that is no image, or is cut off, has none.
func TestMeasure(t *testing.T) {
	for _, tt := range []struct {
		file          string
		width, height int
		failure       wire.Failure
	}{
		{"originals/tests/orientation/1.jpg", 240, 160, ""},
		{"originals/tests/orientation/6.jpg", 240, 160, ""},
		{"originals/photos/dogs.jpg", 1065, 1600, ""},
		{"refused/text.jpg", 0, 0, wire.Unsupported},
		{"refused/cut-off.jpg", 0, 0, wire.Damaged},
	} {
		data, err := os.ReadFile("../../testdata/" + tt.file)
		if err != nil {
			t.Fatal(err)
		}
		half := thumb.Transform{Width: 30, Method: thumb.Scale, Format: thumb.PNG}
		files, results := render(t, data, limits(), thumb.MeasureTransform(), half, thumb.MeasureTransform())
		for i, r := range results {
			if r.Failure != tt.failure || r.OriginalWidth != tt.width || r.OriginalHeight != tt.height {
				t.Errorf("%s: %+v, want %dx%d %q", tt.file, r, tt.width, tt.height, tt.failure)
			}
			if measures := i != 1; tt.failure == "" && measures != (len(bytes.Trim(files[i], "\x00")) == 0) {
				t.Errorf("%s: output %d: something else was written", tt.file, i)
			}
		}
	}
}
