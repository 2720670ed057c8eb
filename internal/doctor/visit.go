// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"thumbd/internal/admin"
	"thumbd/internal/asuser"
	"thumbd/internal/config"
	"thumbd/internal/nginxconf"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
)

// visit holds the results of the checks so far.
type visit struct {
	Options
	result Result
	now    Check // the one that is being made

	booted    bool              // systemd runs this machine
	managed   bool              // by systemd
	service   map[string]string // its properties
	listening map[string]string // those of the socket's unit

	conf   *nginxconf.Config // nil: there is none
	worker asuser.User       // of nginx; Name is empty where it is not known
	at     string            // the socket that nginx asks at
	host   *admin.Report     // nil: it does not answer

	config    *config.Config // nil: it has mistakes
	mistakes  error
	warnings  []config.Mistake
	untouched bool                  // no site has been made yet
	entrances map[string][]entrance // by site: where nginx answers for it
}

// find notes a finding of this check.
func (v *visit) find(name, where, what string, cure ...string) {
	status := names[name]
	if status == Wrong || v.now.Status == OK || v.now.Status == Skipped {
		v.now.Status = status
	}
	f := Finding{Name: name, Status: status, Check: v.now.Name, Where: oneLine(where), What: oneLine(what), Cure: v.here(cure)}
	same := func(x Finding) bool { return x.Name == f.Name && x.Where == f.Where && x.What == f.What }
	if !slices.ContainsFunc(v.result.Findings, same) {
		v.result.Findings = append(v.result.Findings, f)
	}
}

// skip says why this check was not made.
func (v *visit) skip(format string, args ...any) string {
	if v.now.Status == OK {
		v.now.Status = Skipped
	}
	return fmt.Sprintf(format, args...)
}

// reload returns the command that loads a changed configuration.
func (v *visit) reload() string {
	if v.managed {
		return "systemctl try-reload-or-restart " + systemd.Service
	}
	if v.host != nil {
		return fmt.Sprintf("kill -HUP %d", v.host.PID)
	}
	return "restart thumbd"
}

// restart returns the command that starts the daemon anew.
func (v *visit) restart() string {
	if v.managed {
		return "systemctl restart " + systemd.Service
	}
	return "restart thumbd"
}

const reloadNginx = "nginx -t && systemctl reload nginx"

// startNginx starts nginx now and after each boot.
const startNginx = "systemctl enable --now nginx"

// here returns the commands of a cure for this machine. systemd does not run each one,
// for example no container.
func (v *visit) here(cure []string) []string {
	if v.booted {
		return cure
	}
	listen := "start thumbd serve --listen " + shell.Quote(v.at)
	plain := map[string]string{
		reloadNginx: "nginx -t && nginx -s reload",
		startNginx:  "start nginx",
		journal:     "see the log of thumbd, which it writes to stderr",
		"systemctl restart " + systemd.SocketUnit:      listen,
		"systemctl enable --now " + systemd.SocketUnit: listen,
	}
	cure = slices.Clone(cure)
	for i, line := range cure {
		if other, ok := plain[line]; ok {
			cure[i] = other
		}
	}
	return cure
}

// steps are the cures in order, and the commands that follow them. A command that
// several findings need comes once, after all that must come before it.
func (v *visit) steps() []string {
	var steps []string
	for _, f := range v.result.Findings {
		for _, line := range f.Cure {
			steps = append(slices.DeleteFunc(steps, func(s string) bool { return s == line }), line)
		}
	}
	return append(steps, "thumbd doctor")
}

// existing returns path, or the nearest folder above it that exists.
func existing(path string) string {
	for path != "/" {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}
