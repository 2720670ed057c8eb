// SPDX-License-Identifier: MIT

package serve

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// How the daemon is is told on the socket for administrators alone.
func TestReportIsForAdministrators(t *testing.T) {
	o := Options{Log: slog.New(slog.DiscardHandler), Health: func() error { return nil }}
	silent := New(o)
	o.Report = func() any { return []int{1} }
	h := New(o)
	const none = "404 Not Found: no-service\n"
	for name, tt := range map[string]struct {
		handler http.Handler
		target  string
		status  int
		body    string
	}{
		"administrators": {h.Admin(), "/report", http.StatusOK, "[1]"},
		"nginx":          {h, "/_thumbd/report", http.StatusNotFound, none},
		"without report": {silent.Admin(), "/report", http.StatusNotFound, errNoService.Error() + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			tt.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.target, nil))
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
}
