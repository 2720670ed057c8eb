// SPDX-License-Identifier: MIT

// Package keeptest is a Keeper with one site in a folder of a test. Its pictures are
// painted without workers.
package keeptest

import (
	"context"
	"image"
	"image/jpeg"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/keep"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/render"
	"thumbd/internal/route"
	"thumbd/internal/sign"
	"thumbd/internal/test/aid"
	"thumbd/internal/thumb"
)

// Key signs the URIs of the site.
var Key = []byte("thumbd-test-key-0123456789abcdef")

// Painter is a keep.Renderer without workers. Its pictures are real JPEGs.
type Painter struct {
	Calls      atomic.Int64
	Distrusted atomic.Int64
	// Before is called with the request before it is answered, if not nil.
	Before func(ctx context.Context, r render.Request) error
	Width  int // of the picture, if it is not the requested one
	// Gray returns the picture's shade, if not nil. Otherwise it is 0.
	Gray func(r render.Request) uint8
	// Forgotten is called by Forget, if not nil. A Painter itself remembers nothing.
	Forgotten func(site string, covers func(name string) bool)
}

// Forget implements keep.Renderer.
func (p *Painter) Forget(site string, covers func(name string) bool) {
	if p.Forgotten != nil {
		p.Forgotten(site, covers)
	}
}

// Render paints a gray picture.
func (p *Painter) Render(ctx context.Context, r render.Request) (*render.Picture, error) {
	p.Calls.Add(1)
	gray := uint8(0)
	if p.Gray != nil {
		gray = p.Gray(r)
	}
	if p.Before != nil {
		if err := p.Before(ctx, r); err != nil {
			return nil, err
		}
	}
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "memfd")
	width, height := r.Transform.Box()
	painted := width
	if p.Width != 0 {
		painted = p.Width
	}
	picture := image.NewGray(image.Rect(0, 0, painted, height))
	if gray != 0 {
		for i := range picture.Pix {
			picture.Pix[i] = gray
		}
	}
	if err := jpeg.Encode(f, picture, nil); err != nil {
		return nil, err
	}
	return render.NewPicture(f, width, height, func() { p.Distrusted.Add(1) }), nil
}

// Bench is a Keeper with one site, gallery, and one original, a.jpg. Its folder has the
// originals in media, and the document root is root.
type Bench struct {
	*keep.Keeper
	T    *testing.T
	Dir  string
	Site *keep.Site
	Log  *aid.Log
	// Level is that of the lines that the log keeps.
	Level slog.LevelVar
}

// New returns a Bench. renderer makes its thumbnails, and judge, for example the judge of
// package serve, gives the verdict on an error. change may alter the site before it is
// used.
func New(t *testing.T, renderer keep.Renderer, judge func(error) keep.Verdict, change func(*keep.Site)) *Bench {
	t.Helper()
	b := &Bench{T: t, Dir: t.TempDir(), Log: new(aid.Log)}
	media := filepath.Join(b.Dir, "media")
	if err := os.Mkdir(media, 0o755); err != nil {
		t.Fatal(err)
	}
	b.WriteOriginal("a.jpg", "one")
	b.Site = &keep.Site{
		Thumb: &thumb.Site{
			Route: route.Route{Name: "gallery", Prefix: "/thumbs/"}, DocumentRoot: filepath.Join(b.Dir, "root"), Scheme: thumb.Signed,
			Keys: [][]byte{Key}, Formats: []thumb.Format{thumb.JPEG, thumb.WebP}, MaxWidth: 100, MaxHeight: 100,
		},
		Originals: originals.Folder{Dir: originals.New(media, 1<<20)},
	}
	if change != nil {
		change(b.Site)
	}
	b.Site.Tree = publish.New(b.Site.Thumb.DocumentRoot, b.Site.Thumb.Prefix, b.Site.Gone)
	b.Keeper = keep.New(keep.Options{Log: b.Logger(), Judge: judge})
	b.SetSites(keep.NewSites(renderer, time.Minute, []*keep.Site{b.Site}))
	t.Cleanup(func() {
		b.Close()
		b.Refuse(keep.ErrConfiguration)()
		b.Site.Tree.Close()
		b.Site.Originals.Close()
	})
	return b
}

// Logger returns the logger of b's Log.
func (b *Bench) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b.Log, &slog.HandlerOptions{Level: &b.Level}))
}

// WriteOriginal writes the original of that name.
func (b *Bench) WriteOriginal(name, text string) {
	b.T.Helper()
	if err := os.WriteFile(filepath.Join(b.Dir, "media", name), []byte(text), 0o644); err != nil {
		b.T.Fatal(err)
	}
}

// URL returns the signed request URI of a thumbnail, for example of size 10x10.
func (b *Bench) URL(original, size string) string {
	b.T.Helper()
	return b.signed(thumb.Wanted{Original: original, Size: size, Method: "fit"})
}

// PresetURL returns the signed request URI of a preset's thumbnail.
func (b *Bench) PresetURL(original, preset string) string {
	b.T.Helper()
	return b.signed(thumb.Wanted{Original: original, Preset: preset})
}

func (b *Bench) signed(w thumb.Wanted) string {
	b.T.Helper()
	t, err := b.Site.Thumb.New(w)
	if err != nil {
		b.T.Fatal(err)
	}
	t.Signature = sign.Sign(t, Key)
	return t.URI()
}

// Published reports whether there is a file of that name in the tree.
func (b *Bench) Published(name string) bool {
	_, err := os.Stat(filepath.Join(b.Dir, "root", name))
	return err == nil
}

// Age gives a published file another modification time than its original's.
func (b *Bench) Age(name string) {
	b.T.Helper()
	old := time.Unix(1_000_000_000, 0)
	if err := os.Chtimes(filepath.Join(b.Dir, "root", name), old, old); err != nil {
		b.T.Fatal(err)
	}
}

// BlockRoot writes a file in the place of the document root. So nobody can publish, not
// even root.
func (b *Bench) BlockRoot() {
	b.T.Helper()
	if err := os.WriteFile(filepath.Join(b.Dir, "root"), nil, 0o644); err != nil {
		b.T.Fatal(err)
	}
}

// WithPresets gives a site presets with these names, each of another size: 9x9,
// 10x9 and so on.
func WithPresets(names ...string) func(*keep.Site) {
	return func(s *keep.Site) {
		s.OriginalFormats = []thumb.Format{thumb.JPEG, thumb.PNG}
		s.Thumb.Presets = make(map[string]thumb.Preset)
		for i, name := range names {
			s.Thumb.Presets[name] = thumb.Preset{Transform: thumb.Transform{Width: 9 + i, Height: 9, Method: thumb.Fit}}
		}
	}
}
