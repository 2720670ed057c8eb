// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/test/rig"
	"thumbd/internal/test/store"
)

// bench is the part of testing.TB that package store needs. A failure is a panic.
type bench struct {
	testing.TB
	ctx     context.Context
	folders string
	cleanup []func()
}

func (*bench) Helper()                      {}
func (b *bench) Context() context.Context   { return b.ctx }
func (b *bench) Cleanup(f func())           { b.cleanup = append(b.cleanup, f) }
func (*bench) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (*bench) Fatalf(text string, a ...any) { panic(fmt.Sprintf(text, a...)) }
func (*bench) Skip(args ...any)             { panic(fmt.Sprint(args...)) }
func (b *bench) TempDir() string            { return b.folders }

// end does what was to be done at the end of a test.
func (b *bench) end() {
	for _, f := range slices.Backward(b.cleanup) {
		f()
	}
}

// journal runs three nodes with the default settings and a journal in a bucket of a real
// store: idle for a minute, and then with purges.
func journal(ctx context.Context, p rig.Programs) (f figure, err error) {
	const size, idle, purges = 3, time.Minute, 20
	dir, err := os.MkdirTemp("", "thumbd-bench-store-")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{ctx: ctx, folders: dir}
	defer b.end()
	var requests atomic.Int64
	s := store.Start(b, "media")
	endpoint := s.Through(func(w http.ResponseWriter, r *http.Request, store http.Handler) {
		requests.Add(1)
		store.ServeHTTP(w, r)
	})
	folder, err := rig.Testdata("originals/tests/orientation")
	if err != nil {
		return f, err
	}
	var nodes []*rig.Rig
	for i := range size {
		var r *rig.Rig
		r, err = rig.Start(ctx, rig.Options{
			Programs: p, Sites: []rig.Site{site(folder)},
			Keys: map[string]string{"nodes.key": "the key of all nodes 0123456789", "s3-access": store.AccessKey, "s3-secret": store.SecretKey},
			TOML: fmt.Sprintf("[daemon]\nidle_exit = \"0\"\n[nodes]\njournal = \"s3://media/thumbd/\"\nkeys = [\"nodes.key\"]\nname = \"n%d\"\n"+
				"[nodes.s3]\nendpoint = %q\nregion = %q\naccess_key = \"s3-access\"\nsecret_key = \"s3-secret\"\nallow_addresses = [%q]\n", i+1, endpoint, store.Region, store.Address),
		})
		if err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		nodes = append(nodes, r)
	}
	asked, cpu, err := idleFor(ctx, idle, nodes, &requests)
	if err != nil {
		return f, err
	}
	var took []time.Duration
	for range purges {
		start := time.Now()
		resp, err := nodes[0].Do(ctx, rig.Request{
			Method: "POST", Target: "/purge", Admin: true, Body: url.Values{"site": {"gallery"}, "original": {"1.jpg"}}.Encode(),
			Header: []string{"Content-Type: application/x-www-form-urlencoded"},
		})
		if err != nil || resp.Status != http.StatusOK {
			return f, fmt.Errorf("purge: status %d, %q, %w", resp.Status, resp.Body, err)
		}
		took = append(took, time.Since(start))
	}
	minutes := idle.Minutes() * size
	return figure{
		value:  float64(asked) / minutes,
		detail: fmt.Sprintf("%d nodes with poll = \"2s\", idle for %v; purges took %v to %v", size, idle, slices.Min(took).Round(time.Millisecond), slices.Max(took).Round(time.Millisecond)),
		also: []aim{
			{"ms of the daemon's CPU a minute when idle", milliseconds(cpu) / minutes, 100, false},
			{"s from a purge to its answer of all nodes, p50", quantile(took, 0.5).Seconds(), 2.5, false},
		},
	}, nil
}

// idleFor returns the requests of all nodes over a time, and the CPU time of their daemons.
func idleFor(ctx context.Context, idle time.Duration, nodes []*rig.Rig, requests *atomic.Int64) (asked int64, cpu time.Duration, err error) {
	all := func() (sum time.Duration) {
		for _, r := range nodes {
			spent, cerr := cpuTime(r.DaemonPID())
			sum, err = sum+spent, errors.Join(err, cerr)
		}
		return sum
	}
	before, start := all(), requests.Load()
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(idle):
	}
	return requests.Load() - start, all() - before, err
}
