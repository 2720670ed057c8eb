// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// No request fails while thumbd is restarted again and again: the socket is
// not thumbd's, and what nginx has asked over a kept connection is asked again.
func TestRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	l := kit.StartLoad(t, 4, func(ctx context.Context, n int) error { return kit.MissAndHit(ctx, r, "a.jpg", n) })
	restarts := kit.Times(8, 500)
	for range restarts {
		l.Await(10)
		kit.StopDaemon(t, r)
		if err := r.StartDaemon(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d restarts, %d requests", restarts, l.End())
	kit.NoTempFiles(t, r, "gallery")
}

// The configuration is replaced under load, by good and by bad files.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	good := kit.Configuration(t, r)
	l := kit.StartLoad(t, 4, func(ctx context.Context, n int) error { return kit.MissAndHit(ctx, r, "a.jpg", n) })
	for i := range kit.Times(6, 200) {
		l.Await(5)
		text := good
		if i%3 == 1 {
			text += "unknown = 1\n"
		}
		kit.Reload(t, r, text)
	}
	l.End()
	kit.NoTempFiles(t, r, "gallery")
}
