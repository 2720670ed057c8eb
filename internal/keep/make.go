// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/purge"
	"thumbd/internal/render"
	"thumbd/internal/share"
	"thumbd/internal/tell"
	"thumbd/internal/thumb"
)

var (
	// ErrLogged marks an error that has its line in the log.
	ErrLogged = errors.New("logged")
	// ErrChanged means that there is no thumbnail of one version of the original.
	ErrChanged = errors.New("the original changed while it was read, twice")
)

// Outcome is a thumbnail that is there.
type Outcome struct {
	// Unpublished is the picture, of size bytes, if it could not be published; nil
	// if it is in the tree.
	Unpublished *os.File
	Size        int64
	rendered    bool
	trouble     error         // why it is unpublished, unless that is nobody's fault
	waited      time.Duration // for a worker
	quality     int           // that the worker has chosen, or 0
	over        bool          // more bytes than max_bytes
}

func (o Outcome) close() {
	if o.Unpublished != nil {
		o.Unpublished.Close()
	}
}

// make has a's thumbnail published, by rendering it unless it is there.
func (k *Keeper) make(ctx context.Context, renderer Renderer, a Request) (out Outcome, err error) {
	start := time.Now()
	asked := a
	var last Outcome
	for range 2 {
		run := asked.ledger.Begin()
		// The originals that exist may have changed since the last try.
		a = asked.sized()
		out, bytes, err := k.try(ctx, renderer, a, run)
		run.End()
		switch {
		case errors.Is(err, ErrChanged), errors.Is(err, purge.ErrPurged):
			// A request of before gets the picture of before, if need be.
			last.close()
			last = out
			continue
		case err != nil:
			last.close()
			return Outcome{}, k.logged(ctx, a, err)
		case bytes > 0:
			out.rendered = true
			k.options.Count(Event{What: Rendered, Site: a.Thumb.Name})
			k.tellRendered(ctx, a, out, bytes, time.Since(start))
		}
		last.close()
		return out, nil
	}
	if last.Unpublished != nil {
		return last, nil
	}
	return Outcome{}, k.logged(ctx, a, ErrChanged)
}

// tellRendered writes the log's line of a thumbnail that was made, unless there are too
// many, and a warning if max_bytes could not be kept.
func (k *Keeper) tellRendered(ctx context.Context, a Request, out Outcome, bytes int64, took time.Duration) {
	if out.over {
		if more, due := k.lines.Due("over max_bytes "+a.Thumb.Name, tell.Pause); due {
			k.log(ctx, slog.LevelWarn, a, "larger than max_bytes at the lowest quality: raise max_bytes, or lower the preset's size",
				"bytes", bytes, "max_bytes", a.transform.MaxBytes, "quality", out.quality, "more", more)
		}
	}
	ok, left := k.sampler.Allow()
	k.tellLeft(left)
	if !ok {
		return
	}
	args := []any{"status", 200, "bytes", bytes, "format", a.transform.Format.String(),
		"ms", took.Milliseconds(), "queue_ms", out.waited.Milliseconds()}
	if out.quality != 0 {
		args = append(args, "quality", out.quality)
	}
	k.log(ctx, slog.LevelInfo, a, "rendered", args...)
}

// try renders and publishes once, within run. bytes is the size of the new picture, 0 if
// nothing was to do.
func (k *Keeper) try(ctx context.Context, renderer Renderer, a Request, run purge.Render) (out Outcome, bytes int64, err error) {
	p := a.standing()
	if p.lives {
		return Outcome{}, 0, nil
	}
	a.thumb = a.reading(a.thumb)
	original, info, err := a.Originals.Open(ctx, a.thumb.Original)
	switch {
	case p.outlives(err):
		return Outcome{}, 0, nil
	case err != nil:
		return Outcome{}, 0, err
	}
	defer a.gate().Close(original)
	if p.there && a.fresh(a.Name, p.mtime, info) && a.Lifetime == 0 {
		return Outcome{}, 0, nil
	}
	if a.isMarked(info) {
		return Outcome{}, 0, render.ErrNoVariant
	}
	if a, err = k.resolve(ctx, renderer, a, original, info); err != nil {
		return Outcome{}, 0, err
	}
	mark, err := a.mark(a.transform.Watermark.Name)
	if err != nil {
		return Outcome{}, 0, err
	}
	defer mark.close()
	picture, err := renderer.Render(ctx, render.Request{
		Original:  original,
		Identity:  a.identity(info),
		Formats:   a.OriginalFormats,
		Transform: a.transform,
		Watermark: mark.file,
		Protected: a.Access != nil,

		Background: a.company != nil,
		Company:    a.company,
		Wanted:     a.wanted,
	})
	changed, cerr := share.Do(a.gate(), func() (change, error) { return changeSince(original, info, mark) }, nil)
	switch {
	case (changed.is || cerr != nil) && picture == nil:
		return Outcome{}, 0, errors.Join(ErrChanged, cerr)
	case cerr != nil:
		picture.File.Close()
		return Outcome{}, 0, errors.Join(ErrChanged, cerr)
	case changed.is:
		out, err := afterChange(picture, want(a, run, picture, info), changed.replaced)
		return out, 0, err
	case err != nil:
		k.note(a, run, info, err)
		return Outcome{}, 0, err
	}
	out, bytes, err = k.publish(ctx, a, picture, want(a, run, picture, info))
	out.waited, out.quality, out.over = picture.Times.Waited, picture.Quality, picture.Over
	if err == nil && out.Unpublished == nil {
		k.removeStale(a, info)
		k.unmark(a)
	}
	return out, bytes, err
}

// identity returns the identity of a's original in the pool of workers, by which one
// original's renders and refusals are counted. info is the original's.
func (a Request) identity(info originals.Info) render.Identity {
	return render.Identity{
		Site: a.Thumb.Name, Name: a.thumb.Original, Mtime: info.Mtime.UnixNano(), Size: info.Size,
		Ctime: info.Ctime.UnixNano(), Inode: info.Ino,
	}
}

// afterChange returns ErrChanged with the outcome of a picture after its original has
// changed: the picture is not published. If the original was replaced as a whole, the
// picture is right for the earlier file; otherwise it was made from two versions.
func afterChange(picture *render.Picture, want publish.Want, replaced bool) (Outcome, error) {
	if !replaced {
		picture.File.Close()
		return Outcome{}, ErrChanged
	}
	err := publish.Check(picture.File, want)
	stat, serr := picture.File.Stat()
	if err = errors.Join(err, serr); err != nil {
		if errors.Is(err, publish.ErrPicture) {
			picture.Distrust()
		}
		picture.File.Close()
		return Outcome{}, err
	}
	return Outcome{Unpublished: picture.File, Size: stat.Size()}, ErrChanged
}

// change says if a job's input has changed, and if the original was replaced as a
// whole.
type change struct{ is, replaced bool }

// changeSince returns the change of the original or of the watermark's image, if
// there is one.
func changeSince(original *os.File, info originals.Info, mark markImage) (change, error) {
	changed, err := originals.Changed(original, info)
	if err == nil && !changed && mark.file != nil {
		changed, err = originals.Changed(mark.file, mark.info)
	}
	return change{is: changed, replaced: changed && originals.Replaced(original, info)}, err
}

// want describes the picture that may be published, if no purge has covered it since
// run began.
func want(a Request, run purge.Render, picture *render.Picture, info originals.Info) publish.Want {
	w := publish.Want{
		Format: a.transform.Format, Width: picture.Width, Height: picture.Height, Mtime: a.settings.Mtime(a.Name, info.Version()),
		Guard: func(place func() error) error { return run.Publish(a.Name, a.published(), place) },
	}
	if a.transform.Method == thumb.Original {
		// Its own bytes may have features that the header's readers lack.
		w.Width, w.Height = 0, 0
	}
	return w
}

// publish publishes picture and closes it. If the picture is valid and could not be
// published, it is in the outcome and stays open, also beside an error.
func (k *Keeper) publish(ctx context.Context, a Request, picture *render.Picture, want publish.Want) (Outcome, int64, error) {
	keep := false
	defer func() {
		if !keep {
			picture.File.Close()
		}
	}()
	stat, err := picture.File.Stat()
	if err != nil {
		return Outcome{}, 0, err
	}
	err = a.Tree.Publish(a.Name, picture.File, want)
	switch {
	case errors.Is(err, publish.ErrPicture):
		picture.Distrust()
		return Outcome{}, 0, err
	case errors.Is(err, purge.ErrPurged):
		keep = true
		return Outcome{Unpublished: picture.File, Size: stat.Size()}, 0, err
	case errors.Is(err, purge.ErrSuperseded):
		// Only requests from before the new configuration wait.
		keep = true
		return Outcome{Unpublished: picture.File, Size: stat.Size()}, 0, nil
	case err != nil:
		k.options.Count(Event{What: Unpublished, Site: a.Thumb.Name})
		if more, due := k.lines.Due("unpublished "+a.Thumb.Name, tell.Pause); due {
			k.log(ctx, slog.LevelError, a, "not published, sent as it is: mend the cause, or every request for it is a render", "err", err, "more", more)
		}
		keep = true
		return Outcome{Unpublished: picture.File, Size: stat.Size(), trouble: err}, stat.Size(), nil
	}
	k.options.Count(Event{What: Published, Site: a.Thumb.Name, Bytes: stat.Size()})
	return Outcome{}, stat.Size(), nil
}

// logged logs err if an administrator wants to know it, and returns it. A
// refusal that the pool remembers is told once; trouble of an original's own
// once a pause, and so is that of all requests.
func (k *Keeper) logged(ctx context.Context, a Request, err error) error {
	v := k.options.Judge(err)
	level := slog.LevelInfo
	if v.Ours {
		level = slog.LevelError
	}
	what := v.Reason + " " + a.Thumb.Name
	if !v.Passing && !v.Shared {
		what += " " + a.thumb.Original
	}
	refusal, refused := errors.AsType[*render.Refusal](err)
	if refused {
		k.options.Count(Event{What: Refused, Site: a.Thumb.Name, Outcome: v.Reason, Remembered: refusal.Remembered})
	}
	more, due := 0, !refused || !refusal.Remembered
	if !refused {
		more, due = k.lines.Due(what, tell.Pause)
	}
	if !due || v.Known || errors.Is(err, context.Canceled) || errors.Is(err, render.ErrNoVariant) {
		level = slog.LevelDebug
	}
	k.log(ctx, level, a, "refused", "status", v.Status, "reason", v.Reason, "err", err, "more", more)
	return fmt.Errorf("%w: %w", ErrLogged, err)
}

func (k *Keeper) log(ctx context.Context, level slog.Level, a Request, message string, args ...any) {
	k.options.Log.Log(ctx, level, message, append([]any{
		"site", a.Thumb.Name, "uri", a.Name, "original", a.Originals.Path(a.thumb.Original), "transform", a.transform.String(),
	}, args...)...)
}
