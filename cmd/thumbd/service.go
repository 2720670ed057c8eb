// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/render"
	"thumbd/internal/render/wire"
	"thumbd/internal/serve"
)

// Times of a worker's life that no administrator needs to choose.
const (
	workerStart = 30 * time.Second // from exec to warm, on a busy machine
	helloTime   = 2 * workerStart
)

// service is a configuration at work.
type service struct {
	config *config.Config
	hello  wire.Hello // of the first worker
	pool   *render.Pool
	sites  []*serve.Site
	files  []serve.Files
	gates  gates
	stop   context.CancelFunc
	done   chan struct{} // closed when pool.Run has returned
}

// newService starts workers for c and opens its sites. Warnings go to warn.
func newService(ctx context.Context, c *config.Config, report func(render.Event), warn func(config.Mistake)) (_ *service, err error) {
	program, err := workerProgram()
	if err != nil {
		return nil, err
	}
	s := &service{pool: render.New(poolOptions(c, program, report)), done: make(chan struct{})}
	// The pool outlives ctx: what runs when thumbd is told to stop finishes.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go func() {
		defer close(s.done)
		s.pool.Run(running)
	}()
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	if s.hello, err = s.pool.Hello(ctx); err != nil {
		return nil, err
	}
	restricted, warnings, err := c.Restrict(s.hello.Read, s.hello.Write)
	for _, w := range warnings {
		warn(w)
	}
	if err != nil {
		return nil, usage{err}
	}
	s.config = restricted
	for i := range s.config.Sites {
		s.sites = append(s.sites, newSite(s.config, &s.config.Sites[i]))
	}
	return s, s.guard()
}

func poolOptions(c *config.Config, program string, report func(render.Event)) render.Options {
	return render.Options{
		Program:       program,
		Workers:       c.Workers,
		WorkerRenders: c.WorkerRenders,
		WorkerMemory:  c.WorkerMemory,
		StartTime:     workerStart,
		RenderTime:    c.RenderTime,
		Queue:         c.Queue,
		QueueTime:     c.QueueTime,
		Limits: render.Limits{
			OriginalPixels:  c.OriginalPixels,
			OriginalFrames:  c.OriginalFrames,
			ThumbnailWidth:  c.ThumbnailWidth,
			ThumbnailHeight: c.ThumbnailHeight,
			ThumbnailBytes:  c.ThumbnailBytes,
		},
		Report: report,
	}
}

func newSite(c *config.Config, from *config.Site) *serve.Site {
	s := &serve.Site{
		Thumb:           &from.Thumb,
		Originals:       originals.New(from.Originals, c.OriginalBytes),
		OriginalFormats: from.OriginalFormats,
		Negotiate:       from.Negotiate,
		Watermarks:      from.WatermarkImages,
		WatermarkBytes:  c.OriginalBytes,
	}
	s.Tree = publish.New(from.Thumb.DocumentRoot, from.Thumb.Prefix, s.Gone)
	return s
}

// probe tries every site's originals, tree and watermarks. With make, missing trees are
// made and temp files of dead processes swept.
func (s *service) probe(make bool) []error {
	var errs []error
	for _, site := range s.sites {
		tree := site.Tree.Check
		if make {
			tree = site.Tree.Probe
		}
		for _, try := range []func() error{site.Originals.Probe, tree, site.CheckWatermarks} {
			if err := try(); err != nil {
				errs = append(errs, fmt.Errorf("site %s: %w", site.Thumb.Name, err))
			}
		}
		if make {
			if err := site.Tree.Sweep(); err != nil {
				errs = append(errs, fmt.Errorf("site %s: %w", site.Thumb.Name, err))
			}
		}
	}
	for _, f := range s.files {
		if err := f.Section.Probe(); err != nil {
			errs = append(errs, fmt.Errorf("files %s: %w", f.Where.Name, err))
		}
	}
	return errs
}

// close ends the workers when what runs has finished, and lets go of the
// sites' folders. Nothing may use s any more.
func (s *service) close() {
	s.stop()
	<-s.done
	s.gates.close()
	for _, f := range s.files {
		f.Section.Close()
	}
	for _, site := range s.sites {
		site.Originals.Close()
		site.Tree.Close()
	}
}

// workerProgram returns where thumbd-render is.
func workerProgram() (string, error) {
	if path := os.Getenv("THUMBD_RENDER"); path != "" {
		return path, nil
	}
	var tried []string
	if own, err := os.Executable(); err == nil {
		tried = append(tried, filepath.Join(filepath.Dir(own), "thumbd-render"))
	}
	tried = append(tried, "/usr/libexec/thumbd/thumbd-render")
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("thumbd-render is not at %q: install it there, or set THUMBD_RENDER", tried)
}

func logEvent(log *slog.Logger) func(render.Event) {
	return func(e render.Event) {
		level := slog.LevelDebug
		args := []any{"pid", e.PID}
		if e.Detail != "" {
			level = slog.LevelInfo
			args = append(args, "detail", e.Detail)
		}
		if e.Err != nil {
			level = slog.LevelError
			args = append(args, "err", e.Err)
		}
		log.Log(context.Background(), level, e.Text, args...)
	}
}
