// SPDX-License-Identifier: MIT

package probe

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/config"
	"thumbd/internal/sign"
)

const key = "thumbd-test-key-0123456789abcdef"

// site returns a site /t/ with its document root in a folder of the test.
func site(t *testing.T, scheme string, lines ...string) *config.Site {
	t.Helper()
	dir := t.TempDir()
	text := "[site.g]\nprefix = \"/t/\"\noriginals = \"/srv\"\ndocument_root = \"" + dir + "\"\nscheme = \"" + scheme + "\"\n" + strings.Join(lines, "\n")
	c, _, err := config.Parse([]config.File{{Name: "thumbd.toml", Data: []byte(text)}}, config.Environment{
		CPUs:    1,
		Key:     func(name string) ([]byte, error) { return []byte(key + name), nil },
		Resolve: func(path string) (string, error) { return path, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return &c.Sites[0]
}

// presets are three presets, of which the smallest is neither the first nor the last.
const presets = "[site.g.preset.c]\nsize = \"90x90\"\nmethod = \"crop\"\n[site.g.preset.a]\nsize = \"80x80\"\nmethod = \"crop\"\n[site.g.preset.b]\nsize = \"40x40\"\nmethod = \"crop\"\n"

// publish writes what a thumbd would have published at a path.
func publish(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("picture"), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestCandidatesOfEachScheme(t *testing.T) {
	const keys = `keys = ["g.key"]`
	for name, tt := range map[string]struct {
		site *config.Site
		want []string // the first two, without a signature and a random text
		n    int
	}{
		"signed":                 {site(t, "signed", keys), []string{"/t/a.jpg/16x16_fit_v=doctor"}, 1},
		"signed without JPEG":    {site(t, "signed", keys, `formats = ["webp"]`), []string{"/t/a.jpg/16x16_fit_v=doctor"}, 1},
		"restthumbnails":         {site(t, "restthumbnails", keys), []string{"/t/a.jpg/16x16/crop/", "/t/a.jpg/17x16/crop/"}, 48},
		"preset":                 {site(t, "preset", presets), []string{"/t/b/a.jpg", "/t/a/a.jpg"}, 3},
		"preset with factors":    {site(t, "preset", "factors = [100, 50]", presets), []string{"/t/b/100/a.jpg", "/t/a/100/a.jpg"}, 3},
		"preset with a together": {site(t, "preset", `render_together = ["a", "b"]`, presets), []string{"/t/c/a.jpg", "/t/b/a.jpg"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			all := candidates(tt.site, "a.jpg")
			if len(all) != tt.n {
				t.Fatalf("%d candidates, want %d", len(all), tt.n)
			}
			for i, want := range tt.want {
				if got := all[i].URI(); !strings.HasPrefix(got, want) {
					t.Errorf("candidate %d: %s, want %s...", i, got, want)
				}
			}
			if tt.site.Thumb.Scheme.HasKeys() && sign.Verify(all[0]) != nil {
				t.Errorf("%s is not signed", all[0].URI())
			}
		})
	}
	if a, b := candidates(site(t, "signed", keys), "a.jpg")[0], candidates(site(t, "signed", keys), "a.jpg")[0]; a.URI() == b.URI() {
		t.Errorf("twice the same: %s", a.URI())
	}
}

// An original whose thumbnails are all there gives no probe.
func TestNewLeavesOutWhatIsThere(t *testing.T) {
	s := site(t, "preset", presets)
	for _, name := range []string{"t/b/a.jpg", "t/a/a.jpg", "t/c/a.jpg", "t/b/b.jpg"} {
		publish(t, filepath.Join(s.Thumb.DocumentRoot, name))
	}
	var got []string
	for _, p := range New(s, []string{"a.jpg", "b.jpg", "c d.jpg", "e.jpg"}, 2) {
		got = append(got, p.Line())
		if want := s.Thumb.DocumentRoot + strings.ReplaceAll(p.Line(), "%20", " "); p.File() != want || p.Published() || !p.Provable {
			t.Errorf("file %s, want %s; published: %v", p.File(), want, p.Published())
		}
	}
	if diff := cmp.Diff([]string{"/t/a/b.jpg", "/t/b/c%20d.jpg"}, got); diff != "" {
		t.Errorf("probes (-want +got):\n%s", diff)
	}
}

// Clean removes the thumbnail and its folders, and leaves whatever was there before
// or came meanwhile.
func TestClean(t *testing.T) {
	s := site(t, "preset", `render_together = ["a", "b", "c"]`, presets)
	root := s.Thumb.DocumentRoot
	p := New(s, []string{"x/y/a.jpg"}, 1)[0]
	if err := p.Clean(t.Context()); err != nil {
		t.Errorf("nothing was published: %v", err)
	}
	before := filepath.Join(root, "t/b/x/other.jpg")
	publish(t, before)
	p = New(s, []string{"x/y/a.jpg"}, 1)[0]
	for _, name := range []string{"t/a/x/y/a.jpg", "t/b/x/y/a.jpg", "t/c/x/y/a.jpg"} {
		publish(t, filepath.Join(root, name))
	}
	meanwhile := filepath.Join(root, "t/a/x/meanwhile.jpg")
	publish(t, meanwhile)
	if err := p.Clean(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{meanwhile, before}, files(t, root)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(root, "t/b/x/y")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder is left: %v", err)
	}
}

// A thumbnail that comes later, as it is made together with the probe, is removed too.
func TestCleanWaitsForSiblings(t *testing.T) {
	s := site(t, "preset", `render_together = ["a", "b", "c"]`, presets)
	p := New(s, []string{"a.jpg"}, 1)[0]
	publish(t, p.File())
	if len(p.siblings) != 2 {
		t.Fatalf("siblings %q, want two", p.siblings)
	}
	cleaned := make(chan error)
	go func() { cleaned <- p.Clean(t.Context()) }()
	// The probe's own file goes first.
	for p.Published() {
		time.Sleep(time.Millisecond)
	}
	for _, name := range p.siblings {
		publish(t, filepath.Join(s.Thumb.DocumentRoot, name))
	}
	if err := <-cleaned; err != nil {
		t.Error(err)
	}
	if left := files(t, s.Thumb.DocumentRoot); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Nothing outside the document root is removed through a link.
func TestCleanFollowsNoLinkOut(t *testing.T) {
	s := site(t, "preset", presets)
	p := New(s, []string{"x/a.jpg"}, 1)[0]
	outside := t.TempDir()
	publish(t, filepath.Join(outside, "a.jpg"))
	if err := errors.Join(os.MkdirAll(filepath.Join(s.Thumb.DocumentRoot, "t/b"), 0o755), os.Symlink(outside, filepath.Join(s.Thumb.DocumentRoot, "t/b/x"))); err != nil {
		t.Fatal(err)
	}
	if err := p.Clean(t.Context()); err == nil {
		t.Error("no error")
	}
	if left := files(t, outside); len(left) != 1 {
		t.Errorf("left outside: %q", left)
	}
}

// files returns the paths of all files below a folder, sorted.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// Get sends what a browser would, over the way that it is told, and follows no
// redirect.
func TestGet(t *testing.T) {
	type request struct{ Host, Target, Accept, Authorization string }
	requests := make(chan request, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- request{r.Host, r.RequestURI, r.Header.Get("Accept"), r.Header.Get("Authorization")}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
	})
	tcp, tls := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer tcp.Close()
	defer tls.Close()
	path := filepath.Join(t.TempDir(), "n.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	unix := httptest.NewUnstartedServer(handler)
	unix.Listener.Close()
	unix.Listener = l
	unix.Start()
	defer unix.Close()

	p := New(site(t, "preset", `negotiate = ["webp"]`, presets), []string{"a b.jpg"}, 1)[0]
	p.Patience = time.Minute
	if !strings.HasSuffix(p.File(), "/t/b/a b.jpg.webp") {
		t.Errorf("file %s, want the negotiated one", p.File())
	}
	for name, w := range map[string]Way{
		"tcp":  {Network: "tcp", Address: tcp.Listener.Addr().String()},
		"TLS":  {Network: "tcp", Address: tls.Listener.Addr().String(), TLS: true},
		"unix": {Network: "unix", Address: path},
	} {
		w.Host = "gallery.example"
		a := p.Get(t.Context(), w, true)
		if a.Err != nil || a.Status != http.StatusFound || a.Header.Get("Location") != "/elsewhere" {
			t.Errorf("%s: %+v", name, a)
			continue
		}
		if got, want := <-requests, (request{"gallery.example", "/t/b/a%20b.jpg", "image/webp", ""}); got != want {
			t.Errorf("%s: request %+v, want %+v", name, got, want)
		}
	}
	tcp.Close()
	if a := p.Get(t.Context(), Way{Network: "tcp", Address: tcp.Listener.Addr().String(), Host: "a"}, true); a.Err == nil {
		t.Errorf("nobody listens: %+v", a)
	}
}

// The proof of a protected site is a signed query or a token, whichever it takes, and
// is sent if it is asked for alone.
func TestProofs(t *testing.T) {
	requests := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests <- r }))
	defer server.Close()
	way := Way{Network: "tcp", Address: server.Listener.Addr().String(), Host: "a.example"}
	for name, tt := range map[string]struct {
		access       string
		query, token bool
		provable     bool
	}{
		"signature": {"proofs = [\"signature\"]\nkeys = [\"a.key\"]", true, false, true},
		"token":     {"proofs = [\"token\"]\ntoken_keys = [\"t.key\"]", false, true, true},
		"both":      {"proofs = [\"signature\", \"token\"]\nkeys = [\"a.key\"]\ntoken_keys = [\"t.key\"]", true, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := New(site(t, "preset", presets+"[site.g.access]\n"+tt.access), []string{"a.jpg"}, 1)[0]
			if p.Provable != tt.provable {
				t.Errorf("provable: %v", p.Provable)
			}
			for _, proof := range []bool{true, false} {
				if a := p.Get(t.Context(), way, proof); a.Err != nil {
					t.Fatal(a.Err)
				}
				r := <-requests
				query, token := strings.Contains(r.URL.RawQuery, "signature="), strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ")
				if query != (tt.query && proof) || token != (tt.token && proof) {
					t.Errorf("asked with a proof: %v; query %q, Authorization %q", proof, r.URL.RawQuery, r.Header.Get("Authorization"))
				}
			}
		})
	}
}
