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
	"thumbd/internal/thumb"
)

// Files is a section of downloads with its folder.
type Files struct {
	Where   *thumb.Site // its Name, Prefix and Hosts count
	Section *files.Section
}

// Accel is how the server in front is told to send a file.
type Accel int

// The ways, by the values of accel in thumbd.toml.
const (
	AccelNginx    Accel = iota // X-Accel-Redirect
	AccelSendfile              // X-Sendfile
	AccelDirect                // the file itself
)

// slowest is how many bytes a second a client must take of a file that is sent
// by thumbd itself.
const slowest = 16 << 10

// redacted is an error of a request whose URI is itself a secret.
type redacted struct {
	error
	uri string // for the log
}

func (r redacted) Unwrap() error { return r.error }

// AddFiles has requests below the sections' prefixes go to them. It is for
// before sites is in use.
func (sites *Sites) AddFiles(sections []Files) {
	for _, f := range sections {
		sites.files[f.Where] = f.Section
		sites.thumbs = append(sites.thumbs, f.Where)
	}
}

// section returns the section of downloads that r is for, or nil, and the
// decoded URI.
func (sites *Sites) section(r *http.Request) (*files.Section, string) {
	if len(sites.files) == 0 {
		return nil, ""
	}
	uri, err := thumb.Normalize(r.RequestURI)
	if err != nil {
		return nil, ""
	}
	found, err := sites.thumbs.Find(r.Host, uri)
	if err != nil {
		return nil, ""
	}
	return sites.files[found], uri
}

// download answers a request for uri with a file of s.
func (h *Handler) download(w http.ResponseWriter, r *http.Request, accel Accel, s *files.Section, uri string) error {
	d, err := s.Authorize(uri, query(r.RequestURI))
	accel = accel.forPath(s.File(d))
	if err == nil && accel != AccelDirect {
		err = s.Find(d)
	}
	var f *os.File
	if err == nil && accel == AccelDirect {
		f, err = s.Open(d)
	}
	if err != nil {
		h.tellUnreadable(s, err)
		return redacted{err, redact(s, uri)}
	}
	w.Header().Set("Content-Disposition", s.Disposition(d))
	switch accel {
	case AccelNginx:
		w.Header().Set("X-Accel-Redirect", escape(s.Internal+d.Path))
		w.Header().Set("Content-Length", "0")
		return nil
	case AccelSendfile:
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
	if more, due := h.telling.due("files "+s.Name, tellPause); due {
		h.options.Log.Error("not readable", "files", s.Name, "err", err, "more", more)
	}
}

// redact returns uri without the proof with which a reader of the log could fetch the
// file.
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
func (a Accel) forPath(file string) Accel {
	if a == AccelSendfile && (strings.Contains(file, "%") || !utf8.ValidString(file) || strings.ContainsFunc(file, unicode.IsControl)) {
		return AccelDirect
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
func (h *Handler) answerThere(w http.ResponseWriter, r *http.Request, accel Accel, a asked) error {
	if accel == AccelNginx {
		w.Header().Set("X-Accel-Redirect", escape(a.uri))
		w.Header().Set("Content-Length", "0")
		return nil
	}
	if a.Access != nil {
		w.Header().Set("Cache-Control", "private, no-cache")
	}
	a.vary(w.Header())
	file := a.Thumb.DocumentRoot + a.name
	if accel.forPath(file) == AccelSendfile {
		sendfile(w.Header(), file, a.transform.Format.MediaType())
		return nil
	}
	f, err := a.Tree.Open(a.name)
	if errors.Is(err, fs.ErrNotExist) {
		return errTaken
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return direct(w, r, f, a.transform.Format.MediaType())
}
