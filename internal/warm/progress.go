// SPDX-License-Identifier: MIT

package warm

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// The shortest and the longest time between two lines of a log.
const (
	leastTime = time.Second
	mostTime  = 30 * time.Second
)

// NewProgress returns a Progress that writes to w: on a terminal a progress bar
// with rate and time left; otherwise a line at every 10 % and every 30 seconds, at
// most one a second. Failures are lines in both cases. what names the work, for
// example "thumbnails of gallery".
func NewProgress(w io.Writer, terminal bool, what string) Progress {
	if terminal {
		return &bar{w: w, what: what}
	}
	return &log{w: w, what: what}
}

// bar is the Progress for a terminal.
type bar struct {
	w    io.Writer
	what string
	bar  *progressbar.ProgressBar
}

func (b *bar) Begin(total int) {
	b.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(b.w),
		progressbar.OptionSetDescription(b.what),
		progressbar.OptionFullWidth(),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("originals"),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}

// Errors of the terminal are ignored.

func (b *bar) Done() { _ = b.bar.Add(1) }

func (b *bar) Failed(original, reason string, thumbnails int) {
	_ = b.bar.Clear()
	fmt.Fprintln(b.w, failure(original, reason, thumbnails))
	_ = b.bar.RenderBlank()
}

func (b *bar) End() { _ = b.bar.Clear() }

// log is the Progress that writes lines.
type log struct {
	w           io.Writer
	what        string
	total, done int
	begun, told time.Time
	tenth       int // of total that was told
}

func (l *log) Begin(total int) {
	l.total = total
	l.begun = time.Now()
	l.told = l.begun
}

func (l *log) Done() {
	l.done++
	now := time.Now()
	tenth := l.done * 10 / l.total
	due := leastTime
	if tenth == l.tenth {
		due = mostTime
	}
	if now.Sub(l.told) < due {
		return
	}
	l.tenth, l.told = tenth, now
	took := now.Sub(l.begun)
	rate := float64(l.done) / max(took.Seconds(), 1e-3)
	left := time.Duration(float64(took) / float64(l.done) * float64(l.total-l.done))
	fmt.Fprintf(l.w, "%s: %d of %d originals, %s/s, %v left\n", l.what, l.done, l.total, rateText(rate), left.Round(time.Second))
}

func (l *log) Failed(original, reason string, thumbnails int) {
	fmt.Fprintln(l.w, failure(original, reason, thumbnails))
}

func (l *log) End() {}

func failure(original, reason string, thumbnails int) string {
	return fmt.Sprintf("%q: %s (%d thumbnails)", original, reason, thumbnails)
}

// rateText formats a rate, with a decimal if it is small.
func rateText(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}
