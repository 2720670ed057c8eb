// SPDX-License-Identifier: MIT

// Package serve answers nginx and administrators over HTTP. Package keep makes the
// thumbnails. serve is the only package that knows the answer to each error.
//
// It is larger than other packages because every answer of thumbd is made here: misses,
// proofs of access, downloads, and the API for administrators, a file each.
package serve

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"thumbd/internal/keep"
	"thumbd/internal/render"
	"thumbd/internal/tell"
	"thumbd/internal/thumb"
)

// Prefix of the URIs of thumbd's own, matched on the raw request line.
const internalPrefix = "/_thumbd/"

// retryAfter is how many seconds a client is told to wait after a 503.
const retryAfter = "5"

// Options are a Handler's. All but Report must be set.
type Options struct {
	// Keeper has the thumbnails made. Its Judge is that of this package.
	Keeper *keep.Keeper
	Log    *slog.Logger
	// Health returns nil, or the reason why thumbd is not well, in one line. It is
	// the answer to /_thumbd/health.
	Health func() error
	// Report returns the value that /report answers as JSON. It may try folders and
	// take its time. nil: there is none.
	Report func() any
	// Count is called for each Event, from any goroutine. nil: nothing is counted.
	Count func(keep.Event)
	// Node returns this machine as a node of a farm. If this is the only machine, Node is
	// nil or returns nil.
	Node func() *Node
	// Metrics answers /metrics and /status for administrators; nil: nobody does.
	Metrics http.Handler
}

// Handler is the http.Handler behind nginx. Its methods are safe for
// concurrent use.
type Handler struct {
	options Options
	keeper  *keep.Keeper
	loops   *loops
	allowed atomic.Pointer[allowances]
	lines   *tell.Lines
}

// New returns a Handler that answers with the thumbnails of Options.Keeper.
func New(o Options) *Handler {
	if o.Count == nil {
		o.Count = func(keep.Event) {}
	}
	if o.Node == nil {
		o.Node = func() *Node { return nil }
	}
	if o.Metrics == nil {
		o.Metrics = http.NotFoundHandler()
	}
	return &Handler{options: o, keeper: o.Keeper, loops: newLoops(), lines: tell.NewLines()}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch {
	case r.RequestURI == authURI:
		h.auth(w, r)
	case !slices.Contains(get, r.Method):
		err = refuseMethod(w, get)
	case strings.HasPrefix(r.RequestURI, internalPrefix):
		err = h.internal(w, r)
	default:
		event := keep.Event{What: keep.Requested}
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
	if r.RequestURI == internalPrefix+"ready" {
		return h.nodeReady(w)
	}
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

// parse leads r, for a decoded URI of site, through the stages that need no file.
func parse(r *http.Request, sites *keep.Sites, site *keep.Site, uri string) (keep.Request, error) {
	if err := prove(r, sites, site, uri); err != nil {
		return keep.Request{}, err
	}
	return site.Request(uri, variant(site, r.Header))
}

// variant returns the format that nginx's maps have negotiated, or 0. Each
// site listens to the one of the two variables that its try_files has.
func variant(s *keep.Site, h http.Header) thumb.Format {
	suffix := ""
	switch len(s.Thumb.Negotiate) {
	case 1:
		suffix = h.Get("X-Thumbd-Webp")
	case 2:
		suffix = h.Get("X-Thumbd-Variant")
	}
	for _, f := range s.Thumb.Negotiate {
		if suffix == "."+f.String() {
			return f
		}
	}
	return 0
}

// thumbnail answers a request for a thumbnail or a download, and returns the
// name of its site or section.
func (h *Handler) thumbnail(w http.ResponseWriter, r *http.Request) (site string, err error) {
	defer h.keeper.Busy()()
	sites, err := h.keeper.Sites()
	if err != nil {
		return "", err
	}
	defer sites.Release()
	uri, err := thumb.Normalize(r.RequestURI)
	if err != nil {
		return "", err
	}
	found, section, err := sites.Find(r.Host, uri)
	if err != nil {
		return "", err
	}
	if section != nil {
		return section.Name, h.download(w, r, sites.Accel, section, uri)
	}
	return found.Thumb.Name, h.answer(w, r, sites, found, uri)
}

// answer answers a request for a decoded URI of site.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, sites *keep.Sites, site *keep.Site, uri string) error {
	a, err := parse(r, sites, site, uri)
	if errors.Is(err, errNotAsked) {
		h.tellNotAsked(r, site)
	}
	if err != nil {
		return err
	}
	if size, ok := a.AsSize(); ok {
		return h.answerSize(w, r, sites, a, size)
	}
	if a.Thumb.Scheme == thumb.InPlace && (!a.IsVariant() || !a.Wait) {
		h.answerInPlace(w, sites, a)
		return nil
	}
	err = h.persist(w, r, sites, a)
	if errors.Is(err, render.ErrNoVariant) {
		answerOriginal(w, a.URI)
		return nil
	}
	if err = moved(a, err); err != nil && h.answerPlaceholder(w, r, sites, a, err) {
		return nil
	}
	return err
}

// persist is deliver, begun anew as long as purges take the thumbnail away.
func (h *Handler) persist(w http.ResponseWriter, r *http.Request, sites *keep.Sites, a keep.Request) (err error) {
	// An error is that of a connection without deadlines, in a test.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sites.Longest + sendTime))
	for range patience {
		if err = h.deliver(w, r, sites, a); !errors.Is(err, errTaken) {
			break
		}
	}
	h.keeper.TellOtherForm(a, err)
	return err
}

// patience is how often one request is begun anew because of purges.
const patience = 10

// deliver answers a request for a thumbnail, or returns errTaken if a purge took it
// away meanwhile.
func (h *Handler) deliver(w http.ResponseWriter, r *http.Request, sites *keep.Sites, a keep.Request) error {
	// Without nginx the client would choose it.
	id := ""
	if sites.Accel == keep.AccelNginx {
		id = r.Header.Get("X-Request-Id")
	}
	purges, again := h.loops.get(id, a.URI)
	if again && h.answerPublished(w, r, a, purges) {
		return nil
	}
	purges = a.Purges()
	out, release, err := h.keeper.Make(r.Context(), sites, a)
	defer release()
	switch {
	case err != nil:
		return err
	case out.Unpublished != nil:
		h.answerPicture(w, r, a, out)
	default:
		// nginx would not ask for ever.
		if again && h.answerPublished(w, r, a, purges) {
			return nil
		}
		h.loops.add(id, a.URI, purges)
		if a.Unseen {
			return h.answerThere(w, r, keep.AccelDirect, a)
		}
		return h.answerThere(w, r, sites.Accel, a)
	}
	return nil
}

// answerPublished answers with the published file itself, which nginx was
// redirected to after so many purges and did not find, and reports whether
// there was one.
func (h *Handler) answerPublished(w http.ResponseWriter, r *http.Request, a keep.Request, purges uint64) bool {
	f, err := a.Open()
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
	if a.Purges() != purges {
		// It was there, was purged, and is there again.
		header(w, a, info.Size())
		send(w, r, f)
		return true
	}
	h.options.Count(keep.Event{What: keep.Looped, Site: a.Thumb.Name})
	if more, due := h.lines.Due("loop "+a.Thumb.Name, tell.Pause); due {
		h.options.Log.Warn("nginx does not find what is published: "+
			"its root for the site's prefix must be document_root and readable to it, its try_files must be as thumbd(8) says, "+
			"and open_file_cache_errors and open_file_cache must be off there",
			"site", a.Thumb.Name, "uri", a.URI, "document_root", a.Thumb.DocumentRoot, "more", more)
	}
	header(w, a, info.Size())
	send(w, r, f)
	return true
}

// answerPicture answers with a picture that could not be published.
func (h *Handler) answerPicture(w http.ResponseWriter, r *http.Request, a keep.Request, out keep.Outcome) {
	if w.Header().Set("Cache-Control", "no-store"); a.Access != nil {
		w.Header().Set("Cache-Control", privateNoStore)
	}
	header(w, a, out.Size)
	send(w, r, io.NewSectionReader(out.Unpublished, 0, out.Size))
}

// privateNoStore is the Cache-Control of a protected picture that thumbd sends
// past the site's location, which would set its own.
const privateNoStore = "private, no-store"

// vary says that the answer to another client may be another one.
func vary(h http.Header, a keep.Request) {
	if len(a.Thumb.Negotiate) > 0 {
		h.Set("Vary", "Accept")
	}
}

func header(w http.ResponseWriter, a keep.Request, size int64) {
	vary(w.Header(), a)
	w.Header().Set("Content-Type", a.MediaType())
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
	if !errors.Is(err, keep.ErrLogged) {
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
