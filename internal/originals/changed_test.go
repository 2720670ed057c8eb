// SPDX-License-Identifier: MIT

package originals

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestChanged(t *testing.T) {
	tests := map[string]func(t *testing.T, path string, fi os.FileInfo){
		"grown": func(t *testing.T, path string, _ os.FileInfo) {
			write(t, path, "longer")
		},
		"written, mtime put back": func(t *testing.T, path string, fi os.FileInfo) {
			write(t, path, "b")
			if err := os.Chtimes(path, fi.ModTime(), fi.ModTime()); err != nil {
				t.Fatal(err)
			}
		},
		"replaced by a copy": func(t *testing.T, path string, fi os.FileInfo) {
			write(t, path+".new", "a")
			if err := os.Chtimes(path+".new", fi.ModTime(), fi.ModTime()); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		},
		"removed": func(t *testing.T, path string, _ os.FileInfo) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			d, path := tree(t)
			path = filepath.Join(path, "a.jpg")
			// The clock of inodes ticks by jiffies: what was made just now and
			// is changed now may keep its times.
			past := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path, past, past); err != nil {
				t.Fatal(err)
			}
			f, info, err := d.Open("a.jpg")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := io.ReadAll(f); err != nil {
				t.Fatal(err)
			}
			if changed, err := Changed(f, info); err != nil || changed {
				t.Errorf("only read: got %v, %v", changed, err)
			}
			fi, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			untilClockTicks(t, path)
			change(t, path, fi)
			if changed, err := Changed(f, info); err != nil || !changed {
				t.Errorf("got %v, %v, want true", changed, err)
			}
			info.Fixed = true
			if changed, err := Changed(f, info); err != nil || changed {
				t.Errorf("fixed: got %v, %v", changed, err)
			}
		})
	}
}

// untilClockTicks returns when a change of path is sure to give it a ctime
// that it does not have.
func untilClockTicks(t *testing.T, path string) {
	t.Helper()
	ctime := func(path string) time.Time {
		fi, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return infoOf(fi).Ctime
	}
	was := ctime(path)
	probe := filepath.Join(t.TempDir(), "probe")
	for {
		write(t, probe, "x")
		if ctime(probe).After(was) {
			return
		}
	}
}
