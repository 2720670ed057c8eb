// SPDX-License-Identifier: MIT

package sign

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
)

// Digest is a hash of the authtoken scheme.
type Digest int

// The digests of wsgi-xsendfile's AuthTokenApplication, by its names for them.
const (
	MD5 Digest = iota + 1
	SHA1
	SHA256
)

var digests = []struct {
	name string
	new  func() hash.Hash
}{MD5: {"md5", md5.New}, SHA1: {"sha1", sha1.New}, SHA256: {"sha256", sha256.New}}

// String returns the name of d.
func (d Digest) String() string { return digests[d].name }

// Size returns the number of hexadecimal digits of a token.
func (d Digest) Size() int { return 2 * digests[d].new().Size() }

// UnmarshalText reads the name of a digest.
func (d *Digest) UnmarshalText(b []byte) error {
	for i, x := range digests {
		if x.name != "" && x.name == string(b) {
			*d = Digest(i)
			return nil
		}
	}
	return fmt.Errorf("want md5, sha1 or sha256, have %q", b)
}

// Token returns the digest, in hexadecimal, of key, the decoded path without a
// leading slash, and a time as the URL writes it.
func (d Digest) Token(path, hextime string, key []byte) string {
	h := digests[d].new()
	h.Write(key)
	h.Write([]byte(path + hextime))
	return hex.EncodeToString(h.Sum(nil))
}

// Verify returns ErrSignature unless one of keys makes this token.
func (d Digest) Verify(token, path, hextime string, keys [][]byte) error {
	good := slices.ContainsFunc(keys, func(key []byte) bool {
		return equal(token, d.Token(path, hextime, key))
	})
	if !good {
		return ErrSignature
	}
	return nil
}
