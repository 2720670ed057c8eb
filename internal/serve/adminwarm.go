// SPDX-License-Identifier: MIT

package serve

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// UnreadTrailer is the trailer of /originals that says how many folders are left
// out, as they can't be read. It is there when the list is whole.
const UnreadTrailer = "X-Thumbd-Unread"

// adminWarm makes thumbnails ahead of time, as a form says: site, original, and
// of preset, spec and format none or some, and since. Without original it looks
// at the rest. It answers with a Warmed in JSON.
func (h *Handler) adminWarm(w http.ResponseWriter, r *http.Request) error {
	if err := postedForm(w, r, 0); err != nil {
		return err
	}
	site, original, selection, err := readSelection(r)
	if err != nil {
		return err
	}
	var sum Warmed
	if original == "" {
		err = h.CheckSelection(site, selection)
	} else {
		sum, err = h.Warm(r.Context(), site, selection, original)
	}
	if err != nil {
		return err
	}
	return answerJSON(w, sum)
}

// adminOriginals lists the originals that a form says, as adminWarm takes it but
// without original, each percent-encoded in a line of its own.
func (h *Handler) adminOriginals(w http.ResponseWriter, r *http.Request) error {
	if err := postedForm(w, r, 0); err != nil {
		return err
	}
	site, _, selection, err := readSelection(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	begun := false
	lines := bufio.NewWriter(w)
	unread, err := h.EachOriginal(r.Context(), site, selection, func(name string) error {
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
	w.Header().Set(http.TrailerPrefix+UnreadTrailer, strconv.Itoa(unread))
	return nil
}

func answerJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(b)))
	// An error is the asker's going away.
	_, _ = w.Write(b)
	return nil
}

// readSelection reads a form of adminWarm's.
func readSelection(r *http.Request) (site, original string, s Selection, err error) {
	for name, values := range r.Form {
		last := values[len(values)-1]
		if name == "site" || name == "original" || name == "since" {
			err = errors.Join(err, once(name, values))
		}
		var terr error
		switch name {
		case "preset":
			s.Presets = values
		case "spec":
			s.Specs = values
		case "format":
			s.Formats = values
		case "site":
			site = last
		case "original":
			original = last
		case "since":
			s.Since, terr = time.Parse(time.RFC3339Nano, last)
		default:
			terr = errors.New("unknown")
		}
		if terr != nil {
			err = errors.Join(err, fmt.Errorf("%w: %s: %w", errForm, name, terr))
		}
	}
	return site, original, s, err
}
