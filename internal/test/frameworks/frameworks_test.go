// SPDX-License-Identifier: MIT

// Package frameworks tests pages that Next.js and Nuxt build with the package for npm.
package frameworks

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

func TestMain(m *testing.M) { kit.Main(m) }

// framework is a page in testdata, and what runs it.
type framework struct {
	name   string
	build  []string
	start  []string // with PORT in the environment
	built  string   // the folder of all that was built
	public string   // the part of it that browsers get
}

// TestFrameworks builds a page with a picture that the server signs and one whose URL the
// browser makes, looks at both in Chromium, and searches what was built for the key.
func TestFrameworks(t *testing.T) {
	from := os.Getenv("THUMBD_FRAMEWORKS")
	if from == "" {
		kit.Skip(t, "THUMBD_FRAMEWORKS names no installed frameworks; make check-clients does")
	}
	for _, f := range []framework{
		{"next", []string{"node", "node_modules/next/dist/bin/next", "build"}, []string{"node", "node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1"}, ".next", ".next/static"},
		{"nuxt", []string{"node", "node_modules/nuxt/bin/nuxt.mjs", "build"}, []string{"node", ".output/server/index.mjs"}, ".output", ".output/public"},
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
	kit.Must(t, err)
	env := append(os.Environ(), "NEXT_TELEMETRY_DISABLED=1", "NUXT_TELEMETRY_DISABLED=1", "HOST=127.0.0.1", "PORT="+port,
		"THUMBD_KEY="+kit.Key, "NUXT_KEY="+kit.Key, "NEXT_PUBLIC_THUMBS="+r.URL(""), "NUXT_PUBLIC_THUMBS="+r.URL(""))
	kit.Run(t, "cp", "-R", "testdata/"+f.name+"/.", dir)
	build := exec.CommandContext(t.Context(), f.build[0], f.build[1:]...)
	build.Dir, build.Env = dir, env
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", f.build, err, out)
	}
	expectNone(t, filepath.Join(dir, f.built), kit.Key, "/thumbs/")
	expectNone(t, filepath.Join(dir, f.public), "createHmac", "hero")

	start := exec.Command(f.start[0], f.start[1:]...)
	start.Dir, start.Env = dir, env
	ended, log := kit.Background(t, start)
	await(t, address, ended, log)
	b := kit.OpenBrowser(t)
	b.Resize(800, 600, 1)
	b.Go("http://" + address)
	var shown [][2]string
	b.Eval(`Promise.all([...document.images].map((i) => i.decode().then(() => [i.alt, new URL(i.currentSrc).pathname])))`, &shown)
	want := kit.Signed("/thumbs/", "fig.jpg", "hero-160w", "webp")
	if len(shown) != 2 || shown[0] != [2]string{"signed", want} || shown[1][0] != "loaded" || !loaded.MatchString(shown[1][1]) {
		t.Errorf("the page shows %q, want %s and a preset", shown, want)
	}
	var keys bool
	b.Eval(fmt.Sprintf(`document.documentElement.outerHTML.includes(%q)`, kit.Key), &keys)
	if keys {
		t.Error("the page has the key")
	}
}

var loaded = regexp.MustCompile(`^/p/hero-(80|160)w/fig\.jpg$`)

// await waits until a server that has been started takes connections.
func await(t *testing.T, address string, ended <-chan struct{}, log *bytes.Buffer) {
	t.Helper()
	for end := time.Now().Add(kit.Patience); ; time.Sleep(10 * time.Millisecond) {
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
	kit.Must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
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
