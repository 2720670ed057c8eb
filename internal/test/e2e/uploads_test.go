// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// upload is a file of a tree as a CMS has it.
type upload struct {
	name    string // below the prefix
	data    []byte
	variant string // the media type that a client gets which accepts AVIF and WebP, or none
}

// uploadsOf returns the files of one folder: 40, of which 20 have variants.
func uploadsOf(t testing.TB, folder string) (list []upload) {
	t.Helper()
	photo, err := os.ReadFile(kit.Testdata(t, "originals/tests/orientation/1.jpg"))
	aid.Must(t, err)
	drawing, film := drawing(t, 60), film(t)
	add := func(variant string, data []byte, names ...string) {
		for _, name := range names {
			list = append(list, upload{folder + "/" + name, data, variant})
		}
	}
	add("image/avif", photo, "IMG_0001.JPG", "photo.jpg", "photo.jpeg", "a b.jpg", "größe.jpg", "写真.jpg", "100%.jpg", "%41.jpg", "50%20off.jpg",
		"what?.jpg", "a#b.jpg", "a&b=c;d.jpg", "it's \"quoted\".jpg", "back\\slash.jpg", "line\nbreak.jpg", "+plus+.jpg")
	add("image/avif", drawing, "drawing.png", "Drawing 2.PNG")
	add("image/webp", film, "film.gif", "film 2.GIF")
	add("", photo[:len(photo)/2], "cut-off.jpg", "cut off 2.jpg")
	add("", []byte("no picture"), "text.jpg", "text.png", "text.gif", "notes", "notes.txt")
	add("", nil, "empty.jpg", "empty.png", "empty.txt", "empty")
	add("", []byte("%PDF-1.4\n"), "paper.pdf", "paper 100%.pdf", "größe.pdf")
	add("", []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), "icon.svg", "icon 2.svg")
	add("", []byte("PK\x03\x04"), "archive.zip", "archive.tar.gz")
	add("", []byte("\x00\x00\x00\x18ftypmp42"), "film.mp4", "clip 1.mp4")
	return list
}

// uploadedSite is a tree of uploads behind nginx.
type uploadedSite struct {
	rig    *rig.Rig
	client http.Client
}

// ask requires 200 and the original's bytes, or if the client accepts variants also the
// one of f. It reports whether it was the variant.
func (s *uploadedSite) ask(ctx context.Context, f upload, accept bool) (variant bool, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.rig.URL(rig.Escape("/uploads/"+f.name)), nil)
	if err != nil {
		return false, err
	}
	if accept {
		name, value, _ := strings.Cut(acceptAVIF, ": ")
		q.Header.Set(name, value)
	}
	resp, err := s.client.Do(q)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, err
	}
	got := resp.Header.Get("Content-Type")
	variant = accept && f.variant != "" && got == f.variant
	if resp.StatusCode != http.StatusOK || !variant && !bytes.Equal(body, f.data) {
		return false, fmt.Errorf("%q: %d, %s of %d bytes, want the %d of the original", f.name, resp.StatusCode, got, len(body), len(f.data))
	}
	return variant, nil
}

// all asks for every upload, with Accept and without, and requires that each that wanted
// names is answered with a variant.
func (s *uploadedSite) all(t *testing.T, state string, tree []upload, wanted bool) {
	t.Helper()
	for _, f := range tree {
		_, err := s.ask(t.Context(), f, false)
		variant, errVariant := s.ask(t.Context(), f, true)
		if err != nil || errVariant != nil || variant != (wanted && f.variant != "") {
			t.Errorf("%s: %v, %v, %q with a variant: %v", state, err, errVariant, f.name, variant)
		}
	}
}

// answered asks for every upload, and takes the original and the variant.
func (s *uploadedSite) answered(t *testing.T, state string, tree []upload) {
	t.Helper()
	for _, f := range tree {
		if _, err := s.ask(t.Context(), f, true); err != nil {
			t.Errorf("%s: %v", state, err)
		}
	}
}

// Every file of a tree of uploads is answered with 200 and its own bytes as long as it is
// there: while thumbd runs, is killed under load, is stopped, without its socket and
// without its tree. A client that accepts them gets variants from the second request on.
// The campaign's tree has 2,000 files.
func TestInPlaceUploadsWhileThumbdIsKilled(t *testing.T) {
	dir := kit.Folder(t, nil)
	var tree []upload
	for i := range kit.Times(3, 50) {
		tree = append(tree, uploadsOf(t, fmt.Sprintf("%d/ordner ä%d", 2000+i/12, i%12))...)
	}
	for _, f := range tree {
		kit.Put(t, filepath.Join(dir, f.name), f.data)
	}
	if want := kit.Times(120, 2000); len(tree) != want {
		t.Fatalf("%d files, want %d", len(tree), want)
	}
	s := &uploadedSite{rig: kit.Start(t, uploads(dir, "watch = false"))}
	s.client.Transport = &http.Transport{DisableCompression: true}
	t.Cleanup(s.client.CloseIdleConnections)

	// Few originals at a time, so that the queue is never full.
	made := make(map[string]int)
	for few := range slices.Chunk(tree, 40) {
		s.all(t, "first requests", few, false)
		for _, f := range few {
			made[f.variant]++
		}
		kit.WaitLog(t, s.rig, made["image/avif"], "msg=rendered", "format=avif")
		kit.WaitLog(t, s.rig, made["image/avif"]+made["image/webp"], "msg=rendered", "format=webp")
		s.all(t, "second requests", few, true)
	}

	// As at the first request, for the variants are gone.
	aid.Must(t, os.RemoveAll(s.rig.Root("uploads")+"/uploads"))
	l := kit.StartLoad(t, 4, func(ctx context.Context, n int) error {
		_, err := s.ask(ctx, tree[n%len(tree)], n%5 > 0)
		return err
	})
	for range kit.Times(2, 20) {
		l.Await(kit.Times(20, 200))
		s.rig.KillDaemon()
		aid.Must(t, s.rig.StartDaemon(t.Context()))
	}
	l.Await(kit.Times(20, 200))
	t.Logf("%d files, %v by variant, %d requests under load", len(tree), made, l.End())

	kit.StopDaemon(t, s.rig)
	aid.Must(t, s.rig.CloseSocket())
	s.answered(t, "stopped", tree)
	aid.Must(t, os.Remove(filepath.Join(s.rig.Dir, "thumbd.sock")))
	s.answered(t, "without its socket", tree)
	aid.Must(t, os.RemoveAll(s.rig.Root("uploads")))
	s.all(t, "without its tree", tree, false)
}
