// SPDX-License-Identifier: MIT

package jpeg

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"thumbd/internal/test/peer/libjpeg"
)

// TestPixelsAsLibjpegWritesThem compares the coefficients of files of pixels, whose
// scans are our own if they are progressive, with those that libjpeg writes by itself.
func TestPixelsAsLibjpegWritesThem(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 22))
	for _, size := range []image.Point{{1, 1}, {17, 33}, {90, 70}} {
		for _, bands := range []int{1, 3} {
			for _, halved := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v of %d bands, halved %v", size, bands, halved), func(t *testing.T) {
					data := content(r, size.X*size.Y*bands)
					luma := [2]int{1, 1}
					if halved && bands == 3 {
						luma = [2]int{2, 2}
					}
					file, err := libjpeg.Encode(libjpeg.Making{
						Width: size.X, Height: size.Y, Bands: bands, Quality: 82, Luma: luma, Chroma: [2]int{1, 1},
					}, data)
					if err != nil {
						t.Fatal(err)
					}
					want, err := libjpeg.Coefficients(file)
					if err != nil {
						t.Fatal(err)
					}
					for _, progressive := range []bool{false, true} {
						got := encodedPixels(t, data, size, bands, Encoding{Quality: 82, Progressive: progressive, Halved: halved})
						if (bytes.Contains(got, []byte{0xff, 0xc2})) != progressive {
							t.Errorf("progressive is not %v", progressive)
						}
						components, err := libjpeg.Coefficients(got)
						if err != nil {
							t.Fatal(err)
						}
						if !slices.EqualFunc(components, want, func(a, b libjpeg.Component) bool {
							return slices.Equal(a.Coefficients, b.Coefficients) && a.Quantum == b.Quantum
						}) {
							t.Errorf("progressive %v: other coefficients", progressive)
						}
					}
				})
			}
		}
	}
}

// encodedPixels hands pixels over with lines that are longer than the picture's.
func encodedPixels(t *testing.T, data []byte, size image.Point, bands int, e Encoding) (file []byte) {
	t.Helper()
	const more = 5
	line := size.X * bands
	lines := make([]byte, (line+more)*size.Y)
	for y := range size.Y {
		copy(lines[y*(line+more):], data[y*line:][:line])
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	pins.Pin(&lines[0])
	p := Pixels{Data: unsafe.Pointer(&lines[0]), Size: size, Bands: bands, Stride: line + more}
	err := EncodePixels(p, e, func(data []byte) error {
		file = bytes.Clone(data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return file
}
