// SPDX-License-Identifier: MIT

package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/sign"
)

var (
	now      = time.Unix(2_000_000_000, 0)
	theKey   = []byte("a secret of tokens, 0123456789ab")
	aClaim   = map[string]any{"aud": "gallery", "exp": 2_000_003_600}
	encoding = base64.RawURLEncoding
)

func secret(t *testing.T) []TokenKey {
	t.Helper()
	keys, err := ParseTokenKeys(theKey)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// token is made here and not by the library that verifies it.
func token(t *testing.T, header, claims any, signer func(text []byte) []byte) string {
	t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := encoding.EncodeToString(h) + "." + encoding.EncodeToString(c)
	return text + "." + encoding.EncodeToString(signer([]byte(text)))
}

func hs256(key []byte) func([]byte) []byte {
	return func(text []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(text)
		return h.Sum(nil)
	}
}

// hs384 is what another algorithm makes of the same secret.
func hs384(text []byte) []byte {
	h := hmac.New(sha512.New384, theKey)
	h.Write(text)
	return h.Sum(nil)
}

func alg(name string) map[string]string { return map[string]string{"typ": "JWT", "alg": name} }

// with returns aClaim with others, nil to remove one.
func with(pairs ...any) map[string]any {
	c := map[string]any{}
	for k, v := range aClaim {
		c[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(c, pairs[i].(string))
		}
	}
	return c
}

func TestClaims(t *testing.T) {
	g := gate(t, Options{Proofs: []Proof{Token}, TokenKeys: secret(t), Leeway: 30 * time.Second, Now: func() time.Time { return now }})
	for _, tt := range []struct {
		name   string
		claims any
		want   error
	}{
		{"good", aClaim, nil},
		{"other claims", with("sub", "smith", "iss", "app", "x", 1), nil},
		{"a subject and a name that are numbers", with("sub", 4711, "jti", 4711), nil},
		{"exp in milliseconds", with("exp", 1_999_999_000_000), ErrToken},
		{"exp in the year 9999", with("exp", 253_402_300_799), nil},
		{"several audiences", with("aud", []string{"other", "gallery"}), nil},
		{"another audience", with("aud", "other"), ErrToken},
		{"an audience that begins so", with("aud", "gallery2"), ErrToken},
		{"no audience", with("aud", nil), ErrToken},
		{"an empty audience", with("aud", ""), ErrToken},
		{"an audience that is a number", with("aud", 1), ErrToken},
		{"no exp", with("exp", nil), ErrToken},
		{"exp as text", with("exp", "tomorrow"), ErrToken},
		{"exp 0", with("exp", 0), sign.ErrExpired},
		{"over", with("exp", 1_999_999_000), sign.ErrExpired},
		{"over, for another site", with("exp", 1_999_999_000, "aud", "other"), ErrToken},
		{"over within leeway", with("exp", 1_999_999_980), nil},
		{"not yet", with("nbf", 2_000_000_100), ErrToken},
		{"not yet, within leeway", with("nbf", 2_000_000_020), nil},
		{"since long", with("nbf", 1), nil},
		{"its folder", with("prefix", "/t/clients/smith/"), nil},
		{"its folder without a slash", with("prefix", "/t/clients/smith"), nil},
		{"the whole site", with("prefix", "/t/"), nil},
		{"everything", with("prefix", "/"), nil},
		{"another folder", with("prefix", "/t/clients/jones/"), ErrElsewhere},
		{"a folder whose name begins so", with("prefix", "/t/clients/smi"), ErrElsewhere},
		{"a folder below", with("prefix", "/t/clients/smith/a.jpg/x/"), ErrElsewhere},
		{"no path", with("prefix", "t/clients/"), ErrElsewhere},
		{"an empty folder", with("prefix", ""), ErrElsewhere},
		{"null", with("prefix", json.RawMessage("null")), ErrElsewhere},
		{"a list of folders", with("prefix", []string{"/t/"}), ErrToken},
		{"a folder of another case", with("prefix", "/T/"), ErrElsewhere},
		{"no object", "claims", ErrToken},
	} {
		q := Request{URI: "/t/clients/smith/a.jpg", Cookies: []string{token(t, alg("HS256"), tt.claims, hs256(theKey))}}
		if err := g.Check(q); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
}

func TestAudienceOfAnApplication(t *testing.T) {
	g := gate(t, Options{Proofs: []Proof{Token}, Audience: "app", TokenKeys: secret(t), Now: func() time.Time { return now }})
	for aud, want := range map[string]error{"app": nil, "gallery": ErrToken} {
		q := Request{URI: "/t/a.jpg", Cookies: []string{token(t, alg("HS256"), with("aud", aud), hs256(theKey))}}
		if err := g.Check(q); !errors.Is(err, want) {
			t.Errorf("aud %s: %v; want %v", aud, err, want)
		}
	}
}

func TestNumberRevokes(t *testing.T) {
	list := filepath.Join(t.TempDir(), "revoked")
	if err := os.WriteFile(list, []byte("4711\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := gate(t, Options{Proofs: []Proof{Token}, TokenKeys: secret(t), Revoked: list, Now: func() time.Time { return now }})
	for _, id := range []any{4711, "4711"} {
		q := Request{URI: "/t/a.jpg", Cookies: []string{token(t, alg("HS256"), with("jti", id), hs256(theKey))}}
		if err := g.Check(q); !errors.Is(err, ErrRevoked) {
			t.Errorf("jti %v: %v; want %v", id, err, ErrRevoked)
		}
	}
}

func public(t *testing.T, key any) []byte {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type pair struct {
	alg    string
	public []byte
	signer func([]byte) []byte
}

// pairs are a pair of keys of each algorithm.
func pairs(t *testing.T) []pair {
	t.Helper()
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	rs := must(rsa.GenerateKey(rand.Reader, 2048))
	return []pair{
		{"EdDSA", public(t, edPublic), func(text []byte) []byte { return ed25519.Sign(ed, text) }},
		{"ES256", public(t, &ec.PublicKey), func(text []byte) []byte {
			sum := sha256.Sum256(text)
			r, s, err := ecdsa.Sign(rand.Reader, ec, sum[:])
			if err != nil {
				t.Fatal(err)
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}},
		{"RS256", public(t, &rs.PublicKey), func(text []byte) []byte {
			sum := sha256.Sum256(text)
			return must(rsa.SignPKCS1v15(rand.Reader, rs, crypto.SHA256, sum[:]))
		}},
	}
}

// The algorithm is the key's. A token that says another one is wrong, whatever
// it is signed with.
func TestAlgorithmIsTheKeys(t *testing.T) {
	all := pairs(t)
	for _, p := range all {
		keys, err := ParseTokenKeys(p.public)
		if err != nil {
			t.Fatal(err)
		}
		g := gate(t, Options{Proofs: []Proof{Token}, TokenKeys: keys, Now: func() time.Time { return now }})
		check := func(name, token string, want error) {
			t.Helper()
			if err := g.Check(Request{URI: "/t/a", Bearer: []string{token}}); !errors.Is(err, want) {
				t.Errorf("%s key, %s: %v; want %v", p.alg, name, err, want)
			}
		}
		check("its own", token(t, alg(p.alg), aClaim, p.signer), nil)
		none := token(t, alg("none"), aClaim, func([]byte) []byte { return nil })
		check("none", none, ErrToken)
		check("None", token(t, alg("None"), aClaim, func([]byte) []byte { return nil }), ErrToken)
		check("none with its signature", token(t, alg("none"), aClaim, p.signer), ErrToken)
		check("no algorithm", token(t, alg(""), aClaim, p.signer), ErrToken)
		block, _ := pem.Decode(p.public)
		for name, secret := range map[string][]byte{
			"the public key": p.public, "without its newline": p.public[:len(p.public)-1], "in DER": block.Bytes, "nothing": {},
		} {
			check("HS256 with "+name, token(t, alg("HS256"), aClaim, hs256(secret)), ErrToken)
			check(p.alg+" with the HMAC of "+name, token(t, alg(p.alg), aClaim, hs256(secret)), ErrToken)
		}
		for _, other := range all {
			if other.alg != p.alg {
				check("another's", token(t, alg(other.alg), aClaim, other.signer), ErrToken)
				check("another's name", token(t, alg(other.alg), aClaim, p.signer), ErrToken)
			}
		}
		withKey := map[string]any{"alg": "HS256", "jwk": map[string]string{"kty": "oct", "k": "AAAA"}, "kid": "../../dev/null", "jku": "https://x.example/"}
		check("a key of its own", token(t, withKey, aClaim, hs256([]byte{0, 0, 0})), ErrToken)
	}
}

// A key is for one algorithm, not for a family of them.
func TestAlgorithmIsOne(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	keys, err := ParseTokenKeys(public(t, &key.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	g := gate(t, Options{Proofs: []Proof{Token}, TokenKeys: keys, Now: func() time.Time { return now }})
	for name, signer := range map[string]func([]byte) []byte{
		"RS512": func(text []byte) []byte {
			sum := sha512.Sum512(text)
			return must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA512, sum[:]))
		},
		"PS256": func(text []byte) []byte {
			sum := sha256.Sum256(text)
			return must(rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil))
		},
	} {
		if err := g.Check(Request{URI: "/t/a", Bearer: []string{token(t, alg(name), aClaim, signer)}}); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormOfTokens(t *testing.T) {
	g := gate(t, Options{Proofs: []Proof{Token}, TokenKeys: secret(t), Now: func() time.Time { return now }})
	good := token(t, alg("HS256"), aClaim, hs256(theKey))
	if err := g.Check(Request{URI: "/t/a", Cookies: []string{good}}); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	for _, bad := range []string{
		"", ".", "..", "...", "x", good + "A", good + "=", good + ".", " " + good, good + " ", good[1:], good[:len(good)-1],
		parts[0] + "." + parts[1], parts[0] + "." + parts[1] + ".", parts[1] + "." + parts[0] + "." + parts[2], "." + good,
		token(t, alg("HS384"), aClaim, hs384), token(t, alg("HS256"), aClaim, hs256([]byte("another secret of another site"))),
		token(t, alg("none"), aClaim, hs256(theKey)), parts[0] + "." + encoding.EncodeToString([]byte(`{"aud":"gallery","exp":3000000000}`)) + "." + parts[2],
		strings.Repeat("A", 16<<10),
	} {
		if err := g.Check(Request{URI: "/t/a", Cookies: []string{bad}}); !errors.Is(err, ErrToken) {
			t.Errorf("%.80q: %v", bad, err)
		}
	}
}

func TestParseTokenKeys(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	private := must(x509.MarshalPKCS8PrivateKey(p384))
	two := append(append([]byte("a comment\n"), pairs(t)[0].public...), pairs(t)[1].public...)
	keys, err := ParseTokenKeys(two)
	if err != nil || len(keys) != 2 {
		t.Errorf("two keys: %d, %v", len(keys), err)
	}
	for name, text := range map[string][]byte{
		"small RSA": public(t, &small.PublicKey), "P-384": public(t, &p384.PublicKey), "cut off": two[:60], "the second cut off": two[:len(two)-60],
		"private": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), "damaged": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
	} {
		if keys, err := ParseTokenKeys(text); err == nil {
			t.Errorf("%s: %d keys", name, len(keys))
		} else if strings.Contains(err.Error(), string(text)) {
			t.Errorf("%s: the key is in the error", name)
		}
	}
	if got := secret(t)[0].Secret(); string(got) != string(theKey) {
		t.Errorf("secret %q", got)
	}
}

func TestNewTokenIsAccepted(t *testing.T) {
	g := gate(t, Options{Proofs: []Proof{Token}, TokenKeys: secret(t), Now: func() time.Time { return now }})
	prefix, err := Folder("/t/", "clients/smith")
	if err != nil {
		t.Fatal(err)
	}
	made, err := g.NewToken("id", prefix, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]error{"/t/clients/smith/a": nil, "/t/clients/smithy/a": ErrElsewhere, "/t/clients/smith": ErrElsewhere} {
		if err := g.Check(Request{URI: uri, Cookies: []string{made}}); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", uri, err, want)
		}
	}
	if _, err := Folder("/t/", "/other/"); err == nil {
		t.Error("a folder of another site")
	}
	keys, err := ParseTokenKeys(pairs(t)[0].public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate(t, Options{TokenKeys: keys}).NewToken("", "", now); err == nil {
		t.Error("a public key signs")
	}
}
