// SPDX-License-Identifier: MIT

package serve

import (
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/keep"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// authURI is the URI of nginx's auth_request.
const authURI = internalPrefix + "auth"

// Headers of nginx's requests, in Go's canonical form. The client's own never
// get here: the snippets pass none on.
const (
	// originalURI is the URI of the client's request line, in a request to
	// authURI.
	originalURI = "X-Original-Uri"
	// rootHeader is the root of the location that asks, in a request to authURI:
	// nginx is about to serve the file root + URI.
	rootHeader = "X-Thumbd-Root"
	// markerHeader is the marker of a request that was allowed, for example
	// "gallery /thumbs/small/a%20b.jpg": the site and the URI, decoded and escaped
	// again. It is a header of the 204 for authURI. nginx keeps it for as long as
	// the request lasts and sends it with a miss.
	markerHeader = "X-Thumbd-Proof"
)

// The reasons for which nginx may not serve a file of a protected site, or thumbd may
// not answer a miss.
var (
	// errNotProtected is a question about a URI that no site protects. It is refused,
	// because the location that asks should be protected.
	errNotProtected = errors.New("no site protects this URI")
	// errOtherRoot is a question about a URI of several protected sites: thumbd would
	// check the proof for one site, but nginx may serve the file of another site.
	errOtherRoot = errors.New("several protected sites have this URI, and the location's root is not the document_root of the one for this host")
	// errNotAsked is a miss of a protected site without the marker: it comes from
	// a location that does not ask, or the answer was for another site or URI.
	errNotAsked = errors.New("nginx has not asked whether this request may see this URI of a protected site")
)

// auth answers 204, 401 or 403. If it had another status, nginx would answer 500.
func (h *Handler) auth(w http.ResponseWriter, r *http.Request) {
	defer h.keeper.Busy()()
	marker, err := h.authorize(r)
	if err == nil {
		h.options.Count(keep.Event{What: keep.Asked, Outcome: "allowed"})
		w.Header().Set(markerHeader, marker)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s := authStatus(err)
	h.options.Count(keep.Event{What: keep.Asked, Outcome: s.reason})
	uri := withoutQuery(r.Header.Get(originalURI))
	h.options.Log.Log(r.Context(), slog.LevelDebug, "not allowed", "uri", uri, "status", s.code, "reason", s.reason, "err", err)
	answerRefusal(w, s, err)
}

// authorize returns the marker of a request that may be answered.
func (h *Handler) authorize(r *http.Request) (marker string, err error) {
	sites, err := h.keeper.Sites()
	if err != nil {
		return "", err
	}
	defer sites.Release()
	a, site, err := allow(sites, r)
	if errors.Is(err, errOtherRoot) {
		h.tellOtherRoot(site, r.Header[rootHeader])
	}
	if err != nil {
		return "", err
	}
	return a.marker, nil
}

// allow decides a question. The site is nil if the URI is of none.
func allow(sites *keep.Sites, r *http.Request) (a allowed, site *keep.Site, err error) {
	// nginx sends one. If there are two, the URI that is served is not known.
	raw := r.Header[originalURI]
	if len(raw) != 1 {
		return allowed{}, nil, errNotProtected
	}
	uri, err := thumb.Normalize(raw[0])
	if err != nil {
		return allowed{}, nil, errors.Join(errNotProtected, err)
	}
	site, _, err = sites.Find(r.Host, uri)
	if err != nil {
		return allowed{}, nil, errors.Join(errNotProtected, err)
	}
	if site == nil || site.Access == nil {
		return allowed{}, site, errNotProtected
	}
	if err := checkRoot(sites, site, uri, r.Header[rootHeader]); err != nil {
		return allowed{}, site, err
	}
	pass, err := site.Access.Admit(request(site.Access, r, uri, raw[0]))
	return allowed{site.Access, pass, markerOf(site, uri)}, site, err
}

// checkRoot returns nil if nginx can serve no other protected site's file for
// uri than site's. nginx chooses the root by its server block, and thumbd the
// site by host. If several protected sites have the URI, only the root shows the site
// of the file that nginx would serve.
func checkRoot(sites *keep.Sites, site *keep.Site, uri string, roots []string) error {
	for _, other := range sites.Protected {
		if other == site || !other.Thumb.Has(uri) {
			continue
		}
		if len(roots) != 1 || path.Clean(roots[0]) != site.Thumb.DocumentRoot {
			return errOtherRoot
		}
	}
	return nil
}

// markerOf returns the marker for a URI of site.
func markerOf(site *keep.Site, uri string) string { return site.Thumb.Name + " " + escape(uri) }

// prove returns nil if r may see uri of site. If nginx is in front, r must have the
// marker that nginx got for this very site and URI. Other front ends pass on the
// client's proof.
func prove(r *http.Request, sites *keep.Sites, site *keep.Site, uri string) error {
	switch {
	case site.Access == nil:
		return nil
	case sites.Accel != keep.AccelNginx:
		return check(site.Access, r, uri, r.RequestURI)
	}
	if marker := r.Header[markerHeader]; len(marker) != 1 || marker[0] != markerOf(site, uri) {
		return errNotAsked
	}
	return nil
}

// tellPersistent is the time between two lines of the log about the same mistake in
// nginx's configuration: clients meet it until the administrator corrects it.
const tellPersistent = 24 * time.Hour

// tellNotAsked logs a miss that was refused for errNotAsked.
func (h *Handler) tellNotAsked(r *http.Request, site *keep.Site) {
	more, due := h.lines.Due("not-asked "+site.Thumb.Name, tellPersistent)
	if !due {
		return
	}
	h.options.Log.Warn("refused: nginx has not asked whether the request may see this site: "+
		"if the request came through the site's own server block, write in its location: include snippets/thumbd-auth.conf; "+
		"and have the snippets of this version; another server block must not answer for this host; thumbd doctor names the place",
		"site", site.Thumb.Name, "host", r.Host, "uri", withoutQuery(r.RequestURI), "more", more)
}

// tellOtherRoot logs a question that was refused for errOtherRoot.
func (h *Handler) tellOtherRoot(site *keep.Site, roots []string) {
	more, due := h.lines.Due("other-root "+site.Thumb.Name, tellPersistent)
	if !due {
		return
	}
	h.options.Log.Warn("refused: several protected sites have this URI, and nginx does not say that it serves this one: "+
		"in the site's location write: root "+site.Thumb.DocumentRoot+"; include snippets/thumbd-auth.conf; "+
		"and, if nginx has the folder under another path, behind it: set $thumbd_root "+site.Thumb.DocumentRoot+";",
		"site", site.Thumb.Name, "root", strings.Join(roots, " "), "more", more)
}

// check returns nil if r presents a proof that it may see uri, as raw is once
// decoded.
func check(g *access.Gate, r *http.Request, uri, raw string) error {
	return g.Check(request(g, r, uri, raw))
}

// request returns the parts of r that may hold a proof for uri, as raw is once decoded.
func request(g *access.Gate, r *http.Request, uri, raw string) access.Request {
	q := access.Request{URI: uri, Query: query(raw)}
	for _, c := range r.CookiesNamed(g.Cookie) {
		q.Cookies = append(q.Cookies, c.Value)
	}
	for _, line := range r.Header["Authorization"] {
		scheme, token, _ := strings.Cut(line, " ")
		if strings.EqualFold(scheme, "Bearer") {
			q.Bearer = append(q.Bearer, strings.TrimSpace(token))
		}
	}
	return q
}

// query returns the raw query of a request line's URI, cut at the place at which
// nginx cuts it.
func query(raw string) string {
	raw, _, _ = strings.Cut(raw, "#")
	_, query, _ := strings.Cut(raw, "?")
	return query
}

func authStatus(err error) status {
	s := statusOf(err)
	s.code = http.StatusForbidden
	if errors.Is(err, sign.ErrNoProof) {
		s.code = http.StatusUnauthorized
	}
	return s
}
