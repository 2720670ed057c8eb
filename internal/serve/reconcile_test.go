// SPDX-License-Identifier: MIT

package serve

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A thumbnail is not taken for stale because the file system of the tree keeps
// less of its time than that of the originals: whole seconds, for example.
func TestCoarseTimesAreNotStale(t *testing.T) {
	for _, grain := range []time.Duration{time.Microsecond, time.Second, 2 * time.Second} {
		p := &painter{}
		b := newBench(t, p, nil)
		b.setAccel(p, AccelDirect)
		at := time.Unix(1_700_000_001, 123_456_789)
		if err := os.Chtimes(filepath.Join(b.dir, "media/a.jpg"), at, at); err != nil {
			t.Fatal(err)
		}
		uri := b.url("a.jpg", "10x10")
		file := filepath.Join(b.dir, "root", uri)
		for range 3 {
			if w := b.get(uri); w.Code != 200 {
				t.Fatalf("%v: %d", grain, w.Code)
			}
			fi, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			kept := fi.ModTime().Truncate(grain)
			if err := os.Chtimes(file, kept, kept); err != nil {
				t.Fatal(err)
			}
		}
		looked, removed, err := b.reconcile(t.Context(), b.site)
		if p.calls.Load() != 1 || looked != 1 || removed != 0 || err != nil {
			t.Errorf("%v: %d renders for 3 requests, %d of %d removed, %v", grain, p.calls.Load(), removed, looked, err)
		}
	}
}
