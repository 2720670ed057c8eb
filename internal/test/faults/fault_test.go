// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

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
		"a crash and a crash of the retry": {crash, 500, "crashed", "quarantined", []string{"a.jpg", "crashed"}},
		"a render past its deadline":       {hang, 504, "deadline", "deadline", []string{"a.jpg", "deadline"}},
		"an original that keeps changing":  {touch, 503, "original-changed", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			originals := jpgs(t)
			// Only the one that waits for the deadline has a short one: the others start a
			// second worker within theirs.
			limit := "1m"
			if tt.fault == hang {
				limit = "1s"
			}
			r := start(t, rig.Options{
				Sites: []rig.Site{gallery(t, originals)},
				TOML:  fmt.Sprintf("[daemon]\nworkers = 1\n[limits]\nrender_time = %q", limit),
				Env:   faulty(t, tt.fault, filepath.Join(originals, "a.jpg")),
			})
			resp := get(t, r, target("a.jpg", "20x20_crop", "jpg"))
			expect(t, resp, tt.status, tt.reason)
			if got, want := resp.Header.Get("Retry-After") != "", tt.status == 503; got != want {
				t.Errorf("Retry-After: %v, want %v", got, want)
			}
			if tt.again != "" {
				again := get(t, r, target("a.jpg", "20x20_crop", "jpg"))
				if got := again.Header.Get("X-Thumbd-Reason"); got != tt.again {
					t.Errorf("once more: reason %q, want %q", got, tt.again)
				}
				waitLog(t, r, 1, tt.line...)
			}
			noTempFiles(t, r, "gallery")
		})
	}
}

func TestOriginalThatChangesOnce(t *testing.T) {
	t.Parallel()
	originals := jpgs(t)
	path := filepath.Join(originals, "a.jpg")
	if err := os.Chtimes(path, time.Time{}, old); err != nil {
		t.Fatal(err)
	}
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, originals)}, Env: faulty(t, once, path)})
	resp := get(t, r, target("a.jpg", "20x20_crop", "jpg"))
	picture(t, resp, "jpeg", 20, 20)
	// The same from an original that had this time from the beginning.
	must(t, os.Chtimes(path, time.Time{}, old.Add(time.Second)))
	again := start(t, rig.Options{Sites: []rig.Site{gallery(t, originals)}})
	want := get(t, again, target("a.jpg", "20x20_crop", "jpg")).Header.Get("Last-Modified")
	if got := resp.Header.Get("Last-Modified"); got != want {
		t.Errorf("Last-Modified %q, want that of the change, %q", got, want)
	}
}

func TestQueueFull(t *testing.T) {
	t.Parallel()
	r, path := gated(t, "queue = 1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	running := ask(ctx, r, target("a.jpg", "20x20_crop", "jpg"))
	held := atGate(t, path)

	waiting := fillQueue(ctx, t, r, "b.jpg", "c.jpg")
	held.Close()
	expect(t, (<-running).Response, 200, "")
	atGate(t, path).Close()
	expect(t, (<-waiting).Response, 200, "")
}

// fillQueue asks for a thumbnail of each original, one more than there is room
// for, and checks that one is refused. The others' replies come later.
func fillQueue(ctx context.Context, t *testing.T, r *rig.Rig, originals ...string) <-chan reply {
	t.Helper()
	replies := make(chan reply, len(originals))
	for _, original := range originals {
		go func() {
			resp, err := r.Get(ctx, target(original, "20x20_crop", "jpg"))
			replies <- reply{Response: resp, Err: err}
		}()
	}
	refused := <-replies
	if refused.Err != nil {
		t.Fatal(refused.Err)
	}
	expect(t, refused.Response, 503, "queue-full")
	if refused.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	return replies
}

func TestQueueTime(t *testing.T) {
	r, path := gated(t, "queue_time = \"1s\"")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	running := ask(ctx, r, target("a.jpg", "20x20_crop", "jpg"))
	held := atGate(t, path)
	expect(t, get(t, r, target("b.jpg", "20x20_crop", "jpg")), 503, "queue-time")
	held.Close()
	expect(t, (<-running).Response, 200, "")
}

// A client that goes away does not take the render from the one that comes
// after it: a second job would wait at the gate for ever.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	r, path := gated(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first, leave := context.WithCancel(ctx)
	gone := ask(first, r, target("a.jpg", "20x20_crop", "jpg"))
	held := atGate(t, path)
	leave()
	if got := <-gone; got.Err == nil {
		t.Fatalf("the client that left has an answer: %d", got.Status)
	}
	second := ask(ctx, r, target("a.jpg", "20x20_crop", "jpg"))
	held.Close()
	picture(t, (<-second).Response, "jpeg", 20, 20)
	stopDaemon(t, r)
	if n := r.Log.Count("rendered"); n != 1 {
		t.Errorf("%d renders, want 1", n)
	}
}
