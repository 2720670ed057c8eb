// SPDX-License-Identifier: MIT

package stamp

import (
	"testing"
	"time"
)

var mtime = time.Unix(1_600_000_000, 123_456_789)

// A thumbnail is 1 to 4095 seconds older than its original, to the nanosecond,
// and another recipe or size gives another time. The first value is computed
// without this package:
//
//	printf '4096\n400x300_crop.jpg' | sha256sum | cut -c1-16    # mod 4095
func TestOf(t *testing.T) {
	o := Original{mtime, 4096}
	first := Of(o, "400x300_crop.jpg")
	if want := mtime.Add(-1*time.Second - 143*time.Second); !first.Equal(want) {
		t.Errorf("got %v before the original, want %v", mtime.Sub(first), mtime.Sub(want))
	}
	if again := Of(o, "400x300_crop.jpg"); !again.Equal(first) {
		t.Errorf("%v, and then %v", first, again)
	}
	for name, other := range map[string]time.Time{
		"another recipe": Of(o, "400x300_crop_q=70.jpg"),
		"another size":   Of(Original{mtime, 4097}, "400x300_crop.jpg"),
		"another mtime":  Of(Original{mtime.Add(time.Nanosecond), 4096}, "400x300_crop.jpg"),
	} {
		if other.Equal(first) {
			t.Errorf("%s: the same time", name)
		}
	}
	for n := range 10_000 {
		o := Original{mtime, int64(n)}
		if d := mtime.Sub(Of(o, "")); d < time.Second || d > 4095*time.Second || d%time.Second != 0 {
			t.Fatalf("size %d: %v before the original", n, d)
		}
	}
}

// Times that a file system may not hold are mapped to times that it does, and
// still differ.
func TestOfTimesOutOfRange(t *testing.T) {
	for _, seconds := range []int64{-1 << 40, -1, 0, 1, 4095, 1<<31 + 4096, 9_300_000_000, 1 << 40} {
		o := Original{time.Unix(seconds, 5), 1}
		at := Of(o, "a")
		if s := at.Unix(); s < 0 || s >= 1<<31 || at.Nanosecond() != 5 {
			t.Errorf("%d: %d.%09d", seconds, s, at.Nanosecond())
		}
		if at.Equal(Of(o, "b")) {
			t.Errorf("%d: the same time for two recipes", seconds)
		}
	}
}

func TestSame(t *testing.T) {
	for name, c := range map[string]struct {
		kept time.Time
		want bool
	}{
		"kept":            {mtime, true},
		"100 ns":          {mtime.Truncate(100), true},
		"microseconds":    {mtime.Truncate(time.Microsecond), true},
		"10 ms":           {mtime.Truncate(10 * time.Millisecond), true},
		"seconds":         {mtime.Truncate(time.Second), true},
		"two seconds":     {mtime.Truncate(2 * time.Second), true},
		"a second later":  {mtime.Add(time.Second), false},
		"a second before": {mtime.Add(-time.Second), false},
		"a nanosecond":    {mtime.Add(1), false},
	} {
		if got := Same(c.kept, mtime); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
