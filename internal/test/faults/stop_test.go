// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/rig"
)

// gated is a thumbd with one worker, which waits at the gate over every job.
func gated(t *testing.T, limits string) (r *rig.Rig, gatePath string) {
	t.Helper()
	gatePath = newGate(t)
	return start(t, rig.Options{
		Sites: []rig.Site{gallery(t, jpgs(t))},
		TOML:  "[daemon]\nworkers = 1\n[limits]\n" + limits,
		Env:   faulty(t, gate, gatePath),
	}), gatePath
}

// stopping tells thumbd to stop and returns once it has begun to.
func stopping(t *testing.T, r *rig.Rig) {
	t.Helper()
	if err := r.SignalDaemon(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitNotified(t, r, 1, "STOPPING=1")
}

// What runs when thumbd is told to stop is finished and published, whether
// somebody waits for it or not.
func TestStopInTheMiddleOfARender(t *testing.T) {
	for name, clientGoes := range map[string]bool{"with a client": false, "whose client has gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, path := gated(t, "")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			client, leave := context.WithCancel(ctx)
			defer leave()
			uri := signed("/thumbs/", "a.jpg", "20x20_crop", "jpg")
			running := ask(client, r, rig.Escape(uri))
			held := atGate(t, path)
			if clientGoes {
				leave()
			}
			stopping(t, r)
			held.Close()
			if got := <-running; !clientGoes {
				picture(t, got.Response, "jpeg", 20, 20)
			}
			<-r.DaemonDone()
			published, err := os.ReadFile(r.File("gallery", uri))
			if err != nil {
				t.Fatal(err)
			}
			if err := decode(published, 20, 20); err != nil {
				t.Error(err)
			}
			noTempFiles(t, r, "gallery")
		})
	}
}

// What waits for a worker when thumbd is told to stop is rendered too while
// there is time, which is one render_time, and refused after that.
func TestStopWithAQueue(t *testing.T) {
	const limit = 2 * time.Second
	r, path := gated(t, fmt.Sprintf("render_time = %q\nqueue = 2", limit))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := ask(ctx, r, target("a.jpg", "20x20_crop", "jpg"))
	held := atGate(t, path)
	waiting := fillQueue(ctx, t, r, "b.jpg", "c.jpg", "d.jpg")
	stopping(t, r)
	// The second render's time is to end after that for the queue.
	<-time.After(limit / 4)
	held.Close()
	picture(t, (<-first).Response, "jpeg", 20, 20)
	held = atGate(t, path)
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
	noTempFiles(t, r, "gallery")
}
