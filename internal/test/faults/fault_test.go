// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

func TestWorkerFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		fault  string
		status int
		reason string
		again  string // reason of the same request once more
		line   []string
	}{
		"a crash and a crash of the retry": {kit.Crash, 500, "crashed", "quarantined", []string{"a.jpg", "crashed"}},
		"a render past its deadline":       {kit.Hang, 504, "deadline", "deadline", []string{"a.jpg", "deadline"}},
		"an original that keeps changing":  {kit.Touch, 503, "original-changed", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			originals := kit.JPGs(t)
			// Only the one that waits for the deadline has a short one: the others start a
			// second worker within theirs.
			limit := "1m"
			if tt.fault == kit.Hang {
				limit = "1s"
			}
			r := kit.Start(t, rig.Options{
				Sites: []rig.Site{kit.Gallery(t, originals)},
				TOML:  fmt.Sprintf("[daemon]\nworkers = 1\n[limits]\nrender_time = %q", limit),
				Env:   kit.Faulty(t, tt.fault, filepath.Join(originals, "a.jpg")),
			})
			resp := kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
			kit.Expect(t, resp, tt.status, tt.reason)
			if got, want := resp.Header.Get("Retry-After") != "", tt.status == 503; got != want {
				t.Errorf("Retry-After: %v, want %v", got, want)
			}
			if tt.again != "" {
				again := kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
				if got := again.Header.Get("X-Thumbd-Reason"); got != tt.again {
					t.Errorf("once more: reason %q, want %q", got, tt.again)
				}
				kit.WaitLog(t, r, 1, tt.line...)
			}
			kit.NoTempFiles(t, r, "gallery")
		})
	}
}

func TestOriginalThatChangesOnce(t *testing.T) {
	t.Parallel()
	originals := kit.JPGs(t)
	path := filepath.Join(originals, "a.jpg")
	if err := os.Chtimes(path, time.Time{}, kit.Old); err != nil {
		t.Fatal(err)
	}
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}, Env: kit.Faulty(t, kit.Once, path)})
	resp := kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
	kit.Picture(t, resp, "jpeg", 20, 20)
	// The same from an original that had this time from the beginning.
	aid.Must(t, os.Chtimes(path, time.Time{}, kit.Old.Add(time.Second)))
	again := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}})
	want := kit.Get(t, again, kit.Target("a.jpg", "20x20_crop", "jpg")).Header.Get("Last-Modified")
	if got := resp.Header.Get("Last-Modified"); got != want {
		t.Errorf("Last-Modified %q, want that of the change, %q", got, want)
	}
}

func TestQueueFull(t *testing.T) {
	t.Parallel()
	r, path := gated(t, "queue = 1")
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	running := kit.Ask(ctx, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
	held := aid.AtGate(t, path)

	waiting := fillQueue(ctx, t, r, "b.jpg", "c.jpg")
	held.Close()
	kit.Expect(t, (<-running).Response, 200, "")
	aid.AtGate(t, path).Close()
	kit.Expect(t, (<-waiting).Response, 200, "")
}

// fillQueue asks for a thumbnail of each original, one more than there is room
// for, and checks that one is refused. The others' replies come later.
func fillQueue(ctx context.Context, t *testing.T, r *rig.Rig, originals ...string) <-chan kit.Reply {
	t.Helper()
	replies := make(chan kit.Reply, len(originals))
	for _, original := range originals {
		go func() {
			resp, err := r.Get(ctx, kit.Target(original, "20x20_crop", "jpg"))
			replies <- kit.Reply{Response: resp, Err: err}
		}()
	}
	refused := <-replies
	if refused.Err != nil {
		t.Fatal(refused.Err)
	}
	kit.Expect(t, refused.Response, 503, "queue-full")
	if refused.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	return replies
}

func TestQueueTime(t *testing.T) {
	r, path := gated(t, "queue_time = \"1s\"")
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	running := kit.Ask(ctx, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
	held := aid.AtGate(t, path)
	kit.Expect(t, kit.Get(t, r, kit.Target("b.jpg", "20x20_crop", "jpg")), 503, "queue-time")
	held.Close()
	kit.Expect(t, (<-running).Response, 200, "")
}

// A client that goes away does not take the render from the one that comes
// after it: a second job would wait at the gate for ever.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	r, path := gated(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	first, leave := context.WithCancel(ctx)
	gone := kit.Ask(first, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
	held := aid.AtGate(t, path)
	leave()
	if got := <-gone; got.Err == nil {
		t.Fatalf("the client that left has an answer: %d", got.Status)
	}
	second := kit.Ask(ctx, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
	held.Close()
	kit.Picture(t, (<-second).Response, "jpeg", 20, 20)
	kit.StopDaemon(t, r)
	if n := r.Log.Count("rendered"); n != 1 {
		t.Errorf("%d renders, want 1", n)
	}
}
