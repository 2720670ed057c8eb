// SPDX-License-Identifier: MIT

package main

import (
	"testing"
	"time"
)

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 3, 4, 5, 6, 7, 8, zone)
	for text, want := range map[string]time.Time{
		"":                     {},
		"2026-01-31":           time.Date(2026, 1, 31, 0, 0, 0, 0, zone),
		"2026-01-31 18:00":     time.Date(2026, 1, 31, 18, 0, 0, 0, zone),
		"2026-01-31 18:00:09":  time.Date(2026, 1, 31, 18, 0, 9, 0, zone),
		"2026-01-31T18:00:00Z": time.Date(2026, 1, 31, 18, 0, 0, 0, time.UTC),
		"36h":                  now.Add(-36 * time.Hour),
		"1h30m":                now.Add(-90 * time.Minute),
		"7d":                   now.Add(-7 * 24 * time.Hour),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-1h", "-3d", "d", "7", "2026-13-01", "31.1.2026", "1.5d", "99999d", " "} {
		if got, err := parseSince(text, now); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}
