// SPDX-License-Identifier: MIT

package thumb

import (
	"fmt"
	"strconv"
	"strings"
)

// option is one of a transform's options in URIs.
type option struct {
	name string
	// set parses the value and reports whether it is one, in its one spelling
	// and not the off value.
	set func(t *Thumb, value string) bool
	// get returns the value, or "" if the option is off.
	get func(t Thumb) string
}

// Limits of options, for URIs and presets alike.
const (
	LeastBlur, MostBlur       Decimal = 30, 5000
	LeastSharpen, MostSharpen Decimal = 10, 1000
)

// options are in alphabetical order; URIs must have them in this order. The names
// lossless, region, rotate and trim are reserved: do not give them another
// meaning.
var options = []option{
	{
		"bg",
		func(t *Thumb, v string) bool { return v != "" && t.Spec.Background.UnmarshalText([]byte(v)) == nil },
		func(t Thumb) string { return t.Spec.Background.String() },
	},
	{
		"blur",
		func(t *Thumb, v string) (ok bool) { t.Spec.Blur, ok = ParseDecimal(v, LeastBlur, MostBlur); return ok },
		func(t Thumb) string { return formatDecimal(t.Spec.Blur) },
	},
	{
		"dpr",
		func(t *Thumb, v string) (ok bool) { t.Spec.DPR, ok = parseWhole(v, 2, 4); return ok },
		func(t Thumb) string { return formatWhole(t.Spec.DPR) },
	},
	{
		"focus",
		func(t *Thumb, v string) bool {
			return v != "" && t.Spec.Focus.UnmarshalText([]byte(v)) == nil && t.Spec.Method == Crop
		},
		func(t Thumb) string { return t.Spec.Focus.String() },
	},
	{
		"frames",
		func(t *Thumb, v string) (ok bool) { t.Spec.Frames, ok = parseWhole(v, 1, 1); return ok },
		func(t Thumb) string { return formatWhole(t.Spec.Frames) },
	},
	{
		"gravity",
		func(t *Thumb, v string) bool {
			return v != "" && t.Spec.Gravity.UnmarshalText([]byte(v)) == nil &&
				t.Spec.Method == Crop && t.Spec.Focus == (Focus{})
		},
		func(t Thumb) string { return t.Spec.Gravity.String() },
	},
	{
		"gray",
		func(t *Thumb, v string) bool { t.Spec.Gray = true; return v == "1" },
		func(t Thumb) string { return formatTruth(t.Spec.Gray) },
	},
	{
		"q",
		func(t *Thumb, v string) (ok bool) { t.Spec.Quality, ok = parseQuality(v); return ok },
		func(t Thumb) string { return formatQuality(t.Spec.Quality) },
	},
	{
		"sharpen",
		func(t *Thumb, v string) (ok bool) {
			t.Spec.Sharpen, ok = ParseDecimal(v, LeastSharpen, MostSharpen)
			return ok
		},
		func(t Thumb) string { return formatDecimal(t.Spec.Sharpen) },
	},
	{
		"v",
		func(t *Thumb, v string) bool { t.Version = v; return isVersion(v) },
		func(t Thumb) string { return t.Version },
	},
	{
		"watermark",
		func(t *Thumb, v string) (ok bool) {
			t.Spec.Watermark.Name = v
			_, ok = t.Site.Watermarks[v]
			return ok
		},
		func(t Thumb) string { return t.Spec.Watermark.Name },
	},
}

// parseOptions parses NAME=VALUE_NAME=VALUE…, each at most once.
func (t *Thumb) parseOptions(s string) error {
	next := 0
	for field := range strings.SplitSeq(s, "_") {
		name, value, ok := strings.Cut(field, "=")
		for next < len(options) && options[next].name != name {
			next++
		}
		if !ok || next == len(options) || !options[next].set(t, value) {
			return fmt.Errorf("%w: option %q", ErrMalformed, field)
		}
		next++
	}
	return nil
}

// formatOptions returns the options as parseOptions parses them, each after a _.
func (t Thumb) formatOptions() string {
	var b strings.Builder
	for _, o := range options {
		if v := o.get(t); v != "" {
			b.WriteString("_" + o.name + "=" + v)
		}
	}
	return b.String()
}

func isVersion(v string) bool {
	for i := range len(v) {
		if !isLetter(v[i]) && (v[i] < '0' || v[i] > '9') {
			return false
		}
	}
	return len(v) >= 1 && len(v) <= 32
}

// formatWhole returns n, or nothing for 0.
func formatWhole(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// parseQuality parses 1 to 100, or auto.
func parseQuality(v string) (quality int, ok bool) {
	if v == autoWord {
		return AutoQuality, true
	}
	return parseWhole(v, 1, 100)
}

// formatQuality returns what parseQuality parses, or nothing for 0.
func formatQuality(quality int) string {
	if quality == AutoQuality {
		return autoWord
	}
	return formatWhole(quality)
}

// formatDecimal returns d, or nothing for 0.
func formatDecimal(d Decimal) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func formatTruth(on bool) string {
	if on {
		return "1"
	}
	return ""
}
