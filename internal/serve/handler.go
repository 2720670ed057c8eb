// SPDX-License-Identifier: MIT

// Package serve answers nginx: it leads each request through the stages from
// its URI to the published thumbnail. It is the only package that knows the
// answer to each error.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"thumbd/internal/render"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// Prefix of the URIs of thumbd's own, matched on the raw request line.
const internalPrefix = "/_thumbd/"

// retryAfter is how many seconds a client is told to wait after a 503.
const retryAfter = "5"

// Options are a Handler's. All but Report must be set.
type Options struct {
	Log *slog.Logger
	// Health returns nil, or the reason why thumbd is not well, in one line. It is
	// the answer to /_thumbd/health.
	Health func() error
	// Report returns the value that /report answers as JSON. It may try folders and
	// take its time. nil: there is none.
	Report func() any
	// Count is called for each Event, from any goroutine. nil: nothing is counted.
	Count func(Event)
	// Metrics answers /metrics and /status for administrators; nil: nobody does.
	Metrics http.Handler
}

// Handler is the http.Handler behind nginx. Its methods are safe for
// concurrent use.
type Handler struct {
	options      Options
	sites        holder
	flights      *flights
	loops        *loops
	telling      *telling
	purges       *purges
	sampler      *sampler
	placeholders *placeholders
	warming      chan struct{} // has a place for each original at once
	behind       *behind
	// Requests that are being answered, and when the last one was.
	active atomic.Int64
	last   atomic.Int64 // nanoseconds since 1970
}

// New returns a Handler that refuses all because of ErrConfiguration, until it
// has sites.
func New(o Options) *Handler {
	if o.Count == nil {
		o.Count = func(Event) {}
	}
	if o.Metrics == nil {
		o.Metrics = http.NotFoundHandler()
	}
	h := &Handler{
		options: o, flights: newFlights(), loops: newLoops(), telling: newTelling(), purges: newPurges(), sampler: newSampler(),
		placeholders: newPlaceholders(),
		// One more than work at once, so that each worker finds the next.
		warming: make(chan struct{}, runtime.GOMAXPROCS(0)+1),
		behind:  newBehind(runtime.GOMAXPROCS(0) + 1),
	}
	h.Refuse(ErrConfiguration)
	h.last.Store(time.Now().UnixNano())
	return h
}

// Idle returns for how long nobody has asked for a thumbnail.
func (h *Handler) Idle() time.Duration {
	if h.active.Load() > 0 {
		return 0
	}
	return time.Since(time.Unix(0, h.last.Load()))
}

// SetSites has later requests go to these sites. Renders that run publish
// nothing any more that these make otherwise. The function that it returns
// waits until nothing uses the sites of before any more.
func (h *Handler) SetSites(s *Sites) (wait func()) {
	h.purges.equip(s)
	old, unused := h.sites.swap(s, nil)
	forget := supersede(old, s)
	return func() {
		unused()
		forget()
	}
}

// Refuse has later requests refused because of cause, ErrConfiguration for one.
// The function that it returns waits until nothing uses the sites of before.
func (h *Handler) Refuse(cause error) (wait func()) {
	_, wait = h.sites.swap(nil, cause)
	return wait
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch {
	case r.RequestURI == authURI:
		h.auth(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		err = errMethod
	case strings.HasPrefix(r.RequestURI, internalPrefix):
		err = h.internal(w, r)
	default:
		event := Event{What: Requested}
		event.Site, err = h.thumbnail(w, r)
		event.Outcome = outcomeOf(w.Header())
		if err != nil {
			event.Outcome = statusOf(err).reason
		}
		h.options.Count(event)
	}
	if err != nil {
		h.refuse(w, r, err)
	}
}

func (h *Handler) internal(w http.ResponseWriter, r *http.Request) error {
	if r.RequestURI != internalPrefix+"health" {
		return errNoService
	}
	if err := h.options.Health(); err != nil {
		return fmt.Errorf("%w: %w", errUnwell, err)
	}
	w.Header().Set("Cache-Control", "no-store")
	body(w, http.StatusOK, "ok")
	return nil
}

// asked is a request for a thumbnail that may be answered.
type asked struct {
	*Site
	thumb     thumb.Thumb
	transform thumb.Transform
	uri       string // decoded, as nginx's $uri
	name      string // what is published: uri and the negotiated suffix
	// unseen is true if nginx can't look for the published file, as the suffix of its
	// negotiated format makes the name too long: thumbd sends it.
	unseen  bool
	company *render.Company // of a sibling in the background, else nil
	wanted  <-chan struct{} // closed once a client waits for such a sibling
}

// published returns a's thumb with the format that is published.
func (a asked) published() thumb.Thumb {
	t := a.thumb
	t.Spec.Format = a.transform.Format
	return t
}

// key names the flight of a.
func (a asked) key() string { return a.Thumb.Name + a.name }

// parse leads r through the stages that need no file.
func (sites *Sites) parse(r *http.Request) (asked, error) {
	uri, err := thumb.Normalize(r.RequestURI)
	if err != nil {
		return asked{}, err
	}
	found, err := sites.thumbs.Find(r.Host, uri)
	if err != nil {
		return asked{}, err
	}
	// With an error the site is known all the same.
	site := sites.byThumb[found]
	if err := sites.prove(r, site, uri); err != nil {
		return asked{Site: site}, err
	}
	t, err := found.Parse(uri)
	if err != nil {
		return asked{Site: site}, err
	}
	if err := sign.Verify(t); err != nil {
		return asked{Site: site}, err
	}
	a := asked{Site: site, thumb: t, transform: t.Transform(), uri: uri, name: uri}
	if f := a.variant(r.Header); found.Negotiates(uri, f) {
		if name := uri + "." + f.String(); found.CheckName(name) == nil {
			a.name, a.transform = name, t.WithFormat(f)
		} else {
			a.unseen = true
		}
	}
	return a, found.CheckName(a.name)
}

// busy counts a request until the function that it returns is called.
func (h *Handler) busy() (done func()) {
	h.active.Add(1)
	return func() {
		h.last.Store(time.Now().UnixNano())
		h.active.Add(-1)
	}
}

// thumbnail answers a request for a thumbnail or a download, and returns the
// name of its site or section.
func (h *Handler) thumbnail(w http.ResponseWriter, r *http.Request) (site string, err error) {
	defer h.busy()()
	sites, err := h.sites.acquire()
	if err != nil {
		return "", err
	}
	defer sites.users.Done()
	if s, uri := sites.section(r); s != nil {
		return s.Name, h.download(w, r, sites.Accel, s, uri)
	}
	a, err := sites.parse(r)
	if a.Site != nil {
		site = a.Thumb.Name
	}
	if err != nil {
		if errors.Is(err, errNotAsked) {
			h.tellNotAsked(r, a.Site)
		}
		return site, err
	}
	if a.Thumb.Scheme == thumb.InPlace && (a.name == a.uri || !a.Wait) {
		h.answerInPlace(w, sites, a)
		return site, nil
	}
	// An error is that of a connection without deadlines, in a test.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sites.longest + sendTime))
	for range patience {
		if err = h.deliver(w, r, sites, a); !errors.Is(err, errTaken) {
			break
		}
	}
	h.tellOtherForm(a, err)
	if errors.Is(err, render.ErrNoVariant) {
		answerOriginal(w, a.uri)
		return site, nil
	}
	if err = a.moved(err); err != nil && h.answerPlaceholder(w, r, sites, a, err) {
		return site, nil
	}
	return site, err
}

// patience is how often one request is begun anew because of purges.
const patience = 10

// deliver answers a request for a thumbnail, or returns errTaken if a purge took it
// away meanwhile.
func (h *Handler) deliver(w http.ResponseWriter, r *http.Request, sites *Sites, a asked) error {
	// Without nginx the client would choose it.
	id := ""
	if sites.Accel == AccelNginx {
		id = r.Header.Get("X-Request-Id")
	}
	purges, again := h.loops.get(id, a.uri)
	if again && h.answerPublished(w, r, a, purges) {
		return nil
	}
	purges = a.ledger.Count()
	out, release, err := h.flights.do(r.Context(), a, func() makeFunc {
		sites.users.Add(1)
		return func(ctx context.Context, _ <-chan struct{}) (outcome, error) {
			defer sites.users.Done()
			out, err := h.make(ctx, sites.renderer, a)
			if out.rendered {
				h.bring(sites, a)
			}
			return out, err
		}
	})
	defer release()
	switch {
	case err != nil:
		return err
	case out.unpublished != nil:
		h.answerPicture(w, r, a, out)
	default:
		// nginx would not ask for ever.
		if again && h.answerPublished(w, r, a, purges) {
			return nil
		}
		h.loops.add(id, a.uri, purges)
		if a.unseen {
			return h.answerThere(w, r, AccelDirect, a)
		}
		return h.answerThere(w, r, sites.Accel, a)
	}
	return nil
}

// answerPublished answers with the published file itself, which nginx was
// redirected to after so many purges and did not find, and reports whether
// there was one.
func (h *Handler) answerPublished(w http.ResponseWriter, r *http.Request, a asked, purges uint64) bool {
	f, err := a.Tree.Open(a.name)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false
	}
	if a.Access != nil {
		w.Header().Set("Cache-Control", privateNoStore)
	}
	if a.ledger.Count() != purges {
		// It was there, was purged, and is there again.
		a.header(w, info.Size())
		send(w, r, f)
		return true
	}
	h.options.Count(Event{What: Looped, Site: a.Thumb.Name})
	if more, due := h.telling.due("loop "+a.Thumb.Name, tellPause); due {
		h.options.Log.Warn("nginx does not find what is published: "+
			"its root for the site's prefix must be document_root and readable to it, its try_files must be as thumbd(8) says, "+
			"and open_file_cache_errors and open_file_cache must be off there",
			"site", a.Thumb.Name, "uri", a.uri, "document_root", a.Thumb.DocumentRoot, "more", more)
	}
	a.header(w, info.Size())
	send(w, r, f)
	return true
}

// answerPicture answers with a picture that could not be published.
func (h *Handler) answerPicture(w http.ResponseWriter, r *http.Request, a asked, out outcome) {
	if w.Header().Set("Cache-Control", "no-store"); a.Access != nil {
		w.Header().Set("Cache-Control", privateNoStore)
	}
	a.header(w, out.size)
	send(w, r, io.NewSectionReader(out.unpublished, 0, out.size))
}

// privateNoStore is the Cache-Control of a protected picture that thumbd sends
// past the site's location, which would set its own.
const privateNoStore = "private, no-store"

// vary says that the answer to another client may be another one.
func (a asked) vary(h http.Header) {
	if len(a.Thumb.Negotiate) > 0 {
		h.Set("Vary", "Accept")
	}
}

func (a asked) header(w http.ResponseWriter, size int64) {
	a.vary(w.Header())
	w.Header().Set("Content-Type", a.transform.Format.MediaType())
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
}

func send(w http.ResponseWriter, r *http.Request, content io.Reader) {
	if r.Method == http.MethodHead {
		return
	}
	// An error is the client's going away, or shows as a short answer.
	_, _ = io.Copy(w, content)
}

// refuse answers err. It logs the errors that their origin has not logged.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s := statusOf(err)
	uri := withoutQuery(r.RequestURI)
	if hidden, ok := errors.AsType[redacted](err); ok {
		uri = hidden.uri
	}
	if !errors.Is(err, errLogged) {
		h.options.Log.Debug("refused", "uri", uri, "status", s.code, "reason", s.reason, "err", err)
	}
	answerRefusal(w, s, err)
}

func answerRefusal(w http.ResponseWriter, s status, err error) {
	header := w.Header()
	header.Set("X-Thumbd-Reason", s.reason)
	header.Set("Cache-Control", "no-store")
	switch s.code {
	case http.StatusFound:
		if to, ok := errors.AsType[thumb.Elsewhere](err); ok {
			header.Set("Location", escape(to.URI))
		}
	case http.StatusMovedPermanently:
		if to, ok := errors.AsType[movedError](err); ok {
			header.Set("Location", escape(to.uri))
		}
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "thumbd")
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
	}
	line := fmt.Sprintf("%d %s: %s", s.code, http.StatusText(s.code), s.reason)
	if errors.Is(err, errUnwell) {
		line = err.Error()
	}
	body(w, s.code, line)
}

// withoutQuery returns a request line's URI as a log may have it.
func withoutQuery(raw string) string {
	path, _, _ := strings.Cut(raw, "?")
	return path
}

// body writes a one-line answer.
func body(w http.ResponseWriter, code int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(line)+1))
	w.WriteHeader(code)
	// An error is the client's going away.
	_, _ = io.WriteString(w, line+"\n")
}
