// SPDX-License-Identifier: MIT

package tidy

import (
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The cut takes the oldest, to the width of a bucket, and never more than it
// must.
func TestCut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, spread := range []time.Duration{time.Second, time.Hour, 400 * 24 * time.Hour} {
		const files = 50_000
		a := newAges()
		list := make([]time.Duration, files)
		for i := range list {
			list[i] = time.Duration(random.Int64N(int64(spread)))
			a.add(list[i], 10)
		}
		if most := max(narrow, spread*2/buckets); a.width > most {
			t.Errorf("%v: a width of %v, want at most %v", spread, a.width, most)
		}
		cut := a.cut(Count{Files: 20_000, Bytes: 20_000*10 - 5})
		var gone int
		youngestGone, oldestKept := spread, time.Duration(0)
		for _, age := range list {
			if cut.has(age) {
				cut.take(age, 10)
				gone++
				youngestGone = min(youngestGone, age)
			} else {
				oldestKept = max(oldestKept, age)
			}
		}
		if gone != 20_000 || !cut.enough() {
			t.Errorf("%v: %d went, want 20000", spread, gone)
		}
		if youngestGone+a.width < oldestKept {
			t.Errorf("%v: one of %v went and one of %v stayed, by more than %v", spread, youngestGone, oldestKept, a.width)
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Unix(10_000_000, 0)
	ago := func(d time.Duration) unix.Timespec { return unix.NsecToTimespec(now.Add(-d).UnixNano()) }
	for name, tt := range map[string]struct {
		flags        int64
		atime, ctime time.Duration // ago
		want         time.Duration
	}{
		"read since":                            {0, time.Hour, 48 * time.Hour, time.Hour},
		"never read":                            {0, 49 * time.Hour, 48 * time.Hour, 48 * time.Hour},
		"noatime":                               {unix.ST_NOATIME, time.Hour, 48 * time.Hour, 48 * time.Hour},
		"relatime, read a while ago":            {unix.ST_RELATIME, 30 * time.Hour, 48 * time.Hour, 6 * time.Hour},
		"relatime, perhaps read since":          {unix.ST_RELATIME, 3 * time.Hour, 48 * time.Hour, 0},
		"relatime, never read":                  {unix.ST_RELATIME, time.Hour, time.Hour, time.Hour},
		"read in the future, by a clock ahead":  {0, -time.Hour, time.Hour, 0},
		"relatime and noatime: the latter wins": {unix.ST_RELATIME | unix.ST_NOATIME, time.Hour, 2 * time.Hour, 2 * time.Hour},
	} {
		st := unix.Stat_t{Atim: ago(tt.atime), Ctim: ago(tt.ctime)}
		if got := (clock{now, tt.flags}).age(&st); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
