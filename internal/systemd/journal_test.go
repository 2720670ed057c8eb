// SPDX-License-Identifier: MIT

package systemd

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestIsJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		variable string
		want     bool
	}{
		"the journal":          {fmt.Sprintf("%d:%d", st.Dev, st.Ino), true},
		"inherited, elsewhere": {fmt.Sprintf("%d:%d", st.Dev, st.Ino+1), false},
		"no journal":           {"", false},
	} {
		t.Setenv("JOURNAL_STREAM", tt.variable)
		if got := IsJournal(f); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestJournalLinesHavePriorities(t *testing.T) {
	var b strings.Builder
	log := slog.New(NewJournalHandler(&b, slog.LevelDebug))
	log.Debug("worker started", "pid", 7)
	log.With("site", "a").Info("rendered")
	log.WithGroup("g").Warn("configuration", "warning", "two\nlines")
	log.Error("probe")
	want := "<7>level=DEBUG msg=\"worker started\" pid=7\n" +
		"<6>level=INFO msg=rendered site=a\n" +
		"<4>level=WARN msg=configuration g.warning=\"two\\nlines\"\n" +
		"<3>level=ERROR msg=probe\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	if got, want := Prioritized(slog.LevelError, "a\nb\n"), "<3>a\n<3>b\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
