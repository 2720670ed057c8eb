// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"testing"

	"thumbd/internal/test/rig"
)

// No request fails while thumbd is restarted again and again: the socket is
// not thumbd's, and what nginx has asked over a kept connection is asked again.
func TestRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}})
	l := startLoad(t, 4, func(ctx context.Context, n int) error { return missAndHit(ctx, r, "a.jpg", n) })
	restarts := times(8, 500)
	for range restarts {
		l.Await(10)
		stopDaemon(t, r)
		if err := r.StartDaemon(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d restarts, %d requests", restarts, l.End())
	noTempFiles(t, r, "gallery")
}

// The configuration is replaced under load, by good and by bad files.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}})
	good := configuration(t, r)
	l := startLoad(t, 4, func(ctx context.Context, n int) error { return missAndHit(ctx, r, "a.jpg", n) })
	for i := range times(6, 200) {
		l.Await(5)
		text := good
		if i%3 == 1 {
			text += "unknown = 1\n"
		}
		reload(t, r, text)
	}
	l.End()
	noTempFiles(t, r, "gallery")
}
