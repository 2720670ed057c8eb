// SPDX-License-Identifier: MIT

package clinic

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
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
	env := lacking(t)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}, Env: env})
	kit.Picture(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "webp")), "webp", 20, 20)
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "avif")), 400, "extension")
	kit.Expect(t, kit.Get(t, r, kit.Target("a.avif", "20x20_crop", "jpg")), 415, "unsupported")
	kit.Expect(t, kit.Get(t, r, kit.Target("a.heic", "20x20_crop", "jpg")), 415, "unsupported")
	warnings := []string{
		"site.gallery.original_formats: avif can't be read by the installed libvips; install libheif-plugin-dav1d; until then it is left out",
		"site.gallery.original_formats: heic can't be read by the installed libvips; install libheif-plugin-libde265; until then it is left out",
		"site.gallery.formats: avif can't be written by the installed libvips; install libheif-plugin-aomenc; until then it is left out",
	}
	said, err := checked(t, r, env)
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
	said, err = checked(t, r, env)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 2 || !strings.Contains(said, "site.gallery.negotiate: avif can't be written") {
		t.Errorf("check: %v, want exit status 2\n%s", err, said)
	}
}

// TestAutoWithoutADecoder has a libheif that writes AVIF and can't read it, as with
// Debian's package of the encoder alone. Thumbnails of the quality auto get the default
// one, and check, log and doctor name the package.
func TestAutoWithoutADecoder(t *testing.T) {
	env := undecoded(t)
	site := kit.Gallery(t, kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg"}))
	site.TOML = "original_formats = [\"jpg\"]\nquality = { avif = \"auto\", jpg = \"auto\" }\n"
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, Env: env})
	fixed := kit.Get(t, r, kit.Target("a.jpg", "20x20_crop_q=55", "avif"))
	kit.Expect(t, fixed, 200, "")
	for _, spec := range []string{"20x20_crop", "20x20_crop_q=auto"} {
		if got := kit.Get(t, r, kit.Target("a.jpg", spec, "avif")); got.Status != 200 || !bytes.Equal(got.Body, fixed.Body) {
			t.Errorf("%s: %d, %d bytes, want the %d of quality 55", spec, got.Status, len(got.Body), len(fixed.Body))
		}
	}
	kit.Picture(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg")), "jpeg", 20, 20)
	const warning = "site.gallery.quality: avif can't be read by the installed libvips; install libheif-plugin-dav1d; until then it has the quality 55 and not auto"
	said, err := checked(t, r, env)
	if err != nil || strings.Count(said, "warning:") != 1 || !strings.Contains(said, warning) {
		t.Errorf("check: %v\n%s", err, said)
	}
	kit.WantFinding(t, kit.Examine(t, r), "formats-missing", "install")
	kit.StopDaemon(t, r)
	if r.Log.Count("WARN", warning) != 1 || r.Log.Count("msg=rendered", "quality=55") == 0 {
		t.Errorf("log:\n%s", r.Log)
	}
}

// undecoded returns the environment of a thumbd whose workers' libheif has no decoder
// that works: its plug-ins are compiled in here, so a library takes their functions.
func undecoded(t *testing.T) []string {
	t.Helper()
	p, err := kit.Programs()
	aid.Must(t, err)
	library := aid.Preload(t, "int dav1d_open(void) { return -12; }\nvoid *aom_codec_av1_dx(void) { return 0; }\n")
	script := filepath.Join(t.TempDir(), "render")
	kit.PutProgram(t, script, fmt.Appendf(nil, "#!/bin/sh\nLD_PRELOAD='%s' exec '%s' \"$@\"\n", library, p.Render))
	return []string{"THUMBD_RENDER=" + script}
}

// checked returns what thumbd check says of r's configuration.
func checked(t *testing.T, r *rig.Rig, env []string) (string, error) {
	t.Helper()
	p, err := kit.Programs()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), p.Thumbd, "check", "-c", kit.ConfigFile(r))
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
