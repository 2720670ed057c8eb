// SPDX-License-Identifier: MIT

package guards

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// attempt is a request for the card of a photograph.
type attempt struct {
	name   string
	target string
	header string
	status int
	reason string
}

// attempts are ways to see card, whose other is another one's path.
func attempts(t *testing.T, card, other string) []attempt {
	escaped := rig.Escape(card)
	signed := kit.Proof(kit.AccessKey, "access", card, kit.Expires(time.Hour))
	token := kit.JWT(t, "HS256", kit.Claims("gallery", time.Hour), kit.SecretSigner(kit.TokenKey))
	with := func(more ...string) string {
		return "Cookie: thumbd=" + kit.JWT(t, "HS256", kit.Claims("gallery", time.Hour, more...), kit.SecretSigner(kit.TokenKey))
	}
	return []attempt{
		{"nothing", escaped, "", 401, "no-proof"},
		{"another query", escaped + "?v=1", "", 401, "no-proof"},
		{"signature", escaped + signed, "", 200, ""},
		{"signature, and what a mailer appends", escaped + signed + "&utm_source=mail&fbclid=IwAR0x", "", 200, ""},
		{"cookie", escaped, "Cookie: a=b; thumbd=" + token, 200, ""},
		{"bearer", escaped, "Authorization: Bearer " + token, 200, ""},
		{"token in the query", escaped + "?token=" + token, "", 200, ""},
		{"a folder", escaped, with("prefix", "/thumbs/photos/"), 200, ""},

		{"over within leeway", escaped + kit.Proof(kit.AccessKey, "access", card, kit.Expires(-5*time.Second)), "", 200, ""},
		{"over", escaped + kit.Proof(kit.AccessKey, "access", card, kit.Expires(-time.Minute)), "", 403, "expired"},
		{"a token over within leeway", escaped, "Cookie: thumbd=" + kit.JWT(t, "HS256", kit.Claims("gallery", -5*time.Second), kit.SecretSigner(kit.TokenKey)), 200, ""},
		{"a token over", escaped, "Cookie: thumbd=" + kit.JWT(t, "HS256", kit.Claims("gallery", -time.Minute), kit.SecretSigner(kit.TokenKey)), 403, "expired"},
		{"another site's key", escaped + kit.Proof("another-sites-key-0123456789abcde", "access", card, kit.Expires(time.Hour)), "", 403, "signature"},
		{"the URLs' own key", escaped + kit.Proof(kit.Key, "access", card, kit.Expires(time.Hour)), "", 403, "signature"},
		{"the tokens' key", escaped + kit.Proof(kit.TokenKey, "access", card, kit.Expires(time.Hour)), "", 403, "signature"},
		{"the purpose of files", escaped + kit.Proof(kit.AccessKey, "file", card, kit.Expires(time.Hour)), "", 403, "signature"},
		{"another path", escaped + kit.Proof(kit.AccessKey, "access", other, kit.Expires(time.Hour)), "", 403, "signature"},
		{"undecoded", strings.Replace(escaped, "/photos", "/%70hotos", 1) + kit.Proof(kit.AccessKey, "access", "/thumbs/%70hotos", kit.Expires(time.Hour)), "", 403, "signature"},
		{"another time", escaped + strings.Replace(signed, "expires=", "expires=1", 1), "", 403, "signature"},
		{"one parameter more before it", escaped + strings.Replace(signed, "&", "&v=1&", 1), "", 403, "signature"},
		{"a signed parameter behind it", escaped + signed + "&expires=2000000000", "", 403, "signature"},
		{"alg=none", escaped, "Cookie: thumbd=" + kit.JWT(t, "none", kit.Claims("gallery", time.Hour), func([]byte) []byte { return nil }), 403, "token"},
		{"another token's key", escaped, "Cookie: thumbd=" + kit.JWT(t, "HS256", kit.Claims("gallery", time.Hour), kit.SecretSigner(kit.AccessKey)), 403, "token"},
		{"another site's token", escaped, "Cookie: thumbd=" + kit.JWT(t, "HS256", kit.Claims("other", time.Hour), kit.SecretSigner(kit.TokenKey)), 403, "token"},
		{"another folder", escaped, with("prefix", "/thumbs/other/"), 403, "elsewhere"},
		{"taken back", escaped, with("jti", "taken-back"), 403, "revoked"},

		// What is checked and what would be served differ for a checker that
		// reads the URI otherwise than nginx.
		{"spelled otherwise", "/x/..//thumbs/./" + strings.TrimPrefix(strings.ReplaceAll(escaped, "_", "%5f"), "/thumbs/") + signed, "", 200, ""},
		{"a fragment", escaped + "#/../../open/y.jpg", "", 401, "no-proof"},
		{"a signature in a fragment", escaped + "#" + signed, "", 401, "no-proof"},
		{"another's signature, in front of a fragment", rig.Escape(other) + "#/../" + strings.TrimPrefix(escaped, "/") + signed, "", 401, "no-proof"},
		{"another's, with dots", rig.Escape(other) + "%2F..%2F" + filepath.Base(card) + signed, "", 403, "signature"},
		{"from an open place", "/open/..%2f" + strings.TrimPrefix(escaped, "/"), "", 401, "no-proof"},
		{"dots out of a folder's token", "/thumbs/other/%2e%2e/" + strings.TrimPrefix(escaped, "/thumbs/"), with("prefix", "/thumbs/other/"), 403, "elsewhere"},
		{"encoded twice", strings.Replace(escaped, "photos/", "photos%252F", 1) + signed, "", 403, "signature"},
		{"a question in the path", strings.Replace(escaped, "photos/", "photos%3F/", 1) + signed, "", 403, "signature"},
		{"headers of a proxy's", escaped, "X-Original-URI: /open/y.jpg\r\nX-Original-URL: /open/y.jpg\r\nX-Rewrite-URL: /open/y.jpg", 401, "no-proof"},
	}
}

// Hits and misses are refused and allowed alike.
func TestProtected(t *testing.T) {
	r := kit.Start(t, kit.Protected(t, rig.Options{Server: "location /open/ { return 200 open; }"}))
	hit := kit.Signed("/thumbs/", "photos/dogs.jpg", "60x60_crop", "jpg")
	kit.Put(t, r.File("gallery", hit), []byte("a hit"))
	miss := kit.Signed("/thumbs/", "photos/fig.jpg", "60x60_crop", "jpg")
	for _, card := range []string{miss, hit} {
		for _, x := range attempts(t, card, kit.Signed("/thumbs/", "photos/drum.jpg", "60x60_crop", "jpg")) {
			if card == miss {
				if err := os.RemoveAll(r.File("gallery", card)); err != nil {
					t.Fatal(err)
				}
			}
			var header []string
			if x.header != "" {
				header = strings.Split(x.header, "\r\n")
			}
			resp := kit.Get(t, r, x.target, header...)
			what := fmt.Sprintf("%s, %s", filepath.Base(filepath.Dir(card)), x.name)
			if got := resp.Header.Get("X-Thumbd-Reason"); resp.Status != x.status || got != x.reason {
				t.Errorf("%s: %d %q; want %d %q", what, resp.Status, got, x.status, x.reason)
			}
			if (resp.Header.Get("WWW-Authenticate") == "thumbd") != (x.status == 401) {
				t.Errorf("%s: WWW-Authenticate %q", what, resp.Header.Get("WWW-Authenticate"))
			}
			if got := resp.Header.Values("Cache-Control"); len(got) != 1 || got[0] != "private, no-cache" || resp.Header.Get("Expires") != "" {
				t.Errorf("%s: Cache-Control %q, Expires %q", what, got, resp.Header.Get("Expires"))
			}
			if _, err := os.Stat(r.File("gallery", card)); (err == nil) != (card == hit || x.status == 200) {
				t.Errorf("%s: published or not: %v", what, err)
			}
		}
	}
	ok := rig.Escape(hit) + kit.Proof(kit.AccessKey, "access", hit, kit.Expires(time.Hour))
	kit.Expect(t, kit.Get(t, r, ok), 200, "")
	kit.Expect(t, kit.Get(t, r, "/_thumbd/auth", "X-Original-URI: "+ok), 404, "")
	kit.StopDaemon(t, r)
	if text := r.Log.String(); strings.Contains(text, "signature=") || strings.Contains(text, "eyJ") {
		t.Error("a secret is in the log")
	}
	// Nobody says that it may be served.
	if err := r.CloseSocket(); err != nil {
		t.Fatal(err)
	}
	if resp := kit.Get(t, r, ok); resp.Status != 500 {
		t.Errorf("while thumbd is stopped: %d", resp.Status)
	}
}

// A token of a public key's owner is good, and one that anybody can make of
// the public key is not.
func TestProtectedByPublicKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	o := kit.Protected(t, rig.Options{Keys: map[string]string{}})
	o.Keys["token.key"] = string(text)
	r := kit.Start(t, o)
	card := kit.Target("photos/fig.jpg", "60x60_crop", "jpg")
	sign := func(b []byte) []byte {
		signature, err := private.Sign(nil, b, crypto.Hash(0))
		if err != nil {
			t.Error(err)
		}
		return signature
	}
	kit.Expect(t, kit.Get(t, r, card, "Cookie: thumbd="+kit.JWT(t, "EdDSA", kit.Claims("gallery", time.Hour), sign)), 200, "")
	for _, secret := range []string{string(text), strings.TrimSpace(string(text)), string(der), string(public)} {
		for _, algorithm := range []string{"HS256", "EdDSA"} {
			kit.Expect(t, kit.Get(t, r, card, "Cookie: thumbd="+kit.JWT(t, algorithm, kit.Claims("gallery", time.Hour), kit.SecretSigner(secret))), 403, "token")
		}
	}
}

// An open site whose location asks all the same is served to nobody.
func TestAskingWithoutRules(t *testing.T) {
	open := kit.Gallery(t, kit.Testdata(t, "originals"))
	open.Protected = true
	r := kit.Start(t, rig.Options{Sites: []rig.Site{open}})
	kit.Expect(t, kit.Get(t, r, kit.Target("photos/fig.jpg", "60x60_crop", "jpg")), 403, "not-protected")
}

// The list of revoked tokens is looked at while thumbd runs.
func TestRevokedLater(t *testing.T) {
	r := kit.Start(t, kit.Protected(t, rig.Options{}))
	card := kit.Target("photos/fig.jpg", "60x60_crop", "jpg")
	cookie := "Cookie: thumbd=" + kit.JWT(t, "HS256", kit.Claims("gallery", time.Hour, "jti", "smith-7"), kit.SecretSigner(kit.TokenKey))
	kit.Expect(t, kit.Get(t, r, card, cookie), 200, "")
	list := filepath.Join(r.Dir, "revoked.txt")
	if err := os.WriteFile(list, []byte("smith-7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(aid.Patience)
	for kit.Get(t, r, card, cookie).Status == 200 {
		select {
		case <-deadline:
			t.Fatal("still not revoked")
		default:
		}
	}
	kit.Expect(t, kit.Get(t, r, card, cookie), 403, "revoked")
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	kit.WaitLog(t, r, 1, "level=ERROR", "the list of before stays")
	kit.Expect(t, kit.Get(t, r, card, cookie), 403, "revoked")
}

// The log format of the shipped files has no query.
func TestLogFormat(t *testing.T) {
	o := kit.Protected(t, rig.Options{})
	o.Sites[0].Location = "access_log access.log thumbd_noquery;"
	r := kit.Start(t, o)
	card := kit.Target("photos/fig.jpg", "60x60_crop", "jpg")
	token := kit.JWT(t, "HS256", kit.Claims("gallery", time.Hour), kit.SecretSigner(kit.TokenKey))
	kit.Expect(t, kit.Get(t, r, card+"?token="+token, "Referer: http://x/?token="+token), 200, "")
	kit.Expect(t, kit.Get(t, r, card+"?token="+token+"x"), 403, "token")
	// nginx writes it after its answer.
	deadline := time.After(aid.Patience)
	for {
		log, err := os.ReadFile(filepath.Join(r.Dir, "access.log"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(log, []byte("eyJ")) {
			t.Fatalf("a token is in the log:\n%s", log)
		}
		if bytes.Count(log, []byte(`"GET /thumbs/photos/fig.jpg/60x60_crop_`)) == 2 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("not two lines:\n%s", log)
		default:
		}
	}
}

// A check makes no system call that names a file.
func TestCheckTouchesNoFile(t *testing.T) {
	o := kit.Protected(t, rig.Options{})
	o.Sites[0].TOML = strings.Replace(o.Sites[0].TOML, `revoked = "revoked.txt"`, "", 1)
	r := kit.Start(t, o)
	card := kit.Signed("/thumbs/", "photos/fig.jpg", "60x60_crop", "jpg")
	good := rig.Escape(card) + kit.Proof(kit.AccessKey, "access", card, kit.Expires(time.Hour))
	kit.Expect(t, kit.Get(t, r, good), 200, "")
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-e", "trace=%file,%desc", "-o", trace, "-p", fmt.Sprint(r.DaemonPID()))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("strace, which make test installs: %v", err)
	}
	// It says that it has attached.
	if _, err := stderr.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		kit.Expect(t, kit.Get(t, r, good), 200, "")
		kit.Expect(t, kit.Get(t, r, rig.Escape(card), "Cookie: thumbd="+kit.JWT(t, "HS256", kit.Claims("gallery", time.Hour), kit.SecretSigner(kit.TokenKey))), 200, "")
		kit.Expect(t, kit.Get(t, r, rig.Escape(card)), 401, "no-proof")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	// It was interrupted.
	_ = cmd.Wait()
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(b, []byte("read(")) < 20 {
		t.Errorf("nothing was traced:\n%.2000s", b)
	}
	for line := range strings.Lines(string(b)) {
		for _, call := range []string{"open", "stat", "readlink", "access(", "getdents"} {
			if strings.Contains(line, call) {
				t.Errorf("a file is looked at: %s", line)
			}
		}
	}
}
