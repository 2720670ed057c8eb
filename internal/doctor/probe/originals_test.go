// SPDX-License-Identifier: MIT

package probe

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/asuser"
	"thumbd/internal/config"
	"thumbd/internal/thumb"
)

func TestOriginalsBehindLinks(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"disk/d/a.jpg": "x", "disk/b.JPEG": "x", "disk/.c.jpg": "x", "disk/empty.jpg": "", "disk/e.txt": "x", "outside.jpg": "x",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"media": "disk", "disk/link.jpg": "d/a.jpg", "disk/out.jpg": "../outside.jpg", "disk/none.jpg": "none", "disk/folder.jpg": "d",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	me, err := asuser.Self()
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"disk", "media"} {
		s := &config.Site{Originals: filepath.Join(dir, folder), OriginalFormats: []thumb.Format{thumb.JPEG}}
		if diff := cmp.Diff([]string{"b.JPEG", "d/a.jpg", "link.jpg"}, Originals(s, 1, me)); diff != "" {
			t.Errorf("%s: names (-want +got):\n%s", folder, diff)
		}
	}
}
