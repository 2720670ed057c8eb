// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHold(t *testing.T) {
	for name, tt := range map[string]struct {
		first, second bool // alone
		want          error
		wanted        bool
	}{
		"together":               {false, false, nil, false},
		"alone among others":     {false, true, ErrHeld, false},
		"others while one alone": {true, false, ErrHeld, true},
		"two alone":              {true, true, ErrHeld, false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			first, second := New(root, "/t/", nil), New(root, "/t/", nil)
			defer second.Close()
			if err := first.Hold(tt.first); err != nil {
				t.Fatal(err)
			}
			if err := second.Hold(tt.second); !errors.Is(err, tt.want) {
				t.Errorf("the second: %v, want %v", err, tt.want)
			}
			if got := first.Wanted(); got != tt.wanted {
				t.Errorf("wanted: %v, want %v", got, tt.wanted)
			}
			first.Close()
			if tt.want == nil {
				return
			}
			if err := second.Hold(tt.second); err != nil {
				t.Errorf("after the first is closed: %v", err)
			}
		})
	}
}

// What one holder was told is not for the next.
func TestHoldIsWantedFromNowOn(t *testing.T) {
	root := t.TempDir()
	first, other, next := New(root, "/t/", nil), New(root, "/t/", nil), New(root, "/t/", nil)
	defer next.Close()
	if err := first.Hold(true); err != nil {
		t.Fatal(err)
	}
	if err := other.Hold(false); !errors.Is(err, ErrHeld) || !first.Wanted() {
		t.Errorf("%v, wanted: %v", err, first.Wanted())
	}
	first.Close()
	if err := next.Hold(true); err != nil || next.Wanted() {
		t.Errorf("the next: %v, wanted: %v", err, next.Wanted())
	}
}

// What stays in the tree for it is swept by nobody, and is nothing published.
func TestHoldLeavesNothingToSweep(t *testing.T) {
	tree := New(t.TempDir(), "/t/", nil)
	defer tree.Close()
	if err := tree.Hold(true); err != nil {
		t.Fatal(err)
	}
	if files, _, err := tree.Leftovers(true); files != 0 || err != nil {
		t.Errorf("%d files swept, %v", files, err)
	}
	other := New(tree.documentRoot, "/t/", nil)
	defer other.Close()
	if err := other.Hold(true); !errors.Is(err, ErrHeld) {
		t.Errorf("after a sweep: %v, want %v", err, ErrHeld)
	}
	err := tree.Walk(t.Context(), nil, func(name string) error {
		t.Errorf("published: %s", name)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A tree has one daemon, which may open it again.
func TestOwn(t *testing.T) {
	root := t.TempDir()
	first, other := New(root, "/t/", nil), New(root, "/t/", nil)
	defer first.Close()
	defer other.Close()
	lock, err := first.Own()
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Own()
	if want := fmt.Sprintf("process %d on ", os.Getpid()); !errors.Is(err, ErrOwned) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %v with %q", err, ErrOwned, want)
	}
	// A warm without a daemon has another lock.
	if err := other.Hold(true); err != nil {
		t.Error(err)
	}
	lock.Close()
	next, err := other.Own()
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.Check(); err != nil {
		t.Error(err)
	}
	// The locks of some file systems are those of one machine.
	if err := os.WriteFile(filepath.Join(root, "t", OwnDir, ownName), []byte("process 7 on n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := next.Check(); !errors.Is(err, ErrOwned) || !strings.Contains(err.Error(), root+"/t: ") || !strings.Contains(err.Error(), "process 7 on n2") {
		t.Errorf("got %v, want %v with the process and the tree", err, ErrOwned)
	}
}
