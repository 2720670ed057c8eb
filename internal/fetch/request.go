// SPDX-License-Identifier: MIT

package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"thumbd/internal/originals"
)

const (
	maxHeaderBytes = 64 << 10
	idleTime       = 30 * time.Second
)

// newClient returns a client without a proxy, cookies, decompression or HTTP/2: an answer
// of one file does not need them.
func (o *Origin) newClient(resolver *net.Resolver) *http.Client {
	dialer := &net.Dialer{Timeout: o.options.ConnectTime, Control: Control(o.options.AllowAddresses), Resolver: resolver}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		CheckRedirect: o.checkRedirect,
		Transport: transport{o.memory.answered, &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    o.options.ConnectTime,
			ResponseHeaderTimeout:  o.options.HeaderTime,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeaderBytes,
			// Redirects lead to any number of hosts.
			MaxIdleConns:        o.options.Fetches * (1 + o.options.Redirects),
			MaxIdleConnsPerHost: o.options.Fetches,
			IdleConnTimeout:     idleTime,
			Protocols:           protocols,
		}},
	}
}

// transport tells of each answer.
type transport struct {
	answered func()
	*http.Transport
}

// RoundTrip implements [http.RoundTripper]. If the Location of a redirect is no URL, it
// refuses the redirect: the error of http.Client would have the Location, and a Location
// may be signed.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	t.answered()
	if _, err := resp.Location(); resp.StatusCode/100 == 3 && err != nil && !errors.Is(err, http.ErrNoLocation) {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: status %d and a Location that is no URL", originals.ErrOrigin, resp.StatusCode)
	}
	return resp, nil
}

// checkRedirect is that of [http.Client].
func (o *Origin) checkRedirect(req *http.Request, via []*http.Request) error {
	// The next host has no business with the URL of this one.
	req.Header.Del("Referer")
	u, from := req.URL, via[len(via)-1].URL
	switch {
	case o.options.Dialect != nil:
		return http.ErrUseLastResponse
	case len(via) > o.options.Redirects:
		return fmt.Errorf("%w: more than %d redirects", originals.ErrOrigin, o.options.Redirects)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: a redirect to a URL of %q", originals.ErrForbidden, u.Scheme)
	case u.Scheme == "http" && from.Scheme == "https":
		return fmt.Errorf("%w: a redirect from https to http", originals.ErrForbidden)
	case u.User != nil:
		return fmt.Errorf("%w: a redirect to a URL with a user's name", originals.ErrForbidden)
	case !o.allowsHost(strings.ToLower(u.Hostname())):
		return fmt.Errorf("%w: a redirect to the host %q, which is not in allow_hosts", originals.ErrForbidden, u.Hostname())
	case !o.allowsPort(u):
		return fmt.Errorf("%w: a redirect to port %s, which is not in allow_ports", originals.ErrForbidden, port(u))
	}
	return nil
}

func (o *Origin) allowsHost(host string) bool {
	if host == strings.ToLower(o.options.Base.Hostname()) {
		return true
	}
	return slices.ContainsFunc(o.options.AllowHosts, func(allowed string) bool {
		suffix, wild := strings.CutPrefix(allowed, "*")
		return host == allowed || wild && strings.HasSuffix(host, suffix)
	})
}

func (o *Origin) allowsPort(u *url.URL) bool {
	p := port(u)
	return p == "80" || p == "443" || p == port(o.options.Base) ||
		slices.ContainsFunc(o.options.AllowPorts, func(n int) bool { return p == strconv.Itoa(n) })
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// request sends one request and follows redirects. A record that the spool
// has makes it conditional. The caller closes the answer's body.
func (o *Origin) request(ctx context.Context, method string, u *url.URL, r record) (*http.Response, error) {
	req := newRequest(ctx, method, u)
	if r.ETag != "" {
		req.Header.Set("If-None-Match", r.ETag)
	}
	if r.LastModified != "" {
		req.Header.Set("If-Modified-Since", r.LastModified)
	}
	return o.send(req)
}

func newRequest(ctx context.Context, method string, u *url.URL) *http.Request {
	// A dialect's Sign writes to the URL of its request, while callers read u.
	own := *u
	return (&http.Request{
		Method: method, URL: &own, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"User-Agent": {"thumbd"},
			"Accept":     {"image/*, */*;q=0.1"},
			// A byte that arrives is a byte of the original.
			"Accept-Encoding": {"identity"},
		},
	}).WithContext(ctx)
}

// send signs and sends a request. The caller closes the answer's body.
func (o *Origin) send(req *http.Request) (*http.Response, error) {
	if o.options.Dialect != nil {
		if err := o.options.Dialect.Sign(req); err != nil {
			return nil, err
		}
	}
	// A PUT or DELETE of a whole file can be sent again if the store closes the kept
	// connection at that moment. The empty value says so to net/http and is not sent.
	req.Header["Idempotency-Key"] = nil
	resp, err := o.client.Do(req)
	// Its text has the URL of the last redirect, and this URL may be signed.
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	return resp, err
}

// checkAnswer returns an error if an answer's header rules out an original.
func (o *Origin) checkAnswer(resp *http.Response, conditional bool) error {
	switch code := resp.StatusCode; {
	case code == http.StatusNotModified && conditional:
		return nil
	case code != http.StatusOK:
		return o.refusal(resp)
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return fmt.Errorf("%w: Content-Encoding %q, and identity was asked for", originals.ErrOrigin, coding)
	}
	if resp.ContentLength > o.options.OriginalBytes {
		return fmt.Errorf("%w: %d bytes", originals.ErrTooLarge, resp.ContentLength)
	}
	return nil
}

// own are the errors that explain leaves as they are.
var own = []error{fs.ErrNotExist, originals.ErrTooLarge, originals.ErrOrigin, originals.ErrSlow, originals.ErrForbidden, originals.ErrCredentials, originals.ErrSlowDown, originals.ErrType, originals.ErrBusy, originals.ErrSpool, originals.ErrStopped}

// maxText is the number of characters that are kept of an error. If an error quotes the
// origin, it may have any length, and many errors are remembered.
const maxText = 500

// explain returns err as a sentinel error, for example originals.ErrSlow, with err's text,
// cut to maxText. If no caller waits any more, the error is [context.Canceled].
func (o *Origin) explain(ctx context.Context, err error) error {
	err = o.classify(ctx, err)
	text := err.Error()
	if len(text) <= maxText {
		return err
	}
	for _, sentinel := range own {
		if errors.Is(err, sentinel) {
			return fmt.Errorf("%w%.*s (and so on)", sentinel, maxText, strings.TrimPrefix(text, sentinel.Error()))
		}
	}
	return err
}

func (o *Origin) classify(ctx context.Context, err error) error {
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case isAny(err, own...):
		return err
	case isAny(context.Cause(ctx), originals.ErrSlow, originals.ErrStopped):
		return context.Cause(ctx)
	case ctx.Err() != nil:
		return ctx.Err()
	case isNet && timeout.Timeout():
		return fmt.Errorf("%w: %w", originals.ErrSlow, err)
	case HasNoNetwork(err):
		return fmt.Errorf("%w: %w; %s", originals.ErrOrigin, err, NoNetwork)
	}
	return fmt.Errorf("%w: %w", originals.ErrOrigin, err)
}

// NoNetwork is what to add to an error if HasNoNetwork.
const NoNetwork = "thumbd.service has no network unless a drop-in gives it one"

// HasNoNetwork reports whether the reason of err may be that this process has no network. A
// look-up does not say why no name server could be asked.
func HasNoNetwork(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && !dns.IsNotFound || isAny(err, syscall.EAFNOSUPPORT, syscall.ENETUNREACH, syscall.EPERM, syscall.EACCES)
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// slow returns an originals.ErrSlow that names the key of the limit, for example
// total_time.
func (o *Origin) slow(key string) error {
	return fmt.Errorf("%w for %s", originals.ErrSlow, key)
}
