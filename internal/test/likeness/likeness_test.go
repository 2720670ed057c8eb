// SPDX-License-Identifier: MIT

package likeness

import (
	"image"
	"math"
	"testing"
)

// waves has something to see everywhere.
func waves(w, h int) image.Image {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		x, y := float64(i%w), float64(i/w)
		m.Pix[i] = uint8(128 + 60*math.Sin(x/3+y*y/90) + 40*math.Cos(y/2))
	}
	return m
}

func TestSSIM(t *testing.T) {
	m := Luma(waves(90, 70))
	if s := SSIM(m, m); math.Abs(s-1) > 1e-9 {
		t.Errorf("of a picture with itself: %v", s)
	}
	shifted := newPlane(m.W, m.H)
	copy(shifted.v[1:], m.v)
	if s := SSIM(m, shifted); s > 0.97 {
		t.Errorf("of a picture with itself a pixel further: %v", s)
	}
}

// TestReductionKeepsPlaceAndValue has an edge stay where it is and what is even
// as it is.
func TestReductionKeepsPlaceAndValue(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 120, 60))
	for i := range m.Pix {
		m.Pix[i] = 40
		if i%120 >= 60 {
			m.Pix[i] = 200
		}
	}
	p := Luma(m).Reduced(12, 6)
	if p.W != 12 || p.H != 6 {
		t.Fatalf("got %dx%d", p.W, p.H)
	}
	for y := range 6 {
		for x, want := range map[int]float64{1: 40, 10: 200} {
			if got := p.v[y*12+x]; math.Abs(got-want) > 2 {
				t.Errorf("at %d,%d: got %v, want %v", x, y, got, want)
			}
		}
		if left, right := p.v[y*12+5], p.v[y*12+6]; math.Abs(left+right-240) > 1 || left > right {
			t.Errorf("line %d: the edge lies between %v and %v", y, left, right)
		}
	}
}
