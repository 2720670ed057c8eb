// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// gated is a thumbd with one worker, which waits at the gate over every job.
func gated(t *testing.T, limits string) (r *rig.Rig, gatePath string) {
	t.Helper()
	gatePath = aid.NewGate(t, filepath.Join(t.TempDir(), "gate"))
	return kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))},
		TOML:  "[daemon]\nworkers = 1\n[limits]\n" + limits,
		Env:   kit.Faulty(t, kit.Gate, gatePath),
	}), gatePath
}

// stopping tells thumbd to stop and returns once it has begun to.
func stopping(t *testing.T, r *rig.Rig) {
	t.Helper()
	if err := r.SignalDaemon(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	kit.WaitNotified(t, r, 1, "STOPPING=1")
}

// What runs when thumbd is told to stop is finished and published, whether
// somebody waits for it or not.
func TestStopInTheMiddleOfARender(t *testing.T) {
	for name, clientGoes := range map[string]bool{"with a client": false, "whose client has gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, path := gated(t, "")
			ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
			defer cancel()
			client, leave := context.WithCancel(ctx)
			defer leave()
			uri := kit.Signed("/thumbs/", "a.jpg", "20x20_crop", "jpg")
			running := kit.Ask(client, r, rig.Escape(uri))
			held := aid.AtGate(t, path)
			if clientGoes {
				leave()
			}
			stopping(t, r)
			held.Close()
			if got := <-running; !clientGoes {
				kit.Picture(t, got.Response, "jpeg", 20, 20)
			}
			<-r.DaemonDone()
			published, err := os.ReadFile(r.File("gallery", uri))
			if err != nil {
				t.Fatal(err)
			}
			if err := kit.Decode(published, 20, 20); err != nil {
				t.Error(err)
			}
			kit.NoTempFiles(t, r, "gallery")
		})
	}
}

// What waits for a worker when thumbd is told to stop is rendered too while
// there is time, which is one render_time, and refused after that.
func TestStopWithAQueue(t *testing.T) {
	const limit = 2 * time.Second
	r, path := gated(t, fmt.Sprintf("render_time = %q\nqueue = 2", limit))
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	first := kit.Ask(ctx, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
	held := aid.AtGate(t, path)
	waiting := fillQueue(ctx, t, r, "b.jpg", "c.jpg", "d.jpg")
	stopping(t, r)
	// The second render's time is to end after that for the queue.
	<-time.After(limit / 4)
	held.Close()
	kit.Picture(t, (<-first).Response, "jpeg", 20, 20)
	held = aid.AtGate(t, path)
	defer held.Close()
	got := map[string]int{}
	for range 2 {
		r := <-waiting
		got[fmt.Sprint(r.Status, r.Header.Get("X-Thumbd-Reason"))]++
	}
	if diff := cmp.Diff(map[string]int{"503shutdown": 1, "504deadline": 1}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	<-r.DaemonDone()
	kit.NoTempFiles(t, r, "gallery")
}
