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
	"thumbd/internal/purge"
)

// adminPurge purges the thumbnails of an admin.Purge of any size. Of many originals the
// first are purged before the rest is read.
func (h *Handler) adminPurge(w http.ResponseWriter, r *http.Request) error {
	more := func() {
		// Errors are those of a connection without deadlines, in a test.
		c, deadline := http.NewResponseController(w), time.Now().Add(adminTime)
		_ = errors.Join(c.SetReadDeadline(deadline), c.SetWriteDeadline(deadline))
	}
	more()
	fields := io.Reader(strings.NewReader(r.URL.RawQuery))
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && t == "application/x-www-form-urlencoded" {
		fields = io.MultiReader(fields, strings.NewReader("&"), r.Body)
	}
	var said []string
	err := admin.ReadPurge(fields, func(p admin.Purge) error {
		defer more()
		scope := purge.Scope{Originals: p.Originals, Under: p.Under, Preset: p.Preset, All: p.All}
		removed, err := h.keeper.Purge(r.Context(), p.Site, scope, p.Render)
		said = append(said, removed)
		return err
	})
	if err != nil {
		return err
	}
	body(w, http.StatusOK, "purged: "+strings.Join(said, " + ")+" thumbnails removed")
	return nil
}
