// SPDX-License-Identifier: MIT

package geometry

import (
	"fmt"
	"image"
	"os"
	"strings"
	"testing"

	"thumbd/internal/thumb"
)

// Presets give the sizes that the filters of other systems give.
func TestSizesOfOtherSystems(t *testing.T) {
	text, err := os.ReadFile("testdata/dims.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || row[4] == "-" {
			continue
		}
		rows++
		var original, box image.Point
		method, size, _ := strings.Cut(row[4], " ")
		for text, p := range map[string]*image.Point{row[1]: &original, size: &box} {
			if _, err := fmt.Sscanf(text, "%dx%d", &p.X, &p.Y); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		tr := thumb.Transform{Width: box.X, Height: box.Y}
		method, tr.Enlarge = strings.CutSuffix(method, "+")
		method, axes := strings.CutSuffix(method, "/")
		if axes {
			tr.Uncovered = thumb.Axes
		}
		if err := tr.Method.UnmarshalText([]byte(method)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		p, err := New(original, tr, image.Pt(1<<20, 1<<20))
		if got := fmt.Sprintf("%dx%d", p.Canvas.X, p.Canvas.Y); err != nil || got != row[3] {
			t.Errorf("%s %s of %s: %s, %v, want %s", row[0], row[2], row[1], got, err, row[3])
		}
	}
	if rows != 59 {
		t.Errorf("%d rows are compared, want 59", rows)
	}
}
