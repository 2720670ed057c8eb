// SPDX-License-Identifier: MIT

package sign_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"thumbd/internal/sign"
)

// queryVectors are the vectors of signed queries and of tokens.
type queryVectors struct {
	Key, Secret    string
	Now            int64
	Vectors, Bytes []struct {
		Path, Download, Query, Signature string // of signed queries
		Expires                          int64
		Hextime, Token, Digest           string // of authtoken
	}
}

func readQueries(t *testing.T, name string) queryVectors {
	t.Helper()
	b, err := os.ReadFile("../../testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v queryVectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	for _, x := range v.Bytes {
		x.Path = decode(t, x.Path)
		v.Vectors = append(v.Vectors, x)
	}
	if len(v.Vectors) < 10 {
		t.Fatalf("%d vectors in %s: is the file whole?", len(v.Vectors), name)
	}
	return v
}

// Signed queries of both purposes are made, proved and read as the vectors say.
func TestVectorsOfQueries(t *testing.T) {
	for purpose, name := range map[sign.Purpose]string{sign.Access: "access.json", sign.File: "files.json"} {
		v := readQueries(t, name)
		now := time.Unix(v.Now, 0)
		key, keys := []byte(v.Key), [][]byte{[]byte("a newer key, which signs"), []byte(v.Key)}
		for _, x := range v.Vectors {
			if got := purpose.Proof(x.Path, x.Query, key); got != x.Signature {
				t.Errorf("%s: Proof(%q, %q) = %q, want %q", purpose, x.Path, x.Query, got, x.Signature)
			}
			if !purpose.Proves(x.Path, x.Query, x.Signature, keys) || purpose.Proves(x.Path+"x", x.Query, x.Signature, keys) ||
				purpose.Proves(x.Path, x.Query, x.Signature, keys[:1]) {
				t.Errorf("%s: %q, %q: Proves takes another path or key, or refuses this one", purpose, x.Path, x.Query)
			}
			want := sign.Query{Expires: time.Unix(x.Expires, 0), Download: x.Download, Named: x.Download != ""}
			raw := x.Query + "&signature=" + x.Signature
			if got, err := purpose.Verify(x.Path, raw, keys, now); err != nil || got != want {
				t.Errorf("%s: %q, %q: %+v, %v, want %+v", purpose, x.Path, raw, got, err, want)
			}
			// A signer may use another order or encoding than ours.
			if made := purpose.Sign(x.Path, want, key); strings.HasPrefix(x.Query, "expires=") && made != raw {
				t.Errorf("%s: Sign(%q, %+v) = %q, want %q", purpose, x.Path, want, made, raw)
			} else if got, err := purpose.Verify(x.Path, made, keys, now); err != nil || got != want {
				t.Errorf("%s: %q, %q, which Sign made: %+v, %v", purpose, x.Path, made, got, err)
			}
		}
	}
}

// The digest of each token of authtoken is the vectors', and is of its own key, path and
// time alone.
func TestVectorsOfTokens(t *testing.T) {
	v := readQueries(t, "authtoken.json")
	keys := [][]byte{[]byte("a newer secret"), []byte(v.Secret)}
	seen := make(map[string]bool)
	for _, x := range v.Vectors {
		var d sign.Digest
		if err := d.UnmarshalText([]byte(x.Digest)); err != nil || d.String() != x.Digest {
			t.Fatalf("%s: read as %v, %v", x.Digest, d, err)
		}
		seen[x.Digest] = true
		if got := d.Token(x.Path, x.Hextime, keys[1]); got != x.Token || len(got) != d.Size() {
			t.Errorf("%v of %q: %q of %d digits, want %q", d, x.Path, got, d.Size(), x.Token)
		}
		if err := d.Verify(x.Token, x.Path, x.Hextime, keys); err != nil {
			t.Errorf("%v of %q: %v", d, x.Path, err)
		}
		for what, err := range map[string]error{
			"another path": d.Verify(x.Token, x.Path+"x", x.Hextime, keys),
			"another time": d.Verify(x.Token, x.Path, "00000000", keys),
			"another key":  d.Verify(x.Token, x.Path, x.Hextime, keys[:1]),
			"no key":       d.Verify(x.Token, x.Path, x.Hextime, nil),
			"cut off":      d.Verify(x.Token[1:], x.Path, x.Hextime, keys),
		} {
			if !errors.Is(err, sign.ErrSignature) {
				t.Errorf("%v of %q, %s: %v, want %v", d, x.Path, what, err, sign.ErrSignature)
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("the vectors have %d digests, want 3", len(seen))
	}
	for _, name := range []string{"", "md4", "SHA256", "sha-256"} {
		var d sign.Digest
		if err := d.UnmarshalText([]byte(name)); err == nil || !strings.Contains(err.Error(), "want md5, sha1 or sha256, have") {
			t.Errorf("%q: %v, %v", name, d, err)
		}
	}
}

// A query that is refused says what is wrong with it, if its signature is good, and
// nothing of its parameters if it is not.
func TestRefusedQueries(t *testing.T) {
	const path = "/d/a.pdf"
	key := []byte("0123456789abcdef")
	now := time.Unix(2_000_000_000, 0)
	long := strings.Repeat("n", 255)
	signed := func(p sign.Purpose, text string) string { return text + "&signature=" + p.Proof(path, text, key) }
	for _, tt := range []struct {
		name    string
		purpose sign.Purpose
		query   string
		want    error
		text    string
	}{
		{"nothing", sign.File, "", sign.ErrNoProof, ""},
		{"parameters of others", sign.File, "utm_source=mail&v", sign.ErrNoProof, ""},
		{"a name, which access does not have", sign.Access, "download=a", sign.ErrNoProof, ""},
		{"a name alone", sign.File, "download=a", sign.ErrQuery, "it has no signature, or begins with it"},
		{"a time alone", sign.Access, "expires=2000000001", sign.ErrQuery, "it has no signature, or begins with it"},
		{"a signature at the beginning", sign.Access, "signature=x", sign.ErrQuery, "it has no signature, or begins with it"},
		{"no known key", sign.File, "expires=x&expires=y&signature=x", sign.ErrProof, ""},
		{"another purpose", sign.File, signed(sign.Access, "expires=2000000001"), sign.ErrProof, ""},
		{"a time behind the signature", sign.Access, signed(sign.Access, "expires=1") + "&expires=2000000001", sign.ErrProof, "a parameter that has to be signed stands behind it"},
		{"a name behind the signature", sign.File, signed(sign.File, "expires=2000000001") + "&download=a", sign.ErrProof, "a parameter that has to be signed stands behind it"},
		{"a name of access behind it", sign.Access, signed(sign.Access, "expires=2000000001") + "&download=a", nil, ""},
		{"unknown", sign.File, signed(sign.File, "expires=2000000001&v=1"), sign.ErrQuery, "a parameter is unknown or there twice"},
		{"a name for access", sign.Access, signed(sign.Access, "expires=2000000001&download=a"), sign.ErrQuery, "a parameter is unknown or there twice"},
		{"two names", sign.File, signed(sign.File, "download=a&expires=2000000001&download=a"), sign.ErrQuery, "a parameter is unknown or there twice"},
		{"two times", sign.File, signed(sign.File, "expires=2000000001&expires=2000000001"), sign.ErrQuery, "a parameter is unknown or there twice"},
		{"no time", sign.File, signed(sign.File, "download=a"), sign.ErrQuery, "it has no expires"},
		{"an empty time", sign.File, signed(sign.File, "expires="), sign.ErrQuery, "expires is no time"},
		{"a time with a sign", sign.File, signed(sign.File, "expires=+2000000001"), sign.ErrQuery, "expires is no time"},
		{"a time of 16 digits", sign.File, signed(sign.File, "expires=0000002000000001"), sign.ErrQuery, "expires is no time"},
		{"milliseconds", sign.File, signed(sign.File, "expires=2000000001000"), sign.ErrQuery, "expires is after the year 9999; want seconds since 1970, not milliseconds"},
		{"the second after the year 9999", sign.File, signed(sign.File, "expires=253402300800"), sign.ErrQuery, "expires is after the year 9999; want seconds since 1970, not milliseconds"},
		{"the last second before", sign.File, signed(sign.File, "expires=253402300799"), nil, ""},
		{"over just now", sign.File, signed(sign.File, "expires=2000000000"), sign.ErrExpired, ""},
		{"a second is left", sign.File, signed(sign.File, "expires=2000000001"), nil, ""},
		{"no name", sign.File, signed(sign.File, "expires=2000000001&download="), sign.ErrQuery, "download is empty or over 255 bytes"},
		{"the longest name", sign.File, signed(sign.File, "expires=2000000001&download="+long), nil, ""},
		{"a longer one", sign.File, signed(sign.File, "expires=2000000001&download="+long+"n"), sign.ErrQuery, "download is empty or over 255 bytes"},
		{"no UTF-8", sign.File, signed(sign.File, "expires=2000000001&download=%FF"), sign.ErrQuery, "download is no text in UTF-8, or has a control character"},
		{"a line break", sign.File, signed(sign.File, "expires=2000000001&download=a%0Ab"), sign.ErrQuery, "download is no text in UTF-8, or has a control character"},
		{"a path", sign.File, signed(sign.File, "expires=2000000001&download=a%2Fb"), sign.ErrQuery, "download is a path"},
		{"a path of Windows", sign.File, signed(sign.File, "expires=2000000001&download=a%5Cb"), sign.ErrQuery, "download is a path"},
		{"no percent-encoding", sign.File, signed(sign.File, "expires=2000000001&download=%zz"), sign.ErrQuery, "download is not percent-encoded"},
	} {
		_, err := tt.purpose.Verify(path, tt.query, [][]byte{key}, now)
		if !errors.Is(err, tt.want) || err != nil && !strings.HasSuffix(err.Error(), tt.text) {
			t.Errorf("%s: %v; want %v: %s", tt.name, err, tt.want, tt.text)
		}
	}
}
