// SPDX-License-Identifier: MIT

package publish

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/thumb"
)

// pictures returns pictures of 33x21 pixels in every format and way of
// writing it.
func pictures(t testing.TB) map[string]struct {
	format  thumb.Format
	content []byte
} {
	t.Helper()
	type picture = struct {
		format  thumb.Format
		content []byte
	}
	lossy := sample(t, "lossy.webp")
	// Without VP8X and EXIF: the VP8 chunk alone, 8 + 0x28 bytes from 30.
	plain := slices.Concat([]byte("RIFF\x34\x00\x00\x00WEBP"), lossy[30:30+8+0x28])
	animated := slices.Clone(lossy)
	animated[20] |= 1 << 1
	return map[string]picture{
		"jpg":           {thumb.JPEG, encodeJPEG(t, 33, 21)},
		"png":           {thumb.PNG, encodePNG(t, 33, 21)},
		"gif":           {thumb.GIF, encodeGIF(t, 33, 21)},
		"webp lossy":    {thumb.WebP, lossy},
		"webp plain":    {thumb.WebP, plain},
		"webp lossless": {thumb.WebP, sample(t, "lossless.webp")},
		"webp alpha":    {thumb.WebP, sample(t, "alpha.webp")},
		"webp animated": {thumb.WebP, animated},
		"avif color":    {thumb.AVIF, sample(t, "color.avif")},
		"avif grey":     {thumb.AVIF, sample(t, "grey.avif")},
		"avif alpha":    {thumb.AVIF, sample(t, "alpha.avif")},
	}
}

func TestPictureIsVerified(t *testing.T) {
	tested := make(map[thumb.Format]bool)
	for name, p := range pictures(t) {
		tested[p.format] = true
		t.Run(name, func(t *testing.T) {
			tree, folder := site(t, nil)
			publish := func(content []byte, format thumb.Format, w, h int) error {
				want := Want{Format: format, Width: w, Height: h, Mtime: mtime}
				return tree.Publish("/thumbs/a", memfd(t, content), want)
			}
			signature := p.content[:12]
			if p.format == thumb.GIF {
				signature = p.content[:6]
			}
			lies := map[string]error{
				"width":            publish(p.content, p.format, 32, 21),
				"height":           publish(p.content, p.format, 33, 22),
				"turned":           publish(p.content, p.format, 21, 33),
				"half a size":      publish(p.content, p.format, 33, 0),
				"no format":        publish(p.content, 0, 33, 21),
				"nothing":          publish(nil, p.format, 33, 21),
				"one byte":         publish(p.content[:1], p.format, 33, 21),
				"header cut off":   publish(p.content[:18], p.format, 33, 21),
				"zeros":            publish(make([]byte, 1<<20), p.format, 33, 21),
				"garbage":          publish(bytes.Repeat([]byte("garbage"), 1000), p.format, 33, 21),
				"garbage follows":  publish(append(slices.Clone(signature), bytes.Repeat([]byte{0xa5}, 1000)...), p.format, 33, 21),
				"zeros follow":     publish(append(slices.Clone(signature), make([]byte, 1000)...), p.format, 33, 21),
				"original, cut":    publish(p.content[:2], p.format, 0, 0),
				"original, zeros":  publish(make([]byte, 1000), p.format, 0, 0),
				"original, nought": publish(nil, p.format, 0, 0),
			}
			for _, f := range thumb.ThumbnailFormats() {
				if f != p.format {
					lies["as "+f.String()] = publish(p.content, f, 33, 21)
					lies["original as "+f.String()] = publish(p.content, f, 0, 0)
				}
			}
			for lie, err := range lies {
				if !errors.Is(err, ErrPicture) {
					t.Errorf("%s: got %v, want %v", lie, err, ErrPicture)
				}
			}
			if got := list(t, folder); len(got) > 0 {
				t.Errorf("published: %v", got)
			}
			if err := publish(p.content, p.format, 33, 21); err != nil {
				t.Errorf("truth: %v", err)
			}
			if err := publish(p.content, p.format, 0, 0); err != nil {
				t.Errorf("original: %v", err)
			}
		})
	}
	for _, f := range thumb.ThumbnailFormats() {
		if !tested[f] {
			t.Errorf("no picture of the format %v", f)
		}
	}
}

func TestPictureIsSealed(t *testing.T) {
	tree, _ := site(t, nil)
	picture := memfd(t, encodeJPEG(t, 64, 48))
	if err := tree.Publish("/thumbs/a.jpg", picture, jpg64); err != nil {
		t.Fatal(err)
	}
	if _, err := picture.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("write: got %v, want %v", err, unix.EPERM)
	}
	for _, size := range []int64{0, 1 << 20} {
		if err := picture.Truncate(size); !errors.Is(err, unix.EPERM) {
			t.Errorf("truncate to %d: got %v, want %v", size, err, unix.EPERM)
		}
	}
	if err := tree.Publish("/thumbs/b.jpg", picture, jpg64); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// A limit on the size of a memfd is a seal too.
func TestPictureMayBeKeptFromGrowing(t *testing.T) {
	tree, _ := site(t, nil)
	picture := memfd(t, encodeJPEG(t, 64, 48))
	if _, err := unix.FcntlInt(picture.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW); err != nil {
		t.Fatal(err)
	}
	if err := tree.Publish("/thumbs/a.jpg", picture, jpg64); err != nil {
		t.Error(err)
	}
}

func TestPictureInTheWorkersHandsIsRefused(t *testing.T) {
	grips := map[string]func(t *testing.T, picture *os.File){
		"mapped for writing": func(t *testing.T, picture *os.File) {
			m, err := unix.Mmap(int(picture.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := unix.Munmap(m); err != nil {
					t.Error(err)
				}
			})
		},
		"sealed against seals": func(t *testing.T, picture *os.File) {
			if _, err := unix.FcntlInt(picture.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, grip := range grips {
		t.Run(name, func(t *testing.T) {
			tree, folder := site(t, nil)
			picture := memfd(t, encodeJPEG(t, 64, 48))
			grip(t, picture)
			if err := tree.Publish("/thumbs/a.jpg", picture, jpg64); !errors.Is(err, ErrPicture) {
				t.Errorf("got %v, want %v", err, ErrPicture)
			}
			if got := list(t, folder); len(got) > 0 {
				t.Errorf("published: %v", got)
			}
		})
	}
}

func TestFileThatIsNoMemfdIsRefused(t *testing.T) {
	tree, _ := site(t, nil)
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := tree.Publish("/thumbs/a.jpg", f, jpg64); !errors.Is(err, ErrPicture) {
		t.Errorf("got %v, want %v", err, ErrPicture)
	}
}

// An error of the disk while the copy is read is not the worker's.
func TestReadErrorIsNoLie(t *testing.T) {
	jpg := encodeJPEG(t, 64, 48)
	for n := range 40 {
		fault := io.NewSectionReader(failAfter{bytes.NewReader(jpg), int64(n)}, 0, int64(len(jpg)))
		if err := verify(fault, jpg64); !errors.Is(err, unix.EIO) || errors.Is(err, ErrPicture) {
			t.Errorf("after %d bytes: got %v, want %v", n, err, unix.EIO)
		}
	}
}

// failAfter is a disk with a bad block at n.
type failAfter struct {
	r io.ReaderAt
	n int64
}

func (f failAfter) ReadAt(p []byte, off int64) (int, error) {
	if left := f.n - off; left < int64(len(p)) {
		n, _ := f.r.ReadAt(p[:max(left, 0)], off)
		return n, unix.EIO
	}
	return f.r.ReadAt(p, off)
}
