// SPDX-License-Identifier: MIT

package keep_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/test/keeptest"
)

// A thumbnail is not taken for stale because the file system of the tree keeps
// less of its time than that of the originals: whole seconds, for example.
func TestCoarseTimesAreNotStale(t *testing.T) {
	for _, grain := range []time.Duration{time.Microsecond, time.Second, 2 * time.Second} {
		p := &keeptest.Painter{}
		b := newBench(t, p, nil)
		at := time.Unix(1_700_000_001, 123_456_789)
		if err := os.Chtimes(filepath.Join(b.Dir, "media/a.jpg"), at, at); err != nil {
			t.Fatal(err)
		}
		uri := b.URL("a.jpg", "10x10")
		file := filepath.Join(b.Dir, "root", uri)
		for range 3 {
			b.mustGet(uri)
			fi, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			kept := fi.ModTime().Truncate(grain)
			if err := os.Chtimes(file, kept, kept); err != nil {
				t.Fatal(err)
			}
		}
		looked, removed, err := b.ReconcileSite(t.Context(), b.Site)
		if p.Calls.Load() != 1 || looked != 1 || removed != 0 || err != nil {
			t.Errorf("%v: %d renders for 3 requests, %d of %d removed, %v", grain, p.Calls.Load(), removed, looked, err)
		}
	}
}

// After Reconcile has removed a thumbnail, requests see that no purge is at work.
func TestReconcileEnds(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	uri := b.URL("a.jpg", "10x10")
	b.mustGet(uri)
	b.Age(uri)
	if _, removed, err := b.ReconcileSite(t.Context(), b.Site); removed != 1 || err != nil {
		t.Fatal(removed, err)
	}
	request, err := b.Site.Request(uri, 0)
	if err != nil {
		t.Fatal(err)
	}
	if first, second := request.Purges(), request.Purges(); first != second {
		t.Errorf("%d purges, then %d, and none between them", first, second)
	}
}
