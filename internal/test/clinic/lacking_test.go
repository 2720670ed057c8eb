// SPDX-License-Identifier: MIT

package clinic

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// lacking returns the environment of a thumbd whose workers' libvips finds no
// module, which AVIF and HEIC are, as on a machine without their package.
func lacking(t *testing.T) []string {
	t.Helper()
	p, err := kit.Programs()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "render")
	text := fmt.Sprintf("#!/bin/sh\nVIPSHOME='%s' exec '%s' \"$@\"\n", t.TempDir(), p.Render)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"THUMBD_RENDER=" + script}
}

// TestFormatsThatLibvipsLacks are known at start, and left out.
func TestFormatsThatLibvipsLacks(t *testing.T) {
	originals := kit.Folder(t, map[string]string{
		"a.jpg": "originals/tests/orientation/1.jpg", "a.avif": "originals/tests/made/dandelion.avif", "a.heic": "originals/tests/made/dandelion.heic",
	})
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}, Env: lacking(t)})
	kit.Picture(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "webp")), "webp", 20, 20)
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "avif")), 400, "extension")
	kit.Expect(t, kit.Get(t, r, kit.Target("a.avif", "20x20_crop", "jpg")), 415, "unsupported")
	kit.Expect(t, kit.Get(t, r, kit.Target("a.heic", "20x20_crop", "jpg")), 415, "unsupported")
	warnings := []string{
		"site.gallery.original_formats: avif can't be read by the installed libvips; install libheif-plugin-dav1d; until then it is left out",
		"site.gallery.original_formats: heic can't be read by the installed libvips; install libheif-plugin-libde265; until then it is left out",
		"site.gallery.formats: avif can't be written by the installed libvips; install libheif-plugin-aomenc; until then it is left out",
	}
	said, err := checked(t, r)
	if err != nil || strings.Count(said, "warning:") != len(warnings) {
		t.Errorf("check: %v\n%s", err, said)
	}
	kit.StopDaemon(t, r)
	for _, w := range warnings {
		if !strings.Contains(said, w) || r.Log.Count("WARN", w) == 0 {
			t.Errorf("not said: %s\n%s", w, said)
		}
	}
	// What nginx looks for would never be there.
	kit.Configure(t, r, kit.Configuration(t, r)+"negotiate = [\"avif\", \"webp\"]\n")
	said, err = checked(t, r)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 2 || !strings.Contains(said, "site.gallery.negotiate: avif can't be written") {
		t.Errorf("check: %v, want exit status 2\n%s", err, said)
	}
}

// checked returns what thumbd check says of r's configuration.
func checked(t *testing.T, r *rig.Rig) (string, error) {
	t.Helper()
	p, err := kit.Programs()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), p.Thumbd, "check", "-c", kit.ConfigFile(r))
	cmd.Env = append(os.Environ(), lacking(t)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
