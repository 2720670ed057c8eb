// SPDX-License-Identifier: MIT

package doctor

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An upgrade puts a file there that is as old as its package.
func TestAPackagedFileIsAsYoungAsItsInode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "thumbd.conf")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	for _, packaged := range []bool{false, true} {
		if got := isNewer(os.Stat, path, packaged, old.Add(time.Hour)); got != packaged {
			t.Errorf("packaged %v: newer %v, want %v", packaged, got, packaged)
		}
	}
}
