// SPDX-License-Identifier: MIT

package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thumbd/internal/thumb"
)

// whole takes whole numbers from low to high.
func whole[T int | int64](dst *T, low, high T) setter {
	return func(v any) error {
		n, err := number(low, high)(v)
		if err == nil {
			*dst = n
		}
		return err
	}
}

func number[T int | int64](low, high T) func(any) (T, error) {
	return func(v any) (T, error) {
		n, ok := v.(int64)
		if !ok || n < int64(low) || n > int64(high) {
			return 0, fmt.Errorf("want a whole number from %d to %d, have %s", low, high, have(v))
		}
		return T(n), nil
	}
}

// quality takes 1 to 100, and "auto".
func quality(set func(int)) setter {
	return func(v any) error {
		n, err := number(1, 100)(v)
		if v == "auto" {
			n, err = thumb.AutoQuality, nil
		}
		if err != nil {
			return fmt.Errorf(`want a whole number from 1 to 100, or "auto", have %s`, have(v))
		}
		set(n)
		return nil
	}
}

// decimal takes numbers with at most two places.
func decimal(dst *thumb.Decimal, low, high thumb.Decimal) setter {
	return func(v any) error {
		text := ""
		switch n := v.(type) {
		case int64:
			text = strconv.FormatInt(n, 10)
		case float64:
			text = strconv.FormatFloat(n, 'f', -1, 64)
		}
		d, ok := thumb.ParseDecimal(text, low, high)
		if !ok {
			return fmt.Errorf("want a number from %v to %v with at most two places, have %s", low, high, have(v))
		}
		*dst = d
		return nil
	}
}

// firstFrame returns a setter for frames. The only value is 1, the first frame.
func firstFrame(dst *int) setter {
	return func(v any) error {
		if v != int64(1) {
			return fmt.Errorf("want 1, for the first alone, have %s", have(v))
		}
		*dst = 1
		return nil
	}
}

func truth(dst *bool) setter {
	return func(v any) error {
		b, ok := v.(bool)
		if !ok {
			return fmt.Errorf("want true or false, have %s", have(v))
		}
		*dst = b
		return nil
	}
}

// text returns a setter for a string. If check returns an error, the string is refused.
func text(dst *string, check func(string) error) setter {
	return func(v any) error {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("want text in quotes, have %s", have(v))
		}
		if err := check(s); err != nil {
			return err
		}
		*dst = s
		return nil
	}
}

// word takes one of the words of dst.
func word(dst encoding.TextUnmarshaler) setter {
	return func(v any) error {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("want a word in quotes, have %s", have(v))
		}
		return dst.UnmarshalText([]byte(s))
	}
}

// oneOf takes one of words.
func oneOf(dst *string, words ...string) setter {
	return func(v any) error {
		s, _ := v.(string)
		if !slices.Contains(words, s) {
			return fmt.Errorf("want %s, have %s", alternatives(words), have(v))
		}
		*dst = s
		return nil
	}
}

// oneStatus takes an HTTP status of a placeholder.
func oneStatus(dst *int) setter {
	return func(v any) error {
		if v != int64(200) && v != int64(404) {
			return fmt.Errorf("want 200 or 404, have %s", have(v))
		}
		*dst = int(v.(int64))
		return nil
	}
}

// list takes a list of different items.
func list[T comparable](dst *[]T, item func(any) (T, error)) setter {
	return func(v any) error {
		values, ok := v.([]any)
		if !ok {
			return fmt.Errorf("want a list in brackets, have %s", have(v))
		}
		items := make([]T, 0, len(values))
		var errs []error
		for _, v := range values {
			x, err := item(v)
			switch {
			case err != nil:
				errs = append(errs, err)
			case slices.Contains(items, x):
				errs = append(errs, fmt.Errorf("%s is there twice", have(v)))
			default:
				items = append(items, x)
			}
		}
		if errs != nil {
			return errors.Join(errs...)
		}
		*dst = items
		return nil
	}
}

// format returns a function that parses the name of a format, for example "webp". Formats
// outside of the list of are mistakes.
func format(of []thumb.Format) func(any) (thumb.Format, error) {
	var names []string
	for _, f := range of {
		names = append(names, f.String())
	}
	return func(v any) (thumb.Format, error) {
		s, _ := v.(string)
		i := slices.Index(names, s)
		if i < 0 {
			return 0, fmt.Errorf("want %s, have %s", alternatives(names), have(v))
		}
		return of[i], nil
	}
}

// alternatives returns "a, b or c" of at least two words.
func alternatives(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func level(dst *slog.Level) setter {
	return func(v any) error {
		switch v {
		case "debug":
			*dst = slog.LevelDebug
		case "info":
			*dst = slog.LevelInfo
		case "warn":
			*dst = slog.LevelWarn
		case "error":
			*dst = slog.LevelError
		default:
			return fmt.Errorf("want debug, info, warn or error, have %s", have(v))
		}
		return nil
	}
}

// duration takes times as Go writes them, "20s" or "1h30m".
func duration(dst *time.Duration, low, high time.Duration) setter {
	return func(v any) error {
		s, _ := v.(string)
		d, err := time.ParseDuration(s)
		if err != nil || d < low || d > high {
			return fmt.Errorf(`want a time from %s to %s such as "90s" or "10m", have %s`,
				durationText(low), durationText(high), have(v))
		}
		*dst = d
		return nil
	}
}

// durationText returns d without the zeros that d.String ends in.
func durationText(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// size takes bytes, as a whole number or as text with a unit: "64MiB".
func size(dst *int64, low, high int64) setter {
	return func(v any) error {
		n, ok := v.(int64)
		if s, isText := v.(string); isText {
			n, ok = parseSize(s)
		}
		if !ok || n < low || n > high {
			return fmt.Errorf(`want a size from %s to %s such as "64MiB", "1GiB" or 65536, have %s`,
				sizeText(low), sizeText(high), have(v))
		}
		*dst = n
		return nil
	}
}

func parseSize(s string) (bytes int64, ok bool) {
	factor := int64(1)
	for _, u := range units {
		if digits, found := strings.CutSuffix(s, u.name); found {
			s, factor = digits, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/factor {
		return 0, false
	}
	return int64(n) * factor, true
}

// sizeText returns bytes in the largest unit that gives a whole number, for example
// "64MiB".
func sizeText(bytes int64) string {
	for _, u := range units {
		if bytes%u.bytes == 0 {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}

var boxPattern = regexp.MustCompile(`^([1-9][0-9]{0,8})?x([1-9][0-9]{0,8})?$`)

// box takes "400x300", "400x" and "x300".
func box(width, height *int) setter {
	return func(v any) error {
		s, _ := v.(string)
		m := boxPattern.FindStringSubmatch(s)
		if m == nil || s == "x" {
			return fmt.Errorf(`want a size such as "400x300", "400x" or "x300", have %s`, have(v))
		}
		// A free dimension is empty text, and 0.
		*width, _ = strconv.Atoi(m[1])
		*height, _ = strconv.Atoi(m[2])
		return nil
	}
}
