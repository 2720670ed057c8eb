// SPDX-License-Identifier: MIT

package aid

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"
)

func TestChildren(t *testing.T) {
	child := exec.CommandContext(t.Context(), "cat")
	in, err := child.StdinPipe()
	Must(t, err, child.Start())
	pids, err := Children(os.Getpid())
	if err != nil || !slices.Contains(pids, child.Process.Pid) {
		t.Errorf("%v, %v; want %d among them", pids, err, child.Process.Pid)
	}
	Must(t, in.Close(), child.Wait())
	if pids, err := Children(os.Getpid()); err != nil || slices.Contains(pids, child.Process.Pid) {
		t.Errorf("%v, %v; want no %d among them", pids, err, child.Process.Pid)
	}
}

func TestLog(t *testing.T) {
	var l, also Log
	l.Also = &also
	waited := make(chan error, 1)
	go func() { waited <- l.Wait(t.Context(), 2, "level=ERROR", "lost") }()
	for _, line := range []string{"level=ERROR lost\n", "level=INFO lost\n", "lost again level=ERROR\n"} {
		if n, err := l.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	if n := l.Count("lost"); n != 3 || l.String() != also.String() {
		t.Errorf("%d lines, want 3; %q and %q, want equal ones", n, &l, &also)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Wait(ctx, 4, "lost"); err == nil {
		t.Error("the fourth line of three came")
	}
}
