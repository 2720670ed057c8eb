// SPDX-License-Identifier: MIT

package boot

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Paths inside the machine. Marker exists only there, so that a test program knows
// where it runs.
const (
	Dir    = "/srv/boot"
	Marker = "/etc/thumbd-boot"
)

// Machine describes a boot.
type Machine struct {
	Image   string            // from Image
	Program string            // to run, statically linked, and when it ends the machine does
	Args    []string          // its arguments
	Folders map[string]string // folders of this machine, read-only below Dir, by their names there
	Limit   time.Duration     // for all of it
}

// stopTime is the longest that a machine takes to stop when it is told to.
const stopTime = 40 * time.Second

//go:embed machine.sh
var script string

// programUnit runs the program when the machine is up, and keeps its output and
// exit status for the caller of Run.
const programUnit = `[Unit]
Description=The test program
After=multi-user.target

[Service]
Type=exec
WorkingDirectory=%[1]s
Environment=HOME=/root
Environment=DEBIAN_FRONTEND=noninteractive
StandardOutput=file:%[1]s/out/log
StandardError=inherit
ExecStart=%[1]s/program%[2]s
ExecStopPost=/bin/sh -c 'echo "$EXIT_STATUS" >out/status; exec systemctl poweroff --no-block'
`

// Run boots m from a copy of its image, in which the program runs as root, and
// returns when the machine is off again. The program's output goes to out. It
// returns an error if the program or the machine failed. Run removes everything of
// the machine, also after an error. It needs root.
func Run(ctx context.Context, m Machine, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "thumbd-boot-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := layOut(dir, m); err != nil {
		return err
	}
	console, err := m.boot(ctx, dir)
	log, logErr := os.ReadFile(filepath.Join(dir, "out/log"))
	if _, err := out.Write(log); err != nil {
		return err
	}
	status, statusErr := os.ReadFile(filepath.Join(dir, "out/status"))
	if err := errors.Join(err, logErr, statusErr); err != nil {
		return fmt.Errorf("the machine: %w\n%s", err, console)
	}
	if s := strings.TrimSpace(string(status)); s != "0" {
		return fmt.Errorf("the program: exit status %s", s)
	}
	return nil
}

// Possible returns nil, or the reason why no machine can be booted here.
func Possible(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("to boot a machine takes root")
	}
	for _, name := range []string{"debootstrap", "systemd-nspawn", "unshare"} {
		if _, err := exec.LookPath(name); err != nil {
			return err
		}
	}
	out, err := exec.CommandContext(ctx, "unshare", "--mount", "mount", "-t", "cgroup2", "none", "/sys/fs/cgroup").CombinedOutput()
	if err != nil {
		return fmt.Errorf("to boot a machine takes the right to mount: %w: %s", err, out)
	}
	return nil
}

// boot returns the output of the machine's console.
func (m Machine) boot(ctx context.Context, dir string) ([]byte, error) {
	args := []string{"-c", script, "machine", dir, m.Image, fmt.Sprint(int(m.Limit.Seconds()))}
	args = append(args, "--bind-ro="+m.Program+":"+Dir+"/program", "--bind="+filepath.Join(dir, "out")+":"+Dir+"/out")
	for name, path := range m.Folders {
		args = append(args, "--bind-ro="+path+":"+filepath.Join(Dir, name))
	}
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	return cmd.CombinedOutput()
}

// quoted returns arguments for a command line of a unit.
func quoted(args []string) string {
	var b strings.Builder
	for _, arg := range args {
		b.WriteString(" " + strings.NewReplacer("$", "$$", "%", "%%").Replace(strconv.Quote(arg)))
	}
	return b.String()
}

// layOut writes the files that the machine has besides its image.
func layOut(dir string, m Machine) error {
	for _, name := range []string{"out", "mnt", "files/etc/systemd/system/multi-user.target.wants"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	units := "files/etc/systemd/system/"
	for name, text := range map[string]string{
		"files/etc/machine-id":        "",
		"files/etc/hosts":             "127.0.0.1 localhost\n",
		"files" + Marker:              "",
		units + "thumbd-boot.service": fmt.Sprintf(programUnit, Dir, quoted(m.Args)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	links := map[string]string{
		"default.target": "/lib/systemd/system/multi-user.target",
		"multi-user.target.wants/thumbd-boot.service": "../thumbd-boot.service",
	}
	for _, name := range []string{
		"getty.target", "console-getty.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
		"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
		"unattended-upgrades.service",
	} {
		links[name] = "/dev/null"
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, units, name)); err != nil {
			return err
		}
	}
	return nil
}
