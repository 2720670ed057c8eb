// SPDX-License-Identifier: MIT

package info

import (
	"fmt"
	"image"
)

// dominant returns the most common color of p as #rrggbb, for example "#c6c8cb". It sorts
// the pixels, weighted by alpha, into 16 x 16 x 16 boxes of similar colors, and returns
// the mean of the fullest box. If p is transparent, it returns "#000000".
func dominant(p *image.NRGBA) string {
	var boxes [16 * 16 * 16]struct{ cover, r, g, b int }
	each(p, func(_ int, px []uint8) {
		a := int(px[3])
		box := &boxes[int(px[0])>>4<<8|int(px[1])>>4<<4|int(px[2])>>4]
		box.cover += a
		box.r += a * int(px[0])
		box.g += a * int(px[1])
		box.b += a * int(px[2])
	})
	fullest := boxes[0]
	for _, box := range boxes {
		if box.cover > fullest.cover {
			fullest = box
		}
	}
	if fullest.cover == 0 {
		return "#000000"
	}
	mean := func(sum int) int { return (sum + fullest.cover/2) / fullest.cover }
	return fmt.Sprintf("#%02x%02x%02x", mean(fullest.r), mean(fullest.g), mean(fullest.b))
}

// Shrink returns p at most side pixels wide and high. If p is larger, each new pixel is
// the mean of the old pixels in its place.
func Shrink(p *image.NRGBA, side int) *image.NRGBA {
	from := p.Rect.Size()
	longest := max(from.X, from.Y)
	if longest <= side {
		return p
	}
	to := image.Pt(max(1, (2*from.X*side+longest)/(2*longest)), max(1, (2*from.Y*side+longest)/(2*longest)))
	out := image.NewNRGBA(image.Rectangle{Max: to})
	for y := range to.Y {
		for x := range to.X {
			area := image.Rect(x*from.X/to.X, y*from.Y/to.Y, (x+1)*from.X/to.X, (y+1)*from.Y/to.Y)
			copy(out.Pix[y*out.Stride+4*x:], meanOf(p, area))
		}
	}
	return out
}

// meanOf returns the mean pixel of an area.
func meanOf(p *image.NRGBA, area image.Rectangle) []uint8 {
	var sum [4]int
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			px := p.Pix[y*p.Stride+4*x:]
			a := int(px[3])
			for c := range 3 {
				sum[c] += a * int(px[c])
			}
			sum[3] += a
		}
	}
	n := area.Dx() * area.Dy()
	mean := []uint8{0, 0, 0, uint8((sum[3] + n/2) / n)}
	if sum[3] > 0 {
		for c := range 3 {
			mean[c] = uint8((sum[c] + sum[3]/2) / sum[3])
		}
	}
	return mean
}
