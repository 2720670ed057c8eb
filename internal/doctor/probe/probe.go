// SPDX-License-Identifier: MIT

// Package probe asks nginx for a thumbnail that is not there yet, and removes it
// again.
package probe

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/config"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// Way is how a request gets to a server block of nginx.
type Way struct {
	Network string // tcp or unix
	Address string // host:port, or a path
	TLS     bool
	Host    string // that the server block answers for
}

// Answer is the answer of nginx, or the error if there is none.
type Answer struct {
	Status int
	Header http.Header
	Err    error
}

// Probe is a thumbnail that is not there yet.
type Probe struct {
	Site     *config.Site
	Patience time.Duration // of one request
	// Provable is that Get can prove the access. That to an open site it can.
	Provable bool

	thumb    thumb.Thumb
	query    string      // of a protected site
	header   http.Header // likewise, and what is to be negotiated
	siblings []string    // that will be published with it, below the document root
	folders  []string    // that will be made for all of them, the deepest last
}

// New returns at most most Probes of a site, each of another original. If all thumbnails
// of an original exist, it has no Probe.
func New(s *config.Site, originals []string, most int) []*Probe {
	var all []*Probe
	for _, name := range originals {
		if len(all) == most {
			break
		}
		for _, t := range candidates(s, name) {
			p := &Probe{Site: s, thumb: t}
			if !p.Published() {
				p.prove()
				p.foresee()
				all = append(all, p)
				break
			}
		}
	}
	return all
}

// File returns the path of the published thumbnail.
func (p *Probe) File() string { return path.Join(p.Site.Thumb.DocumentRoot, p.name()) }

// Published reports whether it is there.
func (p *Probe) Published() bool {
	_, err := os.Lstat(p.File())
	return err == nil
}

// Line returns the URI as it is asked for, without the proof.
func (p *Probe) Line() string { return (&url.URL{Path: p.thumb.URI()}).EscapedPath() }

// Get asks for the thumbnail, with a proof of access or without.
func (p *Probe) Get(ctx context.Context, w Way, proof bool) Answer {
	u := url.URL{Scheme: "http", Host: w.Host, Path: p.thumb.URI()}
	if w.TLS {
		u.Scheme = "https"
	}
	if proof {
		u.RawQuery = p.query
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Answer{Err: err}
	}
	q.Header.Set("User-Agent", "thumbd-doctor")
	if proof {
		maps.Copy(q.Header, p.header)
	}
	client := http.Client{
		Timeout:       p.Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives:  true,
			DisableCompression: true,
			// It is this machine, and its certificate may have any name.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: w.Host},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, w.Network, w.Address)
			},
		},
	}
	resp, err := client.Do(q)
	if err != nil {
		return Answer{Err: err}
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return Answer{resp.StatusCode, resp.Header, err}
}

// name returns the path of the published file below the document root.
func (p *Probe) name() string {
	return nameIn(p.thumb.URI(), p.negotiated())
}

func nameIn(uri string, f thumb.Format) string {
	if f != 0 {
		uri += "." + f.String()
	}
	return strings.TrimPrefix(uri, "/")
}

// negotiated returns the format that is negotiated, 0 for none: the last variant, which
// each site has that negotiates.
func (p *Probe) negotiated() thumb.Format {
	all := thumb.Variants()
	last := all[len(all)-1]
	if !p.Site.Thumb.Negotiates(p.thumb.URI(), last) {
		return 0
	}
	return last
}

// prove makes a proof of access for some minutes.
func (p *Probe) prove() {
	p.header, p.Provable = make(http.Header), true
	if f := p.negotiated(); f != 0 {
		p.header.Set("Accept", f.MediaType())
	}
	if p.Site.Access == nil {
		return
	}
	g := &access.Gate{Options: *p.Site.Access}
	expires := time.Now().Add(10 * time.Minute)
	if g.Accepts(access.Signature) && len(g.Keys) > 0 {
		p.query = sign.Access.Sign(p.thumb.URI(), sign.Query{Expires: expires}, g.Keys[0])
		return
	}
	token, err := g.NewToken(rand.Text(), "", expires)
	if err != nil {
		p.Provable = false
		return
	}
	p.header.Set("Authorization", "Bearer "+token)
}
