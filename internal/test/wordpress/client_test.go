// SPDX-License-Identifier: MIT

package wordpress

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
)

// expectPictures holds the plug-in of the package for PHP to what thumbd picture and
// thumbd url print for the attachments of WordPress.
func (s site) expectPictures(t *testing.T) {
	t.Helper()
	clients := filepath.Join(filepath.Dir(examples(t)), "clients")
	plugins := filepath.Join(s.root, "wp-content/plugins/thumbd")
	kit.Run(t, "cp", "-R", filepath.Join(clients, "php"), plugins)
	s.copy(t, filepath.Join(clients, "php/wordpress/thumbd.php"), "wp-content/mu-plugins/thumbd.php")
	for name, got := range s.pictures(t, "null") {
		if got["thumbd_picture"]+got["shortcode"]+got["none"] != "" || !strings.HasPrefix(got["theme"], "<img ") {
			t.Errorf("without THUMBD, of %s: %q", name, got)
		}
	}
	all := s.pictures(t, `{"prefix": "/thumbs/", "scheme": "preset", "presets": {"hero":
		{"size": "800x450", "method": "crop", "widths": [320, 640, 800], "formats": ["avif", "webp"]}}}`)
	bmp := all["a.bmp"]
	if bmp["thumbd_picture"]+bmp["shortcode"] != "" || !strings.HasPrefix(bmp["theme"], "<img ") || !strings.Contains(bmp["theme"], "a.bmp") {
		t.Errorf("of a.bmp: %q", bmp)
	}
	delete(all, "a.bmp")
	if len(all) < 8 {
		t.Fatalf("%d attachments: %q", len(all), all)
	}
	config := filepath.Join(kit.Folder(t, nil), "thumbd.toml")
	kit.Put(t, config, fmt.Appendf(nil, `[site.blog]
prefix = "/thumbs/"
scheme = "preset"
originals = %q
document_root = %q
[site.blog.preset.hero]
size = "800x450"
method = "crop"
widths = [320, 640, 800]
formats = ["avif", "webp"]
`, s.uploads(), filepath.Dir(config)))
	thumbd := func(args ...string) string {
		t.Helper()
		out, err := kit.Thumbd(t, append([]string{args[0], "-c", config, "blog"}, args[1:]...)...)
		if err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
		return out
	}
	for name, got := range all {
		want := thumbd("picture", name, "hero", "--alt", `A "picture"`, "--lazy", "--sizes", "50vw")
		for _, kind := range []string{"thumbd_picture", "shortcode"} {
			if got[kind] != want {
				t.Errorf("%s of %s: %s, want %s", kind, name, got[kind], want)
			}
		}
		if want := strings.Replace(want, "<img ", `<img class="wide" `, 1); got["theme"] != want {
			t.Errorf("wp_get_attachment_image of %s: %s, want %s", name, got["theme"], want)
		}
		// As WordPress has it, of the picture's width.
		width := regexp.MustCompile(` width="(\d+)"`).FindStringSubmatch(got["sizes"])
		if len(width) != 2 || strings.Count(got["sizes"], fmt.Sprintf(` sizes="(max-width: %[1]spx) 100vw, %[1]spx"`, width[1])) != 3 {
			t.Errorf("without sizes, of %s: %s", name, got["sizes"])
		}
		if got["none"] != "" || strings.Contains(got["other"], "<picture>") || !strings.Contains(got["other"], "<img") {
			t.Errorf("of %s, without a preset: %q, %q", name, got["none"], got["other"])
		}
		if want := strings.TrimSpace(thumbd("url", name, "--preset", "hero-640w", "--format", "webp")); got["url"] != want {
			t.Errorf("thumbd_url of %s: %s, want %s", name, got["url"], want)
		}
	}
}

// pictures returns what testdata/pictures.php prints for a site in JSON.
func (s site) pictures(t *testing.T, options string) (all map[string]map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "php", "testdata/pictures.php", s.root)
	cmd.Stdin = strings.NewReader(options)
	out, err := cmd.Output()
	aid.Must(t, err, json.Unmarshal(out, &all))
	return all
}
