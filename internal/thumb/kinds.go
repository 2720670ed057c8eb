// SPDX-License-Identifier: MIT

package thumb

import (
	"encoding"
	"fmt"
	"slices"
	"strconv"
)

// Value is the value of an option in a transform. Its type is the kind of the option, for
// example Number, and has the limits.
type Value interface {
	// parse sets the value from its text in URIs, and reports whether the text is valid: in
	// range, in its only spelling ("0.5", not "0.50") and not the value for off.
	parse(text string) bool
	// String returns the text, or "" if the option is off.
	fmt.Stringer
}

// Whole is a whole number from Least to Most; 0: off.
type Whole struct {
	To          *int
	Least, Most int
}

func (w Whole) parse(s string) (ok bool) { *w.To, ok = parseWhole(s, w.Least, w.Most); return ok }

// String implements Value.
func (w Whole) String() string { return formatWhole(*w.To) }

// Number is a number with at most two places, from Least to Most, for example from 30 to
// 50_00, 0.3 to 50; 0: off.
type Number struct {
	To          *Decimal
	Least, Most Decimal
}

func (n Number) parse(s string) (ok bool) { *n.To, ok = ParseDecimal(s, n.Least, n.Most); return ok }

// String implements Value.
func (n Number) String() string {
	if *n.To == 0 {
		return ""
	}
	return n.To.String()
}

// Truth is 1 for true; false: off.
type Truth struct{ To *bool }

func (t Truth) parse(s string) bool { *t.To = true; return s == "1" }

// String implements Value.
func (t Truth) String() string {
	if *t.To {
		return "1"
	}
	return ""
}

// Word is the text of another type, for example a Color; "": off.
type Word struct {
	To interface {
		encoding.TextUnmarshaler
		fmt.Stringer
	}
}

func (w Word) parse(s string) bool { return s != "" && w.To.UnmarshalText([]byte(s)) == nil }

// String implements Value.
func (w Word) String() string { return w.To.String() }

// QualityValue is 1 to 100, or auto; 0: off.
type QualityValue struct{ To *int }

func (q QualityValue) parse(s string) (ok bool) {
	if s == autoWord {
		*q.To = AutoQuality
		return true
	}
	*q.To, ok = parseWhole(s, 1, 100)
	return ok
}

// String implements Value.
func (q QualityValue) String() string {
	if *q.To == AutoQuality {
		return autoWord
	}
	return formatWhole(*q.To)
}

// OneFrame is 1, for the first frame of an animation alone; 0: off.
type OneFrame struct{ To *int }

func (o OneFrame) parse(s string) (ok bool) { *o.To, ok = parseWhole(s, 1, 1); return ok }

// String implements Value.
func (o OneFrame) String() string { return formatWhole(*o.To) }

// WatermarkName is the name of one of the site's watermarks; "": off.
type WatermarkName struct{ To *string }

func (w WatermarkName) parse(s string) bool { *w.To = s; return s != "" }

// String implements Value.
func (w WatermarkName) String() string { return *w.To }

// version is 1 to 32 letters and digits; "": off.
type version struct{ to *string }

func (v version) parse(s string) bool {
	*v.to = s
	other := func(c byte) bool { return !isLetter(c) && (c < '0' || c > '9') }
	return len(s) >= 1 && len(s) <= 32 && !slices.ContainsFunc([]byte(s), other)
}

// String implements Value.
func (v version) String() string { return *v.to }

// formatWhole returns n, or nothing for 0.
func formatWhole(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
