// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"thumbd/internal/route"
	"thumbd/internal/sign"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

const key = "thumbd-bench-key-0123456789abcdef"

// site is the site of all measurements, with originals in folder.
func site(folder string) rig.Site {
	return rig.Site{Name: "gallery", Prefix: "/thumbs/", Scheme: "signed", Originals: folder, Key: key}
}

// target returns the signed request target of a thumbnail. Thumbnails of
// different versions are the same picture under another name.
func target(original string, t thumb.Transform, version int) (string, error) {
	s := &thumb.Site{
		Route: route.Route{Prefix: "/thumbs/"}, Scheme: thumb.Signed, MaxWidth: 1 << 14, MaxHeight: 1 << 14,
		Formats: []thumb.Format{thumb.JPEG, thumb.WebP, thumb.PNG},
	}
	x := thumb.Thumb{Site: s, Original: original, Spec: t, Version: fmt.Sprint(version), Ext: t.Format.String()}
	x.Signature = sign.Sign(x, []byte(key))
	parsed, err := s.Parse(x.URI())
	return rig.Escape(parsed.URI()), err
}

// client is one kept connection.
type client struct {
	conn   net.Conn
	in     *bufio.Reader
	accept string // the value of Accept, or none
}

// dial connects to nginx, or by the network unix to the daemon itself.
func dial(ctx context.Context, network, address string) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReader(conn)}, nil
}

// socket is the daemon's own.
func socket(r *rig.Rig) string { return filepath.Join(r.Dir, "thumbd.sock") }

// get returns how long a request took until all of its answer was there.
func (c *client) get(target string) (time.Duration, error) {
	start := time.Now()
	_, _, err := c.exchange(target)
	return time.Since(start), err
}

// exchange sends a request, and returns how long the answer's header took and the
// answer's type. All of the answer was read.
func (c *client) exchange(target string) (first time.Duration, mediaType string, err error) {
	start := time.Now()
	accept := ""
	if c.accept != "" {
		accept = "Accept: " + c.accept + "\r\n"
	}
	if _, err := fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, accept); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, "", err
	}
	first = time.Since(start)
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d, %s", target, resp.StatusCode, resp.Header.Get("X-Thumbd-Reason"))
	}
	return first, resp.Header.Get("Content-Type"), err
}

// repeat has n clients ask nginx for target again and again, for the duration long. It
// returns the time that each request took.
func repeat(ctx context.Context, r *rig.Rig, target string, n int, long time.Duration) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	end := time.Now().Add(long)
	for range n {
		wg.Go(func() {
			took, err := until(ctx, r.Addr, target, end)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return all, failed
}

func until(ctx context.Context, address, target string, end time.Time) (took []time.Duration, err error) {
	c, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	for time.Now().Before(end) && ctx.Err() == nil {
		// nginx closes a connection after keepalive_requests, 1,000.
		if len(took)%900 == 899 {
			c.conn.Close()
			if c, err = dial(ctx, "tcp", address); err != nil {
				return nil, err
			}
		}
		d, err := c.get(target)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	return took, ctx.Err()
}

// quantile sorts d and returns its q quantile, for example 0.99.
func quantile[T time.Duration | float64](d []T, q float64) T {
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)]
}

// ofRounds returns the median of the ratios of rounds as a figure, with their spread and
// further details.
func ofRounds(ratios []float64, details string) figure {
	return figure{value: quantile(ratios, 0.5), detail: fmt.Sprintf("median of %d rounds, half of them from %.2f to %.2f; %s",
		len(ratios), quantile(ratios, 0.25), quantile(ratios, 0.75), details)}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
