// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/serve"
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
func (s *service) watches() bool {
	return slices.ContainsFunc(s.config.Sites, func(site config.Site) bool { return site.Watch })
}

// watchOriginals has h follow the changes of a site's originals until ctx is
// done.
func watchOriginals(ctx context.Context, h *serve.Handler, log *slog.Logger, site config.Site) {
	name := site.Thumb.Name
	watch.Run(ctx, watch.Options{
		Root:    site.Originals,
		Quiet:   quietTime,
		Pause:   watchPause,
		Changed: func(ctx context.Context, c watch.Changes) { h.OriginalsChanged(ctx, name, c.Files, c.Folders) },
		Lost:    func(ctx context.Context) { h.Reconcile(ctx, name) },
		Report: func(err error) {
			log.Error("originals are not followed, or not all of them", "site", name, "err", err)
		},
	})
}
