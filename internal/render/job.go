// SPDX-License-Identifier: MIT

package render

import (
	"errors"
	"fmt"
	"image"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/geometry"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// job lets w make outputs of one original, and finishes each output or queues it
// again. It returns the worker for the next job: w, another worker, or nil.
func (p *Pool) job(w *worker, outputs []*output) *worker {
	if outputs = p.refuseKnown(outputs); len(outputs) == 0 {
		return w
	}
	begun := time.Now()
	deadline := begun.Add(p.options.RenderTime)
	if why := w.unfitFor(sideOf(outputs[0])); why.detail != "" {
		p.drop(w, why)
		w = p.fresh(deadline)
	}
	original := outputs[0].Identity
	err := p.attempt(w, outputs, deadline)
	p.strike(original, err)
	if isCrash(err) && len(outputs) == 1 && p.queue.mayRetry(original) {
		p.drop(w, end{"crashed", "crashed: " + w.crash(err)})
		w = p.fresh(deadline)
		err = p.attempt(w, outputs, deadline)
		p.strike(original, err)
	}
	crash := ""
	if isCrash(err) {
		crash = w.crash(err)
	}
	p.time(outputs, begun)
	switch {
	case err == nil || errors.Is(err, ErrInternal):
		p.finishAll(outputs, err)
	case p.refusals.strikes(original) < mostStrikes && (len(outputs) > 1 || crash != ""):
		p.queue.again(outputs)
	case crash != "":
		p.finishAll(outputs, &Refusal{Err: ErrCrashed, Detail: crash})
	default:
		p.finishAll(outputs, &Refusal{Err: ErrDeadline})
	}
	if w == nil {
		return nil
	}
	why := p.worn(w, outputs, err)
	if crash != "" {
		why = end{"crashed", "crashed: " + crash}
	}
	if why.detail != "" {
		p.drop(w, why)
		return nil
	}
	return w
}

// time notes and tells how long outputs have waited, and taken since begun.
func (p *Pool) time(outputs []*output, begun time.Time) {
	took := time.Since(begun)
	for _, o := range outputs {
		times := Times{Format: o.Transform.Format, Waited: begun.Sub(o.queued), Took: took}
		if o.picture != nil {
			o.picture.Times = times
		}
		p.options.Finished(times)
	}
}

// refuseKnown finishes the outputs that have been refused since they came, by
// another output of their original, and returns the others.
func (p *Pool) refuseKnown(outputs []*output) []*output {
	return slices.DeleteFunc(outputs, func(o *output) bool {
		err := p.refusals.get(o.Request)
		if err != nil {
			o.fail(err)
		}
		return err != nil
	})
}

// strike counts a deadline or a crash, if err of attempt is one.
func (p *Pool) strike(original Identity, err error) {
	if isCrash(err) || errors.Is(err, os.ErrDeadlineExceeded) {
		p.refusals.strike(original)
	}
}

// isCrash reports whether err of attempt means that the worker died or lied.
func isCrash(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, ErrInternal)
}

// finishAll finishes every output, with the result that attempt has set, or with err if
// it is not nil.
func (p *Pool) finishAll(outputs []*output, err error) {
	for _, o := range outputs {
		if err != nil {
			o.picture, o.err = nil, err
		}
		p.refusals.add(o)
		o.finish()
	}
}

// worn returns the reason for which w is replaced after a job in which it did not crash,
// or no reason if w may go on.
func (p *Pool) worn(w *worker, outputs []*output, err error) end {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return end{"deadline", "killed at the deadline"}
	case p.options.WorkerRenders > 0 && w.wear >= p.options.WorkerRenders:
		return end{"worn", fmt.Sprintf("made %d outputs", w.outputs)}
	}
	doubted := false
	for _, o := range outputs {
		if errors.Is(o.err, ErrDamaged) {
			return end{"damaged", "read a damaged original"}
		}
		doubted = doubted || errors.Is(o.err, ErrUnsupported) && o.decoded && o.Transform.Method != thumb.Original
	}
	if doubted {
		w.doubts++
	}
	if w.doubts >= mostDoubts {
		return end{"distrusted", fmt.Sprintf("called %d originals unsupported in which the probe found no fault", w.doubts)}
	}
	return end{}
}

// attempt hands outputs to w and sets the result of each. If it returns an error, the
// whole job has failed, and no result is set. The error is os.ErrDeadlineExceeded,
// ErrInternal if the worker is not the cause, or it says that the worker died or lied.
func (p *Pool) attempt(w *worker, outputs []*output, deadline time.Time) (err error) {
	if w == nil {
		return fmt.Errorf("%w: no worker could be started in time", ErrInternal)
	}
	original := outputs[0].Original
	w.serve(sideOf(outputs[0]))
	// The worker before may have read some of it: the offset is shared.
	if _, err := original.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", ErrInternal, err)
	}
	marks, files := watermarks(outputs)
	files = append([]*os.File{original}, files...)
	first := len(files)
	defer func() {
		for _, f := range files[first:] {
			discard(f)
		}
	}()
	for range outputs {
		f, err := memfd(p.options.Limits.ThumbnailBytes)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInternal, err)
		}
		files = append(files, f)
	}
	job := p.message(outputs)
	job.Watermarks = marks
	results, err := w.do(job, files, deadline)
	if err != nil {
		return err
	}
	// Only now: on a disk that hangs, a read before would hang the daemon, and no
	// deadline ends that. The worker has read the same bytes.
	w.wear += len(outputs) * wear(original)
	for i, o := range outputs {
		if err := p.accept(w, o, results[i], files[first+i]); err != nil {
			for _, o := range outputs {
				if o.picture != nil {
					o.picture.File.Close()
				}
				o.picture, o.err = nil, nil
			}
			return err
		}
	}
	return nil
}

// watermarks returns the names of the watermarks of outputs, each once, and
// their images.
func watermarks(outputs []*output) (names []string, images []*os.File) {
	for _, o := range outputs {
		if name := o.Transform.Watermark.Name; name != "" && !slices.Contains(names, name) {
			names, images = append(names, name), append(images, o.Watermark)
		}
	}
	return names, images
}

func (p *Pool) message(outputs []*output) *wire.Job {
	l := p.options.Limits
	job := &wire.Job{
		// Not to be guessed: an answer that comes early is no answer.
		ID:      rand.Uint64(),
		Formats: outputs[0].Formats,
		Pixels:  l.OriginalPixels, Frames: l.OriginalFrames,
		Width: l.ThumbnailWidth, Height: l.ThumbnailHeight, Bytes: l.ThumbnailBytes,
		Outputs: make([]thumb.Transform, len(outputs)),
	}
	for i, o := range outputs {
		job.Outputs[i] = o.Transform
	}
	return job
}

// accept sets o's end by the worker's result and the content of the memfd.
func (p *Pool) accept(w *worker, o *output, r wire.Result, f *os.File) error {
	o.decoded = r.Decoded
	if r.Failure != "" {
		switch err, known := failures[r.Failure]; {
		case !known:
			o.err = fmt.Errorf("%w: %s", ErrInternal, r.Detail)
		case r.Failure == wire.Watermark:
			// Not the original's fault: it is not remembered as that.
			o.err = fmt.Errorf("%w: %s", err, r.Detail)
		default:
			o.err = &Refusal{Err: err, Detail: r.Detail}
		}
		return nil
	}
	if o.Transform.Measure {
		if err := p.checkSize(o.Transform, r); err != nil {
			return err
		}
		o.picture = NewPicture(nil, r.OriginalWidth, r.OriginalHeight, func() { w.distrusted.Store(true) })
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInternal, err)
	}
	if info.Size() == 0 || info.Size() > p.options.Limits.ThumbnailBytes {
		return fmt.Errorf("%w: a picture of %d bytes", errLie, info.Size())
	}
	if err := p.checkSize(o.Transform, r); err != nil {
		return err
	}
	own, err := copyOf(f, info.Size())
	if err != nil {
		return err
	}
	o.picture = NewPicture(own, r.Width, r.Height, func() { w.distrusted.Store(true) })
	o.picture.Quality, o.picture.Over = r.Quality, r.Over
	return nil
}

// checkSize returns an error unless the picture is as large as one of such an
// original has to be.
func (p *Pool) checkSize(t thumb.Transform, r wire.Result) error {
	if t.Method == thumb.Original {
		return nil
	}
	if r.OriginalWidth < 1 || r.OriginalHeight < 1 {
		return fmt.Errorf("%w: an original of %dx%d", errLie, r.OriginalWidth, r.OriginalHeight)
	}
	limit := image.Pt(p.options.Limits.ThumbnailWidth, p.options.Limits.ThumbnailHeight)
	plan, err := geometry.New(image.Pt(r.OriginalWidth, r.OriginalHeight), t, limit)
	if err != nil {
		return fmt.Errorf("%w: %w", errLie, err)
	}
	if size := image.Pt(r.Width, r.Height); size != plan.Canvas {
		return fmt.Errorf("%w: a picture of %v where %v is due", errLie, size, plan.Canvas)
	}
	return nil
}

// copyOf returns the size bytes of a worker's memfd in one that no worker has
// seen: a worker that writes after it has answered changes nothing.
func copyOf(picture *os.File, size int64) (*os.File, error) {
	own, err := anonymous()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInternal, err)
	}
	n, err := io.Copy(own, io.NewSectionReader(picture, 0, size))
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrInternal, err)
	case n != size:
		err = fmt.Errorf("%w: a picture of %d bytes, then of %d", errLie, size, n)
	default:
		return own, nil
	}
	own.Close()
	return nil, err
}

// discard gives back the memory of a memfd, even if a worker keeps it open, and it can't
// grow again. Otherwise a worker could keep many: its own limit of memory does not count
// shared memory.
func discard(f *os.File) {
	// An error leaves no more than the memory of one picture.
	_ = f.Truncate(0)
	f.Close()
}

// memfd returns an anonymous file of size bytes. A seal keeps it from growing, for every
// process that has it open, see memfd_create(2). No process can add further seals.
func memfd(size int64) (*os.File, error) {
	f, err := anonymous()
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	return f, nil
}

// anonymous returns a file in memory.
func anonymous() (*os.File, error) {
	fd, err := unix.MemfdCreate("thumbnail", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memfd:thumbnail"), nil
}
