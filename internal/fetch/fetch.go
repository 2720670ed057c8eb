// SPDX-License-Identifier: MIT

// Package fetch brings originals from an origin over HTTP into a spool: never
// from an address that the site does not allow, never more or for longer than
// it allows, and each once for all who wait for it. It parses none of them.
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

	"thumbd/internal/originals"
	"thumbd/internal/thumb"
)

// Why an original could not be fetched, beside [fs.ErrNotExist], for what the
// origin says is gone, and originals.ErrTooLarge.
var (
	// ErrOrigin is the origin's trouble: it refuses connections, answers with an
	// error or with what is no answer.
	ErrOrigin = errors.New("the origin failed")
	// ErrSlow is its slowness: a limit of time or the floor of its rate.
	ErrSlow = errors.New("the origin is too slow")
	// ErrForbidden is an address or a redirect that the site does not allow.
	ErrForbidden = errors.New("the origin leads to where the site does not let it")
	ErrType      = errors.New("what the origin sent begins as no format of original_formats")
	// ErrBusy is more fetches than may wait, or than fit into spool_bytes.
	ErrBusy = errors.New("too many originals are being fetched")
	// ErrSpool is trouble with the spool's folder. Its text has the path.
	ErrSpool = errors.New("the spool can't be used")
	// ErrStopped is what Stop makes of all fetches.
	ErrStopped = errors.New("thumbd is stopping")
)

// Options are an Origin's. All but the lists must be set.
type Options struct {
	Site    string         // whose originals these are
	Base    *url.URL       // http or https; its path ends in /, and it has nothing after it
	Formats []thumb.Format // that an original may begin as

	// AllowAddresses may be dialed although they are special: loopback,
	// private, link-local and so on.
	AllowAddresses []netip.Prefix
	// AllowHosts are those that redirects may lead to beside the Base's, in lower
	// case, exact, as *.suffix, or * for any.
	AllowHosts []string
	// AllowPorts are those of redirects beside 80, 443 and the Base's.
	AllowPorts []int
	Redirects  int // most that are followed

	ConnectTime time.Duration // for finding and connecting to the origin, and again for TLS
	HeaderTime  time.Duration // from the request to the answer's header
	TotalTime   time.Duration // for all of a fetch, waiting for its turn included
	Rate        int64         // bytes per second; a body that comes slower is given up
	Fetches     int           // at once
	Queue       int           // fetches that may wait for their turn
	// OriginalBytes is the most of one original.
	OriginalBytes int64
	// Lifetime is after how long a thumbnail is made anew. An Origin has no use
	// for it.
	Lifetime time.Duration
}

// Origin is the originals of a site that come from elsewhere. Its methods are
// safe for concurrent use.
type Origin struct {
	options Options
	spool   *Spool
	client  *http.Client
	flights *flights
	memory  *memory
	turns   chan struct{}
	waiting atomic.Int64
	window  time.Duration // over which Rate is measured
	asking  time.Duration // the longest of Probe and Ask
}

const (
	// rateWindow is how long a body may stay under its rate.
	rateWindow = 5 * time.Second
	// askTime is how long somebody waits who asks how an origin is.
	askTime = 30 * time.Second
)

// New returns the originals of o, which are kept in spool, and asks for none.
// They end with Close.
func New(o Options, spool *Spool) *Origin { return newOrigin(o, spool, new(net.Resolver)) }

func newOrigin(options Options, spool *Spool, resolver *net.Resolver) *Origin {
	o := &Origin{
		options: options, spool: spool,
		flights: newFlights(), memory: newMemory(),
		turns: make(chan struct{}, options.Fetches), window: rateWindow, asking: askTime,
	}
	o.client = o.newClient(resolver)
	return o
}

// Stop ends what is being fetched, and has later fetches fail.
func (o *Origin) Stop() { o.flights.stop(ErrStopped) }

// Close waits for what is being fetched and lets go of connections. Open must
// not be called any more. Files that it has returned stay open.
func (o *Origin) Close() {
	o.flights.wait()
	o.client.CloseIdleConnections()
}

// Open returns the original of that name, segments joined by /, for reading
// from offset 0, as the origin has it now: the spool's copy, if the origin
// says that it is still good, or a new one. The caller closes the file, which
// nobody writes to.
//
// Fetches of one original are one, which is given up when ctx is done for all
// who wait for it. What could not be fetched is remembered for a short time,
// and so is that the origin does not answer at all.
//
// Info's Mtime is the origin's Last-Modified with a fraction of a second made
// from the content, or where it gives none a time in the past that is made
// from the content alone: on every node the same for the same content, and
// another for another.
func (o *Origin) Open(ctx context.Context, name string) (*os.File, originals.Info, error) {
	u, err := o.url(name)
	if err != nil {
		return nil, originals.Info{}, err
	}
	key := o.key(u)
	// What is fetched may be evicted before it is opened.
	for range 3 {
		err := o.memory.get(key)
		if err == nil {
			err = o.flights.do(ctx, key, func(ctx context.Context) error { return o.fetch(ctx, key, u) })
		}
		if err != nil {
			return nil, originals.Info{}, fmt.Errorf("fetch %s: %w", u, err)
		}
		f, r, err := o.spool.open(key)
		if err == nil {
			return f, originals.Info{Mtime: r.Mtime, Size: r.Size, Fixed: true}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, originals.Info{}, fmt.Errorf("fetch %s: %w", u, err)
		}
	}
	return nil, originals.Info{}, fmt.Errorf("fetch %s: %w: spool_bytes is too small for them", u, ErrBusy)
}

// Path returns the URL of the original of that name, for the log.
func (o *Origin) Path(name string) string {
	u, err := o.url(name)
	if err != nil {
		return o.options.Base.String() + name
	}
	return u.String()
}

// Exists reports whether the origin has the original of that name, as far as
// that is known without asking it. With an error it is not known.
func (o *Origin) Exists(name string) (bool, error) {
	u, err := o.url(name)
	if err == nil {
		err = o.memory.get(o.key(u))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return false, fmt.Errorf("%s: not known without asking the origin", o.Path(name))
}

// Probe asks for the origin's base and returns an error unless there is an
// answer, of whatever status below 500 or one that knows no HEAD.
func (o *Origin) Probe() error {
	err := o.ask(http.MethodHead, o.options.Base, func(resp *http.Response) error {
		if resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented {
			return fmt.Errorf("%w: status %d", ErrOrigin, resp.StatusCode)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("originals %s: %w", o.options.Base, err)
	}
	return nil
}

// Ask returns an error as Open would if the origin's header says so already,
// and spools nothing.
func (o *Origin) Ask(name string) error {
	u, err := o.url(name)
	if err != nil {
		return err
	}
	// Not HEAD, which some origins do not answer.
	err = o.ask(http.MethodGet, u, func(resp *http.Response) error { return o.checkAnswer(resp, false) })
	if err != nil {
		return fmt.Errorf("fetch %s: %w", u, err)
	}
	return nil
}

func (o *Origin) ask(method string, u *url.URL, check func(*http.Response) error) error {
	limit := min(o.options.TotalTime, o.asking)
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("%w: no answer within %v", ErrSlow, limit))
	defer cancel()
	resp, err := o.request(ctx, method, u, record{})
	if err != nil {
		return o.explain(ctx, err)
	}
	resp.Body.Close()
	return check(resp)
}

// url returns where the origin has the original of that name: each of its
// segments percent-encoded, all but what RFC 3986 calls unreserved.
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
