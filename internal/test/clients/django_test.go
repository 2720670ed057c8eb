// SPDX-License-Identifier: MIT

package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// django is a running site of testdata/django.
type django struct {
	t   *testing.T
	url string
	// log is what it has written, to be read once the channel is closed that stop
	// returns.
	log  *bytes.Buffer
	stop func() <-chan struct{}
}

// startDjango starts the site of a folder, which asks the thumbd at a socket.
func startDjango(t *testing.T, folderOfSite, socket string) django {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	aid.Must(t, err)
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	aid.Must(t, err)
	defer f.Close()
	// Debian's, which has its Django.
	cmd := exec.Command("/usr/bin/python3", "testdata/django/serve.py", folder(t))
	cmd.ExtraFiles = []*os.File{f}
	cmd.Env = append(os.Environ(), "SITE_FOLDER="+folderOfSite, "THUMBD_ADMIN="+socket)
	ended, log := kit.Background(t, cmd)
	return django{t, "http://" + l.Addr().String(), log, func() <-chan struct{} {
		aid.Must(t, cmd.Process.Kill())
		return ended
	}}
}

// post fills in a form, with a file if it has a name, and returns the page that follows.
func (d django) post(path, title, name string, file []byte) string {
	d.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	aid.Must(d.t, form.WriteField("title", title))
	if name != "" {
		part, err := form.CreateFormFile("image", name)
		aid.Must(d.t, err)
		_, err = part.Write(file)
		aid.Must(d.t, err)
	}
	aid.Must(d.t, form.Close())
	resp, err := http.Post(d.url+path, form.FormDataContentType(), &body)
	aid.Must(d.t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		d.t.Fatalf("POST %s: %d, %v: %s", path, resp.StatusCode, err, page)
	}
	return string(page)
}

// photos makes a folder for a site of Django, and the site of thumbd for it.
func photos(t *testing.T) (dir string, site rig.Site) {
	t.Helper()
	dir = kit.Folder(t, map[string]string{"media/none": "refused/text.jpg"})
	site = kit.Gallery(t, filepath.Join(dir, "media"))
	site.TOML = "[site.gallery.preset.hero]\nsize = \"80x60\"\nmethod = \"crop\"\nwidths = [40, 80]\nformats = [\"webp\"]\n"
	options, err := json.Marshal(map[string]any{"prefix": "/thumbs/", "scheme": "signed", "key": kit.Key, "presets": map[string]any{
		"hero": map[string]any{"size": "80x60", "method": "crop", "widths": []int{40, 80}, "formats": []string{"webp"}},
	}})
	aid.Must(t, err)
	kit.Put(t, filepath.Join(dir, "thumbd.json"), options)
	return dir, site
}

// photo returns a small picture, turned as its number says.
func photo(t *testing.T, n int) []byte {
	t.Helper()
	b, err := os.ReadFile(kit.Testdata(t, fmt.Sprintf("originals/tests/orientation/%d.jpg", n)))
	aid.Must(t, err)
	return b
}

// TestDjango uploads a photo to a site of Django, replaces, renames and deletes it. The
// thumbnails follow: they are there before the page is asked for, and go with their
// original.
func TestDjango(t *testing.T) {
	dir, site := photos(t)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}})
	thumbnails := func(original string) []string {
		var all []string
		for _, preset := range []string{"hero-40w", "hero-80w"} {
			all = append(all, kit.Signed("/thumbs/", original, preset, "jpg"), kit.Signed("/thumbs/", original, preset, "webp"))
		}
		slices.Sort(all)
		return all
	}

	d := startDjango(t, dir, r.AdminPath())
	page := d.post("/upload/1", "A kitten", "kitten ü.jpg", photo(t, 1))
	kit.AwaitPublished(t, r, "gallery", thumbnails("photos/kitten_ü.jpg"))
	expectPage(t, r, page, "A kitten", thumbnails("photos/kitten_ü.jpg"))

	page = d.post("/upload/1", "A <mark>", "mark.jpg", photo(t, 3))
	kit.AwaitPublished(t, r, "gallery", thumbnails("photos/mark.jpg"))
	expectPage(t, r, page, "A &lt;mark&gt;", thumbnails("photos/mark.jpg"))

	page = d.post("/upload/1", "Renamed", "", nil)
	expectPage(t, r, page, "Renamed", thumbnails("photos/mark.jpg"))

	d.post("/delete/1", "", "", nil)
	if left := kit.Thumbnails(t, r, "gallery"); len(left) != 0 {
		t.Errorf("after the photo was deleted there are %q", left)
	}
	kit.StopDaemon(t, r)
	if n := r.Log.Count("msg=purged"); n != 3 {
		t.Errorf("%d purges, want one for each of upload, replacement and deletion:\n%s", n, r.Log)
	}

	// Without a thumbd an upload is stored all the same.
	d = startDjango(t, dir, filepath.Join(dir, "none.sock"))
	d.post("/upload/2", "Alone", "alone.jpg", photo(t, 1))
	<-d.stop()
	if !strings.Contains(d.log.String(), "thumbd purge ('gallery', ['photos/alone.jpg']): [Errno 2]") {
		t.Errorf("no word about thumbd in the log:\n%s", d.log)
	}
}

// TestDjangoOnNodes uploads a photo at one of two machines, while the other one is down:
// the log names it, and that its purge is not known.
func TestDjangoOnNodes(t *testing.T) {
	dir, site := photos(t)
	journal := t.TempDir()
	var nodes []*rig.Rig
	for _, name := range []string{"n1", "n2"} {
		nodes = append(nodes, kit.Start(t, rig.Options{
			Sites: []rig.Site{site}, Keys: map[string]string{"nodes.key": "the key of all nodes 0123456789"},
			TOML: fmt.Sprintf("[nodes]\njournal = %q\nkeys = [\"nodes.key\"]\nname = %q\npoll = \"200ms\"\nwait = \"1s\"\n", journal, name),
		}))
	}
	kit.StopDaemon(t, nodes[1])
	d := startDjango(t, dir, nodes[0].AdminPath())
	d.post("/upload/1", "A kitten", "kitten.jpg", photo(t, 1))
	<-d.stop()
	if !strings.Contains(d.log.String(), "not all machines are known to have purged: n2: has read the journal at ") {
		t.Errorf("no word about n2 in the log:\n%s", d.log)
	}
	kit.StopDaemon(t, nodes[0])
	if n := nodes[0].Log.Count("msg=purged"); n != 1 {
		t.Errorf("%d purges at n1:\n%s", n, nodes[0].Log)
	}
}

// expectPage checks a page's title, and that its picture's files are the published ones.
func expectPage(t *testing.T, r *rig.Rig, page, title string, published []string) {
	t.Helper()
	if !strings.Contains(page, "<h1>"+title+"</h1>") || !strings.Contains(page, `alt="`+title+`"`) || !strings.Contains(page, `width="80" height="60"`) {
		t.Errorf("the page of %s: %s", title, page)
	}
	var shown []string
	for _, set := range regexp.MustCompile(` srcset="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		for entry := range strings.SplitSeq(html.UnescapeString(set[1]), ", ") {
			url, width, _ := strings.Cut(entry, " ")
			format := "jpeg"
			if strings.HasSuffix(url, ".webp") {
				format = "webp"
			}
			kit.EachEntry(t, r, format, entry)
			if width == "" {
				t.Errorf("the entry %q", entry)
			}
			shown = append(shown, url)
		}
	}
	slices.Sort(shown)
	for i, uri := range published {
		published[i] = rig.Escape(uri)
	}
	slices.Sort(published)
	if !slices.Equal(shown, published) {
		t.Errorf("the page shows %q, published is %q", shown, published)
	}
}
