// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"sync"
	"testing"

	"thumbd/internal/test/rig"
)

// load is clients that ask without a pause.
type load struct {
	t    *testing.T
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu   sync.Mutex
	more *sync.Cond
	last int // request begun
	done int // requests
}

// startLoad has clients call ask, each time with another n, until end is
// called or the test ends. An error of ask fails the test.
func startLoad(t *testing.T, clients int, ask func(ctx context.Context, n int) error) *load {
	t.Helper()
	// What has been asked is answered before a load ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*patience)
	if *campaign {
		ctx, cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	}
	running, stop := context.WithCancel(t.Context())
	l := &load{t: t, stop: stop}
	l.more = sync.NewCond(&l.mu)
	for range clients {
		l.wg.Go(func() {
			for running.Err() == nil {
				l.mu.Lock()
				l.last++
				n := l.last
				l.mu.Unlock()
				if err := ask(ctx, n); err != nil {
					t.Errorf("request %d: %v", n, err)
				}
				l.mu.Lock()
				l.done++
				l.more.Broadcast()
				l.mu.Unlock()
			}
		})
	}
	t.Cleanup(func() {
		l.end()
		cancel()
	})
	return l
}

// await returns when n more requests have been answered.
func (l *load) await(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for until := l.done + n; l.done < until; {
		l.more.Wait()
	}
}

// end returns when all that was asked is answered, and how much that was.
func (l *load) end() int {
	l.stop()
	l.wg.Wait()
	return l.done
}

// spec is a transform that differs for every n below two million, of a picture
// of 240x160 or more, with the size of its thumbnail.
func spec(n int) (text string, width, height int) {
	width, height = 20+n%200, 10+n/200%100
	return fmt.Sprintf("%dx%d_crop_q=%d", width, height, 1+n/20_000%100), width, height
}

// missAndHit asks for a thumbnail that is not there, and then for the same.
func missAndHit(ctx context.Context, r *rig.Rig, original string, n int) error {
	text, w, h := spec(n)
	for range 2 {
		resp, err := r.Get(ctx, target(original, text, "jpg"))
		if err != nil {
			return err
		}
		if resp.Status != 200 {
			return fmt.Errorf("status %d, reason %q", resp.Status, resp.Header.Get("X-Thumbd-Reason"))
		}
		if err := decode(resp.Body, w, h); err != nil {
			return err
		}
	}
	return nil
}

// decode returns an error unless b is a whole picture of that size; a size of
// 0x0 is any.
func decode(b []byte, width, height int) error {
	img, format, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("%d bytes: %w", len(b), err)
	}
	if got, want := img.Bounds().Size(), image.Pt(width, height); want != (image.Point{}) && got != want {
		return fmt.Errorf("a %s of %v, want %v", format, got, want)
	}
	return nil
}

// No request fails while thumbd is restarted again and again: the socket is
// not thumbd's, and what nginx has asked over a kept connection is asked again.
func TestRestartsUnderLoad(t *testing.T) {
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}})
	l := startLoad(t, 4, func(ctx context.Context, n int) error { return missAndHit(ctx, r, "a.jpg", n) })
	restarts := times(20, 500)
	for range restarts {
		l.await(10)
		stopDaemon(t, r)
		if err := r.StartDaemon(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d restarts, %d requests", restarts, l.end())
	noTempFiles(t, r, "gallery")
}

// The configuration is replaced under load, by good and by bad files.
func TestReloadsUnderLoad(t *testing.T) {
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}})
	good := configuration(t, r)
	l := startLoad(t, 4, func(ctx context.Context, n int) error { return missAndHit(ctx, r, "a.jpg", n) })
	for i := range times(10, 200) {
		l.await(5)
		text := good
		if i%3 == 1 {
			text += "unknown = 1\n"
		}
		reload(t, r, text)
	}
	l.end()
	noTempFiles(t, r, "gallery")
}
