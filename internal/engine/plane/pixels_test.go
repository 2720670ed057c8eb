// SPDX-License-Identifier: MIT

package plane

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"testing"
)

// TestEveryProcessorMakesTheSamePixels compares this one's instructions with plain
// C, on noise, for all numbers of bands and taps, in memory and line by line.
func TestEveryProcessorMakesTheSamePixels(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for _, from := range []image.Point{{1, 1}, {7, 9}, {97, 31}, {200, 150}, {321, 24}, {33, 499}, {64, 64}} {
		for bands := 1; bands <= 4; bands++ {
			pixels := make([]byte, from.X*from.Y*bands)
			for i := range pixels {
				// Extremes overshoot most.
				pixels[i] = byte(max(0, min(255, 384*r.Float64()-64)))
			}
			for _, percent := range []int{9, 19, 26, 31, 40, 49, 63, 77, 90, 100} {
				t.Run(fmt.Sprintf("%v of %d bands %d%%", from, bands, percent), func(t *testing.T) {
					to := image.Pt((from.X*percent+99)/100, (from.Y*percent+99)/100)
					alpha := bands%2 == 0
					want := resized(pixels, from, bands, alpha, true, to, plainPasses())
					for _, inMemory := range []bool{true, false} {
						if got := resized(pixels, from, bands, alpha, inMemory, to, passes); !bytes.Equal(got, want) {
							t.Errorf("other pixels, in memory: %v", inMemory)
						}
					}
					if alpha {
						want = resized(pixels, from, bands, false, true, to, plainPasses())
						if got := resized(pixels, from, bands, false, true, to, passes); !bytes.Equal(got, want) {
							t.Error("other pixels without regard to alpha")
						}
					}
				})
			}
		}
	}
}

// TestPlainPixels compares plain C with the arithmetic of Lanczos3 in floating point,
// of pixels with alpha.
func TestPlainPixels(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 6))
	from, to := image.Pt(90, 70), image.Pt(31, 29)
	pixels := make([]byte, from.X*from.Y*4)
	for i := range pixels {
		pixels[i] = byte(r.IntN(256))
		// Rows of transparent, of faint, and of opaque pixels.
		if y := i / 4 / from.X; i%4 == 3 {
			pixels[i] = []byte{0, 3, 255, 255, 200}[y/7%5]
		}
	}
	got := resized(pixels, from, 4, true, true, to, plainPasses())
	for y := range to.Y {
		for x := range to.X {
			var sums [4]float64
			total := 0.0
			for v := range from.Y {
				for u := range from.X {
					w := window(float64(u), x, from.X, to.X) * window(float64(v), y, from.Y, to.Y)
					p := pixels[4*(v*from.X+u):]
					for b := range 3 {
						sums[b] += w * float64(p[b]) * float64(p[3])
					}
					sums[3] += w * float64(p[3])
					total += w
				}
			}
			at := got[4*(y*to.X+x):]
			alpha := min(max(sums[3]/total, 0), 255)
			// At the edges weights count twice, which this does not.
			if x < 5 || y < 5 || x > to.X-6 || y > to.Y-6 {
				continue
			}
			if math.Abs(float64(at[3])-alpha) > 1 {
				t.Fatalf("alpha at %d,%d: got %d, want %.2f", x, y, at[3], alpha)
			}
			for b := range 3 {
				want := min(max(sums[b]/sums[3], 0), 255)
				// What is nearly transparent has few levels.
				if math.Abs(float64(at[b])-want)*alpha > 255*1.5 {
					t.Fatalf("color %d at %d,%d of alpha %.2f: got %d, want %.2f", b, x, y, alpha, at[b], want)
				}
			}
		}
	}
}

// window is the weight of old sample u for new sample x.
func window(u float64, x, have, wanted int) float64 {
	factor := float64(have) / float64(wanted)
	d := (u - (float64(x)+0.5)*factor + 0.5) / factor
	switch {
	case math.Abs(d) < 1e-9:
		return 1
	case math.Abs(d) >= 3:
		return 0
	}
	return 3 * math.Sin(math.Pi*d) * math.Sin(math.Pi*d/3) / (math.Pi * math.Pi * d * d)
}
