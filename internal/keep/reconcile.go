// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"slices"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/originals"
	"thumbd/internal/purge"
	"thumbd/internal/thumb"
)

// OriginalsChanged purges the thumbnails of originals of a site that have been
// written, came or went, and of all that were in folders that went.
func (k *Keeper) OriginalsChanged(ctx context.Context, site string, names, folders []string) {
	sites, err := k.sites.acquire()
	if err != nil {
		return // The next configuration begins with Reconcile.
	}
	defer sites.users.Done()
	s := sites.named(site)
	if s == nil {
		return
	}
	// If a name can't be in a URI, it has no thumbnails.
	names = slices.DeleteFunc(names, func(name string) bool { return s.Thumb.CheckName(s.Thumb.Prefix+name) != nil })
	var scopes []purge.Scope
	for some := range slices.Chunk(names, admin.PurgeNames) {
		scopes = append(scopes, purge.Scope{Originals: some})
	}
	for _, folder := range folders {
		scopes = append(scopes, purge.Scope{Under: folder})
	}
	for _, scope := range scopes {
		p, err := scope.Of(s.Thumb)
		if err == nil {
			err = k.purge(ctx, s, p, false, nil)
		}
		if err != nil {
			k.options.Log.Error("thumbnails of originals that have changed are left", "site", site, "err", err)
		}
	}
	k.options.Log.Debug("originals changed", "site", site, "originals", len(names), "folders", len(folders))
}

// Reconcile removes a thumbnail of a site if its original is gone or has changed.
func (k *Keeper) Reconcile(ctx context.Context, site string) {
	sites, err := k.sites.acquire()
	if err != nil {
		return // The next configuration begins with it.
	}
	defer sites.users.Done()
	s := sites.named(site)
	if s == nil {
		return
	}
	start := time.Now()
	looked, removed, err := k.reconcile(ctx, s)
	if err != nil && ctx.Err() == nil {
		k.options.Log.Error("not all stale thumbnails are found", "site", site, "err", err)
	}
	k.options.Log.Info("reconciled with the originals", "site", site, "looked", looked, "removed", removed, "ms", time.Since(start).Milliseconds())
}

func (k *Keeper) reconcile(ctx context.Context, s *Site) (looked, removed int, err error) {
	teller, ok := s.Originals.(originals.Teller)
	if !ok {
		return 0, 0, nil
	}
	// If the disk is not mounted, no original was deleted.
	if _, err := teller.Device(); err != nil {
		return 0, 0, err
	}
	err = s.Tree.Walk(ctx, nil, func(name string) error {
		looked++
		// Others are none of this site's.
		if t, err := s.Thumb.Published(name); err == nil && s.isStale(teller, name, s.reading(t).Original) {
			removed++
			return k.remove(s, name)
		}
		return nil
	})
	return looked, removed, err
}

// isStale reports whether a thumbnail was not made from the present original. If nothing
// is known about the original, the thumbnail is not stale.
func (s *Site) isStale(teller originals.Teller, name, original string) bool {
	of, _, there := s.Tree.Stat(name)
	info, err := teller.Stat(original)
	if err == nil {
		return there && !s.fresh(name, of, info)
	}
	deleted, err := teller.Deleted(original)
	return there && deleted && err == nil
}

// remove removes one published file, as a purge does.
func (k *Keeper) remove(s *Site, name string) error {
	is := func(n string, _ thumb.Thumb) bool { return n == name }
	s.ledger.Add(is, len(name))
	defer s.ledger.Taken()
	err := s.Tree.Remove(name)
	k.flights.Forget(func(a Request) bool { return a.ledger == s.ledger && a.Name == name })
	return err
}
