// SPDX-License-Identifier: MIT

package publish

import (
	"bytes"
	"errors"
	"image"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/thumb"
)

// mtime has nanoseconds: they must survive.
var mtime = time.Unix(1_600_000_000, 123_456_789)

// memfd returns a picture as a worker leaves it, its offset anywhere.
func memfd(t *testing.T, content []byte) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("picture", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "picture")
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f
}

func canvas(w, h int) image.Image {
	return image.NewPaletted(image.Rect(0, 0, w, h), palette.Plan9)
}

func encodeJPEG(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, canvas(w, h), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodePNG(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, canvas(w, h)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeGIF(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, canvas(w, h), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// jpg64 is what most tests publish.
var jpg64 = Want{Format: thumb.JPEG, Width: 64, Height: 48, Mtime: mtime}

// site is a tree and its folder.
func site(t *testing.T, gone func(string) bool) (tree *Tree, folder string) {
	t.Helper()
	documentRoot := t.TempDir()
	tree = New(documentRoot, "/thumbs/", gone)
	t.Cleanup(func() { tree.Close() })
	return tree, filepath.Join(documentRoot, "thumbs")
}

func mustPublish(t *testing.T, tree *Tree, name string) {
	t.Helper()
	if err := tree.Publish(name, memfd(t, encodeJPEG(t, 64, 48)), jpg64); err != nil {
		t.Fatal(err)
	}
}

func makeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// list returns all files and folders below folder but OwnDir itself.
func list(t *testing.T, folder string) []string {
	t.Helper()
	names := []string{}
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(folder, path)
		if err != nil || relErr != nil {
			return errors.Join(err, relErr)
		}
		if rel != "." && rel != OwnDir {
			names = append(names, rel)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

// noTemp fails the test if a temp file is left.
func noTemp(t *testing.T, folder string) {
	t.Helper()
	for _, name := range list(t, folder) {
		if strings.HasPrefix(name, ".") {
			t.Errorf("left behind: %s", name)
		}
	}
}

// lockFolder takes the right to write from a folder until the test ends.
func lockFolder(t *testing.T, path string) {
	t.Helper()
	if err := os.Chmod(path, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Error(err)
		}
	})
}

const childEnv = "THUMBD_PUBLISH_TEST_CHILD"

// inChild runs the calling test once more, in a process with attr, and returns
// true in that process.
func inChild(t *testing.T, attr *syscall.SysProcAttr) bool {
	t.Helper()
	if os.Getenv(childEnv) == t.Name() {
		return true
	}
	// The binary of go test may lie where only its user can reach it.
	dir, err := os.MkdirTemp("/tmp", "publish-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "test")
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if attr.Credential != nil {
		if err := os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.run", "^"+t.Name()+"$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, childEnv+"="+t.Name())
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) && attr.Cloneflags != 0 {
		t.Skip("a mount takes root or user namespaces; this user has neither")
	}
	passed := regexp.MustCompile(`(?m)^--- PASS: ` + t.Name() + ` `)
	if err != nil || !passed.Match(out) {
		t.Errorf("child: %v\n%s", err, out)
	}
	return false
}

// unprivileged runs the calling test as a user whom permissions bind, and
// returns true where it is one.
func unprivileged(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	const nobody = 65534
	return inChild(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}})
}

// withMounts runs the calling test where it may mount, and returns true there.
// All mounts end with that process.
func withMounts(t *testing.T) bool {
	t.Helper()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return inChild(t, attr)
}

// mountTmpfs returns a folder that is a tmpfs with those options.
func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
