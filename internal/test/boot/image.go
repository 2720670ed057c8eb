// SPDX-License-Identifier: MIT

// Package boot boots Debian with a real systemd in a container, and runs a
// test program in it. It is for the tests of the installed packages.
package boot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Distribution is a release of Debian, with the packages that are installed before
// thumbd.
type Distribution struct {
	Suite    string
	Packages []string
}

// Distributions are the releases on which thumbd's package is tested. The packages
// that it depends on are installed, and the ones that tests use: nothing in a machine
// needs the network.
var Distributions = []Distribution{
	{"bookworm", []string{
		"systemd", "systemd-sysv", "dbus", "nginx", "libvips42", "procps", "unattended-upgrades",
	}},
	{"trixie", []string{
		"systemd", "systemd-sysv", "dbus", "nginx", "libvips42t64", "libheif-plugin-aomenc", "procps",
		"unattended-upgrades",
	}},
}

// Image returns the folder of d's root file system. It must not be changed. If
// $XDG_CACHE_HOME/thumbd does not have the file system yet, debootstrap makes it
// there, over the network. Two processes may call Image at once.
func Image(ctx context.Context, d Distribution) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "thumbd")
	list := strings.Join(d.Packages, ",")
	dir := filepath.Join(cache, fmt.Sprintf("root-%s-%.6x", d.Suite, sha256.Sum256([]byte(list))))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	if err := makeImage(ctx, d.Suite, list, dir); err != nil {
		return "", fmt.Errorf("root file system of %s: %w", d.Suite, err)
	}
	return dir, nil
}

// makeImage makes dir, whole or not at all.
func makeImage(ctx context.Context, suite, list, dir string) (err error) {
	from, err := mirror(ctx)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "temp-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	root := filepath.Join(temp, "root")
	cmd := exec.CommandContext(ctx, "debootstrap", "--variant=minbase", "--include="+list, suite, root, from)
	// Its mounts below root end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("debootstrap %s %s: %w\n%s", suite, from, err, out)
	}
	archives, err := filepath.Glob(filepath.Join(root, "var/cache/apt/archives/*.deb"))
	if err != nil {
		return err
	}
	for _, name := range archives {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	err = os.Rename(root, dir)
	if errors.Is(err, syscall.ENOTEMPTY) {
		return nil // Another process has made it meanwhile.
	}
	return err
}

// mirror returns the mirror of Debian that this machine's own apt uses.
func mirror(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("apt-get indextargets: %w", err)
	}
	for uri := range strings.Lines(string(out)) {
		if uri = strings.TrimSpace(uri); strings.HasSuffix(strings.TrimRight(uri, "/"), "/debian") {
			return uri, nil
		}
	}
	return "", errors.New("apt's sources name no mirror of Debian")
}
