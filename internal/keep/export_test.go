// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"time"
)

// Flight is the making of a thumbnail.
type Flight = flight

// AFlight returns any flight.
func (k *Keeper) AFlight() *Flight {
	k.flights.mu.Lock()
	defer k.flights.mu.Unlock()
	for _, fl := range k.flights.current {
		return fl
	}
	return nil
}

// Result returns the outcome of a flight that has ended.
func (fl *flight) Result() Outcome { return fl.outcome }

// Waiting counts the clients that wait for any flight.
func (k *Keeper) Waiting() int {
	k.flights.mu.Lock()
	defer k.flights.mu.Unlock()
	n := 0
	for _, fl := range k.flights.current {
		n += fl.waiters
	}
	return n
}

// WarmPlaces is how many originals are warmed at once.
func (k *Keeper) WarmPlaces() int { return cap(k.warming) }

// SetClock sets the clock of the log's lines.
func (k *Keeper) SetClock(now func() time.Time) { k.lines.Now = now }

// ReconcileSite returns the results of Reconcile.
func (k *Keeper) ReconcileSite(ctx context.Context, s *Site) (looked, removed int, err error) {
	return k.reconcile(ctx, s)
}

// MostCounted is more files of a purge than are counted.
var MostCounted = removals(mostCounted + 1).String()
