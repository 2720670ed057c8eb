// SPDX-License-Identifier: MIT

package e2e

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// TestBrowserGetsVariants shows a page of uploads at their own URLs to Chromium. The
// first visit gets the originals. From the second visit on it gets AVIF; told that it has
// no AVIF, WebP; and with neither the originals.
func TestBrowserGetsVariants(t *testing.T) {
	const small = "originals/tests/orientation/1.jpg"
	dir := kit.Folder(t, map[string]string{"a b.jpg": small, "größe.jpg": small, "100%.jpg": small, "what?.JPG": small})
	kit.Put(t, filepath.Join(dir, "drawing.png"), drawing(t, 300))
	kit.Put(t, filepath.Join(dir, "film.gif"), film(t))
	kit.Put(t, filepath.Join(dir, "vector.svg"), []byte("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>"))
	names := []string{"a b.jpg", "größe.jpg", "100%.jpg", "what?.JPG", "drawing.png", "film.gif", "vector.svg"}
	page := "<!doctype html><meta charset=utf-8>"
	for _, name := range names {
		page += "<img src='" + rig.Escape("/uploads/"+name) + "'>"
	}
	kit.Put(t, filepath.Join(dir, "page.html"), []byte(page))
	r := kit.Start(t, uploads(dir, ""))
	want := func(still, film string) map[string]string {
		types := map[string]string{r.URL("/uploads/page.html"): "text/html"}
		for _, name := range names {
			types[r.URL(rig.Escape("/uploads/"+name))] = still
		}
		types[r.URL("/uploads/film.gif")], types[r.URL("/uploads/vector.svg")] = film, "image/svg+xml"
		return types
	}
	originals := want("image/jpeg", "image/gif")
	originals[r.URL("/uploads/drawing.png")] = "image/png"

	b := kit.OpenBrowser(t)
	visit := func(browser string, want map[string]string) {
		t.Helper()
		b.Go(r.URL("/uploads/page.html"))
		const unseen = `new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done)).then(
			() => [...document.images].filter(i => !i.naturalWidth).map(i => i.src))`
		var missing []string
		if b.Eval(unseen, &missing); len(missing) > 0 {
			t.Errorf("%s does not show %q", browser, missing)
		}
		if diff := cmp.Diff(want, b.MediaTypes(r.URL("/uploads/"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", browser, diff)
		}
	}
	b.KeepCache(true)
	visit("the first visit", originals)
	kit.WaitLog(t, r, len(names)-2, "msg=rendered", "format=avif")
	kit.WaitLog(t, r, len(names)-1, "msg=rendered", "format=webp")
	visit("the second visit", want("image/avif", "image/webp"))
	b.KeepCache(false)
	b.Without("avif")
	visit("a browser without AVIF", want("image/webp", "image/webp"))
	b.Without("avif", "webp")
	visit("a browser without both", originals)
	b.Without()
	visit("a browser with both", want("image/avif", "image/webp"))
}
