// SPDX-License-Identifier: MIT

package serve

import (
	"net/http"
	"strings"
	"time"

	"thumbd/internal/keep"
	"thumbd/internal/tell"
)

// originalPrefix is the prefix of nginx's internal location with the originals of the
// scheme inplace, for thumbd's redirects alone: /_thumbd/original/uploads/a.jpg.
const originalPrefix = internalPrefix + "original"

// answerInPlace answers a miss of the scheme inplace with the original, and has the
// variants made behind that.
func (h *Handler) answerInPlace(w http.ResponseWriter, sites *keep.Sites, a keep.Request) {
	answerOriginal(w, a.URI)
	if a.IsVariant() {
		h.keeper.MakeBehind(sites, a)
	}
}

// treePrefix is the prefix of nginx's internal location with the trees of the scheme
// inplace, for thumbd's redirects alone: /_thumbd/tree/uploads/a-300x200.jpg.
const treePrefix = internalPrefix + "tree"

// answerSize answers a request of the scheme inplace for a size that is no original
// with the size's picture, and has its variants made behind that.
func (h *Handler) answerSize(w http.ResponseWriter, r *http.Request, sites *keep.Sites, a, size keep.Request) error {
	err := h.persist(w, r, sites, size)
	if err == nil && a.IsVariant() {
		h.keeper.MakeBehind(sites, a)
	}
	return err
}

// answerOriginal has nginx send the original of a URI of the scheme inplace.
func answerOriginal(w http.ResponseWriter, uri string) {
	w.Header().Set("X-Accel-Redirect", escape(originalPrefix+uri))
	w.Header().Set("Content-Length", "0")
}

// replaceable reports whether a placeholder may be sent in place of a refusal: if
// the original is missing, is no picture (415) or can't be shown (422). All other
// refusals concern the request or the machine.
func (s status) replaceable() bool {
	return s.reason == noOriginal || s.reason == absoluteLink || s.code == http.StatusUnsupportedMediaType || s.code == http.StatusUnprocessableEntity
}

// answerPlaceholder answers with the site's placeholder in place of the error cause, if
// the site has a placeholder for such an error, and reports whether it did. The
// signature and the access of a are proven.
func (h *Handler) answerPlaceholder(w http.ResponseWriter, r *http.Request, sites *keep.Sites, a keep.Request, cause error) bool {
	s := statusOf(cause)
	if a.Placeholder.Path == "" || !s.replaceable() || a.PlaceholderTransform().Info {
		return false
	}
	// As in thumbnail: the wait for the original may have taken most of it.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sites.Longest + sendTime))
	picture, size, release, err := h.keeper.Placeholder(r.Context(), sites, a)
	defer release()
	if err != nil {
		if more, due := h.lines.Due("placeholder "+a.Thumb.Name, tell.Pause); due && r.Context().Err() == nil {
			h.options.Log.Warn("no placeholder sent: see placeholder in thumbd.toml(5)",
				"site", a.Thumb.Name, "placeholder", a.Placeholder.Path, "transform", a.PlaceholderTransform().String(), "err", err, "more", more)
		}
		return false
	}
	w.Header().Set("X-Thumbd-Reason", s.reason)
	if w.Header().Set("Cache-Control", "no-store"); a.Access != nil {
		w.Header().Set("Cache-Control", privateNoStore)
	}
	header(w, a, size)
	w.WriteHeader(a.Placeholder.Status)
	send(w, r, picture)
	return true
}

// outcomeOf returns the outcome of a request that was answered with a picture. If the
// picture is a placeholder, the outcome is the reason of the refusal.
func outcomeOf(h http.Header) string {
	if reason := h.Get("X-Thumbd-Reason"); reason != "" {
		return reason
	}
	if strings.HasPrefix(h.Get("X-Accel-Redirect"), originalPrefix+"/") {
		return "original"
	}
	if h.Get("X-Accel-Redirect") != "" || h.Get("X-Sendfile") != "" {
		return "published"
	}
	return "sent"
}
