// SPDX-License-Identifier: MIT

package daemon

import (
	"errors"
	"slices"
	"sync"

	"thumbd/internal/keep"
	"thumbd/internal/originals"
	"thumbd/internal/s3"
)

// stopFetches ends the fetches of s.
func (s *Service) stopFetches() {
	for _, site := range s.sites {
		if o, ok := site.Originals.(originals.Distant); ok {
			o.Stop()
		}
	}
}

// probeSpool tries the spool, if any site needs it.
func (s *Service) probeSpool(make bool) []error {
	if !slices.ContainsFunc(s.sites, isRemote) {
		return nil
	}
	try := s.spool.Check
	if make {
		try = s.spool.Probe
	}
	if err := try(); err != nil {
		return []error{probeError{"spool", "", err}}
	}
	return nil
}

// ProbeOrigins asks the origins of all sites that have one, at the same time.
// Its errors are probeErrors. A daemon that starts does not: an origin that
// does not answer must not keep other sites waiting.
func (s *Service) ProbeOrigins() []error {
	errs := make([]error, len(s.sites))
	var asked sync.WaitGroup
	for i, site := range s.sites {
		if isRemote(site) {
			asked.Go(func() {
				if kind, err := probeOrigin(site.Originals); err != nil {
					errs[i] = probeError{kind, site.Thumb.Name, err}
				}
			})
		}
	}
	asked.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// The kinds of a probeError if only lists fail, and if AWS's chain finds no keys.
const (
	unlisted = "list"
	keyless  = "keys"
)

// probeOrigin returns the error of a distant source with its kind.
func probeOrigin(from originals.Source) (kind string, err error) {
	if err := from.Probe(); err != nil {
		switch {
		case errors.Is(err, s3.ErrNoKeys):
			return keyless, err
		case errors.Is(err, originals.ErrCredentials):
			return "credentials", err
		}
		return "origin", err
	}
	if lister, ok := from.(originals.Lister); ok {
		err := lister.CanList()
		if err != nil && !errors.Is(err, originals.ErrUnlisted) {
			return "origin", err
		}
		return unlisted, err
	}
	return "", nil
}

func isRemote(site *keep.Site) bool {
	_, ok := site.Originals.(originals.Distant)
	return ok
}

// IsUnlisted reports whether an error of ProbeOrigins is that of a source that can't be
// listed, though its originals can be had.
func IsUnlisted(err error) bool {
	p, ok := errors.AsType[probeError](err)
	return ok && p.kind == unlisted
}

// IsKeyless reports whether an error of ProbeOrigins or Nodes is that the environment of
// this process has no keys for a store. Another process may have them.
func IsKeyless(err error) bool { return errors.Is(err, s3.ErrNoKeys) }
