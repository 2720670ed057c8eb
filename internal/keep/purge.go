// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/purge"
	"thumbd/internal/sign"
	"thumbd/internal/stamp"
	"thumbd/internal/thumb"
)

// ErrNoSuchSite is a purge of a site that the configuration does not have.
var ErrNoSuchSite = errors.New("there is no such site")

// maxTogether is the most thumbnails that are made anew in one job.
const maxTogether = 32

// freshKept is how many originals are remembered.
const freshKept = 4096

// deleteTime is how long a stop waits for purged files to be deleted.
const deleteTime = time.Second

// purges holds the purges of a Keeper over all configurations. Safe for
// concurrent use.
type purges struct {
	ctx        context.Context // done when the Keeper is closed
	cancel     context.CancelFunc
	deleting   context.Context // done deleteTime later
	stop       context.CancelFunc
	background sync.WaitGroup
	// fresh has, for an original, the version from which all of its thumbnails are made.
	// Only the last version counts: an earlier version can return.
	fresh *lru.Cache[original, stamp.Original]

	mu      sync.Mutex
	ledgers map[string]*purge.Ledger // by the folder of the tree
}

func newPurges() *purges {
	fresh, err := lru.New[original, stamp.Original](freshKept)
	if err != nil {
		panic(err) // The size is a constant above zero.
	}
	p := &purges{fresh: fresh, ledgers: make(map[string]*purge.Ledger)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.deleting, p.stop = context.WithCancel(context.Background())
	return p
}

// equip gives each of sites the ledger of its tree. If the configuration before had the
// tree, the ledger is the same.
func (p *purges) equip(sites *Sites) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range sites.all {
		tree := s.folder()
		if p.ledgers[tree] == nil {
			p.ledgers[tree] = purge.NewLedger()
		}
		s.ledger = p.ledgers[tree]
	}
}

// start runs f in the background. If the Keeper is closed, it runs f before it returns;
// f finds the context canceled then, and must end soon.
func (p *purges) start(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		f()
		return
	}
	p.background.Go(f)
}

func (p *purges) close() {
	p.mu.Lock()
	p.cancel()
	p.mu.Unlock()
	defer p.stop()
	defer time.AfterFunc(deleteTime, p.stop).Stop()
	p.background.Wait()
}

// folder is that of the tree.
func (s *Site) folder() string { return filepath.Join(s.Thumb.DocumentRoot, s.Thumb.Prefix) }

// Close ends the background work of purges, and waits for its end. Purged thumbnails
// stay purged. Files that are not deleted yet are deleted after the next start.
func (k *Keeper) Close() {
	k.purges.close()
	k.tellLeft(k.sampler.Rest())
}

// Purge removes the thumbnails of a site that scope selects. After it has returned
// nil, no request gets them any more. If again is set, the removed thumbnails are made
// anew in the background, after all thumbnails that clients wait for. It returns the
// number of removed files, for example "12" or "over 100000". Errors wrap
// ErrNoSuchSite, purge.ErrScope and purge.ErrNoPreset. Any other error is trouble with
// the tree, and some thumbnails may still exist.
func (k *Keeper) Purge(ctx context.Context, site string, scope purge.Scope, again bool) (removed string, err error) {
	sites, s, err := k.siteNamed(site)
	if err != nil {
		return "", err
	}
	defer sites.users.Done()
	p, err := scope.Of(s.Thumb)
	if err != nil {
		return "", err
	}
	start := time.Now()
	var n removals
	if err := k.purge(ctx, s, p, again, &n); err != nil {
		k.options.Log.Error("not purged", "site", site, "err", err)
		return "", err
	}
	k.options.Count(Event{What: Purged, Site: site})
	k.options.Log.Info("purged", "site", site, "all", scope.All, "originals", len(scope.Originals), "under", scope.Under,
		"preset", scope.Preset, "render", again, "removed", n.String(), "ms", time.Since(start).Milliseconds())
	return n.String(), nil
}

// CheckPurge returns the error of a purge that Purge would not begin, or nil.
func (k *Keeper) CheckPurge(site string, scope purge.Scope) error {
	sites, s, err := k.siteNamed(site)
	if err != nil {
		return err
	}
	defer sites.users.Done()
	_, err = scope.Of(s.Thumb)
	return err
}

// mostCounted is the most files of a purge that are counted: counting reads folders.
const mostCounted = 100_000

// removals is the number of files that a purge has removed, up to mostCounted.
type removals int

func (n removals) String() string {
	if n > mostCounted {
		return fmt.Sprintf("over %d", mostCounted)
	}
	return strconv.Itoa(int(n))
}

// count counts the files in bin. An error leaves the rest uncounted.
func (n *removals) count(ctx context.Context, bin *publish.Bin) {
	_ = bin.Walk(ctx, func(string) error {
		if *n++; *n > mostCounted {
			return fs.SkipAll
		}
		return nil
	})
}

func (sites *Sites) named(name string) *Site {
	for _, s := range sites.all {
		if s.Thumb.Name == name {
			return s
		}
	}
	return nil
}

// purge takes away the thumbnails of p, a purge of s, and counts them if n is not
// nil.
func (k *Keeper) purge(ctx context.Context, s *Site, p *purge.Purge, again bool, n *removals) error {
	if p.Original != nil {
		k.forgetOriginals(s, originals.Forgotten{Covers: p.Original, Names: p.Names(), KeepCopies: p.KeepCopies})
	}
	// Before the removal: then no removed thumbnail can come back.
	s.ledger.Add(p.Covers, p.Bytes())
	defer s.ledger.Taken()
	// Last: then no later request gets the picture of a render that began before.
	defer k.flights.Forget(func(a Request) bool { return a.ledger == s.ledger && p.Covers(a.Name, a.published()) })
	bin, err := s.Tree.NewBin()
	if err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	err = p.Take(ctx, s.Tree, bin)
	if n != nil {
		n.count(ctx, bin)
	}
	k.purges.start(func() {
		defer k.Busy()()
		if again && err == nil {
			k.renderAgain(s.Thumb.Name, bin)
		}
		k.tellUndeleted(s, bin.Delete(k.purges.deleting))
	})
	if err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	return nil
}

// forgetOriginals has the sources and renderers of s, also those of earlier configurations
// that are in use, drop the copies, fetches, failures and refusals of the originals in f.
// It is called before Ledger.Add: a render that begins after Add may publish, and must join
// no earlier fetch.
func (k *Keeper) forgetOriginals(s *Site, f originals.Forgotten) {
	k.sites.each(func(one *Site, renderer Renderer) {
		if one.ledger != s.ledger {
			return
		}
		if source, ok := one.Originals.(originals.Forgetter); ok {
			source.Forget(f)
		}
		renderer.Forget(one.Thumb.Name, f.Covers)
	})
}

// tellUndeleted logs an error of deleting the purged files of s.
func (k *Keeper) tellUndeleted(s *Site, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		k.options.Log.Warn("purged files could not be deleted; the next start deletes them", "site", s.Thumb.Name, "err", err)
	}
}

// renderAgain makes the thumbnails in bin anew, as many originals at once as there
// are CPUs.
func (k *Keeper) renderAgain(site string, bin *publish.Bin) {
	ctx := k.purges.ctx
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	var running sync.WaitGroup
	var group []string // of one original
	of := ""
	flush := func() {
		names := group
		group = nil
		select {
		case places <- struct{}{}:
			running.Go(func() {
				k.renderNames(site, names)
				<-places
			})
		case <-ctx.Done():
		}
	}
	err := bin.Walk(ctx, func(name string) error {
		original := k.originalOf(site, name)
		if len(group) > 0 && (original != of || len(group) == maxTogether) {
			flush()
		}
		group, of = append(group, name), original
		return nil
	})
	if err == nil && len(group) > 0 {
		flush()
	}
	running.Wait()
	if err != nil && ctx.Err() == nil {
		k.options.Log.Warn("not all purged thumbnails are rendered again", "site", site, "err", err)
	}
}

// originalOf returns the original of the published file of that name.
func (k *Keeper) originalOf(site, name string) string {
	sites, err := k.sites.acquire()
	if err != nil {
		return ""
	}
	defer sites.users.Done()
	a, _ := sites.again(site, name)
	return a.thumb.Original
}

// renderNames makes published files of one original anew, as far as the
// configuration of now would make them.
func (k *Keeper) renderNames(site string, names []string) {
	sites, err := k.sites.acquire()
	if err != nil {
		return
	}
	defer sites.users.Done()
	var list []Request
	for _, name := range names {
		if a, ok := sites.again(site, name); ok {
			list = append(list, a)
		}
	}
	k.background(k.purges.ctx, sites, list, func(Request, Outcome, error) {})
}

// again returns the request that makes a published file once more. It is not ok if no
// URI leads to that file.
func (sites *Sites) again(site, name string) (a Request, ok bool) {
	s := sites.named(site)
	if s == nil {
		return Request{}, false
	}
	t, err := s.Thumb.Published(name)
	if err != nil || sign.Verify(t) != nil {
		return Request{}, false
	}
	// In the scheme inplace every name is a URI.
	if _, err := s.Thumb.Parse(name); !t.Sized() && (err != nil || s.Thumb.Scheme == thumb.InPlace) && !slices.Contains(s.Thumb.Negotiate, t.Spec.Format) {
		return Request{}, false
	}
	return Request{Site: s, thumb: t, transform: t.Transform(), URI: name, Name: name}, true
}

// removeStale removes the thumbnails of a's original that were made from another version
// than info. a was just published from info.
func (k *Keeper) removeStale(a Request, info originals.Info) {
	o, version := original{a.Thumb.Name, a.thumb.Original}, info.Version()
	if last, ok := k.purges.fresh.Get(o); ok && last.Size == version.Size && last.Mtime.Equal(version.Mtime) {
		return
	}
	for _, place := range a.Thumb.OfOriginal(a.thumb.Original) {
		files, err := purge.Files(a.Tree, place)
		if err == nil {
			err = a.Tree.Each(place.Name, files, func(name string, of time.Time) error {
				if t, err := a.Thumb.Published(name); err == nil && a.reading(t).Original == a.thumb.Original && !a.fresh(name, of, info) {
					return a.Tree.Remove(name)
				}
				return nil
			})
		}
		if err != nil {
			k.options.Log.Warn("stale thumbnails are left", "site", a.Thumb.Name, "original", a.thumb.Original, "err", err)
			return
		}
	}
	k.purges.fresh.Add(o, version)
}
