// SPDX-License-Identifier: MIT

package sign

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"thumbd/internal/names"
	"thumbd/internal/thumb"
)

// Errors of a signed query.
var (
	// ErrNoProof means that the query has no signature.
	ErrNoProof = errors.New("nothing is signed")
	// ErrQuery means that a signed parameter is unknown, repeated, missing or
	// malformed.
	ErrQuery = errors.New("the signed query is malformed")
	// ErrProof means that none of the keys makes this signature for this path,
	// query and purpose, or that a parameter that must be signed follows the signature.
	ErrProof = errors.New("the query's signature is wrong")
	// ErrExpired means that a valid signature or token has expired.
	ErrExpired = errors.New("the time is over")
)

// Purpose is the use that a signed query allows, for example "access". The signed text
// begins with it: if a query is used for another purpose, its signature is wrong.
type Purpose string

// The purposes.
const (
	Access Purpose = "access" // to see a protected thumbnail
	File   Purpose = "file"   // to download a file
)

// download is a parameter of the purpose File.
const download = "download"

// Query is the content of a signed query.
type Query struct {
	Expires time.Time
	// Download is the name under which the browser saves the file, if Named is true.
	Download string
	Named    bool
}

// Proof returns the signature of the raw query, without "&signature=", for the decoded
// path: the first 21 bytes, in base64url, of the HMAC-SHA256 of purpose, path
// and query, with a line feed after each of the first two. For example the signed text
// is "access\n/thumbs/a.jpg/80x60_crop_SIGNATURE.jpg\nexpires=1798761600".
func (p Purpose) Proof(path, query string, key []byte) string {
	return signed(string(p)+"\n"+path+"\n"+query, key)
}

// Proves reports whether one of the keys makes proof for path and query, as Proof does.
// It tells nothing of the time, as Verify does.
func (p Purpose) Proves(path, query, proof string, keys [][]byte) bool {
	for _, key := range keys {
		if equal(proof, p.Proof(path, query, key)) {
			return true
		}
	}
	return false
}

// Sign returns the whole query for path. It begins with "expires=" and ends with the
// signature.
func (p Purpose) Sign(path string, q Query, key []byte) string {
	raw := "expires=" + strconv.FormatInt(q.Expires.Unix(), 10)
	if q.Named {
		raw += "&" + download + "=" + Escape(q.Download)
	}
	return raw + "&signature=" + p.Proof(path, raw, key)
}

// maxIdle is how many signers of one key wait for the next request.
const maxIdle = 32

// Verifier verifies signed queries of one purpose for many requests. A correct
// query costs no allocation. Safe for concurrent use.
type Verifier struct {
	purpose Purpose
	keys    []verifierKey
}

// verifierKey is a key, and the signers that no request uses now.
type verifierKey struct {
	key  []byte
	idle chan *signer
}

// Verifier returns a Verifier of p with keys.
func (p Purpose) Verifier(keys [][]byte) *Verifier {
	v := &Verifier{purpose: p}
	for _, key := range keys {
		v.keys = append(v.keys, verifierKey{key, make(chan *signer, maxIdle)})
	}
	return v
}

// made reports whether signature is that of k, as Proof makes it.
func (k verifierKey) made(signature string, p Purpose, path, query string) bool {
	var s *signer
	select {
	case s = <-k.idle:
	default:
		s = newSigner(k.key)
	}
	good := equal(signature, s.sign(string(p), "\n", path, "\n", query))
	select {
	case k.idle <- s:
	default:
	}
	return good
}

// Verify is Verifier.Verify with keys that are used once.
func (p Purpose) Verify(path, raw string, keys [][]byte, now time.Time) (Query, error) {
	return p.Verifier(keys).Verify(path, raw, now)
}

// Verify reads the raw query of a request for the decoded path. The query must be
// signed with one of the keys and not be expired at now. The signed text ends with the
// signature. Unknown parameters behind it are ignored: mailers and networks append
// some to links, for example &utm_source=mail. Verify checks the signature before it
// parses the parameters. Errors are ErrNoProof, ErrQuery, ErrProof and
// ErrExpired.
func (v *Verifier) Verify(path, raw string, now time.Time) (Query, error) {
	p := v.purpose
	text, signature, behind, ok := cutSignature(raw)
	if !ok {
		if p.presented(raw) {
			return Query{}, fmt.Errorf("%w: it has no signature, or begins with it", ErrQuery)
		}
		return Query{}, ErrNoProof
	}
	good := slices.ContainsFunc(v.keys, func(k verifierKey) bool { return k.made(signature, p, path, text) })
	switch {
	case !good:
		return Query{}, ErrProof
	case p.presented(behind):
		return Query{}, fmt.Errorf("%w: a parameter that has to be signed stands behind it", ErrProof)
	}
	q, err := p.parse(text)
	if err == nil && !now.Before(q.Expires) {
		err = ErrExpired
	}
	return q, err
}

// cutSignature splits raw into the signed text, its signature, and the parameters
// behind the signature.
func cutSignature(raw string) (text, signature, behind string, ok bool) {
	text, rest, ok := strings.Cut(raw, "&signature=")
	signature, behind, _ = strings.Cut(rest, "&")
	return text, signature, behind, ok
}

// presented reports whether raw has a parameter of a signed query.
func (p Purpose) presented(raw string) bool {
	for parameter := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		if name == "expires" || name == "signature" || p == File && name == download {
			return true
		}
	}
	return false
}

func (p Purpose) parse(text string) (q Query, err error) {
	expires := false
	for parameter := range strings.SplitSeq(text, "&") {
		name, value, ok := strings.Cut(parameter, "=")
		switch {
		case ok && name == "expires" && !expires:
			expires = true
			q.Expires, err = parseTime(value)
		case ok && name == download && p == File && !q.Named:
			q.Named = true
			q.Download, err = fileName(value)
		default:
			err = fmt.Errorf("%w: a parameter is unknown or there twice", ErrQuery)
		}
		if err != nil {
			return q, err
		}
	}
	if !expires {
		err = fmt.Errorf("%w: it has no expires", ErrQuery)
	}
	return q, err
}

// MaxTime is the last second of the year 9999. A later time is a number of
// milliseconds, as JavaScript's Date.now() returns it.
const MaxTime = 253402300799

// parseTime parses seconds since 1970, of at most 15 digits.
func parseTime(s string) (time.Time, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || len(s) > 15 {
		return time.Time{}, fmt.Errorf("%w: expires is no time", ErrQuery)
	}
	if n > MaxTime {
		return time.Time{}, fmt.Errorf("%w: expires is after the year 9999; want seconds since 1970, not milliseconds", ErrQuery)
	}
	return time.Unix(int64(n), 0), nil
}

// fileName decodes a name once. A + stays a +.
func fileName(s string) (string, error) {
	name, err := thumb.Unescape(s)
	if err != nil {
		return "", fmt.Errorf("%w: download is not percent-encoded", ErrQuery)
	}
	return name, CheckFileName(name)
}

// CheckFileName returns ErrQuery unless a file can be saved under name.
func CheckFileName(name string) error {
	switch {
	case name == "" || len(name) > names.MaxSegment:
		return fmt.Errorf("%w: download is empty or over %d bytes", ErrQuery, names.MaxSegment)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%w: download is no text in UTF-8, or has a control character", ErrQuery)
	case strings.ContainsAny(name, `/\`):
		return fmt.Errorf("%w: download is a path", ErrQuery)
	}
	return nil
}

// Escape percent-encodes all bytes but letters, digits and -._~, so that every
// client and server reads the same of it (RFC 3986, section 2.3).
func Escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
