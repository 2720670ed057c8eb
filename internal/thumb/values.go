// SPDX-License-Identifier: MIT

package thumb

import (
	"fmt"
	"strconv"
	"strings"
)

// Decimal is a number with at most two places, in hundredths. Its text is the shortest
// possible, for example "0.5", or "0".
type Decimal int32

// ParseDecimal parses the text of a Decimal, and reports whether the text is valid: from
// least to most, and in its only spelling, "0.5" and not "0.50".
func ParseDecimal(s string, least, most Decimal) (Decimal, bool) {
	whole, places, _ := strings.Cut(s, ".")
	n, err := strconv.Atoi(whole)
	if err != nil || n < 0 || n > 1_000_000 || len(places) > 2 {
		return 0, false
	}
	fraction := 0
	if places != "" {
		if fraction, err = strconv.Atoi((places + "0")[:2]); err != nil || fraction < 0 {
			return 0, false
		}
	}
	d := Decimal(100*n + fraction)
	return d, d >= least && d <= most && d.String() == s
}

// String returns d without a zero too many.
func (d Decimal) String() string {
	return strconv.FormatFloat(d.Float(), 'f', -1, 64)
}

// Float returns d as a floating point number.
func (d Decimal) Float() float64 { return float64(d) / 100 }

// Focus is the point of an original, in percent of its width and height, that
// Crop keeps as near to the middle as it can. The zero Focus is the middle
// itself, crop's own, and has no name in URIs.
type Focus struct {
	Right, Down Decimal // of the middle, -50 to 50
}

const middle Decimal = 50 * 100

// NewFocus returns the focus x percent from the left and y from the top, each
// 0 to 100.
func NewFocus(x, y Decimal) Focus { return Focus{x - middle, y - middle} }

// Point returns the focus in percent from the left and from the top.
func (f Focus) Point() (x, y Decimal) { return f.Right + middle, f.Down + middle }

// String returns "X:Y", or nothing for the middle.
func (f Focus) String() string {
	if f == (Focus{}) {
		return ""
	}
	x, y := f.Point()
	return x.String() + ":" + y.String()
}

// MarshalText implements encoding.TextMarshaler.
func (f Focus) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText accepts X:Y, but not that of the middle, and nothing for it.
func (f *Focus) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*f = Focus{}
		return nil
	}
	left, top, _ := strings.Cut(string(b), ":")
	x, okX := ParseDecimal(left, 0, 2*middle)
	y, okY := ParseDecimal(top, 0, 2*middle)
	if !okX || !okY {
		return fmt.Errorf(`want two numbers from 0 to 100 with at most two places, such as "30:62.5", have %q`, b)
	}
	if *f = NewFocus(x, y); *f == (Focus{}) {
		return fmt.Errorf("%q is the middle, which is the default", b)
	}
	return nil
}

// Color is an opaque color, or none, the zero Color.
type Color uint32

const someColor Color = 1 << 24

// NewColor returns the color of 8-bit sRGB values.
func NewColor(r, g, b uint8) Color {
	return someColor | Color(r)<<16 | Color(g)<<8 | Color(b)
}

// RGB returns c's sRGB values. There are some unless c is none.
func (c Color) RGB() (r, g, b uint8, some bool) {
	return uint8(c >> 16), uint8(c >> 8), uint8(c), c != 0
}

// String returns "rrggbb", or nothing for none.
func (c Color) String() string {
	if c == 0 {
		return ""
	}
	return fmt.Sprintf("%06x", uint32(c&^someColor))
}

// MarshalText implements encoding.TextMarshaler.
func (c Color) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts six hexadecimal digits in lower case, and nothing for
// none.
func (c *Color) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*c = 0
		return nil
	}
	n, err := strconv.ParseUint(string(b), 16, 24)
	*c = someColor | Color(n)
	if err != nil || c.String() != string(b) {
		return fmt.Errorf(`want a color such as "ff8000", in lower case, have %q`, b)
	}
	return nil
}

// Watermark is how a picture is laid over a thumbnail. The zero Watermark is
// none.
type Watermark struct {
	Name     string
	Opacity  Decimal // 0 to 1
	Position Gravity // where it lies; Center has no name in TOML
	Scale    Decimal // its width of the thumbnail's, 0 to 1; 0: its own
}
