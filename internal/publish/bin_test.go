// SPDX-License-Identifier: MIT

package publish

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
)

// newBin returns a Bin of tree that ends with the test, if not before.
func newBin(t *testing.T, tree *Tree) *Bin {
	t.Helper()
	b, err := tree.NewBin()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// in returns what Walk tells of b, sorted.
func in(t *testing.T, b *Bin) []string {
	t.Helper()
	names := []string{}
	aid.Must(t, b.Walk(t.Context(), func(name string) error {
		names = append(names, name)
		return nil
	}))
	slices.Sort(names)
	return names
}

func published(t *testing.T, tree *Tree, folders ...string) []string {
	t.Helper()
	names := []string{}
	aid.Must(t, tree.Walk(t.Context(), folders, func(name string) error {
		names = append(names, name)
		return nil
	}))
	slices.Sort(names)
	return names
}

func TestBinTakesWhatThereIs(t *testing.T) {
	all := []string{"/thumbs/a.jpg/1.jpg", "/thumbs/a.jpg/2.jpg", "/thumbs/b.jpg", "/thumbs/d/a.jpg", "/thumbs/d/e/b.jpg"}
	for name, tt := range map[string]struct {
		take func(b *Bin) error
		want []string
	}{
		"a file":                 {func(b *Bin) error { return b.Take("/thumbs/b.jpg") }, all[2:3]},
		"a folder":               {func(b *Bin) error { return b.Take("/thumbs/a.jpg") }, all[:2]},
		"a folder and one in it": {func(b *Bin) error { return errors.Join(b.Take("/thumbs/d/e"), b.Take("/thumbs/d")) }, all[3:]},
		"nothing":                {func(b *Bin) error { return b.Take("/thumbs/c.jpg") }, []string{}},
		"below a file":           {func(b *Bin) error { return b.Take("/thumbs/b.jpg/c/d.jpg") }, []string{}},
		"some of a folder": {func(b *Bin) error {
			return b.TakeFiles("/thumbs/a.jpg", []string{"2.jpg", "3.jpg", strings.Repeat("x", 300)})
		}, all[1:2]},
		"some of no folder": {func(b *Bin) error { return b.TakeFiles("/thumbs/x/y", []string{"2.jpg"}) }, []string{}},
		"all":               {(*Bin).TakeAll, all},
	} {
		t.Run(name, func(t *testing.T) {
			tree, folder := site(t, nil)
			for _, name := range all {
				mustPublish(t, tree, name)
			}
			b := newBin(t, tree)
			aid.Must(t, tt.take(b))
			if diff := cmp.Diff(tt.want, in(t, b)); diff != "" {
				t.Errorf("taken (-want +got):\n%s", diff)
			}
			left := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(tt.want, name) })
			if diff := cmp.Diff(left, published(t, tree)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			aid.Must(t, b.Delete(t.Context()))
			if entries, err := os.ReadDir(filepath.Join(folder, OwnDir)); err != nil || len(entries) > 0 {
				t.Errorf("not deleted: %v, %v", entries, err)
			}
		})
	}
}

func TestBinTakesWhatIsMadeAnew(t *testing.T) {
	tree, _ := site(t, nil)
	mustPublish(t, tree, "/thumbs/b.jpg")
	b := newBin(t, tree)
	want := []string{}
	for range 3 {
		mustPublish(t, tree, "/thumbs/a.jpg/1.jpg")
		aid.Must(t, b.Take("/thumbs/a.jpg"))
		want = append(want, "/thumbs/a.jpg/1.jpg")
	}
	// A file where a folder was.
	mustPublish(t, tree, "/thumbs/a.jpg")
	aid.Must(t, b.Take("/thumbs/a.jpg"))
	mustPublish(t, tree, "/thumbs/a.jpg/1.jpg")
	aid.Must(t, b.Take("/thumbs/a.jpg"))
	want = append([]string{"/thumbs/a.jpg"}, append(want, "/thumbs/a.jpg/1.jpg")...)
	if diff := cmp.Diff(want, in(t, b)); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	aid.Must(t, b.Delete(t.Context()))
}

func TestBinRefusesOtherNames(t *testing.T) {
	tree, folder := site(t, nil)
	mustPublish(t, tree, "/thumbs/a.jpg")
	b := newBin(t, tree)
	for _, name := range []string{"/thumbs/", "/thumbs/../x", "/other/a.jpg", "/thumbs/.thumbd"} {
		if err := b.Take(name); !errors.Is(err, ErrName) {
			t.Errorf("Take(%q): %v; want %v", name, err, ErrName)
		}
	}
	aid.Must(t, b.Delete(t.Context()))
	// And where there is no tree, nothing is made.
	aid.Must(t, os.RemoveAll(folder))
	b = newBin(t, tree)
	aid.Must(t, b.Take("/thumbs/a.jpg"), b.TakeAll(), b.Delete(t.Context()))
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a tree was made: %v", err)
	}
}

// Bins of the living are left alone, those of the dead are deleted.
func TestBinsOfTheDeadAreDeleted(t *testing.T) {
	tree, folder := site(t, nil)
	for i := range 600 {
		makeFile(t, filepath.Join(folder, OwnDir, "DEAD"+binSuffix, "0/a.jpg", strconv.Itoa(i)))
	}
	mustPublish(t, tree, "/thumbs/b.jpg")
	b := newBin(t, tree)
	aid.Must(t, b.Take("/thumbs/b.jpg"))
	aid.Must(t, tree.SetSettings([]byte("{}")), tree.Sweep())
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := tree.DeleteBins(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	aid.Must(t, tree.DeleteBins(t.Context()))
	if got := in(t, b); !slices.Equal(got, []string{"/thumbs/b.jpg"}) {
		t.Errorf("the bin that is used has %v", got)
	}
	aid.Must(t, b.Delete(t.Context()))
	entries, err := os.ReadDir(filepath.Join(folder, OwnDir))
	if err != nil || len(entries) != 1 || entries[0].Name() != settingsName {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// What one process publishes another may take at any moment: each finds its
// way, and nothing is lost but what was taken.
func TestBinTakesWhileOthersPublish(t *testing.T) {
	tree, _ := site(t, nil)
	picture := encodeJPEG(t, 64, 48)
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		defer close(done)
		for i := range 300 {
			if err := tree.Publish("/thumbs/d/a.jpg/"+strconv.Itoa(i%7)+".jpg", memfd(t, picture), jpg64); err != nil {
				t.Error(err)
			}
		}
	})
	taken := 0
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		b := newBin(t, tree)
		aid.Must(t, b.Take("/thumbs/d"))
		taken += len(in(t, b))
		aid.Must(t, b.Delete(t.Context()))
	}
	running.Wait()
	if taken == 0 || len(published(t, tree)) > 0 {
		t.Errorf("%d taken, %v left", taken, published(t, tree))
	}
}

func TestWalkAndEachTellPublishedFiles(t *testing.T) {
	tree, folder := site(t, nil)
	all := []string{"/thumbs/a.jpg/1.jpg", "/thumbs/a.jpg/2.jpg", "/thumbs/d/e/b.jpg"}
	for _, name := range all {
		mustPublish(t, tree, name)
	}
	makeFile(t, filepath.Join(folder, ".hidden/x.jpg"))
	aid.Must(t, os.Symlink("b.jpg", filepath.Join(folder, "d/e/link.jpg")))
	if diff := cmp.Diff(all, published(t, tree)); diff != "" {
		t.Errorf("Walk (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(all[2:], published(t, tree, "/thumbs/d", "/thumbs/missing")); diff != "" {
		t.Errorf("Walk of folders (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		folder string
		files  []string
		want   []string
	}{
		{"/thumbs/a.jpg", nil, all[:2]},
		{"/thumbs/a.jpg", []string{"0.jpg", "2.jpg"}, all[1:2]},
		{"/thumbs/d", nil, all[2:]},
		{"/thumbs/missing", nil, nil},
		{"/thumbs/missing", []string{"2.jpg"}, nil},
	} {
		var got []string
		aid.Must(t, tree.Each(tt.folder, tt.files, func(name string, at time.Time) error {
			if !at.Equal(mtime) {
				t.Errorf("%s: mtime %v", name, at)
			}
			got = append(got, name)
			return nil
		}))
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Each(%s, %v) (-want +got):\n%s", tt.folder, tt.files, diff)
		}
	}
	aid.Must(t, tree.Remove(all[0]), tree.Remove(all[0]))
	if diff := cmp.Diff(all[1:], published(t, tree)); diff != "" {
		t.Errorf("after Remove (-want +got):\n%s", diff)
	}
}

func TestSettingsAreKept(t *testing.T) {
	tree, _ := site(t, nil)
	if data, err := tree.Settings(); data != nil || err != nil {
		t.Errorf("of no tree: %q, %v", data, err)
	}
	aid.Must(t, tree.SetSettings([]byte("one")), tree.SetSettings([]byte("two")), tree.Sweep())
	if data, err := tree.Settings(); string(data) != "two" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestGuardDecides(t *testing.T) {
	tree, folder := site(t, nil)
	refused := errors.New("refused")
	want := jpg64
	want.Guard = func(func() error) error { return refused }
	if err := tree.Publish("/thumbs/a.jpg", memfd(t, encodeJPEG(t, 64, 48)), want); !errors.Is(err, refused) {
		t.Errorf("%v; want %v", err, refused)
	}
	if got := list(t, folder); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	want.Guard = func(place func() error) error { return place() }
	aid.Must(t, tree.Publish("/thumbs/a.jpg", memfd(t, encodeJPEG(t, 64, 48)), want))
	if got := published(t, tree); len(got) != 1 {
		t.Errorf("published: %v", got)
	}
}

// A folder on which another file system is mounted stays, and what is in it
// goes.
func TestBinTakesFromMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes a mount")
	}
	tree, folder := site(t, nil)
	mustPublish(t, tree, "/thumbs/m/a.jpg")
	mount := filepath.Join(folder, "m")
	// In a mount namespace of its own, so that none is left.
	script := `mount -t tmpfs none "$1" && mkdir "$1/d" && touch "$1/b.jpg" "$1/d/c.jpg" && exec "$0"`
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "/bin/sh", "-c", script, "/proc/self/exe", mount)
	cmd.Args[5] = os.Args[0]
	cmd.Env = append(os.Environ(), takerEnv+"="+filepath.Dir(folder))
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "0 left\n" {
		t.Errorf("%s: %v", out, err)
	}
	if got := published(t, tree); len(got) != 1 {
		t.Errorf("below the mount: %v", got)
	}
}

// takeAll takes all of a tree and prints how many files it has left.
func takeAll(documentRoot string) int {
	tree := New(documentRoot, "/thumbs/", nil)
	b, err := tree.NewBin()
	if err != nil {
		return 1
	}
	if err := errors.Join(b.TakeAll(), b.Delete(context.Background())); err != nil {
		_, _ = os.Stdout.WriteString(err.Error())
		return 1
	}
	left := 0
	err = tree.Walk(context.Background(), nil, func(string) error {
		left++
		return nil
	})
	_, _ = os.Stdout.WriteString(strconv.Itoa(left) + " left\n")
	if err != nil {
		return 1
	}
	return 0
}
