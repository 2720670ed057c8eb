// SPDX-License-Identifier: MIT

package serve

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"thumbd/internal/access"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// authURI is where nginx's auth_request asks, with the request line's URI in
// originalURI.
const (
	authURI     = internalPrefix + "auth"
	originalURI = "X-Original-Uri" // in Go's canonical form
)

// errNotProtected is a question about a URI that no site protects. It is
// refused: whoever asks has said that it is protected.
var errNotProtected = errors.New("no site protects this URI")

// auth answers 204, 401 or 403 and nothing else, which would be an error 500
// of nginx.
func (h *Handler) auth(w http.ResponseWriter, r *http.Request) {
	defer h.busy()()
	err := h.authorize(r)
	if err == nil {
		h.options.Count(Event{What: Asked, Outcome: "allowed"})
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s := authStatus(err)
	h.options.Count(Event{What: Asked, Outcome: s.reason})
	uri := withoutQuery(r.Header.Get(originalURI))
	h.options.Log.Log(r.Context(), slog.LevelDebug, "not allowed", "uri", uri, "status", s.code, "reason", s.reason, "err", err)
	answerRefusal(w, s, err)
}

func (h *Handler) authorize(r *http.Request) error {
	sites, err := h.sites.acquire()
	if err != nil {
		return err
	}
	defer sites.users.Done()
	// nginx sends one. Of two, which is served is not known.
	raw := r.Header[originalURI]
	if len(raw) != 1 {
		return errNotProtected
	}
	uri, err := thumb.Normalize(raw[0])
	if err != nil {
		return errors.Join(errNotProtected, err)
	}
	found, err := sites.thumbs.Find(r.Host, uri)
	if err != nil {
		return errors.Join(errNotProtected, err)
	}
	site := sites.byThumb[found]
	if site == nil || site.Access == nil {
		return errNotProtected
	}
	return check(site.Access, r, uri, raw[0])
}

// check returns nil if r presents a proof that it may see uri, as raw is once
// decoded.
func check(g *access.Gate, r *http.Request, uri, raw string) error {
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
	return g.Check(q)
}

// query returns the raw query of a request line's URI, cut where nginx cuts
// it.
func query(raw string) string {
	raw, _, _ = strings.Cut(raw, "#")
	_, query, _ := strings.Cut(raw, "?")
	return query
}

func authStatus(err error) status {
	s := statusOf(err)
	if errors.Is(err, errNotProtected) {
		s.reason = "not-protected"
	}
	s.code = http.StatusForbidden
	if errors.Is(err, sign.ErrNoProof) {
		s.code = http.StatusUnauthorized
	}
	return s
}
