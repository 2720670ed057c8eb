// SPDX-License-Identifier: MIT

package serve

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"thumbd/internal/files"
	"thumbd/internal/keep"
	"thumbd/internal/tell"
)

// slowest is how many bytes a second a client must take of a file that is sent
// by thumbd itself.
const slowest = 16 << 10

// redacted is the error of a request if the URI itself is a secret.
type redacted struct {
	error
	uri string // for the log
}

func (r redacted) Unwrap() error { return r.error }

// download answers a request for uri with a file of s.
func (h *Handler) download(w http.ResponseWriter, r *http.Request, accel keep.Accel, s *files.Section, uri string) error {
	d, err := s.Authorize(uri, query(r.RequestURI))
	accel = forPath(accel, s.File(d))
	if err == nil && accel != keep.AccelDirect {
		err = s.Find(d)
	}
	var f *os.File
	if err == nil && accel == keep.AccelDirect {
		f, err = s.Open(d)
	}
	if err != nil {
		h.tellUnreadable(s, err)
		return redacted{err, redact(s, uri)}
	}
	w.Header().Set("Content-Disposition", s.Disposition(d))
	switch accel {
	case keep.AccelNginx:
		w.Header().Set("X-Accel-Redirect", escape(s.Internal+d.Path))
		w.Header().Set("Content-Length", "0")
		return nil
	case keep.AccelSendfile:
		shield(w.Header())
		sendfile(w.Header(), s.File(d), mediaType(d.Path))
		return nil
	}
	defer f.Close()
	shield(w.Header())
	return direct(w, r, f, mediaType(d.Path))
}

// tellUnreadable logs err if it is no fault of the request, once a minute.
func (h *Handler) tellUnreadable(s *files.Section, err error) {
	if !errors.Is(err, files.ErrUnreadable) {
		return
	}
	if more, due := h.lines.Due("files "+s.Name, tell.Pause); due {
		h.options.Log.Error("a download can't be read", "files", s.Name, "err", err, "more", more)
	}
}

// redact returns uri without its proof: with the proof, a reader of the log could fetch
// the file.
func redact(s *files.Section, uri string) string {
	if s.Scheme != files.AuthToken {
		return uri
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(uri, s.Prefix), "/")
	return s.Prefix + "*/" + name
}

// shield keeps a file from acting as a page of this site, as
// snippets/thumbd-files.conf does.
func shield(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; sandbox")
	h.Set("Cache-Control", "private, no-cache")
}

// sendfile has the server in front send the file at an absolute path.
func sendfile(h http.Header, file, mediaType string) {
	h.Set("X-Sendfile", file)
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", "0")
}

// forPath returns a for a file: lighttpd and mod_xsendfile from 1.0 on
// decode X-Sendfile, mod_xsendfile before that does not, lighttpd wants UTF-8,
// and no header can have a line break. A name that they would not all read as
// it is has to be sent without them.
func forPath(a keep.Accel, file string) keep.Accel {
	if a == keep.AccelSendfile && (strings.Contains(file, "%") || !utf8.ValidString(file) || strings.ContainsFunc(file, unicode.IsControl)) {
		return keep.AccelDirect
	}
	return a
}

func escape(uri string) string { return (&url.URL{Path: uri}).EscapedPath() }

func mediaType(name string) string {
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// direct sends f, or the part of it or the 304 that r asks for, with the
// validators that nginx would give it.
func direct(w http.ResponseWriter, r *http.Request, f *os.File, mediaType string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Etag", fmt.Sprintf(`"%x-%x"`, info.ModTime().Unix(), info.Size()))
	limit := sendTime + time.Duration(info.Size()/slowest)*time.Second
	// An error is that of a connection without deadlines, in a test.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit))
	http.ServeContent(w, r, "", info.ModTime(), io.NewSectionReader(f, 0, info.Size()))
	return nil
}

// answerThere answers with a thumbnail that is published.
func (h *Handler) answerThere(w http.ResponseWriter, r *http.Request, accel keep.Accel, a keep.Request) error {
	if accel == keep.AccelNginx {
		uri := a.URI
		if a.Inside {
			uri = treePrefix + uri
		}
		w.Header().Set("X-Accel-Redirect", escape(uri))
		w.Header().Set("Content-Length", "0")
		return nil
	}
	if a.Access != nil {
		w.Header().Set("Cache-Control", "private, no-cache")
	}
	vary(w.Header(), a)
	file := a.Thumb.DocumentRoot + a.Name
	if forPath(accel, file) == keep.AccelSendfile {
		sendfile(w.Header(), file, a.MediaType())
		return nil
	}
	f, err := a.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return errTaken
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return direct(w, r, f, a.MediaType())
}
