// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"image"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// elementPage is a page with the picture in its whole width, and a text below it. It adds
// up the layout shifts that the browser measures.
const elementPage = `<!doctype html><meta charset="utf-8"><style>body { margin: 0 } img { width: 100%%; height: auto; display: block }</style>
%s<p>below</p>
<script>
let shift = 0
const add = (entries) => entries.forEach((e) => { shift += e.value })
const observer = new PerformanceObserver((list) => add(list.getEntries()))
observer.observe({ type: 'layout-shift', buffered: true })
const img = document.querySelector('img')
const frames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))

// Once the placeholder can be seen: whether the picture can.
async function before() {
	const tiny = new Image()
	const { backgroundImage } = getComputedStyle(img)
	if (backgroundImage !== 'none') {
		tiny.src = backgroundImage.slice(5, -2)
		await tiny.decode()
	}
	await frames()
	return img.complete
}

// Once the picture can be seen: how much has shifted.
async function after() {
	await img.decode()
	await frames()
	add(observer.takeRecords())
	return shift
}
</script>
`

// heldPictures answers with thumbd's thumbnails, each when it is let go.
type heldPictures struct {
	*httptest.Server
	let chan struct{}
}

func holdPictures(t *testing.T, r *rig.Rig) *heldPictures {
	t.Helper()
	h := &heldPictures{let: make(chan struct{})}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		select {
		case <-h.let:
		case <-q.Context().Done():
			return
		}
		resp, err := r.Do(q.Context(), rig.Request{Target: q.URL.EscapedPath()})
		if err != nil || resp.Status != http.StatusOK {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		// An error is the browser's going away.
		_, _ = w.Write(resp.Body)
	}))
	t.Cleanup(h.Close)
	return h
}

// TestBrowserShowsThePicture shows the element of thumbd picture to Chromium, in four
// widths of its window and two pixel ratios. It asks for one file each time, the right
// one, shows the placeholder before that has come, and nothing shifts when it comes.
func TestBrowserShowsThePicture(t *testing.T) {
	pages := kit.Folder(t, nil)
	site := rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: kit.Testdata(t, "originals/tests/orientation")}
	site.TOML = "[site.p.preset.hero]\nsize = \"216x144\"\nmethod = \"crop\"\nwidths = [40, 80, 120, 216]\nformats = [\"avif\", \"webp\"]\n"
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, Server: fmt.Sprintf("location ^~ /pages/ { alias %s/; default_type text/html; }\n", pages)})
	held := holdPictures(t, r)
	element, err := kit.Thumbd(t, "picture", "-c", filepath.Join(r.Dir, "thumbd.toml"), "p", "6.jpg", "hero", "--alt", "a mark", "--placeholder", "--base", held.URL)
	if err != nil {
		t.Fatalf("%v: %s", err, element)
	}
	kit.Put(t, filepath.Join(pages, "page.html"), fmt.Appendf(nil, elementPage, element))
	bare := strings.Replace(element, ` width="216" height="144"`, "", 1)
	kit.Put(t, filepath.Join(pages, "bare.html"), fmt.Appendf(nil, elementPage, bare))

	b := kit.OpenBrowser(t)
	widths := []int{40, 80, 120, 216}
	for _, ratio := range []int{1, 2} {
		for _, window := range []int{38, 62, 100, 180} {
			// The right file is the smallest one that has a pixel for each of the window's,
			// or the largest.
			i := slices.IndexFunc(widths, func(w int) bool { return w >= window*ratio })
			if i < 0 {
				i = len(widths) - 1
			}
			want := []string{fmt.Sprintf("%s/p/hero-%dw/6.jpg.avif", held.URL, widths[i])}
			name := fmt.Sprintf("%d pixels at %dx", window, ratio)
			shift := showPicture(t, b, held, name, r.URL("/pages/page.html"), image.Pt(window, ratio))
			if shift != 0 {
				t.Errorf("%s: the layout shifts by %v", name, shift)
			}
			if diff := cmp.Diff(want, b.Requests(held.URL)); diff != "" {
				t.Errorf("%s: asks for (-want +got):\n%s", name, diff)
			}
		}
	}
	// What is measured is there to be measured.
	if shift := showPicture(t, b, held, "bare", r.URL("/pages/bare.html"), image.Pt(180, 1)); shift == 0 {
		t.Error("without width and height the layout does not shift")
	}
}

// showPicture shows a page in a window of a width and a pixel ratio, checks what is seen
// before the picture has come and after that, and returns how much has shifted.
func showPicture(t *testing.T, b *kit.Browser, held *heldPictures, name, url string, window image.Point) (shift float64) {
	t.Helper()
	// The page before would take another file for another window.
	b.Go("about:blank")
	b.Resize(window.X, 300, window.Y)
	b.Go(url)
	var complete bool
	b.Eval("before()", &complete)
	if complete {
		t.Errorf("%s: the picture was not held", name)
	}
	if name != "bare" {
		expectMark(t, name+", the placeholder", b.Screenshot(), window, 90)
	}
	select {
	case held.let <- struct{}{}:
	case <-time.After(aid.Patience):
		t.Fatalf("%s: the picture is not asked for", name)
	}
	b.Eval("after()", &shift)
	expectMark(t, name, b.Screenshot(), window, 40)
	return shift
}

// expectMark checks the corners of the picture that testdata/generate.sh draws, in the
// whole width of a window.
func expectMark(t *testing.T, name string, shot image.Image, window image.Point, most int) {
	t.Helper()
	w := window.X * window.Y
	h := w * 2 / 3
	for at, want := range marks(w, h) {
		if got := shot.At(at.X, at.Y); distance(got, want) > most {
			t.Errorf("%s: at %v of %dx%d %v, want %v", name, at, w, h, got, want)
		}
	}
}
