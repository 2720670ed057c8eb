// SPDX-License-Identifier: MIT

package daemon

import (
	"errors"
	"os"

	"thumbd/internal/admin"
	"thumbd/internal/config"
	"thumbd/internal/publish"
	"thumbd/internal/root"
)

// report tells thumbd doctor how the daemon is. It tries all folders, and
// asks all origins.
func (d *Daemon) report() any {
	r := admin.Report{Version: d.version, User: root.User(), PID: os.Getpid(), File: d.file}
	if err := d.health(); err != nil {
		r.Unwell = err.Error()
	}
	if err := d.trouble.Load(); err != nil {
		r.Refused, r.NoWorker = (*err).Error(), !errors.Is(*err, ErrConfiguration) && !errors.Is(*err, publish.ErrHeld)
	}
	// A reload waits, and does not close the folders that are being tried.
	d.swapping.RLock()
	defer d.swapping.RUnlock()
	s := d.service.Load()
	if s == nil {
		return r
	}
	r.Checksum, r.Vips, r.Missing = s.config.Checksum(), s.hello.Vips, s.hello.Missing
	r.Warnings, r.Formats = texts(s.warnings), texts(s.lacking)
	for name, err := range s.unwatched.causes() {
		if err != nil {
			r.Troubles = append(r.Troubles, admin.Trouble{Kind: "watch", Name: name, Text: err.Error()})
		}
	}
	for _, err := range append(s.Probe(true), s.ProbeOrigins()...) {
		t := admin.Trouble{Text: err.Error()}
		if p, ok := errors.AsType[probeError](err); ok {
			t.Kind, t.Name = p.kind, p.name
		}
		r.Troubles = append(r.Troubles, t)
	}
	return r
}

func texts(mistakes []config.Mistake) []string {
	var all []string
	for _, m := range mistakes {
		all = append(all, m.Error())
	}
	return all
}
