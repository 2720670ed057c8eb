// SPDX-License-Identifier: MIT

package originals

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const maxBytes = 100

// tree makes originals of every kind, and a file beside them.
func tree(t *testing.T) (d *Dir, path string) {
	t.Helper()
	top := t.TempDir()
	path = filepath.Join(top, "media")
	write(t, filepath.Join(top, "outside.jpg"), "secret")
	write(t, filepath.Join(path, "a.jpg"), "a")
	write(t, filepath.Join(path, "sub/b.jpg"), "b")
	write(t, filepath.Join(path, "other/c.jpg"), "c")
	write(t, filepath.Join(path, "\xff?%\n.jpg"), "odd name")
	write(t, filepath.Join(path, "limit.jpg"), strings.Repeat("x", maxBytes))
	write(t, filepath.Join(path, "large.jpg"), strings.Repeat("x", maxBytes+1))
	for name, target := range map[string]string{
		"link.jpg":          "sub/b.jpg",
		"sub/up.jpg":        "../a.jpg",
		"folder":            "sub",
		"sub/sibling":       "../other",
		"other/sibling":     "../sub",
		"dot":               ".",
		"sub/parent":        "..",
		"loop.jpg":          "loop.jpg",
		"ring1":             "ring2",
		"ring2":             "ring1",
		"out.jpg":           "../outside.jpg",
		"outdir":            "..",
		"absolute-out.jpg":  filepath.Join(top, "outside.jpg"),
		"absolute-in.jpg":   filepath.Join(path, "a.jpg"),
		"dangling.jpg":      "nothing.jpg",
		"to-device.jpg":     "/dev/zero",
		"to-pipe.jpg":       "pipe.jpg",
		"sub/deep-out.jpg":  "../sub/../../outside.jpg",
		"sub/deep-file.jpg": "../a.jpg/x",
	} {
		if err := os.Symlink(target, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(path, "pipe.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	socket(t, filepath.Join(path, "socket.jpg"))
	d = New(path, maxBytes)
	t.Cleanup(func() { d.Close() })
	return d, path
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// socket binds below a short name: the path of a test's folder may be longer
// than an address can be.
func socket(t *testing.T, path string) {
	t.Helper()
	short, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(short); err != nil {
			t.Error(err)
		}
	}()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(short, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	if err := os.Rename(filepath.Join(short, "s"), path); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	d, _ := tree(t)
	tests := map[string]struct {
		name, want string
		err        error
	}{
		"a file":                         {name: "a.jpg", want: "a"},
		"below a folder":                 {name: "sub/b.jpg", want: "b"},
		"a name of any bytes":            {name: "\xff?%\n.jpg", want: "odd name"},
		"as large as allowed":            {name: "limit.jpg", want: strings.Repeat("x", maxBytes)},
		"a link to a file":               {name: "link.jpg", want: "b"},
		"a link up and inside":           {name: "sub/up.jpg", want: "a"},
		"a link to a folder":             {name: "folder/b.jpg", want: "b"},
		"links to siblings":              {name: "sub/sibling/c.jpg", want: "c"},
		"missing":                        {name: "no.jpg", err: fs.ErrNotExist},
		"missing folder":                 {name: "no/a.jpg", err: fs.ErrNotExist},
		"a file for a folder":            {name: "a.jpg/a.jpg", err: fs.ErrNotExist},
		"a link through a file":          {name: "sub/deep-file.jpg", err: fs.ErrNotExist},
		"a dangling link":                {name: "dangling.jpg", err: fs.ErrNotExist},
		"a link to itself":               {name: "loop.jpg", err: fs.ErrNotExist},
		"a ring of links":                {name: "ring1", err: fs.ErrNotExist},
		"a ring for a folder":            {name: "ring1/a.jpg", err: fs.ErrNotExist},
		"a folder in itself":             {name: "dot/a.jpg", err: fs.ErrNotExist},
		"a folder in itself, twice":      {name: "dot/dot/sub/b.jpg", err: fs.ErrNotExist},
		"back to the folder above":       {name: "sub/parent/a.jpg", err: fs.ErrNotExist},
		"to and fro":                     {name: "sub/sibling/sibling/b.jpg", err: fs.ErrNotExist},
		"a segment too long":             {name: strings.Repeat("x", 256), err: fs.ErrNotExist},
		"a path too long":                {name: strings.Repeat("x/", 3000) + "x", err: fs.ErrNotExist},
		"NUL":                            {name: "a\x00.jpg", err: fs.ErrNotExist},
		"another spelling":               {name: "sub//b.jpg", err: fs.ErrNotExist},
		"a trailing slash":               {name: "sub/b.jpg/", err: fs.ErrNotExist},
		"a dot segment":                  {name: "./a.jpg", err: fs.ErrNotExist},
		"dot segments inside":            {name: "sub/../a.jpg", err: fs.ErrNotExist},
		"the root":                       {name: ".", err: ErrNotRegular},
		"no name":                        {name: "", err: ErrOutside},
		"dot segments that lead out":     {name: "../outside.jpg", err: ErrOutside},
		"an absolute name":               {name: "/etc/passwd", err: ErrOutside},
		"a link out":                     {name: "out.jpg", err: ErrOutside},
		"a link out, from below":         {name: "sub/deep-out.jpg", err: ErrOutside},
		"below a link out":               {name: "outdir/outside.jpg", err: ErrOutside},
		"an absolute link out":           {name: "absolute-out.jpg", err: ErrAbsoluteLink},
		"an absolute link, even inside":  {name: "absolute-in.jpg", err: ErrAbsoluteLink},
		"a device, by a link":            {name: "to-device.jpg", err: ErrOutside},
		"a FIFO":                         {name: "pipe.jpg", err: ErrNotRegular},
		"a FIFO, by a link":              {name: "to-pipe.jpg", err: ErrNotRegular},
		"a socket":                       {name: "socket.jpg", err: ErrNotRegular},
		"a folder":                       {name: "sub", err: ErrNotRegular},
		"larger than allowed":            {name: "large.jpg", err: ErrTooLarge},
		"larger than allowed, no folder": {name: "large.jpg/x", err: fs.ErrNotExist},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, info, err := d.Open(tt.name)
			if tt.err != nil {
				if !errors.Is(err, tt.err) || f != nil {
					t.Errorf("got %v, %v, want %v", f, err, tt.err)
				}
				if errors.Is(err, ErrUnreadable) {
					t.Errorf("a wrong name is the server's fault: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			b, err := io.ReadAll(f)
			if err != nil || string(b) != tt.want {
				t.Errorf("got %q, %v, want %q", b, err, tt.want)
			}
			if info.Size != int64(len(tt.want)) {
				t.Errorf("size: got %d, want %d", info.Size, len(tt.want))
			}
		})
	}
}

func TestOpenIsReadOnly(t *testing.T) {
	d, _ := tree(t)
	f, _, err := d.Open("a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("x"); !errors.Is(err, syscall.EBADF) {
		t.Errorf("got %v, want %v", err, syscall.EBADF)
	}
}

// With no mknod a test has no device below its originals but through a link,
// and a link to /dev leads out.
func TestDeviceIsNotOpened(t *testing.T) {
	d := New("/dev", maxBytes)
	defer d.Close()
	for _, name := range []string{"zero", "null", "tty"} {
		if _, _, err := d.Open(name); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: got %v, want %v", name, err, ErrNotRegular)
		}
	}
}

// A file that turns into a FIFO between the look and the opening must not make
// Open wait. If it does, this test does not end.
func TestOpenDoesNotBlockOnARace(t *testing.T) {
	d, path := tree(t)
	name := filepath.Join(path, "a.jpg")
	opened := make(chan error)
	go func() {
		defer close(opened)
		for range 2000 {
			f, _, err := d.Open("a.jpg")
			if errors.Is(err, ErrNotRegular) {
				continue
			}
			if err != nil {
				opened <- err
				continue
			}
			if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
				opened <- fmt.Errorf("opened %v, %w", fi, err)
			}
			f.Close()
		}
	}()
	for i := 0; ; i++ {
		select {
		case err, more := <-opened:
			if !more {
				return
			}
			t.Error(err)
		default:
		}
		next := filepath.Join(path, "next")
		if i%2 == 0 {
			if err := syscall.Mkfifo(next, 0o644); err != nil {
				t.Fatal(err)
			}
		} else {
			write(t, next, "a")
		}
		if err := os.Rename(next, name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTooLargeTellsTheVersion(t *testing.T) {
	d, path := tree(t)
	mtime := time.Unix(1_600_000_000, 123_456_789)
	if err := os.Chtimes(filepath.Join(path, "large.jpg"), time.Time{}, mtime); err != nil {
		t.Fatal(err)
	}
	_, info, err := d.Open("large.jpg")
	if !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if info.Size != maxBytes+1 || !info.Mtime.Equal(mtime) {
		t.Errorf("got %+v", info)
	}
}

func TestExists(t *testing.T) {
	d, _ := tree(t)
	for name, want := range map[string]bool{
		"a.jpg": true, "link.jpg": true, "large.jpg": true,
		"no.jpg": false, "sub": false, "pipe.jpg": false, "out.jpg": false,
		"dot/a.jpg": false, "a.jpg/x": false,
	} {
		if got, err := d.Exists(name); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
}

func TestOpenFile(t *testing.T) {
	_, path := tree(t)
	for name, want := range map[string]error{
		"a.jpg": nil, "link.jpg": nil,
		"large.jpg": ErrTooLarge, "sub": ErrNotRegular, "pipe.jpg": ErrNotRegular, "no.jpg": ErrUnreadable,
	} {
		f, info, err := OpenFile(filepath.Join(path, name), maxBytes)
		if !errors.Is(err, want) || (err == nil) != (f != nil) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
		if f == nil {
			continue
		}
		if changed, err := Changed(f, info); changed || err != nil {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
		f.Close()
	}
}
