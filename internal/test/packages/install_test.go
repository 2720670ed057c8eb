// SPDX-License-Identifier: MIT

package packages

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
)

// helpers are the distributions' programs that the packages' scripts call. In
// an empty root each is a script that notes how it was called.
var helpers = []string{
	"/usr/bin/systemctl",
	"/usr/bin/systemd-sysusers",
	"/usr/bin/systemd-tmpfiles",
	"/usr/bin/deb-systemd-helper",
	"/usr/bin/deb-systemd-invoke",
	"/usr/lib/systemd/systemd-update-helper",
	"/usr/sbin/nginx",
}

// essential are programs that every system has and the scripts call.
var essential = []string{
	"/bin/sh", "/bin/cat", "/bin/cp", "/bin/grep", "/bin/mkdir", "/bin/mv", "/bin/rm", "/bin/rmdir",
	"/bin/readlink", "/bin/sed", "/usr/bin/dpkg-query", "/usr/bin/find", "/usr/bin/md5sum",
}

// root is an empty root file system, with the essential programs and the
// helpers.
type root struct{ dir string }

func newRoot(t *testing.T) root {
	t.Helper()
	if os.Getuid() != 0 {
		aid.Skip(t, "packages are installed by root")
	}
	r := root{t.TempDir()}
	if err := os.Chmod(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range essential {
		r.copy(t, program)
		for library := range strings.FieldsSeq(output(t, "ldd", program)) {
			if strings.HasPrefix(library, "/") {
				r.copy(t, library)
			}
		}
	}
	for _, helper := range helpers {
		put(t, r.path(helper), []byte("#!/bin/sh\necho \"${0##*/} $*\" >>/calls\n"), 0o755)
	}
	put(t, r.path("/dev/null"), nil, 0o666)
	put(t, r.path("/run/systemd/system/booted"), nil, 0o644)
	put(t, r.path("/var/lib/dpkg/status"), nil, 0o644)
	put(t, r.path("/var/lib/dpkg/info/format"), []byte("1\n"), 0o644)
	for _, dir := range []string{"/var/lib/dpkg/updates", "/var/lib/dpkg/triggers"} {
		if err := os.MkdirAll(r.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r root) path(name string) string { return filepath.Join(r.dir, name) }

func (r root) copy(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, r.path(path), b, 0o755)
}

// do runs a package manager on the root. It returns how helpers were called,
// and fails the test for anything that the scripts say, as rpm does not fail
// for one that does.
func (r root) do(t *testing.T, name string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.Bytes())
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "scriptlet") || strings.Contains(line, "line ") || strings.Contains(line, "/info/") {
			t.Errorf("%v: %s", cmd, line)
		}
	}
	calls, err := os.ReadFile(r.path("/calls"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.RemoveAll(r.path("/calls")); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(calls)), "\n")
}

func (r root) dpkg(t *testing.T, args ...string) []string {
	t.Helper()
	// Nothing of what it depends on is there: the scripts' calls are what counts.
	return r.do(t, "dpkg", append([]string{"--root=" + r.dir, "--force-depends", "--log=/dev/null"}, args...)...)
}

func (r root) rpm(t *testing.T, args ...string) []string {
	t.Helper()
	return r.do(t, "rpm", append([]string{"--root", r.dir, "--nodeps", "--nosignature"}, args...)...)
}

func (r root) exists(path string) bool {
	_, err := os.Lstat(r.path(path))
	return err == nil
}

// calls fails the test unless those of a step are as wanted.
func calls(t *testing.T, step string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: calls (-want +got):\n%s", step, diff)
	}
}

func TestDebScripts(t *testing.T) {
	r := newRoot(t)
	next := pack(t, "deb", "9000.0")
	installed := []string{
		"systemd-sysusers thumbd.conf",
		"systemd-tmpfiles --create thumbd.conf",
		"deb-systemd-helper unmask thumbd.socket",
		"deb-systemd-helper --quiet was-enabled thumbd.socket",
		"deb-systemd-helper enable thumbd.socket",
		"systemctl --system daemon-reload",
		"deb-systemd-invoke start thumbd.socket",
		// What a purge has left, closed, is open again.
		"systemctl --quiet is-active nginx.service", "nginx -t -q", "deb-systemd-invoke try-reload-or-restart nginx.service",
	}
	// nginx is to read the new files before the new daemon answers it.
	restarted := append(installed[:len(installed):len(installed)], "deb-systemd-invoke try-restart thumbd.service")
	removed := []string{
		"deb-systemd-invoke stop thumbd-gc.timer thumbd-gc.service thumbd.socket thumbd.service",
		"systemctl --quiet is-active nginx.service", "nginx -t -q", "deb-systemd-invoke try-reload-or-restart nginx.service",
		"deb-systemd-helper --quiet was-enabled thumbd.socket", "deb-systemd-helper purge thumbd.socket",
		"systemctl --system daemon-reload", "systemctl --system reset-failed thumbd*",
	}
	calls(t, "install", r.dpkg(t, "--install", deb(t)), installed...)
	// The socket is neither stopped nor restarted, and the service runs on
	// until the new one is there.
	calls(t, "upgrade", r.dpkg(t, "--install", next), restarted...)

	put(t, r.path("/var/cache/thumbd/gallery/a.jpg"), []byte("a thumbnail"), 0o644)
	put(t, r.path("/etc/thumbd/keys/gallery.key"), []byte("a key"), 0o640)
	put(t, r.path("/etc/thumbd/sites.d/gallery.toml"), []byte("a site"), 0o644)
	calls(t, "remove", r.dpkg(t, "--remove", "thumbd"), removed...)
	for _, path := range []string{"/etc/thumbd/thumbd.toml", "/etc/thumbd/keys/gallery.key", "/etc/thumbd/sites.d/gallery.toml", "/var/cache/thumbd/gallery/a.jpg"} {
		if !r.exists(path) {
			t.Errorf("remove took %s away", path)
		}
	}

	calls(t, "install again", r.dpkg(t, "--install", next), restarted...)
	calls(t, "purge", r.dpkg(t, "--purge", "thumbd"), append(removed, "deb-systemd-helper purge thumbd.socket")...)
	for _, path := range []string{"/etc/thumbd", "/var/cache/thumbd", "/usr/bin/thumbd", "/etc/nginx"} {
		if r.exists(path) {
			t.Errorf("purge left %s", path)
		}
	}
}

// Where systemd does not run, as in a container or a chroot, the socket is
// enabled and nothing is started.
func TestDebScriptsWithoutSystemd(t *testing.T) {
	r := newRoot(t)
	if err := os.RemoveAll(r.path("/run/systemd")); err != nil {
		t.Fatal(err)
	}
	calls(t, "install", r.dpkg(t, "--install", deb(t)),
		"systemd-sysusers thumbd.conf",
		"systemd-tmpfiles --create thumbd.conf",
		"deb-systemd-helper unmask thumbd.socket",
		"deb-systemd-helper --quiet was-enabled thumbd.socket",
		"deb-systemd-helper enable thumbd.socket")
	calls(t, "purge", r.dpkg(t, "--purge", "thumbd"),
		"deb-systemd-helper --quiet was-enabled thumbd.socket", "deb-systemd-helper purge thumbd.socket", "deb-systemd-helper purge thumbd.socket")
}

func TestRpmScripts(t *testing.T) {
	r := newRoot(t)
	next := pack(t, "rpm", "9000.0")
	calls(t, "install", r.rpm(t, "--install", rpm(t)),
		"systemd-sysusers thumbd.conf",
		"systemd-tmpfiles --create thumbd.conf",
		"systemd-update-helper install-system-units thumbd.socket",
		"systemctl --quiet is-enabled thumbd.socket",
		"systemctl daemon-reload",
		"systemctl start thumbd.socket",
		"systemctl --quiet is-active nginx.service",
		"nginx -t -q",
		"systemctl try-reload-or-restart nginx.service")
	calls(t, "upgrade", r.rpm(t, "--upgrade", next),
		"systemd-sysusers thumbd.conf",
		"systemd-tmpfiles --create thumbd.conf",
		"systemctl --quiet is-active nginx.service",
		"nginx -t -q",
		"systemctl try-reload-or-restart nginx.service",
		"systemd-update-helper mark-restart-system-units thumbd.service")
	put(t, r.path("/var/cache/thumbd/gallery/a.jpg"), []byte("a thumbnail"), 0o644)
	put(t, r.path("/etc/thumbd/thumbd.toml"), []byte("# changed"), 0o644)
	put(t, r.path("/etc/thumbd/sites.d/gallery.toml"), []byte("a site"), 0o644)
	calls(t, "remove", r.rpm(t, "--erase", "thumbd"),
		"systemd-update-helper remove-system-units thumbd.socket thumbd-metrics.socket thumbd-gc.timer thumbd.service",
		"systemctl --quiet is-active nginx.service",
		"nginx -t -q",
		"systemctl try-reload-or-restart nginx.service")
	for _, path := range []string{"/etc/thumbd/thumbd.toml.rpmsave", "/etc/thumbd/sites.d/gallery.toml", "/var/cache/thumbd/gallery/a.jpg"} {
		if !r.exists(path) {
			t.Errorf("remove took %s away", path)
		}
	}
	if r.exists("/usr/libexec/thumbd") || r.exists("/usr/share/doc/thumbd") {
		t.Error("remove left folders of the package")
	}
}

// An administrator's preset that says otherwise leaves the socket stopped.
func TestRpmScriptsWithThePresetDisabled(t *testing.T) {
	r := newRoot(t)
	put(t, r.path("/usr/bin/systemctl"), []byte("#!/bin/sh\necho \"${0##*/} $*\" >>/calls\nexit 1\n"), 0o755)
	calls(t, "install", r.rpm(t, "--install", rpm(t)),
		"systemd-sysusers thumbd.conf",
		"systemd-tmpfiles --create thumbd.conf",
		"systemd-update-helper install-system-units thumbd.socket",
		"systemctl --quiet is-enabled thumbd.socket",
		"systemctl --quiet is-active nginx.service")
}
