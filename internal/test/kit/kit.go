// SPDX-License-Identifier: MIT

// Package kit has the helpers of packages e2e, faults, guards, frontends, clinic, clients,
// farm and nodes, the tests of the built programs.
//
// It is larger than other packages because all of these start the same programs: a file
// for each kind of helper.
package kit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"image"
	_ "image/gif" // for Picture
	_ "image/jpeg"
	_ "image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "golang.org/x/image/webp"
	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/rig"
)

// Key signs the URIs of the gallery.
const Key = "thumbd-test-key-0123456789abcdef"

// Programs builds both programs, once for all tests.
var Programs = sync.OnceValues(func() (rig.Programs, error) {
	return rig.Build(context.Background(), buildDir)
})

var buildDir string

// Main is the TestMain of the packages: it runs their tests in a mount namespace of
// their own, or, started in the place of thumbd-render, fails as a faulty worker does.
func Main(m *testing.M) {
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

// Start starts a rig that ends with the test. A failed test shows the logs.
func Start(t testing.TB, o rig.Options) *rig.Rig {
	t.Helper()
	if o.Programs == (rig.Programs{}) {
		p, err := Programs()
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

// Gallery is a site of the signed scheme below /thumbs/.
func Gallery(t testing.TB, originals string) rig.Site {
	t.Helper()
	return rig.Site{Name: "gallery", Prefix: "/thumbs/", Scheme: "signed", Originals: originals, Key: Key}
}

// Testdata returns the path of a file in testdata.
func Testdata(t testing.TB, name string) string {
	t.Helper()
	path, err := rig.Testdata(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Folder makes a folder of originals that every user can read: each named file
// is a copy of one of testdata.
func Folder(t testing.TB, files map[string]string) string {
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
		b, err := os.ReadFile(Testdata(t, from))
		if err != nil {
			t.Fatal(err)
		}
		Put(t, filepath.Join(dir, name), b)
	}
	return dir
}

// Put writes a file that every user can read, with the folders above it.
func Put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Signed returns the decoded URI of a thumbnail in the signed scheme, computed
// here and not by thumbd's own code.
func Signed(prefix, original, spec, ext string) string {
	return SignedWith(Key, prefix+original, spec, ext)
}

// SignedWith is signed with a site's own key; path is prefix and original.
func SignedWith(key, path, spec, ext string) string {
	stem := path + "/" + spec + "_"
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(stem + "." + ext))
	return stem + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:21]) + "." + ext
}

// Target is the request target for a thumbnail of the gallery.
func Target(original, spec, ext string) string {
	return rig.Escape(Signed("/thumbs/", original, spec, ext))
}

func Do(t testing.TB, r *rig.Rig, q rig.Request) rig.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	resp, err := r.Do(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func Get(t testing.TB, r *rig.Rig, target string, header ...string) rig.Response {
	t.Helper()
	return Do(t, r, rig.Request{Target: target, Header: header})
}

// Expect checks an answer's status and reason, "" for none.
func Expect(t testing.TB, resp rig.Response, status int, reason string) {
	t.Helper()
	if got := resp.Header.Get("X-Thumbd-Reason"); resp.Status != status || got != reason {
		t.Errorf("status %d, reason %q, want %d, %q; body %.200q", resp.Status, got, status, reason, resp.Body)
	}
}

// Picture decodes an answer and checks its format and size.
func Picture(t testing.TB, resp rig.Response, format string, width, height int) image.Image {
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
		// An animated WebP: the decoder reads only its header.
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

// WaitLog waits until n lines of thumbd's log have all of words.
func WaitLog(t testing.TB, r *rig.Rig, n int, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	if err := r.Log.Wait(ctx, n, words...); err != nil {
		t.Fatal(err)
	}
}

// StopDaemon stops thumbd, so that its log is whole.
func StopDaemon(t testing.TB, r *rig.Rig) {
	t.Helper()
	if err := r.StopDaemon(); err != nil {
		t.Fatal(err)
	}
}

// Stays reports whether a file in a tree's folder .thumbd is no temp file, for example
// settings.json: thumbd keeps it there.
func Stays(path string) bool {
	return slices.Contains([]string{"settings.json", "hold.lock", "daemon.lock", "journal.json", "gc.json", "gc.lock"}, filepath.Base(path))
}

// NoTempFiles checks that a site's tree has only thumbnails, and in its folder for temp
// files only the files that stay there.
func NoTempFiles(t testing.TB, r *rig.Rig, site string) {
	t.Helper()
	err := filepath.WalkDir(r.Root(site), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "/.") && !Stays(path) {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Run runs a program that must succeed.
func Run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// Unmount unmounts dir if it is still mounted.
func Unmount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

var (
	Campaign = flag.Bool("campaign", false, "run the long versions of the tests that have one")
	seed     = flag.Uint64("seed", 0, "of the moments that are chosen at random; 0: any")
)

// Times returns how often a test repeats a step that is tried at random: long in a
// campaign.
func Times(short, long int) int {
	if *Campaign {
		return long
	}
	return short
}

// Random returns a source of random moments. If the test fails, it shows the seed. A
// campaign always shows it, because it may be stopped.
func Random(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("-seed %d", s)
		}
	})
	if *Campaign {
		t.Logf("-seed %d", s)
	}
	return rand.New(rand.NewPCG(s, 0))
}

// NeedPrograms skips the test if a program is missing.
func NeedPrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			aid.Skip(t, err.Error())
		}
	}
}

// mountsVariable is set in the environment if this process has a mount namespace of its
// own.
const mountsVariable = "THUMBD_E2E_MOUNTS"

// ownMounts puts this process into a mount namespace of its own, if it may. So its
// mounts go when it ends, even if it is killed.
func ownMounts() error {
	if os.Getenv(mountsVariable) != "" {
		return nil
	}
	// A namespace is a thread's. The thread that calls exec is the only one
	// that is left of the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		if errors.Is(err, unix.EPERM) {
			return nil
		}
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, append(os.Environ(), mountsVariable+"=1"))
}

// NeedMounts skips the test if it can't mount anything.
func NeedMounts(t *testing.T) {
	t.Helper()
	if os.Getenv(mountsVariable) == "" {
		aid.Skip(t, "a mount takes root, with the right to mount")
	}
}

// Mount mounts a file system until the test ends.
func Mount(t *testing.T, source, dir, kind string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, dir, kind, flags, data); err != nil {
		t.Fatalf("mount %s on %s: %v", kind, dir, err)
	}
	t.Cleanup(func() {
		// EINVAL: the test has unmounted it itself.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}
