// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"thumbd/internal/admin"
)

// maxForm is the most bytes of a form that is not a purge's.
const maxForm = 16 << 20

// adminTime is the longest that a request of an administrator takes: a purge
// may have to look at every name of a tree.
const adminTime = 10 * time.Minute

// Admin returns the http.Handler of the socket for administrators and their
// applications. It checks no user: if a process can connect to the socket, it may send
// every request. Idle does not count these requests.
func (h *Handler) Admin() http.Handler { return http.HandlerFunc(h.admin) }

func (h *Handler) admin(w http.ResponseWriter, r *http.Request) {
	err := errNoService
	switch r.URL.Path {
	case admin.PurgeRoute:
		err = post(w, r, h.adminPurge)
	case admin.WarmRoute:
		err = post(w, r, h.adminWarm)
	case admin.InfoRoute:
		err = post(w, r, h.adminInfo)
	case admin.OriginalsRoute:
		err = post(w, r, h.adminOriginals)
	case admin.NodesRoute:
		err = h.adminNodes(w, r)
	case admin.ReportRoute:
		err = get(w, r, h.report)
	case admin.ReadyRoute:
		err = get(w, r, h.ready)
	case admin.StatusRoute, admin.MetricsRoute:
		err = get(w, r, h.metrics)
	}
	if err != nil {
		h.refuseAdmin(w, r, err)
	}
}

// answering answers a request of an administrator, or returns why not.
type answering func(w http.ResponseWriter, r *http.Request) error

// post has f answer a POST.
func post(w http.ResponseWriter, r *http.Request, f answering) error {
	if err := allow(w, r, errMethodPost, http.MethodPost); err != nil {
		return err
	}
	return f(w, r)
}

// get has f answer a GET or a HEAD.
func get(w http.ResponseWriter, r *http.Request, f answering) error {
	if err := allow(w, r, errMethod, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	return f(w, r)
}

// allow returns err if the method of the request is not in methods. It then sets the
// header Allow to methods, as RFC 9110 section 15.5.6 demands.
func allow(w http.ResponseWriter, r *http.Request, err error, methods ...string) error {
	if slices.Contains(methods, r.Method) {
		return nil
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return err
}

// refuseAdmin answers with the text of err: administrators may read it.
func (h *Handler) refuseAdmin(w http.ResponseWriter, r *http.Request, err error) {
	s := statusOf(err)
	h.options.Log.Debug("refused", "uri", r.URL.Path, "status", s.code, "reason", s.reason, "err", err)
	w.Header().Set("X-Thumbd-Reason", s.reason)
	w.Header().Set("Cache-Control", "no-store")
	body(w, s.code, err.Error())
}

// Scrape returns the http.Handler of the socket for Prometheus: GET /metrics, and
// GET /health, with the answer of Admin's /readyz. It can do nothing else. Neither Idle
// nor Options.Count counts its requests.
func (h *Handler) Scrape() http.Handler { return http.HandlerFunc(h.scrape) }

func (h *Handler) scrape(w http.ResponseWriter, r *http.Request) {
	err := get(w, r, func(w http.ResponseWriter, r *http.Request) error {
		switch r.URL.Path {
		case healthRoute:
			return h.ready(w, r)
		case admin.MetricsRoute:
			return h.metrics(w, r)
		}
		return errNoService
	})
	if err != nil {
		h.refuseAdmin(w, r, err)
	}
}

// healthRoute is that of Scrape for health checks.
const healthRoute = "/health"

// report answers with the result of Options.Report, in JSON.
func (h *Handler) report(w http.ResponseWriter, _ *http.Request) error {
	if h.options.Report == nil {
		return errNoService
	}
	return answerJSON(w, h.options.Report())
}

// metrics answers with Options.Metrics.
func (h *Handler) metrics(w http.ResponseWriter, r *http.Request) error {
	h.options.Metrics.ServeHTTP(w, r)
	return nil
}

// ready answers whether requests for thumbnails can be served.
func (h *Handler) ready(w http.ResponseWriter, _ *http.Request) error {
	sites, err := h.keeper.Sites()
	if err != nil {
		return err
	}
	sites.Release()
	if err := h.options.Health(); err != nil {
		return fmt.Errorf("%w: %w", errUnwell, err)
	}
	body(w, http.StatusOK, "ready")
	return nil
}

// selectionForm parses the form of a request that may take any time.
func selectionForm(w http.ResponseWriter, r *http.Request) (site, original string, s admin.Selection, err error) {
	// An error is that of a connection without deadlines, in a test.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return "", "", s, fmt.Errorf("%w: %w", admin.ErrForm, err)
	}
	return admin.ParseSelection(r.Form)
}
