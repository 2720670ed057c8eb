// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"errors"
	"image"
	"testing"
	"testing/synctest"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/purge"
	"thumbd/internal/render"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// measurer is a Renderer whose originals are as wide as the number of its calls.
type measurer struct {
	calls  int
	during func() error // of each call, if not nil
}

func (m *measurer) Render(context.Context, render.Request) (*render.Picture, error) {
	m.calls++
	if m.during != nil {
		if err := m.during(); err != nil {
			return nil, err
		}
	}
	return render.NewPicture(nil, m.calls, 1, func() {}), nil
}

func (m *measurer) Forget(string, func(string) bool) {}

func newSizeRequest() Request {
	s := &Site{Thumb: &thumb.Site{Route: route.Route{Name: "gallery"}}, ledger: purge.NewLedger()}
	return Request{Site: s, thumb: thumb.Thumb{Original: "a.jpg"}}
}

// An original is measured again after another file has taken its place, also if that has
// the same length and modification time.
func TestSizeIsOfOneFile(t *testing.T) {
	s, m := newSizes(), &measurer{}
	a := newSizeRequest()
	first := originals.Info{Mtime: time.Unix(1, 0), Size: 7, Ctime: time.Unix(2, 0), Ino: 1}
	replaced, written := first, first
	replaced.Ino = 2
	written.Ctime = time.Unix(3, 0)
	for i, info := range []originals.Info{first, replaced, written, first} {
		want := image.Pt(i%3+1, 1)
		if got, err := s.of(t.Context(), m, a, nil, info); got != want || err != nil {
			t.Errorf("file %d: got %v, %v; want %v", i, got, err, want)
		}
	}
}

// A request that comes after a purge is not refused because of a worker that was asked
// before it.
func TestPurgeEndsTheWaitForASize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newSizes(), newSizeRequest()
		info := originals.Info{Mtime: time.Unix(1, 0), Size: 7}
		goOn, before := make(chan struct{}), make(chan error, 1)
		slow := &measurer{during: func() error { <-goOn; return render.ErrCrashed }}
		go func() {
			_, err := s.of(t.Context(), slow, a, nil, info)
			before <- err
		}()
		synctest.Wait()
		a.ledger.Add(func(string, thumb.Thumb) bool { return true }, 0)
		a.ledger.Taken()
		after := make(chan error, 1)
		go func() {
			_, err := s.of(t.Context(), &measurer{}, a, nil, info)
			after <- err
		}()
		synctest.Wait()
		close(goOn)
		if err := <-after; err != nil {
			t.Errorf("after the purge: %v", err)
		}
		if err := <-before; !errors.Is(err, render.ErrCrashed) {
			t.Errorf("before the purge: %v; want %v", err, render.ErrCrashed)
		}
	})
}
