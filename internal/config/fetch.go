// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"thumbd/internal/fetch"
)

// setOrigin takes the URL of an origin.
func (d *draft) setOrigin(s string) error {
	u, err := baseURL(s)
	if err != nil {
		return err
	}
	d.Fetch = fetchDefaults(u)
	return nil
}

// fetchDefaults returns the defaults of [site.NAME.fetch] for originals at u.
func fetchDefaults(u *url.URL) *fetch.Options {
	return &fetch.Options{
		Base:        u,
		Redirects:   3,
		ConnectTime: 5 * time.Second,
		HeaderTime:  10 * time.Second,
		TotalTime:   time.Minute,
		Rate:        16 << 10,
		Fetches:     16,
		Lifetime:    30 * day,
	}
}

// baseURL parses a URL to which names of originals are appended, for example
// "https://origin.example/media/".
func baseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf(`want a URL such as "https://origin.example/media/", have %q`, s)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("want a URL of https or http, have %q", s)
	case u.User != nil:
		return nil, errors.New("has a user's name, which is not sent; remove it")
	case strings.ContainsAny(s, "?#"):
		return nil, fmt.Errorf("%q has a query or a fragment, which the originals' names would follow; remove it", s)
	case !strings.HasSuffix(u.Path, "/"):
		return nil, fmt.Errorf("want a URL that ends with /, have %q", s)
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return nil, fmt.Errorf("%q has %s; write the URL without", s, segment)
		}
	}
	return u, nil
}

// fetch reads how d's originals are fetched, if they are.
func (r *reader) fetch(c *Config, d *draft) {
	t, ok := r.table(d.table, "fetch")
	if d.Fetch == nil {
		if ok && r.sound(d.table, "originals") {
			r.mistake(t.key, "is for originals at a URL, and these are in a folder; remove it")
		}
		return
	}
	o := d.Fetch
	if d.Watch {
		r.mistake(d.table.at("watch"), "follows originals in a folder, and these are at a URL; remove it")
	}
	if ok {
		r.read(t, fetchFields(o))
	}
	for _, name := range []string{"redirects", "allow_hosts", "allow_ports"} {
		if ok && d.store != nil && t.has(name) {
			r.mistake(t.at(name), "is for redirects, and thumbd follows no redirects of a store; remove it")
		}
	}
	o.Site, o.OriginalBytes, o.Queue = d.Thumb.Name, c.OriginalBytes, c.Queue
	if !r.bad[t.at("allow_addresses")] {
		key := d.table.at("originals")
		if d.store != nil {
			key = d.table.at("s3") + ".endpoint"
		}
		r.checkAddress(key, o.Base, o.AllowAddresses, d.table.key+".fetch")
	}
	if sum := c.LongestRender() + o.TotalTime; sum > ReadTimeout {
		r.warn(d.table.at("fetch")+".total_time", "total_time, queue_time and two render_time are %s, and nginx waits %s (proxy_read_timeout); lower one of them",
			durationText(sum), durationText(ReadTimeout))
	}
}

// checkAddress notes a URL, of a key, with a special address that is not among the
// allowed ones, which the section has.
func (r *reader) checkAddress(key string, u *url.URL, allowed []netip.Prefix, section string) {
	host, err := netip.ParseAddr(u.Hostname())
	if err == nil && !fetch.Allowed(host, allowed) {
		r.mistake(key, "%s is a special address; if it is meant, add allow_addresses = [%q] to [%s]", host, host.Unmap(), section)
	}
}

func fetchFields(o *fetch.Options) fields {
	return fields{
		"allow_addresses": list(&o.AllowAddresses, network),
		"allow_hosts":     list(&o.AllowHosts, redirectHost),
		"allow_ports":     list(&o.AllowPorts, number(1, 65535)),
		"redirects":       whole(&o.Redirects, 0, 10),
		"connect_time":    duration(&o.ConnectTime, time.Millisecond, time.Minute),
		"header_time":     duration(&o.HeaderTime, time.Millisecond, 5*time.Minute),
		"total_time":      duration(&o.TotalTime, time.Millisecond, 10*time.Minute),
		"rate":            size(&o.Rate, 1, 1<<30),
		"fetches":         whole(&o.Fetches, 1, 1024),
		"lifetime":        age(&o.Lifetime),
	}
}

// network takes an address, or as many as have a prefix.
func network(v any) (netip.Prefix, error) {
	s, _ := v.(string)
	p, err := netip.ParsePrefix(s)
	if a, addrErr := netip.ParseAddr(s); addrErr == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case err != nil:
		return p, fmt.Errorf(`want addresses such as "10.0.0.0/8", "192.168.1.7" or "fd00::/8", have %s`, have(v))
	case p.Addr().Is4In6():
		return p, fmt.Errorf("want an address of IPv4 as that, %s, have %s", p.Addr().Unmap(), have(v))
	case p != p.Masked():
		return p, fmt.Errorf("%s has bits beyond its length; want %s", have(v), p.Masked())
	}
	return p, nil
}

// redirectHost takes a host as a site's, or * for any.
func redirectHost(v any) (string, error) {
	if v == "*" {
		return "*", nil
	}
	return host(v)
}

// checkSpool notes a spool that shares files with a tree or with originals, or
// is too small for one. The drafts are in the order of lines.
func (r *reader) checkSpool(c *Config, drafts []*draft) {
	if !slices.ContainsFunc(drafts, func(d *draft) bool { return !d.Local() }) {
		return
	}
	if share := fetch.Share(c.OriginalBytes); c.SpoolBytes < share {
		r.mistake("limits.spool_bytes", "is %s, less than one original may take, original_bytes = %s and %s more; raise it, or lower that",
			sizeText(c.SpoolBytes), sizeText(c.OriginalBytes), sizeText(share-c.OriginalBytes))
	}
	spool, err := r.env.Resolve(c.Spool)
	if err != nil {
		spool = c.Spool
		r.warn("daemon.spool", "%v; whether it shares files with other folders is not known", err)
	}
	for _, d := range drafts {
		for _, other := range []struct{ what, path string }{{"tree", d.tree}, {"originals", d.originals}} {
			if within(spool, other.path) || within(other.path, spool) {
				r.mistake("daemon.spool", "%s and the %s of %s, %s, contain each other; choose another folder", spool, other.what, r.ref(d.table), other.path)
			}
		}
	}
}
