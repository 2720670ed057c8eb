// SPDX-License-Identifier: MIT

// Package frameworks tests pages that Next.js, Nuxt, Astro and unpic build with the package
// for npm, and compares the hashes of descriptions with those of packages of npm.
package frameworks

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

func TestMain(m *testing.M) { kit.Main(m) }

// framework is a page in testdata, and what runs it.
type framework struct {
	name   string
	build  []string
	start  []string // with PORT in the environment; nil: public is served as it is
	built  string   // the folder of all that was built
	public string   // the part of it that browsers get
	loaded int      // pictures of loaders in the page
}

// TestFrameworks builds a page with a picture that is signed where the key is, and pictures
// of a framework's own component, looks at them in Chromium, and searches what was built
// for the key. Each picture has its place before it is there, and widths are true.
func TestFrameworks(t *testing.T) {
	from := os.Getenv("THUMBD_FRAMEWORKS")
	if from == "" {
		aid.Skip(t, "THUMBD_FRAMEWORKS names no installed frameworks; make check-clients does")
	}
	for _, f := range []framework{
		{"next", []string{"node", "node_modules/next/dist/bin/next", "build"}, []string{"node", "node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1"}, ".next", ".next/static", 1},
		{"nuxt", []string{"node", "node_modules/nuxt/bin/nuxt.mjs", "build"}, []string{"node", ".output/server/index.mjs"}, ".output", ".output/public", 1},
		{"astro", []string{"node", "node_modules/astro/astro.js", "build"}, nil, "dist", "dist", 3},
	} {
		t.Run(f.name, func(t *testing.T) { f.test(t, filepath.Join(from, f.name)) })
	}
}

func (f framework) test(t *testing.T, dir string) {
	const presets = "[site.%[1]s.preset.hero]\nsize = \"160x120\"\nmethod = \"crop\"\nwidths = [80, 160]\nformats = [\"webp\"]\n"
	signed := kit.Gallery(t, kit.Testdata(t, "originals/photos"))
	open := rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: signed.Originals}
	signed.TOML, open.TOML = fmt.Sprintf(presets, "gallery"), fmt.Sprintf(presets, "p")
	r := kit.Start(t, rig.Options{Sites: []rig.Site{signed, open}})
	address := kit.FreePort(t)
	_, port, err := net.SplitHostPort(address)
	aid.Must(t, err)
	env := append(os.Environ(), "NEXT_TELEMETRY_DISABLED=1", "NUXT_TELEMETRY_DISABLED=1", "ASTRO_TELEMETRY_DISABLED=1", "HOST=127.0.0.1", "PORT="+port,
		"THUMBD_KEY="+kit.Key, "NUXT_KEY="+kit.Key, "NEXT_PUBLIC_THUMBS="+r.URL(""), "NUXT_PUBLIC_THUMBS="+r.URL(""), "THUMBS="+r.URL(""))
	kit.Run(t, "cp", "-R", "testdata/"+f.name+"/.", dir)
	build := exec.CommandContext(t.Context(), f.build[0], f.build[1:]...)
	build.Dir, build.Env = dir, env
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", f.build, err, out)
	}
	expectNone(t, filepath.Join(dir, f.built), kit.Key, "/thumbs/")
	expectNone(t, filepath.Join(dir, f.public), "createHmac", "hero")

	page := f.serve(t, dir, address, env)
	b := kit.OpenBrowser(t)
	b.Resize(800, 600, 1)
	b.Go(page)
	var shown []struct{ Alt, Path, Srcset, Size string }
	b.Eval(`Promise.all([...document.images].map((i) => i.decode().then(() => ({
		alt: i.alt, path: new URL(i.currentSrc).pathname, srcset: i.srcset,
		size: i.getAttribute('width') && i.getAttribute('height') || getComputedStyle(i).aspectRatio }))))`, &shown)
	want := kit.Signed("/thumbs/", "fig.jpg", "hero-160w", "webp")
	if len(shown) != 1+f.loaded || shown[0].Alt != "signed" || shown[0].Path != want {
		t.Fatalf("the page shows %q, want %s and %d more", shown, want, f.loaded)
	}
	for i, x := range shown {
		if i > 0 && (x.Alt != "loaded" || !loaded.MatchString(x.Path)) || x.Size == "" || x.Size == "auto" {
			t.Errorf("the page shows %q", x)
		}
		if strings.HasSuffix(x.Srcset, "w") {
			// unpic has a line for each.
			entries := strings.ReplaceAll(strings.ReplaceAll(x.Srcset, ",\n", ", "), r.URL(""), "")
			kit.EachEntry(t, r, "jpeg", entries)
		}
	}
	var keys bool
	b.Eval(fmt.Sprintf(`document.documentElement.outerHTML.includes(%q)`, kit.Key), &keys)
	if keys {
		t.Error("the page has the key")
	}
}

var loaded = regexp.MustCompile(`^/p/hero-(80|160)w/fig\.jpg$`)

// serve serves what was built, at an address if the framework does it, and returns the
// URL of the page.
func (f framework) serve(t *testing.T, dir, address string, env []string) string {
	t.Helper()
	if f.start == nil {
		s := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, f.public))))
		t.Cleanup(s.Close)
		return s.URL
	}
	start := exec.Command(f.start[0], f.start[1:]...)
	start.Dir, start.Env = dir, env
	ended, log := kit.Background(t, start)
	await(t, address, ended, log)
	return "http://" + address
}

// await waits until a server that has been started takes connections.
func await(t *testing.T, address string, ended <-chan struct{}, log *bytes.Buffer) {
	t.Helper()
	for end := time.Now().Add(aid.Patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("the server has ended:\n%s", log)
		default:
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// expectNone searches all files of a folder for a text. It must find another one, which
// shows that it searches what the page is made of.
func expectNone(t *testing.T, dir, text, other string) {
	t.Helper()
	found := false
	aid.Must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(other))
		if bytes.Contains(b, []byte(text)) {
			t.Errorf("%s has %q", path, text)
		}
		return err
	}))
	if !found {
		t.Errorf("no file of %s has %q", dir, other)
	}
}
