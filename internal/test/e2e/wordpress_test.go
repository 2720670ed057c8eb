// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/config"
	"thumbd/internal/route"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// wordpressTOML are the sizes of a WordPress site.
const wordpressTOML = `layout = "wordpress"
[site.wp.preset.thumbnail]
size = "150x150"
method = "crop"
[site.wp.preset.medium]
size = "300x300"
method = "fit"
[site.wp.preset.large]
size = "1024x1024"
method = "fit"
`

// wordpressSite is a site of the layout wordpress with the locations that thumbd init
// prints.
func wordpressSite(originals string, scheme thumb.Scheme) rig.Options {
	s := &config.Site{Originals: originals, Thumb: thumb.Site{
		Route: route.Route{Name: "wp", Prefix: "/wp-content/uploads/"}, DocumentRoot: "DOCUMENT_ROOT", Scheme: scheme, Layout: thumb.WordPressLayout,
	}}
	if scheme == thumb.InPlace {
		s.Thumb.Negotiate = thumb.Variants()
	}
	return rig.Options{Sites: []rig.Site{{
		Name: "wp", Prefix: "/wp-content/uploads/", Scheme: scheme.String(), Originals: originals,
		TOML: "watch = true\n" + wordpressTOML, Lines: rig.Lines(s),
	}}}
}

// wordpressTree has a photograph of 1065x1600 pixels that lies on its side, and a size
// of it that WordPress has made.
func wordpressTree(t *testing.T) string {
	t.Helper()
	dir := kit.Folder(t, map[string]string{"2024/dogs.jpg": "originals/photos/dogs.jpg", "2024/text.jpg": "refused/text.jpg"})
	kit.Put(t, filepath.Join(dir, "2024/dogs-150x150.jpg"), []byte("made by WordPress"))
	return dir
}

const wpUploads = "/wp-content/uploads/"

// A size that is missing is made, a file that WordPress made stays, and no other size
// exists.
func TestWordPressSizes(t *testing.T) {
	var big bytes.Buffer
	aid.Must(t, png.Encode(&big, image.NewGray(image.Rect(0, 0, 2600, 2600))))
	for _, scheme := range []thumb.Scheme{thumb.PresetScheme, thumb.InPlace} {
		t.Run(scheme.String(), func(t *testing.T) {
			dir := wordpressTree(t)
			kit.Put(t, filepath.Join(dir, "big.png"), big.Bytes())
			photo, err := os.ReadFile(filepath.Join(dir, "2024/dogs.jpg"))
			aid.Must(t, err)
			for _, name := range []string{"2024/dogs-rotated.jpg", "copied.jpg", "copied-scaled.jpg", "alone-scaled.jpg"} {
				kit.Put(t, filepath.Join(dir, name), photo)
			}
			r := kit.Start(t, wordpressSite(dir, scheme))
			kit.Picture(t, kit.Get(t, r, wpUploads+"2024/dogs-200x300.jpg?ver=6.1"), "jpeg", 200, 300)
			kit.Picture(t, kit.Get(t, r, wpUploads+"2024/dogs-682x1024.jpg"), "jpeg", 682, 1024)
			kit.Picture(t, kit.Get(t, r, wpUploads+"big-150x150.png"), "png", 150, 150)
			kit.Picture(t, kit.Get(t, r, wpUploads+"big-scaled.png"), "png", 2560, 2560)
			kit.Picture(t, kit.Get(t, r, wpUploads+"copied-200x300.jpg"), "jpeg", 200, 300)
			kit.Picture(t, kit.Get(t, r, wpUploads+"alone-scaled-200x300.jpg"), "jpeg", 200, 300)
			made := kit.Get(t, r, wpUploads+"2024/dogs-150x150.jpg")
			if string(made.Body) != "made by WordPress" {
				t.Errorf("%d, %d bytes", made.Status, len(made.Body))
			}
			for _, name := range []string{
				"2024/dogs-300x300.jpg", "2024/dogs-200x299.jpg", "2024/dogs-1024x682.jpg", "2024/dogs-scaled.jpg", "2024/dogs-1x1.jpg",
				"2024/none-200x300.jpg", "2024/dogs-200x300.png", "2024/dogs.jpg-200x300", "none.jpg",
				// WordPress names sizes after uploads alone, and not after its copies of these.
				"copied-scaled-200x300.jpg", "2024/dogs-rotated-200x300.jpg", "2024/dogs-150x150-200x300.jpg", "2024/dogs-200x300.jpg.webp",
			} {
				for _, accept := range []string{"Accept: */*", acceptAVIF} {
					if got := kit.Get(t, r, wpUploads+name, accept); got.Status != 404 {
						t.Errorf("%s %s: %d", name, accept, got.Status)
					}
				}
			}
			if got := kit.Get(t, r, wpUploads+"2024/text-200x300.jpg"); got.Status != 415 && scheme == thumb.PresetScheme || got.Status == 200 {
				t.Errorf("a size of a text: %d", got.Status)
			}
			kit.StopDaemon(t, r)
			aid.Must(t, r.CloseSocket())
			kit.Picture(t, kit.Get(t, r, wpUploads+"2024/dogs-200x300.jpg"), "jpeg", 200, 300)
			kit.Picture(t, kit.Get(t, r, wpUploads+"2024/dogs.jpg"), "jpeg", 1600, 1065)
		})
	}
}

// Of 600 sizes that the boxes of presets allow, only the right one is rendered, and the
// original is measured once: two jobs.
func TestWordPressInventedSizes(t *testing.T) {
	r := kit.Start(t, wordpressSite(wordpressTree(t), thumb.PresetScheme))
	found := 0
	for i := 1; i <= 300; i++ {
		for _, size := range []string{fmt.Sprintf("%dx300", i), fmt.Sprintf("300x%d", i)} {
			if kit.Get(t, r, wpUploads+"2024/dogs-"+size+".jpg").Status == 200 {
				found++
			}
		}
	}
	var files []string
	err := filepath.WalkDir(r.Root("wp")+wpUploads, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == ".thumbd" {
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() {
			files = append(files, filepath.Base(path))
		}
		return err
	})
	if err != nil || found != 1 || !slices.Equal(files, []string{"dogs-200x300.jpg"}) {
		t.Errorf("%d were found, the tree has %q: %v", found, files, err)
	}
	metrics := kit.Do(t, r, rig.Request{Target: "/metrics", Admin: true}).Body
	if !bytes.Contains(metrics, []byte("\nthumbd_render_seconds_count{format=\"jpg\"} 2\n")) {
		t.Errorf("not two jobs for 600 sizes:\n%s", metrics)
	}
}

// thumbd warm makes the sizes that are missing, and none of a file that WordPress
// itself has made.
func TestWordPressWarm(t *testing.T) {
	for scheme, want := range map[thumb.Scheme][]string{
		thumb.PresetScheme: {"dogs-200x300.jpg", "dogs-682x1024.jpg"},
		thumb.InPlace: {
			"dogs-150x150.jpg.avif", "dogs-150x150.jpg.webp", "dogs-200x300.jpg", "dogs-200x300.jpg.avif", "dogs-200x300.jpg.webp",
			"dogs-682x1024.jpg", "dogs-682x1024.jpg.avif", "dogs-682x1024.jpg.webp", "dogs.jpg.avif", "dogs.jpg.webp",
		},
	} {
		t.Run(scheme.String(), func(t *testing.T) {
			const small = "originals/tests/orientation/1.jpg"
			dir := kit.Folder(t, map[string]string{"2024/dogs.jpg": "originals/photos/dogs.jpg", "2024/dogs-150x150.jpg": small})
			o := wordpressSite(dir, scheme)
			if scheme == thumb.InPlace {
				o.Sites[0].TOML = strings.Replace(o.Sites[0].TOML, "[site.wp.preset", "[site.wp.inplace]\nmax_width = 400\n[site.wp.preset", 1)
			}
			r := kit.Start(t, o)
			if scheme == thumb.PresetScheme {
				kit.Warm(t, kit.WarmCommand(t, r, true, "wp", "--preset", "medium"), 0, "made 1 thumbnails")
				kit.Warm(t, kit.WarmCommand(t, r, true, "wp", "--spec", "9x9_fit"), 2, "it has only the sizes of presets")
			}
			kit.Warm(t, kit.WarmCommand(t, r, true, "wp"), 0, "2 originals")
			for i := range want {
				want[i] = wpUploads + "2024/" + strings.TrimPrefix(want[i], wpUploads+"2024/")
			}
			if got := kit.Thumbnails(t, r, "wp"); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			kit.Warm(t, kit.WarmCommand(t, r, true, "wp"), 0, "made 0 thumbnails")
			kit.Picture(t, kit.Get(t, r, wpUploads+"2024/dogs-200x300.jpg"), "jpeg", 200, 300)
		})
	}
}

// A size has variants as its original has, made of the original, and all of them go
// with it.
func TestWordPressInPlace(t *testing.T) {
	dir := wordpressTree(t)
	r := kit.Start(t, wordpressSite(dir, thumb.InPlace))
	kit.WaitLog(t, r, 1, "reconciled")
	const size = wpUploads + "2024/dogs-200x300.jpg"
	first := kit.Get(t, r, size, acceptAVIF)
	kit.Picture(t, first, "jpeg", 200, 300)
	if !slices.Equal(first.Header["Cache-Control"], []string{"no-cache"}) || first.Header.Get("Vary") != "Accept" {
		t.Errorf("first answer: %v", first.Header)
	}
	kit.WaitLog(t, r, 1, "msg=rendered", "dogs-200x300.jpg.avif", "format=avif")
	kit.WaitLog(t, r, 1, "msg=rendered", "dogs-200x300.jpg.webp", "format=webp")
	kit.Picture(t, kit.Get(t, r, size, acceptWebP), "webp", 200, 300)
	if got := kit.Get(t, r, size, acceptAVIF); got.Header.Get("Content-Type") != "image/avif" {
		t.Errorf("second answer: %v", got.Header)
	}
	kit.Picture(t, kit.Get(t, r, size), "jpeg", 200, 300)
	// The original itself has variants, and so has a size that is a file.
	kit.Get(t, r, wpUploads+"2024/dogs.jpg", acceptWebP)
	kit.WaitLog(t, r, 1, "msg=rendered", "2024/dogs.jpg.webp")
	kit.Picture(t, kit.Get(t, r, wpUploads+"2024/dogs.jpg", acceptWebP), "webp", 1065, 1600)
	tree := r.Root("wp") + wpUploads + "2024/"
	aid.Must(t, os.Remove(tree+"dogs-200x300.jpg.avif"))
	before := kit.Get(t, r, size)

	// A replaced original has no size any more from the moment that watch sees it.
	data := drawing(t, 900)
	kit.Put(t, filepath.Join(dir, "2024/.new"), data)
	aid.Must(t, os.Rename(filepath.Join(dir, "2024/.new"), filepath.Join(dir, "2024/dogs.jpg")))
	for kit.Get(t, r, size).Status != 404 {
		aid.Must(t, t.Context().Err())
	}
	for _, name := range []string{"dogs-200x300.jpg", "dogs-200x300.jpg.webp", "dogs.jpg.webp"} {
		if _, err := os.Stat(tree + name); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	if bytes.Equal(before.Body, data) {
		t.Error("the size is the original")
	}
	kit.Picture(t, kit.Get(t, r, wpUploads+"2024/dogs-300x300.jpg"), "jpeg", 300, 300)
}
