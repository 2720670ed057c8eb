// SPDX-License-Identifier: MIT

package main

import (
	"time"

	"thumbd/internal/config"
	"thumbd/internal/fetch"
	"thumbd/internal/serve"
)

// newOrigin returns the originals of a site that has them at a URL.
func newOrigin(from *config.Site, spool *fetch.Spool) *fetch.Origin {
	o := *from.Fetch
	o.Formats = from.OriginalFormats
	return fetch.New(o, spool)
}

// stopFetches ends what is being fetched for s.
func (s *service) stopFetches() {
	for _, site := range s.sites {
		if o, ok := site.Originals.(*fetch.Origin); ok {
			o.Stop()
		}
	}
}

// probeOriginals tries a site's originals. Where they are at a URL the daemon,
// which is to make what is missing, tries the spool alone: an origin that does
// not answer must not keep other sites waiting.
func (s *service) probeOriginals(site *serve.Site, make bool) error {
	if _, ok := site.Originals.(*fetch.Origin); !ok {
		return site.Originals.Probe()
	}
	if make {
		return s.spool.Probe()
	}
	if err := s.spool.Check(); err != nil {
		return err
	}
	return site.Originals.Probe()
}

// longestFetch returns how long an answer may wait for an original.
func longestFetch(c *config.Config) (longest time.Duration) {
	for _, site := range c.Sites {
		if site.Fetch != nil {
			longest = max(longest, site.Fetch.TotalTime)
		}
	}
	return longest
}
