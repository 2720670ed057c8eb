// SPDX-License-Identifier: MIT

// Package sign makes and verifies the signatures of URIs and queries. No other
// package compares a signature.
package sign

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"

	"thumbd/internal/thumb"
)

// ErrSignature means that none of the site's keys makes the signature.
var ErrSignature = errors.New("the signature is wrong")

// Sign returns the signature of t under key, as its site's scheme writes it:
// 28 characters of base64url (RFC 4648, section 5) for signed, 40 hexadecimal
// digits for restthumbnails, nothing for preset.
func Sign(t thumb.Thumb, key []byte) string {
	switch t.Site.Scheme {
	case thumb.Signed:
		return signed(t.SignedText(), key)
	case thumb.RestThumbnails:
		return restThumbnails(t, key)
	}
	return ""
}

// Verify returns nil if one of the site's keys makes t's signature, or if the scheme has
// no signatures; otherwise ErrSignature. If a signature is wrong, the time does not
// depend on the place of the wrong byte.
func Verify(t thumb.Thumb) error {
	if !t.Site.Scheme.HasKeys() {
		return nil
	}
	for _, key := range t.Site.Keys {
		if equal(t.Signature, Sign(t, key)) {
			return nil
		}
	}
	return ErrSignature
}

func equal[Got, Want string | []byte](got Got, want Want) bool {
	return hmac.Equal([]byte(got), []byte(want))
}

// signed is the first 21 bytes of HMAC-SHA256 (RFC 2104), so that base64 needs
// no padding.
func signed(text string, key []byte) string { return string(newSigner(key).sign(text)) }

// signer makes signatures under one key, one at a time. It allocates memory only for the
// first signatures.
type signer struct {
	hash           hash.Hash
	text, sum, out []byte
}

func newSigner(key []byte) *signer { return &signer{hash: hmac.New(sha256.New, key)} }

// sign returns the signature of the concatenated parts, as signed does. The signature is
// valid until the next call.
func (s *signer) sign(parts ...string) []byte {
	s.text = s.text[:0]
	for _, part := range parts {
		s.text = append(s.text, part...)
	}
	s.hash.Reset()
	s.hash.Write(s.text)
	s.sum = s.hash.Sum(s.sum[:0])
	s.out = base64.RawURLEncoding.AppendEncode(s.out[:0], s.sum[:21])
	return s.out
}

// restThumbnails is Django's salted_hmac with the original as the salt.
func restThumbnails(t thumb.Thumb, key []byte) string {
	derived := sha1.Sum(append([]byte(t.Original), key...))
	h := hmac.New(sha1.New, derived[:])
	h.Write([]byte(t.SignedText()))
	return hex.EncodeToString(h.Sum(nil))
}
