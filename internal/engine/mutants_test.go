// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// mutants is how many damaged copies of each sample TestMutants renders. make
// asan asks for more.
var mutants = flag.Int("mutants", 4, "damaged copies of each sample")

// TestMutants renders damaged copies of an original in each format. The process
// lives, and each thumbnail that is made has the size that is told. make asan
// runs it under AddressSanitizer and UBSan.
func TestMutants(t *testing.T) {
	files, err := samples.ReadDir("samples")
	if err != nil {
		t.Fatal(err)
	}
	job := limits()
	job.Formats = append(slices.Clone(everyFormat), thumb.SVG, thumb.JXL)
	// As small as the samples need, so that a header of 10,000 frames is refused.
	job.Pixels, job.Frames = 1_000_000, 20
	outputs := samplesTransforms()
	for _, file := range files {
		data, err := samples.ReadFile(path.Join("samples", file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for seed := range *mutants {
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			mutant := mutate(r, data)
			some := outputs[r.IntN(len(outputs)):]
			some = some[:min(len(some), 1+r.IntN(4))]
			t.Run(fmt.Sprintf("%s %d", file.Name(), seed), func(t *testing.T) {
				made, results := render(t, mutant, job, some...)
				for i, result := range results {
					checkMutant(t, some[i], made[i], result)
				}
			})
		}
	}
}

func checkMutant(t *testing.T, tr thumb.Transform, file []byte, r wire.Result) {
	t.Helper()
	if r.Failure != "" {
		return
	}
	if got := decode(t, file, tr.Format).Bounds().Size(); got != image.Pt(r.Width, r.Height) {
		t.Errorf("%v %v: got %v, want %dx%d", tr.Method, tr.Format, got, r.Width, r.Height)
	}
}

// mutate returns data with one to four faults.
func mutate(r *rand.Rand, data []byte) []byte {
	b := bytes.Clone(data)
	for range 1 + r.IntN(4) {
		from := r.IntN(len(b))
		if r.IntN(2) == 0 {
			// Headers are at the beginning of most formats.
			from = r.IntN(min(len(b), 200))
		}
		to := min(from+1+r.IntN(16), len(b))
		switch r.IntN(5) {
		case 0, 1:
			b[from] ^= 1 << r.IntN(8)
		case 2:
			b[from] = byte(r.UintN(256))
		case 3:
			clear(b[from:to])
		case 4:
			b = slices.Insert(b, from, b[from:to]...)
		}
	}
	if r.IntN(8) == 0 {
		b = b[:1+r.IntN(len(b)-1)]
	}
	return b
}
