// SPDX-License-Identifier: MIT

package kit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/test/rig"
)

const (
	AccessKey = "thumbd-access-key-0123456789abcdef"
	TokenKey  = "a secret of tokens, 0123456789ab"
	FilesKey  = "thumbd-files-key-0123456789abcdef"
)

// Protected returns o with the gallery protected by all kinds of proof, and with the
// options that such a rig needs.
func Protected(t testing.TB, o rig.Options) rig.Options {
	t.Helper()
	g := Gallery(t, Testdata(t, "originals"))
	g.Protected = true
	g.TOML += `
[site.gallery.access]
proofs = ["signature", "token", "token-query"]
keys = ["access.key"]
token_keys = ["token.key"]
revoked = "revoked.txt"
`
	o.Sites = append([]rig.Site{g}, o.Sites...)
	if o.Keys == nil {
		o.Keys = make(map[string]string)
	}
	o.Keys["access.key"], o.Keys["token.key"], o.Keys["../revoked.txt"] = AccessKey, TokenKey, "taken-back\n"
	return o
}

// Proof is a signed query, computed here and not by thumbd's own code.
func Proof(key, purpose, path, query string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(purpose + "\n" + path + "\n" + query))
	return "?" + query + "&signature=" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:21])
}

// SignedFile is the request URI of a download with its proof. more is of the query, for
// example "&download=a.pdf".
func SignedFile(path, more string) string {
	return rig.Escape(path) + Proof(FilesKey, "file", path, Expires(time.Hour)+more)
}

// JWT is a token, computed here and not by thumbd's own code.
func JWT(t testing.TB, algorithm string, claims map[string]any, signer func([]byte) []byte) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	e := base64.RawURLEncoding
	text := e.EncodeToString([]byte(`{"alg":"`+algorithm+`"}`)) + "." + e.EncodeToString(body)
	return text + "." + e.EncodeToString(signer([]byte(text)))
}

// SecretSigner signs a JWT by HS256.
func SecretSigner(key string) func([]byte) []byte {
	return func(text []byte) []byte {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(text)
		return mac.Sum(nil)
	}
}

// Claims returns the claims of a JWT for a site that expires after d. more has names and
// values in turn.
func Claims(site string, d time.Duration, more ...string) map[string]any {
	c := map[string]any{"aud": site, "exp": time.Now().Add(d).Unix()}
	for i := 0; i < len(more); i += 2 {
		c[more[i]] = more[i+1]
	}
	return c
}

func Expires(d time.Duration) string { return fmt.Sprintf("expires=%d", time.Now().Add(d).Unix()) }

// TopSecret is in every file that no download may have.
const TopSecret = "top secret"

// Documents makes a folder of downloads, root, beside secret files, and returns its
// path.
func Documents(t testing.TB) string {
	t.Helper()
	dir := Folder(t, nil)
	root := filepath.Join(dir, "root")
	for name, text := range map[string]string{
		"report.pdf": "%PDF- a report", "été à la plage/100% sûr?#.txt": "beach", "page.html": "<script>1</script>", "large.bin": strings.Repeat("0123456789", 100_000),
		".htpasswd": TopSecret, ".git/config": TopSecret, "sub/.env": TopSecret, "sub/ok.txt": "ok", "../secret": TopSecret, "../root-too/x": TopSecret, "index.html": "index", "sub/index.html": TopSecret,
	} {
		Put(t, filepath.Join(root, name), []byte(text))
	}
	for name, to := range map[string]string{
		"out": "../secret", "absolute": filepath.Join(dir, "secret"), "up": "..", "self": ".", "loop": "loop", "etc": "/etc", "link.pdf": "report.pdf", "subs": "sub",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// Downloads are three sections of one root, as thumbd(8) says for nginx.
func Downloads(t testing.TB, root string) rig.Options {
	t.Helper()
	o := rig.Options{Keys: map[string]string{"signed.key": FilesKey, "tokens.key": "s3cr3t"}}
	for _, s := range [][2]string{
		{"open", ""}, {"signed", `keys = ["signed.key"]`}, {"authtoken", "keys = [\"tokens.key\"]\ndisposition = \"inline\""},
	} {
		o.TOML += fmt.Sprintf("[files.%s]\nprefix = \"/%[1]s/\"\nroot = %q\ninternal = \"/_%[1]s/\"\nscheme = \"%[1]s\"\n%[3]s\n", s[0], root, s[1])
		o.Server += fmt.Sprintf(`
location ^~ /%s/ { try_files /_thumbd/none @thumbd; }
location ^~ /_%[1]s/ { alias %s/; include snippets/thumbd-files.conf; }`, s[0], root)
	}
	return Protected(t, o)
}
