// SPDX-License-Identifier: MIT

package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// Client asks a daemon. If none runs, systemd starts one for the first request.
// Its methods may be called concurrently. Their errors are NoAnswer, Refused, or the
// error of a callback.
type Client struct{ http http.Client }

// Dial returns a Client of the unix socket at a path, for example Socket.
func Dial(socket string) *Client {
	return NewClient(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	})
}

// NewClient returns a Client. dial makes its connections.
func NewClient(dial func(context.Context) (net.Conn, error)) *Client {
	return &Client{http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}}
}

// Listens reports whether a daemon, or systemd that starts one, listens at a
// socket. The error is NoAnswer: this user may not connect.
func Listens(socket string) (bool, error) {
	c, err := net.Dial("unix", socket)
	switch {
	case err == nil:
		c.Close()
	case errors.Is(err, fs.ErrPermission):
		return false, &NoAnswer{err}
	}
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED), nil
}

// NoAnswer means that no connection, or no whole answer, came.
type NoAnswer struct{ Cause error }

// Error ends with the usual cure.
func (e *NoAnswer) Error() string {
	text := e.Cause.Error()
	if errors.Is(e.Cause, fs.ErrPermission) {
		return text + ": are you root or of the group thumbd-admin?"
	}
	if _, ok := errors.AsType[*net.OpError](e.Cause); ok {
		return text + ": is thumbd-admin.socket started?"
	}
	return text
}

// Unwrap returns the cause.
func (e *NoAnswer) Unwrap() error { return e.Cause }

// Refused is an answer other than 200.
type Refused struct {
	Code   int    // of HTTP
	Reason string // of X-Thumbd-Reason, for example "no-original"
	Text   string
}

// Error returns the daemon's text.
func (e *Refused) Error() string { return e.Text }

const (
	maxText = 64 << 10 // of an error's text, in bytes
	maxJSON = 16 << 20 // of an answer in JSON, in bytes
)

// Purge returns the daemon's words about the purge.
func (c *Client) Purge(ctx context.Context, p Purge) (string, error) {
	b, err := c.whole(ctx, http.MethodPost, PurgeRoute, p.Form(), maxText)
	return strings.TrimSpace(string(b)), err
}

// Warm asks the daemon to make the missing thumbnails of an original, and waits for
// them. If original is "", it only checks the site and the selection.
func (c *Client) Warm(ctx context.Context, site string, s Selection, original string) (w Warmed, err error) {
	return w, c.decode(ctx, http.MethodPost, WarmRoute, s.Form(site, original), &w)
}

// Info returns the description of an original, the file of package info. Without an
// original it only checks that the site has descriptions.
func (c *Client) Info(ctx context.Context, site, original string) ([]byte, error) {
	return c.whole(ctx, http.MethodPost, InfoRoute, Selection{}.Form(site, original), maxText)
}

// EachOriginal calls f with the name of each original that s selects, and returns
// the number of folders that the daemon can't read.
func (c *Client) EachOriginal(ctx context.Context, site string, s Selection, f func(name string) error) (unread int, err error) {
	resp, err := c.do(ctx, http.MethodPost, OriginalsRoute, s.Form(site, ""))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			break
		}
		if err != nil {
			return 0, &NoAnswer{err}
		}
		name, err := url.PathUnescape(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return 0, &NoAnswer{err}
		}
		if err := f(name); err != nil {
			return 0, err
		}
	}
	if unread, err = strconv.Atoi(resp.Trailer.Get(UnreadTrailer)); err != nil {
		return 0, &NoAnswer{fmt.Errorf("%s: %w", UnreadTrailer, err)}
	}
	return unread, nil
}

// Report returns the daemon's state. The daemon tries all folders and origins for
// it.
func (c *Client) Report(ctx context.Context) (*Report, error) {
	r := new(Report)
	if err := c.decode(ctx, http.MethodGet, ReportRoute, "", r); err != nil {
		return nil, err
	}
	return r, nil
}

// Nodes returns the members of the farm.
func (c *Client) Nodes(ctx context.Context) (all []Node, err error) {
	return all, c.decode(ctx, http.MethodGet, NodesRoute, "", &all)
}

// Forget removes a node from the list of Nodes.
func (c *Client) Forget(ctx context.Context, name string) error {
	_, err := c.whole(ctx, http.MethodPost, NodesRoute, url.Values{"forget": {name}}.Encode(), maxText)
	return err
}

// Status returns a list of Family in JSON.
func (c *Client) Status(ctx context.Context) ([]byte, error) {
	return c.whole(ctx, http.MethodGet, StatusRoute, "", maxJSON)
}

// Health asks for /_thumbd/health. Only the socket for nginx has this route.
func (c *Client) Health(ctx context.Context) error {
	_, err := c.whole(ctx, http.MethodGet, "/_thumbd/health", "", maxText)
	return err
}

func (c *Client) decode(ctx context.Context, method, route, form string, to any) error {
	b, err := c.whole(ctx, method, route, form, maxJSON)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return &NoAnswer{err}
	}
	return nil
}

// whole returns the body of an answer of at most limit bytes.
func (c *Client) whole(ctx context.Context, method, route, form string, limit int64) ([]byte, error) {
	resp, err := c.do(ctx, method, route, form)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readAll(resp.Body, limit)
}

// do returns the answer if its status is 200. The caller closes the body.
func (c *Client) do(ctx context.Context, method, route, form string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://thumbd"+route, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.http.Do(r)
	if err != nil {
		// The URL of a unix socket says nothing.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, &NoAnswer{err}
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := readAll(resp.Body, maxText)
	if err != nil {
		return nil, err
	}
	return nil, &Refused{resp.StatusCode, resp.Header.Get("X-Thumbd-Reason"), strings.TrimSpace(string(text))}
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, &NoAnswer{err}
	}
	return b, nil
}
