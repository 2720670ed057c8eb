// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"

	"thumbd/internal/config"
	"thumbd/internal/keep"
	"thumbd/internal/metrics"
	"thumbd/internal/originals"
	"thumbd/internal/render"
	"thumbd/internal/tidy"
)

// Reports are the functions that take the events of a pool of workers and of the folders
// of originals. If slow is true, the share at path has passed its deadline; otherwise it
// answers again.
type Reports struct {
	share  func(kind, name, path string, slow bool)
	worker func(render.Event)
	output func(render.Times)
}

func (d *Daemon) reports() Reports {
	log := logEvent(d.log)
	return Reports{share: d.tellShare, output: d.metrics.Output, worker: func(e render.Event) {
		log(e)
		d.metrics.Worker(e)
	}}
}

// tellShare logs that a share has begun or ceased to hang.
func (d *Daemon) tellShare(kind, name, path string, slow bool) {
	if slow {
		d.log.Error("the file system does not answer within original_time; requests that need it are refused", kind, name, "path", path)
		return
	}
	d.log.Info("the file system answers again", kind, name, "path", path)
}

// count counts an event of the handler. After a publication it lets the tidier tidy the
// tree if the disk runs full.
func (d *Daemon) count(e keep.Event) {
	d.metrics.Serve(e)
	if e.What != keep.Published && e.What != keep.Unpublished {
		return
	}
	if s := d.service.Load(); s != nil {
		s.tidier.Published(e.Site)
	}
}

// state returns the values of the present moment for metrics.
func (d *Daemon) state() metrics.State {
	state := metrics.State{Version: d.version}
	s := d.service.Load()
	if s == nil {
		return state
	}
	state.Vips, state.Pool, state.Workers = s.hello.Vips, s.pool.State(), s.config.Workers
	if m := d.member.Load(); m != nil {
		j := m.State()
		state.Journal = &j
	}
	state.Stuck = make(map[string]int)
	for _, site := range s.sites {
		if gated, ok := site.Originals.(originals.Gated); ok {
			state.Stuck[site.Thumb.Name] = gated.Gate().Stuck()
		}
	}
	state.Unwatched = make(map[string]bool)
	for site, err := range s.unwatched.causes() {
		state.Unwatched[site] = err != nil
	}
	state.Trees = make(map[string]tidy.Totals)
	for _, site := range s.sites {
		totals, err := tidy.ReadTotals(site.Thumb.DocumentRoot, site.Thumb.Prefix)
		if err != nil {
			d.log.Debug("gc", "site", site.Thumb.Name, "err", err)
			continue
		}
		state.Trees[site.Thumb.Name] = totals
	}
	return state
}

// tidy starts the tidying of the trees of s for the time when their disks run full.
func (d *Daemon) tidy(s *Service) {
	var sites []tidy.Site
	for i, site := range s.sites {
		t := tidy.Site{Thumb: site.Thumb, Lifetime: site.Lifetime, Tree: site.Tree, Budget: Budget(s.config.Sites[i].Cache)}
		t.Originals, _ = site.Originals.(originals.Teller)
		sites = append(sites, t)
	}
	s.tidier = tidy.NewKeeper(sites, func(site string, sum tidy.Summary, err error) {
		switch {
		case errors.Is(err, tidy.ErrRunning), errors.Is(err, context.Canceled):
			d.log.Debug("gc", "site", site, "err", err)
			return
		case err != nil:
			d.log.Error("gc", "site", site, "err", err)
		}
		if sum.Over {
			d.log.Warn("there is less free than min_free, and nothing left to remove", "site", site)
		}
		d.log.Info("gc, as there was less free than min_free", "site", site, "removed", sum.Removed, "kept", sum.Kept.Files)
	})
}

// Budget returns the budget of a site's tree.
func Budget(c config.Cache) tidy.Budget {
	return tidy.Budget{Bytes: c.MaxBytes, Files: c.MaxFiles, Age: c.MaxAge, Free: c.MinFree}
}
