// SPDX-License-Identifier: MIT

package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/admin"
	"thumbd/internal/admin/client"
	"thumbd/internal/asuser"
)

// self returns the user of the test, as whom nginx's workers connect.
func self(t *testing.T) asuser.User {
	t.Helper()
	u, err := asuser.Self()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSocket(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("file"), "")
	for _, name := range []string{"open", "deaf"} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path(name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if name == "deaf" {
			l.SetUnlinkOnClose(false)
			l.Close()
		}
	}
	for name, tt := range map[string]struct {
		unit, nginx string // the sockets of both
		booted      bool
		want        []string
		part        string
	}{
		"somebody listens":         {unit: "open", booted: true},
		"nginx asks there too":     {unit: "open", nginx: "open", booted: true},
		"nginx asks elsewhere":     {unit: "deaf", nginx: "open", booted: true, want: []string{"socket-elsewhere"}, part: "/deaf;"},
		"nobody listens":           {unit: "deaf", booted: true, want: []string{"socket-dead"}, part: "systemctl restart thumbd.socket"},
		"nobody without systemd":   {nginx: "deaf", want: []string{"socket-dead"}, part: "start thumbd serve --listen"},
		"no socket":                {unit: "none", booted: true, want: []string{"socket-missing"}, part: "systemctl enable --now thumbd.socket"},
		"a file in its place":      {unit: "file", booted: true, want: []string{"socket-missing"}, part: "rm "},
		"nginx asks at no socket":  {unit: "open", nginx: "none", booted: true, want: []string{"socket-elsewhere", "socket-missing"}},
		"nginx asks at an address": {unit: "open", nginx: "127.0.0.1:80", booted: true},
	} {
		t.Run(name, func(t *testing.T) {
			v := &visit{booted: tt.booted, worker: self(t), now: Check{Status: OK}, listening: make(map[string]string)}
			if tt.unit != "" {
				v.listening["Listen"] = path(tt.unit) + " (Stream)"
			}
			if tt.nginx != "" {
				server := "unix:" + path(tt.nginx)
				if strings.Contains(tt.nginx, ":") {
					server = tt.nginx
				}
				(&installation{}).read(t, v, "http { upstream thumbd { server "+server+"; } }\n")
			}
			v.socket(t.Context())
			v.wants(t, tt.part, tt.want...)
		})
	}
}

// A socket that another group has is closed to nginx's workers.
func TestSocketOfAnotherGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to connect as another user")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "thumbd.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, name := range []string{dir, filepath.Dir(dir), path} {
		mode := os.FileMode(0o755)
		if name == path {
			mode = 0o660
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	for booted, cure := range map[bool]string{true: "SocketGroup=", false: ",group="} {
		v := &visit{booted: booted, worker: asuser.User{UID: 65534, GID: 65534, Name: "nobody"}, now: Check{Status: OK}, listening: map[string]string{"Listen": path}}
		v.socket(t.Context())
		v.wants(t, cure, "socket-rights")
	}
}

// sum stands for the checksum of the configuration that the visit has loaded.
const sum = "the same"

func TestDaemonsAnswers(t *testing.T) {
	noAnswer := func(cause error) error { return &client.NoAnswer{Cause: cause} }
	for name, tt := range map[string]struct {
		report      admin.Report
		err, health error
		before      string // a finding of an earlier check
		want        []string
		part        string
		status      Status
	}{
		"all is well":              {report: admin.Report{Version: "1.2.3", Checksum: sum}, status: OK},
		"another version":          {report: admin.Report{Version: "1.2.2", Checksum: sum}, want: []string{"daemon-outdated"}, part: "version 1.2.2 runs, and 1.2.3 is installed", status: Warning},
		"no worker":                {report: admin.Report{Version: "1.2.3", NoWorker: true, Refused: "exit status 1"}, want: []string{"no-worker"}, part: "exit status 1", status: Wrong},
		"a refused configuration":  {report: admin.Report{Version: "1.2.3", Checksum: sum, Refused: "no key", User: "thumbd"}, want: []string{"configuration"}, part: "as user thumbd, has refused it: no key", status: Wrong},
		"a change without reload":  {report: admin.Report{Version: "1.2.3", Checksum: "another"}, want: []string{"not-reloaded"}, part: "kill -HUP", status: Wrong},
		"a daemon that is unwell":  {report: admin.Report{Version: "1.2.3", Checksum: sum, Unwell: "a tree can't be written"}, want: []string{"daemon-unwell"}, part: "a tree can't be written", status: Wrong},
		"no socket to ask at":      {err: fs.ErrNotExist, before: "socket-missing", want: []string{"socket-missing"}, status: Skipped},
		"no answer to nginx":       {report: admin.Report{Version: "1.2.3", Checksum: sum}, health: noAnswer(os.ErrDeadlineExceeded), want: []string{"daemon-silent"}, part: "i/o timeout", status: Wrong},
		"a socket of nginx alone":  {report: admin.Report{Version: "1.2.3", Checksum: sum}, health: noAnswer(fs.ErrPermission), status: OK},
		"no socket of admins":      {err: fs.ErrNotExist, want: []string{"admin-socket"}, part: "thumbd doctor --admin PATH", status: Warning},
		"nobody at admins' socket": {err: fmt.Errorf("dial: %w", unix.ECONNREFUSED), want: []string{"admin-socket"}, status: Warning},
		"no right to ask":          {err: fs.ErrPermission, status: Skipped},
		"an older daemon":          {err: &client.Refused{Code: http.StatusNotFound}, want: []string{"daemon-outdated"}, part: "does not know this program", status: Warning},
		"a daemon that fails":      {err: errors.New("unexpected EOF"), want: []string{"daemon-silent"}, part: "unexpected EOF", status: Wrong},
	} {
		t.Run(name, func(t *testing.T) {
			v := install(t).sound(t)
			v.now.Status = OK
			v.at, v.booted = "/run/thumbd/thumbd.sock", false
			if tt.before != "" {
				v.find(tt.before, "", "")
				v.now.Status = OK
			}
			if tt.err == nil {
				if tt.report.Checksum == sum {
					tt.report.Checksum = v.config.Checksum()
				}
				v.host = &tt.report
			}
			if v.has("socket-missing") {
				v.daemon(t.Context())
			} else {
				v.heard(tt.err, tt.health)
			}
			v.wants(t, tt.part, tt.want...)
			if v.now.Status != tt.status {
				t.Errorf("the check is %s, want %s", v.now.Status, tt.status)
			}
		})
	}
}

// A service that fails before thumbd runs is not asked: it would be started again.
func TestDaemonThatDoesNotStart(t *testing.T) {
	v := install(t).sound(t)
	v.managed, v.service = true, map[string]string{"ActiveState": "activating", "Result": "exit-code", "ExecMainStatus": "226"}
	v.listening = map[string]string{}
	v.activity()
	if said := v.daemon(t.Context()); !strings.Contains(said, "it does not start") {
		t.Errorf("said %q", said)
	}
	v.wants(t, "226/NAMESPACE", "service-failed")
}

func TestConfigurationsMistakes(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(string) string
		host   *admin.Report
		want   []string
		part   string
	}{
		"right":                  {},
		"two mistakes":           {change: func(s string) string { return "x = 1\ny = 2\n" + s }, want: []string{"configuration", "configuration"}, part: ":2: y: unknown key"},
		"no site":                {change: func(string) string { return "[limits]\n" }, want: []string{"no-site"}, part: "there is no site yet"},
		"a warning":              {change: func(s string) string { return "[limits]\nqueue_time = \"290s\"\n" + s }, want: []string{"configuration-warning"}, part: "queue_time"},
		"the daemon's warnings":  {host: &admin.Report{Warnings: []string{"the folder is slow"}}, want: []string{"configuration-warning"}, part: "the folder is slow"},
		"the daemon of a change": {host: &admin.Report{Checksum: "another", Warnings: []string{"the folder is slow"}}},
	} {
		t.Run(name, func(t *testing.T) {
			in := install(t)
			if tt.change != nil {
				in.toml = tt.change(in.toml)
			}
			v := in.visit(t)
			if v.host = tt.host; v.host != nil && v.host.Checksum == "" {
				v.host.Checksum = v.config.Checksum()
			}
			v.configuration(t.Context())
			v.wants(t, tt.part, tt.want...)
		})
	}
	v := &visit{Options: Options{File: filepath.Join(t.TempDir(), "thumbd.toml")}}
	v.load()
	v.configuration(t.Context())
	v.wants(t, "it is missing, and with it a site", "no-site")
	if steps := v.steps(); steps[len(steps)-1] != "thumbd doctor" || !strings.HasPrefix(steps[0], "thumbd init ") {
		t.Errorf("steps %q", steps)
	}
}

func TestWorkersLacks(t *testing.T) {
	v := &visit{host: &admin.Report{Vips: "8.16.1", Formats: []string{"no AVIF: install libheif-plugin-aomenc"}, Missing: []string{"landlock"}}}
	if said := v.workers(t.Context()); said != "libvips 8.16.1" {
		t.Errorf("said %q", said)
	}
	v.wants(t, "libheif-plugin-aomenc", "formats-missing", "sandbox-incomplete")
	idle := &visit{now: Check{Status: OK}}
	idle.workers(t.Context())
	if idle.now.Status != Skipped {
		t.Errorf("without a daemon the check is %s", idle.now.Status)
	}
}
