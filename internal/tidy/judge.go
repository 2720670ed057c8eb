// SPDX-License-Identifier: MIT

package tidy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"thumbd/internal/originals"
	"thumbd/internal/recipe"
	"thumbd/internal/stamp"
	"thumbd/internal/thumb"
)

// kind is the state of an original.
type kind uint8

const (
	there kind = iota + 1
	deleted
	unknown
	elsewhere // on another machine, which tells nothing
)

// known is the state of one original.
type known struct {
	name    string
	kind    kind
	version stamp.Original
}

// thumbnail returns the thumbnail that e's name stands for, if it is one.
func (r *run) thumbnail(e entry) (thumb.Thumb, bool) {
	t, err := r.Thumb.Published(r.Thumb.Prefix + e.name)
	if err != nil {
		return t, false
	}
	return t.Reading(func(original string) bool { return r.original(original).kind != deleted }), true
}

// original returns the state of an original. It looks at the disk once for
// consecutive thumbnails of one original, as the signed schemes have them.
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
		r.known.version = info.Version()
		return r.known
	}
	r.known.kind = unknown
	if gone, err := r.Originals.Deleted(name); err == nil && gone {
		r.known.kind = deleted
	}
	return r.known
}

// lookAtOriginals finds out whether a missing original counts as deleted. It
// does not if the originals are on another device than at the last run: the
// disk may not be mounted.
func (r *run) lookAtOriginals() {
	if r.Originals == nil {
		return
	}
	device, err := r.Originals.Device()
	switch {
	case errors.Is(err, originals.ErrUnlisted):
		// The source has no lists: only a thumbnail's age decides, as without a source.
		r.sum.Orphans, r.Originals, device = err.Error(), nil, 0
	case err != nil:
		r.sum.Orphans = err.Error()
		device = 0
	case r.device() != 0 && r.device() != device:
		r.sum.Orphans = fmt.Sprintf("the originals are on another device than at the last gc (%#x, not %#x): "+
			"where most originals of thumbnails are found there, the next gc takes it", device, r.device())
	}
	r.state.seen = device
}

// mostMachines are remembered. Containers have a new name at each start.
const mostMachines = 100

// machine returns the name of this machine.
func machine() string {
	name, _ := os.Hostname()
	return name
}

// device returns the device of the originals at the last run of this machine, or 0.
func (r *run) device() uint64 { return r.state.Devices[machine()] }

// settle sets the device on which the next run of this machine expects the originals.
func (r *run) settle() {
	if r.state.seen == 0 || r.device() != 0 && r.found <= r.lost {
		return
	}
	if r.state.Devices == nil || len(r.state.Devices) >= mostMachines && r.device() == 0 {
		r.state.Devices = make(map[string]uint64)
	}
	r.state.Devices[machine()] = r.state.seen
}

// judge returns the reason to remove e, a thumbnail of original, or "".
func (r *run) judge(e entry, original known) string {
	switch {
	case original.kind == deleted && r.sum.Orphans == "":
		return Orphan
	case original.kind == there && !r.fresh(e, original):
		return Stale
	case original.kind == elsewhere && r.Now.Sub(e.ctime()) > r.Lifetime:
		return Stale
	case r.Budget.Age > 0 && r.Now.Sub(e.ctime()) > r.Budget.Age:
		return Age
	}
	return ""
}

// fresh reports whether e is the thumbnail of an original as it is now. The
// daemon purges the thumbnails of another configuration, so each configuration
// that has made some of the tree counts.
func (r *run) fresh(e entry, original known) bool {
	return slices.ContainsFunc(r.made, func(c recipe.Change) bool {
		return c.Fresh(r.Thumb.Prefix+e.name, e.mtime(), original.version)
	})
}

// readSettings sets made to the changes from each configuration that has made
// the tree to itself. A tree that does not tell was made by the present one.
func (r *run) readSettings() error {
	data, err := r.Tree.Settings()
	if err != nil {
		return err
	}
	var made []recipe.Settings
	if err := json.Unmarshal(data, &made); err != nil || len(made) == 0 {
		made = []recipe.Settings{recipe.Of(r.Thumb, nil)}
	}
	for _, s := range made {
		r.made = append(r.made, recipe.NewChange(nil, s))
	}
	return nil
}

// isGone reports whether an error is that a file, or a folder above it, is not
// there any more.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
