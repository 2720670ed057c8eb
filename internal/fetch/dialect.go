// SPDX-License-Identifier: MIT

package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var (
	// ErrCredentials means that a store refuses thumbd's credentials, clock or region.
	ErrCredentials = errors.New("the store refused the credentials")
	// ErrSlowDown means that a store asks for fewer requests.
	ErrSlowDown = errors.New("the store asks for fewer requests")
	// ErrUntold is an [fs.ErrNotExist] that may be a missing right as well.
	ErrUntold = errors.New("the store does not tell if there is no such original or no right to read it")
)

// Dialect is how an origin is asked that is more than a server of files. Its methods
// are safe for concurrent use. An Origin with a Dialect follows no redirect.
type Dialect interface {
	// Sign completes a request, as the last change of it.
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
		return fmt.Errorf("%w: status %d", ErrOrigin, code)
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

// Get sends GET for a URL of the origin that is no original's, for example of a list,
// and returns the body, of at most most bytes. The limits of a fetch hold.
func (o *Origin) Get(ctx context.Context, u *url.URL, most int64) ([]byte, error) {
	if err := o.memory.slowed(); err != nil {
		return nil, err
	}
	limit := min(o.options.TotalTime, o.asking)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: no whole answer within %v", ErrSlow, limit))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(o.flights.all, func() { stop(ErrStopped) })()
	start := time.Now()
	body, err := o.get(ctx, u, most)
	if err != nil {
		err = o.explain(ctx, err)
		if errors.Is(err, ErrSlowDown) {
			o.memory.add(o.key(u), start, err)
		}
		return nil, err
	}
	return body, nil
}

func (o *Origin) get(ctx context.Context, u *url.URL, most int64) ([]byte, error) {
	resp, err := o.request(ctx, http.MethodGet, u, record{})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, o.refusal(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err == nil && int64(len(body)) > most {
		err = fmt.Errorf("%w: an answer of more than %d bytes", ErrOrigin, most)
	}
	return body, err
}

// Base returns the URL of the site's originals. The names are appended to it.
func (o *Origin) Base() *url.URL { return o.options.Base }
