// SPDX-License-Identifier: MIT

package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"thumbd/internal/originals"
	"thumbd/internal/thumb"
)

func TestNamesAreEncoded(t *testing.T) {
	var asked atomic.Value
	base := serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.RequestURI)
		_, _ = w.Write(jpeg(100))
	}))
	o := startOrigin(t, base+"me%20dia/", nil)
	for name, want := range map[string]string{
		"a.jpg":           "/me%20dia/a.jpg",
		"b/c d.jpg":       "/me%20dia/b/c%20d.jpg",
		"50%.jpg":         "/me%20dia/50%25.jpg",
		"%2e%2e/x.jpg":    "/me%20dia/%252e%252e/x.jpg",
		"what?.jpg":       "/me%20dia/what%3F.jpg",
		"a#b.jpg":         "/me%20dia/a%23b.jpg",
		"a+b&c=d;e@f.jpg": "/me%20dia/a%2Bb%26c%3Dd%3Be%40f.jpg",
		`a\b.jpg`:         "/me%20dia/a%5Cb.jpg",
		"é\xff\r\n.jpg":   "/me%20dia/%C3%A9%FF%0D%0A.jpg",
		"http://x.jpg":    "",
		"a/../b.jpg":      "",
		"./a.jpg":         "",
		"/a.jpg":          "",
	} {
		asked.Store("")
		_, _, err := open(t, o, name)
		if got := asked.Load(); got != want || (err == nil) == (want == "") {
			t.Errorf("%q: asked for %q, %v, want %q", name, got, err, want)
		}
		if want == "" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got, want := o.Path("c d.jpg"), base+"me%20dia/c%20d.jpg"; got != want {
		t.Errorf("Path: %q, want %q", got, want)
	}
}

func TestExistsAsFarAsKnown(t *testing.T) {
	o := startOrigin(t, serveOn(t, status(404)), nil)
	if _, err := o.Exists("a.jpg"); err == nil {
		t.Error("known without having been asked for")
	}
	if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if exists, err := o.Exists("a.jpg"); exists || err != nil {
		t.Errorf("what is gone: %v, %v", exists, err)
	}
}

// What the log says has no secrets of the origin's.
func TestErrorsDoNotTellSignedRedirects(t *testing.T) {
	for _, to := range []string{
		"/b.jpg?X-Signature=secret", "http://127.0.0.2:no-port/b.jpg?X-Signature=secret", "http://[::1/secret", "http://x/%zz?secret",
		"gopher://127.0.0.2/secret", "http://user:secret@127.0.0.2/",
	} {
		o := startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		})), nil)
		_, _, err := open(t, o, "a.jpg")
		if !isAny(err, originals.ErrOrigin, originals.ErrForbidden) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", to, err)
		}
	}
}

// signsURLs is a Dialect whose signature is in the URL. AWS's signer writes there, too.
type signsURLs struct{}

func (signsURLs) Sign(r *http.Request) error {
	r.URL.RawQuery += "secret"
	return nil
}

func (signsURLs) Refusal(status int, _ http.Header, _ []byte) error {
	return fmt.Errorf("%w: status %d", originals.ErrOrigin, status)
}

func (signsURLs) Version(http.Header) (time.Time, bool) { return time.Time{}, false }

// Each request has a URL of its own: a fetch whose clients have left is signed while they
// read the URL for their error.
func TestSigningChangesNoURL(t *testing.T) {
	var query atomic.Value
	o := startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query.Store(r.URL.RawQuery)
		w.WriteHeader(http.StatusInternalServerError)
	})), func(o *Options) { o.Dialect = signsURLs{} })
	_, _, err := open(t, o, "a.jpg")
	if !errors.Is(err, originals.ErrOrigin) || strings.Contains(err.Error(), "secret") || query.Load() != "secret" {
		t.Errorf("open: %v, and the request had the query %q", err, query.Load())
	}
	u := o.options.Base.JoinPath("list")
	_, err = o.Call(t.Context(), Call{Method: http.MethodGet, URL: u})
	if !errors.Is(err, originals.ErrOrigin) || u.RawQuery != "" || query.Load() != "secret" {
		t.Errorf("call: %v, the caller's URL is %s, and the request had the query %q", err, u, query.Load())
	}
}

// An origin can't fill the log, nor the memory of what it refuses.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("x", maxHeaderBytes/2)
	for name, tt := range map[string]struct {
		origin http.HandlerFunc
		want   error
	}{
		"a status":         {raw("HTTP/1.1 500 " + long + "\r\nContent-Length: 0\r\n\r\n"), originals.ErrOrigin},
		"no HTTP":          {raw(long + "\r\n\r\n"), originals.ErrOrigin},
		"a header's name":  {raw("HTTP/1.1 200 OK\r\n" + long + "\r\n\r\n"), originals.ErrOrigin},
		"a coding":         {raw("HTTP/1.1 200 OK\r\nContent-Encoding: " + long + "\r\n\r\n"), originals.ErrOrigin},
		"a length":         {raw("HTTP/1.1 200 OK\r\nContent-Length: " + long + "\r\n\r\n"), originals.ErrOrigin},
		"a host":           {redirect("http://" + long + "/"), originals.ErrForbidden},
		"a scheme":         {redirect(long + "://x/"), originals.ErrForbidden},
		"a host not found": {redirect("http://" + long + ".allowed.test/"), originals.ErrOrigin},
	} {
		o := startOrigin(t, serveOn(t, tt.origin), func(o *Options) { o.AllowHosts = []string{"*.allowed.test"} })
		_, _, err := open(t, o, "a.jpg")
		if !errors.Is(err, tt.want) || len(err.Error()) > 2*maxText {
			t.Errorf("%s: %.1000v", name, err)
		}
	}
}

func TestErrorsAreCutBetweenCharacters(t *testing.T) {
	o := startOrigin(t, "http://origin.test/", nil)
	for n := range 2 * maxText {
		err := o.explain(t.Context(), errors.New(strings.Repeat("é", n)))
		text := err.Error()
		if !errors.Is(err, originals.ErrOrigin) || !utf8.ValidString(text) || len(text) > 3*maxText || n > maxText && !strings.HasSuffix(text, "é (and so on)") {
			t.Fatalf("%d: %q", n, text)
		}
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
}

func TestSignatures(t *testing.T) {
	all := []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF, thumb.HEIC, thumb.TIFF, thumb.SVG, thumb.JXL}
	for _, tt := range []struct {
		head    string
		formats []thumb.Format
	}{
		{"\xff\xd8\xff\xdb", []thumb.Format{thumb.JPEG}},
		{"\x89PNG\r\n\x1a\n", []thumb.Format{thumb.PNG}},
		{"GIF89a", []thumb.Format{thumb.GIF}},
		{"RIFF\x00\x00\x00\x00WEBPVP8 ", []thumb.Format{thumb.WebP}},
		{"\x00\x00\x00\x1cftypavif", []thumb.Format{thumb.AVIF, thumb.HEIC}},
		{"\x00\x00\x00\x1cftypmif1", []thumb.Format{thumb.AVIF, thumb.HEIC}},
		{"II*\x00", []thumb.Format{thumb.TIFF}},
		{"MM\x00*", []thumb.Format{thumb.TIFF}},
		{"\xff\x0a", []thumb.Format{thumb.JXL}},
		{"\x00\x00\x00\x0cJXL \r\n\x87\n", []thumb.Format{thumb.JXL}},
		{"\xef\xbb\xbf\n <svg", []thumb.Format{thumb.SVG}},
		{"<?xml ", []thumb.Format{thumb.SVG}},
		{"%PDF-1.7", nil}, {"\x7fELF", nil}, {"BM", nil}, {"", nil}, {"\xff\xd8", nil}, {"{}", nil}, {"\x00\x00\x00\x1c", nil},
	} {
		for _, f := range all {
			want := bytes.Contains([]byte(fmt.Sprint(tt.formats)), []byte(f.String()))
			if got := beginsAs([]byte(tt.head), []thumb.Format{f}); got != want {
				t.Errorf("%q as %v: %v, want %v", tt.head, f, got, want)
			}
		}
		if got := beginsAs([]byte(tt.head), all); got != (tt.formats != nil) {
			t.Errorf("%q as any: %v", tt.head, got)
		}
	}
}
