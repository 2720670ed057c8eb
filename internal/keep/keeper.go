// SPDX-License-Identifier: MIT

// Package keep makes the thumbnails of sites once, keeps them right and takes them
// away: a flight for each missing thumbnail, the purges, and the changes of originals
// and configurations.
//
// It does not know HTTP: neither it nor a package that it imports has net/http. make check
// looks for it.
//
// It has more files than other packages because all of them act on the flights and the
// ledgers of purges: with a border between them, a thumbnail that is being made
// could outlive its purge.
package keep

import (
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"thumbd/internal/tell"
)

// Options are a Keeper's.
type Options struct {
	Log *slog.Logger
	// Count is called for each Event, from any goroutine. nil: nothing is counted.
	Count func(Event)
	// Judge returns how an error is told.
	Judge func(error) Verdict
}

// Verdict is how an error is told to clients, administrators and the log.
type Verdict struct {
	Status int    // for the log, for example 404
	Reason string // one word, for example "no-original"
	// Ours: neither the client nor the original is the cause.
	Ours bool
	// Passing: the trouble is that of all requests, and it may pass.
	Passing bool
	// Shared: the trouble may be that of all originals of the site, so that one line
	// in the log tells enough.
	Shared bool
	// Known: an administrator need not know of it, for example a missing original.
	Known bool
	// NoOriginal: the original does not exist.
	NoOriginal bool
}

// Keeper has the thumbnails of its sites made, over all configurations. Its methods
// are safe for concurrent use.
type Keeper struct {
	options      Options
	sites        holder
	flights      *flights
	lines        *tell.Lines
	purges       *purges
	sampler      *tell.Sampler
	placeholders *placeholders
	sizes        *sizes
	warming      chan struct{} // has a place for each original at once
	behind       *behind
	// Work that is under way, and when the last of it ended.
	active atomic.Int64
	last   atomic.Int64 // nanoseconds since 1970
}

// New returns a Keeper that refuses all because of ErrConfiguration, until it has
// sites.
func New(o Options) *Keeper {
	if o.Count == nil {
		o.Count = func(Event) {}
	}
	k := &Keeper{
		options: o, sites: holder{used: make(map[*Sites]bool)}, flights: newFlights(), lines: tell.NewLines(), purges: newPurges(), sampler: tell.NewSampler(),
		placeholders: newPlaceholders(), sizes: newSizes(),
		// One more than work at once, so that each worker finds the next.
		warming: make(chan struct{}, runtime.GOMAXPROCS(0)+1),
		behind:  newBehind(runtime.GOMAXPROCS(0) + 1),
	}
	k.Refuse(ErrConfiguration)
	k.last.Store(time.Now().UnixNano())
	return k
}

// Idle returns the time since the last request for a thumbnail.
func (k *Keeper) Idle() time.Duration {
	if k.active.Load() > 0 {
		return 0
	}
	return time.Since(time.Unix(0, k.last.Load()))
}

// Busy counts work, so that the Keeper is not idle, until the function that it
// returns is called.
func (k *Keeper) Busy() (done func()) {
	k.active.Add(1)
	return func() {
		k.last.Store(time.Now().UnixNano())
		k.active.Add(-1)
	}
}

// Sites returns the present sites. The caller gives them back by Release. If there are
// none, the error has the cause.
func (k *Keeper) Sites() (*Sites, error) { return k.sites.acquire() }

// SetSites has later requests go to these sites. Renders that run publish
// nothing any more that these make otherwise. The function that it returns
// waits until nothing uses the sites of before any more.
func (k *Keeper) SetSites(s *Sites) (wait func()) {
	k.purges.equip(s)
	old, unused := k.sites.swap(s, nil)
	forget := supersede(old, s)
	return func() {
		unused()
		forget()
	}
}

// Refuse has later requests refused because of cause, ErrConfiguration for one.
// The function that it returns waits until nothing uses the sites of before.
func (k *Keeper) Refuse(cause error) (wait func()) {
	_, wait = k.sites.swap(nil, cause)
	return wait
}

// tellLeft tells how many lines were left out, if any were.
func (k *Keeper) tellLeft(left int) {
	if left > 0 {
		k.options.Log.Info("renders left out of the log", "lines", left)
	}
}
