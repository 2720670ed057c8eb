// SPDX-License-Identifier: MIT

package info

import (
	"image"
	"math"
)

// The components of a BlurHash: waves across and down.
const (
	blurX = 4
	blurY = 3
)

// digits are the digits of base 83.
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"

// blurHash returns the BlurHash of p with 4 x 3 components, without regard to alpha:
// https://github.com/woltapp/blurhash/blob/master/Algorithm.md.
func blurHash(p *image.NRGBA) string {
	factors := blurFactors(p)
	// The strongest value of the waves, in steps of 1/166.
	strongest := factors[1][0]
	for _, f := range factors[1:] {
		strongest = max(strongest, f[0], f[1], f[2])
	}
	step := int(max(0, min(82, math.Floor(float64(strongest*166)-0.5))))
	scale := float64(step+1) / 166

	var hash []byte
	write := func(n, length int) {
		at := len(hash)
		hash = append(hash, make([]byte, length)...)
		for i := at + length - 1; i >= at; i-- {
			hash[i] = digits[n%83]
			n /= 83
		}
	}
	write((blurX-1)+(blurY-1)*9, 1)
	write(step, 1)
	mean := factors[0]
	write(toSRGB(mean[0])<<16|toSRGB(mean[1])<<8|toSRGB(mean[2]), 4)
	for _, f := range factors[1:] {
		n := 0
		for _, v := range f {
			root := math.Copysign(math.Sqrt(math.Abs(v/scale)), v)
			n = n*19 + int(max(0, min(18, math.Floor(float64(root*9)+9.5))))
		}
		write(n, 2)
	}
	return string(hash)
}

// blurFactors returns red, green and blue of each component, in linear light.
func blurFactors(p *image.NRGBA) (factors [blurX * blurY][3]float64) {
	size := p.Rect.Size()
	across, down := waves(size.X, blurX, 0), waves(size.Y, blurY, 0)
	for c := range 3 {
		light := newChannel(size)
		each(p, func(i int, px []uint8) { light.values[i] = linear[px[c]] })
		lines := light.across(across)
		for k := range factors {
			norm := 2.0
			if k == 0 {
				norm = 1
			}
			factors[k][c] = norm * dot(lines[k%blurX], down[k/blurX]) / float64(size.X*size.Y)
		}
	}
	return factors
}

// linear has the light, 0 to 1, of each value of sRGB.
var linear = func() (table [256]float64) {
	for i := range table {
		v := float64(i) / 255
		if v <= 0.04045 {
			table[i] = v / 12.92
		} else {
			table[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return table
}()

// toSRGB returns the value of sRGB, 0 to 255, of light from 0 to 1.
func toSRGB(v float64) int {
	v = max(0, min(1, v))
	if v <= 0.0031308 {
		return int(v*12.92*255 + 0.5)
	}
	return int((1.055*math.Pow(v, 1/2.4)-0.055)*255 + 0.5)
}
