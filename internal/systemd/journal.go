// SPDX-License-Identifier: MIT

package systemd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// IsJournal reports whether f is the stream to the journal that JOURNAL_STREAM
// names. A program that a service starts inherits the variable, but may have
// another file as its stderr.
func IsJournal(f *os.File) bool {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// Priority returns the prefix that tells the journal a line's priority, for example "<3>"
// for an error: see sd-daemon(3).
func Priority(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "<3>"
	case level >= slog.LevelWarn:
		return "<4>"
	case level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// Prioritized returns text with its priority before each of its lines.
func Prioritized(level slog.Level, text string) string {
	priority := Priority(level)
	return priority + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+priority) + "\n"
}

// NewJournalHandler returns a slog.Handler of text lines for the journal. The lines have
// no time, because the journal adds it:
//
//	<3>level=ERROR msg=probe err="originals: permission denied"
func NewJournalHandler(w io.Writer, level slog.Leveler) slog.Handler {
	line := &line{to: w}
	return journalHandler{line: line, Handler: slog.NewTextHandler(line, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})}
}

// journalHandler begins each line with its priority.
type journalHandler struct {
	slog.Handler
	line *line
}

func (h journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.Lock()
	defer h.line.Unlock()
	h.line.priority = Priority(r.Level)
	return h.Handler.Handle(ctx, r)
}

func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journalHandler{h.Handler.WithAttrs(attrs), h.line}
}

func (h journalHandler) WithGroup(name string) slog.Handler {
	return journalHandler{h.Handler.WithGroup(name), h.line}
}

// line writes one line of a log, in one call of to.Write: the journal ends a line
// at the end of each message.
type line struct {
	sync.Mutex
	to       io.Writer
	priority string
}

// Write is called once for each record, with the lock held.
func (l *line) Write(text []byte) (int, error) {
	if _, err := io.WriteString(l.to, l.priority+string(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}
