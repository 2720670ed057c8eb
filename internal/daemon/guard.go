// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/config"
	"thumbd/internal/files"
	"thumbd/internal/keep"
)

// lookTime is how often the lists of revoked tokens are looked at.
const lookTime = time.Second

// accels are the values of accel.
var accels = map[string]keep.Accel{
	"nginx": keep.AccelNginx, "sendfile": keep.AccelSendfile, "direct": keep.AccelDirect,
}

// gates keep the lists of revoked tokens fresh.
type gates struct {
	all     map[string]*access.Gate // by the site's name
	stop    context.CancelFunc      // nil: not watched
	running sync.WaitGroup
}

// guard makes the gates of the sites and the sections of downloads.
func (s *Service) guard() error {
	s.gates.all = make(map[string]*access.Gate)
	for i, site := range s.sites {
		o := s.config.Sites[i].Access
		if o == nil {
			continue
		}
		g, err := access.New(*o)
		if err != nil {
			name := "site." + site.Thumb.Name + ".access.revoked"
			return mistakes{s.config.Mistake(name, err)}
		}
		site.Access = g
		s.gates.all[site.Thumb.Name] = g
	}
	for i := range s.config.Files {
		s.files = append(s.files, NewFiles(&s.config.Files[i]))
	}
	return nil
}

// NewFiles returns a section of downloads. The caller closes it.
func NewFiles(c *config.Files) *files.Section {
	return files.New(files.Options{
		Route:      c.Route,
		Root:       c.Root,
		Internal:   c.Internal,
		Scheme:     c.Scheme,
		Keys:       c.Keys,
		Digest:     c.Digest,
		Timeout:    c.Timeout,
		Attachment: c.Attachment,
	})
}

// handled returns the sites as the handler has them.
func (s *Service) handled() *keep.Sites {
	sites := keep.NewSites(s.pool, s.config.LongestAnswer(), s.sites)
	sites.Accel, sites.Behind = accels[s.config.Accel], s.config.Queue
	sites.AddFiles(s.files)
	return sites
}

// watch looks at the lists of revoked tokens, and at the originals of the sites
// that say so, until the service is closed.
func (s *Service) watch(log *slog.Logger, k *keep.Keeper) {
	ctx, stop := context.WithCancel(context.Background())
	s.gates.stop = stop
	for _, site := range s.config.Sites {
		if site.Watch {
			s.watching.Go(func() { watchOriginals(ctx, k, log, site, &s.unwatched) })
		}
	}
	for name, g := range s.gates.all {
		s.gates.running.Go(func() {
			tick := time.NewTicker(lookTime)
			defer tick.Stop()
			g.Run(ctx, tick.C, func(err error) { log.Error("access", "site", name, "err", err) })
		})
	}
}

func (g *gates) close() {
	if g.stop != nil {
		g.stop()
	}
	g.running.Wait()
}
