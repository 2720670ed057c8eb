// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"errors"
	"os"
	"time"

	"thumbd/internal/fetch"
	"thumbd/internal/originals"
	"thumbd/internal/share"
)

// Originals are those of a site: a Folder or a fetch.Origin. Their methods are
// safe for concurrent use.
type Originals interface {
	// Open opens the original of that name for reading from offset 0; the caller
	// closes it. It gives up when ctx is done.
	Open(ctx context.Context, name string) (*os.File, originals.Info, error)
	// Path returns the original's name in log lines: its path or URL.
	Path(name string) string
	// Exists reports whether there is an original of that name. With an error
	// that is not known.
	Exists(name string) (bool, error)
	// Probe returns the error that keeps all originals from being opened.
	Probe() error
	// Close ends it, when nothing uses it any more.
	Close()
}

// Folder is the originals of a site that are in a folder of this machine.
type Folder struct{ *originals.Dir }

// Open opens as originals.Dir does, which waits for the gate's deadline at most.
func (f Folder) Open(_ context.Context, name string) (*os.File, originals.Info, error) {
	return f.Dir.Open(name)
}

// gate returns the gate of the site's folder of originals; nil: it has none.
func (s *Site) gate() *share.Gate {
	if folder, ok := s.Originals.(Folder); ok {
		return folder.Gate()
	}
	return nil
}

// standing describes a's published thumbnail, without a look at its original.
type standing struct {
	there bool
	mtime time.Time // as published
	lives bool      // within its site's lifetime
}

func (a Request) standing() standing {
	mtime, _, there := a.Tree.Stat(a.Name)
	p := standing{there: there, mtime: mtime}
	if there && a.Lifetime > 0 {
		at, ok := a.Tree.Published(a.Name)
		p.lives = ok && time.Since(at) < a.Lifetime
	}
	return p
}

// outlives reports whether a thumbnail that is there is better than err, which
// says no more than that its origin does not answer now.
func (p standing) outlives(err error) bool {
	return p.there && (errors.Is(err, fetch.ErrOrigin) || errors.Is(err, fetch.ErrSlow))
}
