// SPDX-License-Identifier: MIT

package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"thumbd/internal/originals"
)

// slowDown is an originals.ErrSlowDown with the time that the store asks for.
type slowDown struct {
	text  string
	after time.Duration
}

func (s *slowDown) Error() string { return fmt.Sprintf("%s: %s", originals.ErrSlowDown, s.text) }
func (s *slowDown) Unwrap() error { return originals.ErrSlowDown }

// SlowDown returns an originals.ErrSlowDown. If the answer's header has a Retry-After in
// seconds, no request is sent for so long, up to 30 s.
func SlowDown(h http.Header, text string) error {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		seconds = 0
	}
	return &slowDown{text, time.Duration(min(seconds, int(mostPause/time.Second))) * time.Second}
}

// After returns for how long the store of an originals.ErrSlowDown wants no requests: 0 if
// it does not say.
func After(err error) time.Duration {
	if s, ok := errors.AsType[*slowDown](err); ok {
		return s.after
	}
	return 0
}

// Dialect is how an origin is asked that is more than a server of files. Its methods
// are safe for concurrent use. An Origin with a Dialect follows no redirect.
type Dialect interface {
	// Sign completes a request, as the last change of it. If the request has a body,
	// GetBody returns it.
	Sign(r *http.Request) error
	// Refusal returns the error of an answer other than 200 and 304. body is the
	// beginning of the answer's.
	Refusal(status int, h http.Header, body []byte) error
	// Version returns the version of the original in an answer. Not ok: it is made
	// of the content.
	Version(h http.Header) (version time.Time, ok bool)
}

// maxRefusal is how much of the body of an error answer is read.
const maxRefusal = 8 << 10

// refusal returns the error of an answer other than 200 and 304.
func (o *Origin) refusal(resp *http.Response) error {
	if d := o.options.Dialect; d != nil {
		// If the body can't be read, the status must do.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return d.Refusal(resp.StatusCode, resp.Header, body)
	}
	switch code := resp.StatusCode; code {
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: status %d", fs.ErrNotExist, code)
	default:
		return fmt.Errorf("%w: status %d", originals.ErrOrigin, code)
	}
}

// ETagVersion returns the version of an original with this ETag. The quotes do not
// count. The version is a time between 2001 and 2020, the same on every machine.
func ETagVersion(etag string) (version time.Time, ok bool) {
	etag = strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	if etag == "" {
		return time.Time{}, false
	}
	sum := sha256.Sum256([]byte(etag))
	return versionOf(sum[:]), true
}

// versionOf returns a time that is made of a checksum.
func versionOf(sum []byte) time.Time {
	seconds := binary.BigEndian.Uint64(sum) % versionRange
	return firstVersion.Add(time.Duration(seconds)*time.Second + fraction(sum))
}

// fraction returns a fraction of a second that is made of a checksum.
func fraction(sum []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(sum[8:])%1e9) * time.Nanosecond
}

// Call is a request that is not for an original, for example for a list.
type Call struct {
	Method string
	URL    *url.URL // of the origin
	Body   []byte   // nil: none
	Most   int64    // bytes of the answer's body; a longer one is originals.ErrTooLarge
}

// Answer is the answer to a Call: one with a status of 2xx.
type Answer struct {
	Header http.Header
	Body   []byte
}

// Call sends one request. The limits of a fetch hold, except those of turns.
func (o *Origin) Call(ctx context.Context, c Call) (Answer, error) {
	if err := o.memory.slowed(); err != nil {
		return Answer{}, err
	}
	limit := min(o.options.TotalTime, o.asking)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: no whole answer within %v", originals.ErrSlow, limit))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(o.all, func() { stop(originals.ErrStopped) })()
	start := time.Now()
	a, err := o.call(ctx, c)
	if err != nil {
		err = o.explain(ctx, err)
		if errors.Is(err, originals.ErrSlowDown) {
			err = o.memory.note(&run{of: original{key: o.key(c.URL)}, start: start}, err)
		}
		return Answer{}, err
	}
	o.memory.served()
	return a, nil
}

func (o *Origin) call(ctx context.Context, c Call) (Answer, error) {
	r := newRequest(ctx, c.Method, c.URL)
	if c.Body != nil {
		r.ContentLength = int64(len(c.Body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.Body)), nil }
		r.Body, _ = r.GetBody()
	}
	if len(c.Body) == 0 {
		// Its length would count as unknown.
		r.Body = http.NoBody
	}
	resp, err := o.send(r)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return Answer{}, o.refusal(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.Most+1))
	if err == nil && int64(len(body)) > c.Most {
		err = fmt.Errorf("%w: %w: an answer of more than %d bytes", originals.ErrOrigin, originals.ErrTooLarge, c.Most)
	}
	return Answer{resp.Header, body}, err
}

// Base returns the URL of the site's originals. The names are appended to it.
func (o *Origin) Base() *url.URL { return o.options.Base }

// Word returns a word of a store's answer for the log, or only its length if it is more than
// a word.
func Word(s string) string {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}
	if len(s) > 64 || strings.ContainsFunc(s, odd) {
		return "with a code of " + strconv.Itoa(len(s)) + " bytes"
	}
	return s
}
