// SPDX-License-Identifier: MIT

// Package warm has thumbnails made ahead of time, by the thumbd that it asks, and
// counts what comes of it.
package warm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"thumbd/internal/serve"
)

// ErrRefused is that thumbd does not do what it is asked to: the site, or what is
// to be made, is not one that it has.
var ErrRefused = errors.New("refused")

// ErrFull is that thumbd has a disk that takes no thumbnails.
var ErrFull = errors.New("the disk is full or read-only: see thumbd's log")

// Options say what is made. All but the slices, Since and List must be set.
type Options struct {
	// Client connects to the handler for administrators, whatever the host.
	Client    *http.Client
	Site      string
	Selection serve.Selection
	// List has an original's name or path in each line; nil stands for all of the
	// site's. It is read to its end first. A Run that is interrupted meanwhile does
	// not wait for a Read, which may go on after it.
	List io.Reader
	// AtOnce is how many originals thumbd is asked for at once.
	AtOnce int
	// Patience is how long thumbd, once it has answered, may not answer, while
	// it is started again for example, before that is an error.
	Patience time.Duration
	Progress Progress
}

// Progress shows how far a Run is. Its methods are not called at the same time.
type Progress interface {
	// Begin says how many originals there are.
	Begin(total int)
	// Done says that one more original is done.
	Done()
	// Failed says that so many of an original's thumbnails are not there, and
	// why. It is called before the original's Done.
	Failed(original, reason string, thumbnails int)
	// End is called last.
	End()
}

// Summary counts what a Run has done.
type Summary struct {
	Originals int            // that were asked for, Skipped ones too
	Skipped   int            // originals, for being older
	Made      int            // thumbnails, as the others
	There     int            // before
	Failed    map[string]int // by reason
	Unread    int            // folders of originals that thumbd can't read
}

// Failures returns how many thumbnails failed, and why in words: "12 damaged, 8
// unsupported".
func (s Summary) Failures() (n int, why string) {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(s.Failed)) {
		n += s.Failed[reason]
		parts = append(parts, fmt.Sprintf("%d %s", s.Failed[reason], reason))
	}
	return n, strings.Join(parts, ", ")
}

// Run has all made that o says and is not there. Whatever ends it, what was
// made is there, and another Run goes on with the rest. Its error is ErrRefused,
// ErrFull, ctx's, or says why thumbd does not answer; failures are in the Summary, which
// is set with an error too.
func Run(ctx context.Context, o Options) (Summary, error) {
	r := &run{Options: o, sum: Summary{Failed: make(map[string]int)}}
	// Says what is wrong before a long list is read.
	if _, err := r.ask(ctx, "/warm", r.form("")); err != nil {
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

// run is one Run.
type run struct {
	Options
	mu  sync.Mutex // of sum and Progress
	sum Summary
}

// form returns what thumbd is asked to make of an original.
func (r *run) form(original string) url.Values {
	form := url.Values{"site": {r.Site}, "preset": r.Selection.Presets, "spec": r.Selection.Specs, "format": r.Selection.Formats}
	if !r.Selection.Since.IsZero() {
		form.Set("since", r.Selection.Since.Format(time.RFC3339Nano))
	}
	if original != "" {
		form.Set("original", original)
	}
	return form
}

// listAll adds the names of all of the site's originals.
func (r *run) listAll(ctx context.Context, names *list) error {
	return r.insist(ctx, func() error {
		if err := names.clear(); err != nil {
			return err
		}
		resp, err := r.post(ctx, "/originals", r.form(""))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var full error
		err = eachLine(resp.Body, func(line string) error {
			full = names.add(line)
			return full
		})
		if err != nil && full == nil {
			return fmt.Errorf("%w: %w", errAway, err)
		}
		if err != nil {
			return err
		}
		r.sum.Unread, err = strconv.Atoi(resp.Trailer.Get(serve.UnreadTrailer))
		return err
	})
}

// makeAll has the thumbnails of all names made, AtOnce at a time, until
// something is wrong with thumbd itself.
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

// makeOne has the thumbnails of one original made, and counts them.
func (r *run) makeOne(ctx context.Context, original string) error {
	made := 0
	var w serve.Warmed
	err := r.insist(ctx, func() (err error) {
		w, err = r.ask(ctx, "/warm", r.form(original))
		if err != nil {
			return err
		}
		// What was made by one that did not finish was not there before.
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

// passes reports whether f is not the original's.
func passes(f serve.Failure) bool { return f.Reason == serve.Shutdown || f.Reason == serve.Superseded }

// count counts what came of an original but for what was made. r.mu is held.
func (r *run) count(original string, w serve.Warmed) {
	r.sum.Originals++
	r.sum.There += w.There
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
