// SPDX-License-Identifier: MIT

package geometry

import "image"

// Upright returns the upright size of a picture that is stored with an EXIF
// orientation, 1 to 8: 400x300 is 300x400 with orientation 6. It is its own inverse.
func Upright(stored image.Point, orientation int) image.Point {
	if orientation >= 5 {
		return image.Pt(stored.Y, stored.X)
	}
	return stored
}

// Stored returns the plan for the picture as it is stored, before it is turned
// upright. The original is of the given upright size. Canvas stays that of the
// thumbnail.
func (p Plan) Stored(original image.Point, orientation int) Plan {
	return Plan{
		Source: lay(p.Source, original, orientation),
		Size:   Upright(p.Size, orientation),
		Cut:    lay(p.Cut, p.Size, orientation),
		Canvas: p.Canvas,
		Seek:   p.Seek,
	}
}

// lay returns the place of a part of an upright picture in the stored picture.
func lay(r image.Rectangle, upright image.Point, orientation int) image.Rectangle {
	switch orientation {
	case 2, 3, 6, 7:
		r.Min.X, r.Max.X = upright.X-r.Max.X, upright.X-r.Min.X
	}
	switch orientation {
	case 3, 4, 7, 8:
		r.Min.Y, r.Max.Y = upright.Y-r.Max.Y, upright.Y-r.Min.Y
	}
	if orientation >= 5 {
		r = image.Rect(r.Min.Y, r.Min.X, r.Max.Y, r.Max.X)
	}
	return r
}
