// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/config"
	"thumbd/internal/doctor"
	"thumbd/internal/route"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// acceptAVIF and acceptWebP are what browsers send for images.
const (
	acceptAVIF = "Accept: image/avif,image/webp,image/*,*/*;q=0.8"
	acceptWebP = "Accept: image/webp,image/*,*/*;q=0.8"
)

// uploads is a site of the scheme inplace below /uploads/, with the locations that
// thumbd init prints, and its originals below /plain/ as nginx alone serves them.
func uploads(originals, toml string) rig.Options {
	return uploadsFor(originals, toml, nil)
}

// uploadsFor is uploads, protected if there are access rules.
func uploadsFor(originals, toml string, rules *access.Options) rig.Options {
	s := &config.Site{Access: rules, Originals: originals, Thumb: thumb.Site{
		Route: route.Route{Name: "uploads", Prefix: "/uploads/"}, DocumentRoot: "DOCUMENT_ROOT", Scheme: thumb.InPlace, Negotiate: thumb.Variants(),
	}}
	return rig.Options{
		Sites: []rig.Site{{
			Name: "uploads", Prefix: "/uploads/", Scheme: "inplace", Originals: originals, TOML: toml,
			Lines: rig.Lines(s),
		}},
		Server: fmt.Sprintf("location ^~ /plain/ { alias %q; }", originals+"/"),
	}
}

// drawing returns a PNG that AVIF and WebP make much smaller.
func drawing(t testing.TB, side int) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			img.Set(x, y, color.NRGBA{uint8(x * 255 / side), uint8(y * 255 / side), uint8((x * y) % 251), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// film returns an animated GIF of two frames.
func film(t testing.TB) []byte {
	t.Helper()
	g := &gif.GIF{}
	var grays color.Palette
	for i := range 256 {
		grays = append(grays, color.Gray{uint8(i)})
	}
	for i := range 2 {
		p := image.NewPaletted(image.Rect(0, 0, 200, 200), grays)
		for y := range 200 {
			for x := range 200 {
				p.SetColorIndex(x, y, uint8((x*y/160+x*i)%256))
			}
		}
		g.Image, g.Delay = append(g.Image, p), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// cmsTree makes a tree as a CMS's uploads are, and returns it with the names below it.
func cmsTree(t testing.TB) (dir string, names []string) {
	t.Helper()
	const small = "originals/tests/orientation/1.jpg"
	dir = kit.Folder(t, map[string]string{
		"2024/dogs.jpg": "originals/photos/dogs.jpg", "2024/a b.jpg": small, "2024/größe.jpg": small, "2024/100%.jpg": small,
		"2024/what?.jpg": small, "2024/a#b.jpg": small, "2024/UP.JPG": small, "2024/line\nbreak.jpg": small,
		"2024/cut-off.jpg": "refused/cut-off.jpg", "2024/text.jpg": "refused/text.jpg",
	})
	for name, data := range map[string][]byte{
		"drawing.png": drawing(t, 300), "film.gif": film(t), "2024/film-named.jpg": film(t), "2024/tiny.png": drawing(t, 1),
		"2024/empty.png": {}, "paper.pdf": []byte("%PDF-1.4\n"), "drawing.svg": []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"),
		"notes": []byte("no extension"), "2024/" + strings.Repeat("n", 250) + ".jpg": drawing(t, 20), ".hidden.jpg": drawing(t, 20),
		"2024/a.jpg.webp": []byte("named as a variant"),
	} {
		kit.Put(t, filepath.Join(dir, name), data)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, names
}

// asBefore checks that each name below /uploads/ is answered as nginx alone does.
func asBefore(t testing.TB, r *rig.Rig, names []string, header ...string) {
	t.Helper()
	for _, name := range names {
		for _, query := range []string{"", "?v=3"} {
			want := kit.Get(t, r, rig.Escape("/plain/"+name)+query, header...)
			got := kit.Get(t, r, rig.Escape("/uploads/"+name)+query, header...)
			if got.Status != want.Status || got.Header.Get("Content-Type") != want.Header.Get("Content-Type") || got.Status == 200 && !bytes.Equal(got.Body, want.Body) {
				t.Errorf("%q %q: %d %s of %d bytes, want %d %s of %d", name, header, got.Status, got.Header.Get("Content-Type"), len(got.Body),
					want.Status, want.Header.Get("Content-Type"), len(want.Body))
			}
		}
	}
}

// others are URIs without an original.
var others = []string{
	"none.jpg", "2024/none.png", "none.pdf", "2024/", "2024/.none.jpg", "none/", strings.Repeat("x", 256) + ".jpg", "2024/dogs.jpg/x.jpg",
	"%00.jpg", "none.php.jpg",
}

func TestInPlace(t *testing.T) {
	dir, names := cmsTree(t)
	r := kit.Start(t, uploads(dir, ""))
	asBefore(t, r, append(slices.Clone(names), others...))
	// The first client does not wait.
	first := kit.Get(t, r, "/uploads/2024/dogs.jpg", acceptAVIF)
	if first.Header.Get("Content-Type") != "image/jpeg" || first.Header.Get("Cache-Control") != "no-cache" || first.Header.Get("Vary") != "Accept" {
		t.Errorf("first answer: %v", first.Header)
	}
	with := []string{"2024/dogs.jpg", "2024/a b.jpg", "2024/größe.jpg", "2024/100%.jpg", "2024/what?.jpg", "2024/a#b.jpg", "2024/UP.JPG", "2024/line\nbreak.jpg", "drawing.png"}
	for _, name := range with {
		asBefore(t, r, []string{name})
		kit.Get(t, r, rig.Escape("/uploads/"+name), acceptAVIF)
	}
	// Both are made of one decode.
	kit.WaitLog(t, r, len(with), "msg=rendered", "format=avif")
	kit.WaitLog(t, r, len(with), "msg=rendered", "format=webp")
	for _, name := range with {
		for accept, mediaType := range map[string]string{acceptAVIF: "image/avif", acceptWebP: "image/webp"} {
			got := kit.Get(t, r, rig.Escape("/uploads/"+name), accept)
			if got.Status != 200 || got.Header.Get("Content-Type") != mediaType || got.Header.Get("Vary") != "Accept" || !strings.HasPrefix(got.Header.Get("Cache-Control"), "max-age") {
				t.Errorf("%q: %d, %v", name, got.Status, got.Header)
			}
		}
	}
	kit.Picture(t, kit.Get(t, r, "/uploads/2024/dogs.jpg", acceptWebP), "webp", 1065, 1600)
	kit.Get(t, r, "/uploads/film.gif", acceptAVIF)
	kit.WaitLog(t, r, 1, "msg=rendered", "film.gif.webp")
	if got := kit.Get(t, r, "/uploads/film.gif", acceptAVIF); !bytes.Contains(got.Body[:64], []byte("ANIM")) {
		t.Error("the film is a still")
	}
	without := []string{
		"2024/cut-off.jpg", "2024/text.jpg", "2024/tiny.png", "2024/empty.png", "paper.pdf", "drawing.svg", "notes",
		"2024/" + strings.Repeat("n", 250) + ".jpg", ".hidden.jpg", "2024/a.jpg.webp",
	}
	for range 2 {
		asBefore(t, r, append(without, others...), acceptAVIF)
	}
	// AVIF has no animation, and WebP has.
	kit.Get(t, r, "/uploads/2024/film-named.jpg", acceptAVIF)
	kit.WaitLog(t, r, 1, "msg=rendered", "film-named.jpg.webp")
	if got := kit.Get(t, r, "/uploads/2024/film-named.jpg", acceptWebP); got.Header.Get("Content-Type") != "image/webp" {
		t.Errorf("an animation with another name: %v", got.Header)
	}
	asBefore(t, r, []string{"2024/film-named.jpg"}, acceptAVIF)
	asBefore(t, r, append(slices.Clone(names), others...))

	served := kit.Get(t, r, "/uploads/2024/dogs.jpg", acceptAVIF)
	kit.StopDaemon(t, r)
	if err := r.CloseSocket(); err != nil {
		t.Fatal(err)
	}
	if got := kit.Get(t, r, "/uploads/2024/dogs.jpg", acceptAVIF); !bytes.Equal(got.Body, served.Body) {
		t.Error("a variant is not served while thumbd is stopped")
	}
	asBefore(t, r, append(slices.Clone(names), others...))
	asBefore(t, r, append(without, others...), acceptAVIF)
	if err := os.RemoveAll(r.Root("uploads")); err != nil {
		t.Fatal(err)
	}
	asBefore(t, r, append(slices.Clone(names), others...), acceptAVIF)
}

// A variant is sent in place of its original alone: its own name is that of another
// original, which may be missing, and a location that denies an original denies its
// variants too.
func TestInPlaceNamesOfVariants(t *testing.T) {
	const photo = "originals/tests/orientation/1.jpg"
	dir := kit.Folder(t, map[string]string{"a.jpg": photo, "hidden.JPG": photo})
	kit.Put(t, filepath.Join(dir, "a.jpg.webp"), []byte("an original"))
	for _, format := range []string{"avif", "webp"} {
		o := uploads(dir, "")
		deny := strings.Replace(o.Sites[0].Lines, "{ deny all; }", "{ deny all; }\n    location ~* hidden\\.jpg$ { deny all; }", 1)
		if o.Sites[0].Lines = deny; format == "webp" {
			o.Sites[0].TOML = `negotiate = ["webp"]`
			o.Sites[0].Lines = webpAlone(deny)
		}
		r := kit.Start(t, o)
		if out, err := kit.WarmCommand(t, r, true, "uploads").CombinedOutput(); err != nil {
			t.Fatalf("%v, %s", err, out)
		}
		for _, name := range []string{"a.jpg.", "hidden.JPG."} {
			if _, err := os.Stat(r.Root("uploads") + "/uploads/" + name + format); err != nil {
				t.Fatal(err)
			}
		}
		for _, accept := range []string{"Accept: */*", acceptAVIF} {
			asBefore(t, r, []string{"a.jpg.webp", "a.jpg.avif", "a.jpg.webp.avif", "hidden.JPG.webp", "hidden.JPG.avif", "hidden.JPG.WebP"}, accept)
			kit.Expect(t, kit.Get(t, r, "/uploads/hidden.JPG", accept), 403, "")
		}
		if got := kit.Get(t, r, "/uploads/a.jpg", acceptAVIF); got.Header.Get("Content-Type") != "image/"+format {
			t.Errorf("%v in place of the original, want image/%s", got.Header["Content-Type"], format)
		}
	}
}

// webpAlone returns the locations of a site with negotiate = ["webp"].
func webpAlone(lines string) string {
	return strings.NewReplacer("$thumbd_inplace", "$thumbd_inplace_webp", "$thumbd_plain", "$thumbd_plain_webp").Replace(lines)
}

// standIn returns a listener in the place of the daemon of r, which is stopped.
func standIn(t *testing.T, r *rig.Rig) net.Listener {
	t.Helper()
	aid.Must(t, r.CloseSocket())
	path := filepath.Join(r.Dir, "thumbd.sock")
	aid.Must(t, os.Remove(path))
	l, err := net.Listen("unix", path)
	aid.Must(t, err)
	aid.Must(t, os.Chmod(path, 0o666))
	return l
}

// Whatever thumbd answers, or if it is dead, the client gets the original; it does
// not if thumbd says that it may not see it.
func TestInPlaceStatusesEndAtTheOriginal(t *testing.T) {
	dir := kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg"})
	o := uploads(dir, "")
	o.Stopped = true
	r := kit.Start(t, o)
	l := standIn(t, r)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		code, err := strconv.Atoi(q.URL.Query().Get("status"))
		if err != nil {
			code = 500
		}
		w.Header().Set("X-Thumbd-Reason", "test")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	want := kit.Get(t, r, "/plain/a.jpg")
	for _, code := range []int{400, 401, 403, 404, 405, 415, 422, 500, 502, 503, 504} {
		got := kit.Get(t, r, fmt.Sprintf("/uploads/a.jpg?status=%d", code), acceptAVIF)
		if code == 401 || code == 403 {
			if got.Status != code {
				t.Errorf("%d of thumbd: %d", code, got.Status)
			}
			continue
		}
		if got.Status != 200 || !bytes.Equal(got.Body, want.Body) || got.Header.Get("X-Thumbd-Reason") != "" || !slices.Equal(got.Header["Cache-Control"], []string{"no-cache"}) {
			t.Errorf("%d of thumbd: %d, %v", code, got.Status, got.Header)
		}
		kit.Expect(t, kit.Get(t, r, fmt.Sprintf("/uploads/none.jpg?status=%d", code), acceptAVIF), 404, "")
		if got := kit.Do(t, r, rig.Request{Method: "POST", Target: fmt.Sprintf("/uploads/a.jpg?status=%d", code), Header: []string{acceptAVIF}}); got.Status != 405 {
			t.Errorf("POST: %d", got.Status)
		}
	}
	aid.Must(t, server.Close())
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	asBefore(t, r, []string{"a.jpg", "none.jpg"}, acceptAVIF)
	// Neither location is for clients, and a program's text for nobody.
	for _, target := range []string{"/_thumbd/original/uploads/a.jpg", "/_thumbd/tree/uploads/a.jpg"} {
		kit.Expect(t, kit.Get(t, r, target), 404, "")
	}
	kit.Put(t, filepath.Join(dir, "a.PhP5"), []byte("<?php"))
	kit.Expect(t, kit.Get(t, r, "/uploads/a.PhP5"), 403, "")
}

// moving is an original that is replaced, deleted and renamed while clients ask for it.
type moving struct {
	name  string
	phase atomic.Int64 // modulo 4: there, being deleted, gone, being made
	least atomic.Int64 // the version that watch has seen
}

const (
	there = iota
	leaving
	gone
)

// next begins the original's next phase.
func (m *moving) next() { m.phase.Add(1) }

// ask asks for the original as WebP. While it is there it is answered with a picture of
// the version that watch has seen, or of a later one; once watch has seen that it is
// gone, with 404.
func (m *moving) ask(ctx context.Context, r *rig.Rig) error {
	phase, least := m.phase.Load(), m.least.Load()
	resp, err := r.Do(ctx, rig.Request{Target: "/uploads/" + m.name, Header: []string{acceptWebP}})
	if err != nil {
		return err
	}
	steady := phase == m.phase.Load()
	switch {
	case resp.Status == 404 && (!steady || phase%4 != there):
		return nil
	case resp.Status != 200 || steady && phase%4 == gone:
		return fmt.Errorf("%s in phase %d: status %d", m.name, phase%4, resp.Status)
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(resp.Body))
	if err == nil && int64(c.Width-100) < least {
		err = fmt.Errorf("%s is %d pixels wide where %d were seen before", m.name, c.Width, least+100)
	}
	return err
}

// Originals that are replaced, deleted and renamed under load: every request is
// answered, and never with a version from before the one that watch has seen.
func TestInPlaceOriginalsUnderLoad(t *testing.T) {
	dir := kit.Folder(t, nil)
	// A drawing of 561 pixels and more saves less than a tenth.
	o := uploads(dir, "negotiate = [\"webp\"]\n[site.uploads.inplace]\nmin_saving = 0")
	o.Sites[0].Lines = webpAlone(o.Sites[0].Lines)
	write := func(m *moving, version int) {
		t.Helper()
		kit.Put(t, filepath.Join(dir, ".new"), drawing(t, 100+version))
		aid.Must(t, os.Rename(filepath.Join(dir, ".new"), filepath.Join(dir, m.name)))
	}
	replaced, deleted, from, to := &moving{name: "a.png"}, &moving{name: "b.png"}, &moving{name: "c.png"}, &moving{name: "d.png"}
	to.phase.Store(gone)
	all := []*moving{replaced, deleted, from, to}
	for _, m := range all[:3] {
		write(m, 0)
	}
	r := kit.Start(t, o)
	kit.WaitLog(t, r, 1, "reconciled")
	l := kit.StartLoad(t, 2, func(ctx context.Context, n int) error { return all[n%len(all)].ask(ctx, r) })
	// seen returns when the variant of this version is there.
	seen := func(m *moving, version int) {
		t.Helper()
		for {
			resp := kit.Get(t, r, "/uploads/"+m.name, acceptWebP)
			c, format, err := image.DecodeConfig(bytes.NewReader(resp.Body))
			if err == nil && format == "webp" && c.Width == 100+version {
				break
			}
			l.Await(1)
		}
		m.least.Store(int64(version))
	}
	for version := 1; version <= kit.Times(4, 500); version++ {
		write(replaced, version)
		deleted.next()
		from.next()
		to.next()
		aid.Must(t, os.Remove(filepath.Join(dir, deleted.name)), os.Rename(filepath.Join(dir, from.name), filepath.Join(dir, to.name)))
		to.next()
		seen(replaced, version)
		for _, m := range []*moving{deleted, from} {
			for kit.Get(t, r, "/uploads/"+m.name, acceptWebP).Status != 404 {
				l.Await(1)
			}
			m.next()
		}
		l.Await(kit.Times(5, 20))
		deleted.next()
		write(deleted, version)
		deleted.next()
		seen(deleted, version)
		seen(to, 0)
		from, to = to, from
		l.Await(kit.Times(5, 20))
	}
	t.Logf("%d requests", l.End())
}

// A file of the tree that try_files has found, but that nginx can't open any more, is
// answered as if it had been missing before. A pipe is such a file.
func TestInPlaceFileIsRemovedBeforeItIsOpened(t *testing.T) {
	dir := kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg"})
	o := uploads(dir, "")
	kit.Put(t, filepath.Join(dir, "missing.txt"), []byte("the site's own page"))
	o.Server += "error_page 404 /plain/missing.txt;"
	r := kit.Start(t, o)
	pipe := func(name string) {
		t.Helper()
		path := r.Root("uploads") + "/uploads/" + name
		aid.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		aid.Must(t, syscall.Mkfifo(path, 0o644))
	}
	pipe("a.jpg.avif")
	pipe("none.jpg.avif")
	ends := func(name, accept string) {
		t.Helper()
		if got := kit.Get(t, r, "/uploads/"+name, accept); got.Status != 404 || string(got.Body) != "the site's own page" || got.Header.Get("X-Thumbd-Reason") != "" {
			t.Errorf("%s: %d, %q", name, got.Status, got.Body)
		}
	}
	for _, stopped := range []bool{false, true} {
		if stopped {
			kit.StopDaemon(t, r)
			aid.Must(t, r.CloseSocket())
		}
		asBefore(t, r, []string{"a.jpg"}, acceptAVIF)
		ends("none.jpg", acceptAVIF)
		ends("none.jpg", "Accept: */*")
		ends("none.png", acceptAVIF)
	}
}

// As above, for the file to which thumbd itself redirects: the request begins again,
// which a client can't make it do.
func TestInPlaceSizeIsRemovedBeforeItIsOpened(t *testing.T) {
	dir := kit.Folder(t, nil)
	o := uploads(dir, "")
	o.Stopped = true
	r := kit.Start(t, o)
	l := standIn(t, r)
	size := r.Root("uploads") + "/uploads/what? a-1x1.jpg"
	aid.Must(t, os.MkdirAll(filepath.Dir(size), 0o755))
	var asked atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := asked.Add(1)
		if n == 4 {
			// The original was deleted meanwhile.
			w.WriteHeader(http.StatusNotFound)
			return
		}
		err := syscall.Mkfifo(size, 0o644)
		if n == 3 {
			err = nil // It is there.
		}
		if n == 2 {
			err = errors.Join(os.Remove(size), os.WriteFile(size, []byte("made again"), 0o644))
		}
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Accel-Redirect", "/_thumbd/tree/uploads/what%3F%20a-1x1.jpg")
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	got := kit.Get(t, r, "/uploads/what%3F%20a-1x1.jpg?v=3", acceptAVIF)
	if got.Status != 200 || string(got.Body) != "made again" || asked.Load() != 2 {
		t.Errorf("%d, %q after %d requests", got.Status, got.Body, asked.Load())
	}
	aid.Must(t, os.Remove(size), syscall.Mkfifo(size, 0o644))
	for _, name := range []string{"what%3F%20a-1x1.jpg", "none.jpg"} {
		kit.Expect(t, kit.Get(t, r, "/_thumbd/tree/uploads/"+name, acceptAVIF), 404, "")
	}
	if asked.Load() != 2 {
		t.Error("a request for the internal location asks thumbd")
	}
	// nginx jumps ten times at most.
	if got := kit.Get(t, r, "/uploads/what%3F%20a-1x1.jpg", acceptAVIF); got.Status != 404 || asked.Load() != 4 {
		t.Errorf("without its original: %d after %d requests", got.Status, asked.Load())
	}
	aid.Must(t, server.Close())
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// With access rules nginx asks for the original and for the variant, and thumbd's
// refusals reach the client.
func TestInPlaceProtected(t *testing.T) {
	dir := kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg"})
	o := uploadsFor(dir, "[site.uploads.access]\nproofs = [\"signature\"]\nkeys = [\"access.key\"]", &access.Options{})
	o.Keys = map[string]string{"access.key": kit.AccessKey}
	r := kit.Start(t, o)
	original := kit.Get(t, r, "/plain/a.jpg")
	good := "/uploads/a.jpg" + kit.Proof(kit.AccessKey, "access", "/uploads/a.jpg", kit.Expires(time.Hour))
	// The signature of another URI: a changed letter can be the one that was there.
	bad := "/uploads/a.jpg" + kit.Proof(kit.AccessKey, "access", "/uploads/b.jpg", kit.Expires(time.Hour))
	for _, accept := range []string{"Accept: */*", acceptAVIF} {
		kit.Expect(t, kit.Get(t, r, "/uploads/a.jpg", accept), 401, "no-proof")
		kit.Expect(t, kit.Get(t, r, bad, accept), 403, "signature")
		kit.Expect(t, kit.Get(t, r, "/_thumbd/original/uploads/a.jpg", accept), 404, "")
		if got := kit.Get(t, r, good, accept); got.Status != 200 || !bytes.Equal(got.Body, original.Body) {
			t.Errorf("%s: %d of %d bytes", accept, got.Status, len(got.Body))
		} else if accept == acceptAVIF && got.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%v", got.Header)
		}
	}
	kit.WaitLog(t, r, 1, "msg=rendered", "format=avif")
	kit.Expect(t, kit.Get(t, r, "/uploads/a.jpg", acceptAVIF), 401, "no-proof")
	if got := kit.Get(t, r, good, acceptAVIF); got.Header.Get("Content-Type") != "image/avif" || got.Header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("%d, %v", got.Status, got.Header)
	}
	kit.StopDaemon(t, r)
	aid.Must(t, r.CloseSocket())
	for _, target := range []string{good, "/uploads/a.jpg"} {
		if got := kit.Get(t, r, target, acceptAVIF); got.Status != 500 {
			t.Errorf("thumbd is dead, and %s is answered %d", target, got.Status)
		}
	}
}

// The first client waits, and the commands know variants and markers.
func TestInPlaceCommands(t *testing.T) {
	dir := kit.Folder(t, map[string]string{"d/a.jpg": "originals/tests/orientation/1.jpg", "d/cut-off.jpg": "refused/cut-off.jpg"})
	r := kit.Start(t, uploads(dir, "watch = false\n[site.uploads.inplace]\nwait = true\nmax_width = 120"))
	file := func(name string) string { return r.Root("uploads") + "/uploads/" + name }
	exists := func(name string) bool { _, err := os.Stat(file(name)); return err == nil }
	kit.Picture(t, kit.Get(t, r, "/uploads/d/a.jpg", acceptWebP), "webp", 120, 80)
	asBefore(t, r, []string{"d/cut-off.jpg"}, acceptWebP)
	const marker = ".thumbd/none/d/cut-off.jpg.webp"
	if !exists(marker) {
		t.Error("what has no variant is not marked")
	}
	out, err := kit.WarmCommand(t, r, true, "uploads").CombinedOutput()
	if want := "uploads: 2 originals, made 1 thumbnails, 1 were there, 1 variants are not to be had, 1 failed (1 damaged)\n"; err == nil || !strings.Contains(string(out), want) {
		t.Errorf("warm: %v, %s", err, out)
	}
	kit.Expect(t, kit.Do(t, r, kit.Post(url.Values{"site": {"uploads"}, "original": {"d/cut-off.jpg", "d/a.jpg"}})), 200, "")
	if exists(marker) || exists("d/a.jpg.webp") || exists("d/a.jpg.avif") {
		t.Error("a purge leaves a marker or a variant")
	}
	asBefore(t, r, []string{"d/cut-off.jpg"}, acceptWebP)
	kit.Get(t, r, "/uploads/d/a.jpg", acceptWebP)
	aid.Must(t, os.RemoveAll(filepath.Join(dir, "d")))
	kit.Put(t, filepath.Join(dir, "b.png"), drawing(t, 10))
	gc(t, r)
	if exists("d") || exists(".thumbd/none/d") {
		t.Error("gc leaves what is of deleted originals")
	}
	out2, err := kit.Thumbd(t, "verify", "-c", filepath.Join(r.Dir, "thumbd.toml"), "/uploads/b.png?v=3")
	if err != nil || !strings.Contains(out2, "variant") {
		t.Errorf("verify: %v, %s", err, out2)
	}
	if f := kit.Examine(t, r).Findings; slices.ContainsFunc(f, func(f doctor.Finding) bool { return strings.Contains(f.Where, "uploads") }) {
		t.Errorf("doctor: %+v", f)
	}
}

// wrongInPlace are ways to write the locations of a site wrong, by what to replace
// in the right ones, and the finding of each.
var wrongInPlace = []struct{ old, new, finding string }{
	{"^~ /uploads/", "/uploads/", "caret-missing"},
	{"try_files  $thumbd_plain @", "try_files  $uri @", "try-files"},
	{"try_files  $thumbd_inplace @thumbd_inplace", "try_files  $uri$thumbd_variant @thumbd_inplace", "try-files"},
	{"try_files  $thumbd_inplace @thumbd_inplace", "try_files  $thumbd_inplace @thumbd", "try-files"},
	{"    root       DOCUMENT_ROOT;", "    root       /var/empty;", "root-wrong"},
	{"    alias      ", "    alias      /var/empty", "root-wrong"},
	{"    alias      DOCUMENT_ROOT/uploads/;", "    alias      DOCUMENT_ROOT/;", "root-wrong"},
	{"    try_files $uri $uri/ @thumbd_tree;", "    try_files $uri =404;", "try-files"},
	{"    try_files  $uri @thumbd_tree;", "    try_files  $uri =404;", "try-files"},
	{"error_page 404 = @thumbd-removed;", "error_page 404 = @thumbd_original;", "error-page"},
	{"    recursive_error_pages on;\n", "", "error-page"},
	{"$uri/ @thumbd_tree;", "$uri/ @thumbd_tree;\n    error_page 404 = @thumbd_tree;", "error-page"},
	{"    include   snippets/thumbd-original.conf;\n", "", "snippet-edited"},
	{"    add_header Vary Accept always;\n", "", "vary-missing"},
	{"@thumbd_inplace;\n    add_header Vary Accept always;\n", "@thumbd_inplace;\n", "vary-missing"},
	{"uploads/;\n    try_files  $uri @thumbd_tree;", "uploads;\n    try_files  $uri @thumbd_tree;", "root-wrong"},
	{"/;\n    try_files $uri $uri/ @thumbd_tree;", ";\n    try_files $uri $uri/ @thumbd_tree;", "root-wrong"},
	{"    try_files $uri $uri/ @thumbd_tree;", "", "try-files"},
	{"try_files  $thumbd_plain @", "try_files  $thumbd_plain_webp @", "try-files"},
	{"try_files  $thumbd_inplace @thumbd_inplace", "try_files  $thumbd_inplace_webp @thumbd_inplace", "try-files"},
	{"try_files  $thumbd_plain @thumbd_uploads", "try_files  $thumbd_plain @thumbd_inplace", "try-files"},
	{"location @thumbd_uploads", "location @thumbd_others", "location-missing"},
	{"location ^~ /_thumbd/original/", "location /_thumbd/original/", "location-missing"},
	{"/_thumbd/tree/uploads/", "/_thumbd/tree/other/", "location-missing"},
	{"include snippets/thumbd-inplace.conf;", "", "snippet-missing"},
	{"    expires    30d;", "    open_file_cache max=10;", "open-file-cache"},
	{"^~ /_thumbd/original", "~ \\.(sql|log)$ { deny all; }\nlocation ^~ /_thumbd/original", "inplace-shadows"},
}

func TestDoctorFindsWhatIsWrongInPlace(t *testing.T) {
	dir := kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg"})
	var o rig.Options
	for i, w := range wrongInPlace {
		site := uploads(dir, "").Sites[0]
		if !strings.Contains(site.Lines, w.old) {
			t.Fatalf("the lines have no %q:\n%s", w.old, site.Lines)
		}
		name := fmt.Sprintf("uploads%d", i)
		site.Lines = strings.ReplaceAll(strings.Replace(site.Lines, w.old, w.new, 1), "@thumbd_uploads", "@thumbd_"+name)
		site.Name, site.Hosts = name, []string{name + ".example"}
		o.Sites = append(o.Sites, site)
	}
	findings := kit.Examine(t, kit.Start(t, o)).Findings
	for i, w := range wrongInPlace {
		where := fmt.Sprintf("site uploads%d,", i)
		var names []string
		for _, f := range findings {
			if strings.HasPrefix(f.Where, where) || f.Name == w.finding && f.Name == "snippet-edited" {
				names = append(names, f.Name)
			}
		}
		if !slices.Contains(names, w.finding) || len(slices.Compact(names)) > 1 {
			t.Errorf("%q for %q: %v, want %s", w.new, w.old, names, w.finding)
		}
	}
}
