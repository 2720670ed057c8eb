// SPDX-License-Identifier: MIT

// Package e2e tests thumbd as it is installed: the built programs, a real
// nginx with the shipped files, and a held socket.
package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "golang.org/x/image/webp"

	"thumbd/internal/test/rig"
)

const (
	key = "thumbd-test-key-0123456789abcdef"
	// patience is far above what anything here takes, and far below the
	// limit of a test run.
	patience = 2 * time.Minute
)

// programs builds both programs, once for all tests.
var programs = sync.OnceValues(func() (rig.Programs, error) {
	return rig.Build(context.Background(), buildDir)
})

var buildDir string

func TestMain(m *testing.M) {
	if os.Getenv(faultVariable) != "" {
		os.Exit(faultyWorker(os.Getenv(faultVariable)))
	}
	if err := ownMounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	var err error
	if buildDir, err = os.MkdirTemp("", "thumbd-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := os.RemoveAll(buildDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// start starts a rig that ends with the test. A failed test shows the logs.
func start(t testing.TB, o rig.Options) *rig.Rig {
	t.Helper()
	if o.Programs == (rig.Programs{}) {
		p, err := programs()
		if err != nil {
			t.Fatal(err)
		}
		o.Programs = p
	}
	r, err := rig.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			nginxLog, err := r.NginxLog()
			t.Logf("thumbd:\n%s\nnginx (%v):\n%s", r.Log, err, nginxLog)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// gallery is a site of the signed scheme below /thumbs/.
func gallery(t testing.TB, originals string) rig.Site {
	t.Helper()
	return rig.Site{Name: "gallery", Prefix: "/thumbs/", Scheme: "signed", Originals: originals, Key: key}
}

// testdata returns the path of a file in testdata.
func testdata(t testing.TB, name string) string {
	t.Helper()
	path, err := rig.Testdata(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// folder makes a folder of originals that every user can read: each named file
// is a copy of one of testdata.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "thumbd-originals-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, from := range files {
		b, err := os.ReadFile(testdata(t, from))
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name), b)
	}
	return dir
}

// put writes a file that every user can read, with the folders above it.
func put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// signed returns the decoded URI of a thumbnail in the signed scheme, computed
// here and not by thumbd's own code.
func signed(prefix, original, spec, ext string) string {
	return signedWith(key, prefix+original, spec, ext)
}

// signedWith is signed with a site's own key; path is prefix and original.
func signedWith(key, path, spec, ext string) string {
	stem := path + "/" + spec + "_"
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(stem + "." + ext))
	return stem + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:21]) + "." + ext
}

// target is the request target for a thumbnail of the gallery.
func target(original, spec, ext string) string {
	return rig.Escape(signed("/thumbs/", original, spec, ext))
}

func do(t testing.TB, r *rig.Rig, q rig.Request) rig.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := r.Do(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func get(t testing.TB, r *rig.Rig, target string, header ...string) rig.Response {
	t.Helper()
	return do(t, r, rig.Request{Target: target, Header: header})
}

// expect checks an answer's status and reason, "" for none.
func expect(t testing.TB, resp rig.Response, status int, reason string) {
	t.Helper()
	if got := resp.Header.Get("X-Thumbd-Reason"); resp.Status != status || got != reason {
		t.Errorf("status %d, reason %q, want %d, %q; body %.200q", resp.Status, got, status, reason, resp.Body)
	}
}

// picture decodes an answer and checks what it is.
func picture(t testing.TB, resp rig.Response, format string, width, height int) image.Image {
	t.Helper()
	if resp.Status != 200 {
		t.Fatalf("status %d, reason %q, want a picture", resp.Status, resp.Header.Get("X-Thumbd-Reason"))
	}
	if want, got := "image/"+format, resp.Header.Get("Content-Type"); got != want {
		t.Errorf("Content-Type %q, want %q", got, want)
	}
	if format == "avif" {
		if !bytes.HasPrefix(resp.Body[min(4, len(resp.Body)):], []byte("ftypavif")) {
			t.Errorf("no AVIF: %.16q", resp.Body)
		}
		return nil
	}
	if bytes.Contains(resp.Body[:min(64, len(resp.Body))], []byte("ANIM")) {
		// An animated WebP, of which the decoder reads the header alone.
		c, got, err := image.DecodeConfig(bytes.NewReader(resp.Body))
		if err != nil || got != format || c.Width != width || c.Height != height {
			t.Errorf("got %s of %dx%d, %v, want %s of %dx%d", got, c.Width, c.Height, err, format, width, height)
		}
		return nil
	}
	img, got, err := image.Decode(bytes.NewReader(resp.Body))
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if size := img.Bounds().Size(); got != format || size.X != width || size.Y != height {
		t.Errorf("got %s of %dx%d, want %s of %dx%d", got, size.X, size.Y, format, width, height)
	}
	return img
}

// waitLog waits until n lines of thumbd's log have all of words.
func waitLog(t testing.TB, r *rig.Rig, n int, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Log.Wait(ctx, n, words...); err != nil {
		t.Fatal(err)
	}
}

// stopDaemon stops thumbd, so that its log is whole.
func stopDaemon(t testing.TB, r *rig.Rig) {
	t.Helper()
	if err := r.StopDaemon(); err != nil {
		t.Fatal(err)
	}
}

// stays reports whether a file of a tree's folder for temp files is to be there.
func stays(path string) bool {
	return slices.Contains([]string{"settings.json", "hold.lock", "gc.json", "gc.lock"}, filepath.Base(path))
}

// noTempFiles checks that a site's tree has thumbnails and nothing else but what
// stays in its folder for temp files.
func noTempFiles(t testing.TB, r *rig.Rig, site string) {
	t.Helper()
	err := filepath.WalkDir(r.Root(site), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "/.") && !stays(path) {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
