// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"thumbd/internal/test/rig"
)

// farm compares the misses a second of farms of one, two and three nodes behind the
// shipped front. A control group gives each node half a processor, so that the nodes
// are the bound, as they are on machines of their own. It takes root.
func farm(ctx context.Context, p rig.Programs) (f figure, err error) {
	const rounds = 3
	dir, err := os.MkdirTemp("", "thumbd-bench-farm-")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	names, err := manyOriginals(dir)
	if err != nil {
		return f, err
	}
	var rates [3][]float64
	for range rounds {
		for i := range rates {
			rate, err := missesOf(ctx, p, i+1, dir, names)
			if err != nil {
				return f, err
			}
			rates[i] = append(rates[i], rate)
		}
	}
	one, two, three := quantile(rates[0], 0.5), quantile(rates[1], 0.5), quantile(rates[2], 0.5)
	return figure{
		value:  three / one,
		detail: fmt.Sprintf("%.1f, %.1f and %.1f misses a second with 1, 2 and 3 nodes, medians of %d; one node from %.1f to %.1f", one, two, three, rounds, rates[0][0], rates[0][rounds-1]),
		also:   []aim{{"the same with two nodes", two / one, 1.8, true}},
	}, nil
}

// fronted compares the hits through the shipped front, which has a connection for each
// request, with the hits of the same node through a front that keeps connections, in turns.
// Front, node and clients share the processors of this machine.
func fronted(ctx context.Context, p rig.Programs) (f figure, err error) {
	const rounds, clients, round = 60, 8, 300 * time.Millisecond
	folder, uri, err := oneCard()
	if err != nil {
		return f, err
	}
	node, err := rig.Start(ctx, rig.Options{Programs: p, Sites: []rig.Site{site(folder)}, Node: true})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	path, err := rig.Testdata("../nginx/snippets/thumbd-front.conf")
	if err != nil {
		return f, err
	}
	snippet, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	const closed = "proxy_set_header   Connection        close;"
	if !strings.Contains(string(snippet), closed) {
		return f, fmt.Errorf("%s has no %s", path, closed)
	}
	shipped := rig.Front([]*rig.Rig{node}, site(folder), string(snippet))
	kept := rig.Front([]*rig.Rig{node}, site(folder), strings.Replace(string(snippet), closed, `proxy_set_header Connection "";`, 1))
	kept.HTTP = strings.Replace(kept.HTTP, "server ", "keepalive 32; server ", 1)
	var fronts [2]*rig.Rig
	for i, o := range []rig.Options{shipped, kept} {
		if fronts[i], err = rig.Start(ctx, o); err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, fronts[i].Close()) }()
	}
	var ratios []float64
	var rates [2][]float64
	for range rounds {
		for i, r := range fronts {
			took, err := repeat(ctx, r, uri, clients, round)
			if err != nil {
				return f, err
			}
			rates[i] = append(rates[i], float64(len(took))/round.Seconds())
		}
		last := len(rates[0]) - 1
		ratios = append(ratios, rates[0][last]/rates[1][last])
	}
	return ofRounds(ratios, fmt.Sprintf("%.0f and %.0f a second", quantile(rates[0], 0.5), quantile(rates[1], 0.5))), nil
}

// manyOriginals makes originals in dir of one photograph, so many that each node of a
// farm has its share, and returns their names.
func manyOriginals(dir string) (names []string, err error) {
	photos, err := photographs()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(photos, "fig.jpg"))
	if err != nil {
		return nil, err
	}
	for i := range 300 {
		name := fmt.Sprintf("%d.jpg", i)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// missesOf returns the misses a second of a farm of n nodes.
func missesOf(ctx context.Context, p rig.Programs, n int, dir string, names []string) (rate float64, err error) {
	const clients, warmUp, long = 24, 3 * time.Second, 15 * time.Second
	var nodes []*rig.Rig
	for range n {
		r, err := rig.Start(ctx, rig.Options{Programs: p, Sites: []rig.Site{site(dir)}, Node: true})
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		free, lerr := halfAProcessor(r)
		defer func() { err = errors.Join(err, free()) }()
		if lerr != nil {
			return 0, lerr
		}
		nodes = append(nodes, r)
	}
	front, err := rig.Start(ctx, rig.Front(nodes, site(dir), "include snippets/thumbd-front.conf;"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, front.Close()) }()
	var made, next atomic.Int64
	var wg sync.WaitGroup
	fails := make(chan error, clients)
	start := time.Now().Add(warmUp)
	end := start.Add(long)
	for range clients {
		wg.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				i := int(next.Add(1))
				uri, err := target(names[i%len(names)], card, i)
				if err != nil {
					fails <- err
					return
				}
				resp, err := front.Get(ctx, uri)
				if err != nil || resp.Status != 200 {
					fails <- errors.Join(err, fmt.Errorf("%s: status %d", uri, resp.Status))
					return
				}
				if now := time.Now(); now.After(start) && now.Before(end) {
					made.Add(1)
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-fails:
		return 0, err
	default:
		return float64(made.Load()) / long.Seconds(), ctx.Err()
	}
}

// halfAProcessor moves a node's daemon and workers into a control group with half a
// processor. free removes the group, after the node has ended.
func halfAProcessor(r *rig.Rig) (free func() error, err error) {
	const period = 100_000 // microseconds
	group, file, limit := "/sys/fs/cgroup", "cpu.max", fmt.Sprintf("%d %d", period/2, period)
	if _, err := os.Stat(filepath.Join(group, "cpu")); err == nil { // Version 1.
		group, file, limit = filepath.Join(group, "cpu"), "cpu.cfs_quota_us", strconv.Itoa(period/2)
	}
	group = filepath.Join(group, fmt.Sprintf("thumbd-bench-%d", r.DaemonPID()))
	if err := os.Mkdir(group, 0o755); err != nil {
		return func() error { return nil }, fmt.Errorf("a control group, as root: %w", err)
	}
	free = func() error { return errors.Join(r.StopDaemon(), os.Remove(group)) }
	if err := os.WriteFile(filepath.Join(group, file), []byte(limit), 0o644); err != nil {
		return free, err
	}
	// The daemon first: a worker that it starts from now on is in the group.
	pid := strconv.Itoa(r.DaemonPID())
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(pid), 0o644); err != nil {
		return free, err
	}
	lists, err := filepath.Glob(filepath.Join("/proc", pid, "task", "*", "children"))
	for _, list := range lists {
		children, rerr := os.ReadFile(list)
		err = errors.Join(err, rerr)
		for _, p := range strings.Fields(string(children)) {
			err = errors.Join(err, os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(p), 0o644))
		}
	}
	return free, err
}
