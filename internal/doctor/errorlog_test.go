// SPDX-License-Identifier: MIT

package doctor

import (
	"testing"
	"time"
)

func TestLastAbout(t *testing.T) {
	const log = `2026/11/29 10:00:00 [error] 1#1: *1 old, request: "GET /a.jpg HTTP/1.1"
2026/11/29 10:00:05 [error] 1#1: *2 first, request: "GET /a.jpg HTTP/1.1"
2026/11/29 10:00:05 [crit] 1#1: *3 last, request: "GET /a.jpg HTTP/1.1"
2026/11/29 10:00:06 [error] 1#1: *4 another, request: "GET /b.jpg HTTP/1.1"
no date /a.jpg
x
`
	at := func(second, nanosecond int) time.Time {
		return time.Date(2026, 11, 29, 10, 0, second, nanosecond, time.Local)
	}
	for _, tt := range []struct {
		since time.Time
		uri   string
		want  string
	}{
		{at(5, 999), "/a.jpg", `[crit] 1#1: *3 last, request: "GET /a.jpg HTTP/1.1"`},
		{at(6, 0), "/a.jpg", ""},
		{at(0, 0), "/c.jpg", ""},
		{at(0, 0), "/b.jpg", `[error] 1#1: *4 another, request: "GET /b.jpg HTTP/1.1"`},
	} {
		if got := lastAbout(log, tt.uri, tt.since); got != tt.want {
			t.Errorf("%s since %v: %q, want %q", tt.uri, tt.since, got, tt.want)
		}
	}
}
