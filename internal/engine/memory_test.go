// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// TestMemoryStaysFlat renders good and bad originals and holds libvips' own
// count of what is allocated, and what the kernel counts.
func TestMemoryStaysFlat(t *testing.T) {
	var originals [][]byte
	for _, f := range everyFormat {
		data := originalFile(t, quadrants(400, 300), f)
		originals = append(originals, data, data[:len(data)/2])
	}
	round := func(n int) (resident int) {
		for i := range n {
			data := originals[i%len(originals)]
			render(t, data, limits(),
				thumb.Transform{Width: 100, Height: 50, Method: thumb.Smart, Format: thumb.JPEG, Quality: 80},
				thumb.Transform{Width: 90, Method: thumb.Fit, Format: thumb.WebP, Quality: 80})
		}
		return residentPages(t)
	}
	round(2 * len(originals))
	allocated, early := bimg.VipsMemory().Allocations, round(5*len(originals))
	late := round(20 * len(originals))
	if now := bimg.VipsMemory().Allocations; now != allocated {
		t.Errorf("libvips holds %d pieces of memory, %d before", now, allocated)
	}
	if late > early+early/10 {
		t.Errorf("%d pages resident after many renders, %d after a few", late, early)
	}
	t.Logf("pages resident: %d, then %d", early, late)
}

func residentPages(t *testing.T) int {
	t.Helper()
	// What other tests have left in Go's heap comes and goes.
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var total, resident int
	if _, err := fmt.Sscan(string(b), &total, &resident); err != nil {
		t.Fatal(err)
	}
	return resident
}

// TestSizesAreThePlanned renders random sizes: that the picture is of the size
// planned is checked by Render itself, and told as an internal failure.
func TestSizesAreThePlanned(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	methods := []thumb.Method{thumb.Scale, thumb.Crop, thumb.Smart, thumb.Attention, thumb.Fit, thumb.Pad, thumb.Stretch}
	formats := []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP}
	for range 60 {
		size := image.Pt(1+r.IntN(300), 1+r.IntN(300))
		data := originalFile(t, quadrants(size.X, size.Y), formats[r.IntN(3)])
		if data[0] == 0xff {
			data = withEXIF(data, exif{orientation: 1 + r.IntN(8)})
		}
		var outputs []thumb.Transform
		for range 8 {
			outputs = append(outputs, thumb.Transform{
				Width: 1 + r.IntN(300), Height: r.IntN(300),
				Method: methods[r.IntN(len(methods))], Gravity: thumb.Gravity(r.IntN(9)),
				Enlarge: r.IntN(2) == 0, Format: thumb.PNG,
			})
		}
		_, results := render(t, data, limits(), outputs...)
		for i, result := range results {
			if result.Failure != "" && result.Failure != wire.ThumbnailTooLarge {
				t.Errorf("%+v of %v: %s: %s", outputs[i], size, result.Failure, result.Detail)
			}
		}
	}
}
