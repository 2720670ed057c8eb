// SPDX-License-Identifier: MIT

package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"thumbd/internal/admin"
)

// Purge returns the daemon's words about the purge.
func (c *Client) Purge(ctx context.Context, p admin.Purge) (string, error) {
	b, err := c.whole(ctx, http.MethodPost, admin.PurgeRoute, p.Form(), maxText)
	return strings.TrimSpace(string(b)), err
}

// Warm asks the daemon to make the missing thumbnails of an original, and waits for
// them. If original is "", it only checks the site and the selection.
func (c *Client) Warm(ctx context.Context, site string, s admin.Selection, original string) (w admin.Warmed, err error) {
	return w, c.decode(ctx, http.MethodPost, admin.WarmRoute, s.Form(site, original), &w)
}

// EachOriginal calls f with the name of each original that s selects, and returns
// the number of folders that the daemon can't read.
func (c *Client) EachOriginal(ctx context.Context, site string, s admin.Selection, f func(name string) error) (unread int, err error) {
	resp, err := c.do(ctx, http.MethodPost, admin.OriginalsRoute, s.Form(site, ""))
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
	if unread, err = strconv.Atoi(resp.Trailer.Get(admin.UnreadTrailer)); err != nil {
		return 0, &NoAnswer{fmt.Errorf("%s: %w", admin.UnreadTrailer, err)}
	}
	return unread, nil
}

// Info returns the description of an original, the file of package info. Without an
// original it only checks that the site has descriptions.
func (c *Client) Info(ctx context.Context, site, original string) ([]byte, error) {
	return c.whole(ctx, http.MethodPost, admin.InfoRoute, admin.Selection{}.Form(site, original), maxText)
}

// Report returns the daemon's state. The daemon tries all folders and origins for
// it.
func (c *Client) Report(ctx context.Context) (*admin.Report, error) {
	r := new(admin.Report)
	if err := c.decode(ctx, http.MethodGet, admin.ReportRoute, "", r); err != nil {
		return nil, err
	}
	return r, nil
}

// Status returns a list of admin.Family in JSON.
func (c *Client) Status(ctx context.Context) ([]byte, error) {
	return c.whole(ctx, http.MethodGet, admin.StatusRoute, "", maxJSON)
}

// Nodes returns the members of the farm.
func (c *Client) Nodes(ctx context.Context) (all []admin.Node, err error) {
	return all, c.decode(ctx, http.MethodGet, admin.NodesRoute, "", &all)
}

// Forget removes a node from the list of Nodes.
func (c *Client) Forget(ctx context.Context, name string) error {
	_, err := c.whole(ctx, http.MethodPost, admin.NodesRoute, url.Values{"forget": {name}}.Encode(), maxText)
	return err
}

// Health asks for /_thumbd/health. Only the socket for nginx has this route.
func (c *Client) Health(ctx context.Context) error {
	_, err := c.whole(ctx, http.MethodGet, "/_thumbd/health", "", maxText)
	return err
}
