// SPDX-License-Identifier: MIT

package serve

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"thumbd/internal/purge"
)

// maxForm is the most bytes of a form that purges: some 100,000 originals.
const maxForm = 16 << 20

// adminTime is the longest that a request of an administrator takes: a purge
// may have to look at every name of a tree.
const adminTime = 10 * time.Minute

// Admin returns the http.Handler of the socket for administrators and their
// applications. Whoever reaches it may do all that it does. Its requests are
// not counted by Idle.
func (h *Handler) Admin() http.Handler { return http.HandlerFunc(h.admin) }

func (h *Handler) admin(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.URL.Path {
	case "/purge":
		err = h.adminPurge(w, r)
	case "/warm":
		err = h.adminWarm(w, r)
	case "/originals":
		err = h.adminOriginals(w, r)
	case "/readyz":
		err = h.ready(w)
	case "/metrics", "/status":
		h.options.Metrics.ServeHTTP(w, r)
	default:
		err = errNoService
	}
	if err == nil {
		return
	}
	s := statusOf(err)
	h.options.Log.Debug("refused", "uri", r.URL.Path, "status", s.code, "reason", s.reason, "err", err)
	w.Header().Set("X-Thumbd-Reason", s.reason)
	w.Header().Set("Cache-Control", "no-store")
	body(w, s.code, err.Error())
}

// ready answers whether requests for thumbnails can be served.
func (h *Handler) ready(w http.ResponseWriter) error {
	sites, err := h.sites.acquire()
	if err != nil {
		return err
	}
	sites.users.Done()
	if err := h.options.Health(); err != nil {
		return fmt.Errorf("%w: %w", errUnwell, err)
	}
	body(w, http.StatusOK, "ready")
	return nil
}

// adminPurge purges what a form says: site, and original (as often as need
// be), under, preset or all=1; with render=1 it is made anew.
func (h *Handler) adminPurge(w http.ResponseWriter, r *http.Request) error {
	if err := postedForm(w, r, adminTime); err != nil {
		return err
	}
	site, scope, again, err := readForm(r)
	if err != nil {
		return err
	}
	if err := h.Purge(r.Context(), site, scope, again); err != nil {
		return err
	}
	body(w, http.StatusOK, "purged")
	return nil
}

// postedForm parses the form of a POST that is answered within limit; 0 is
// whenever it may be.
func postedForm(w http.ResponseWriter, r *http.Request, limit time.Duration) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return errMethodPost
	}
	var deadline time.Time
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	// An error is that of a connection without deadlines, in a test.
	_ = http.NewResponseController(w).SetWriteDeadline(deadline)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: %w", errForm, err)
	}
	return nil
}

func readForm(r *http.Request) (site string, scope purge.Scope, again bool, err error) {
	for name, values := range r.Form {
		last := values[len(values)-1]
		if name != "original" {
			err = errors.Join(err, once(name, values))
		}
		var terr error
		switch name {
		case "site":
			site = last
		case "original":
			scope.Originals = values
		case "under":
			scope.Under = last
		case "preset":
			scope.Preset = last
		case "all":
			scope.All, terr = strconv.ParseBool(last)
		case "render":
			again, terr = strconv.ParseBool(last)
		default:
			terr = errors.New("unknown")
		}
		if terr != nil {
			err = errors.Join(err, fmt.Errorf("%w: %s: %w", errForm, name, terr))
		}
	}
	return site, scope, again, err
}

// once returns what is wrong with a field that a form has more than once.
func once(name string, values []string) error {
	if len(values) > 1 {
		return fmt.Errorf("%w: %s: more than once", errForm, name)
	}
	return nil
}
