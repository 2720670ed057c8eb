// SPDX-License-Identifier: MIT

package publish

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	ownerEnv = "THUMBD_PUBLISH_TEST_OWNER"
	takerEnv = "THUMBD_PUBLISH_TEST_TAKER"
)

// TestMain lets the test binary be another daemon: one that dies in the middle
// of publishing into the document root that the environment names, or one that
// takes all of it.
func TestMain(m *testing.M) {
	if documentRoot := os.Getenv(ownerEnv); documentRoot != "" {
		os.Exit(holdTemp(documentRoot))
	}
	if documentRoot := os.Getenv(takerEnv); documentRoot != "" {
		os.Exit(takeAll(documentRoot))
	}
	os.Exit(m.Run())
}

// holdTemp prints the name of a temp file and keeps it until stdin ends.
func holdTemp(documentRoot string) int {
	r, release, err := New(documentRoot, "/thumbs/", nil).acquire()
	if err != nil {
		return 1
	}
	defer release()
	f, name, err := newTemp(r)
	if err != nil {
		return 1
	}
	defer f.Close()
	if _, err := os.Stdout.WriteString(name + "\n"); err != nil {
		return 1
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	return 0
}

func TestSweepRemovesOnlyWhatIsDead(t *testing.T) {
	tree, folder := site(t, nil)
	mustPublish(t, tree, "/thumbs/a.jpg")
	// Files of daemons that died before they had a lock, or after chmod.
	makeFile(t, filepath.Join(folder, OwnDir, "DEAD"))
	if err := os.WriteFile(filepath.Join(folder, OwnDir, "EMPTY"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), ownerEnv+"="+filepath.Dir(folder))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	temp := strings.TrimSpace(line)
	// No temp file: what is kept there has a name in lower case.
	makeFile(t, filepath.Join(folder, OwnDir, "kept.json"))

	if files, bytes, err := tree.Leftovers(false); files != 2 || bytes == 0 || err != nil {
		t.Errorf("dead: %d files of %d bytes, %v, want 2", files, bytes, err)
	}
	if err := tree.Sweep(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{temp, ".thumbd/kept.json", "a.jpg"}, list(t, folder)); diff != "" {
		t.Errorf("the other daemon lives: %s", diff)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the other daemon was not killed")
	}
	if err := tree.Sweep(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{".thumbd/kept.json", "a.jpg"}, list(t, folder)); diff != "" {
		t.Errorf("the other daemon is dead: %s", diff)
	}
}

func TestSweepWithoutATree(t *testing.T) {
	tree, folder := site(t, nil)
	if err := tree.Sweep(); err != nil {
		t.Error(err)
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tree.Sweep(); err != nil {
		t.Error(err)
	}
	if got := list(t, folder); len(got) > 0 {
		t.Errorf("made %v", got)
	}
}

// A daemon that is killed over its probe leaves what it probes with.
func TestSweepRemovesWhatAProbeLeft(t *testing.T) {
	tree, folder := site(t, nil)
	makeFile(t, filepath.Join(folder, probeName))
	if err := tree.Sweep(); err != nil {
		t.Error(err)
	}
	noTemp(t, folder)

	r, release, err := tree.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	f, name, err := newTemp(r)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(r.Rename(name, probeName), tree.Sweep()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{probeName}, list(t, folder)); diff != "" {
		t.Errorf("its daemon lives: %s", diff)
	}
}

// Sweep may come between the creation of a temp file and its lock: nobody's
// thumbnail is lost.
func TestSweepWhilePublishing(t *testing.T) {
	tree, folder := site(t, nil)
	var done atomic.Bool
	var sweepers sync.WaitGroup
	for range 2 {
		sweepers.Go(func() {
			for !done.Load() {
				if err := tree.Sweep(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	// Also where publishing ends the test.
	defer sweepers.Wait()
	defer done.Store(true)
	for range 200 {
		mustPublish(t, tree, "/thumbs/a/b.jpg")
	}
	done.Store(true)
	sweepers.Wait()
	noTemp(t, folder)
}

func TestOwnRefusesASweptFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "temp")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sweeper, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sweeper.Close()
	if ok, err := lock(sweeper); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := own(f); ok || err != nil {
		t.Errorf("being swept: got %v, %v, want false", ok, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	sweeper.Close()
	if ok, err := own(f); ok || err != nil {
		t.Errorf("swept: got %v, %v, want false", ok, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
