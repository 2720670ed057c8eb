// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"sync"
	"testing"

	"github.com/h2non/bimg"
	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

var start = sync.OnceValues(Start)

func started(t testing.TB) *Engine {
	t.Helper()
	e, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var everyFormat = []thumb.Format{
	thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF, thumb.HEIC, thumb.TIFF,
}

// limits is a job without outputs and with generous limits.
func limits() wire.Job {
	return wire.Job{
		Formats: everyFormat,
		Pixels:  100_000_000, Frames: 200,
		Width: 4096, Height: 4096, Bytes: 8 << 20,
	}
}

// render makes outputs of data under job and returns the files made. That of
// a failure is nil.
func render(t testing.TB, data []byte, job wire.Job, outputs ...thumb.Transform) ([][]byte, []wire.Result) {
	t.Helper()
	job.Outputs = outputs
	in := fileOf(t, data)
	var outs []*os.File
	for range outputs {
		outs = append(outs, outputFile(t, job.Bytes))
	}
	results := started(t).Render(job, Files{Original: in, Outputs: outs})
	files := make([][]byte, len(outputs))
	for i, out := range outs {
		made, err := os.ReadFile(nameOf(out))
		if err != nil {
			t.Fatal(err)
		}
		if results[i].Failure == "" {
			files[i] = made
		} else if len(bytes.Trim(made, "\x00")) > 0 {
			t.Errorf("output %d: %s, and something was written", i, results[i].Failure)
		}
		out.Close()
	}
	in.Close()
	return files, results
}

func fileOf(t testing.TB, data []byte) *os.File {
	t.Helper()
	f, err := memoryFile(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// outputFile is as the daemon makes it: as long as a thumbnail may be, and it
// can't grow.
func outputFile(t testing.TB, size int64) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "output")
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW); err != nil {
		t.Fatal(err)
	}
	return f
}

func nameOf(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// thumbnail renders one output, which must succeed, and decodes it.
func thumbnail(t testing.TB, data []byte, tr thumb.Transform) image.Image {
	t.Helper()
	file := thumbnailFile(t, data, tr)
	return decode(t, file, tr.Format)
}

func thumbnailFile(t testing.TB, data []byte, tr thumb.Transform) []byte {
	t.Helper()
	files, results := render(t, data, limits(), tr)
	if r := results[0]; r.Failure != "" {
		t.Fatalf("%v %v: %s: %s", tr.Method, tr.Format, r.Failure, r.Detail)
	}
	return files[0]
}

func decode(t testing.TB, file []byte, f thumb.Format) image.Image {
	t.Helper()
	var m image.Image
	var err error
	switch f {
	case thumb.JPEG:
		m, err = jpeg.Decode(bytes.NewReader(file))
	case thumb.PNG:
		m, err = png.Decode(bytes.NewReader(file))
	case thumb.GIF:
		m, err = gif.Decode(bytes.NewReader(file))
	default:
		// Go's WebP decoder takes the colors for those of JPEG.
		return thumbnail(t, file, thumb.Transform{Width: 4096, Method: thumb.Fit, Format: thumb.PNG})
	}
	if err != nil {
		t.Fatalf("decode %v: %v", f, err)
	}
	return m
}

// The colors of a quadrant picture, clockwise from the top left.
var (
	red    = color.NRGBA{220, 30, 30, 255}
	green  = color.NRGBA{30, 180, 50, 255}
	blue   = color.NRGBA{40, 50, 210, 255}
	yellow = color.NRGBA{230, 220, 40, 255}
)

// quadrants is red at the top left, green at the top right, yellow at the
// bottom right and blue at the bottom left.
func quadrants(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for _, q := range []struct {
		r image.Rectangle
		c color.NRGBA
	}{
		{image.Rect(0, 0, w/2, h/2), red},
		{image.Rect(w/2, 0, w, h/2), green},
		{image.Rect(w/2, h/2, w, h), yellow},
		{image.Rect(0, h/2, w/2, h), blue},
	} {
		draw.Draw(m, q.r, image.NewUniform(q.c), image.Point{}, draw.Src)
	}
	return m
}

// expectQuadrants checks a picture of quadrants in its middles and near its
// corners.
func expectQuadrants(t *testing.T, m image.Image, tolerance int) {
	t.Helper()
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	for _, q := range []struct {
		x, y int
		want color.NRGBA
	}{
		{0, 0, red}, {1, 0, green}, {1, 1, yellow}, {0, 1, blue},
	} {
		expectColor(t, m, w/4+q.x*w/2, h/4+q.y*h/2, q.want, tolerance)
		expectColor(t, m, 2+q.x*(w-5), 2+q.y*(h-5), q.want, tolerance+6)
		expectColor(t, m, w/2-4+q.x*8, h/2-4+q.y*8, q.want, tolerance+10)
	}
}

func expectColor(t *testing.T, m image.Image, x, y int, want color.NRGBA, tolerance int) {
	t.Helper()
	got := color.NRGBAModel.Convert(m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y)).(color.NRGBA)
	if !near(got, want, tolerance) {
		t.Errorf("at %d,%d of %v: got %v, want %v", x, y, m.Bounds().Size(), got, want)
	}
}

// near reports whether two colors look alike; where nothing is seen any do.
func near(a, b color.NRGBA, tolerance int) bool {
	if a.A == 0 && b.A == 0 {
		return true
	}
	for _, d := range []int{
		int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B), int(a.A) - int(b.A),
	} {
		if max(d, -d) > tolerance {
			return false
		}
	}
	return true
}

// original returns m as a file of format f.
func originalFile(t testing.TB, m image.Image, f thumb.Format) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch f {
	case thumb.JPEG:
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 95})
	case thumb.GIF:
		err = gif.Encode(&b, m, nil)
	default:
		err = png.Encode(&b, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	kind, ok := map[thumb.Format]bimg.ImageType{
		thumb.WebP: bimg.WEBP, thumb.AVIF: bimg.AVIF, thumb.HEIC: bimg.HEIF, thumb.TIFF: bimg.TIFF,
	}[f]
	if !ok {
		return b.Bytes()
	}
	started(t)
	out, err := bimg.NewImage(b.Bytes()).Process(bimg.Options{Type: kind, Quality: 95, Speed: 8})
	if err != nil {
		t.Fatalf("make %v: %v", f, err)
	}
	return out
}

// save keeps what a test made for a look at it, in the folder that
// THUMBD_TEST_OUTPUT names.
func save(t *testing.T, name string, file []byte) {
	t.Helper()
	if dir := os.Getenv("THUMBD_TEST_OUTPUT"); dir != "" {
		if err := os.WriteFile(dir+"/"+name, file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
