// SPDX-License-Identifier: MIT

// Package fetch copies originals from an origin over HTTP into a spool. It dials
// no address that the site does not allow, keeps the site's limits of size and
// time, and fetches each original once for all requests that wait for it. It
// parses no original. Its errors are those of an originals.Distant.
//
// It is larger than other packages because each step of a fetch (address, request, body,
// spool, eviction) keeps a limit for the others. A border between them would be a place
// where an address or a byte is not counted. Each step is a file.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"thumbd/internal/flight"
	"thumbd/internal/originals"
	"thumbd/internal/thumb"
)

// Options are the options of an Origin. All but the lists must be set.
type Options struct {
	Site    string         // whose originals these are
	Base    *url.URL       // http or https; its path ends in /, and it has nothing after it
	Formats []thumb.Format // that an original may begin as
	Dialect Dialect        // nil: a server of files

	// AllowAddresses are special addresses (loopback, private, link-local and so
	// on) that may be dialed all the same, for example 10.0.0.0/8.
	AllowAddresses []netip.Prefix
	// AllowHosts are the hosts that redirects may lead to, beside the Base's: in
	// lower case, exact (cdn.example), as a suffix (*.cdn.example), or * for any.
	AllowHosts []string
	// AllowPorts are the ports that redirects may lead to, beside 80, 443 and the
	// Base's.
	AllowPorts []int
	Redirects  int // most that are followed

	ConnectTime time.Duration // for finding and connecting to the origin, and again for TLS
	HeaderTime  time.Duration // from the request to the answer's header
	TotalTime   time.Duration // for all of a fetch, waiting for its turn included
	Rate        int64         // bytes per second; a body that comes slower is given up
	Fetches     int           // at once
	Queue       int           // fetches that may wait for their turn
	// OriginalBytes is the maximum size of one original.
	OriginalBytes int64
	// Lifetime is the age at which a thumbnail is rendered again. An Origin does
	// not use it.
	Lifetime time.Duration
}

// Origin is the originals of a site that are on an HTTP server. Its methods are
// safe for concurrent use.
type Origin struct {
	options Options
	spool   *Spool
	client  *http.Client
	flights *flight.Group[original, record]
	all     context.Context // ends all requests in flight
	stop    context.CancelCauseFunc
	memory  *memory
	turns   chan struct{}
	waiting atomic.Int64
	window  time.Duration // over which Rate is measured
	asking  time.Duration // the longest of Probe and Ask
}

const (
	// rateWindow is how long a body may be slower than the minimum rate.
	rateWindow = 5 * time.Second
	// askTime is the time limit of Probe and Ask.
	askTime = 30 * time.Second
)

// New returns the originals of o as a source. Fetched originals are kept in spool. New
// sends no request. The caller calls Close.
func New(o Options, spool *Spool) *Origin { return newOrigin(o, spool, net.DefaultResolver) }

func newOrigin(options Options, spool *Spool, resolver *net.Resolver) *Origin {
	o := &Origin{
		options: options, spool: spool,
		memory: newMemory(),
		turns:  make(chan struct{}, options.Fetches), window: rateWindow, asking: askTime,
	}
	o.all, o.stop = context.WithCancelCause(context.Background())
	o.flights = flight.New(o.all, func(of original) string { return of.key }, func(record) {})
	o.client = o.newClient(resolver)
	return o
}

// Stop ends all fetches in flight. Later fetches return originals.ErrStopped.
func (o *Origin) Stop() { o.stop(originals.ErrStopped) }

// Close waits for the fetches in flight and closes connections. The caller must
// not call Open after it. Files that Open has returned stay open.
func (o *Origin) Close() {
	o.flights.Wait()
	o.client.CloseIdleConnections()
}

// Open returns the original of this name, segments joined by /, for reading
// from offset 0, as the origin has it now: the spool's copy, if the origin
// says that the copy is still good, or a new copy. The caller closes the file. Nobody
// writes to the file.
//
// Concurrent calls for one original share one fetch. If the contexts of all callers are
// done, the fetch ends early. A failure is remembered for a short
// time: for one original, or for the whole origin if it does not answer. If Forget ends a
// fetch, Open fetches anew, but not for longer than Options.TotalTime in all.
//
// Info.Mtime is the origin's Last-Modified, with a fraction of a second that is
// made from the content. If the origin sends none, it is a time between 2001 and
// 2020 that is made from the content alone. So it is the same on every node for
// the same content, and differs for other content.
func (o *Origin) Open(ctx context.Context, name string) (*os.File, originals.Info, error) {
	of, err := o.original(name)
	if err != nil {
		return nil, originals.Info{}, err
	}
	again, cancel := context.WithTimeoutCause(ctx, o.options.TotalTime, fmt.Errorf("%w: purged again and again meanwhile", o.slow("total_time")))
	defer cancel()
	// A fetched file may be evicted before it is opened.
	for tries := 0; tries < 3; {
		r, err := o.fetchOnce(ctx, of)
		if errors.Is(err, errForgotten) {
			ctx = again
			continue
		}
		if err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, originals.ErrSlow) {
				err = cause
			}
			return nil, originals.Info{}, fmt.Errorf("fetch %s: %w", of.url, err)
		}
		// The fetch's own bytes: another process may have put earlier ones in their place.
		f, err := o.spool.open(of.key, r)
		if err == nil {
			return f, originals.Info{Mtime: r.Mtime, Size: r.Size, Fixed: true}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, originals.Info{}, fmt.Errorf("fetch %s: %w", of.url, err)
		}
		tries++
	}
	return nil, originals.Info{}, fmt.Errorf("fetch %s: %w: spool_bytes is too small for them", of.url, originals.ErrBusy)
}

// fetchOnce fetches an original, once for all callers that wait for it, unless a failure
// is remembered. It returns the record of the copy.
func (o *Origin) fetchOnce(ctx context.Context, of original) (record, error) {
	if err := o.memory.get(of.key); err != nil {
		return record{}, err
	}
	r, release, err := o.flights.Do(ctx, of, func() flight.Func[record] {
		return func(ctx context.Context, _ <-chan struct{}) (record, error) { return o.fetch(ctx, of) }
	})
	release()
	return r, err
}

// original is where an original is: its name in the site, its URL at the origin, and its
// copy in the spool.
type original struct {
	name string
	url  *url.URL
	key  string // of the copy in the spool
}

// original returns the original of that name.
func (o *Origin) original(name string) (original, error) {
	u, err := o.url(name)
	if err != nil {
		return original{}, err
	}
	return original{name, u, o.key(u)}, nil
}

// Path returns the URL of the original of that name, for the log.
func (o *Origin) Path(name string) string {
	u, err := o.url(name)
	if err != nil {
		return o.options.Base.String() + name
	}
	return u.String()
}

// Exists reports whether the origin has the original of that name, without a
// request to it. An error means that this is not known.
func (o *Origin) Exists(name string) (bool, error) {
	of, err := o.original(name)
	if err == nil {
		err = o.memory.get(of.key)
	}
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, originals.ErrUntold) {
		return false, nil
	}
	return false, fmt.Errorf("%s: not known without asking the origin", o.Path(name))
}

// Probe sends HEAD for the origin's base URL. It returns an error unless the
// origin answers with a status below 500, or says that it does not know HEAD.
func (o *Origin) Probe() error {
	err := o.ask(http.MethodHead, o.options.Base, func(resp *http.Response) error {
		if resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented {
			return fmt.Errorf("%w: status %d", originals.ErrOrigin, resp.StatusCode)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("originals %s: %w", o.options.Base, err)
	}
	return nil
}

// Ask returns the error that Open would return, as far as the header of the
// answer tells. It spools nothing.
func (o *Origin) Ask(name string) error {
	u, err := o.url(name)
	if err != nil {
		return err
	}
	// Some origins do not answer HEAD.
	err = o.ask(http.MethodGet, u, func(resp *http.Response) error { return o.checkAnswer(resp, false) })
	if err != nil {
		return fmt.Errorf("fetch %s: %w", u, err)
	}
	return nil
}

func (o *Origin) ask(method string, u *url.URL, check func(*http.Response) error) error {
	limit := min(o.options.TotalTime, o.asking)
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("%w: no answer within %v", originals.ErrSlow, limit))
	defer cancel()
	resp, err := o.request(ctx, method, u, record{})
	if err != nil {
		return o.explain(ctx, err)
	}
	defer resp.Body.Close()
	return check(resp)
}

// url returns the URL of the original of that name. Each byte of a segment is
// percent-encoded unless RFC 3986 calls it unreserved: "a b.jpg" is a%20b.jpg.
func (o *Origin) url(name string) (*url.URL, error) {
	var b strings.Builder
	for i, segment := range strings.Split(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return nil, fmt.Errorf("original %q: %w", name, fs.ErrNotExist)
		}
		if i > 0 {
			b.WriteByte('/')
		}
		escape(&b, segment)
	}
	u := *o.options.Base
	u.Path += name
	u.RawPath = o.options.Base.EscapedPath() + b.String()
	return &u, nil
}

func escape(b *strings.Builder, segment string) {
	for i := range len(segment) {
		c := segment[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(b, "%%%02X", c)
		}
	}
}
