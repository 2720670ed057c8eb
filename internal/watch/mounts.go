// SPDX-License-Identifier: MIT

package watch

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is the topmost mount at one mount point.
type mount struct {
	id     string
	fstype string // ext4, autofs and so on
}

// parseMounts returns the mounts below folder, by their mount points, from the text
// of /proc/self/mountinfo (proc_pid_mountinfo(5)), for example
//
//	36 35 98:0 / /srv/media/usb rw,noatime shared:1 - ext4 /dev/sdb1 rw
func parseMounts(text, folder string) map[string]mount {
	mounts := make(map[string]mount)
	for line := range strings.Lines(text) {
		head, tail, ok := strings.Cut(line, " - ")
		fields, kind := strings.Fields(head), strings.Fields(tail)
		if !ok || len(fields) < 5 || len(kind) == 0 {
			continue
		}
		// A later line is mounted over an earlier one.
		if at := unescape(fields[4]); strings.HasPrefix(at, strings.TrimSuffix(folder, "/")+"/") {
			mounts[at] = mount{fields[0], kind[0]}
		}
	}
	return mounts
}

// unescape decodes the octal numbers of mountinfo, "\040" for a blank.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (w *watcher) readMounts() (map[string]mount, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", w.Root, err)
	}
	return parseMounts(string(text), w.at), nil
}

// remount watches file systems that were mounted below the root since the last call,
// and forgets file systems that are away. inotify reports neither.
//
// If a share is away, its files are not reported, because they are not deleted. If a
// share has come, all of its files are reported, because any may have changed meanwhile.
func (w *watcher) remount() error {
	now, err := w.readMounts()
	if err != nil {
		return err
	}
	before := w.mounts
	w.mounts = now
	for _, at := range slices.Sorted(maps.Keys(before)) {
		if _, ok := now[at]; ok {
			continue
		}
		w.Mounted(at, false)
		w.forget(at)
		if err := w.add(at); err != nil {
			return err
		}
	}
	for _, at := range slices.Sorted(maps.Keys(now)) {
		if now[at] == before[at] {
			continue
		}
		w.forget(at)
		if now[at].fstype == "autofs" {
			// A walk into it would mount the share, each time after it was
			// unmounted for want of use.
			if _, ok := before[at]; ok {
				w.Mounted(at, false)
			}
			continue
		}
		w.Mounted(at, true)
		if err := w.add(at); err != nil {
			return err
		}
		w.lose()
	}
	return nil
}

// awaitMounts sends on changed after each change of the mounts. info is
// /proc/self/mountinfo, open since before. awaitMounts ends when stop is closed at its
// other end.
func awaitMounts(info int, stop *os.File, changed chan<- struct{}) error {
	// The kernel reports each change once as an error of the open file.
	fds := []unix.PollFd{{Fd: int32(info), Events: unix.POLLPRI}, {Fd: int32(stop.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case fds[1].Revents != 0:
			return nil
		}
		select {
		case changed <- struct{}{}:
		default: // One is waiting to be read: it covers this change too.
		}
	}
}

// followMounts starts awaitMounts. The function that it returns ends it.
func (w *watcher) followMounts(changed chan<- struct{}) (end func(), err error) {
	// Not os.Open: Go's poller would take the reports of the kernel.
	info, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", w.Root, err)
	}
	stop, stopper, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(unix.Close(info), fmt.Errorf("watch %s: %w", w.Root, err))
	}
	ended := make(chan error, 1)
	go func() { ended <- awaitMounts(info, stop, changed) }()
	return func() {
		stopper.Close()
		if err := errors.Join(<-ended, unix.Close(info)); err != nil {
			w.Report(fmt.Errorf("watch %s: later mounts are not followed: %w", w.Root, err))
		}
		stop.Close()
	}, nil
}
