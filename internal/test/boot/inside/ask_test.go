// SPDX-License-Identifier: MIT

package inside

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"

	_ "golang.org/x/image/webp"

	"thumbd/internal/test/rig"
)

// answer is nginx's, read to its end.
type answer struct {
	status int
	reason string // thumbd's, "" for none
	body   []byte
}

// ask asks nginx for a decoded URI.
func ask(ctx context.Context, uri string) (answer, error) { return askRaw(ctx, rig.Escape(uri)) }

// askRaw asks nginx for a request target.
func askRaw(ctx context.Context, target string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1"+target, nil)
	if err != nil {
		return answer{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, reason: resp.Header.Get("X-Thumbd-Reason"), body: body}, err
}

// get is ask for one that nginx answers.
func get(t testing.TB, uri string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := ask(ctx, uri)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// picture asks for a thumbnail and checks its format, as image names it, and
// its size.
func picture(t testing.TB, uri, format string, width, height int) []byte {
	t.Helper()
	a := get(t, uri)
	if err := a.check(format, width, height); err != nil {
		t.Errorf("%s: %v", uri, err)
	}
	return a.body
}

// check returns an error unless a is a whole picture of that format and size.
func (a answer) check(format string, width, height int) error {
	if a.status != http.StatusOK {
		return fmt.Errorf("status %d, reason %q", a.status, a.reason)
	}
	img, got, err := image.Decode(bytes.NewReader(a.body))
	if err != nil {
		return fmt.Errorf("%d bytes: %w", len(a.body), err)
	}
	if size := img.Bounds().Size(); got != format || size != image.Pt(width, height) {
		return fmt.Errorf("a %s of %v, want a %s of %dx%d", got, size, format, width, height)
	}
	return nil
}

// refused asks for what thumbd refuses.
func refused(t testing.TB, uri string, status int, reason string) {
	t.Helper()
	if a := get(t, uri); a.status != status || a.reason != reason {
		t.Errorf("%s: status %d, reason %q, want %d, %q", uri, a.status, a.reason, status, reason)
	}
}

// fresh asks for the n-th thumbnail of an original, and then for the same again:
// a miss and a hit.
func fresh(ctx context.Context, original string, n int) error {
	width, height := 20+n%200, 10+n/200%100
	uri := signed(original, fmt.Sprintf("%dx%d_crop_q=%d", width, height, 1+n/20_000%100), "jpg")
	for range 2 {
		a, err := ask(ctx, uri)
		if err != nil {
			return err
		}
		if err := a.check("jpeg", width, height); err != nil {
			return err
		}
	}
	return nil
}

// load is clients that ask without a pause.
type load struct {
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu   sync.Mutex
	more *sync.Cond
	last int // request begun
	open map[int]bool
	// original is the original of the requests that follow.
	original string
	done     int
	errs     []error
}

// startLoad has clients ask for thumbnails and check them, until end is called.
func startLoad(t *testing.T, clients int) *load {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*patience)
	running, stop := context.WithCancel(t.Context())
	l := &load{stop: stop, open: make(map[int]bool), original: small}
	l.more = sync.NewCond(&l.mu)
	for range clients {
		l.wg.Go(func() {
			for running.Err() == nil {
				l.next(ctx)
			}
		})
	}
	t.Cleanup(func() {
		l.end()
		cancel()
	})
	return l
}

func (l *load) next(ctx context.Context) {
	l.mu.Lock()
	l.last++
	n := l.last
	l.open[n] = true
	original := l.original
	l.mu.Unlock()
	err := fresh(ctx, original, n)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, n)
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("request %d: %w", n, err))
	}
	l.done++
	l.more.Broadcast()
}

// await returns when n more thumbnails have been asked for and answered.
func (l *load) await(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for until := l.done + n; l.done < until; {
		l.more.Wait()
	}
}

// turn has the requests that follow ask for thumbnails of another original, and
// returns when all requests for the one before are answered.
func (l *load) turn(original string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.original = original
	before := slices.Collect(maps.Keys(l.open))
	for slices.ContainsFunc(before, func(n int) bool { return l.open[n] }) {
		l.more.Wait()
	}
}

// end returns when all that was asked is answered: how many thumbnails that
// were, and what went wrong with some.
func (l *load) end() (int, []error) {
	l.stop()
	l.wg.Wait()
	return l.done, l.errs
}

// endWhole is end for a load of which no request may have failed.
func (l *load) endWhole(t *testing.T) {
	t.Helper()
	n, errs := l.end()
	for _, err := range errs[:min(10, len(errs))] {
		t.Error(err)
	}
	t.Logf("%d thumbnails, each asked for twice, %d failed", n, len(errs))
}
