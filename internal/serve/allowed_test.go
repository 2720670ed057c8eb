// SPDX-License-Identifier: MIT

package serve

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/keep"
	"thumbd/internal/test/keeptest"
)

// questionText is a question as nginx sends it.
func questionText(uri string, header ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%sHost: a.example\r\nX-Original-URI: %s\r\nX-Thumbd-Root: /srv\r\n", questionLine, uri)
	for i := 0; i < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	return []byte(b.String() + "\r\n")
}

// Only a question just as nginx's files have it is read past net/http's server.
func TestUnusualQuestions(t *testing.T) {
	usual := string(questionText("/thumbs/a.jpg", "Authorization", "Basic x", "Cookie", "thumbd=y"))
	if r := readQuestion([]byte(usual)); r == nil || r.Host != "a.example" || !maps.EqualFunc(r.Header, http.Header{
		originalURI: {"/thumbs/a.jpg"}, rootHeader: {"/srv"}, "Authorization": {"Basic x"}, "Cookie": {"thumbd=y"},
	}, slices.Equal) {
		t.Fatalf("%v", r)
	}
	for name, text := range map[string]string{
		"nothing":                "",
		"a part":                 usual[:len(usual)-2],
		"more":                   usual + "G",
		"two":                    usual + usual,
		"an empty line more":     usual + "\r\n",
		"no host":                strings.Replace(usual, "Host: a.example\r\n", "", 1),
		"an empty host":          strings.Replace(usual, "a.example", "", 1),
		"two hosts":              strings.Replace(usual, "Host:", "Host: a.example\r\nHost:", 1),
		"another kind of host":   strings.Replace(usual, "a.example", "a/example", 1),
		"two URIs":               strings.Replace(usual, "Cookie:", "X-Original-URI: /thumbs/b.jpg\r\nCookie:", 1),
		"two cookies":            strings.Replace(usual, "Cookie:", "Cookie: a=b\r\nCookie:", 1),
		"another header":         strings.Replace(usual, "Cookie:", "Expect: 100-continue\r\nCookie:", 1),
		"a body":                 strings.Replace(usual, "Cookie:", "Content-Length: 1\r\nCookie:", 1),
		"chunks":                 strings.Replace(usual, "Cookie:", "Transfer-Encoding: chunked\r\nCookie:", 1),
		"its last":               strings.Replace(usual, "Cookie:", "Connection: close\r\nCookie:", 1),
		"a line break alone":     strings.Replace(usual, "\r\nCookie", "\nCookie", 1),
		"an end of line breaks":  strings.Replace(usual, "\r\nCookie", "\nCookie", 1) + "\r\n",
		"a carriage return":      strings.Replace(usual, "thumbd=y", "thumbd=\ry", 1),
		"a control character":    strings.Replace(usual, "thumbd=y", "thumbd=\x01y", 1),
		"DEL":                    strings.Replace(usual, "thumbd=y", "thumbd=\x7fy", 1),
		"a line that goes on":    strings.Replace(usual, "thumbd=y", "thumbd=\r\n y", 1),
		"a space before a colon": strings.Replace(usual, "Cookie:", "Cookie :", 1),
	} {
		if r := readQuestion([]byte(text)); r != nil {
			t.Errorf("%s: %v", name, r)
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
				if permitted := len(b.permit(nil, questionText(ask[0], ask[1:]...))) > 0; permitted != (w.Code == 204) {
					t.Errorf("%s, %s: permitted %v; want what net/http's server answers: %d", name, when, permitted, w.Code)
				}
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

// A question that differs from an allowed one in anything is another question.
func TestAnAllowedQuestionAllowsNoOther(t *testing.T) {
	b := guarded(t, &keeptest.Painter{})
	token, err := b.Site.Access.NewToken("", "/thumbs/mine/", clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	mine := questionText("/thumbs/mine/a.jpg", "Cookie", "thumbd="+token)
	for range 2 {
		if len(b.permit(nil, mine)) == 0 {
			t.Fatal("not permitted")
		}
	}
	for name, text := range map[string][]byte{
		"another URI":     questionText("/thumbs/theirs/a.jpg", "Cookie", "thumbd="+token),
		"no cookie":       questionText("/thumbs/mine/a.jpg"),
		"another cookie":  questionText("/thumbs/mine/a.jpg", "Cookie", "thumbe="+token),
		"a moved border":  questionText("/thumbs/mine/a.jpg", "Authorization", "Cookie: thumbd="+token),
		"another request": bytes.Replace(mine, []byte("/_thumbd/auth"), []byte("/_thumbd/authx"), 1),
		"another method":  bytes.Replace(mine, []byte("GET"), []byte("HEAD"), 1),
		"another version": bytes.Replace(mine, []byte("HTTP/1.1"), []byte("HTTP/1.0"), 1),
	} {
		if answer := b.permit(nil, text); len(answer) > 0 {
			t.Errorf("%s: %s", name, answer)
		}
	}
}
