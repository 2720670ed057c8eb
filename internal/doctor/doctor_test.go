// SPDX-License-Identifier: MIT

package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/admin"
)

func TestText(t *testing.T) {
	r := Result{
		Checks: []Check{{"systemd", OK, "active"}, {"nginx", Wrong, "refused"}},
		Findings: []Finding{
			{Name: "nginx-configuration", Status: Wrong, Check: "nginx", Where: "/etc/nginx/nginx.conf", What: "one\ntwo", Cure: []string{"nginx -T", "write:\nx;"}},
			{Name: "upstream-missing", Status: Wrong, Check: "nginx", What: "none"},
		},
		Steps: []string{"thumbd init", "two\nlines"},
	}
	const want = `ok       systemd        active
wrong    nginx          refused
    wrong: nginx-configuration: /etc/nginx/nginx.conf: one
        two
        nginx -T
        write:
        x;
    wrong: upstream-missing: none

What is left to do:
  1. thumbd init
  2. two
     lines
`
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// A check is as bad as its worst finding, and a finding is told once.
func TestGravityOfAChecksFindings(t *testing.T) {
	v := &visit{now: Check{Name: "sites", Status: OK}}
	for i, tt := range []struct {
		name     string
		status   Status
		findings int
	}{
		{"vary-missing", Warning, 1}, {"try-files", Wrong, 2}, {"caret-missing", Wrong, 3}, {"try-files", Wrong, 3},
	} {
		v.find(tt.name, "site\n a", "two\n  lines", "cure")
		if v.now.Status != tt.status || len(v.result.Findings) != tt.findings {
			t.Errorf("%d, %s: %s with %d findings, want %s with %d", i, tt.name, v.now.Status, len(v.result.Findings), tt.status, tt.findings)
		}
	}
	if f := v.result.Findings[0]; f.Where != "site a" || f.What != "two lines" || f.Check != "sites" {
		t.Errorf("%+v", f)
	}
	if v.skip("later"); v.now.Status != Wrong {
		t.Errorf("a wrong check that is skipped is %s", v.now.Status)
	}
}

// A command that several findings need comes once, and last.
func TestSteps(t *testing.T) {
	v := &visit{booted: true}
	v.find("no-site", "", "a", "init", reloadNginx)
	v.find("try-files", "", "b", "write", reloadNginx)
	if diff := cmp.Diff([]string{"init", "write", reloadNginx, "thumbd doctor"}, v.steps()); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestCommandsForTheDaemon(t *testing.T) {
	for _, tt := range []struct {
		v               visit
		reload, restart string
	}{
		{visit{managed: true, host: &admin.Report{PID: 7}}, "systemctl try-reload-or-restart thumbd.service", "systemctl restart thumbd.service"},
		{visit{host: &admin.Report{PID: 7}}, "kill -HUP 7", "restart thumbd"},
		{visit{}, "restart thumbd", "restart thumbd"},
	} {
		if got := tt.v.reload(); got != tt.reload {
			t.Errorf("reload %q, want %q", got, tt.reload)
		}
		if got := tt.v.restart(); got != tt.restart {
			t.Errorf("restart %q, want %q", got, tt.restart)
		}
	}
}

// A machine that has no nginx and no configuration still gets a whole result, with
// the steps to a first site.
func TestRunOnAnEmptyMachine(t *testing.T) {
	dir := t.TempDir()
	r := Run(t.Context(), Options{File: filepath.Join(dir, "thumbd.toml"), Nginx: []string{filepath.Join(dir, "nginx")}, Version: "1", Admin: filepath.Join(dir, "admin.sock")})
	if len(r.Checks) != len(checks) || r.Well {
		t.Errorf("%d checks, well %v", len(r.Checks), r.Well)
	}
	for _, name := range []string{"nginx-missing", "no-site"} {
		if !r.Has(name) {
			t.Errorf("no %s in %+v", name, r.Findings)
		}
	}
	if len(r.Steps) == 0 || r.Steps[len(r.Steps)-1] != "thumbd doctor" {
		t.Errorf("steps %q", r.Steps)
	}
}

func TestNginxWithoutTheUpstream(t *testing.T) {
	for conf, want := range map[string]bool{"include conf.d/thumbd.conf;": false, "": true} {
		in := install(t)
		v := in.sound(t)
		in.read(t, v, "user root root;\nhttp { "+conf+" }\n")
		v.effective(nil)
		if v.has("upstream-missing") != want {
			t.Errorf("http { %s }: %+v", conf, v.result.Findings)
		}
	}
}

// nginx that does not run is found by its PID file.
func TestNginxThatDoesNotRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"none": "", "words": "x", "gone": "4194305"} {
		path := filepath.Join(dir, name)
		if text != "" {
			write(t, path, text)
		}
		v := &visit{booted: true, now: Check{Status: OK}}
		(&installation{}).read(t, v, "pid "+path+";\nhttp { }\n")
		v.nginxRunning(t.Context())
		v.wants(t, startNginx, "nginx-not-running")
	}
}

// A file or a link to it that is younger than nginx's workers has not been read.
func TestFilesYoungerThanNginx(t *testing.T) {
	dir := t.TempDir()
	old, young, link := filepath.Join(dir, "old"), filepath.Join(dir, "young"), filepath.Join(dir, "link")
	start := time.Now().Add(-time.Hour)
	for path, at := range map[string]time.Time{old: start.Add(time.Second), young: start.Add(3 * time.Second)} {
		write(t, path, "")
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	// The link itself is of now, its target old.
	if err := os.Symlink(old, link); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{young, link}, newer([]string{old, young, link, filepath.Join(dir, "none")}, start)); diff != "" {
		t.Errorf("newer (-want +got):\n%s", diff)
	}
}
