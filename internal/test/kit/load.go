// SPDX-License-Identifier: MIT

package kit

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"sync"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/rig"
)

// Load is a number of clients that send one request after the other, without a pause.
type Load struct {
	t    *testing.T
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu   sync.Mutex
	more *sync.Cond
	last int // request begun
	done int // requests
}

// StartLoad lets clients call ask, each time with another n, until end is called or the
// test ends. If ask returns an error, the test fails.
func StartLoad(t *testing.T, clients int, ask func(ctx context.Context, n int) error) *Load {
	t.Helper()
	// A load ends after the answers to all of its requests.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*aid.Patience)
	if *Campaign {
		ctx, cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	}
	running, stop := context.WithCancel(t.Context())
	l := &Load{t: t, stop: stop}
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
		l.End()
		cancel()
	})
	return l
}

// Await returns when n more requests have been answered.
func (l *Load) Await(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for until := l.done + n; l.done < until; {
		l.more.Wait()
	}
}

// End returns when all that was asked is answered, and how much that was.
func (l *Load) End() int {
	l.stop()
	l.wg.Wait()
	return l.done
}

// Spec is a transform that differs for every n below two million, of a picture
// of 240x160 or more, with the size of its thumbnail.
func Spec(n int) (text string, width, height int) {
	width, height = 20+n%200, 10+n/200%100
	return fmt.Sprintf("%dx%d_crop_q=%d", width, height, 1+n/20_000%100), width, height
}

// MissAndHit asks for a thumbnail that is not there, and then for the same.
func MissAndHit(ctx context.Context, r *rig.Rig, original string, n int) error {
	text, w, h := Spec(n)
	for range 2 {
		resp, err := r.Get(ctx, Target(original, text, "jpg"))
		if err != nil {
			return err
		}
		if resp.Status != 200 {
			return fmt.Errorf("status %d, reason %q", resp.Status, resp.Header.Get("X-Thumbd-Reason"))
		}
		if err := Decode(resp.Body, w, h); err != nil {
			return err
		}
	}
	return nil
}

// Decode returns an error unless b is a whole picture of that size; a size of
// 0x0 is any.
func Decode(b []byte, width, height int) error {
	img, format, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("%d bytes: %w", len(b), err)
	}
	if got, want := img.Bounds().Size(), image.Pt(width, height); want != (image.Point{}) && got != want {
		return fmt.Errorf("a %s of %v, want %v", format, got, want)
	}
	return nil
}
