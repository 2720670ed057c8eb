// SPDX-License-Identifier: MIT

// Package stamp gives each thumbnail a modification time that depends on the version of
// its original and on its recipe.
//
// nginx makes ETag and Last-Modified of a file's modification time and size. If
// two different pictures under one URI had the same time, a browser that asks
// with If-Modified-Since would keep the wrong picture. So a thumbnail's
// time is the original's minus 1 to 4095 seconds. A hash of the original's
// size and of the recipe gives the number of seconds, the same on every node.
package stamp

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Original is one version of an original.
type Original struct {
	Mtime time.Time
	Size  int64 // bytes
}

// spread is the most seconds by which a thumbnail's time is before its original's.
const spread = 4095

// Of returns the modification time of a thumbnail of the original o. Two recipes have the
// same text only if they are equal, for example "400x300_crop_q=82.webp".
//
// Some file systems hold no time before 1970 or after 2038. A time outside of
// this range is mapped into it.
func Of(o Original, recipe string) time.Time {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%s", o.Size, recipe))
	seconds := o.Mtime.Unix() - 1 - int64(binary.BigEndian.Uint64(sum[:])%spread)
	const period = 1 << 31
	if seconds < 0 || seconds >= period {
		seconds = (seconds%period + period) % period
	}
	return time.Unix(seconds, int64(o.Mtime.Nanosecond()))
}

// grains are the units to which file systems cut a modification time, if they
// don't keep nanoseconds: NTFS, FUSE file systems, SMB, ext3 and HFS+, FAT.
var grains = []time.Duration{100 * time.Nanosecond, time.Microsecond, 10 * time.Millisecond, time.Second, 2 * time.Second}

// Same reports whether a file that was given the modification time given may
// now have the time kept, as far as file systems keep it.
func Same(kept, given time.Time) bool {
	return kept.Equal(given) || slices.ContainsFunc(grains, func(grain time.Duration) bool {
		return kept.Equal(given.Truncate(grain))
	})
}
