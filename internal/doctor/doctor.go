// SPDX-License-Identifier: MIT

// Package doctor examines an installation, from its units to a thumbnail through
// nginx. It names each fault and the commands that mend it.
//
// Each part of an installation is a file: units, socket, folders, locations of nginx,
// thumbnails. They are one package because a later check relies on the results of the
// earlier ones: a daemon that does not run is one finding, not one for each site.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"

	"thumbd/internal/systemd"
)

// Options name the installation that is examined.
type Options struct {
	File    string   // the configuration
	Nginx   []string // the program and its flags
	Version string   // of the program that asks
	Admin   string   // thumbd's socket for administrators
}

// Status is how a check went.
type Status string

// The statuses, the best first.
const (
	OK      Status = "ok"
	Skipped Status = "skipped" // it could not be looked at
	Warning Status = "warning"
	Wrong   Status = "wrong"
)

// Result is all that was found. Its names are stable.
type Result struct {
	Version  string    `json:"version"`
	File     string    `json:"file"`
	Well     bool      `json:"well"` // nothing is wrong; there may be warnings
	Checks   []Check   `json:"checks"`
	Findings []Finding `json:"findings"`
	// Steps are the commands, in order, that a machine without a site still needs.
	Steps []string `json:"steps,omitempty"`
}

// Check is one link of the chain.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Said   string `json:"said"` // what was looked at and seen, in a line
}

// Finding is one thing that is wrong, or may be.
type Finding struct {
	Name   string `json:"name"` // one of Names
	Status Status `json:"status"`
	Check  string `json:"check"`
	Where  string `json:"where,omitempty"` // a site, a file and line, a folder
	What   string `json:"what"`
	// Cure has the commands to type, or the lines of a file:
	// "systemctl restart thumbd.service".
	Cure []string `json:"cure"`
}

// checks are made in this order: each may rely on the fields of the visit that earlier
// checks have set.
var checks = []struct {
	name string
	run  func(*visit, context.Context) string
}{
	{"systemd", (*visit).systemd},
	{"hardening", (*visit).hardening},
	{"nginx", (*visit).nginx},
	{"nginx-running", (*visit).nginxRunning},
	{"socket", (*visit).socket},
	{"backlog", (*visit).backlog},
	{"daemon", (*visit).daemon},
	{"configuration", (*visit).configuration},
	{"workers", (*visit).workers},
	{"folders", (*visit).folders},
	{"space", (*visit).space},
	{"sites", (*visit).sites},
	{"files", (*visit).files},
	{"nodes", (*visit).nodes},
	{"nginx-rights", (*visit).nginxRights},
	{"thumbnails", (*visit).thumbnails},
}

// Run makes all checks. To test the whole chain, it makes a thumbnail of each site and
// removes it again.
func Run(ctx context.Context, o Options) Result {
	v := &visit{Options: o, booted: systemd.Booted(), result: Result{Version: o.Version, File: o.File, Findings: []Finding{}}}
	for _, c := range checks {
		v.now = Check{Name: c.name, Status: OK}
		said := c.run(v, ctx)
		v.now.Said = oneLine(said)
		v.result.Checks = append(v.result.Checks, v.now)
	}
	v.result.Well = true
	for _, f := range v.result.Findings {
		if f.Status == Wrong {
			v.result.Well = false
		}
	}
	if v.untouched {
		v.result.Steps = v.steps()
	}
	return v.result
}

// Has reports whether there is a finding of that name.
func (r Result) Has(name string) bool {
	for _, f := range r.Findings {
		if f.Name == name {
			return true
		}
	}
	return false
}

// WriteText writes r for people: a line for each check, and below it the findings,
// with their places and cures.
func (r Result) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-8s %-14s %s\n", c.Status, c.Name, c.Said)
		for _, f := range r.Findings {
			if f.Check == c.Name {
				f.write(&b)
			}
		}
	}
	if len(r.Steps) > 0 {
		b.WriteString("\nWhat is left to do:\n")
		for i, step := range r.Steps {
			fmt.Fprintf(&b, "%3d. %s\n", i+1, strings.ReplaceAll(step, "\n", "\n     "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f Finding) write(b *strings.Builder) {
	fmt.Fprintf(b, "    %s: %s: ", f.Status, f.Name)
	if f.Where != "" {
		fmt.Fprintf(b, "%s: ", f.Where)
	}
	fmt.Fprintf(b, "%s\n", strings.ReplaceAll(f.What, "\n", "\n        "))
	for _, line := range f.Cure {
		fmt.Fprintf(b, "        %s\n", strings.ReplaceAll(line, "\n", "\n        "))
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
