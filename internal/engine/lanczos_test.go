// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"testing"

	"thumbd/internal/engine/peer"
	"thumbd/internal/thumb"
)

// TestEveryProcessorMakesTheSame compares what this one's instructions make of
// noise with what those make that every processor has. No axis is four times too
// long, so that means are no part of it, and all numbers of taps are.
func TestEveryProcessorMakesTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, from := range []image.Point{{97, 31}, {400, 300}, {641, 480}, {33, 999}} {
		data := encodePNG(t, noise(r, from))
		for _, percent := range []int{26, 31, 40, 49, 51, 63, 77, 90, 99} {
			t.Run(fmt.Sprintf("%v %d%%", from, percent), func(t *testing.T) {
				to := image.Pt(from.X*percent/100+1, from.Y*percent/100+1)
				want, err := peer.Plain(data, to.X, to.Y)
				if err != nil {
					t.Fatal(err)
				}
				tr := thumb.Transform{Width: to.X, Height: to.Y, Method: thumb.Stretch, Format: thumb.PNG}
				if got := colors(thumbnail(t, data, tr)); !bytes.Equal(got, want) {
					t.Error("other pixels")
				}
			})
		}
	}
}

func noise(r *rand.Rand, size image.Point) image.Image {
	m := image.NewNRGBA(image.Rectangle{Max: size})
	for i := range m.Pix {
		m.Pix[i] = uint8(r.Uint32())
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

// colors returns red, green and blue of every pixel.
func colors(m image.Image) []byte {
	var out []byte
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			r, g, b, _ := m.At(x, y).RGBA()
			out = append(out, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return out
}
