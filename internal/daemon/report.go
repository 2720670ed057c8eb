// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

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
		r.Shared = errors.Is(*err, publish.ErrOwned)
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
	for _, err := range slices.Concat(s.Probe(true), s.ProbeOrigins(), d.rivals(s), d.probeJournal()) {
		t := admin.Trouble{Text: err.Error()}
		if p, ok := errors.AsType[probeError](err); ok {
			t.Kind, t.Name = p.kind, p.name
		}
		r.Troubles = append(r.Troubles, t)
	}
	return r
}

// refreshTime is the longest that a report waits for the journal: a share may hang.
const refreshTime = 10 * time.Second

// probeJournal returns a probeError if the journal can't be read at this moment, and one if
// it can't be written.
func (d *Daemon) probeJournal() []error {
	m := d.member.Load()
	if m == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), refreshTime)
	defer cancel()
	m.Refresh(ctx)
	is := m.State()
	denied := slices.ContainsFunc([]error{fs.ErrPermission, unix.EROFS, unix.ENOSPC, unix.EDQUOT}, func(err error) bool {
		return errors.Is(is.Unwritten, err)
	})
	var errs []error
	// A node that can't write its first report reads nothing.
	if is.Unread != nil && !(denied && errors.Is(is.Unread, is.Unwritten)) {
		errs = append(errs, probeError{"journal", m.Name(), is.Unread})
	}
	// A journal that is away can't be written either.
	if is.Unwritten != nil && (denied || is.Unread == nil) {
		errs = append(errs, probeError{"journal-write", m.Name(), is.Unwritten})
	}
	return errs
}

func texts(mistakes []config.Mistake) []string {
	var all []string
	for _, m := range mistakes {
		all = append(all, m.Error())
	}
	return all
}
