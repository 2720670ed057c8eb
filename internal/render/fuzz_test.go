// SPDX-License-Identifier: MIT

package render

import (
	"bytes"
	"errors"
	"image"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"thumbd/internal/geometry"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// FuzzReply has a worker answer a job of two outputs with any message, and leave
// any bytes in its memfds. It holds that the answer is refused as a whole, or
// each output has one end, and a picture has its bytes and the size that is due.
func FuzzReply(f *testing.F) {
	pool := New(Options{Queue: 1, Limits: Limits{OriginalPixels: 1000, OriginalFrames: 1, ThumbnailWidth: 100, ThumbnailHeight: 100, ThumbnailBytes: 1 << 12}})
	job := &wire.Job{ID: 7, Pixels: 1000, Frames: 1, Width: 100, Height: 100, Bytes: 1 << 12, Outputs: []thumb.Transform{
		{Width: 20, Height: 15, Method: thumb.Crop, Format: thumb.JPEG},
		{Method: thumb.Original, Format: thumb.GIF},
	}}
	made := wire.Result{Width: 20, Height: 15, OriginalWidth: 40, OriginalHeight: 30, Decoded: true}
	for _, reply := range []wire.Reply{
		{ID: 7, Results: []wire.Result{made, made}},
		{ID: 7, Results: []wire.Result{{Failure: wire.Damaged, Detail: "cut off"}, {Failure: wire.Internal}}},
		{ID: 7, Results: []wire.Result{made}},
		{ID: 8, Results: []wire.Result{made, made}},
	} {
		message, err := wire.Encode(&reply)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message, []byte("a picture"))
	}
	f.Add([]byte("{}"), []byte{})
	f.Add([]byte{}, []byte{}) // reads like a socket that was closed
	f.Add(bytes.Repeat([]byte("a"), wire.MaxMessage+1), []byte{})
	f.Fuzz(func(t *testing.T, message, picture []byte) {
		results, err := answered(t, job, message)
		if err != nil {
			if !errors.Is(err, errLie) && !strings.Contains(err.Error(), "closed its socket") {
				t.Errorf("%v; want %v", err, errLie)
			}
			return
		}
		for i, r := range results {
			o := &output{Request: Request{Transform: job.Outputs[i]}}
			err := pool.accept(&worker{}, o, r, left(t, picture, job.Bytes))
			if ends := count(err != nil, o.err != nil, o.picture != nil); ends != 1 {
				t.Fatalf("%d ends: %v, %v, %v", ends, err, o.err, o.picture)
			}
			if o.picture != nil {
				checkPicture(t, o, r, picture)
				o.picture.File.Close()
			}
		}
	})
}

// answered returns what do makes of a message of the worker's to job.
func answered(t *testing.T, job *wire.Job, message []byte) ([]wire.Result, error) {
	t.Helper()
	ours, theirs, err := socketpair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	if _, err := theirs.Write(message); err != nil {
		t.Skip(err) // It is larger than a packet can be.
	}
	return (&worker{conn: ours, log: &tail{}}).do(job, nil, time.Now().Add(time.Minute))
}

// left returns an output with what a worker has left in it.
func left(t *testing.T, picture []byte, size int64) *os.File {
	t.Helper()
	f, err := memfd(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(min(int64(len(picture)), size)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(picture[:min(int64(len(picture)), size)], 0); err != nil {
		t.Fatal(err)
	}
	return f
}

// checkPicture compares an accepted picture with the bytes that the worker left
// and the size that the transform asks for.
func checkPicture(t *testing.T, o *output, r wire.Result, left []byte) {
	t.Helper()
	got, err := io.ReadAll(io.NewSectionReader(o.picture.File, 0, 1<<20))
	if err != nil || len(got) == 0 || !bytes.HasPrefix(left, got) {
		t.Errorf("a picture of %q, %v; the worker left %q", got, err, left)
	}
	if o.Transform.Method == thumb.Original {
		return
	}
	plan, err := geometry.New(image.Pt(r.OriginalWidth, r.OriginalHeight), o.Transform, image.Pt(100, 100))
	if size := image.Pt(o.picture.Width, o.picture.Height); err != nil || size != plan.Canvas {
		t.Errorf("a picture of %v for %+v; want %v, %v", size, r, plan.Canvas, err)
	}
}

func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}
