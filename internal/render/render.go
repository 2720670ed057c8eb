// SPDX-License-Identifier: MIT

// Package render makes thumbnails in worker processes: it queues outputs, hands them to
// workers in jobs, kills a worker if a job passes its deadline, replaces dead workers,
// and remembers the originals that can't be rendered.
//
// It is larger than other packages because queue, jobs and workers change together: if a
// worker dies, another one gets its job.
package render

import (
	"errors"
	"fmt"
	"os"
	"time"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// Why an output was not made. All but the last five are the original's fault,
// come in a *Refusal and are remembered.
var (
	ErrUnsupported       = errors.New("the original is no image of a format that is allowed here")
	ErrDamaged           = errors.New("the original is damaged or cut off")
	ErrTooManyPixels     = errors.New("the original has more pixels than original_pixels")
	ErrTooManyFrames     = errors.New("the animation has more frames than original_frames, or in all of them more pixels than original_pixels")
	ErrThumbnailTooLarge = errors.New("the thumbnail would be larger than thumbnail_width x thumbnail_height")
	ErrThumbnailBytes    = errors.New("the thumbnail has more bytes than thumbnail_bytes")
	ErrNoVariant         = errors.New("the original has no variant of this format: that would show less, or not save min_saving")
	ErrDeadline          = errors.New("the render passed render_time")
	ErrCrashed           = errors.New("the worker crashed twice over this original")
	ErrQuarantined       = errors.New("the original is quarantined: workers crashed over it")

	ErrWatermark = errors.New("the watermark's image can't be used")
	ErrInternal  = errors.New("the worker could not make the thumbnail")
	ErrQueueFull = errors.New("the queue is full")
	ErrQueueTime = errors.New("no worker was free within queue_time")
	ErrShutdown  = errors.New("thumbd is stopping")
)

// failures are the errors for the failures that workers report. If a failure is missing
// here, it is ErrInternal.
var failures = map[wire.Failure]error{
	wire.Unsupported:       ErrUnsupported,
	wire.Damaged:           ErrDamaged,
	wire.TooManyPixels:     ErrTooManyPixels,
	wire.TooManyFrames:     ErrTooManyFrames,
	wire.ThumbnailTooLarge: ErrThumbnailTooLarge,
	wire.ThumbnailBytes:    ErrThumbnailBytes,
	wire.NoVariant:         ErrNoVariant,
	wire.Watermark:         ErrWatermark,
}

// Refusal is an output that was not made because of its original. Err is one
// of the errors of this package.
type Refusal struct {
	Err        error
	Detail     string // what the worker said, for the log
	Remembered bool   // answered from memory: logged before
}

// Error returns Err's text and the detail.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Err.Error()
	}
	return fmt.Sprintf("%v: %s", r.Err, r.Detail)
}

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

// Identity identifies one version of an original. If two outputs have equal identities,
// they may be made in one job, and share refusals. If an original is replaced, the new
// file may have the same mtime and size, but differs in another field.
type Identity struct {
	Site  string
	Name  string // below the site's originals
	Mtime int64  // nanoseconds since 1970
	Size  int64  // bytes
	Ctime int64  // nanoseconds since 1970
	Inode uint64
}

// Request is one output that is asked for.
type Request struct {
	Original  *os.File // read-only; stays the caller's, who closes it after Render
	Identity  Identity
	Formats   []thumb.Format // that the original may be of; the same for all of a site
	Transform thumb.Transform
	Watermark *os.File // the image of Transform's, or nil; as Original
	// Protected says that not all clients may see the original. A worker that has
	// seen one of an open site never sees this, and the reverse.
	Protected bool
	// Background outputs are made when no other waits.
	Background bool
	// Wanted, if not nil, is closed when a client comes to wait for an output
	// that is in the background: then it is so no longer.
	Wanted <-chan struct{}
	// Company groups a background output with others that are made together, or nil.
	Company *Company
}

// Picture is a thumbnail in memory. The caller closes File. For a Transform with
// Measure it is the size of the original, and File is nil.
type Picture struct {
	File          *os.File // a memfd; its offset is anywhere
	Width, Height int      // pixels, as the worker says
	Quality       int      // that the worker has chosen; 0: it was told the quality
	Over          bool     // more bytes than Transform.MaxBytes, at the lowest quality
	Times         Times
	distrust      func()
}

// NewPicture returns a Picture of file. distrust replaces the worker that made it.
func NewPicture(file *os.File, width, height int, distrust func()) *Picture {
	return &Picture{File: file, Width: width, Height: height, distrust: distrust}
}

// Distrust replaces the worker that made p. It is called if p does not have the format or
// size of the request.
func (p *Picture) Distrust() { p.distrust() }

// Limits are the keys of [limits] in thumbd.toml(5) that workers keep.
type Limits struct {
	OriginalPixels  int64 // width x height x frames
	OriginalFrames  int
	ThumbnailWidth  int // pixels
	ThumbnailHeight int
	ThumbnailBytes  int64
}

// Options are a Pool's. All before Report must be set.
type Options struct {
	Program       string        // path of thumbd-render
	Workers       int           // processes that render at once
	WorkerRenders int           // outputs after which one is replaced; 0: never
	WorkerMemory  int64         // RLIMIT_DATA of one, bytes
	StartTime     time.Duration // longest from a worker's exec to its Hello
	RenderTime    time.Duration // longest from hand-over to answer, retry included
	Queue         int           // most outputs that wait, and as many in the background
	QueueTime     time.Duration // longest wait for a worker
	Limits        Limits
	Report        func(Event) // called from any goroutine
	// Finished, if not nil, is called for each output that a worker has made or failed
	// to make, from any goroutine.
	Finished func(Times)

	// How a worker's process is guarded; 0: as a worker of thumbd should be.
	Look    time.Duration // from one look at all workers to the next
	Threads int           // most of one worker
	IdleCPU time.Duration // most processor time in a minute without a job
}

// Event is something in the life of a worker that an administrator may want
// to know.
type Event struct {
	Text string // constant: "worker started"
	PID  int
	// Reason of "worker replaced": worn, crashed, deadline, damaged, distrusted,
	// unfit, site, threads, spun or died.
	Reason string
	Detail string
	Err    error // nil unless something went wrong
}

// Times are the times of one output.
type Times struct {
	Format thumb.Format
	Waited time.Duration // for a worker
	Took   time.Duration // its job, which may have other outputs too
}

// State is the present state of a Pool.
type State struct {
	Workers int // warm ones that have a place
	Running int // jobs
	Queued  int // outputs that wait
}
