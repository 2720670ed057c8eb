// SPDX-License-Identifier: MIT

package geometry

import "image"

// A picture is made smaller in up to three ways, one after the other. Each has one word:
//
//	scale    a decoder makes a smaller picture, for example at 3/8: cheap and rough
//	shrink   n x n pixels become one, their mean
//	reduce   Lanczos3, by any factor: expensive and fine
//
// To resize a picture is to shrink and reduce it, or to enlarge it. ARCHITECTURE.md has
// these words with examples.
//
// The factor of the last, fine reduction is at least leftNum / leftDen. If it were
// smaller, a thumbnail from a smaller decode would differ from one from a larger decode
// (SSIM under 0.995); if it were larger, time would be lost. For example 1200 of 4000
// pixels leave just this factor.
const leftNum, leftDen = 5, 3

// WebP's decoder scales better, and to any size.
const webpNum, webpDen = 3, 2

// A picture that was reduced as finely as it will be again may be smaller still.
const fineNum, fineDen = 3, 2

// Divisor returns 1, 2, 4 or 8: libvips should scale a JPEG to 1/1, 1/2, 1/4 or 1/8
// before it is resized to size.
func Divisor(picture, size image.Point) int {
	for _, n := range []int{8, 4, 2} {
		if enough(picture.Div(n), size) {
			return n
		}
	}
	return 1
}

// Scaled returns the size to which WebP's decoder should scale a picture before it is
// resized to size.
func Scaled(picture, size image.Point) image.Point {
	least := image.Pt(
		(size.X*webpNum+webpDen-1)/webpDen, (size.Y*webpNum+webpDen-1)/webpDen)
	if picture.X < least.X || picture.Y < least.Y {
		return picture
	}
	return cover(picture, least, false)
}

// MostShrink is the largest factor by which the engine can shrink the height.
const MostShrink = 1 << 15

// The JPEG decoder of package jpeg takes the lowest frequencies of each block,
// and scales better than means do. At 1/8 these are means.
const eighthsNum, eighthsDen = 7, 5

// At 4/8 less is enough, as all of the picture would be decoded otherwise. A
// photograph of 8 megapixels at 1200x900 leaves just so much.
const halfNum, halfDen = 4, 3

// mostWhole is the most pixels of a picture that package jpeg decodes at 8/8. All of
// it is in memory then.
const mostWhole = 16 << 20

// Eighths returns the scale, in eighths, at which package jpeg should decode a picture
// before it is resized to size: 1 to 4 or 8, or 0 if package jpeg can't.
func Eighths(picture, size image.Point) int {
	if enough(picture.Div(8), size) {
		return 1
	}
	for n := 2; n <= 4; n++ {
		if picture.X*n*eighthsDen >= 8*size.X*eighthsNum && picture.Y*n*eighthsDen >= 8*size.Y*eighthsNum {
			return n
		}
	}
	if picture.X*halfDen >= 2*size.X*halfNum && picture.Y*halfDen >= 2*size.Y*halfNum {
		return 4
	}
	if picture.X >= size.X && picture.Y >= size.Y && picture.X*picture.Y <= mostWhole {
		return 8
	}
	return 0
}

// Shrink returns the factor by which a decoded picture is shrunk before it is reduced to
// size. At least a factor of 2 is left to reduce.
func Shrink(picture, size image.Point) int {
	each := ShrinkEach(picture, size)
	return min(each.X, each.Y)
}

// ShrinkEach is Shrink with a factor for each axis.
func ShrinkEach(picture, size image.Point) image.Point {
	return image.Pt(max(picture.X/(2*size.X), 1), min(max(picture.Y/(2*size.Y), 1), MostShrink))
}

// Fine reports whether a picture that was reduced by Lanczos3 is large enough to
// be reduced once more, to size.
func Fine(picture, size image.Point) bool {
	return picture.X*fineDen >= size.X*fineNum && picture.Y*fineDen >= size.Y*fineNum
}

func enough(picture, size image.Point) bool {
	return picture.X*leftDen >= size.X*leftNum && picture.Y*leftDen >= size.Y*leftNum
}
