// SPDX-License-Identifier: MIT

package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"thumbd/internal/asuser"
	"thumbd/internal/nginxconf"
)

// nginx loads nginx's effective configuration.
func (v *visit) nginx(ctx context.Context) string {
	if v.load(); v.config != nil && v.config.Accel != "nginx" {
		return v.skip("another server is in front: accel is %s", v.config.Accel)
	}
	if _, err := exec.LookPath(v.Nginx[0]); err != nil {
		v.find("nginx-missing", "", "there is no nginx: "+err.Error(), "apt install nginx")
		return "not installed"
	}
	var err error
	v.conf, err = nginxconf.Load(ctx, v.Nginx)
	return v.effective(err)
}

// effective looks at nginx's configuration as a whole; err is the one of its loading.
func (v *visit) effective(err error) string {
	switch {
	case errors.Is(err, nginxconf.ErrRefused):
		v.find("nginx-configuration", "", err.Error(), "mend that line", reloadNginx)
	case err != nil:
		v.find("nginx-configuration", "", err.Error(), "nginx -T")
	}
	if v.conf == nil {
		return "its configuration can't be read"
	}
	name, group := v.conf.User()
	if os.Geteuid() != 0 {
		// nginx then runs as this user, too.
		v.worker = asuser.User{UID: os.Geteuid(), GID: os.Getegid(), Name: "who asks"}
	} else if v.worker, err = asuser.Lookup(name, group); err != nil {
		v.find("nginx-configuration", v.conf.File, err.Error(), "name a user that exists: user www-data;", reloadNginx)
	}
	if v.conf.Upstream("thumbd") == nil {
		v.find("upstream-missing", v.conf.File, "it has no upstream thumbd: conf.d/thumbd.conf is not there, or not included in the http block",
			"in the http block of "+v.conf.File+" write: include "+quoted(filepath.Join(filepath.Dir(v.conf.File), "conf.d")+"/*.conf")+";", reloadNginx)
	}
	v.compareShipped()
	v.fronts()
	return fmt.Sprintf("nginx %s, %s, workers are of user %s", v.conf.Version, v.conf.File, name)
}

// nginxRunning looks whether nginx runs, and with the files that there are.
func (v *visit) nginxRunning(ctx context.Context) string {
	if v.conf == nil {
		return v.skip("no nginx to look at")
	}
	text, err := os.ReadFile(v.conf.PIDFile())
	pid := 0
	if err == nil {
		pid, err = strconv.Atoi(string(bytes.TrimSpace(text)))
	}
	if err == nil {
		_, err = os.Stat(fmt.Sprintf("/proc/%d", pid))
	}
	if err != nil {
		v.find("nginx-not-running", v.conf.PIDFile(), "there is no process of that ID", startNginx)
		return "it does not run"
	}
	loaded, changed, err := awaitReload(ctx, pid, v.conf.Files)
	if err != nil {
		return v.skip("process %d; %v", pid, err)
	}
	for _, file := range changed {
		v.find("nginx-not-reloaded", file, "it has changed since nginx loaded its configuration", reloadNginx)
	}
	return fmt.Sprintf("process %d, configuration of %s", pid, loaded.Format(time.DateTime))
}

// reloadTime is how long a reload may take that was just asked for: the command
// for it does not wait.
const reloadTime = 2 * time.Second

// awaitReload returns the time at which nginx has loaded its configuration, and the files
// of it that have changed since. If some have, it waits for a reload.
func awaitReload(ctx context.Context, pid int, files []string) (loaded time.Time, changed []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	tick := time.NewTicker(reloadTime / 40)
	defer tick.Stop()
	for {
		if loaded, err = youngestChild(pid); err != nil {
			return loaded, nil, err
		}
		if changed = newer(files, loaded); len(changed) == 0 {
			return loaded, nil, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return loaded, changed, nil
		}
	}
}

// newer returns the files that have changed since then. A link in sites-enabled
// counts as much as its target.
func newer(files []string, then time.Time) []string {
	return slices.DeleteFunc(slices.Clone(files), func(file string) bool {
		packaged := strings.HasPrefix(file, share()+"/")
		return !isNewer(os.Stat, file, packaged, then) && !isNewer(os.Lstat, file, packaged, then)
	})
}

// isNewer allows two seconds between the kernel's clocks of processes and of
// files. The mtime of a packaged file is that of the package; the file's inode is
// as young as the upgrade, so its ctime counts.
func isNewer(stat func(string) (os.FileInfo, error), file string, packaged bool, then time.Time) bool {
	fi, err := stat(file)
	if err != nil {
		return false
	}
	changed := fi.ModTime()
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && packaged {
		changed = time.Unix(st.Ctim.Unix())
	}
	return changed.After(then.Add(2 * time.Second))
}

// youngestChild returns the time at which the process has last started a child, to the
// hundredth of a second. For nginx this is its last reload.
func youngestChild(pid int) (time.Time, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	_, rest, _ := strings.Cut(string(stat), "\nbtime ")
	boot, err := strconv.ParseInt(strings.SplitN(rest, "\n", 2)[0], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("/proc/stat: %w", err)
	}
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return time.Time{}, err
	}
	var youngest int64 = -1
	for _, path := range paths {
		// One that has ended meanwhile is none.
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name in parentheses may hold anything: proc_pid_stat(5).
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		const ppid, start = 4 - 3, 22 - 3
		if len(fields) <= start || fields[ppid] != strconv.Itoa(pid) {
			continue
		}
		if ticks, err := strconv.ParseInt(fields[start], 10, 64); err == nil {
			youngest = max(youngest, ticks)
		}
	}
	if youngest < 0 {
		return time.Time{}, fmt.Errorf("process %d has no workers", pid)
	}
	return time.Unix(boot, 0).Add(time.Duration(youngest) * (time.Second / 100)), nil
}
