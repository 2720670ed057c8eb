// SPDX-License-Identifier: MIT

package serve

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"thumbd/internal/admin"
)

// adminPurge purges the thumbnails of an admin.Purge of any size. Of many originals the
// first are purged before the rest is read.
func (h *Handler) adminPurge(w http.ResponseWriter, r *http.Request) error {
	more := func() {
		// An error means that the connection has no deadlines, as in a test.
		c, deadline := http.NewResponseController(w), time.Now().Add(adminTime)
		_ = errors.Join(c.SetReadDeadline(deadline), c.SetWriteDeadline(deadline))
	}
	more()
	fields := io.Reader(strings.NewReader(r.URL.RawQuery))
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && t == "application/x-www-form-urlencoded" {
		fields = io.MultiReader(fields, strings.NewReader("&"), r.Body)
	}
	p := purging{handler: h, node: h.options.Node()}
	err := admin.ReadPurge(fields, func(form admin.Purge) error {
		defer more()
		return p.part(r.Context(), form)
	})
	if err != nil {
		return p.explain(r.Context(), err)
	}
	p.answer(r.Context(), w)
	return nil
}
