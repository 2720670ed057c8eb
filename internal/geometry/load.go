// SPDX-License-Identifier: MIT

package geometry

import "image"

// A decoder reduces cheaply and roughly, to means. The factor for the last, fine
// reduction is at least leftNum / leftDen. If it were smaller, a thumbnail from a smaller
// decode would differ from one from a larger decode (SSIM under 0.995); if it were larger,
// time would be lost. For example 1200 of 4000 pixels leave just this factor.
const leftNum, leftDen = 5, 3

// WebP's decoder reduces better, and can scale to any size.
const webpNum, webpDen = 3, 2

// A picture that was reduced as finely as it will be again may be smaller still.
const fineNum, fineDen = 3, 2

// Shrink returns by how much a JPEG decoder shall reduce a picture that is
// resized to size: 1, 2, 4 or 8.
func Shrink(picture, size image.Point) int {
	for _, n := range []int{8, 4, 2} {
		if enough(picture.Div(n), size) {
			return n
		}
	}
	return 1
}

// Reduced returns the size to which WebP's decoder should reduce a picture before it is
// resized to size. This decoder can scale to any size.
func Reduced(picture, size image.Point) image.Point {
	least := image.Pt(
		(size.X*webpNum+webpDen-1)/webpDen, (size.Y*webpNum+webpDen-1)/webpDen)
	if picture.X < least.X || picture.Y < least.Y {
		return picture
	}
	return cover(picture, least, false)
}

// mostMean is the most lines that the engine can add up.
const mostMean = 1 << 15

// The JPEG decoder of package jpeg takes the lowest frequencies of each block,
// and reduces better than means do. At 1/8 these are means.
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

// Mean returns the factor by which a decoded picture is reduced to the means of its
// pixels before it is resized to size. At least a factor of 2 is left after it.
func Mean(picture, size image.Point) int {
	return min(max(min(picture.X/(2*size.X), picture.Y/(2*size.Y)), 1), mostMean)
}

// Fine reports whether a picture that was reduced by Lanczos3 is large enough to
// be reduced once more, to size.
func Fine(picture, size image.Point) bool {
	return picture.X*fineDen >= size.X*fineNum && picture.Y*fineDen >= size.Y*fineNum
}

func enough(picture, size image.Point) bool {
	return picture.X*leftDen >= size.X*leftNum && picture.Y*leftDen >= size.Y*leftNum
}
