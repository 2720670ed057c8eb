// SPDX-License-Identifier: MIT

// Package client asks a daemon over its socket for administrators. Package admin is the
// protocol. For example, this takes away the thumbnails of one original:
//
//	said, err := client.Dial(admin.Socket).Purge(ctx, admin.Purge{Site: "gallery", Originals: []string{"2024/a.jpg"}})
package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// Client asks a daemon. If none runs, systemd starts one for the first request.
// Its methods may be called concurrently. Their errors are NoAnswer, Refused, or the
// error of a callback.
type Client struct{ http http.Client }

// Dial returns a Client of the unix socket at a path, for example admin.Socket.
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

// Listens reports whether a daemon listens at a socket, or systemd, which starts a daemon
// for it. If this user may not connect, the error is a NoAnswer.
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
