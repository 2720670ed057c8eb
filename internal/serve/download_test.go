// SPDX-License-Identifier: MIT

package serve

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/files"
	"thumbd/internal/keep"
	"thumbd/internal/route"
	"thumbd/internal/sign"
	"thumbd/internal/test/keeptest"
)

// withFiles is a bench that has downloads below /documents/ too: report.pdf and
// page.html, and what must not be had.
func withFiles(t *testing.T, accel keep.Accel, scheme files.Scheme) (*bench, *files.Section) {
	t.Helper()
	p := &keeptest.Painter{}
	b := newBench(t, p, nil)
	b.Level.Set(slog.LevelDebug)
	root := filepath.Join(b.Dir, "documents")
	for name, text := range map[string]string{"report.pdf": "%PDF- a report", "a b?%#.pdf": "x", "café ?#.pdf": "x", "line\nbreak": "x", "latin-1 \xe9": "x", "page.html": "<script>", ".hidden": "x", "sub/x": "x"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, clock, clock); err != nil {
			t.Fatal(err)
		}
	}
	s := files.New(files.Options{
		Route: route.Route{Name: "documents", Prefix: "/documents/"}, Root: root, Internal: "/_documents/", Scheme: scheme,
		Keys: [][]byte{accessKey}, Digest: sign.SHA1, Timeout: 2 * time.Minute, Attachment: true, Now: func() time.Time { return clock },
	})
	t.Cleanup(s.Close)
	b.setAccel(p, accel, s)
	return b, s
}

func TestDownloads(t *testing.T) {
	b, _ := withFiles(t, keep.AccelNginx, files.Open)
	w := b.get("/documents/report.pdf")
	if got := w.Header().Get("X-Accel-Redirect"); w.Code != 200 || got != "/_documents/report.pdf" || w.Body.Len() != 0 {
		t.Errorf("%d %q %s", w.Code, got, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Disposition": `attachment; filename="report.pdf"`, "Content-Length": "0",
		// Those would be nginx's, and beat what its configuration says.
		"Content-Type": "", "Cache-Control": "", "Expires": "", "Set-Cookie": "", "Accept-Ranges": "",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
	if got := b.get("/documents/a%20b%3F%25%23.pdf").Header().Get("X-Accel-Redirect"); got != "/_documents/a%20b%3F%25%23.pdf" {
		t.Errorf("X-Accel-Redirect: %s", got)
	}
	if w := b.do(httptest.NewRequest(http.MethodHead, "/documents/report.pdf", nil)); w.Code != 200 || w.Header().Get("X-Accel-Redirect") == "" {
		t.Errorf("HEAD: %d", w.Code)
	}
	if w := b.do(httptest.NewRequest(http.MethodPost, "/documents/report.pdf", nil)); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
	for _, uri := range []string{"/documents/", "/documents/sub", "/documents/sub/", "/documents/none", "/documents/.hidden", "/documents/%2e%2e/a", "/_documents/report.pdf"} {
		w := b.get(uri)
		if w.Code != 404 || w.Header().Get("X-Accel-Redirect") != "" || w.Header().Get("Content-Disposition") != "" {
			t.Errorf("%s: %d %v", uri, w.Code, w.Header())
		}
	}
	if w := b.get(b.URL("a.jpg", "10x10")); w.Code != 200 {
		t.Errorf("a thumbnail beside it: %d", w.Code)
	}
}

func TestDownloadsSigned(t *testing.T) {
	b, s := withFiles(t, keep.AccelNginx, files.Signed)
	uri, query, err := s.URI(files.Download{Path: "report.pdf", SaveAs: "¡mañana! 1.pdf"}, clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	w := b.get(uri + "?" + query)
	want := `attachment; filename="_ma_ana! 1.pdf"; filename*=UTF-8''%C2%A1ma%C3%B1ana%21%201.pdf`
	if got := w.Header().Get("Content-Disposition"); w.Code != 200 || got != want {
		t.Errorf("%d %s; want %s", w.Code, got, want)
	}
	expectAuth(t, "nothing", b.get(uri), 401, "no-proof")
	expectAuth(t, "of another file", b.get("/documents/page.html?"+query), 403, "signature")
	_, query, err = s.URI(files.Download{Path: "report.pdf"}, clock)
	if err != nil {
		t.Fatal(err)
	}
	expectAuth(t, "over", b.get(uri+"?"+query), 403, "expired")
	_, mac, _ := strings.Cut(query, "signature=")
	if b.Log.Count(mac) > 0 || b.Log.Count("expired") == 0 {
		t.Errorf("log:\n%s", b.Log)
	}
}

func TestDownloadsAuthToken(t *testing.T) {
	b, s := withFiles(t, keep.AccelNginx, files.AuthToken)
	uri, _, err := s.URI(files.Download{Path: "report.pdf"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if w := b.get(uri); w.Code != 200 || w.Header().Get("X-Accel-Redirect") != "/_documents/report.pdf" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	missing, _, err := s.URI(files.Download{Path: "none"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	expectAuth(t, "wrong", b.get(strings.Replace(uri, "report", "repor", 1)), 404, "no-file")
	expectAuth(t, "missing", b.get(missing), 404, "no-file")
	digest := strings.Split(missing, "/")[2]
	if b.Log.Count(digest) > 0 || b.Log.Count("/documents/*/none") != 1 {
		t.Errorf("log:\n%s", b.Log)
	}
	s.Now = func() time.Time { return clock.Add(2*time.Minute + time.Second) }
	expectAuth(t, "over", b.get(uri), 410, "expired")
}

func TestSendfile(t *testing.T) {
	b, s := withFiles(t, keep.AccelSendfile, files.Open)
	w := b.get("/documents/caf%C3%A9%20%3F%23.pdf")
	for name, want := range map[string]string{
		"X-Sendfile": s.Root + "/café ?#.pdf", "X-Accel-Redirect": "", "Content-Type": "application/pdf", "Content-Length": "0",
		"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache", "Content-Disposition": `attachment; filename="caf_ ?#.pdf"; filename*=UTF-8''caf%C3%A9%20%3F%23.pdf`,
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
	// Names that not all servers read as they are.
	for _, target := range []string{"/documents/a%20b%3F%25%23.pdf", "/documents/line%0Abreak", "/documents/latin-1%20%E9"} {
		if w := b.get(target); w.Code != 200 || w.Body.String() != "x" || w.Header().Get("X-Sendfile") != "" {
			t.Errorf("%s: %d %q %v", target, w.Code, w.Body, w.Header())
		}
	}
	uri := b.URL("a.jpg", "10x10")
	w = b.get(uri)
	if got := w.Header().Get("X-Sendfile"); got != filepath.Join(b.Dir, "root", uri) || w.Header().Get("Content-Type") != "image/jpeg" {
		t.Errorf("thumbnail: %d %v", w.Code, w.Header())
	}
}

func TestDirect(t *testing.T) {
	b, s := withFiles(t, keep.AccelDirect, files.Open)
	w := b.get("/documents/page.html")
	etag := w.Header().Get("Etag")
	if w.Code != 200 || w.Body.String() != "<script>" || etag != `"77356cf0-8"` {
		t.Errorf("%d %s %s", w.Code, w.Body, etag)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasSuffix(csp, "; sandbox") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", w.Header())
	}
	snippet, err := os.ReadFile("../../nginx/snippets/thumbd-files.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(snippet), `"`+w.Header().Get("Content-Security-Policy")+`"`) {
		t.Error("the snippet has another policy")
	}
	if w := b.get("/documents/page.html", "Range", "bytes=1-3"); w.Code != 206 || w.Body.String() != "scr" {
		t.Errorf("Range: %d %s", w.Code, w.Body)
	}
	if w := b.get("/documents/page.html", "If-None-Match", etag); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("If-None-Match: %d", w.Code)
	}
	if w := b.get("/documents/page.html", "If-Modified-Since", clock.UTC().Format(http.TimeFormat)); w.Code != 304 {
		t.Errorf("If-Modified-Since: %d", w.Code)
	}
	if w := b.do(httptest.NewRequest(http.MethodHead, "/documents/page.html", nil)); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "8" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	if w := b.get("/documents/.hidden"); w.Code != 404 {
		t.Errorf("hidden: %d", w.Code)
	}
	uri := b.URL("a.jpg", "10x10")
	for range 2 {
		if w := b.get(uri); w.Code != 200 || w.Header().Get("Content-Type") != "image/jpeg" || w.Body.Len() < 100 {
			t.Errorf("thumbnail: %d %v", w.Code, w.Header())
		}
	}
	if err := os.Rename(s.Root, s.Root+".away"); err != nil {
		t.Fatal(err)
	}
	if w := b.get("/documents/page.html"); w.Code != 500 || w.Header().Get("X-Thumbd-Reason") != "file-unreadable" || strings.Contains(w.Body.String(), b.Dir) {
		t.Errorf("without its root: %d %s", w.Code, w.Body)
	}
	if b.Log.Count(s.Root) == 0 {
		t.Error("the log does not name the root")
	}
}
