// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"thumbd/internal/access"
	"thumbd/internal/config"
	"thumbd/internal/route"
	"thumbd/internal/s3"
	"thumbd/internal/thumb"
)

// Check warns of a protected site whose thumbnails every user can read, and of no
// other.
func TestReadableTreesAreWarnedOf(t *testing.T) {
	root := t.TempDir()
	// The folder of an ordinary user's temporary files may be his alone.
	want := 0
	if canEnter(root) {
		want = 1
	}
	if err := os.Mkdir(filepath.Join(root, "it's"), 0o755); err != nil {
		t.Fatal(err)
	}
	open := config.Site{Thumb: thumb.Site{Route: route.Route{Name: "open", Prefix: "/it's/"}, DocumentRoot: root}}
	protected := open
	protected.Thumb.Name, protected.Access = "protected", &access.Options{}
	warned := func() string {
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetErr(&out)
		warnReadable(cmd, "thumbd.toml", &config.Config{Sites: []config.Site{open, protected}})
		return out.String()
	}
	if got := warned(); strings.Count(got, "warning") != want || want == 1 && (!strings.Contains(got, "site protected ") || !strings.Contains(got, `chmod 0750 "`+root)) {
		t.Errorf("0755: %q", got)
	}
	if err := os.Chmod(filepath.Join(root, "it's"), 0o750); err != nil {
		t.Fatal(err)
	}
	if got := warned(); got != "" {
		t.Errorf("0750: %q", got)
	}
}

// The service may have keys of a store that this command does not have, so check only
// warns of that. Every other error of an origin is an error of check.
func TestMissingKeysAreWarnedOf(t *testing.T) {
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetErr(&out)
	away := errors.New("site news: connection refused")
	got := warnOrigins(cmd, "thumbd.toml", []error{fmt.Errorf("site gallery: %w", s3.ErrNoKeys), away})
	if len(got) != 1 || !errors.Is(got[0], away) {
		t.Errorf("errors %v, want %v", got, away)
	}
	if text := out.String(); strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "warning: thumbd.toml: site gallery: ") || !strings.Contains(text, otherKeys) {
		t.Errorf("warnings %q", text)
	}
}
