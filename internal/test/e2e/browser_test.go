// SPDX-License-Identifier: MIT

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// framePage is a page with the picture in its whole width. It notes where the text below
// the picture is before the picture is there, and after that.
const framePage = `<!doctype html><meta charset="utf-8"><style>body { margin: 0 } img { width: 100%%; height: auto; display: block }</style>
%s<p id="below">below</p>
<script>const top1 = below.getBoundingClientRect().top
addEventListener('load', () => {
	const img = document.querySelector('img')
	const note = [innerWidth, new URL(img.currentSrc).pathname, top1, below.getBoundingClientRect().top]
	fetch(%q, { method: 'POST', mode: 'no-cors', body: note.join(' ') }).then(() => parent.postMessage('noted', '*'))
})</script>
`

// windowsPage is a page with a frame for each width, one after the other in the order of
// the list: Chromium takes a larger file that another frame has loaded already, so the
// narrow windows come first. A frame has its width before its page is loaded: else
// Chromium's look ahead of the parser picks a file for no width at all.
const windowsPage = `<!doctype html><script>
const widths = %s
function next() {
	if (widths.length === 0) return
	const frame = document.createElement('iframe')
	Object.assign(frame, { width: widths.shift(), height: 300, style: 'border: 0' })
	document.body.append(frame)
	frame.getBoundingClientRect()
	frame.src = 'frame.html'
}
addEventListener('message', next)
addEventListener('load', next)
</script>
`

// TestBrowserPicksAWidth shows the element of thumbd picture to Chromium, in four
// widths of its window and two pixel ratios. It asks for one file each time, the right
// one, and nothing moves when the picture comes.
func TestBrowserPicksAWidth(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatalf("%v: make test installs it", err)
	}
	widths, windows := []int{40, 80, 120, 200}, []int{38, 62, 100, 150}
	for _, ratio := range []int{1, 2} {
		// The right file is the smallest one that has a pixel for each of the window's,
		// or the largest.
		want := make(map[string]int)
		for _, window := range windows {
			i := slices.IndexFunc(widths, func(w int) bool { return w >= window*ratio })
			if i < 0 {
				i = len(widths) - 1
			}
			want[fmt.Sprint(window)] = widths[i]
		}
		t.Run(fmt.Sprintf("%dx", ratio), func(t *testing.T) {
			pages := kit.Folder(t, nil)
			site := rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: kit.Testdata(t, "originals/photos")}
			site.TOML = "[site.p.preset.hero]\nsize = \"200x100\"\nmethod = \"crop\"\nwidths = [40, 80, 120, 200]\nformats = [\"avif\", \"webp\"]\n"
			r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, Server: fmt.Sprintf("location ^~ /pages/ { alias %s/; default_type text/html; }\n", pages)})
			element, err := kit.Thumbd(t, "picture", "-c", filepath.Join(r.Dir, "thumbd.toml"), "p", "fig.jpg", "hero", "--alt", "a fig")
			if err != nil {
				t.Fatalf("%v: %s", err, element)
			}
			notes := make(chan string, len(want))
			to := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
				// An incomplete note matches nothing.
				body, _ := io.ReadAll(q.Body)
				notes <- string(body)
			}))
			t.Cleanup(to.Close)
			kit.Put(t, filepath.Join(pages, "frame.html"), fmt.Appendf(nil, framePage, element, to.URL))
			list, err := json.Marshal(windows)
			if err != nil {
				t.Fatal(err)
			}
			kit.Put(t, filepath.Join(pages, "page.html"), fmt.Appendf(nil, windowsPage, list))

			show(t, r.URL("/pages/page.html"), ratio)
			published := []string{}
			got := make(map[string]int)
			for range want {
				text := ""
				select {
				case text = <-notes:
				case <-time.After(kit.Patience):
					t.Fatalf("the windows %v alone have noted anything, of %d", got, len(want))
				}
				note := notePattern.FindStringSubmatch(text)
				if note == nil {
					t.Fatalf("a window has noted %q", text)
				}
				if note[4] != note[5] {
					t.Errorf("%s pixels: the text below the picture moves from %s to %s", note[1], note[4], note[5])
				}
				width, err := strconv.Atoi(note[3])
				if err != nil {
					t.Fatal(err)
				}
				got[note[1]] = width
				published = append(published, note[2])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("widths by that of the window (-want +got):\n%s", diff)
			}
			slices.Sort(published)
			if diff := cmp.Diff(slices.Compact(published), kit.Thumbnails(t, r, "p")); diff != "" {
				t.Errorf("asked for more than is shown (-shown +published):\n%s", diff)
			}
		})
	}
}

// show opens a page in a Chromium that ends with the test.
func show(t *testing.T, url string, ratio int) {
	t.Helper()
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-breakpad",
		"--remote-debugging-port=0", "--user-data-dir="+t.TempDir(), fmt.Sprintf("--force-device-scale-factor=%d", ratio), url)
	// Its other processes write below the folder until they have ended too.
	t.Cleanup(func() {
		for end := time.Now().Add(kit.Patience); syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) == nil && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	})
	kit.Background(t, cmd)
}

// notePattern matches a note of framePage: window, path, width in the path, tops.
var notePattern = regexp.MustCompile(`^(\d+) (/p/hero-(\d+)w/fig\.jpg\.avif) ([\d.]+) ([\d.]+)$`)
