// SPDX-License-Identifier: MIT

package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// Mistake returns the mistake of the signer that made the signature in a decoded URI
// of the scheme signed, for example "the key was used with its newline", or "" if no
// usual mistake makes that signature.
func Mistake(uri, prefix string, keys [][]byte) string {
	i := strings.LastIndexByte(uri, '.')
	if i < 0 {
		return ""
	}
	body, ext := uri[:i], uri[i:]
	for _, e := range encodings {
		at := len(body) - e.length
		if at < 1 || body[at-1] != '_' {
			continue
		}
		signature := body[at:]
		for _, text := range texts(body[:at], ext, prefix) {
			for _, key := range keys {
				for _, k := range spellings(key) {
					mac := hmac.New(sha256.New, []byte(k.value))
					mac.Write([]byte(text.value))
					if equal(e.encode(mac.Sum(nil)), signature) {
						return joined(e.mistake, text.mistake, k.mistake)
					}
				}
			}
		}
	}
	return ""
}

// encoding is a way to write a signature.
type encoding struct {
	length  int
	encode  func(mac []byte) string
	mistake string // "": it is right
}

const cut = "the signature is of all 32 bytes, not of the first 21"

var encodings = []encoding{
	{28, func(mac []byte) string { return base64.RawURLEncoding.EncodeToString(mac[:21]) }, ""},
	{28, func(mac []byte) string { return base64.StdEncoding.EncodeToString(mac[:21]) }, "the signature is in base64 with + and /, not in base64url with - and _"},
	{43, base64.RawURLEncoding.EncodeToString, cut},
	{44, base64.URLEncoding.EncodeToString, cut},
	{43, base64.RawStdEncoding.EncodeToString, cut + ", and not in base64url"},
	{44, base64.StdEncoding.EncodeToString, cut + ", and not in base64url"},
	{64, hex.EncodeToString, "the signature is in hexadecimal, not the first 21 bytes in base64url"},
	{42, func(mac []byte) string { return hex.EncodeToString(mac[:21]) }, "the signature is in hexadecimal, not in base64url"},
}

// spelling is a text or a key that a signer may use, and the mistake in it.
type spelling struct {
	value   string
	mistake string
}

const encoded = "the percent-encoded URI was signed, not the decoded one"

// escapeBut is Escape for all bytes except the bytes of keep.
func escapeBut(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(keep, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			b.WriteString(Escape(s[i : i+1]))
		}
	}
	return b.String()
}

// texts returns the texts that signers sign for a URI, the right one first. head is
// the URI up to the signature, for example /thumbs/a.jpg/400x300_crop_.
func texts(head, ext, prefix string) []spelling {
	right := head + ext
	return []spelling{
		{right, ""},
		{escapeBut(head, "/") + ext, encoded},
		{escapeBut(head, "/=,:+!$&'()*;@") + ext, encoded},
		{strings.TrimSuffix(head, "_") + ext, "the text that was signed lacks the _ in front of the signature"},
		{head, "the text that was signed lacks the extension"},
		{strings.TrimSuffix(head, "_"), "the text that was signed lacks _ and the extension"},
		{strings.TrimPrefix(right, "/"), "the text that was signed lacks the / at its beginning"},
		{strings.TrimPrefix(right, prefix), "the text that was signed lacks the prefix " + prefix},
	}
}

// spellings returns the keys that signers use for a key, the right one first.
func spellings(key []byte) []spelling {
	all := []spelling{
		{string(key), ""},
		{string(key) + "\n", "the key was used with the newline at the end of its file"},
	}
	if raw, err := hex.DecodeString(string(key)); err == nil {
		all = append(all, spelling{string(raw), "the key was decoded from hexadecimal; its digits themselves are the key"})
	}
	if raw, err := base64.StdEncoding.DecodeString(string(key)); err == nil {
		all = append(all, spelling{string(raw), "the key was decoded from base64; its characters themselves are the key"})
	}
	return all
}

func joined(mistakes ...string) string {
	return strings.Join(slices.DeleteFunc(mistakes, func(m string) bool { return m == "" }), "; ")
}
