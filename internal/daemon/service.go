// SPDX-License-Identifier: MIT

package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/fetch"
	"thumbd/internal/files"
	"thumbd/internal/keep"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/render"
	"thumbd/internal/render/wire"
	"thumbd/internal/share"
	"thumbd/internal/source"
	"thumbd/internal/tidy"
	"thumbd/internal/watch"
)

// Times of a worker's life that no administrator needs to choose.
const (
	workerStart = 30 * time.Second // from exec to warm, on a busy machine
	helloTime   = 2 * workerStart
)

// Service is a configuration at work.
type Service struct {
	config   *config.Config
	warnings []config.Mistake // of the file
	lacking  []config.Mistake // formats that are left out
	hello    wire.Hello       // of the first worker
	pool     *render.Pool
	sites    []*keep.Site
	spool    *fetch.Spool
	files    []*files.Section
	gates    gates
	stop     context.CancelFunc
	done     chan struct{} // closed when pool.Run has returned
	// watching is of originals, with the gates' lists.
	watching  sync.WaitGroup
	unwatched unwatched
	tidier    *tidy.Keeper // nil until the service is put to work
	owns      []string     // trees, see Daemon.own
}

// NewService starts workers for c and opens its sites. Warnings go to warn.
func NewService(ctx context.Context, c *config.Config, version string, told Reports, warn func(config.Mistake)) (_ *Service, err error) {
	program, err := WorkerProgram()
	if err != nil {
		return nil, err
	}
	s := &Service{pool: render.New(PoolOptions(c, program, told)), done: make(chan struct{})}
	// The pool outlives ctx: a stop lets running renders finish.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = func() {
		stop()
		s.stopFetches()
	}
	go func() {
		defer close(s.done)
		s.pool.Run(running)
	}()
	defer func() {
		if err != nil {
			s.Close()
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
		return nil, mistakes{err}
	}
	s.config, s.lacking = restricted, warnings
	s.spool = fetch.NewSpool(s.config.Spool, s.config.SpoolBytes)
	for i := range s.config.Sites {
		s.sites = append(s.sites, newSite(s.config, &s.config.Sites[i], s.spool, s.hello, version))
	}
	return s, s.guard()
}

// SetGates sets the deadlines of the operations on all folders of originals and
// downloads. The gates are of the process, so this is for a configuration that is in
// use. If several sites have one folder, the last of them is named in reports.
func (s *Service) SetGates(told Reports) {
	for _, site := range s.sites {
		if gated, ok := site.Originals.(originals.Gated); ok {
			s.setGate(told, gated.Gate(), "site", site.Thumb.Name, site.Originals.Path(""))
		}
	}
	for _, f := range s.config.Files {
		if f.Root != "" {
			s.setGate(told, share.Of(f.Root), "files", f.Name, f.Root)
		}
	}
}

// setGate sets the deadline of the operations on a site's folder of originals, or
// on the root of downloads.
func (s *Service) setGate(told Reports, gate *share.Gate, kind, name, path string) {
	gate.Set(s.config.OriginalTime, func(slow bool) {
		if told.share != nil {
			told.share(kind, name, path, slow)
		}
	})
}

// PoolOptions returns the options of a pool of workers of program.
func PoolOptions(c *config.Config, program string, told Reports) render.Options {
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
		Report:   told.worker,
		Finished: told.output,
	}
}

// limitsText returns, as text, the settings on which the refusal of an original depends:
// the limits, the formats, and the decoders. If the text changes, refusals are void.
func limitsText(c *config.Config, s *config.Site, hello wire.Hello, version string) string {
	return fmt.Sprintf("%s %+v %d %v %v %s", version, PoolOptions(c, "", Reports{}).Limits, c.OriginalBytes, s.OriginalFormats, hello.Read, hello.Vips)
}

func newSite(c *config.Config, from *config.Site, spool *fetch.Spool, hello wire.Hello, version string) *keep.Site {
	s := &keep.Site{
		Thumb:           &from.Thumb,
		Originals:       source.New(c, from, spool),
		OriginalFormats: from.OriginalFormats,
		Watermarks:      from.WatermarkImages,
		WatermarkBytes:  c.OriginalBytes,
		Placeholder:     keep.Placeholder{Path: from.Placeholder, Status: from.PlaceholderStatus},
		Wait:            from.Wait,
		Lifetime:        from.Lifetime(),
		Limits:          limitsText(c, from, hello, version),
	}
	s.Tree = publish.New(from.Thumb.DocumentRoot, from.Thumb.Prefix, s.Gone)
	return s
}

// probeError is an error of probe with its folder.
type probeError struct {
	kind, name string // as admin.Trouble
	error
}

func (e probeError) Error() string {
	section := "site"
	switch e.kind {
	case "files":
		section = e.kind
	case "journal", "journal-write":
		section = "node"
	}
	if e.name == "" {
		return e.error.Error()
	}
	return fmt.Sprintf("%s %s: %v", section, e.name, e.error)
}

func (e probeError) Unwrap() error { return e.error }

// Probe tries every site's folder of originals, tree and watermarks, and the
// spool. With make, missing trees are
// made and temp files of dead processes swept. Its errors are probeErrors.
func (s *Service) Probe(make bool) []error {
	var errs []error
	note := func(kind, name string, err error) {
		if err != nil {
			errs = append(errs, probeError{kind, name, err})
		}
	}
	for i, site := range s.sites {
		name := site.Thumb.Name
		if !isRemote(site) {
			err := site.Originals.Probe()
			if note(kindOf(err), name, err); !make && err == nil && s.config.Sites[i].Watch {
				note("originals", name, watch.Check(s.config.Sites[i].Originals))
			}
		}
		if make {
			// A sweep may free a disk that is full. If both fail, the cause is mostly the same.
			err, swept := site.Tree.Probe(), site.Tree.Sweep()
			note("tree", name, cmp.Or(err, swept))
		} else {
			note("tree", name, site.Tree.Check())
		}
		note("watermark", name, site.CheckWatermarks())
		note("placeholder", name, site.CheckPlaceholder())
	}
	for _, f := range s.files {
		note("files", f.Name, f.Probe())
	}
	return append(errs, s.probeSpool(make)...)
}

// kindOf returns the kind of an error of originals: they can't be read, or their
// share hangs.
func kindOf(err error) string {
	if errors.Is(err, share.ErrSlow) || errors.Is(err, share.ErrBusy) {
		return "share"
	}
	return "originals"
}

// Close ends the workers when running renders have finished, and closes the sites'
// folders. Nothing may use s any more.
func (s *Service) Close() {
	s.stop()
	<-s.done
	s.gates.close()
	s.endWatching()
	if s.tidier != nil {
		s.tidier.Close()
	}
	for _, f := range s.files {
		f.Close()
	}
	for _, site := range s.sites {
		site.Originals.Close()
		site.Tree.Close()
	}
	if s.spool != nil {
		s.spool.Close()
	}
}

// endTime is how long a stop waits for the watching of originals to end: on a share
// that hangs it does not end.
const endTime = 2 * time.Second

func (s *Service) endWatching() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.watching.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(endTime):
	}
}

// WorkerProgram returns the path of thumbd-render.
func WorkerProgram() (string, error) {
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

// Missing returns the parts of the workers' sandbox that this kernel lacks.
func (s *Service) Missing() []string { return s.hello.Missing }

// Sites returns the sites of the configuration.
func (s *Service) Sites() []*keep.Site { return s.sites }
