// SPDX-License-Identifier: MIT

package faults

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/doctor"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// hanging is a mount that nobody serves (autofs): what looks up a name in it waits
// in the kernel, as it does on a hard NFS mount whose server is away.
type hanging struct {
	dir         string
	root        *os.File
	read, write *os.File
}

// hangShare mounts it on dir until release. The test must not look into dir meanwhile.
func hangShare(t *testing.T, dir string) *hanging {
	t.Helper()
	kit.NeedMounts(t)
	// autofs does not keep its own process group waiting: it is that of a process
	// which looks up nothing.
	own := exec.CommandContext(t.Context(), "sleep", "infinity")
	own.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := own.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = own.Process.Kill()
		_ = own.Wait()
	})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("fd=%d,pgrp=%d,minproto=5,maxproto=5,indirect", write.Fd(), own.Process.Pid)
	if err := unix.Mount("auto", dir, "autofs", 0, options); err != nil {
		kit.Skip(t, "mount autofs: "+err.Error())
	}
	h := &hanging{dir: dir, read: read, write: write}
	t.Cleanup(func() { h.release(t) })
	if h.root, err = os.Open(dir); err != nil {
		t.Fatal(err)
	}
	return h
}

// release unmounts it: what waits is answered, and what was in dir is there again.
func (h *hanging) release(t *testing.T) {
	t.Helper()
	if h.root == nil {
		return
	}
	const catatonic = 0x9362 // AUTOFS_IOC_CATATONIC
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, h.root.Fd(), catatonic, 0); errno != 0 {
		t.Errorf("autofs: %v", errno)
	}
	h.root.Close()
	h.root = nil
	h.read.Close()
	h.write.Close()
	if err := unix.Unmount(h.dir, unix.MNT_DETACH); err != nil {
		t.Errorf("unmount %s: %v", h.dir, err)
	}
}

// threads returns how many threads thumbd has.
func threads(t *testing.T, r *rig.Rig) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.DaemonPID()))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(regexp.MustCompile(`(?m)^Threads:\s*(\d+)$`).FindSubmatch(b)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// startOnShare starts a rig with the sites gallery, on a disk, and nas, on a folder
// below top that hangs once top does.
func startOnShare(t *testing.T) (r *rig.Rig, top string) {
	t.Helper()
	kit.NeedMounts(t)
	top = kit.Folder(t, map[string]string{"share/a.jpg": "originals/tests/orientation/1.jpg", "share/b.jpg": "originals/tests/orientation/1.jpg"})
	nas := rig.Site{Name: "nas", Prefix: "/nas/", Scheme: "preset", Originals: filepath.Join(top, "share")}
	return kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t)), nas},
		TOML:  "[daemon]\nworkers = 1\n[limits]\noriginal_time = \"1s\"",
	}), top
}

// askMany asks for thumbnails of many originals on the share at once, and returns how
// often each answer came.
func askMany(t *testing.T, r *rig.Rig, n int) map[string]int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	answers := make(map[string]int)
	for i := range n {
		all.Go(func() {
			resp := kit.Get(t, r, fmt.Sprintf("/nas/small/p%d.jpg", i))
			mu.Lock()
			defer mu.Unlock()
			answers[fmt.Sprint(resp.Status, " ", resp.Header.Get("X-Thumbd-Reason"))]++
		})
	}
	all.Wait()
	return answers
}

func TestShareThatHangs(t *testing.T) {
	r, top := startOnShare(t)
	kit.Expect(t, kit.Get(t, r, "/nas/small/a.jpg"), 200, "")
	before := threads(t, r)
	h := hangShare(t, top)

	answers := askMany(t, r, 120)
	if answers["504 original-slow"] == 0 || answers["504 original-slow"]+answers["503 original-busy"] != 120 {
		t.Errorf("answers %v, want 504 original-slow and 503 original-busy alone", answers)
	}
	// A gate has 16 places, and Go a few threads of its own.
	if n := threads(t, r); n > before+24 {
		t.Errorf("%d threads, before it %d", n, before)
	}
	kit.WaitLog(t, r, 1, "does not answer within original_time", "site=nas")
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg")), 200, "")
	kit.Expect(t, kit.Get(t, r, "/nas/small/a.jpg"), 200, "")
	kit.Expect(t, kit.Do(t, r, rig.Request{Target: "/_thumbd/health", Direct: true}), 200, "")
	metrics := kit.Do(t, r, rig.Request{Target: "/metrics", Admin: true})
	if !regexp.MustCompile(`(?m)^thumbd_originals_stuck\{site="nas"\} [1-9]`).Match(metrics.Body) ||
		!bytes.Contains(metrics.Body, []byte("\nthumbd_originals_stuck{site=\"gallery\"} 0\n")) {
		t.Errorf("metrics do not tell what hangs: %s", metrics.Body)
	}
	checkDoctorTellsShare(t, r)
	kit.Reload(t, r, kit.Configuration(t, r))
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "21x21_crop", "jpg")), 200, "")

	h.release(t)
	kit.WaitLog(t, r, 1, "answers again", "site=nas")
	kit.Expect(t, kit.Get(t, r, "/nas/small/b.jpg"), 200, "")
}

// checkDoctorTellsShare runs thumbd doctor, which must not hang itself.
func checkDoctorTellsShare(t *testing.T, r *rig.Rig) {
	t.Helper()
	found := kit.Examine(t, r)
	for _, f := range found.Findings {
		if f.Name == "originals-slow" && f.Where == "nas" && f.Status == doctor.Wrong {
			return
		}
	}
	t.Errorf("no finding originals-slow: %+v", found.Findings)
}

func TestStopWithAShareThatHangs(t *testing.T) {
	r, top := startOnShare(t)
	hangShare(t, top)
	answered := make(chan map[string]int)
	go func() { answered <- askMany(t, r, 40) }()
	// The requests are there once one of them hangs.
	for deadline := time.Now().Add(kit.Patience); ; {
		if bytes.Contains(kit.Do(t, r, rig.Request{Target: "/metrics", Admin: true}).Body, []byte(`outcome="original-slow",site="nas"`)) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no request was told that the share is slow")
		}
	}
	kit.StopDaemon(t, r)
	for answer, n := range <-answered {
		if answer != "504 original-slow" && answer != "503 original-busy" && answer != fmt.Sprint(http.StatusBadGateway, " ") {
			t.Errorf("%d times %s", n, answer)
		}
	}
}
