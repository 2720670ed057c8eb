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
	// set parses a value into t, and reports whether the value is valid: in range, in its
	// only spelling ("0.5", not "0.50") and not the value for off.
	set func(t *Thumb, value string) bool
	// get returns the value, or "" if the option is off.
	get func(t Thumb) string
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

// formatQuality returns the text that parseQuality parses, or "" for 0.
func formatQuality(quality int) string {
	if quality == AutoQuality {
		return autoWord
	}
	return formatWhole(quality)
}

// formatDecimal returns d as text, or "" for 0.
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
