// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// answersRig is a thumbd with tight limits, and originals of every kind.
func answersRig(t *testing.T) (r *rig.Rig, originals string) {
	t.Helper()
	originals = kit.Folder(t, map[string]string{
		"a.jpg": "originals/tests/orientation/1.jpg", "text.jpg": "refused/text.jpg", "cut-off.jpg": "refused/cut-off.jpg",
		"frames.gif": "originals/tests/made/spin.gif", "heavy.jpg": "originals/photos/brook.jpg", "large.jpg": "originals/photos/fig.jpg",
		"tall.jpg": "originals/photos/drum.jpg", "photo.jpg": "originals/photos/dandelion.jpg", "png.jpg": "originals/tests/made/alpha.png",
		"alpha.png": "originals/tests/made/alpha.png", "folder/a.jpg": "originals/tests/orientation/1.jpg",
	})
	kit.Put(t, filepath.Join(originals, "empty.jpg"), nil)
	kit.Put(t, filepath.Join(originals, "drawing.svg"), []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`))
	kit.Put(t, filepath.Join(originals, "page.pdf"), []byte("%PDF-1.4\n"))
	for link, to := range map[string]string{
		"inside.jpg": "a.jpg", "outside.jpg": kit.Testdata(t, "originals/tests/orientation/1.jpg"), "up.jpg": "../../../../../../etc/passwd",
		"loop.jpg": "loop.jpg", "dangling.jpg": "nothing.jpg",
	} {
		if err := os.Symlink(to, filepath.Join(originals, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(originals, "fifo.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	jpgOnly := rig.Site{
		Name: "jpg-only", Prefix: "/jpg/", Scheme: "signed", Key: kit.Key + "jpg", Originals: originals,
		TOML: `original_formats = ["jpg"]` + "\n" + `formats = ["jpg", "png"]`,
	}
	first := rig.Site{
		Name: "first", Prefix: "/first/", Scheme: "signed", Key: kit.Key + "first", Originals: originals, TOML: `frames_over = "first"`,
	}
	presets := rig.Site{Name: "presets", Prefix: "/p/", Scheme: "preset", Originals: originals, TOML: `
[site.presets.preset.whole]
method = "original"
`}
	return kit.Start(t, rig.Options{
		Sites:  []rig.Site{kit.Gallery(t, originals), jpgOnly, first, presets},
		Server: "location /elsewhere/ { try_files $uri @thumbd; } location /_thumbd/ { try_files $uri @thumbd; }",
		TOML: `
[limits]
original_bytes = "300KiB"
original_pixels = 1_720_000
original_frames = 4
thumbnail_width = 2000
thumbnail_height = 1000
thumbnail_bytes = "100KiB"
`,
	}), originals
}

func TestAnswers(t *testing.T) {
	r, originals := answersRig(t)
	ok := kit.Target("a.jpg", "20x20_crop", "jpg")
	for name, tt := range map[string]struct {
		target string
		status int
		reason string
	}{
		"rendered":                      {ok, 200, ""},
		"a link within the root":        {kit.Target("inside.jpg", "20x20_crop", "jpg"), 200, ""},
		"a png that is named jpg":       {kit.Target("png.jpg", "20x20_crop", "jpg"), 200, ""},
		"not below a site":              {"/elsewhere/a.jpg", 404, "no-site"},
		"the prefix itself":             {"/thumbs/", 404, "bad-name"},
		"a folder":                      {kit.Target("folder", "20x20_crop", "jpg"), 404, "no-original"},
		"no such original":              {kit.Target("missing.jpg", "20x20_crop", "jpg"), 404, "no-original"},
		"below an original":             {kit.Target("a.jpg/b.jpg", "20x20_crop", "jpg"), 404, "no-original"},
		"a FIFO":                        {kit.Target("fifo.jpg", "20x20_crop", "jpg"), 404, "no-original"},
		"an absolute link":              {kit.Target("outside.jpg", "20x20_crop", "jpg"), 404, "absolute-link"},
		"a relative link out of it":     {kit.Target("up.jpg", "20x20_crop", "jpg"), 404, "no-original"},
		"a link to itself":              {kit.Target("loop.jpg", "20x20_crop", "jpg"), 404, "no-original"},
		"a link to nothing":             {kit.Target("dangling.jpg", "20x20_crop", "jpg"), 404, "no-original"},
		"an unknown preset":             {kit.Target("a.jpg", "hero", "jpg"), 404, "unknown-preset"},
		"a malformed transform":         {kit.Target("a.jpg", "20x20_zoom", "jpg"), 400, "malformed"},
		"an unknown extension":          {kit.Target("a.jpg", "20x20_crop", "bmp"), 400, "extension"},
		"an extension not of the site":  {rig.Escape(kit.SignedWith(kit.Key+"jpg", "/jpg/a.jpg", "20x20_crop", "webp")), 400, "extension"},
		"a size over the limit":         {kit.Target("a.jpg", "2001x20_crop", "jpg"), 400, "size"},
		"over the limit with dpr":       {kit.Target("a.jpg", "20x501_crop_dpr=2", "jpg"), 400, "size"},
		"a wrong signature":             {strings.Replace(ok, "20x20", "20x21", 1), 401, "signature"},
		"a missing signature":           {"/thumbs/a.jpg/20x20_crop.jpg", 401, "no-signature"},
		"text":                          {kit.Target("text.jpg", "20x20_crop", "jpg"), 415, "unsupported"},
		"nothing":                       {kit.Target("empty.jpg", "20x20_crop", "jpg"), 415, "unsupported"},
		"SVG, which is not allowed":     {kit.Target("drawing.svg", "20x20_crop", "jpg"), 415, "unsupported"},
		"PDF":                           {kit.Target("page.pdf", "20x20_crop", "jpg"), 415, "unsupported"},
		"a format the site forbids":     {rig.Escape(kit.SignedWith(kit.Key+"jpg", "/jpg/alpha.png", "20x20_crop", "png")), 415, "unsupported"},
		"the original of another name":  {"/p/whole/png.jpg", 415, "unsupported"},
		"cut off":                       {kit.Target("cut-off.jpg", "20x20_crop", "jpg"), 422, "damaged"},
		"too many bytes":                {kit.Target("heavy.jpg", "20x20_crop", "jpg"), 422, "original-bytes"},
		"too many pixels":               {kit.Target("large.jpg", "20x20_crop", "jpg"), 422, "original-pixels"},
		"too many frames":               {kit.Target("frames.gif", "20x20_crop", "gif"), 422, "original-frames"},
		"a still of too many frames":    {kit.Target("frames.gif", "20x20_crop", "jpg"), 200, ""},
		"the first of too many frames":  {kit.Target("frames.gif", "20x20_crop_frames=1", "gif"), 200, ""},
		"the first, by frames_over":     {rig.Escape(kit.SignedWith(kit.Key+"first", "/first/frames.gif", "20x20_crop", "gif")), 200, ""},
		"a computed size too large":     {kit.Target("tall.jpg", "700x_scale", "jpg"), 422, "thumbnail-too-large"},
		"a thumbnail of too many bytes": {kit.Target("photo.jpg", "800x_scale", "png"), 422, "thumbnail-bytes"},
		"health":                        {"/_thumbd/health", 200, ""},
		"nothing else of thumbd's":      {"/_thumbd/other", 404, "no-service"},
	} {
		t.Run(name, func(t *testing.T) {
			resp := kit.Get(t, r, tt.target)
			kit.Expect(t, resp, tt.status, tt.reason)
			checkRefusal(t, resp, originals, r.Dir)
		})
	}
	kit.NoTempFiles(t, r, "gallery")
	// Each refused original once, with its path and the reason.
	kit.Get(t, r, kit.Target("cut-off.jpg", "20x20_crop", "jpg"))
	kit.Get(t, r, kit.Target("cut-off.jpg", "30x30_crop", "jpg"))
	kit.StopDaemon(t, r)
	for file, reason := range map[string]string{
		"cut-off.jpg": "damaged", "text.jpg": "unsupported", "large.jpg": "original-pixels", "photo.jpg": "thumbnail-bytes",
		"heavy.jpg": "original-bytes",
	} {
		if n := r.Log.Count(filepath.Join(originals, file), reason); n != 1 {
			t.Errorf("%d lines say that %s is %s, want 1", n, file, reason)
		}
	}
}

// checkRefusal checks what all errors have in common.
func checkRefusal(t *testing.T, resp rig.Response, paths ...string) {
	t.Helper()
	if resp.Status < 400 || resp.Header.Get("X-Thumbd-Reason") == "" {
		return
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
		t.Errorf("Content-Type %q", got)
	}
	if got, want := resp.Header.Get("WWW-Authenticate") == "thumbd", resp.Status == 401; got != want {
		t.Errorf("WWW-Authenticate %q with status %d", resp.Header.Get("WWW-Authenticate"), resp.Status)
	}
	if bytes.Count(resp.Body, []byte("\n")) != 1 || !bytes.HasSuffix(resp.Body, []byte("\n")) {
		t.Errorf("body %q is not one line", resp.Body)
	}
	for _, path := range paths {
		if bytes.Contains(resp.Body, []byte(path)) {
			t.Errorf("body %q has a path", resp.Body)
		}
	}
}

func TestAnswersForPermissions(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg", "secret.jpg": "originals/tests/orientation/1.jpg"})
	if err := os.Chmod(filepath.Join(originals, "secret.jpg"), 0); err != nil {
		t.Fatal(err)
	}
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}, Nobody: true, Programs: kit.PublicPrograms(t)})

	t.Run("an original that can't be read", func(t *testing.T) {
		resp := kit.Get(t, r, kit.Target("secret.jpg", "20x20_crop", "jpg"))
		kit.Expect(t, resp, 500, "original-unreadable")
		checkRefusal(t, resp, originals)
		kit.WaitLog(t, r, 1, "ERROR", filepath.Join(originals, "secret.jpg"), "permission denied")
	})
	t.Run("a tree that can't be written", func(t *testing.T) {
		tree := r.File("gallery", "/thumbs")
		if err := os.Chmod(tree, 0o555); err != nil {
			t.Fatal(err)
		}
		resp := kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
		kit.Picture(t, resp, "jpeg", 20, 20)
		if got := resp.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control %q", got)
		}
		kit.WaitLog(t, r, 1, "ERROR", "a.jpg", "permission denied")
		head := kit.Do(t, r, rig.Request{Method: "HEAD", Target: kit.Target("a.jpg", "20x20_crop", "jpg")})
		kit.Expect(t, head, 200, "")

		if err := os.Chmod(tree, 0o755); err != nil {
			t.Fatal(err)
		}
		resp = kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
		kit.Picture(t, resp, "jpeg", 20, 20)
		if got := resp.Header.Get("Cache-Control"); got == "no-store" {
			t.Error("not published though the tree can be written again")
		}
	})
}
