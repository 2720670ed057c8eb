// SPDX-License-Identifier: MIT

package s3

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"thumbd/internal/fetch"
	"thumbd/internal/names"
	"thumbd/internal/originals"
)

const (
	// pageKeys is the number of keys in a list, the most of all stores.
	pageKeys = 1000
	// maxList is the most bytes of a list: 1000 keys of 1024 bytes, escaped, and more.
	maxList = 8 << 20
	// pageTime is how long a page counts. An original that comes within it loses its
	// thumbnail to gc, and gets it back with the next request.
	pageTime = time.Minute
	// listTrouble is how long the error of a list counts.
	listTrouble = 30 * time.Second
	// mostPages are kept: of 1000 keys each, some 20 MB.
	mostPages = 100
)

// object is a key below the prefix, as a list tells it.
type object struct {
	name     string // below the prefix
	version  time.Time
	modified time.Time
	size     int64
}

// page is a list: all keys after "after" up to the last of objects, or to the end of the
// bucket.
type page struct {
	after   string
	objects []object
	end     bool // nothing follows
	at      time.Time
}

// last returns the last name that the page tells of.
func (p *page) last() string {
	if len(p.objects) == 0 {
		return p.after
	}
	return p.objects[len(p.objects)-1].name
}

// tells reports whether the page tells of name.
func (p *page) tells(name string) bool { return p.after < name && (p.end || name <= p.last()) }

// find returns the object of that name.
func (p *page) find(name string) (object, bool) {
	i := sort.Search(len(p.objects), func(i int) bool { return p.objects[i].name >= name })
	if i < len(p.objects) && p.objects[i].name == name {
		return p.objects[i], true
	}
	return object{}, false
}

// pages are the lists of the last minute.
type pages struct {
	mu     sync.Mutex
	list   []*page // the newest first
	err    error
	failed time.Time
	since  time.Time // older pages are not kept
}

// result is the body of ListObjectsV2.
type result struct {
	XMLName     xml.Name `xml:"ListBucketResult"`
	IsTruncated *bool    // that it is missing means that this is no list
	// EncodingType is "url" if keys are escaped, as was asked for. Some stores do not.
	EncodingType string
	Contents     []struct {
		Key          string
		LastModified time.Time
		ETag         string
		Size         int64
	}
}

// query selects the keys below the prefix that a list has.
type query struct {
	below string // that begin so
	after string // in the order of keys
	most  int
}

func (b *Bucket) list(ctx context.Context, q query) (*page, error) {
	o := b.options
	u := *b.Base()
	u.Path = strings.TrimSuffix(u.Path, o.Prefix)
	u.RawPath = escapePath(u.Path)
	args := []string{"encoding-type=url", "list-type=2", "max-keys=" + strconv.Itoa(q.most)}
	if prefix := o.Prefix + q.below; prefix != "" {
		args = append(args, "prefix="+escape(prefix))
	}
	if q.after != "" {
		args = append(args, "start-after="+escape(o.Prefix+q.after))
	}
	u.RawQuery = strings.Join(args, "&")
	at := time.Now()
	answer, err := b.Call(ctx, fetch.Call{Method: http.MethodGet, URL: &u, Most: maxList})
	if err == nil {
		var p *page
		if p, err = b.page(answer.Body, q); err == nil {
			p.at = at
			return p, nil
		}
	}
	// No right to list says nothing of an original.
	if errors.Is(err, originals.ErrUntold) {
		err = fmt.Errorf("%w (s3:ListBucket): %s", originals.ErrUnlisted, err.Error())
	}
	return nil, fmt.Errorf("list %s: %w", b.Path(""), err)
}

// page reads a list.
func (b *Bucket) page(body []byte, q query) (*page, error) {
	var r result
	if err := xml.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("%w: its list is not XML as it should be: %.200s", originals.ErrOrigin, err.Error())
	}
	if r.IsTruncated == nil {
		return nil, fmt.Errorf("%w: a list that does not say whether more follows", originals.ErrOrigin)
	}
	more := *r.IsTruncated
	if more && len(r.Contents) == 0 {
		return nil, fmt.Errorf("%w: a list says that more follows, and has nothing", originals.ErrOrigin)
	}
	p := &page{after: q.after, end: !more}
	for _, c := range r.Contents {
		key := c.Key
		if r.EncodingType == "url" {
			// Some stores write a space as +, and then a plus as %2B.
			decoded, err := url.QueryUnescape(key)
			if err != nil {
				return nil, fmt.Errorf("%w: a list with a key that is not encoded right", originals.ErrOrigin)
			}
			key = decoded
		}
		name, ok := strings.CutPrefix(key, b.options.Prefix)
		if !ok || !strings.HasPrefix(name, q.below) || name <= p.last() && name != "" {
			return nil, fmt.Errorf("%w: a list out of order, or with keys that were not asked for", originals.ErrOrigin)
		}
		if name == "" {
			continue // the marker of a folder
		}
		version, _ := fetch.ETagVersion(c.ETag)
		p.objects = append(p.objects, object{name, version, c.LastModified, c.Size})
	}
	return p, nil
}

// Walk implements originals.Lister. A list that fails ends it.
func (b *Bucket) Walk(ctx context.Context, f func(name string) error, _ func(error)) error {
	for after := ""; ; {
		p, err := b.list(ctx, query{after: after, most: pageKeys})
		if err != nil {
			return err
		}
		if len(p.objects) > 0 {
			b.pages.keep(p)
		}
		for _, o := range p.objects {
			// The marker of a folder ends with a slash.
			if !names.Visible(o.name) {
				continue
			}
			if err := f(o.name); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		if p.end {
			return nil
		}
		after = p.last()
	}
}

// Device implements originals.Teller: a number of the endpoint, bucket and prefix.
func (b *Bucket) Device() (uint64, error) {
	p, err := b.list(context.Background(), query{most: pageKeys})
	if err != nil {
		return 0, err
	}
	if len(p.objects) == 0 && p.end {
		return 0, fmt.Errorf("%w in %s", originals.ErrEmpty, b.Path(""))
	}
	b.pages.keep(p)
	sum := sha256.Sum256([]byte(b.Base().String()))
	return binary.BigEndian.Uint64(sum[:]) | 1, nil
}

// Stat implements originals.Teller. It asks for a list of the original and the 999 after
// it. If these are asked for in order, the same list has the answers: one request for a
// thousand originals.
func (b *Bucket) Stat(name string) (originals.Info, error) {
	o, ok, err := b.look(name)
	switch {
	case err != nil:
		return originals.Info{}, err
	case !ok:
		return originals.Info{}, fmt.Errorf("%s: %w", b.Path(name), fs.ErrNotExist)
	case o.version.IsZero():
		return originals.Info{}, fmt.Errorf("%s: %w: the list has no ETag", b.Path(name), originals.ErrOrigin)
	}
	return originals.Info{Mtime: o.version, Size: o.size, Modified: o.modified, Fixed: true}, nil
}

// Deleted implements originals.Teller: if a list does not have the original, it was
// deleted.
func (b *Bucket) Deleted(name string) (bool, error) {
	_, ok, err := b.look(name)
	return err == nil && !ok, err
}

// look returns an object from a list of the last minute or from a new one.
func (b *Bucket) look(name string) (object, bool, error) {
	if p, err := b.pages.of(name); p != nil || err != nil {
		if err != nil {
			return object{}, false, err
		}
		o, ok := p.find(name)
		return o, ok, nil
	}
	q := query{below: name, most: 1}
	if after, ok := before(name); ok {
		q = query{after: after, most: pageKeys}
	}
	p, err := b.list(context.Background(), q)
	if err == nil && len(p.objects) == 0 {
		// Nothing follows. If there is nothing at all, the store's disk is away, and
		// nothing is known to be deleted.
		_, err = b.Device()
	}
	if err != nil {
		b.pages.fail(err)
		return object{}, false, err
	}
	if q.below == "" {
		b.pages.keep(p)
	}
	o, ok := p.find(name)
	return o, ok, nil
}

// before returns a name before the given one in the order of keys, with next to none
// between the two. Not ok: there is none that is sure to be text.
func before(name string) (_ string, ok bool) {
	last := len(name) - 1
	if last < 0 || name[last] <= '!' || name[last] > '~' {
		return "", false
	}
	return name[:last] + string(rune(name[last]-1)) + "~", true
}

// of returns a page that tells of name, or the error of a list that failed shortly
// before; neither if one has to be asked for.
func (p *pages) of(name string) (*page, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.list {
		if time.Since(one.at) < pageTime && one.tells(name) {
			return one, nil
		}
	}
	if p.err != nil && time.Since(p.failed) < listTrouble {
		return nil, p.err
	}
	return nil, nil
}

// keep adds a page in front of the others.
func (p *pages) keep(one *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = nil
	if one.at.Before(p.since) {
		return
	}
	p.list = append([]*page{one}, p.list[:min(len(p.list), mostPages-1)]...)
}

// forget removes all pages and the error, also those of lists in flight.
func (p *pages) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list, p.err, p.since = nil, nil, time.Now()
}

func (p *pages) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.failed = err, time.Now()
}

// CanList implements originals.Lister: it asks for a list of one key. Without the right
// to list the error is originals.ErrUnlisted.
func (b *Bucket) CanList() error {
	_, err := b.list(context.Background(), query{most: 1})
	return err
}

// Probe asks for a list of one key or, without the right to list, for an object that is
// not there. It returns the error of credentials, clock, region and bucket.
func (b *Bucket) Probe() error {
	err := b.CanList()
	if errors.Is(err, originals.ErrUnlisted) {
		err = b.Ask("thumbd-probe")
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("originals %s: %w", b.Path(""), err)
	}
	return nil
}
