// SPDX-License-Identifier: MIT

package serve

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"

	"thumbd/internal/admin"
)

// adminWarm makes thumbnails ahead of time, as an admin.Selection says. Without an
// original it checks the rest. It answers with an admin.Warmed.
func (h *Handler) adminWarm(w http.ResponseWriter, r *http.Request) error {
	site, original, selection, err := selectionForm(w, r)
	if err != nil {
		return err
	}
	var sum admin.Warmed
	if original == "" {
		err = h.keeper.CheckSelection(site, selection)
	} else {
		sum, err = h.keeper.Warm(r.Context(), site, selection, original)
	}
	if err != nil {
		return err
	}
	return answerJSON(w, sum)
}

// adminOriginals lists the originals that an admin.Selection says, each
// percent-encoded in a line of its own.
func (h *Handler) adminOriginals(w http.ResponseWriter, r *http.Request) error {
	site, _, selection, err := selectionForm(w, r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	begun := false
	lines := bufio.NewWriter(w)
	unread, err := h.keeper.EachOriginal(r.Context(), site, selection, func(name string) error {
		begun = true
		_, err := lines.WriteString(url.PathEscape(name) + "\n")
		return err
	})
	switch {
	case err != nil && begun:
		// The one way to say that the list is not whole.
		panic(http.ErrAbortHandler)
	case err != nil:
		return err
	}
	// An error is the asker's going away.
	_ = lines.Flush()
	_ = http.NewResponseController(w).Flush()
	w.Header().Set(http.TrailerPrefix+admin.UnreadTrailer, strconv.Itoa(unread))
	return nil
}

// adminInfo answers with the description of an original. Without an original it only
// checks that the site has descriptions.
func (h *Handler) adminInfo(w http.ResponseWriter, r *http.Request) error {
	site, original, selection, err := selectionForm(w, r)
	if err != nil {
		return err
	}
	if !reflect.ValueOf(selection).IsZero() {
		return fmt.Errorf("%w: want site and original alone", admin.ErrForm)
	}
	file, err := h.keeper.Describe(r.Context(), site, original)
	if err != nil {
		return err
	}
	sendJSON(w, file)
	return nil
}

func answerJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	sendJSON(w, b)
	return nil
}

func sendJSON(w http.ResponseWriter, b []byte) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(b)))
	// An error is the asker's going away.
	_, _ = w.Write(b)
}
