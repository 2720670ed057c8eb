// SPDX-License-Identifier: MIT

package keep_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/keep"
	"thumbd/internal/publish"
	"thumbd/internal/purge"
	"thumbd/internal/render"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// A miss of one thumbnail of an original removes its others that are of
// another version of it, and no others.
func TestAMissRemovesStaleThumbnailsOfItsOriginal(t *testing.T) {
	for _, scheme := range []thumb.Scheme{thumb.Signed, thumb.PresetScheme} {
		t.Run(scheme.String(), func(t *testing.T) {
			b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) {
				s.Thumb.Scheme = scheme
				s.Thumb.Presets = map[string]thumb.Preset{}
				for _, name := range []string{"p", "q", "r"} {
					s.Thumb.Presets[name] = thumb.Preset{Transform: thumb.Transform{Width: 9, Height: 9, Method: thumb.Fit}}
				}
			})
			b.WriteOriginal("b.jpg", "two")
			uri := func(original, preset string) string {
				if scheme == thumb.PresetScheme {
					return "/thumbs/" + preset + "/" + original
				}
				return b.PresetURL(original, preset)
			}
			for _, of := range [][2]string{{"a.jpg", "p"}, {"a.jpg", "q"}, {"b.jpg", "p"}} {
				b.mustGet(uri(of[0], of[1]))
			}
			// Another version, and a miss.
			b.Age(uri("a.jpg", "p"))
			b.Age(uri("b.jpg", "p"))
			now := time.Now().Add(time.Hour)
			if err := os.Chtimes(filepath.Join(b.Dir, "media/a.jpg"), now, now); err != nil {
				t.Fatal(err)
			}
			b.mustGet(uri("a.jpg", "r"))
			for _, tt := range []struct {
				original, preset string
				want             bool
			}{{"a.jpg", "p", false}, {"a.jpg", "q", false}, {"a.jpg", "r", true}, {"b.jpg", "p", true}} {
				if b.Published(uri(tt.original, tt.preset)) != tt.want {
					t.Errorf("%s of %s is published: %v", tt.preset, tt.original, !tt.want)
				}
			}
		})
	}
}

// A wrong upload that is taken back leaves no other size wrong, although the version
// that returns was looked at before.
func TestAnEarlierVersionReturns(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	first, second := time.Unix(1_500_000_000, 0), time.Unix(1_600_000_000, 0)
	small, large := b.URL("a.jpg", "10x10"), b.URL("a.jpg", "20x20")
	for _, step := range []struct {
		version time.Time
		uri     string
		gone    string
	}{{first, small, large}, {second, large, small}, {first, small, large}, {second, large, small}} {
		if err := os.Chtimes(filepath.Join(b.Dir, "media/a.jpg"), step.version, step.version); err != nil {
			t.Fatal(err)
		}
		b.mustGet(step.uri)
		if !b.Published(step.uri) || b.Published(step.gone) {
			t.Errorf("version of %v: %v and %v are published", step.version.Year(), b.Published(step.uri), b.Published(step.gone))
		}
	}
}

// again returns sites as a reload makes them, which make other pictures.
func (b *bench) again(renderer keep.Renderer, width int) *keep.Sites {
	b.T.Helper()
	site := *b.Site
	site.Thumb = new(thumb.Site)
	*site.Thumb = *b.Site.Thumb
	site.Thumb.Presets = map[string]thumb.Preset{
		"s": {Transform: thumb.Transform{Width: width, Height: 10, Method: thumb.Fit}},
		"l": {Transform: thumb.Transform{Width: 30, Height: 10, Method: thumb.Fit}},
	}
	site.Tree = publish.New(site.Thumb.DocumentRoot, site.Thumb.Prefix, site.Gone)
	b.T.Cleanup(site.Tree.Close)
	sites := keep.NewSites(renderer, time.Minute, []*keep.Site{&site})
	if err := sites.Prepare(); err != nil {
		b.T.Fatal(err)
	}
	return sites
}

// What a configuration of before has begun is not published by it where the
// one of now makes it otherwise.
func TestRendersOfAnotherConfigurationAreNotPublished(t *testing.T) {
	begun, release := make(chan struct{}, 2), make(chan struct{})
	slow := &keeptest.Painter{Before: func(context.Context, render.Request) error {
		begun <- struct{}{}
		<-release
		return nil
	}}
	b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) { s.Thumb.Quality = map[thumb.Format]int{thumb.JPEG: 80} })
	b.SetSites(b.again(slow, 20))
	preset := func(name string) string {
		b.Site.Thumb.Presets = map[string]thumb.Preset{name: {}}
		return b.PresetURL("a.jpg", name)
	}
	s, l := preset("s"), preset("l")
	answers := make(chan error, 2)
	for _, uri := range []string{s, l} {
		go func() { answers <- b.get(uri) }()
	}
	<-begun
	<-begun
	b.SetSites(b.again(&keeptest.Painter{}, 25))
	if err := b.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Who asks from now on does not wait for that of before.
	b.mustGet(s)
	if err := os.Remove(filepath.Join(b.Dir, "root", s)); err != nil {
		t.Fatal(err)
	}
	close(release)
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("of before: %v", err)
		}
	}
	if b.Published(s) {
		t.Error("a preset of before is published")
	}
	if !b.Published(l) {
		t.Error("a preset that has not changed is not published")
	}
}

// A picture in memory of before a purge is not for those who ask after it.
func TestAPictureInMemoryIsNotForThoseWhoAskAfterAPurge(t *testing.T) {
	entered, release := make(chan struct{}, 2), make(chan struct{}, 2)
	p := &keeptest.Painter{Before: func(context.Context, render.Request) error {
		entered <- struct{}{}
		<-release
		return nil
	}}
	b := newBench(t, p, nil)
	// It can't be published.
	b.BlockRoot()
	answers := make(chan error, 2)
	ask := func() { answers <- b.get(b.URL("a.jpg", "10x10")) }
	go ask()
	<-entered
	// The tree is a folder in a file: there is nothing to take, and no error
	// that says more than that.
	_, _ = b.Purge(t.Context(), "gallery", purge.Scope{Originals: []string{"a.jpg"}}, false)
	go ask()
	select {
	case <-entered:
	case <-time.After(10 * time.Second):
		t.Error("who asked after the purge gets what was made before")
	}
	release <- struct{}{}
	release <- struct{}{}
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

// What a thumbd before has purged and not deleted is deleted.
func TestLeftoversOfPurgesAreDeleted(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	left := filepath.Join(b.Dir, "root/thumbs/.thumbd/DEAD.bin/0")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	aid.Await(t, func() bool {
		_, err := os.Stat(filepath.Dir(left))
		return os.IsNotExist(err)
	})
}

// Until what another configuration has made is gone, the tree tells of both: a
// thumbd that is killed on the way leaves some of each.
func TestTreesTellByWhatTheyWereMade(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) { s.Thumb.Quality = map[thumb.Format]int{thumb.JPEG: 80} })
	made := func() int {
		t.Helper()
		data, err := b.Site.Tree.Settings()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), `"scheme"`)
	}
	for i, width := range []int{20, 25, 25, 30} {
		sites := b.again(&keeptest.Painter{}, width)
		want := 1
		if i == 1 || i == 3 {
			want = 2
		}
		if got := made(); got != want {
			t.Errorf("width %d: %d configurations before Follow, want %d", width, got, want)
		}
		b.SetSites(sites)
		if err := b.Follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := made(); got != 1 {
			t.Errorf("width %d: %d configurations after it, want 1", width, got)
		}
	}
}

// A purge tells the number of files that it has removed.
func TestPurgeTellsWhatItRemoved(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	for _, size := range []string{"10x10", "11x11", "12x12"} {
		b.mustGet(b.URL("a.jpg", size))
	}
	for _, want := range []string{"3", "0"} {
		if got, err := b.Purge(t.Context(), "gallery", purge.Scope{Originals: []string{"a.jpg"}}, false); got != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if got := keep.MostCounted; got != "over 100000" {
		t.Errorf("%q", got)
	}
}
