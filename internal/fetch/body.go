// SPDX-License-Identifier: MIT

package fetch

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"thumbd/internal/originals"
)

// key returns the spool's name of the original at u. Sites share no key, because
// one site may be allowed to fetch a URL that another may not.
func (o *Origin) key(u *url.URL) string {
	name := o.options.Site + "\x00" + u.String()
	if o.options.Dialect != nil {
		// A server of files at the same URL has other versions.
		name += "\x00dialect"
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// fetch brings an original into the spool, as the origin has it now, and returns its
// record. It remembers an error.
func (o *Origin) fetch(ctx context.Context, of original) (record, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(o.options.TotalTime, func() { cancel(o.slow("total_time")) }).Stop()
	if err := o.turn(ctx); err != nil {
		return record{}, err
	}
	defer func() { <-o.turns }()
	run := o.memory.begin(of, cancel)
	defer o.memory.end(run)
	// While this fetch waited, another may have found the origin silent.
	if err := o.memory.get(of.key); err != nil {
		return record{}, err
	}
	r, err := o.bring(ctx, run)
	if err != nil {
		err = o.explain(ctx, err)
	}
	return r, o.memory.note(run, err)
}

// turn waits until fewer than Fetches fetches are in progress. The caller gives
// the turn back.
func (o *Origin) turn(ctx context.Context) error {
	select {
	case o.turns <- struct{}{}:
		return nil
	default:
	}
	defer o.waiting.Add(-1)
	if o.waiting.Add(1) > int64(o.options.Queue) {
		return fmt.Errorf("%w: %d wait", originals.ErrBusy, o.options.Queue)
	}
	select {
	case o.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return o.explain(ctx, ctx.Err())
	}
}

// bring asks the origin for the original, conditionally if the spool has a copy,
// and writes the body of the answer into the spool. run's cancel ends ctx.
func (o *Origin) bring(ctx context.Context, run *run) (record, error) {
	r, err := o.spool.record(run.of.key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return record{}, err
	}
	if r.Size > o.options.OriginalBytes {
		// original_bytes was larger when the copy was fetched.
		r = record{}
	}
	resp, err := o.request(ctx, http.MethodGet, run.of.url, r)
	if err != nil {
		return record{}, err
	}
	defer resp.Body.Close()
	if err := o.checkAnswer(resp, r.conditional()); err != nil {
		if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, originals.ErrUntold) {
			o.spool.drop(run.of.key)
		}
		return record{}, err
	}
	o.memory.served()
	if resp.StatusCode == http.StatusNotModified {
		return r, nil
	}
	in, err := o.spool.create(run.of.key)
	if err != nil {
		return record{}, err
	}
	defer in.discard()
	sum := sha256.New()
	size, err := o.receive(io.MultiWriter(in, sum), resp.Body, run.cancel)
	if err != nil {
		return record{}, err
	}
	etag, lastModified := validators(resp.Header)
	return in.commit(record{
		URL: run.of.url.String(), Size: size, Mtime: o.version(resp.Header, sum),
		ETag: etag, LastModified: lastModified,
	}, func() error { return o.memory.forgotten(run) })
}

// maxETag is the length in bytes of the longest ETag that is sent back. Origins
// refuse long headers.
const maxETag = 1024

// validators returns the validators for a conditional request. One that can't be
// sent or relied on is "": an original that was changed within the second of the
// answer may change again within it (RFC 9110, section 8.8.2.2).
func validators(h http.Header) (etag, lastModified string) {
	unsendable := func(r rune) bool { return r < ' ' || r > '~' }
	if e := h.Get("ETag"); len(e) <= maxETag && !strings.ContainsFunc(e, unsendable) {
		etag = e
	}
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	date, dateErr := http.ParseTime(h.Get("Date"))
	if err == nil && (dateErr != nil || date.Sub(modified) >= time.Second) {
		lastModified = h.Get("Last-Modified")
	}
	return etag, lastModified
}

// receive copies a body. It returns an error if the body does not begin like an
// image, is too large or too slow.
func (o *Origin) receive(w io.Writer, body io.Reader, cancel context.CancelCauseFunc) (int64, error) {
	m := &meter{reader: body}
	least := max(int64(float64(o.options.Rate)*o.window.Seconds()), 1)
	defer m.watch(o.window, least, func() { cancel(o.slow("rate")) })()
	head := bufio.NewReaderSize(m, 32<<10)
	begin, err := head.Peek(signatureLength)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if !beginsAs(begin, o.options.Formats) {
		return 0, fmt.Errorf("%w: %.16q", originals.ErrType, begin)
	}
	n, err := io.Copy(w, io.LimitReader(head, o.options.OriginalBytes+1))
	if err == nil && n > o.options.OriginalBytes {
		err = fmt.Errorf("%w: more than %d bytes", originals.ErrTooLarge, o.options.OriginalBytes)
	}
	return n, err
}

// meter counts the bytes that are read.
type meter struct {
	reader io.Reader
	bytes  atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.reader.Read(p)
	m.bytes.Add(int64(n))
	return n, err
}

// watch calls tooSlow if fewer than least bytes were read within a window. It
// ends when stop is called.
func (m *meter) watch(window time.Duration, least int64, tooSlow func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(window)
		defer tick.Stop()
		for last := int64(0); ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			now := m.bytes.Load()
			if now-last < least {
				tooSlow()
				return
			}
			last = now
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// An original gets a time from firstVersion on, made from its content, if the
// origin sends no Last-Modified, or sends one before 1970 or from lastVersion on.
var (
	firstVersion = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	lastVersion  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	versionRange = uint64(20 * 365 * 24 * time.Hour / time.Second)
)

// version returns the version of the original in an answer with that content.
func (o *Origin) version(h http.Header, content hash.Hash) time.Time {
	if o.options.Dialect != nil {
		if v, ok := o.options.Dialect.Version(h); ok {
			return v
		}
	}
	return version(h.Get("Last-Modified"), content)
}

// version returns the modification time of an original. Origins state seconds,
// and some state the same time for every file: the fraction, made from the
// content, differs for different content.
func version(lastModified string, content hash.Hash) time.Time {
	sum := content.Sum(nil)
	if t, err := http.ParseTime(lastModified); err == nil && t.Unix() > 0 && t.Before(lastVersion) {
		return t.UTC().Add(fraction(sum))
	}
	return versionOf(sum)
}
