// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/files"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/purge"
	"thumbd/internal/recipe"
	"thumbd/internal/render"
	"thumbd/internal/route"
	"thumbd/internal/share"
	"thumbd/internal/thumb"
)

// Renderer makes pictures: render.Pool.
type Renderer interface {
	Render(ctx context.Context, r render.Request) (*render.Picture, error)
	// Forget drops the remembered refusals of the originals of a site that covers reports
	// true for.
	Forget(site string, covers func(name string) bool)
}

// Site is one site with the parts that its requests go through.
type Site struct {
	Thumb           *thumb.Site
	Originals       originals.Source
	OriginalFormats []thumb.Format
	// Lifetime is how long a thumbnail counts as that of its original without
	// asking for that. 0: its mtime tells.
	Lifetime time.Duration
	Tree     *publish.Tree
	// Watermarks are the paths of the images of Thumb's, of at most
	// WatermarkBytes.
	Watermarks     map[string]string
	WatermarkBytes int64
	// Placeholder is sent for a missing or broken original.
	Placeholder Placeholder
	// Access is nil if the site is open.
	Access *access.Gate
	// Wait says, in the scheme inplace, that the first client waits for the variant.
	Wait bool
	// Limits is text with the limits and the formats that the workers read. If two sites
	// refuse the same originals, it is equal.
	Limits string

	ledger   *purge.Ledger // of the tree, set by the Keeper
	settings recipe.Settings
	made     []recipe.Settings // that have made the tree
	change   recipe.Change     // from made, as they were at first, to settings
}

// fresh reports whether a published file of that name and modification time is
// the thumbnail of an original as info has it.
func (s *Site) fresh(name string, mtime time.Time, info originals.Info) bool {
	return s.change.Fresh(name, mtime, info.Version())
}

// CheckWatermarks opens every watermark's image and returns the errors.
func (s *Site) CheckWatermarks() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.Watermarks)) {
		mark, err := s.mark(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		mark.close()
	}
	return errors.Join(errs...)
}

// markImage is the open image of a watermark; without a file there is none.
type markImage struct {
	file *os.File
	info originals.Info
}

func (m markImage) close() {
	if m.file != nil {
		m.file.Close()
	}
}

// mark opens the image of a watermark through the gate of the originals, none if
// name is "". The caller closes it.
func (s *Site) mark(name string) (markImage, error) {
	if name == "" {
		return markImage{}, nil
	}
	return share.Do(s.gate(), func() (markImage, error) { return s.openWatermark(name) }, markImage.close)
}

// openWatermark opens the image of a watermark. The caller closes it.
func (s *Site) openWatermark(name string) (markImage, error) {
	f, info, err := originals.OpenFile(s.Watermarks[name], s.WatermarkBytes)
	if err != nil {
		return markImage{}, fmt.Errorf("%w: %s: %w", render.ErrWatermark, name, err)
	}
	return markImage{f, info}, nil
}

// Gone reports whether the original of a published name is known not to
// exist. It is for publish.New.
func (s *Site) Gone(name string) bool {
	t, err := s.Thumb.Published(name)
	if err != nil {
		return false
	}
	exists, err := s.Originals.Exists(s.reading(t).Original)
	return err == nil && !exists
}

// reading returns the thumbnail that t's URI names, if several originals are possible: it
// tests their existence. If nothing is known about an original, it counts as existing.
func (s *Site) reading(t thumb.Thumb) thumb.Thumb {
	return t.Reading(func(original string) bool {
		exists, err := s.Originals.Exists(original)
		return exists || err != nil
	})
}

// Why there may be no sites, beside render.ErrShutdown.
var (
	ErrConfiguration = errors.New("the configuration has mistakes: see thumbd check")
	ErrNoWorker      = errors.New("no worker starts: see the log")
)

// Accel is how the server in front is told to send a file.
type Accel int

// The ways, by the values of accel in thumbd.toml.
const (
	AccelNginx    Accel = iota // X-Accel-Redirect
	AccelSendfile              // X-Sendfile
	AccelDirect                // the file itself
)

// Sites is the part of a Keeper that comes from a configuration. It is not changed after its
// first use.
type Sites struct {
	// Accel is set before the first use.
	Accel Accel
	// Behind is how many originals of the scheme inplace may wait for their
	// variants. It is set before the first use.
	Behind int
	// Longest is the longest time that a thumbnail takes, with the wait for a worker.
	Longest  time.Duration
	renderer Renderer
	all      []*Site
	targets  []target
	// Protected are the sites with an access section.
	Protected []*Site
	users     sync.WaitGroup // requests and flights
}

// target is a site or a section of downloads; the other one is nil.
type target struct {
	route   *route.Route
	site    *Site
	section *files.Section
}

// NewSites returns a set of sites. renderer makes their thumbnails, each within the time
// longest.
func NewSites(renderer Renderer, longest time.Duration, sites []*Site) *Sites {
	s := &Sites{renderer: renderer, Longest: longest, all: sites}
	for _, site := range sites {
		site.settings = recipe.Of(site.Thumb, nil).Stamped()
		site.change = recipe.NewChange(nil, site.settings)
		s.targets = append(s.targets, target{route: &site.Thumb.Route, site: site})
		if site.Access != nil {
			s.Protected = append(s.Protected, site)
		}
	}
	return s
}

// AddFiles has requests below the sections' prefixes go to them. It is for
// before sites is in use.
func (sites *Sites) AddFiles(sections []*files.Section) {
	for _, f := range sections {
		sites.targets = append(sites.targets, target{route: &f.Route, section: f})
	}
}

// Find returns the site or the section of downloads that answers for a decoded URI.
// Without an error one of the two is not nil. If none answers, the error is
// thumb.ErrNoSite.
func (sites *Sites) Find(host, uri string) (*Site, *files.Section, error) {
	found, ok := route.Find(sites.targets, func(t target) *route.Route { return t.route }, host, uri)
	if !ok {
		return nil, nil, thumb.ErrNoSite
	}
	return found.site, found.section, nil
}

// Release gives back the sites that Keeper.Sites has returned.
func (sites *Sites) Release() { sites.users.Done() }

// holder holds the sites that new requests go to, and earlier sites while they are used.
type holder struct {
	mu      sync.Mutex
	current *Sites
	cause   error // why there are none

	// usedMu is locked before mu. Purges hold it for reading, so that no purge waits for the
	// large spool of another.
	usedMu sync.RWMutex
	// used has the current sites, and earlier ones whose sources may be open: the function
	// wait that swap returns removes them.
	used map[*Sites]bool
}

// acquire returns the sites. The caller gives them back by users.Done. If there are none,
// the error has the cause.
func (h *holder) acquire() (*Sites, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return nil, h.cause
	}
	h.current.users.Add(1)
	return h.current, nil
}

// swap puts s into use. It returns the earlier sites, or nil, and a function that waits
// for their last user.
func (h *holder) swap(s *Sites, cause error) (old *Sites, wait func()) {
	h.usedMu.Lock()
	defer h.usedMu.Unlock()
	if s != nil {
		h.used[s] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old = h.current
	h.current, h.cause = s, cause
	if old == nil {
		return nil, func() {}
	}
	return old, func() {
		old.users.Wait()
		h.usedMu.Lock()
		defer h.usedMu.Unlock()
		delete(h.used, old)
	}
}

// each calls f with each site of the current sites and of earlier ones that are in use, and
// with its renderer. While it lasts, no source of theirs is closed.
func (h *holder) each(f func(*Site, Renderer)) {
	h.usedMu.RLock()
	defer h.usedMu.RUnlock()
	for sites := range h.used {
		for _, s := range sites.all {
			f(s, sites.renderer)
		}
	}
}
