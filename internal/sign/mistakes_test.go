// SPDX-License-Identifier: MIT

package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

func TestMistake(t *testing.T) {
	const prefix, head, ext = "/thumbs/", "/thumbs/é b.jpg/400x300_crop_", ".webp"
	digits := strings.Repeat("0123456789abcdef", 4)
	raw, _ := hex.DecodeString(digits)
	mac := func(key, text string) []byte {
		m := hmac.New(sha256.New, []byte(key))
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	short := func(mac []byte) string { return base64.RawURLEncoding.EncodeToString(mac[:21]) }
	// The number of the URI makes a signature with +, which base64url has not.
	plus := ""
	for i := 0; plus == ""; i++ {
		h := strings.Replace(head, "400x", "4"+strings.Repeat("0", i)+"x", 1)
		if s := base64.StdEncoding.EncodeToString(mac(digits, h+ext)[:21]); strings.ContainsAny(s, "+/") {
			plus = h + s + ext
		}
	}
	right := mac(digits, head+ext)
	for _, tt := range []struct{ uri, want string }{
		{head + short(right) + ext, ""},
		{head + short(mac(digits+"\n", head+ext)) + ext, "newline"},
		{head + short(mac(string(raw), head+ext)) + ext, "decoded from hexadecimal"},
		{head + short(mac(digits, "/thumbs/%C3%A9%20b.jpg/400x300_crop_.webp")) + ext, "percent-encoded"},
		{head + short(mac(digits, "/thumbs/é b.jpg/400x300_crop.webp")) + ext, "lacks the _"},
		{head + short(mac(digits, head)) + ext, "lacks the extension"},
		{head + short(mac(digits, "é b.jpg/400x300_crop_.webp")) + ext, "lacks the prefix /thumbs/"},
		{head + short(mac(digits, head[1:]+ext)) + ext, "lacks the / at its beginning"},
		{plus, "base64 with + and /"},
		{head + base64.RawURLEncoding.EncodeToString(right) + ext, "all 32 bytes"},
		{head + base64.URLEncoding.EncodeToString(right) + ext, "all 32 bytes"},
		{head + hex.EncodeToString(right) + ext, "in hexadecimal, not the first 21 bytes"},
		{head + hex.EncodeToString(right[:21]) + ext, "in hexadecimal, not in base64url"},
		{head + hex.EncodeToString(mac(digits+"\n", head+ext)) + ext, "in hexadecimal, not the first 21 bytes in base64url; the key was used with the newline"},
		{head + short(mac("another key", head+ext)) + ext, ""},
		{"/thumbs/a", ""},
		{"/thumbs/a.jpg", ""},
	} {
		got := Mistake(tt.uri, prefix, [][]byte{[]byte("first key, of no use"), []byte(digits)})
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.uri, got, tt.want)
		}
	}
}
