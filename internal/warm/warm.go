// SPDX-License-Identifier: MIT

// Package warm asks a thumbd to render thumbnails ahead of time, and counts the
// results.
package warm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/admin/client"
	"thumbd/internal/thumb"
)

// ErrRefused means that thumbd does not have the site, preset or format.
var ErrRefused = errors.New("refused")

// ErrFull means that the disk of the site's tree is full or read-only.
var ErrFull = errors.New("the disk is full or read-only: see thumbd's log")

// Options are the options of a Run. All but the slices, Since and List must be
// set.
type Options struct {
	Client    *client.Client
	Site      string
	Selection admin.Selection
	// List has the name or path of an original in each line; nil means all
	// originals of the site. Run reads it to its end first. If Run is interrupted
	// meanwhile, it does not wait for a Read, which may go on after it.
	List io.Reader
	// AtOnce is the number of concurrent requests to thumbd, one original each.
	AtOnce int
	// Patience is how long a thumbd that has answered before may be silent, for
	// example during a restart.
	Patience time.Duration
	Progress Progress
}

// Progress shows the progress of a Run. Its methods are never called concurrently.
type Progress interface {
	// Begin is called first, with the number of originals.
	Begin(total int)
	// Done is called after each original.
	Done()
	// Failed is called before the original's Done, with the number of its
	// thumbnails that failed for this reason.
	Failed(original, reason string, thumbnails int)
	// End is called last.
	End()
}

// Summary is the result of a Run.
type Summary struct {
	Originals int            // that were asked for, Skipped ones too
	Skipped   int            // originals, for being older
	Made      int            // thumbnails, as the others
	There     int            // before
	None      int            // variants that the originals do not have
	Failed    map[string]int // by reason
	Unread    int            // folders of originals that thumbd can't read
}

// Failures returns the number of thumbnails that failed, and the reasons in words:
// "12 damaged, 8 unsupported".
func (s Summary) Failures() (n int, why string) {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(s.Failed)) {
		n += s.Failed[reason]
		parts = append(parts, fmt.Sprintf("%d %s", s.Failed[reason], reason))
	}
	return n, strings.Join(parts, ", ")
}

// Run renders the missing thumbnails that o names. If it ends early, another Run
// continues with the rest. The error is ErrRefused, ErrFull, ctx's error, or says
// why thumbd does not answer. Failed thumbnails are in the Summary, which is set
// with an error too.
func Run(ctx context.Context, o Options) (Summary, error) {
	return o.run(ctx, func(ctx context.Context, original string) (admin.Warmed, error) {
		return o.Client.Warm(ctx, o.Site, o.Selection, original)
	})
}

// Describe calls each with every original that o names and its description, the file of
// package info. each may be called concurrently if AtOnce is over 1. If it returns a
// Failure, the original has failed; another error ends the run. Otherwise Describe is like
// Run: a Summary counts the descriptions as Made.
func Describe(ctx context.Context, o Options, each func(original string, file []byte) error) (Summary, error) {
	o.Selection = admin.Selection{Presets: []string{thumb.InfoName}}
	return o.run(ctx, func(ctx context.Context, original string) (admin.Warmed, error) {
		file, err := o.Client.Info(ctx, o.Site, original)
		refused, ok := errors.AsType[*client.Refused](err)
		switch {
		case original == "":
			return admin.Warmed{}, err
		case ok && !slices.Contains(noSites, refused.Reason):
			return admin.Warmed{Failed: []admin.Failure{{Name: original, Reason: refused.Reason}}}, nil
		case err != nil:
			return admin.Warmed{}, err
		}
		err = each(original, file)
		if why, ok := errors.AsType[Failure](err); ok {
			return admin.Warmed{Failed: []admin.Failure{{Name: original, Reason: string(why)}}}, nil
		}
		return admin.Warmed{Made: 1}, err
	})
}

// Failure is the reason why a caller of Describe can't take the description of one
// original, for example "the disk has no such name".
type Failure string

func (f Failure) Error() string { return string(f) }

// noSites are the reasons of a thumbd that has no sites for the moment.
var noSites = []string{"configuration", "no-worker", "held"}

// asking requests the thumbnails or the description of an original from thumbd. If
// original is "", it only checks that the site and the selection exist.
type asking func(ctx context.Context, original string) (admin.Warmed, error)

func (o Options) run(ctx context.Context, ask asking) (Summary, error) {
	r := &run{Options: o, asking: ask, sum: Summary{Failed: make(map[string]int)}}
	// A mistake is reported before a long list is read.
	if _, err := r.ask(ctx, ""); err != nil {
		return r.sum, err
	}
	names, err := newList()
	if err != nil {
		return r.sum, fmt.Errorf("list of originals: %w", err)
	}
	defer names.close()
	if o.List == nil {
		err = r.listAll(ctx, names)
	} else {
		err = readList(ctx, o.List, names)
	}
	if err != nil {
		return r.sum, fmt.Errorf("list of originals: %w", err)
	}
	o.Progress.Begin(names.count)
	defer o.Progress.End()
	return r.sum, r.makeAll(ctx, names)
}

// run is the state of one Run.
type run struct {
	Options
	asking
	mu  sync.Mutex // of sum and Progress
	sum Summary
}

// listAll adds the names of all originals of the site.
func (r *run) listAll(ctx context.Context, names *list) error {
	return r.insist(ctx, func() error {
		if err := names.clear(); err != nil {
			return err
		}
		unread, err := r.Client.EachOriginal(ctx, r.Site, r.Selection, names.add)
		r.sum.Unread = unread
		return away(err)
	})
}

// makeAll calls makeOne for all names, AtOnce at a time, until thumbd itself
// fails.
func (r *run) makeAll(ctx context.Context, names *list) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan string)
	var running sync.WaitGroup
	for range r.AtOnce {
		running.Go(func() {
			for name := range next {
				if err := r.makeOne(ctx, name); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := names.each(func(name string) error {
		select {
		case next <- name:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(next)
	running.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// makeOne asks for the thumbnails of one original, and counts them.
func (r *run) makeOne(ctx context.Context, original string) error {
	made := 0
	var w admin.Warmed
	err := r.insist(ctx, func() (err error) {
		w, err = r.ask(ctx, original)
		if err != nil {
			return err
		}
		// An earlier attempt that did not finish may have made some of them.
		w.There = max(w.There-made, 0)
		made += w.Made
		if i := slices.IndexFunc(w.Failed, passes); i >= 0 {
			return fmt.Errorf("%w: %s", errAway, w.Failed[i].Reason)
		}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Made += made
	if err != nil {
		return err
	}
	r.count(original, w)
	if w.Full {
		return ErrFull
	}
	return nil
}

// passes reports whether the cause of f passes by itself.
func passes(f admin.Failure) bool { return f.Reason == admin.Shutdown || f.Reason == admin.Superseded }

// count adds the results of one original, except those that were made. The caller
// holds r.mu.
func (r *run) count(original string, w admin.Warmed) {
	r.sum.Originals++
	r.sum.There += w.There
	r.sum.None += w.None
	if w.Skipped {
		r.sum.Skipped++
	}
	failed := make(map[string]int)
	for _, f := range w.Failed {
		failed[f.Reason]++
		r.sum.Failed[f.Reason]++
	}
	for _, reason := range slices.Sorted(maps.Keys(failed)) {
		r.Progress.Failed(original, reason, failed[reason])
	}
	r.Progress.Done()
}
