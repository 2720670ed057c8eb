// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/render"
)

// TestProcess looks at a worker that the daemon's own pool has started.
func TestProcess(t *testing.T) {
	pid := pooled(t, 1<<30)
	proc := fmt.Sprintf("/proc/%d", pid)
	tasks, err := filepath.Glob(proc + "/task/*")
	if err != nil || len(tasks) < 2 {
		t.Fatalf("threads: %v, %v", tasks, err)
	}
	for _, task := range tasks {
		status := read(t, task+"/status")
		for _, want := range []string{"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
			if !strings.Contains(status, want) {
				t.Errorf("%s: no %q", task, want)
			}
		}
		if nice := statField(t, task, 19); nice != "10" {
			t.Errorf("%s: nice %s", task, nice)
		}
	}
	if got := strings.TrimSpace(read(t, proc+"/oom_score_adj")); got != "1000" {
		t.Errorf("oom_score_adj: %s", got)
	}
	for _, c := range []struct {
		name     string
		resource int
		want     uint64
	}{
		{"data", unix.RLIMIT_DATA, 1 << 30},
		{"core", unix.RLIMIT_CORE, 0},
		{"files", unix.RLIMIT_NOFILE, mostFiles},
	} {
		var got unix.Rlimit
		if err := unix.Prlimit(pid, c.resource, nil, &got); err != nil || got != (unix.Rlimit{Cur: c.want, Max: c.want}) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	if os.Geteuid() != 0 {
		// It is not dumpable: no process of its user can look into it.
		for _, name := range []string{"environ", "maps", "mem", "fd"} {
			f, err := os.Open(filepath.Join(proc, name))
			if err == nil {
				f.Close()
			}
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("open %s: %v, want %v", name, err, fs.ErrPermission)
			}
		}
		return
	}
	checkEnvironment(t, proc)
	checkDescriptors(t, proc)
}

// pooled returns the process of a worker that the daemon's pool has started.
func pooled(t *testing.T, memory int64) int {
	t.Helper()
	program := filepath.Join(t.TempDir(), "thumbd-render")
	if err := os.Symlink(os.Args[0], program); err != nil {
		t.Fatal(err)
	}
	started := make(chan int, 10)
	p := render.New(render.Options{
		Program: program, Workers: 1, WorkerMemory: memory, StartTime: time.Minute,
		Limits: render.Limits{OriginalPixels: 1 << 24, OriginalFrames: 1, ThumbnailWidth: 100, ThumbnailHeight: 100, ThumbnailBytes: 1 << 20},
		Report: func(e render.Event) {
			if e.Err != nil {
				t.Errorf("%+v", e)
			}
			select {
			case started <- e.PID:
			default:
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return <-started
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// statField returns field n of a thread's stat, counted from 1 as proc(5) does.
func statField(t *testing.T, task string, n int) string {
	t.Helper()
	stat := read(t, task+"/stat")
	// The second is the name, in parentheses.
	return strings.Fields(stat[strings.LastIndex(stat, ")")+1:])[n-3]
}

func checkEnvironment(t *testing.T, proc string) {
	t.Helper()
	var names []string
	for entry := range strings.SplitSeq(strings.TrimSuffix(read(t, proc+"/environ"), "\x00"), "\x00") {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name)
	}
	known := []string{
		"LANG", "HOME", "PATH", "MALLOC_ARENA_MAX",
		"VIPS_WARNING", "VIPS_BLOCK_UNTRUSTED", "VIPS_CONCURRENCY", "OMP_NUM_THREADS", "GOMAXPROCS", "VIPS_DISC_THRESHOLD",
	}
	if !slices.Equal(names, known) {
		t.Errorf("environment: %q", names)
	}
}

// checkDescriptors makes sure that the worker holds no folder, from which all
// below it could be opened, and no file but those that say its share of CPU.
func checkDescriptors(t *testing.T, proc string) {
	t.Helper()
	fds, err := os.ReadDir(proc + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	sockets := 0
	for _, fd := range fds {
		target, err := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(target, ":")
		switch {
		case kind == "socket":
			sockets++
		case kind == "pipe", kind == "anon_inode", target == "/dev/null":
		case strings.HasPrefix(target, "/sys/fs/cgroup/"), strings.HasPrefix(target, "/proc/self/cgroup"):
		default:
			t.Errorf("descriptor %s: %s", fd.Name(), target)
		}
	}
	if sockets != 1 {
		t.Errorf("%d sockets", sockets)
	}
}
