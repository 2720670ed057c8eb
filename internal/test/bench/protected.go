// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"thumbd/internal/sign"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

const accessKey = "thumbd-bench-access-0123456789ab"

// protected compares hits of a protected site with hits of an open site, on one
// file, in turns, and measures the time of a check meanwhile.
func protected(ctx context.Context, p rig.Programs) (figure, error) {
	return guardedOverOpen(ctx, p, "", "")
}

// protectedCached is protected with an nginx that keeps allowed questions for a second.
func protectedCached(ctx context.Context, p rig.Programs) (figure, error) {
	return guardedOverOpen(ctx, p, "proxy_cache_path answers levels=1:2 keys_zone=thumbd_auth:10m inactive=2s use_temp_path=off;",
		"set $thumbd_auth_cache thumbd_auth;")
}

// guardedOverOpen has further lines of nginx for its http context and for the location of
// the protected site.
func guardedOverOpen(ctx context.Context, p rig.Programs, outer, inner string) (f figure, err error) {
	const rounds, clients, round = 20, 8, 300 * time.Millisecond
	folder, err := photographs()
	if err != nil {
		return f, err
	}
	guarded := site(folder)
	guarded.Protected, guarded.Location = true, inner
	guarded.TOML = "[site.gallery.access]\nproofs = [\"signature\"]\nkeys = [\"access.key\"]\n"
	open := site(folder)
	open.Name, open.Prefix, open.Scheme, open.Key = "open", "/open/", "preset", ""
	r, err := rig.Start(ctx, rig.Options{Programs: p, HTTP: outer, Sites: []rig.Site{guarded, open}, Keys: map[string]string{"access.key": accessKey}})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	// medium of the scheme preset, and the same size behind the check.
	medium := thumb.Transform{Width: 300, Height: 300, Method: thumb.Fit, Format: thumb.JPEG}
	uri, err := target("fig.jpg", medium, 1)
	if err != nil {
		return f, err
	}
	uri += "?" + sign.Access.Sign(uri, sign.Query{Expires: time.Now().Add(time.Hour)}, []byte(accessKey))
	targets := []string{uri, "/open/medium/fig.jpg"}
	for _, t := range targets {
		if resp, err := r.Get(ctx, t); err != nil || resp.Status != http.StatusOK {
			return f, errors.Join(err, fmt.Errorf("%s: status %d", t, resp.Status))
		}
	}
	var ratios []float64
	var checks int
	var cpu time.Duration
	for range rounds {
		var n [2]int
		for i, t := range targets {
			before, err := cpuTime(r.DaemonPID())
			if err != nil {
				return f, err
			}
			took, err := repeat(ctx, r, t, clients, round)
			if err != nil {
				return f, err
			}
			after, err := cpuTime(r.DaemonPID())
			if err != nil {
				return f, err
			}
			n[i] = len(took)
			if i == 0 {
				checks += len(took)
				cpu += after - before
			}
		}
		ratios = append(ratios, float64(n[0])/float64(n[1]))
	}
	answers, err := askMeanwhile(ctx, r, uri, func() error {
		_, err := repeat(ctx, r, uri, clients, 10*round)
		return err
	})
	if err != nil {
		return f, err
	}
	return ofRounds(ratios, fmt.Sprintf("a check takes %.0f µs of the daemon's CPU, and under load its answer p50 %.2f ms, p99 %.2f ms",
		float64(cpu.Microseconds())/float64(checks),
		milliseconds(quantile(answers, 0.5)), milliseconds(quantile(answers, 0.99)))), nil
}

// askMeanwhile asks the daemon itself about uri, as nginx does, while load
// runs, and returns how long each answer took.
func askMeanwhile(ctx context.Context, r *rig.Rig, uri string, load func() error) (took []time.Duration, err error) {
	c, err := dial(ctx, "unix", socket(r))
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	done := make(chan error, 1)
	go func() { done <- load() }()
	for {
		d, err := c.ask(uri)
		if err != nil {
			return nil, errors.Join(err, <-done)
		}
		took = append(took, d)
		select {
		case err := <-done:
			return took, err
		default:
		}
	}
}

// ask sends the question of nginx's auth_request for uri, and returns the time to its
// answer.
func (c *client) ask(uri string) (time.Duration, error) {
	start := time.Now()
	if _, err := fmt.Fprintf(c.conn, "GET /_thumbd/auth HTTP/1.1\r\nHost: localhost\r\nX-Original-URI: %s\r\n\r\n", uri); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return 0, fmt.Errorf("auth: status %d", resp.StatusCode)
	}
	return time.Since(start), nil
}

// cpuTime returns the time that the threads of a process have spent on CPUs.
func cpuTime(pid int) (time.Duration, error) {
	tasks := fmt.Sprintf("/proc/%d/task", pid)
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, e := range entries {
		b, err := os.ReadFile(tasks + "/" + e.Name() + "/schedstat")
		if errors.Is(err, os.ErrNotExist) {
			continue // a thread that has ended
		}
		if err != nil {
			return 0, err
		}
		nanoseconds, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(nanoseconds, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, nil
}
