// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/files"
	"thumbd/internal/keep"
	"thumbd/internal/route"
	"thumbd/internal/sign"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

var (
	accessKey = []byte("thumbd-access-key-0123456789abcdef")
	tokenKey  = []byte("a secret of tokens, 0123456789ab")
	clock     = time.Unix(1_999_990_000, 0)
)

func newGate(t *testing.T, proofs ...access.Proof) *access.Gate {
	t.Helper()
	keys, err := access.ParseTokenKeys(tokenKey)
	if err != nil {
		t.Fatal(err)
	}
	g, err := access.New(access.Options{
		Site: "gallery", Proofs: proofs, Keys: [][]byte{accessKey}, Cookie: "thumbd", TokenKeys: keys, Leeway: 30 * time.Second,
		Now: func() time.Time { return clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// guarded is a bench whose site is protected by all proofs, and whose log has
// everything.
func guarded(t *testing.T, renderer keep.Renderer) *bench {
	t.Helper()
	b := newBench(t, renderer, func(s *keep.Site) { s.Access = newGate(t, access.Proofs...) })
	b.Level.Set(slog.LevelDebug)
	return b
}

// ask asks as nginx's auth_request does.
func (b *bench) ask(uri string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/_thumbd/auth", nil)
	r.Header.Set("X-Original-URI", uri)
	return b.do(r, header...)
}

func signedQuery(path string, expires time.Time, key []byte) string {
	return "?" + sign.Access.Sign(path, sign.Query{Expires: expires}, key)
}

func expectAuth(t *testing.T, what string, w *httptest.ResponseRecorder, code int, reason string) {
	t.Helper()
	if got := w.Header().Get("X-Thumbd-Reason"); w.Code != code || got != reason {
		t.Errorf("%s: %d %q; want %d %q", what, w.Code, got, code, reason)
	}
	if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (code == http.StatusUnauthorized) {
		t.Errorf("%s: %d with WWW-Authenticate %q", what, code, challenge)
	}
}

func TestAuth(t *testing.T) {
	b := guarded(t, &keeptest.Painter{})
	const uri = "/thumbs/a.jpg"
	token, err := b.Site.Access.NewToken("", "", clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := b.Site.Access.NewToken("", "/thumbs/clients/", clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	good := signedQuery(uri, clock.Add(time.Hour), accessKey)
	for _, tt := range []struct {
		name   string
		uri    string
		header []string
		code   int
		reason string
	}{
		{"nothing", uri, nil, 401, "no-proof"},
		{"signature", uri + good, nil, 204, ""},
		{"signature, spelled otherwise", "/x/..//thumbs/%61.jpg" + good, nil, 204, ""},
		{"signature before a fragment", uri + good + "#x", nil, 204, ""},
		{"signature in a fragment", uri + "#" + good, nil, 401, "no-proof"},
		{"signature of what is behind a fragment", "/thumbs/b.jpg#/../a.jpg" + good, nil, 401, "no-proof"},
		{"open file behind a fragment", uri + "#/../../open/y.jpg", nil, 401, "no-proof"},
		{"signature of another path", "/thumbs/b.jpg" + good, nil, 403, "signature"},
		{"signature of another key", uri + signedQuery(uri, clock.Add(time.Hour), keeptest.Key), nil, 403, "signature"},
		{"over within leeway", uri + signedQuery(uri, clock.Add(-29*time.Second), accessKey), nil, 204, ""},
		{"over", uri + signedQuery(uri, clock.Add(-31*time.Second), accessKey), nil, 403, "expired"},
		{"malformed", uri + "?expires=1", nil, 403, "query"},
		{"cookie", uri, []string{"Cookie", "a=b; thumbd=" + token + "; c=d"}, 204, ""},
		{"another cookie", uri, []string{"Cookie", "token=" + token}, 401, "no-proof"},
		{"bad cookie", uri, []string{"Cookie", "thumbd=" + token + "A"}, 403, "token"},
		{"bearer", uri, []string{"Authorization", "Bearer " + token}, 204, ""},
		{"bearer in another case", uri, []string{"Authorization", "bearer  " + token}, 204, ""},
		{"basic", uri, []string{"Authorization", "Basic " + token}, 401, "no-proof"},
		{"a bearer of nothing", uri, []string{"Authorization", "Bearer"}, 403, "token"},
		{"query", uri + "?token=" + token, nil, 204, ""},
		{"of a folder, below", "/thumbs/clients/a.jpg", []string{"Cookie", "thumbd=" + folder}, 204, ""},
		{"of a folder, elsewhere", uri, []string{"Cookie", "thumbd=" + folder}, 403, "elsewhere"},
		{"of a folder, out of it", "/thumbs/clients/../a.jpg", []string{"Cookie", "thumbd=" + folder}, 403, "elsewhere"},
		{"of a folder, out of it encoded", "/thumbs/clients%2f%2E%2e/a.jpg", []string{"Cookie", "thumbd=" + folder}, 403, "elsewhere"},
		{"no site", "/other/a.jpg" + good, nil, 403, "not-protected"},
		{"out of the site", "/thumbs/../other/a.jpg" + good, nil, 403, "not-protected"},
		{"bad escape", "/thumbs/%zz" + good, nil, 403, "not-protected"},
		{"NUL", "/thumbs/%00" + good, nil, 403, "not-protected"},
		{"a climb", "/../thumbs/a.jpg" + good, nil, 403, "not-protected"},
		{"no URI", "", nil, 403, "not-protected"},
		{"no path", "*", nil, 403, "not-protected"},
		{"a whole URL", "http://localhost/thumbs/a.jpg" + good, nil, 403, "not-protected"},
	} {
		expectAuth(t, tt.name, b.ask(tt.uri, tt.header...), tt.code, tt.reason)
	}
}

// Whatever is wrong, there is one of three answers.
func TestAuthFailsClosed(t *testing.T) {
	b := guarded(t, &keeptest.Painter{})
	good := "/thumbs/a.jpg" + signedQuery("/thumbs/a.jpg", clock.Add(time.Hour), accessKey)
	expectAuth(t, "good", b.ask(good), 204, "")

	r := httptest.NewRequest(http.MethodPost, "/_thumbd/auth", strings.NewReader("x"))
	expectAuth(t, "POST", b.do(r), 403, "not-protected")
	r = httptest.NewRequest(http.MethodGet, "/_thumbd/auth", nil)
	r.Header["X-Original-Uri"] = []string{good, "/thumbs/b.jpg"}
	expectAuth(t, "two URIs", b.do(r), 403, "not-protected")

	open := newBench(t, &keeptest.Painter{}, nil)
	expectAuth(t, "an open site", open.ask(good), 403, "not-protected")
	b.Refuse(keep.ErrConfiguration)()
	expectAuth(t, "no configuration", b.ask(good), 403, "configuration")
}

// A site for one host does not answer for another.
func TestAuthIsOfTheHost(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) {
		s.Access, s.Thumb.Hosts = newGate(t, access.Proofs...), []string{"a.example"}
	})
	good := "/thumbs/a.jpg" + signedQuery("/thumbs/a.jpg", clock.Add(time.Hour), accessKey)
	for host, code := range map[string]int{"a.example": 204, "A.example:443": 204, "b.example": 403, "": 403} {
		r := httptest.NewRequest(http.MethodGet, "/_thumbd/auth", nil)
		r.Host = host
		if w := b.do(r, "X-Original-URI", good); w.Code != code {
			t.Errorf("%q: %d; want %d", host, w.Code, code)
		}
	}
}

// A site of several kinds of requests is idle only after the last of them.
func TestAuthIsNoIdleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := guarded(t, &keeptest.Painter{})
		time.Sleep(time.Hour)
		b.ask("/thumbs/a.jpg")
		if idle := b.Idle(); idle != 0 {
			t.Errorf("idle for %v", idle)
		}
	})
}

func TestNothingSecretIsLogged(t *testing.T) {
	b := guarded(t, &keeptest.Painter{})
	uri := "/thumbs/a.jpg"
	token, err := b.Site.Access.NewToken("", "/elsewhere/", clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	signature := signedQuery(uri, clock.Add(-time.Hour), accessKey)
	for _, ask := range [][]string{
		{uri + signature}, {uri + signature + "&" + token}, {uri + "?" + token}, {uri + "?token=" + token},
		{uri, "Cookie", "thumbd=" + token}, {uri, "Cookie", "thumbd=x" + token}, {uri, "Authorization", "Bearer " + token + "A"},
		{uri, "Authorization", "Basic " + token},
	} {
		w := b.ask(ask[0], ask[1:]...)
		if w.Code == 204 || strings.Contains(w.Body.String(), token) {
			t.Errorf("%s: %d %s", ask, w.Code, w.Body)
		}
	}
	log := b.Log.String()
	if strings.Count(log, "not allowed") != 8 {
		t.Errorf("not all is logged:\n%s", log)
	}
	_, mac, _ := strings.Cut(signature, "signature=")
	parts := strings.Split(token, ".")
	for _, secret := range []string{mac, parts[1], parts[2], string(accessKey), string(tokenKey)} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the log:\n%s", secret, log)
		}
	}
}

// Where no nginx asks, thumbd checks what it sends.
func TestProtectedWithoutNginx(t *testing.T) {
	for _, accel := range []keep.Accel{keep.AccelSendfile, keep.AccelDirect} {
		p := &keeptest.Painter{}
		b := newBench(t, p, func(s *keep.Site) { s.Access = newGate(t, access.Signature, access.Token) })
		b.setAccel(p, accel)
		uri := b.URL("a.jpg", "10x10")
		expectAuth(t, "nothing", b.get(uri), 401, "no-proof")
		expectAuth(t, "another's", b.get(uri+signedQuery("/thumbs/b.jpg", clock.Add(time.Hour), accessKey)), 403, "signature")
		if p.Calls.Load() != 0 || b.Published(uri) {
			t.Error("rendered for a stranger")
		}
		w := b.get(uri + signedQuery(uri, clock.Add(time.Hour), accessKey))
		expectAuth(t, "signed", w, 200, "")
		if got := w.Header().Get("Cache-Control"); got != "private, no-cache" {
			t.Errorf("Cache-Control %q", got)
		}
		expectAuth(t, "nothing, and it is there", b.get(uri), 401, "no-proof")
	}
}

func (b *bench) setAccel(renderer keep.Renderer, accel keep.Accel, sections ...*files.Section) {
	b.T.Helper()
	sites := keep.NewSites(renderer, time.Minute, []*keep.Site{b.Site})
	sites.Accel = accel
	sites.AddFiles(sections)
	b.SetSites(sites)()
}

func BenchmarkAuth(b *testing.B) {
	keys, err := access.ParseTokenKeys(tokenKey)
	if err != nil {
		b.Fatal(err)
	}
	g, err := access.New(access.Options{Site: "gallery", Proofs: access.Proofs, Keys: [][]byte{accessKey}, Cookie: "thumbd", TokenKeys: keys})
	if err != nil {
		b.Fatal(err)
	}
	site := &keep.Site{Thumb: &thumb.Site{Route: route.Route{Name: "gallery", Prefix: "/thumbs/"}}, Access: g}
	log := slog.New(slog.DiscardHandler)
	keeper := keep.New(keep.Options{Log: log, Judge: Judge})
	h := New(Options{Keeper: keeper, Log: log, Health: func() error { return nil }})
	keeper.SetSites(keep.NewSites(nil, time.Minute, []*keep.Site{site}))
	token, err := g.NewToken("id", "", time.Now().Add(time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	for name, header := range map[string][2]string{
		"signature": {"X-Original-URI", "/thumbs/a.jpg" + signedQuery("/thumbs/a.jpg", time.Now().Add(time.Hour), accessKey)},
		"token":     {"Cookie", "thumbd=" + token},
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/_thumbd/auth", nil)
			r.Header.Set("X-Original-URI", "/thumbs/a.jpg")
			r.Header.Set(header[0], header[1])
			for b.Loop() {
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != 204 {
					b.Fatal(fmt.Sprint(w.Code))
				}
			}
		})
	}
}
