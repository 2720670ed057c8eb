// SPDX-License-Identifier: MIT

// Package wordpress tests WordPress itself behind thumbd: Debian's, with PHP and
// MariaDB in a folder, and the server block and plug-in of packaging/examples.
// THUMBD_WORDPRESS names the folder; make check-cms makes it.
package wordpress

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/likeness"
	"thumbd/internal/test/rig"
)

func TestMain(m *testing.M) { kit.Main(m) }

const (
	acceptAVIF = "image/avif,image/webp,image/*,*/*;q=0.8"
	acceptWebP = "image/webp,image/*,*/*;q=0.8"
)

// leastLikeness is the SSIM of thumbd's sizes and WordPress' own. PHP resizes with
// another filter: a wrong crop has less than 0.8.
const leastLikeness = 0.9

// A page that WordPress writes shows all sizes through thumbd, whether WordPress has
// made their files or not, and these stay as they are.
func TestWordPress(t *testing.T) {
	s := newSite(t)
	all := pictures(t)
	before := s.post(t, named(t, all, "before-")...)
	files := s.files(t)
	s.copy(t, filepath.Join(examples(t), "wordpress/sizes-without-files.php"), "wp-content/mu-plugins/sizes-without-files.php")
	after := s.post(t, named(t, all, "after-")...)
	samePlan(t, before, after)
	for _, name := range missing(after, s) {
		if _, err := os.Stat(filepath.Join(s.uploads(), name)); !os.IsNotExist(err) {
			t.Errorf("with the plug-in WordPress has made %s: %v", name, err)
		}
	}
	r, c := s.front(t)

	for _, p := range []post{before, after} {
		shown := c.shown(t, p)
		if want := sizes(p); !cmp.Equal(shown, want) {
			t.Errorf("the page shows (-want +got):\n%s", cmp.Diff(want, shown))
		}
		for _, uri := range slices.Sorted(maps.Keys(shown)) {
			c.picture(t, uri, "", shown[uri])
		}
	}
	s.compare(t, c, before)
	for _, uri := range []string{
		"after-dogs-301x200.jpg", "after-dogs-1024x682.jpg", "after-dogs-150x151.jpg", "after-drawing-1536x1536.png", "none-150x150.jpg",
	} {
		for _, accept := range []string{"", acceptAVIF} {
			if got := c.get(t, folderOf(after)+uri, accept); got.Status != 404 {
				t.Errorf("%s for %q, which no preset gives: %d", uri, accept, got.Status)
			}
		}
	}
	// A size has variants, whoever has made its file.
	for _, name := range []string{"before-dogs-200x300.jpg", "after-dogs-200x300.jpg", "after-tall.jpg"} {
		c.get(t, folderOf(after)+name, acceptAVIF)
		kit.WaitLog(t, r, 1, "msg=rendered", name+".avif", "format=avif")
		kit.WaitLog(t, r, 1, "msg=rendered", name+".webp", "format=webp")
		for accept, want := range map[string]string{acceptAVIF: "image/avif", acceptWebP: "image/webp"} {
			if got := c.get(t, folderOf(after)+name, accept); got.Status != 200 || got.Header.Get("Content-Type") != want {
				t.Errorf("%s for %q: %d, %s", name, accept, got.Status, got.Header.Get("Content-Type"))
			}
		}
	}
	s.expectPictures(t)
	now := s.files(t)
	for name, data := range files {
		if now[name] != data {
			t.Errorf("%s has changed", name)
		}
	}
	kit.StopDaemon(t, r)
	for uri, size := range sizes(after) {
		c.picture(t, uri, "", size)
	}
}

// examples returns the folder of the examples.
func examples(t *testing.T) string {
	t.Helper()
	return filepath.Join(filepath.Dir(kit.Testdata(t, ".")), "packaging/examples")
}

// pictures returns pictures to upload by their names: a photograph that lies on its
// side, a picture that WordPress scales, a tall one, and a drawing with alpha.
func pictures(t *testing.T) map[string][]byte {
	t.Helper()
	var wide, tall, drawing bytes.Buffer
	alpha := pattern(1300, 700)
	for x := range 200 {
		alpha.Set(x, x, color.NRGBA{})
	}
	dogs, err := os.ReadFile(kit.Testdata(t, "originals/photos/dogs.jpg"))
	aid.Must(t, err, jpeg.Encode(&wide, pattern(2601, 1734), nil), jpeg.Encode(&tall, pattern(310, 1399), nil), png.Encode(&drawing, alpha))
	return map[string][]byte{"dogs.jpg": dogs, "wide.jpg": wide.Bytes(), "tall.jpg": tall.Bytes(), "drawing.png": drawing.Bytes()}
}

// pattern returns a picture without a place that looks as another one.
func pattern(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x / 40 * 30) ^ (y / 40 * 30)), 255})
		}
	}
	return m
}

// named writes files whose names begin with prefix, and returns their paths.
func named(t *testing.T, files map[string][]byte, prefix string) []string {
	t.Helper()
	dir := kit.Folder(t, nil)
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		paths = append(paths, filepath.Join(dir, prefix+name))
		kit.Put(t, paths[len(paths)-1], files[name])
	}
	return paths
}

// files returns the text of all files of the folder of uploads, by their names.
func (s site) files(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	aid.Must(t, filepath.WalkDir(s.uploads(), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, s.uploads()+"/")] = string(b)
		return err
	}))
	return files
}

// samePlan checks that the plug-in names the sizes as WordPress itself does.
func samePlan(t *testing.T, before, after post) {
	t.Helper()
	got := make(map[string]attachment)
	for name, a := range after.Uploads {
		a.File = strings.Replace(a.File, "after-", "before-", 1)
		all := make(map[string]size)
		for name, s := range a.Sizes {
			s.File = strings.Replace(s.File, "after-", "before-", 1)
			all[name] = s
		}
		a.Sizes = all
		got[strings.Replace(name, "after-", "before-", 1)] = a
	}
	if diff := cmp.Diff(before.Uploads, got); diff != "" || len(got) != 4 {
		t.Errorf("WordPress' sizes (-) and those of the plug-in (+):\n%s", diff)
	}
}

// folderOf returns the URI of the folder of a post's uploads.
func folderOf(p post) string {
	for _, a := range p.Uploads {
		return "/wp-content/uploads/" + path.Dir(a.File) + "/"
	}
	return ""
}

// missing returns the names of all sizes of a post's uploads.
func missing(p post, s site) []string {
	var names []string
	for uri := range sizes(p) {
		if sizePattern.MatchString(uri) {
			names = append(names, strings.TrimPrefix(uri, "/wp-content/uploads/"))
		}
	}
	return names
}

var sizePattern = regexp.MustCompile(`-\d+x\d+\.\w+$`)

// sizes returns the width and height of all pictures of a post, by their URIs.
func sizes(p post) map[string]image.Point {
	all := make(map[string]image.Point)
	for _, a := range p.Uploads {
		all["/wp-content/uploads/"+a.File] = image.Pt(a.Width, a.Height)
		for _, s := range a.Sizes {
			all[folderOf(p)+s.File] = image.Pt(s.Width, s.Height)
		}
	}
	return all
}

// front starts nginx with the example's server block, and thumbd with the site that
// thumbd init writes for the sizes of this WordPress.
func (s site) front(t *testing.T) (*rig.Rig, client) {
	t.Helper()
	dir := kit.Folder(t, nil)
	const show = `$_SERVER["HTTP_HOST"]="x"; require $argv[1]; echo json_encode(wp_get_registered_image_subsizes());`
	kit.Put(t, dir+"/sizes.json", s.php(t, "-r", show, s.root+"/wp-load.php"))
	out, err := kit.Thumbd(t, "init", "blog", "-c", dir+"/thumbd.toml", "--from", dir+"/sizes.json", "--scheme", "inplace", "--host", "blog.example",
		"--originals", s.uploads(), "--document-root", dir+"/tree")
	if err != nil || strings.Contains(out, "no equal") {
		t.Fatalf("thumbd init: %v\n%s", err, out)
	}
	toml, err := os.ReadFile(dir + "/sites.d/blog.toml")
	aid.Must(t, err)
	conf, err := os.ReadFile(filepath.Join(examples(t), "wordpress/nginx.conf"))
	aid.Must(t, err)
	aid.Must(t, os.Mkdir(dir+"/tree", 0o755))
	socket := dir + "/front.sock"
	block := strings.NewReplacer("/var/cache/thumbd/blog", dir+"/tree", "/srv/blog", s.root, "80;", "unix:"+socket+";",
		"/run/php/php-fpm.sock", s.dir+"/php.sock", "fastcgi_params;", "/etc/nginx/fastcgi_params;").Replace(string(conf))
	r := kit.Start(t, rig.Options{TOML: string(toml), HTTP: block})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return r, client{&http.Client{Transport: transport}}
}

// client asks the front of a site.
type client struct{ *http.Client }

func (c client) get(t *testing.T, uri, accept string) rig.Response {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), "GET", home+uri, nil)
	aid.Must(t, err)
	if accept != "" {
		q.Header.Set("Accept", accept)
	}
	resp, err := c.Do(q)
	aid.Must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	aid.Must(t, err)
	return rig.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}
}

// picture checks that a URI is answered with a picture of that size, and returns it.
func (c client) picture(t *testing.T, uri, accept string, size image.Point) image.Image {
	t.Helper()
	got := c.get(t, uri, accept)
	m, _, err := decoded(got.Body)
	if got.Status != 200 || err != nil || m.Bounds().Size() != size && m.Bounds().Size() != image.Pt(size.Y, size.X) {
		t.Errorf("%s: status %d, %v, want %v", uri, got.Status, err, size)
		return nil
	}
	return m
}

// uploadURL matches the URL of an upload, in src and in srcset.
var uploadURL = regexp.MustCompile(regexp.QuoteMeta(home) + `(/wp-content/uploads/[^\s",?]+)`)

// shown returns the pictures of a post's page, and the size that each has of a.
func (c client) shown(t *testing.T, p post) map[string]image.Point {
	t.Helper()
	page := c.get(t, fmt.Sprintf("/?p=%d", p.ID), "")
	if page.Status != 200 || !bytes.Contains(page.Body, []byte("srcset=")) {
		t.Fatalf("the page: %d\n%s", page.Status, page.Body)
	}
	all := sizes(p)
	shown := make(map[string]image.Point)
	for _, m := range uploadURL.FindAllSubmatch(page.Body, -1) {
		shown[string(m[1])] = all[string(m[1])]
	}
	return shown
}

// compare checks that thumbd's sizes look as those that WordPress has made of the
// same uploads, up to 500 pixels wide: larger ones take seconds.
func (s site) compare(t *testing.T, c client, before post) {
	t.Helper()
	for uri, size := range sizes(before) {
		if !sizePattern.MatchString(uri) || size.X > 500 {
			continue
		}
		theirs, ours := c.picture(t, uri, "", size), c.picture(t, strings.Replace(uri, "before-", "after-", 1), "", size)
		if theirs == nil || ours == nil {
			continue
		}
		if got := likeness.SSIM(likeness.Luma(theirs), likeness.Luma(ours)); got < leastLikeness {
			t.Errorf("%s: likeness %.3f to WordPress' own", uri, got)
		}
	}
}
