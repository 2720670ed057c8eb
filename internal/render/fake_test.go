// SPDX-License-Identifier: MIT

package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// fakeName is the name under which the test binary is a worker: one that does
// what the text of its original says, as no real worker can be made to.
const fakeName = "fake-worker"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == fakeName {
		os.Exit(fakeWorker())
	}
	os.Exit(m.Run())
}

func fakeWorker() int {
	f := os.NewFile(3, "daemon")
	c, err := net.FileConn(f)
	if err != nil {
		return 1
	}
	f.Close()
	conn := c.(*net.UnixConn)
	formats := []thumb.Format{thumb.JPEG}
	say(conn, &wire.Hello{Version: wire.Version, Vips: "fake", Read: formats, Write: formats})
	for {
		b := make([]byte, wire.MaxMessage)
		oob := make([]byte, 4096)
		n, oobn, _, _, err := conn.ReadMsgUnix(b, oob)
		if err != nil || n == 0 {
			return 0
		}
		var job wire.Job
		if err := wire.Decode(b[:n], &job); err != nil {
			return 1
		}
		messages, _ := unix.ParseSocketControlMessage(oob[:oobn])
		fds, _ := unix.ParseUnixRights(&messages[0])
		files := make([]*os.File, len(fds))
		for i, fd := range fds {
			files[i] = os.NewFile(uintptr(fd), fmt.Sprint(i))
		}
		first := 1 + len(job.Watermarks)
		obey(conn, job, slices.Concat(files[:1], files[first:]), files[1:first])
		for _, f := range files {
			f.Close()
		}
	}
}

func say(conn *net.UnixConn, m wire.Message) {
	b, err := wire.Encode(m)
	must(err)
	must2(conn.Write(b))
}

// must ends the worker, as one that crashed.
func must(err error) {
	if err != nil {
		os.Exit(1)
	}
}

func must2(_ int, err error) { must(err) }

// kept is an output that the order "keep" kept.
var kept *os.File

// hang answers nothing and ends with the daemon, unless it is killed before.
func hang(conn *net.UnixConn) {
	_, _ = io.Copy(io.Discard, conn)
	os.Exit(1)
}

// obey does what the original says.
func obey(conn *net.UnixConn, job wire.Job, files, marks []*os.File) {
	text, _ := io.ReadAll(files[0])
	path, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", files[0].Fd()))
	reply := wire.Reply{ID: job.ID}
	for i, t := range job.Outputs {
		// Pictures tell which process made them, and in what company.
		fmt.Fprintf(files[i+1], "%d %d %s", os.Getpid(), len(job.Outputs), text)
		if m := slices.Index(job.Watermarks, t.Watermark.Name); m >= 0 {
			_, err := io.Copy(files[i+1], io.NewSectionReader(marks[m], 0, 100))
			must(err)
		}
		at, _ := files[i+1].Seek(0, io.SeekCurrent)
		must(files[i+1].Truncate(at))
		reply.Results = append(reply.Results, wire.Result{Width: t.Width, Height: t.Width, OriginalWidth: 100, OriginalHeight: 100})
	}
	switch order := string(text); order {
	case "spin":
		go func() {
			for n := 0; ; n++ {
			}
		}()
	case "work":
		burn(100 * time.Millisecond)
	case "threads":
		for range 4 * mostThreads() {
			go func() {
				runtime.LockOSThread()
				select {}
			}()
		}
		hang(conn)
	case "keep":
		fd, err := unix.Dup(int(files[1].Fd()))
		must(err)
		kept = os.NewFile(uintptr(fd), "kept")
	case "kept":
		info, err := kept.Stat()
		must(err)
		_, err = kept.WriteAt([]byte("more"), 0)
		reply.Results[0] = wire.Result{Failure: wire.Internal, Detail: fmt.Sprintf("%d bytes, %v", info.Size(), err)}
	case "crash":
		os.Exit(1)
	case "crash once":
		if _, err := os.OpenFile(path+".crashed", os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			os.Exit(1)
		}
	case "crash over 13":
		for _, t := range job.Outputs {
			if t.Width == 13 {
				os.Exit(1)
			}
		}
	case "hang", "hang over 13":
		for _, t := range job.Outputs {
			if order == "hang" || t.Width == 13 {
				hang(conn)
			}
		}
	case "frames over 13":
		if job.Outputs[0].Width == 13 {
			reply.Results[0] = wire.Result{Failure: wire.TooManyFrames}
		}
	case "wait", "wait and refuse":
		must(os.WriteFile(path+".running", nil, 0o600))
		for !exists(path + ".go") {
			time.Sleep(time.Millisecond)
		}
		if order != "wait" {
			reply.Results[0] = wire.Result{Failure: wire.Damaged}
		}
	case "another id":
		reply.ID++
	case "wrong size":
		reply.Results[0].Height++
	case "no original":
		reply.Results[0].OriginalWidth = 0
	case "two results":
		reply.Results = append(reply.Results, reply.Results...)
	case "empty":
		must(files[1].Truncate(0))
	case "too many bytes":
		if files[1].Truncate(job.Bytes+1) == nil {
			os.Exit(1) // It is sealed.
		}
		reply.Results[0].Failure = wire.ThumbnailBytes
	case "watermark":
		reply.Results[0].Failure, reply.Results[0].Detail = wire.Watermark, "logo"
	case "garbage":
		must2(conn.Write([]byte("garbage")))
		return
	case "long":
		must2(conn.Write(bytes.Repeat([]byte("a"), wire.MaxMessage+1)))
		return
	case "descriptors":
		b, _ := json.Marshal(reply)
		_, _, err := conn.WriteMsgUnix(b, unix.UnixRights(0, 1, 2), nil)
		must(err)
		return
	case "twice":
		say(conn, &reply)
	case "stderr":
		fmt.Fprint(os.Stderr, strings.Repeat("the worker's last words ", 1<<12))
		os.Exit(1)
	case "leaves a child":
		child := exec.Command("/bin/sleep", "1000")
		child.Stderr = os.Stderr
		must(child.Start())
		must(os.WriteFile(fmt.Sprintf("%s.child%d", path, child.Process.Pid), nil, 0o600))
		os.Exit(1)
	case "unsupported once decoded":
		reply.Results[0] = wire.Result{Failure: wire.Unsupported, Detail: "why", Decoded: true}
	case "damaged", "unsupported", "too-many-pixels", "thumbnail-too-large", "internal":
		reply.Results[0] = wire.Result{Failure: wire.Failure(order), Detail: "why"}
	}
	say(conn, &reply)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// fake returns the path of the test binary as a worker.
func fake(t *testing.T) string {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), fakeName)
	if err := os.Symlink(own, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// burn uses that much processor time.
func burn(d time.Duration) {
	var u unix.Rusage
	for end := time.Duration(-1); end < 0 || time.Duration(u.Utime.Nano()) < end; {
		must(unix.Getrusage(unix.RUSAGE_SELF, &u))
		if end < 0 {
			end = time.Duration(u.Utime.Nano()) + d
		}
	}
}
