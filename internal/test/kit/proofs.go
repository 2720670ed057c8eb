// SPDX-License-Identifier: MIT

package kit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
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
