// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"net/http"
	"time"
)

// maxForm is the most bytes of a form that is not a purge's.
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
	case "/report":
		err = h.report(w)
	case "/readyz":
		err = h.ready(w)
	case "/metrics", "/status":
		h.options.Metrics.ServeHTTP(w, r)
	default:
		err = errNoService
	}
	if err != nil {
		h.refuseAdmin(w, r, err)
	}
}

// refuseAdmin answers with err, which administrators may read.
func (h *Handler) refuseAdmin(w http.ResponseWriter, r *http.Request, err error) {
	s := statusOf(err)
	h.options.Log.Debug("refused", "uri", r.URL.Path, "status", s.code, "reason", s.reason, "err", err)
	w.Header().Set("X-Thumbd-Reason", s.reason)
	w.Header().Set("Cache-Control", "no-store")
	body(w, s.code, err.Error())
}

// Scrape returns the http.Handler of the socket for Prometheus: GET /metrics, and
// GET /health, which answers as /readyz of Admin. It can do nothing else. Its
// requests are counted neither by Idle nor by Options.Count.
func (h *Handler) Scrape() http.Handler { return http.HandlerFunc(h.scrape) }

func (h *Handler) scrape(w http.ResponseWriter, r *http.Request) {
	err := errNoService
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		err = errMethod
	case r.URL.Path == "/health":
		err = h.ready(w)
	case r.URL.Path == "/metrics":
		h.options.Metrics.ServeHTTP(w, r)
		return
	}
	if err != nil {
		h.refuseAdmin(w, r, err)
	}
}

// report answers with what Options.Report says, in JSON.
func (h *Handler) report(w http.ResponseWriter) error {
	if h.options.Report == nil {
		return errNoService
	}
	return answerJSON(w, h.options.Report())
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

// postedForm parses the form of a POST that is answered within limit; 0 is
// whenever it may be.
func postedForm(w http.ResponseWriter, r *http.Request, limit time.Duration) error {
	if err := posted(w, r); err != nil {
		return err
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

// posted refuses what is no POST.
func posted(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		return nil
	}
	w.Header().Set("Allow", "POST")
	return errMethodPost
}

// once returns what is wrong with a field that a form has more than once.
func once(name string, values []string) error {
	if len(values) > 1 {
		return fmt.Errorf("%w: %s: more than once", errForm, name)
	}
	return nil
}
