// SPDX-License-Identifier: MIT

// Command demo shows thumbd at work: it makes thumbnails of a folder of images
// through a real nginx and serves a page of them until it is interrupted.
//
// PORT is the port of nginx on 127.0.0.1: 8080 if unset, any free one if 0. ORIGINALS is the
// folder, testdata/originals if unset. See package rig for THUMBD_BUILD.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"thumbd/internal/test/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Stdout)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && (!interrupted || !errors.Is(err, context.Canceled)) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run serves the page until ctx is done, and leaves nothing behind.
func run(ctx context.Context, out io.Writer) (err error) {
	port := cmp.Or(os.Getenv("PORT"), "8080")
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("PORT: want a number up to 65535, have %q", port)
	}
	folder, err := originalsFolder()
	if err != nil {
		return err
	}
	names, err := findOriginals(folder)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "thumbd-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// If this runs as root, nginx's workers are another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	programs, err := rig.Build(ctx, dir)
	if err != nil {
		return err
	}
	key := rand.Text()
	r, err := rig.Start(ctx, rig.Options{
		Programs: programs,
		Address:  "127.0.0.1:" + port,
		Server:   "root " + dir + ";",
		Sites:    []rig.Site{{Name: "gallery", Prefix: "/thumbs/", Scheme: "signed", Originals: folder, Key: key}},
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %s of 127.0.0.1 is taken: choose another one, with PORT=8081 make demo for example", port)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return show(ctx, r, gallery{folder: folder, names: names, key: key, page: filepath.Join(dir, "index.html"), out: out})
}

// show makes all thumbnails, writes the page and waits.
func show(ctx context.Context, r *rig.Rig, g gallery) error {
	fmt.Fprintf(g.out, "Making %d thumbnails of each of %d originals in %s, one after the other …\n", len(variants), len(g.names), g.folder)
	originals, err := g.measure(ctx, r)
	if err != nil {
		return err
	}
	if err := writePage(g.page, originals); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "\n    %s\n\n", r.URL("/"))
	fmt.Fprintf(g.out, "shows them, from disk by nginx: kill %d ends thumbd alone, and the page stays.\nCtrl-C ends all of it.\n", r.DaemonPID())
	<-ctx.Done()
	return nil
}

func originalsFolder() (string, error) {
	folder := os.Getenv("ORIGINALS")
	if folder == "" {
		return rig.Testdata("originals")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(folder); err != nil {
		return "", fmt.Errorf("ORIGINALS: %w", err)
	} else if !info.IsDir() {
		return "", fmt.Errorf("ORIGINALS: %s is not a folder", folder)
	}
	return folder, nil
}
