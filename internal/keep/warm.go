// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/originals"
	"thumbd/internal/render"
	"thumbd/internal/thumb"
)

// warmPause is the time to the next attempt if the queue had no place for a thumbnail.
const warmPause = 250 * time.Millisecond

// Warm makes the missing thumbnails of an original that selection selects, in one job and
// after all thumbnails that clients wait for. The original's name may also be a path
// below the site's originals. If ctx is done, Warm returns ctx's error; a running render
// is still published. Other errors are ErrNoSuchSite, a mistake in the selection, and the
// error of a daemon without sites. Errors of the original are in admin.Warmed.
func (k *Keeper) Warm(ctx context.Context, site string, selection admin.Selection, original string) (admin.Warmed, error) {
	defer k.Busy()()
	select {
	case k.warming <- struct{}{}:
		defer func() { <-k.warming }()
	case <-ctx.Done():
		return admin.Warmed{}, ctx.Err()
	}
	sites, s, err := k.warmSite(site, selection)
	if err != nil {
		return admin.Warmed{}, err
	}
	defer sites.users.Done()
	original = s.original(original)
	if !s.isSince(original, selection.Since) {
		return admin.Warmed{Skipped: true}, nil
	}
	list, err := s.selected(selection, original)
	if err == nil && s.Thumb.Layout == thumb.WordPressLayout {
		var sizes []Request
		sizes, err = k.missingSizes(ctx, sites, s, selection, original)
		list = append(list, sizes...)
	}
	var sum admin.Warmed
	if err != nil {
		sum.Failed = []admin.Failure{{Name: original, Reason: k.options.Judge(err).Reason}}
	}
	for ctx.Err() == nil && len(list) > 0 {
		if list = k.warm(ctx, sites, list, &sum); len(list) > 0 {
			pause(ctx, warmPause)
		}
	}
	return sum, ctx.Err()
}

// warmSite returns the site of this name with its sites, if the selection is right for the
// site. The caller gives the sites back.
func (k *Keeper) warmSite(name string, selection admin.Selection) (*Sites, *Site, error) {
	sites, s, err := k.siteNamed(name)
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkSelection(selection); err != nil {
		sites.users.Done()
		return nil, nil, err
	}
	return sites, s, nil
}

// siteNamed returns the site of a name with its sites. The caller gives the sites back.
func (k *Keeper) siteNamed(name string) (*Sites, *Site, error) {
	sites, err := k.sites.acquire()
	if err != nil {
		return nil, nil, err
	}
	s := sites.named(name)
	if s == nil {
		sites.users.Done()
		return nil, nil, fmt.Errorf("%w: %q", ErrNoSuchSite, name)
	}
	return sites, s, nil
}

// noPlace reports whether a render had no place in the queue: it can be tried again.
func noPlace(err error) bool {
	return errors.Is(err, render.ErrQueueFull) || errors.Is(err, render.ErrQueueTime)
}

// CheckSelection returns an error of Warm if a selection is wrong for all originals.
func (k *Keeper) CheckSelection(site string, selection admin.Selection) error {
	sites, _, err := k.warmSite(site, selection)
	if err == nil {
		sites.users.Done()
	}
	return err
}

// warm makes the thumbnails of list, counts the results, and returns the thumbnails that
// found no place in the queue.
func (k *Keeper) warm(ctx context.Context, sites *Sites, list []Request, sum *admin.Warmed) (again []Request) {
	type end struct {
		asked Request
		out   Outcome
		err   error
	}
	ends := make(chan end, len(list))
	k.background(ctx, sites, list, func(a Request, out Outcome, err error) { ends <- end{a, out, err} })
	close(ends)
	for e := range ends {
		switch {
		case noPlace(e.err):
			again = append(again, e.asked)
		case errors.Is(e.err, render.ErrNoVariant):
			sum.None++
		case e.err != nil:
			sum.Failed = append(sum.Failed, admin.Failure{Name: e.asked.Name, Reason: k.options.Judge(e.err).Reason})
		case e.out.trouble != nil:
			sum.Failed = append(sum.Failed, admin.Failure{Name: e.asked.Name, Reason: "unpublished"})
			sum.Full = sum.Full || isFull(e.out.trouble)
		case e.out.Unpublished != nil:
			sum.Failed = append(sum.Failed, admin.Failure{Name: e.asked.Name, Reason: admin.Superseded})
		case e.out.rendered:
			sum.Made++
		default:
			sum.There++
		}
	}
	return again
}

// EachOriginal calls f with the name of each original of a site, in no order, and returns
// the number of folders that could not be read. A file counts as an original by its
// extension, if it was changed at selection.Since or later. Errors are as with Warm, an
// error of f, and originals.ErrUnreadable.
func (k *Keeper) EachOriginal(ctx context.Context, site string, selection admin.Selection, f func(name string) error) (unread int, err error) {
	defer k.Busy()()
	sites, s, err := k.warmSite(site, selection)
	if err != nil {
		return 0, err
	}
	defer sites.users.Done()
	lister, ok := s.Originals.(originals.Lister)
	if !ok {
		return 0, fmt.Errorf("%w: the originals of the site %s are at a URL, where nobody can list them", ErrSelection, site)
	}
	visit := func(name string) error {
		if s.isListed(name) && s.isSince(name, selection.Since) {
			return f(name)
		}
		return nil
	}
	return unread, lister.Walk(ctx, visit, func(err error) {
		unread++
		k.options.Log.Warn("a folder of originals is left out", "site", site, "err", err)
	})
}

// isFull reports whether a disk that has not taken a thumbnail takes none.
func isFull(err error) bool {
	return slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS}, func(e error) bool { return errors.Is(err, e) })
}

// isListed reports whether an original's name says that it can be one.
func (s *Site) isListed(name string) bool {
	return thumb.IsNamed(name, s.OriginalFormats) && s.Thumb.CheckName(s.Thumb.Prefix+name) == nil
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
