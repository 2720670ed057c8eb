// SPDX-License-Identifier: MIT

package tidy

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	buckets = 1 << 14
	// narrow is the width of a bucket at first.
	narrow = time.Millisecond
)

// ages counts files by age, in a fixed number of buckets. Their width doubles
// until the oldest file has one, so it is at most 2/buckets of its age.
type ages struct {
	width  time.Duration
	counts [buckets]Count
}

func newAges() *ages { return &ages{width: narrow} }

func (a *ages) add(age time.Duration, bytes int64) {
	for int64(age/a.width) >= buckets {
		a.double()
	}
	a.counts[age/a.width].add(bytes)
}

func (a *ages) double() {
	a.width *= 2
	for i := range a.counts {
		var c Count
		if 2*i < buckets {
			x, y := a.counts[2*i], a.counts[2*i+1]
			c = Count{x.Files + y.Files, x.Bytes + y.Bytes}
		}
		a.counts[i] = c
	}
}

// cut is the age at which a run begins to remove files. All files of older buckets are
// removed, and rest files of the cut's own bucket.
type cut struct {
	width  time.Duration
	bucket int // -1: all go
	rest   Count
	all    Count // what is to go in all
}

// cut returns the cut that removes at least as many files and bytes as over.
func (a *ages) cut(over Count) cut {
	c := cut{width: a.width, bucket: -1, rest: over, all: over}
	for i := buckets - 1; i >= 0; i-- {
		n := a.counts[i]
		if c.rest.Files <= n.Files && c.rest.Bytes <= n.Bytes {
			c.bucket = i
			break
		}
		c.rest.Files -= n.Files
		c.rest.Bytes -= n.Bytes
	}
	return c
}

// has reports whether a file of that age is to be removed.
func (c *cut) has(age time.Duration) bool {
	i := int(age / c.width)
	return i > c.bucket || i == c.bucket && (c.rest.Files > 0 || c.rest.Bytes > 0)
}

// take counts a file of that age that was removed.
func (c *cut) take(age time.Duration, bytes int64) {
	c.all.Files--
	c.all.Bytes -= bytes
	if int(age/c.width) == c.bucket {
		c.rest.Files--
		c.rest.Bytes -= bytes
	}
}

// enough reports whether as much was removed as the cut asks for.
func (c *cut) enough() bool { return c.all.Files <= 0 && c.all.Bytes <= 0 }

// clock tells when a file was used last, on one file system.
type clock struct {
	now   time.Time
	flags int64 // of statfs(2)
}

func clockOf(path string, now time.Time) (clock, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return clock{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return clock{now: now, flags: int64(st.Flags)}, nil
}

// relatimeStep is how old an atime is before the kernel renews it on a mount
// with relatime, see mount(8).
const relatimeStep = 24 * time.Hour

// String names the times that the clock reads, for example "atime (relatime)".
func (c clock) String() string {
	switch {
	case c.flags&unix.ST_NOATIME != 0:
		return "ctime, as the file system is mounted with noatime"
	case c.flags&unix.ST_RELATIME != 0:
		return "atime, which relatime keeps to a day"
	}
	return "atime"
}

// age returns how long ago a file was used.
//
// With relatime, the first read after publishing sets atime, and then one read a
// day. So a file that was ever read may have been used until a day after its
// atime, and age assumes that it was. If it did not, a file that is read all the
// time would be removed before a file that was made an hour ago and never read.
// If the file was never read, or its atime was set to the past, ctime counts.
func (c clock) age(st *unix.Stat_t) time.Duration {
	used, changed := time.Unix(st.Atim.Unix()), time.Unix(st.Ctim.Unix())
	switch {
	case c.flags&unix.ST_NOATIME != 0 || !used.After(changed):
		used = changed
	case c.flags&unix.ST_RELATIME != 0:
		used = used.Add(relatimeStep)
	}
	return max(c.now.Sub(used), 0)
}
