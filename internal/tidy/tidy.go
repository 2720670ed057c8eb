// SPDX-License-Identifier: MIT

// Package tidy keeps a site's tree to its originals and its budget, in memory
// that does not grow with the tree.
//
// A run reads the tree once and removes temp files of dead processes, thumbnails
// whose original was deleted or changed, thumbnails over the maximum age, and
// empty folders. It removes markers of deleted originals, too. If the rest is over
// the budget, the run reads the tree again and evicts the least recently used
// thumbnails. It keeps no list: the first pass counts ages in a histogram (see ages),
// and the second removes files that are older than the histogram says. So the order
// is exact to 1/8192 of the age of the oldest thumbnail.
//
// A run may go on beside daemons that publish, and may be killed at any moment.
// If a file's name is not the name of a thumbnail, the file stays.
//
// It is larger than other packages because one walk of the tree finds the orphans and
// counts the ages for the budget.
package tidy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/recipe"
	"thumbd/internal/root"
	"thumbd/internal/thumb"
)

// ErrRunning means that another process runs gc on the same tree.
var ErrRunning = errors.New("another gc of this tree is running")

// Budget is the limits of a tree. 0 means no limit.
type Budget struct {
	Bytes int64         // of the disk, that all thumbnails take
	Files int64         // thumbnails
	Age   time.Duration // since one was published, by ctime
	Free  int64         // bytes of the tree's file system, for ordinary users
}

// Site is a site as a run needs it. The caller closes its fields.
type Site struct {
	Thumb *thumb.Site
	// Originals is nil if the source can't report an original without opening it. A
	// thumbnail is then stale if it is older than Lifetime, by ctime. The same holds if
	// the originals can't be listed (originals.ErrUnlisted).
	Originals originals.Teller
	Lifetime  time.Duration
	Tree      *publish.Tree
	Budget    Budget
}

// The reasons to remove a file.
const (
	Temp   = "temp"   // of a process that is gone
	Orphan = "orphan" // its original was deleted
	Stale  = "stale"  // its original has changed, or may have in so long a time
	Age    = "age"    // older than the budget allows
	Unused = "unused" // least recently used, over the budget, and not just published
)

// Reasons are all reasons. If several are true of a file, the first one counts.
var Reasons = []string{Temp, Orphan, Stale, Age, Unused}

// Count is a number of files and of the bytes that they occupy on the disk.
type Count struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

func (c *Count) add(bytes int64) {
	c.Files++
	c.Bytes += bytes
}

// Summary is the result of a run; without Remove, the result that a run would
// have.
type Summary struct {
	Removed map[string]Count // by reason
	Folders int64            // empty ones, removed
	Kept    Count            // thumbnails that remain
	Foreign int64            // files that are no thumbnails, left alone
	// Unknown is the number of thumbnails that were kept because the run could
	// not tell whether their originals were deleted.
	Unknown int64
	// Orphans is the reason why no orphan was removed at all, or "".
	Orphans string
	// Clock names the times that tell when a thumbnail was used.
	Clock string
	// Left is the number of files and folders that another user or another machine has
	// made, so that the run could not look at them or remove them. LeftFirst has the
	// error of the first.
	Left      int64
	LeftFirst string
	// Over is true if the tree is still over its budget.
	Over bool
}

// Options are the options of a run.
type Options struct {
	// Remove is false for a run that changes nothing.
	Remove bool
	// Now is the time for the ages of files. If it is zero, it is the present.
	Now time.Time
	// clock is clockOf, except in tests.
	clock func(path string, now time.Time) (clock, error)
}

// Run runs gc on the tree of s. If ctx ends, it returns the summary so far and
// ctx's error. Errors of single files don't end it; it returns the first of
// them, unless they are the files of others (see Summary.Left). With Remove, a second run on the same tree returns ErrRunning.
func Run(ctx context.Context, s Site, o Options) (Summary, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.clock == nil {
		o.clock = clockOf
	}
	r := &run{Site: s, Options: o, sum: Summary{Removed: make(map[string]Count)}}
	if err := r.inTree(ctx); err != nil {
		return r.sum, fmt.Errorf("gc of site %s: %w", s.Thumb.Name, err)
	}
	return r.sum, nil
}

// run is one Run.
type run struct {
	Site
	Options
	root    *os.Root
	clock   clock
	state   state
	known   known
	made    []recipe.Change
	found   int64 // thumbnails whose originals are there
	lost    int64 // and those whose seem to have been deleted
	ordered bool  // entries of folders are visited in the order of names
	sum     Summary
	trouble trouble
}

func (r *run) inTree(ctx context.Context) error {
	dir := root.New(filepath.Join(r.Thumb.DocumentRoot, r.Thumb.Prefix))
	defer dir.Close()
	opened, release, err := dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		// Nothing was ever published.
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	r.root = opened
	if r.clock, err = r.Options.clock(dir.Path(), r.Now); err != nil {
		return err
	}
	r.sum.Clock = r.clock.String()
	if r.Remove {
		unlock, err := r.lock()
		if err != nil {
			return err
		}
		defer unlock()
	}
	r.state = r.readState()
	if err := r.readSettings(); err != nil {
		return err
	}
	r.lookAtOriginals()
	r.ordered = isOrdered(r.Originals)
	err = errors.Join(r.tidy(ctx, dir.Path()), r.trouble.error())
	r.sum.Left, r.sum.LeftFirst = r.trouble.left, r.trouble.leftFirst
	if r.Remove {
		err = errors.Join(err, r.report(err == nil))
	}
	return err
}

// tidy reads the tree once, and a second time if it is over the budget.
func (r *run) tidy(ctx context.Context, path string) error {
	files, bytes, err := r.Tree.Leftovers(r.Remove)
	r.trouble.add(err)
	if files > 0 {
		r.sum.Removed[Temp] = Count{files, bytes}
	}
	if r.Remove {
		r.trouble.add(r.Tree.DeleteBins(ctx))
	}
	ages := newAges()
	if err := r.walk(ctx, func(e entry) bool { return r.first(e, ages) }); err != nil {
		return err
	}
	if err := r.markers(ctx); err != nil {
		return err
	}
	over, err := r.over(path)
	if err != nil || over == (Count{}) {
		return err
	}
	if !r.Remove {
		// The second pass finds the folders of the first as they were.
		r.sum.Folders = 0
	}
	foreign, left := r.sum.Foreign, r.trouble.left
	r.trouble.left = 0
	cut := ages.cut(over)
	err = r.walk(ctx, func(e entry) bool { return r.second(e, &cut) })
	// The second pass meets most of them again.
	r.sum.Foreign, r.trouble.left = foreign, max(left, r.trouble.left)
	r.sum.Over = err == nil && !cut.enough()
	return err
}

// first removes e, or counts e if the budget decides.
func (r *run) first(e entry, ages *ages) (removed bool) {
	t, ok := r.thumbnail(e)
	if !ok {
		r.sum.Foreign++
		return false
	}
	v := r.original(t.Original)
	switch {
	case v.kind == there:
		r.found++
	case v.kind == deleted:
		r.lost++
	}
	if v.kind == unknown || v.kind == deleted && r.sum.Orphans != "" {
		r.sum.Unknown++
	}
	if why := r.judge(e, v); why != "" && r.remove(e, why) {
		return true
	}
	r.sum.Kept.add(e.bytes())
	ages.add(r.clock.age(&e.stat), e.bytes())
	return false
}

// young is an age: if a file is younger, it is not evicted, because nginx may have been
// redirected to it and not opened it yet.
const young = 2 * time.Second

// second removes e if it was used before the cut and is not young.
func (r *run) second(e entry, cut *cut) (removed bool) {
	t, ok := r.thumbnail(e)
	if !ok {
		return false
	}
	if !r.Remove && r.judge(e, r.original(t.Original)) != "" {
		// The first pass would have removed it.
		return true
	}
	age := r.clock.age(&e.stat)
	if !cut.has(age) || r.Now.Sub(e.ctime()) < young || !r.remove(e, Unused) {
		return false
	}
	cut.take(age, e.bytes())
	r.sum.Kept.Files--
	r.sum.Kept.Bytes -= e.bytes()
	return true
}

// trouble keeps the first of many errors, and counts apart the files of others.
type trouble struct {
	first error
	more  int

	left      int64
	leftFirst string
}

func (t *trouble) add(err error) {
	switch {
	case err == nil:
	case isOthers(err):
		if t.left++; t.leftFirst == "" {
			t.leftFirst = err.Error()
		}
	case t.first == nil:
		t.first = err
	default:
		t.more++
	}
}

func (t *trouble) error() error {
	if t.more == 0 {
		return t.first
	}
	return fmt.Errorf("%w, and %d more", t.first, t.more)
}

// isOthers reports whether an error is that a file belongs to another user, or that
// another machine has replaced it (ESTALE of a shared file system).
func isOthers(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ESTALE)
}
