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
	if err := h.answerAdmin(w, r); err != nil {
		h.refuseAdmin(w, r, err)
	}
}

// answering answers a request of an administrator, or returns why not.
type answering func(h *Handler, w http.ResponseWriter, r *http.Request) error

// The methods of requests without a form, and with a form.
var (
	get  = []string{http.MethodGet, http.MethodHead}
	post = []string{http.MethodPost}
)

// adminRoutes are the routes of Admin.
var adminRoutes = []struct {
	methods []string
	path    string
	answer  answering
}{
	{post, admin.PurgeRoute, (*Handler).adminPurge},
	{post, admin.WarmRoute, (*Handler).adminWarm},
	{post, admin.InfoRoute, (*Handler).adminInfo},
	{post, admin.OriginalsRoute, (*Handler).adminOriginals},
	{get, admin.NodesRoute, (*Handler).adminNodes},
	{post, admin.NodesRoute, (*Handler).adminForget},
	{get, admin.ReportRoute, (*Handler).report},
	{get, admin.ReadyRoute, (*Handler).ready},
	{get, admin.StatusRoute, (*Handler).metrics},
	{get, admin.MetricsRoute, (*Handler).metrics},
}

func (h *Handler) answerAdmin(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, route := range adminRoutes {
		switch {
		case route.path != r.URL.Path:
		case slices.Contains(route.methods, r.Method):
			return route.answer(h, w, r)
		default:
			allowed = append(allowed, route.methods...)
		}
	}
	if allowed == nil {
		return errNoService
	}
	return refuseMethod(w, allowed)
}

// refuseMethod returns the error of a method that is not allowed, and sets the header Allow,
// as RFC 9110 section 15.5.6 demands.
func refuseMethod(w http.ResponseWriter, allowed []string) error {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	switch {
	case !slices.Contains(allowed, http.MethodPost):
		return errMethod
	case !slices.Contains(allowed, http.MethodGet):
		return errMethodPost
	}
	return errMethods
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
	err := errNoService
	switch {
	case !slices.Contains(get, r.Method):
		err = refuseMethod(w, get)
	case r.URL.Path == healthRoute:
		err = h.ready(w, r)
	case r.URL.Path == admin.MetricsRoute:
		err = h.metrics(w, r)
	}
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
