// SPDX-License-Identifier: MIT

package config

import (
	"strings"
	"time"

	"thumbd/internal/fetch"
	"thumbd/internal/s3"
)

// Distant is how the originals of a site are reached if they are on another machine. For
// originals in a folder all fields are nil.
type Distant struct {
	// Fetch has the limits and the URL of originals on another machine, of every kind. Its
	// Formats are not set.
	Fetch *fetch.Options
	// S3 is set beside Fetch if the originals are in a bucket.
	S3 *s3.Options
}

// Local reports whether the originals are in a folder of this machine. The folder can be
// watched and walked, and a user's rights to it be looked at. If they are elsewhere, the
// daemon needs a network.
func (d Distant) Local() bool { return d.Fetch == nil }

// Lifetime is the age at which a thumbnail counts as outdated, because nobody tells of
// changes of its original; 0: there is none.
func (d Distant) Lifetime() time.Duration {
	if d.Fetch == nil {
		return 0
	}
	return d.Fetch.Lifetime
}

// URL returns the URL that the names of originals are appended to, for example
// "https://origin.example/media/", and "" for originals in a folder.
func (d Distant) URL() string {
	if d.Fetch == nil {
		return ""
	}
	return d.Fetch.Base.String()
}

// Chain reports whether the keys with which originals are asked for are those of AWS's
// chain.
func (d Distant) Chain() bool { return d.S3 != nil && d.S3.Chain }

// distant is a kind of originals on another machine.
type distant struct {
	begins string // the beginning of the value of originals, for example "s3://"
	// set takes the value of originals, and sets the defaults of Distant.
	set func(d *draft, value string) error
	// section is the name of the section with the keys of this kind alone, for example
	// "s3" for [site.NAME.s3]; "": there is none. read completes Distant from it. If the
	// site lacks the section, t is empty. means describes the originals in a mistake.
	section string
	read    func(r *reader, d *draft, t table)
	means   string
}

// distants are all kinds. The first kind that fits a value takes it. A value without ://
// is a folder.
var distants = []*distant{
	{"s3://", (*draft).setBucket, "s3", (*reader).s3, `originals in a bucket, "s3://media/photos/"`},
	{begins: "", set: (*draft).setOrigin},
}

// setOriginals takes an absolute path, or the URL of originals on another machine.
func (d *draft) setOriginals(v any) error {
	s, _ := v.(string)
	if !strings.Contains(s, "://") {
		return folder(&d.Originals)(v)
	}
	for _, kind := range distants {
		if strings.HasPrefix(s, kind.begins) {
			d.distant = kind
			return kind.set(d, s)
		}
	}
	return nil
}

// distantFields are the sections of all kinds.
func distantFields() fields {
	known := fields{"fetch": nil}
	for _, kind := range distants {
		if kind.section != "" {
			known[kind.section] = nil
		}
	}
	return known
}

// distant reads the sections about originals on another machine.
func (r *reader) distant(c *Config, d *draft) {
	for _, kind := range distants {
		if kind.section == "" {
			continue
		}
		t, ok := r.table(d.table, kind.section)
		switch {
		case d.distant != kind:
			if ok && r.sound(d.table, "originals") {
				r.mistake(t.key, "is for %s; remove it", kind.means)
			}
		case d.Fetch != nil:
			if !ok {
				t = table{key: d.table.at(kind.section)}
			}
			kind.read(r, d, t)
		}
	}
	r.fetch(c, d)
}
