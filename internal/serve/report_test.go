// SPDX-License-Identifier: MIT

package serve

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// Who asks is who the kernel says, so that a request of which it says nothing
// is nobody's.
func TestReportTellsOnlyItsOwner(t *testing.T) {
	h := New(Options{Log: slog.New(slog.DiscardHandler), Health: func() error { return nil }, Report: func() any { return []int{1} }})
	silent := New(Options{Log: slog.New(slog.DiscardHandler), Health: func() error { return nil }})
	for name, tt := range map[string]struct {
		handler *Handler
		uid     any
		status  int
		body    string
	}{
		"root":           {h, 0, http.StatusOK, "[1]"},
		"its own user":   {h, os.Geteuid(), http.StatusOK, "[1]"},
		"nginx":          {h, os.Geteuid() + 33, http.StatusNotFound, "404 Not Found: no-service\n"},
		"nobody known":   {h, nil, http.StatusNotFound, "404 Not Found: no-service\n"},
		"without report": {silent, 0, http.StatusNotFound, "404 Not Found: no-service\n"},
	} {
		t.Run(name, func(t *testing.T) {
			q := httptest.NewRequest(http.MethodGet, "/_thumbd/report", nil)
			if tt.uid != nil {
				q = q.WithContext(withUser(q.Context(), tt.uid.(int)))
			}
			w := httptest.NewRecorder()
			tt.handler.ServeHTTP(w, q)
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
}
