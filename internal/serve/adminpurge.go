// SPDX-License-Identifier: MIT

package serve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"thumbd/internal/purge"
)

const (
	// A purge of more originals, or of longer names, is several purges, so that
	// its memory does not grow with it.
	purgeNames = 50_000
	purgeBytes = 4 << 20
	// maxField is the most bytes of a field: of a name of the longest kind,
	// percent-encoded.
	maxField = 16 << 10
)

// adminPurge purges what a form of any size says: site, and original (as often
// as need be), under, preset or all=1; with render=1 it is made anew. Of many
// originals those that come first are purged before the rest is read: then
// all other fields must come before them.
func (h *Handler) adminPurge(w http.ResponseWriter, r *http.Request) error {
	if err := posted(w, r); err != nil {
		return err
	}
	more := func() {
		// Errors are those of a connection without deadlines, in a test.
		c, deadline := http.NewResponseController(w), time.Now().Add(adminTime)
		_ = errors.Join(c.SetReadDeadline(deadline), c.SetWriteDeadline(deadline))
	}
	more()
	form := purgeForm{seen: make(map[string]bool), purge: func(site string, scope purge.Scope, again bool) error {
		defer more()
		return h.Purge(r.Context(), site, scope, again)
	}}
	fields := io.Reader(strings.NewReader(r.URL.RawQuery))
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && t == "application/x-www-form-urlencoded" {
		fields = io.MultiReader(fields, strings.NewReader("&"), r.Body)
	}
	if err := form.read(fields); err != nil {
		return err
	}
	body(w, http.StatusOK, "purged")
	return nil
}

// purgeForm is what has been read of a form that purges.
type purgeForm struct {
	purge func(site string, scope purge.Scope, again bool) error
	seen  map[string]bool // fields other than original
	site  string
	scope purge.Scope
	again bool
	bytes int // of scope.Originals
	begun bool
}

// read reads fields to their end and purges what they say.
func (f *purgeForm) read(fields io.Reader) error {
	b := bufio.NewReaderSize(fields, maxField)
	for {
		field, err := b.ReadSlice('&')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %w", errForm, err)
		}
		if text := strings.TrimSuffix(string(field), "&"); text != "" {
			if err := f.field(text); err != nil {
				return err
			}
		}
		if err != nil {
			break
		}
	}
	if f.begun && len(f.scope.Originals) == 0 {
		return nil
	}
	return f.purge(f.site, f.scope, f.again)
}

// field takes NAME=VALUE, percent-encoded.
func (f *purgeForm) field(text string) error {
	name, value, _ := strings.Cut(text, "=")
	name, err := url.QueryUnescape(name)
	if err == nil {
		value, err = url.QueryUnescape(value)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errForm, err)
	}
	if name == "original" {
		return f.original(value)
	}
	if f.begun {
		return fmt.Errorf("%w: %s: it must come before so many originals", errForm, name)
	}
	if f.seen[name] {
		return fmt.Errorf("%w: %s: more than once", errForm, name)
	}
	f.seen[name] = true
	switch name {
	case "site":
		f.site = value
	case "under":
		f.scope.Under = value
	case "preset":
		f.scope.Preset = value
	case "all":
		f.scope.All, err = strconv.ParseBool(value)
	case "render":
		f.again, err = strconv.ParseBool(value)
	default:
		err = errors.New("unknown")
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errForm, name, err)
	}
	return nil
}

// original takes one of the originals, and purges what has come where that is
// enough for one purge.
func (f *purgeForm) original(name string) error {
	f.scope.Originals = append(f.scope.Originals, name)
	f.bytes += len(name)
	if len(f.scope.Originals) < purgeNames && f.bytes < purgeBytes {
		return nil
	}
	if f.site == "" {
		return fmt.Errorf("%w: site: it must come before so many originals", errForm)
	}
	err := f.purge(f.site, f.scope, f.again)
	f.scope.Originals, f.bytes, f.begun = nil, 0, true
	return err
}
