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

	"thumbd/internal/access"
	"thumbd/internal/keep"
	"thumbd/internal/test/keeptest"
)

// newQuestion is a question of nginx's, with all that decides about it.
func newQuestion(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/_thumbd/auth", nil)
	r.Host = "a.example"
	for name, value := range map[string]string{
		originalURI: "/thumbs/a.jpg", rootHeader: "/srv", "Authorization": "Basic x", "Cookie": "thumbd=" + token,
	} {
		r.Header.Set(name, value)
	}
	return r
}

// If a question was allowed, only the same question is allowed without a check.
func TestQuestionsThatDiffer(t *testing.T) {
	seen := map[question]string{}
	for name, change := range map[string]func(*http.Request){
		"as it is":       func(*http.Request) {},
		"another method": func(r *http.Request) { r.Method = http.MethodPost },
		"another host":   func(r *http.Request) { r.Host = "b.example" },
		"another URI":    func(r *http.Request) { r.Header.Set(originalURI, "/thumbs/b.jpg") },
		"two URIs":       func(r *http.Request) { r.Header.Add(originalURI, "/thumbs/b.jpg") },
		"no URI":         func(r *http.Request) { r.Header.Del(originalURI) },
		"an empty URI":   func(r *http.Request) { r.Header.Set(originalURI, "") },
		"another root":   func(r *http.Request) { r.Header.Set(rootHeader, "/srv/b") },
		"no root":        func(r *http.Request) { r.Header.Del(rootHeader) },
		"another bearer": func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") },
		"another cookie": func(r *http.Request) { r.Header.Set("Cookie", "thumbd=y") },
		"a cookie more":  func(r *http.Request) { r.Header.Add("Cookie", "thumbd=y") },
		"cookies in one": func(r *http.Request) { r.Header.Set("Cookie", "thumbd=x\x08thumbd=y") },
		"the other place": func(r *http.Request) {
			r.Header["Authorization"], r.Header["Cookie"] = r.Header["Cookie"], r.Header["Authorization"]
		},
		"moved border": func(r *http.Request) { r.Header.Set(originalURI, "/thumbs/a.jpg\x01"); r.Header.Set(rootHeader, "srv") },
	} {
		r := newQuestion("x")
		change(r)
		q := questionOf(r)
		if other, ok := seen[q]; ok {
			t.Errorf("%s is the same question as %s", name, other)
		}
		seen[q] = name
		if questionOf(r) != q {
			t.Errorf("%s: asked twice, it is another question", name)
		}
	}
}

// An answer lasts no longer than its proof, the configuration and the list of revoked
// tokens.
func TestAnAllowedQuestionIsDecidedAgain(t *testing.T) {
	list := filepath.Join(t.TempDir(), "revoked")
	if err := os.WriteFile(list, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := access.ParseTokenKeys(tokenKey)
	if err != nil {
		t.Fatal(err)
	}
	at := clock
	gate := func(name string) *access.Gate {
		t.Helper()
		g, err := access.New(access.Options{
			Site: name, Proofs: access.Proofs, Keys: [][]byte{accessKey}, Cookie: "thumbd", TokenKeys: keys, Revoked: list,
			Now: func() time.Time { return at },
		})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	p := &keeptest.Painter{}
	b := newBench(t, p, func(s *keep.Site) { s.Access = gate("gallery") })
	token, err := b.Site.Access.NewToken("seven", "", clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	const uri = "/thumbs/a%20b.jpg"
	questions := map[string][]string{
		"a signature": {uri + signedQuery("/thumbs/a b.jpg", clock.Add(time.Hour), accessKey)},
		"a token":     {uri, "Cookie", "thumbd=" + token},
	}
	// Of each question the reason of its refusal.
	expect := func(when, signature, token string) {
		t.Helper()
		for name, ask := range questions {
			for range 2 {
				w := b.ask(ask[0], ask[1:]...)
				reason := map[string]string{"a signature": signature, "a token": token}[name]
				if reason != "" {
					expectAuth(t, name+", "+when, w, 403, reason)
				} else if expectAuth(t, name+", "+when, w, 204, ""); w.Header().Get(markerHeader) != "gallery "+uri {
					t.Errorf("%s, %s: marker %q", name, when, w.Header().Get(markerHeader))
				}
			}
		}
	}
	expect("at first", "", "")
	at = clock.Add(time.Hour)
	expect("over", "expired", "expired")
	at = clock
	expect("before", "", "")
	if err := os.WriteFile(list, []byte("seven\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Site.Access.Refresh(); err != nil {
		t.Fatal(err)
	}
	expect("revoked", "", "revoked")

	// A configuration without the key.
	other := b.Site.Access.Options
	other.Keys = [][]byte{[]byte("another key 0123456789abcdef")}
	g, err := access.New(other)
	if err != nil {
		t.Fatal(err)
	}
	b.Site.Access = g
	b.setAccel(p, keep.AccelNginx)
	expect("with other keys", "signature", "revoked")
}

// headers is a ResponseWriter without a body.
type headers http.Header

func (h headers) Header() http.Header       { return http.Header(h) }
func (h headers) Write([]byte) (int, error) { return 0, nil }
func (h headers) WriteHeader(int)           {}

// nginx asks about every hit of a protected site, often the same.
func TestAnAllowedQuestionAllocatesNothing(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) { s.Access = newGate(t, access.Proofs...) })
	b.Level.Set(slog.LevelInfo)
	token, err := b.Site.Access.NewToken("id", "", clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*http.Request{newQuestion(token), newQuestion("x")} {
		if strings.HasSuffix(r.Header.Get("Cookie"), "=x") {
			r.Header.Set(originalURI, "/thumbs/a.jpg"+signedQuery("/thumbs/a.jpg", clock.Add(time.Hour), accessKey))
		}
		w := headers{}
		if n := testing.AllocsPerRun(100, func() { b.auth(w, r) }); n != 0 || http.Header(w).Get(markerHeader) == "" {
			t.Errorf("%v allocations, marker %q", n, http.Header(w).Get(markerHeader))
		}
	}
}
