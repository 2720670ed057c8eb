// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/keep"
	"thumbd/internal/publish"
)

// load puts the configuration file into use. If the file has mistakes, the present
// configuration stays. It tells the service manager and the log.
func (d *Daemon) load(ctx context.Context) error {
	s, err := d.read(ctx)
	if err == nil {
		err = d.claim(ctx, s)
	}
	switch {
	case err == nil:
		d.use(ctx, s)
	case ctx.Err() == nil:
		d.refuse(err)
	default:
		// The daemon was told to stop meanwhile: nothing is wrong.
	}
	return err
}

// claim takes all of the system that s needs beside its workers. If a part can't be had,
// claim closes s.
func (d *Daemon) claim(ctx context.Context, s *Service) error {
	err := d.listenMetrics(s.config.Metrics)
	if err == nil {
		err = d.hold(ctx, s)
	}
	if err != nil {
		s.Close()
		d.disown(s)
	}
	return err
}

// use replaces the present service by s. Before it tells READY=1, it purges the thumbnails
// of another configuration, and waits at most catchTime for the purges of other nodes.
func (d *Daemon) use(ctx context.Context, s *Service) {
	s.SetGates(d.reports())
	d.log.Info("loaded", "version", d.version, "file", d.file, "libvips", s.hello.Vips)
	for _, m := range s.hello.Missing {
		d.log.Warn("the workers' sandbox is not complete", "missing", m)
	}
	for _, err := range s.Probe(true) {
		d.log.Error("probe", "err", err)
	}
	if d.level != nil {
		d.level.Set(s.config.LogLevel)
	}
	d.trouble.Store(nil)
	d.tidy(s)
	d.swapping.Lock()
	old := d.service.Swap(s)
	d.swapping.Unlock()
	sites := s.handled()
	if err := sites.Prepare(); err != nil {
		d.log.Error("can't read or write .thumbd/settings.json: thumbnails of changed presets may stay", "err", err)
	}
	// The old node must apply no more purges: it has the trees of the old service.
	d.pause()
	m := d.newMember(s)
	wait := d.keeper.SetSites(sites)
	d.begin(m)
	if old != nil {
		d.retiring.Go(func() {
			wait()
			old.Close()
			d.disown(old)
		})
	}
	d.follow(ctx, d.keeper.Follow)
	s.watch(d.log, d.keeper)
	d.join(ctx, m)
	d.notify(fmt.Sprintf("READY=1\nSTATUS=serves %d sites", len(s.sites)))
}

// holdTime is the default of Daemon.holdTime: long enough for a thumbd warm that holds the
// tree to finish its renders.
const holdTime = 5 * time.Second

// hold holds the trees of s. A daemon goes on with a disk that does not let it:
// its probe tells.
func (d *Daemon) hold(ctx context.Context, s *Service) error {
	for _, site := range s.sites {
		if d.alone {
			if err := checkOwner(folderOf(site)); err != nil {
				return err
			}
		}
		if err := d.own(ctx, s, site); err != nil {
			return err
		}
		err := d.holdTree(ctx, func() error { return site.Tree.Hold(d.alone) })
		switch {
		case errors.Is(err, publish.ErrHeld) && d.alone:
			return fmt.Errorf("%w by another thumbd: where that is the daemon, name its socket for administrators with --admin", err)
		case errors.Is(err, publish.ErrHeld):
			return fmt.Errorf("%w by a thumbd warm that found no thumbd: it has been told to end", err)
		case err != nil && d.alone:
			return err
		}
	}
	return nil
}

// owned is the lock of a tree that is this daemon's.
type owned struct {
	lock     *publish.Lock
	services int // that have the tree: during a reload two
}

// own locks the tree of a site for this daemon, until no service uses the tree. If the disk
// does not allow a lock, the daemon goes on without one, as hold does.
func (d *Daemon) own(ctx context.Context, s *Service, site *keep.Site) error {
	folder := folderOf(site)
	if d.alone || d.ownMore(s, folder, nil) {
		return nil
	}
	err := d.holdTree(ctx, func() error {
		lock, err := site.Tree.Own()
		if err == nil {
			d.ownMore(s, folder, lock)
		}
		return err
	})
	if errors.Is(err, publish.ErrOwned) {
		return fmt.Errorf("%w: each daemon needs a tree of its own; stop the other one, or change document_root", err)
	}
	return nil
}

// ownMore notes that s uses the tree below folder. lock is the tree's lock, or nil if another
// service of this daemon may hold the lock already. ownMore reports whether one of them
// holds it.
func (d *Daemon) ownMore(s *Service, folder string, lock *publish.Lock) bool {
	d.owning.Lock()
	defer d.owning.Unlock()
	if lock != nil {
		d.owned[folder] = &owned{lock: lock}
	}
	if d.owned[folder] == nil {
		return false
	}
	d.owned[folder].services++
	s.owns = append(s.owns, folder)
	return true
}

// rivals returns a probeError for each tree of s that another daemon has locked too.
func (d *Daemon) rivals(s *Service) []error {
	d.owning.Lock()
	defer d.owning.Unlock()
	var errs []error
	for _, site := range s.sites {
		o := d.owned[folderOf(site)]
		if o == nil {
			continue
		}
		if err := o.lock.Check(); err != nil {
			errs = append(errs, probeError{"shared", site.Thumb.Name, err})
		}
	}
	return errs
}

// folderOf returns the path of a site's tree.
func folderOf(site *keep.Site) string {
	return filepath.Join(site.Thumb.DocumentRoot, site.Thumb.Prefix)
}

// disown gives up the trees of the closed service s, unless another service has them.
func (d *Daemon) disown(s *Service) {
	d.owning.Lock()
	defer d.owning.Unlock()
	for _, folder := range s.owns {
		o := d.owned[folder]
		if o.services--; o.services == 0 {
			o.lock.Close()
			delete(d.owned, folder)
		}
	}
	s.owns = nil
}

// holdTree waits a while until a tree can be held, unless it is to be held alone.
func (d *Daemon) holdTree(ctx context.Context, hold func() error) error {
	end := time.Now().Add(d.holdTime)
	for {
		err := hold()
		if !errors.Is(err, publish.ErrHeld) || d.alone || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lookPause):
		}
	}
}

// followTime is for how much longer the service manager is told to wait.
const followTime = 40 * time.Second

// follow removes the thumbnails of another configuration. That may take any time: the
// service manager is told to wait.
func (d *Daemon) follow(ctx context.Context, follow func(context.Context) error) {
	done := make(chan error, 1)
	go func() { done <- follow(ctx) }()
	more := time.NewTicker(followTime / 2)
	defer more.Stop()
	for {
		select {
		case err := <-done:
			if err != nil && ctx.Err() == nil {
				d.log.Error("thumbnails of an earlier configuration could not be purged and are still served; the next start or reload tries again", "err", err)
			}
			return
		case <-more.C:
			d.notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", followTime.Microseconds()))
		}
	}
}

// refuse goes on with the present configuration because of err, or, without one, with
// 503.
func (d *Daemon) refuse(err error) {
	status := "goes on with the configuration of before the last reload"
	d.trouble.Store(&err)
	if d.service.Load() == nil {
		cause := keep.ErrConfiguration
		status = "answers 503 until the configuration is mended and reloaded"
		switch {
		case errors.Is(err, publish.ErrHeld):
			cause = publish.ErrHeld
			status = fmt.Sprintf("answers 503 as a tree is held, and tries again every %v", retryTime)
		case !errors.Is(err, ErrConfiguration):
			cause = keep.ErrNoWorker
			status = fmt.Sprintf("answers 503 as no worker starts, and tries again every %v", retryTime)
		}
		d.keeper.Refuse(cause)
		if !d.activated {
			return // It is the program's own error.
		}
	}
	d.log.Error("not loaded", "file", d.file, "err", err)
	d.notify("READY=1\nSTATUS=" + status + "; see the log")
}

func (d *Daemon) read(ctx context.Context) (*Service, error) {
	warn := func(m config.Mistake) { d.log.Warn("configuration", "warning", m.Error()) }
	c, warnings, err := config.Load(d.file, os.Getenv("CREDENTIALS_DIRECTORY"))
	for _, w := range warnings {
		warn(w)
	}
	if err == nil && d.alone {
		err = d.reduce(c)
	}
	if err != nil {
		return nil, mistakes{err}
	}
	s, err := NewService(ctx, c, d.version, d.reports(), warn)
	if err == nil {
		s.warnings = warnings
	}
	return s, err
}

// reduce leaves c the only site that is served.
func (d *Daemon) reduce(c *config.Config) error {
	sites, err := c.Choose(d.only)
	if err != nil {
		return fmt.Errorf("thumbd: %w in %s", err, d.file)
	}
	c.Sites, c.Files = []config.Site{*sites[0]}, nil
	return nil
}

// health returns the error that /_thumbd/health answers.
func (d *Daemon) health() error {
	s := d.service.Load()
	switch {
	case s == nil && errors.Is(*d.trouble.Load(), ErrConfiguration):
		return errors.New("the configuration has mistakes: see the log")
	case s == nil && errors.Is(*d.trouble.Load(), publish.ErrOwned):
		return errors.New("another thumbd publishes into a tree: see the log")
	case s == nil && errors.Is(*d.trouble.Load(), publish.ErrHeld):
		return errors.New("a thumbd warm holds a tree: see the log")
	case s == nil || s.pool.StartError() != nil:
		return errors.New("no worker starts: see the log")
	}
	return s.pool.Alive()
}
