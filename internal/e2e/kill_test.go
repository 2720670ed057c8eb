// SPDX-License-Identifier: MIT

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/rig"
)

// Whoever is killed, workers or thumbd, and whenever: nobody sees a file that
// is not whole, and what is left of temp files goes at the next start.
func TestKilledInTheMiddle(t *testing.T) {
	r := start(t, rig.Options{
		Sites: []rig.Site{gallery(t, folder(t, map[string]string{"a.jpg": "originals/photos/dandelion.jpg"}))},
		TOML:  "[daemon]\nworkers = 1",
	})
	moments := random(t)
	seen := new(seenWhole)
	l := startLoad(t, 6, func(ctx context.Context, n int) error { return seen.readThrough(ctx, r, n) })
	scan := startLoad(t, 1, func(ctx context.Context, _ int) error {
		// Not to take the processors from those who render.
		<-time.After(time.Millisecond)
		return seen.scan(r.Root("gallery"))
	})
	kills := times(100, 1000)
	for i := range kills {
		// The moments are what is tried here.
		<-time.After(time.Duration(moments.Int64N(int64(40 * time.Millisecond))))
		if i%3 > 0 {
			if pids := workers(t, r); len(pids) > 0 {
				kill(t, pids[moments.IntN(len(pids))])
			}
			continue
		}
		r.KillDaemon()
		left := tempFiles(t, r)
		if err := r.StartDaemon(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, path := range left {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is there after the next start: %v", path, err)
			}
		}
		seen.left += len(left)
		l.await(3)
	}
	requests := l.end()
	t.Logf("%d kills, %d requests, %d pictures, %d scans, %d temp files were left",
		kills, requests, seen.pictures.Load(), scan.end(), seen.left)
	if seen.pictures.Load() < int64(kills) {
		t.Error("hardly a picture was rendered: nothing was killed in the middle")
	}
	stopDaemon(t, r)
	noTempFiles(t, r, "gallery")
}

// tempFiles returns the temp files of the gallery.
func tempFiles(t *testing.T, r *rig.Rig) []string {
	t.Helper()
	paths, err := filepath.Glob(r.File("gallery", "/thumbs/.thumbd/*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// readThrough asks for a picture until it is there. Being killed over it is no
// answer that counts; a part of a picture is.
func (s *seenWhole) readThrough(ctx context.Context, r *rig.Rig, n int) error {
	format := []string{"jpg", "png", "webp"}[n%3]
	text, w, h := spec(n)
	resp, err := r.Get(ctx, target("a.jpg", strings.Replace(text, "crop", "smart", 1), format))
	if err != nil {
		return err
	}
	switch resp.Status {
	case 200:
		s.pictures.Add(1)
		return decode(resp.Body, w, h)
	case 422, 500, 502, 503:
		return nil
	}
	return fmt.Errorf("status %d, reason %q", resp.Status, resp.Header.Get("X-Thumbd-Reason"))
}
