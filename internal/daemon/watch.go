// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/keep"
	"thumbd/internal/watch"
)

const (
	// quietTime is how long an original must not have been written before its
	// thumbnails go.
	quietTime = 200 * time.Millisecond
	// watchPause is between two attempts to watch originals.
	watchPause = time.Second
)

// watches reports whether any site's originals are watched.
func (s *Service) watches() bool {
	return slices.ContainsFunc(s.config.Sites, func(site config.Site) bool { return site.Watch })
}

// watchOriginals has k follow the changes of a site's originals until ctx is
// done.
func watchOriginals(ctx context.Context, k *keep.Keeper, log *slog.Logger, site config.Site, u *unwatched) {
	name := site.Thumb.Name
	watch.Run(ctx, watch.Options{
		Root:    site.Originals,
		Quiet:   quietTime,
		Pause:   watchPause,
		Changed: func(ctx context.Context, c watch.Changes) { k.OriginalsChanged(ctx, name, c.Files, c.Folders) },
		Lost: func(ctx context.Context) {
			u.set(name, nil)
			k.Reconcile(ctx, name)
		},
		Mounted: func(folder string, there bool) {
			if there {
				log.Info("a share was mounted among the originals, and is followed", "site", name, "folder", folder)
			} else {
				log.Warn("a share among the originals is away, and is not followed until it is back", "site", name, "folder", folder)
			}
		},
		Report: func(err error) {
			// Of a folder without the right to read it, the rest is followed.
			if !errors.Is(err, fs.ErrPermission) {
				u.set(name, err)
			}
			log.Error("originals are not followed, or not all of them", "site", name, "err", err)
		},
	})
}

// unwatched has the cause for each site if its originals can't be followed now. Safe for
// concurrent use.
type unwatched struct {
	mu sync.Mutex
	of map[string]error
}

// set notes the cause for a site; nil: its originals are followed.
func (u *unwatched) set(site string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of == nil {
		u.of = make(map[string]error)
	}
	u.of[site] = err
}

// causes returns the causes by site. If the originals of a site are followed, it has nil.
func (u *unwatched) causes() map[string]error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.of)
}
