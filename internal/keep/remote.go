// SPDX-License-Identifier: MIT

package keep

import (
	"errors"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/share"
)

// gate returns the gate of the files of the site's originals; nil: they need none.
func (s *Site) gate() *share.Gate {
	if gated, ok := s.Originals.(originals.Gated); ok {
		return gated.Gate()
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

// outlives reports whether an existing thumbnail is a better answer than err: if err only
// says that the origin does not answer now.
func (p standing) outlives(err error) bool {
	return p.there && (errors.Is(err, originals.ErrOrigin) || errors.Is(err, originals.ErrSlow) ||
		errors.Is(err, originals.ErrCredentials) || errors.Is(err, originals.ErrSlowDown))
}
