// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"time"
)

// Waiting counts the clients that wait for any flight.
func (k *Keeper) Waiting() int {
	_, callers := k.flights.Callers()
	return callers
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
