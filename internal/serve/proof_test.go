// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/access"
	"thumbd/internal/keep"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/render"
	"thumbd/internal/route"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// marker asks for uri with a good signature, and returns what nginx keeps of the
// answer.
func (b *bench) marker(uri string) string {
	b.T.Helper()
	w := b.ask(uri + signedQuery(uri, clock.Add(time.Hour), accessKey))
	expectAuth(b.T, uri, w, 204, "")
	return w.Header().Get("X-Thumbd-Proof")
}

// A miss of a protected site is answered only with the marker for this URI.
func TestMissNeedsTheMarker(t *testing.T) {
	p := &keeptest.Painter{}
	b := guarded(t, p)
	uri, other := b.URL("a.jpg", "10x10"), b.URL("a.jpg", "11x11")
	good := b.marker(uri)
	if good != "gallery "+uri {
		t.Errorf("marker %q", good)
	}
	if w := b.ask(uri); w.Header().Get("X-Thumbd-Proof") != "" {
		t.Error("a marker for nobody")
	}
	for name, marker := range map[string][]string{
		"none":                {},
		"empty":               {""},
		"another URI's":       {b.marker(other)},
		"another site's":      {"garden " + uri},
		"a part":              {good[:len(good)-1]},
		"more":                {good + "/x"},
		"two":                 {good, good},
		"another and this":    {b.marker(other), good},
		"the site's prefix":   {"gallery /thumbs/"},
		"the proof itself":    {signedQuery(uri, clock.Add(time.Hour), accessKey)},
		"with another letter": {strings.ToUpper(good)},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r := httptest.NewRequest(method, uri+signedQuery(uri, clock.Add(time.Hour), accessKey), nil)
			r.Header[markerHeader] = marker
			expectAuth(t, name, b.do(r), 403, "not-asked")
		}
	}
	if p.Calls.Load() != 0 || b.Published(uri) {
		t.Fatal("rendered without the marker")
	}
	if n := b.Log.Count("include snippets/thumbd-auth.conf"); n != 1 {
		t.Errorf("%d lines of the log say what to type; want 1", n)
	}
	// Nothing is told of a protected site, not even that a URL is wrong.
	for _, wrong := range []string{"/thumbs/x", "/thumbs/a.jpg/10x10_fit_" + strings.Repeat("0", 28) + ".jpg", "/thumbs/a.jpg/10x10_fit.bmp"} {
		expectAuth(t, wrong, b.get(wrong), 403, "not-asked")
	}
	for _, spelled := range []string{uri, "/x/..//thumbs/%61" + strings.TrimPrefix(uri, "/thumbs/a")} {
		w := b.get(spelled, "X-Thumbd-Proof", good)
		if w.Code != 200 || w.Header().Get("X-Accel-Redirect") != uri {
			t.Errorf("%s: %d %v", spelled, w.Code, w.Header())
		}
	}
}

// rival adds a site that shares the bench's URIs on another host.
func (b *bench) rival(renderer keep.Renderer, gate *access.Gate) *keep.Site {
	b.T.Helper()
	root := filepath.Join(b.Dir, "rival")
	s := &keep.Site{
		Thumb: &thumb.Site{
			Route: route.Route{Name: "rival", Prefix: "/thumbs/", Hosts: []string{"rival.example"}}, DocumentRoot: root, Scheme: thumb.PresetScheme,
			Formats: []thumb.Format{thumb.JPEG}, MaxWidth: 100, MaxHeight: 100,
		},
		Originals: originals.Folder{Dir: originals.New(filepath.Join(b.Dir, "media"), 1<<20)},
		Access:    gate,
		Tree:      publish.New(root, "/thumbs/", nil),
	}
	b.SetSites(keep.NewSites(renderer, time.Minute, []*keep.Site{b.Site, s}))()
	b.T.Cleanup(func() {
		b.Refuse(keep.ErrConfiguration)()
		s.Tree.Close()
		s.Originals.Close()
	})
	return s
}

// nginx may serve the tree of one site where thumbd would ask for the proof of
// another.
func TestProofIsForTheRootThatIsServed(t *testing.T) {
	p := &keeptest.Painter{}
	b := guarded(t, p)
	const uri = "/thumbs/a.jpg"
	mine := filepath.Join(b.Dir, "root")
	good := uri + signedQuery(uri, clock.Add(time.Hour), accessKey)
	question := func(host, uri string, roots ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/_thumbd/auth", nil)
		r.Host = host
		r.Header.Set("X-Original-URI", uri)
		r.Header[rootHeader] = roots
		return b.do(r)
	}
	// An open rival has nothing to steal, and its root is anybody's.
	b.rival(p, nil)
	expectAuth(t, "an open rival", question("gallery.example", good), 204, "")
	expectAuth(t, "an open rival's host", question("rival.example", good, mine), 403, "not-protected")

	theirs := b.rival(p, newGate(t, access.Proofs...)).Thumb.DocumentRoot
	for name, tt := range map[string]struct {
		host   string
		roots  []string
		code   int
		reason string
	}{
		"the site's root":              {"gallery.example", []string{mine}, 204, ""},
		"the site's root with a slash": {"gallery.example", []string{mine + "/"}, 204, ""},
		"the rival's root":             {"gallery.example", []string{theirs}, 403, "other-root"},
		"the rival's host":             {"rival.example", []string{mine}, 403, "other-root"},
		"the rival's own":              {"rival.example", []string{theirs}, 204, ""},
		"no root":                      {"gallery.example", nil, 403, "other-root"},
		"two roots":                    {"gallery.example", []string{mine, theirs}, 403, "other-root"},
		"a folder above":               {"gallery.example", []string{b.Dir}, 403, "other-root"},
	} {
		// The rival's keys are the same: only the root tells.
		expectAuth(t, name, question(tt.host, good, tt.roots...), tt.code, tt.reason)
	}
	if n := b.Log.Count("in the site's location write: root " + mine + ";"); n != 1 {
		t.Errorf("%d lines of the log say what to type; want 1", n)
	}
}

// What thumbd sends itself carries what the site's location would have set.
func TestBodiesOfThumbdItself(t *testing.T) {
	for _, protected := range []bool{false, true} {
		p := &keeptest.Painter{}
		b := newBench(t, p, func(s *keep.Site) {
			s.Thumb.Negotiate = []thumb.Format{thumb.WebP}
			if protected {
				s.Access = newGate(t, access.Proofs...)
			}
		})
		want := map[string]string{"Vary": "Accept"}
		header := []string{"X-Request-Id", "one"}
		uri := b.URL("a.jpg", "10x10")
		if protected {
			want["Cache-Control"] = "private, no-store"
			header = append(header, "X-Thumbd-Proof", b.marker(uri))
		}
		b.get(uri, header...)
		check := func(what string, w *httptest.ResponseRecorder) {
			t.Helper()
			if w.Code != 200 || w.Body.Len() == 0 {
				t.Fatalf("%s: %d, %d bytes", what, w.Code, w.Body.Len())
			}
			for name, value := range want {
				if got := w.Header().Get(name); got != value {
					t.Errorf("%s, protected %v: %s %q; want %q", what, protected, name, got, value)
				}
			}
		}
		check("not found by nginx", b.get(uri, header...))
		if protected {
			expectAuth(t, "not found by nginx, without the marker", b.get(uri, "X-Request-Id", "one"), 403, "not-asked")
		}

		// The tree's folder becomes a file: nothing can be published.
		if err := os.RemoveAll(filepath.Join(b.Dir, "root")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b.Dir, "root"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if !protected {
			want["Cache-Control"] = "no-store"
		}
		check("not published", b.get(uri, header...))
		if protected {
			expectAuth(t, "not published, without the marker", b.get(uri), 403, "not-asked")
		}
	}
}

// Without nginx X-Request-Id is the client's: what it says makes no difference.
func TestClientsRequestID(t *testing.T) {
	for _, accel := range []keep.Accel{keep.AccelSendfile, keep.AccelDirect} {
		p := &keeptest.Painter{}
		b := newBench(t, p, func(s *keep.Site) {
			s.Access, s.Thumb.Negotiate = newGate(t, access.Signature, access.Token), []thumb.Format{thumb.WebP}
		})
		b.setAccel(p, accel)
		uri := b.URL("a.jpg", "10x10")
		first := b.get(uri+signedQuery(uri, clock.Add(time.Hour), accessKey), "X-Request-Id", "mine")
		again := b.get(uri+signedQuery(uri, clock.Add(time.Hour), accessKey), "X-Request-Id", "mine")
		for name := range first.Header() {
			if got, want := again.Header().Get(name), first.Header().Get(name); got != want {
				t.Errorf("accel %d: %s %q; want %q", accel, name, got, want)
			}
		}
		if first.Header().Get("Cache-Control") != "private, no-cache" || first.Header().Get("Vary") != "Accept" {
			t.Errorf("accel %d: %v", accel, first.Header())
		}
		if b.Log.Count("nginx does not find") > 0 {
			t.Errorf("accel %d: nginx is blamed", accel)
		}
	}
}

// scribbler makes a picture of text, and replaces the original each time.
type scribbler struct {
	dir        string
	calls      int
	distrusted int
	text       func() []byte
}

func (p *scribbler) Render(context.Context, render.Request) (*render.Picture, error) {
	p.calls++
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "memfd")
	if _, err := f.Write(p.text()); err != nil {
		return nil, err
	}
	fresh := filepath.Join(p.dir, fmt.Sprint("fresh", p.calls))
	if err := os.WriteFile(fresh, []byte(strings.Repeat("x", p.calls)), 0o644); err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, filepath.Join(p.dir, "media/a.jpg")); err != nil {
		return nil, err
	}
	return render.NewPicture(f, 10, 10, func() { p.distrusted++ }), nil
}

func (p *scribbler) Forget(string, func(string) bool) {}

// An original that is replaced during both renders: the picture is right for the
// file of before and is sent, but only if it is one.
func TestUnverifiedPictureIsNotSent(t *testing.T) {
	p := &scribbler{text: func() []byte { return []byte("<script>no picture</script>") }}
	b := newBench(t, p, nil)
	p.dir = b.Dir
	w := b.get(b.URL("a.jpg", "10x10"))
	expectAuth(t, "no picture", w, 500, "render")
	if strings.Contains(w.Body.String(), "script") || p.distrusted == 0 {
		t.Errorf("%q, %d workers replaced", w.Body, p.distrusted)
	}
	picture := b.painted()
	p.text = func() []byte { return picture }
	if w := b.get(b.URL("a.jpg", "10x10")); w.Code != 200 || w.Body.String() != string(picture) {
		t.Errorf("a picture: %d, %d bytes", w.Code, w.Body.Len())
	}
}

// painted returns a JPEG of 10x10.
func (b *bench) painted() []byte {
	b.T.Helper()
	p, err := new(keeptest.Painter).Render(b.T.Context(), render.Request{Transform: thumb.Transform{Width: 10, Height: 10, Format: thumb.JPEG}})
	if err != nil {
		b.T.Fatal(err)
	}
	defer p.File.Close()
	data, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", p.File.Fd()))
	if err != nil {
		b.T.Fatal(err)
	}
	return data
}
