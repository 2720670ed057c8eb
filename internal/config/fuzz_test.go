// SPDX-License-Identifier: MIT

package config

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/thumb"
)

// FuzzParse holds that what is accepted keeps what Config promises, and that
// what is not is told in order, one mistake a line.
func FuzzParse(f *testing.F) {
	for _, tt := range mistakes {
		f.Add([]byte(tt.text))
	}
	f.Add([]byte(everything))
	f.Add([]byte(site("b") + site("a", `negotiate = ["avif", "webp"]`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := Parse([]File{{"f", data}}, testEnvironment())
		if err == nil {
			checkConfig(t, c)
			return
		}
		if c != nil {
			t.Error("a configuration beside an error")
		}
		checkMistakes(t, err, strings.Count(string(data), "\n")+1)
	})
}

var messagePattern = regexp.MustCompile(`^f(:[1-9][0-9]*)?: \S[^\n]*$`)

func checkMistakes(t *testing.T, err error, lines int) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T does not join", err)
	}
	last := 0
	for _, err := range joined.Unwrap() {
		m, ok := errors.AsType[Mistake](err)
		if !ok || !messagePattern.MatchString(m.Error()) || m.Text == "" {
			t.Errorf("%q is no mistake in one line", err)
		}
		// The decoder counts the end of the file as a line.
		if m.Line > lines+1 {
			t.Errorf("line %d of %d", m.Line, lines)
		}
		line := cmp.Or(m.Line, lines+2)
		if line < last {
			t.Errorf("line %d after %d", line, last)
		}
		last = line
	}
}

func checkConfig(t *testing.T, c *Config) {
	if c.Workers < 1 || c.WorkerRenders < 0 || c.WorkerMemory < 1 || c.IdleExit < 0 ||
		c.OriginalBytes < 1 || c.OriginalPixels < 1 || c.OriginalFrames < 1 ||
		c.ThumbnailWidth < 1 || c.ThumbnailHeight < 1 || c.ThumbnailBytes < 1 ||
		c.RenderTime <= 0 || c.Queue < 1 || c.QueueTime <= 0 {
		t.Errorf("a value out of range: %+v", c)
	}
	if len(c.Sites) == 0 || !slices.IsSortedFunc(c.Sites, func(a, b Site) int { return strings.Compare(a.Thumb.Name, b.Thumb.Name) }) {
		t.Errorf("sites are not sorted, or none: %+v", c.Sites)
	}
	for _, s := range c.Sites {
		checkSite(t, s)
	}
}

func checkSite(t *testing.T, s Site) {
	x := s.Thumb
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`).MatchString(x.Name) {
		t.Errorf("name %q", x.Name)
	}
	if len(x.Prefix) < 3 || x.Prefix[0] != '/' || !strings.HasSuffix(x.Prefix, "/") ||
		strings.Contains(x.Prefix, "//") || strings.Contains(x.Prefix, "/.") || strings.ContainsAny(x.Prefix, "\x00%") {
		t.Errorf("prefix %q", x.Prefix)
	}
	if x.DocumentRoot == "" || x.DocumentRoot[0] != '/' || s.Originals == "" || s.Originals[0] != '/' {
		t.Errorf("document root %q, originals %q", x.DocumentRoot, s.Originals)
	}
	if x.Scheme.HasKeys() != (len(x.Keys) > 0) {
		t.Errorf("scheme %v with %d keys", x.Scheme, len(x.Keys))
	}
	if len(x.Formats) == 0 || len(s.OriginalFormats) == 0 || slices.ContainsFunc(x.Formats, func(f thumb.Format) bool { return !f.Thumbnail() }) {
		t.Errorf("formats %v of %v", x.Formats, s.OriginalFormats)
	}
	for _, f := range s.Thumb.Negotiate {
		if !slices.Contains(x.Formats, f) {
			t.Errorf("negotiate %v of %v", f, x.Formats)
		}
	}
	if x.Scheme == thumb.PresetScheme && len(x.Presets) == 0 {
		t.Error("no presets")
	}
	for name, p := range x.Presets {
		w, h := p.Transform.Box()
		if w > x.MaxWidth || h > x.MaxHeight || p.Transform.Method == 0 || (w == 0 && h == 0) != (p.Transform.Method == thumb.Original) {
			t.Errorf("preset %s %+v", name, p)
		}
	}
}
