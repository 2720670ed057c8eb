// SPDX-License-Identifier: MIT

package tidy

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"thumbd/internal/thumb"
)

// kind is what became of an original.
type kind uint8

const (
	there kind = iota + 1
	deleted
	unknown
	elsewhere // on another machine
)

// known is what was found out about an original.
type known struct {
	name  string
	kind  kind
	mtime time.Time
}

// thumbnail returns what e is, if its name is that of a thumbnail.
func (r *run) thumbnail(e entry) (thumb.Thumb, bool) {
	// Also those of formats that are no longer negotiated.
	t, err := r.Thumb.Published(r.Thumb.Prefix+e.name, thumb.AVIF, thumb.WebP)
	return t, err == nil
}

// original looks at an original once for all of its thumbnails that follow one
// another, as they do in the signed schemes.
func (r *run) original(name string) known {
	if r.known.kind != 0 && r.known.name == name {
		return r.known
	}
	if r.Originals == nil {
		return known{kind: elsewhere}
	}
	r.known = known{name: name, kind: there}
	info, err := r.Originals.Stat(name)
	if err == nil {
		r.known.mtime = info.Mtime
		return r.known
	}
	r.known.kind = unknown
	if gone, err := r.Originals.Deleted(name); err == nil && gone {
		r.known.kind = deleted
	}
	return r.known
}

// lookAtOriginals finds out whether an original that is missing can be taken as
// deleted. It can't where the disk with the originals is not the one of before.
func (r *run) lookAtOriginals() {
	if r.Originals == nil {
		return
	}
	device, err := r.Originals.Device()
	switch {
	case err != nil:
		r.sum.Orphans = err.Error()
		device = 0
	case r.state.Device != 0 && r.state.Device != device:
		r.sum.Orphans = fmt.Sprintf("the originals are on another device than at the last gc (%#x, not %#x): "+
			"where most originals of thumbnails are found there, the next gc takes it", device, r.state.Device)
	}
	r.state.seen = device
}

// settle decides which device the next run is to find the originals on.
func (r *run) settle() {
	if r.state.seen != 0 && (r.state.Device == 0 || r.found > r.lost) {
		r.state.Device = r.state.seen
	}
}

// judge returns why e, a thumbnail of original, is to go, or "".
func (r *run) judge(e entry, original known) string {
	switch {
	case original.kind == deleted && r.sum.Orphans == "":
		return Orphan
	case original.kind == there && !sameTime(e.mtime(), original.mtime):
		return Stale
	case original.kind == elsewhere && r.Now.Sub(e.ctime()) > r.Lifetime:
		return Stale
	case r.Budget.Age > 0 && r.Now.Sub(e.ctime()) > r.Budget.Age:
		return Age
	}
	return ""
}

// grains are what file systems cut an mtime to that do not keep all of it.
var grains = []time.Duration{100 * time.Nanosecond, time.Microsecond, time.Second}

// sameTime reports whether a file has got the mtime of original, as far as its
// file system keeps it.
func sameTime(file, original time.Time) bool {
	return file.Equal(original) || slices.ContainsFunc(grains, func(grain time.Duration) bool {
		return file.Equal(original.Truncate(grain))
	})
}

// isGone reports whether an error is that a file, or a folder above it, is not
// there any more.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
