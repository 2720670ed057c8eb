// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"image"
	"testing"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/render"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// measurer is a Renderer whose originals are as wide as the number of its calls.
type measurer struct{ calls int }

func (m *measurer) Render(context.Context, render.Request) (*render.Picture, error) {
	m.calls++
	return render.NewPicture(nil, m.calls, 1, func() {}), nil
}

func (m *measurer) Forget(string, func(string) bool) {}

// An original is measured again after another file has taken its place, also if that has
// the same length and modification time.
func TestSizeIsOfOneFile(t *testing.T) {
	s, m := newSizes(), &measurer{}
	a := Request{Site: &Site{Thumb: &thumb.Site{Route: route.Route{Name: "gallery"}}}, thumb: thumb.Thumb{Original: "a.jpg"}}
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
