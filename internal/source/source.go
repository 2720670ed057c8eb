// SPDX-License-Identifier: MIT

// Package source makes the source of a site's originals, and the store of the journal,
// from the configuration. It is the one place that knows all kinds of them.
package source

import (
	"net/netip"

	"thumbd/internal/config"
	"thumbd/internal/fetch"
	"thumbd/internal/journal"
	"thumbd/internal/originals"
	"thumbd/internal/s3"
	"thumbd/internal/s3/chain"
)

// kind is a kind of sources.
type kind struct {
	is  func(*config.Site) bool
	new func(*config.Config, *config.Site, *fetch.Spool) originals.Source
}

// kinds are all kinds. The first that a site is of counts.
var kinds = []kind{
	{func(s *config.Site) bool { return s.S3 != nil }, bucket},
	{func(s *config.Site) bool { return s.Fetch != nil }, origin},
	{func(s *config.Site) bool { return s.Originals != "" }, folder},
}

// New returns the source of the originals of a site of c. If the originals are on another
// machine, they are kept in spool; if no original is opened, spool may be nil. New opens
// nothing and sends no request. The caller calls Close.
func New(c *config.Config, site *config.Site, spool *fetch.Spool) originals.Source {
	for _, k := range kinds {
		if k.is(site) {
			return k.new(c, site, spool)
		}
	}
	panic("a site without originals") // config refuses it
}

func folder(c *config.Config, site *config.Site, _ *fetch.Spool) originals.Source {
	return originals.Folder{Dir: originals.New(site.Originals, c.OriginalBytes)}
}

func origin(_ *config.Config, site *config.Site, spool *fetch.Spool) originals.Source {
	return fetch.New(options(site), spool)
}

func bucket(_ *config.Config, site *config.Site, spool *fetch.Spool) originals.Source {
	return s3.New(withKeys(*site.S3, site.Fetch.AllowAddresses), options(site), spool)
}

// options returns how the originals of a site are fetched.
func options(site *config.Site) fetch.Options {
	o := *site.Fetch
	o.Formats = site.OriginalFormats
	return o
}

// Journal returns the store of the journal of c. It opens nothing and sends no request.
func Journal(c *config.Nodes) journal.Store {
	if c.S3 != nil {
		return journal.NewBucket(withKeys(*c.S3, c.AllowAddresses), c.AllowAddresses)
	}
	return journal.NewFolder(c.Journal)
}

// withKeys gives o the keys of AWS's chain, if the configuration asks for them.
func withKeys(o s3.Options, allow []netip.Prefix) s3.Options {
	if o.Chain {
		o.Keys = chain.New(chain.Options{Profile: o.Profile, Region: o.Region, AllowAddresses: allow})
	}
	return o
}
