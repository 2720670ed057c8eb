// SPDX-License-Identifier: MIT

package faults

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"thumbd/internal/doctor"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// hangShare hangs dir until it is released, at the latest by the end of the test.
func hangShare(t *testing.T, dir string) (release func()) {
	t.Helper()
	kit.NeedMounts(t)
	h, err := rig.HangShare(dir)
	if err != nil {
		aid.Skip(t, err.Error())
	}
	release = func() {
		if err := h.Release(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(release)
	return release
}

// hanging returns how many threads of thumbd wait for a file system and can't be
// interrupted: state D of proc_pid_stat(5). Threads that wait for work have state S, and
// Go starts as many of these as a busy machine makes it need.
func hanging(t *testing.T, r *rig.Rig) int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", r.DaemonPID()))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		// A thread may have ended since.
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(") D ")) {
			n++
		}
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
	release := hangShare(t, top)

	answers := askMany(t, r, 120)
	if answers["504 original-slow"] == 0 || answers["504 original-slow"]+answers["503 original-busy"] != 120 {
		t.Errorf("answers %v, want 504 original-slow and 503 original-busy alone", answers)
	}
	// A gate has 16 places.
	if n := hanging(t, r); n < 1 || n > 16 {
		t.Errorf("%d threads hang, want 1 to 16", n)
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

	release()
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
	for deadline := time.Now().Add(aid.Patience); ; {
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
