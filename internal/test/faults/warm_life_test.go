// SPDX-License-Identifier: MIT

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// version is what a file was when it was published.
type version struct {
	Inode uint64
	Ctime syscall.Timespec
}

// kept returns what is published of the gallery.
func kept(t *testing.T, r *rig.Rig) map[string]version {
	t.Helper()
	all := make(map[string]version)
	for _, name := range kit.Thumbnails(t, r, "gallery") {
		var st unix.Stat_t
		aid.Must(t, unix.Stat(r.File("gallery", name), &st))
		all[name] = version{st.Ino, syscall.Timespec(st.Ctim)}
	}
	return all
}

// awaitThumbnails waits until so many of the gallery are there.
func awaitThumbnails(t *testing.T, r *rig.Rig, n int) {
	t.Helper()
	aid.Must(t, os.MkdirAll(r.Root("gallery"), 0o755))
	end := time.Now().Add(aid.Patience)
	for len(kit.Thumbnails(t, r, "gallery")) < n {
		if time.Now().After(end) {
			t.Fatalf("no %d thumbnails", n)
		}
		time.Sleep(time.Millisecond)
	}
}

// However thumbd warm ends, the same command goes on: nothing is made twice and
// nothing is missing.
func TestWarmGoesOn(t *testing.T) {
	originals, want := kit.Many(t, 60)
	for name, tt := range map[string]struct {
		running bool
		signal  syscall.Signal
	}{
		"killed, through the running thumbd":      {true, syscall.SIGKILL},
		"killed, where none runs":                 {false, syscall.SIGKILL},
		"interrupted, through the running thumbd": {true, syscall.SIGINT},
		"interrupted, where none runs":            {false, syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, originals), Stopped: !tt.running})
			var before map[string]version
			for range 2 {
				cmd := kit.WarmCommand(t, r, tt.running, "gallery")
				ended, out := kit.Background(t, cmd)
				// More than are in work at once: it is at it, and counts.
				awaitThumbnails(t, r, len(before)+len(want)/4)
				aid.Must(t, cmd.Process.Signal(tt.signal))
				<-ended
				if tt.signal == syscall.SIGINT && (cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "not finished: the same command goes on")) {
					t.Errorf("exit code %d:\n%s", cmd.ProcessState.ExitCode(), out)
				}
				if tt.running {
					// What was in work is published.
					restart(t, r)
				}
				after := kept(t, r)
				wantKept(t, before, after)
				before = after
			}
			if len(before) == len(want) {
				t.Fatal("it had ended before")
			}
			out := kit.Warm(t, kit.WarmCommand(t, r, tt.running, "gallery"), 0)
			if rest := fmt.Sprintf("60 originals, made %d thumbnails, %d were there\n", len(want)-len(before), len(before)); !strings.Contains(out, rest) {
				t.Errorf("no %q in\n%s", rest, out)
			}
			wantKept(t, before, kept(t, r))
			if diff := cmp.Diff(want, kit.Thumbnails(t, r, "gallery")); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			kit.NoTempFiles(t, r, "gallery")
		})
	}
}

// wantKept checks that what was published before was not published again.
func wantKept(t *testing.T, before, after map[string]version) {
	t.Helper()
	for name, v := range before {
		if after[name] != v {
			t.Errorf("made twice, or gone: %s", name)
		}
	}
}

// restart stops thumbd, in order, and starts it again.
func restart(t *testing.T, r *rig.Rig) {
	t.Helper()
	kit.StopDaemon(t, r)
	aid.Must(t, r.StartDaemon(t.Context()))
}

// A thumbd that ends meanwhile, in order or not, and is started again, costs
// thumbd warm nothing but time.
func TestWarmOutlivesThumbd(t *testing.T) {
	t.Parallel()
	originals, want := kit.Many(t, 60)
	r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, originals)})
	cmd := kit.WarmCommand(t, r, true, "gallery")
	ended, out := kit.Background(t, cmd)
	awaitThumbnails(t, r, len(want)/4)
	r.KillDaemon()
	before := kept(t, r)
	aid.Must(t, r.StartDaemon(t.Context()))
	awaitThumbnails(t, r, len(want)/2)
	aid.Must(t, r.SignalDaemon(syscall.SIGHUP))
	awaitThumbnails(t, r, len(want)*3/4)
	restart(t, r)
	<-ended
	if cmd.ProcessState.ExitCode() != 0 || !strings.Contains(out.String(), "gallery: 60 originals") || strings.Contains(out.String(), "failed") {
		t.Errorf("exit code %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
	wantKept(t, before, kept(t, r))
	if diff := cmp.Diff(want, kit.Thumbnails(t, r, "gallery")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// Who publishes without the running thumbd must not, as that could purge what
// is then published once more.
func TestWarmGivesWayToThumbd(t *testing.T) {
	t.Parallel()
	originals, want := kit.Many(t, 160)
	r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, originals), Stopped: true})
	cmd := kit.WarmCommand(t, r, false, "gallery")
	ended, out := kit.Background(t, cmd)
	awaitThumbnails(t, r, len(want)/8)
	// It has much to do still when the daemon comes.
	aid.Must(t, cmd.Process.Signal(syscall.SIGSTOP))
	kit.Warm(t, kit.WarmCommand(t, r, false, "gallery"), 1, "the tree is held")
	other := kit.WarmCommand(t, r, false, "p", "--from", "-")
	other.Stdin = strings.NewReader("d0/0.jpg\n")
	kit.Warm(t, other, 0, "p: 1 originals, made 4 thumbnails")
	aid.Must(t, cmd.Process.Signal(syscall.SIGCONT))
	aid.Must(t, r.StartDaemon(t.Context()))
	<-ended
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "another thumbd has been started") {
		t.Errorf("exit code %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
	kit.Warm(t, kit.WarmCommand(t, r, false, "gallery"), 1, "name its socket for administrators with --admin")
	restart(t, r)
	kit.Warm(t, kit.WarmCommand(t, r, true, "gallery"), 0)
	if diff := cmp.Diff(want, kit.Thumbnails(t, r, "gallery")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// It gives way while it waits for the rest of a list too.
func TestWarmGivesWayWhileItReads(t *testing.T) {
	t.Parallel()
	r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, kit.Folder(t, map[string]string{"a.jpg": kit.Upright})), Stopped: true})
	in, rest, err := os.Pipe()
	aid.Must(t, err)
	defer rest.Close()
	defer in.Close()
	cmd := kit.WarmCommand(t, r, false, "gallery", "--from", "-")
	cmd.Stdin = in
	ended, out := kit.Background(t, cmd)
	_, err = rest.WriteString("a.jpg\n")
	aid.Must(t, err)
	awaitRead(t, in)
	aid.Must(t, r.StartDaemon(t.Context()))
	select {
	case <-ended:
	case <-time.After(aid.Patience):
		aid.Must(t, rest.Close())
		t.Fatal("it goes on to wait")
	}
	if got, want := out.String(), "thumbd: list of originals: another thumbd has been started\n"; cmd.ProcessState.ExitCode() != 1 || got != want {
		t.Errorf("exit code %d: %q, want %q", cmd.ProcessState.ExitCode(), got, want)
	}
}

// awaitRead waits until a pipe is empty.
func awaitRead(t *testing.T, pipe *os.File) {
	t.Helper()
	for end := time.Now().Add(aid.Patience); ; time.Sleep(time.Millisecond) {
		n, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
		aid.Must(t, err)
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("nobody reads the pipe")
		}
	}
}

// Nothing is made for a disk that is full, and all once it is not.
func TestWarmOnAFullDisk(t *testing.T) {
	t.Parallel()
	kit.NeedMounts(t)
	originals, want := kit.Many(t, 40)
	r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, originals), Stopped: true})
	aid.Must(t, os.MkdirAll(r.Root("gallery"), 0o755))
	kit.Mount(t, "tmpfs", r.Root("gallery"), "tmpfs", 0, "mode=755,size=4m")
	aid.Must(t, r.StartDaemon(t.Context()))
	end := fill(t, r.Root("gallery"), 4096)
	out := kit.Warm(t, kit.WarmCommand(t, r, true, "gallery"), 1, "unpublished", "not finished: the same command goes on", "the disk is full or read-only")
	if strings.Contains(out, "gallery: 40 originals") {
		t.Errorf("all were made for nothing:\n%s", out)
	}
	end()
	kit.Warm(t, kit.WarmCommand(t, r, true, "gallery"), 0, "gallery: 40 originals")
	if diff := cmp.Diff(want, kit.Thumbnails(t, r, "gallery")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	kit.NoTempFiles(t, r, "gallery")
}

// A daemon that finds its tree held goes on to try.
func TestDaemonWaitsForItsTree(t *testing.T) {
	t.Parallel()
	r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, kit.Folder(t, map[string]string{"a.jpg": kit.Upright})), Stopped: true})
	lock := r.File("gallery", "/thumbs/.thumbd/hold.lock")
	kit.Put(t, lock, nil)
	aid.Must(t, os.Chmod(filepath.Dir(lock), 0o700))
	f, err := os.OpenFile(lock, os.O_RDWR, 0)
	aid.Must(t, err)
	defer f.Close()
	aid.Must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	aid.Must(t, r.StartDaemon(t.Context()))
	uri := kit.Target("a.jpg", "20x20_crop", "jpg")
	kit.Expect(t, kit.Get(t, r, uri), 503, "held")
	if resp := health(t, r); resp.Status != 503 || !strings.Contains(string(resp.Body), "a thumbd warm holds a tree") {
		t.Errorf("health: %d %q", resp.Status, resp.Body)
	}
	kit.WaitLog(t, r, 1, "not loaded", "the tree is held by a thumbd warm")
	aid.Must(t, unix.Flock(int(f.Fd()), unix.LOCK_UN), r.SignalDaemon(syscall.SIGHUP))
	kit.WaitLog(t, r, 1, "msg=loaded")
	for resp := kit.Get(t, r, uri); resp.Status == 503; resp = kit.Get(t, r, uri) {
	}
	kit.Picture(t, kit.Get(t, r, uri), "jpeg", 20, 20)
}

// What is made of an original ahead of time does not wait for that of it which
// a client waits for already.
func TestWarmDoesNotWaitForWhatIsInWork(t *testing.T) {
	t.Parallel()
	path := aid.NewGate(t, filepath.Join(t.TempDir(), "gate"))
	originals := kit.Folder(t, map[string]string{"a.jpg": kit.Upright})
	r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, originals), Env: kit.Faulty(t, kit.Gate, path), TOML: "[daemon]\nworkers = 2"})
	reply := kit.Ask(t.Context(), r, "/p/s/100/a.jpg")
	first := aid.AtGate(t, path)
	ended, out := kit.Background(t, kit.WarmCommand(t, r, true, "p"))
	busy := regexp.MustCompile(`(?m)^thumbd_workers{.*state="rendering".*} 2$`)
	for begun := time.Now(); !busy.Match(kit.Do(t, r, rig.Request{Target: "/metrics", Admin: true}).Body); {
		if time.Since(begun) > aid.Patience {
			t.Fatal("the others do not go to a worker")
		}
	}
	first.Close()
	kit.Expect(t, (<-reply).Response, 200, "")
	// Whoever comes to the gate now goes on too.
	for open := true; open; {
		if f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			f.Close()
		}
		select {
		case <-ended:
			open = false
		case <-time.After(time.Millisecond):
		}
	}
	if !strings.Contains(out.String(), "made 1 thumbnails, 1 were there") {
		t.Error(out)
	}
}

// root makes nothing in the tree of another user, who could not change it.
func TestWarmAsRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		aid.Skip(t, "root alone can be in the place of another user")
	}
	r := kit.Start(t, rig.Options{Programs: kit.PublicPrograms(t), Sites: kit.WarmSites(t, kit.Folder(t, map[string]string{"a.jpg": kit.Upright})), Nobody: true})
	kit.StopDaemon(t, r)
	kit.Warm(t, kit.WarmCommand(t, r, false, "gallery"), 1, "belongs to nobody", "runuser -u nobody -- thumbd")
	if got := kit.Thumbnails(t, r, "gallery"); len(got) > 0 {
		t.Errorf("made all the same: %v", got)
	}
}

// Who may not ask thumbd is told so, and does nothing in its place.
func TestWarmOfOthers(t *testing.T) {
	t.Parallel()
	p := kit.PublicPrograms(t)
	r := kit.Start(t, rig.Options{Programs: p, Sites: kit.WarmSites(t, kit.Folder(t, map[string]string{"a.jpg": kit.Upright}))})
	aid.Must(t, os.Chmod(r.AdminPath(), 0))
	cmd := kit.WarmCommand(t, r, true, "gallery")
	cmd.Path = p.Thumbd
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	kit.Warm(t, cmd, 1, "permission denied: are you root or of the group thumbd-admin?")
	if got := kit.Thumbnails(t, r, "gallery"); len(got) > 0 {
		t.Errorf("made all the same: %v", got)
	}
}
