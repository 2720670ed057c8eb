// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"thumbd/internal/journal"
	"thumbd/internal/s3"
)

// Nodes is the journal by which several machines purge together.
type Nodes struct {
	Journal string   // absolute path of a folder, or a bucket: s3://media/thumbd/
	Keys    [][]byte // the first signs, all verify
	Name    string   // of this node
	Poll    time.Duration
	Wait    time.Duration
	Settle  time.Duration
	Lag     time.Duration
	Keep    time.Duration
	// S3 is how the bucket of Journal is asked for, nil if that is a folder.
	S3 *s3.Options
	// AllowAddresses are special addresses that may be dialed for S3.
	AllowAddresses []netip.Prefix

	keys []string
}

// Local reports whether the journal is in a folder, whose path is then Journal.
func (n *Nodes) Local() bool { return n.S3 == nil }

// Chain reports whether the keys of the bucket of the journal are those of AWS's chain.
func (n *Nodes) Chain() bool { return n.S3 != nil && n.S3.Chain }

// Remote returns the reason why the daemon needs a network, for example "the originals of
// site gallery are at a URL", and "" if it needs none.
func (c *Config) Remote() string {
	for i := range c.Sites {
		if !c.Sites[i].Local() {
			return "the originals of site " + c.Sites[i].Thumb.Name + " are at a URL"
		}
	}
	if c.Nodes != nil && !c.Nodes.Local() {
		return "the journal is in a bucket"
	}
	return ""
}

// nodes reads [nodes]. The drafts are those of all sites.
func (r *reader) nodes(c *Config, top table, drafts []*draft) {
	t, ok := r.table(top, "nodes")
	if !ok {
		return
	}
	n := &Nodes{Poll: 2 * time.Second, Wait: 10 * time.Second, Lag: time.Minute, Keep: 7 * day}
	if slices.ContainsFunc(drafts, (*draft).Local) {
		// A folder may be on a mount that caches attributes.
		n.Settle = 5 * time.Second
	}
	r.read(t, nodesFields(n))
	r.missing(t, "journal", `"/srv/shared/thumbd"`)
	r.missing(t, "keys", `["nodes.key"]`)
	if n.Name == "" && !r.bad[t.at("name")] {
		n.Name, _, _ = strings.Cut(strings.ToLower(r.env.Host), ".")
		if !journal.Name.MatchString(n.Name) {
			r.mistake(t.at("name"), "the name of this machine, %q, can't be that of a node; name the node", r.env.Host)
		}
	}
	if n.Lag < 2*n.Poll && !r.bad[t.at("lag")] && !r.bad[t.at("poll")] {
		r.mistake(t.at("lag"), "is %s, less than two poll, %s; raise it", durationText(n.Lag), durationText(2*n.Poll))
	}
	r.nodesKeys(t, n)
	r.nodesStore(t, n, drafts)
	if n.S3 == nil {
		r.checkJournal(t, n, drafts)
	} else {
		r.checkBucket(t, n, drafts)
	}
	c.Nodes = n
}

func nodesFields(n *Nodes) fields {
	return fields{
		"journal": n.setJournal,
		"keys":    list(&n.keys, keyName),
		"name":    text(&n.Name, checkNodeName),
		"poll":    duration(&n.Poll, 200*time.Millisecond, time.Minute),
		"wait":    duration(&n.Wait, 0, 5*time.Minute),
		"settle":  duration(&n.Settle, 0, 5*time.Minute),
		"lag":     duration(&n.Lag, time.Second, time.Hour),
		"keep":    keepTime(&n.Keep),
		"s3":      nil,
	}
}

// setJournal takes the absolute path of a folder, or the URL of a bucket.
func (n *Nodes) setJournal(v any) error {
	s, _ := v.(string)
	switch {
	case !strings.Contains(s, "://"):
		return folder(&n.Journal)(v)
	case !strings.HasPrefix(s, "s3://"):
		return fmt.Errorf(`want an absolute path or a bucket such as "s3://media/thumbd/", have %q`, s)
	}
	bucket, prefix, err := bucketURL(s, "s3://media/thumbd/")
	if err != nil {
		return err
	}
	n.Journal, n.S3 = s, &newStore(bucket, prefix).Options
	return nil
}

// nodesStore reads how the bucket of the journal is asked for: as [nodes.s3] says, or as
// the sites with originals in that bucket do.
func (r *reader) nodesStore(t table, n *Nodes, drafts []*draft) {
	own, ok := r.table(t, "s3")
	switch {
	case !r.sound(t, "journal"):
	case n.S3 == nil && ok:
		r.mistake(own.key, `is for a journal in a bucket, "s3://media/thumbd/"; remove it`)
	case n.S3 == nil:
	case ok:
		o := newStore(n.S3.Bucket, n.S3.Prefix)
		known := storeFields(o)
		known["allow_addresses"] = list(&n.AllowAddresses, network)
		r.read(own, known)
		r.completeStore(own, o, t.at("journal"))
		n.S3 = &o.Options
		if !r.bad[own.at("allow_addresses")] {
			r.checkAddress(own.at("endpoint"), n.S3.URL(), n.AllowAddresses, own.key)
		}
	default:
		r.sitesStore(t, n, drafts)
	}
}

// sitesStore takes how the sites ask for the bucket of the journal.
func (r *reader) sitesStore(t table, n *Nodes, drafts []*draft) {
	var from *draft
	for _, d := range drafts {
		switch {
		case !r.sound(d.table, "originals"):
			return // Its mistake is noted, and it may be the one.
		case d.S3 == nil || d.S3.Bucket != n.S3.Bucket:
			continue
		case from == nil:
			from = d
			continue
		}
		other := *d.S3
		if other.Prefix = from.S3.Prefix; !reflect.DeepEqual(&other, from.S3) {
			r.mistake(t.at("journal"), "%s and %s ask for the bucket %s in different ways; write [nodes.s3] with the keys of one of the two",
				r.ref(from.table), r.ref(d.table), n.S3.Bucket)
			return
		}
	}
	if from == nil {
		r.mistake(t.at("journal"), "no site has its originals in the bucket %s; write [nodes.s3] with access_key and secret_key, and for a store other than AWS with endpoint",
			n.S3.Bucket)
		return
	}
	prefix := n.S3.Prefix
	o := *from.S3
	o.Prefix = prefix
	n.S3, n.AllowAddresses = &o, from.Fetch.AllowAddresses
}

func checkNodeName(s string) error {
	if s != "" && !journal.Name.MatchString(s) {
		return fmt.Errorf("want a name of at most 63 letters a to z, digits and -, have %q", s)
	}
	return nil
}

// keepTime takes a time that is longer than clocks differ.
func keepTime(dst *time.Duration) setter {
	return func(v any) error {
		s, _ := v.(string)
		d, err := ParseAge(s)
		if err != nil || d < time.Hour || d > 366*day {
			return fmt.Errorf(`want a time from 1h to 366d such as "7d" or "36h", have %s`, have(v))
		}
		*dst = d
		return nil
	}
}

// nodesKeys reads the keys of n.
func (r *reader) nodesKeys(t table, n *Nodes) {
	key := t.at("keys")
	if t.has("keys") && !r.bad[key] && len(n.keys) == 0 {
		r.mistake(key, "is empty; whoever writes into the journal could purge: name a key")
	}
	for _, name := range n.keys {
		content := r.key(key, name)
		if len(content) > 0 {
			r.checkLength(key, name, content)
		}
		r.uses = append(r.uses, keyUse{key, "the journal", name, content})
		n.Keys = append(n.Keys, content)
	}
}

// checkJournal notes a journal that shares files with a tree or with originals.
func (r *reader) checkJournal(t table, n *Nodes, drafts []*draft) {
	if !r.sound(t, "journal") {
		return
	}
	path, err := r.env.Resolve(n.Journal)
	if err != nil {
		path = n.Journal
		r.warn(t.at("journal"), "%v; whether it shares files with other folders is not known", err)
	}
	for _, d := range drafts {
		for _, other := range []struct{ what, path string }{{"tree", d.tree}, {"originals", d.originals}} {
			if within(path, other.path) || within(other.path, path) {
				r.mistake(t.at("journal"), "%s and the %s of %s, %s, contain each other; choose another folder", path, other.what, r.ref(d.table), other.path)
			}
		}
	}
}

// checkBucket notes a journal in a bucket that shares keys with originals.
func (r *reader) checkBucket(t table, n *Nodes, drafts []*draft) {
	for _, d := range drafts {
		if d.S3 == nil || d.S3.Bucket != n.S3.Bucket || !sameStore(d.S3.Endpoint, n.S3.Endpoint) {
			continue
		}
		if mine, other := n.S3.Prefix, d.S3.Prefix; strings.HasPrefix(mine, other) || strings.HasPrefix(other, mine) {
			r.mistake(t.at("journal"), "%s and the originals of %s, s3://%s/%s, contain each other; choose another prefix or bucket", n.Journal, r.ref(d.table), d.S3.Bucket, other)
		}
	}
}

// sameStore reports whether two endpoints are of one store. nil is AWS, where the name of a
// bucket is taken once for all regions.
func sameStore(a, b *url.URL) bool {
	return a == b || a != nil && b != nil && a.Host == b.Host
}
