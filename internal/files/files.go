// SPDX-License-Identifier: MIT

// Package files finds the regular file below a root that a request for a download
// names, if the request may have it.
package files

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"thumbd/internal/names"
	"thumbd/internal/root"
	"thumbd/internal/route"
	"thumbd/internal/share"
	"thumbd/internal/sign"
)

// Errors of a download, beside sign's ErrNoProof, ErrQuery, ErrProof and
// ErrExpired, which the scheme Signed returns.
var (
	// ErrNone means that no file has the name, or can have it, or that an
	// AuthToken URL is malformed or has a wrong digest.
	ErrNone = errors.New("there is no such file")
	// ErrGone means that an AuthToken URL has expired.
	ErrGone = errors.New("the URL's time is over")
	// ErrUnreadable is an error of the machine: a missing permission, an I/O
	// error, or a missing root. Its text has the full path and the user.
	ErrUnreadable = errors.New("file unreadable")
)

// Scheme is how a section's URLs are signed.
type Scheme int

// The schemes of thumbd.toml.
const (
	Open      Scheme = iota + 1 // everybody's
	Signed                      // those with a signed query
	AuthToken                   // wsgi-xsendfile's AuthTokenApplication
)

var schemes = []string{Open: "open", Signed: "signed", AuthToken: "authtoken"}

// String returns the name of s.
func (s Scheme) String() string { return schemes[s] }

// UnmarshalText reads the name of a scheme.
func (s *Scheme) UnmarshalText(b []byte) error {
	if i := slices.Index(schemes, string(b)); i > 0 {
		*s = Scheme(i)
		return nil
	}
	return fmt.Errorf("want open, signed or authtoken, have %q", b)
}

// Options are the options of a Section, as in thumbd.toml(5).
type Options struct {
	route.Route
	Root       string // absolute path
	Internal   string // begins and ends with /, or ""
	Scheme     Scheme
	Keys       [][]byte // the first signs
	Digest     sign.Digest
	Timeout    time.Duration
	Attachment bool
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Section is a section of downloads. Its methods are safe for concurrent use.
type Section struct {
	Options
	dir *root.Dir
}

// Download is a file that a request may have.
type Download struct {
	// Path is the decoded path below the root, without a leading slash:
	// "2026/report.pdf".
	Path string
	// SaveAs is the name under which the browser saves the file; "" is the
	// file's own. It has no control characters.
	SaveAs string
}

// New returns a Section, and opens nothing.
func New(o Options) *Section {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Section{Options: o, dir: root.New(o.Root)}
}

// Close closes the root. Files that Open has returned stay open.
func (s *Section) Close() { s.dir.Close() }

// Authorize returns the download that a request may have. uri is decoded and has
// the section's prefix; query is raw. Authorize does not look at the disk.
func (s *Section) Authorize(uri, query string) (Download, error) {
	name := strings.TrimPrefix(uri, s.Prefix)
	switch s.Scheme {
	case Signed:
		q, err := sign.File.Verify(uri, query, s.Keys, s.Now())
		if err != nil {
			return Download{}, err
		}
		return Download{name, q.Download}, s.checkName(name)
	case AuthToken:
		token, path, _ := strings.Cut(name, "/")
		if err := s.checkToken(token, path); err != nil {
			return Download{}, err
		}
		name = path
	}
	return Download{Path: name}, s.checkName(name)
}

// timeDigits is the number of hexadecimal digits of a time in AuthToken URLs.
const timeDigits = 8

// checkToken verifies DIGEST-HEXTIME for path. It checks the time only if the
// digest is right.
func (s *Section) checkToken(token, path string) error {
	digest, hextime, ok := strings.Cut(token, "-")
	digits := s.Digest.Size()
	if !ok || len(digest) != digits || len(hextime) != timeDigits || hextime != strings.ToLower(hextime) {
		return fmt.Errorf("%w: the URL has no token of this form", ErrNone)
	}
	if _, err := hex.DecodeString(hextime); err != nil {
		return fmt.Errorf("%w: the URL's time is not hexadecimal", ErrNone)
	}
	seconds, err := strconv.ParseInt(hextime, 16, 64)
	if err != nil {
		return fmt.Errorf("%w: the URL's time is not hexadecimal", ErrNone)
	}
	if err := s.Digest.Verify(digest, path, hextime, s.Keys); err != nil {
		return fmt.Errorf("%w: %w", ErrNone, err)
	}
	if s.Now().After(time.Unix(seconds, 0).Add(s.Timeout)) {
		return ErrGone
	}
	return nil
}

// URI returns the decoded URI of a file and the raw query for it. Only the scheme
// Signed takes SaveAs and a time.
func (s *Section) URI(d Download, expires time.Time) (uri, query string, err error) {
	if err := s.checkName(d.Path); err != nil {
		return "", "", err
	}
	switch s.Scheme {
	case Signed:
		q := sign.Query{Expires: expires, Download: d.SaveAs, Named: d.SaveAs != ""}
		if q.Named {
			if err := sign.CheckFileName(q.Download); err != nil {
				return "", "", err
			}
		}
		uri := s.Prefix + d.Path
		return uri, sign.File.Sign(uri, q, s.Keys[0]), nil
	case AuthToken:
		hextime := fmt.Sprintf("%08x", s.Now().Unix())
		return s.Prefix + s.Digest.Token(d.Path, hextime, s.Keys[0]) + "-" + hextime + "/" + d.Path, "", nil
	}
	return s.Prefix + d.Path, "", nil
}

func (s *Section) checkName(name string) error {
	if err := names.Check(s.Root, name); err != nil {
		return fmt.Errorf("%w: %w", ErrNone, err)
	}
	return nil
}

// Find returns ErrNone unless d is a regular file. Like nginx's disable_symlinks,
// it follows no link.
func (s *Section) Find(d Download) error {
	if err := s.checkName(d.Path); err != nil {
		return err
	}
	_, err := do(s, func(r *os.Root) (struct{}, error) { return struct{}{}, s.explain(d, find(r, d.Path)) }, nil)
	return err
}

// do runs op on the root, through the gate of its folder. drop lets go of a value
// that comes too late; nil: there is nothing to let go.
func do[T any](s *Section, op func(*os.Root) (T, error), drop func(T)) (T, error) {
	v, err := share.Do(share.Of(s.Root), func() (v T, err error) {
		r, release, err := s.acquire()
		if err != nil {
			return v, err
		}
		defer release()
		return op(r)
	}, drop)
	if errors.Is(err, share.ErrSlow) || errors.Is(err, share.ErrBusy) {
		err = fmt.Errorf("%w: %q: %w", ErrUnreadable, s.Root, err)
	}
	return v, err
}

// Open opens d under the conditions of Find. The caller closes the file.
func (s *Section) Open(d Download) (*os.File, error) {
	if err := s.checkName(d.Path); err != nil {
		return nil, err
	}
	return do(s, func(r *os.Root) (*os.File, error) { return s.open(r, d) }, func(f *os.File) { f.Close() })
}

func (s *Section) open(r *os.Root, d Download) (*os.File, error) {
	if err := find(r, d.Path); err != nil {
		return nil, s.explain(d, err)
	}
	// The file may have been replaced after find. O_NONBLOCK keeps a FIFO from
	// waiting for a writer, and the open file is checked again.
	f, err := r.OpenFile(d.Path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, s.explain(d, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNone
	}
	if err != nil {
		f.Close()
		return nil, s.explain(d, err)
	}
	return f, nil
}

// File returns the full path of d.
func (s *Section) File(d Download) string { return filepath.Join(s.Root, d.Path) }

// Probe opens the root. Its error names the path and the user.
func (s *Section) Probe() error {
	_, err := do(s, func(*os.Root) (struct{}, error) { return struct{}{}, nil }, nil)
	return err
}

// acquire does not return fs.ErrNotExist: if the root is not mounted, no file
// must count as missing.
func (s *Section) acquire() (*os.Root, func(), error) {
	r, release, err := s.dir.Acquire()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: root as user %s: %s", ErrUnreadable, root.User(), err.Error())
	}
	return r, release, nil
}

// find returns nil if name is a regular file and each part of its path a folder, none of
// them a link. It opens nothing.
func find(r *os.Root, name string) error {
	for i, c := range name + "/" {
		if c != '/' {
			continue
		}
		info, err := r.Lstat(name[:i])
		switch {
		case err != nil:
			return err
		case i < len(name) && !info.IsDir(), i == len(name) && !info.Mode().IsRegular():
			return ErrNone
		}
	}
	return nil
}

// explain wraps err in the sentinel error that Open promises: ErrNone or ErrUnreadable.
func (s *Section) explain(d Download, err error) error {
	errno, isErrno := errors.AsType[syscall.Errno](err)
	switch {
	case err == nil || errors.Is(err, ErrNone):
		return err
	case errors.Is(err, fs.ErrNotExist), !isErrno,
		slices.Contains([]syscall.Errno{syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.EILSEQ, syscall.ENXIO}, errno):
		return fmt.Errorf("%w: %w", ErrNone, err)
	}
	return fmt.Errorf("%w: %q as user %s: %w", ErrUnreadable, path.Join(s.Root, d.Path), root.User(), errno)
}
