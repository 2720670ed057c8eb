// SPDX-License-Identifier: MIT

package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"thumbd/internal/sign"
)

// TokenKey verifies tokens (RFC 7519) of one algorithm. The key decides the
// algorithm, never the token.
type TokenKey struct {
	method jwt.SigningMethod
	key    any
}

// minRSA is the size in bits of the smallest RSA key that RS256 allows (RFC
// 7518, section 3.3).
const minRSA = 2048

// ParseTokenKeys returns the public keys of text in PEM. If text has none, it is a
// secret. The algorithms are HS256 for a secret, EdDSA for Ed25519, ES256 for
// P-256, and RS256 for RSA.
func ParseTokenKeys(text []byte) ([]TokenKey, error) {
	if !bytes.Contains(text, []byte("-----BEGIN ")) {
		return []TokenKey{{jwt.SigningMethodHS256, text}}, nil
	}
	var keys []TokenKey
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		key, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		keys, text = append(keys, key), rest
	}
	// The rest may be a key that was cut off.
	if len(keys) == 0 || bytes.Contains(text, []byte("-----BEGIN ")) {
		return nil, errors.New("has a key in PEM that can't be read")
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (TokenKey, error) {
	if block.Type != "PUBLIC KEY" {
		return TokenKey{}, fmt.Errorf("has a %s in PEM; want a PUBLIC KEY, as openssl pkey -pubout writes it", block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return TokenKey{}, errors.New("has a key in PEM that can't be read")
	}
	switch key := key.(type) {
	case ed25519.PublicKey:
		return TokenKey{jwt.SigningMethodEdDSA, key}, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return TokenKey{jwt.SigningMethodES256, key}, nil
		}
	case *rsa.PublicKey:
		if key.N.BitLen() >= minRSA {
			return TokenKey{jwt.SigningMethodRS256, key}, nil
		}
	}
	return TokenKey{}, fmt.Errorf("has a public key that is none of Ed25519, P-256 and RSA of %d bits or more", minRSA)
}

// Secret returns the secret of a key that can sign, or nil for a public key.
func (k TokenKey) Secret() []byte {
	secret, _ := k.key.([]byte)
	return secret
}

// claims are the claims of a token that count. If one of them but jti has another
// type, the token is invalid; other claims, for example sub and iss, may have any
// type.
type claims struct {
	Audience  jwt.ClaimStrings `json:"aud,omitempty"`
	ExpiresAt *jwt.NumericDate `json:"exp,omitempty"`
	NotBefore *jwt.NumericDate `json:"nbf,omitempty"`
	ID        tokenID          `json:"jti,omitempty"`
	Prefix    folder           `json:"prefix,omitzero"`
}

// GetAudience and the other methods of claims implement jwt.Claims.
func (c claims) GetAudience() (jwt.ClaimStrings, error) { return c.Audience, nil }

// GetExpirationTime returns exp.
func (c claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.ExpiresAt, nil }

// GetNotBefore returns nbf.
func (c claims) GetNotBefore() (*jwt.NumericDate, error) { return c.NotBefore, nil }

// GetIssuedAt returns nothing: it does not count.
func (c claims) GetIssuedAt() (*jwt.NumericDate, error) { return nil, nil }

// GetIssuer returns nothing: it does not count.
func (c claims) GetIssuer() (string, error) { return "", nil }

// GetSubject returns nothing: it does not count.
func (c claims) GetSubject() (string, error) { return "", nil }

// Validate refuses a time that is meant to be in milliseconds.
func (c claims) Validate() error {
	if c.ExpiresAt != nil && c.ExpiresAt.Unix() > sign.MaxTime {
		return errors.New("exp is after the year 9999; want seconds since 1970, not milliseconds")
	}
	return nil
}

// tokenID is the name of a token in the list of revoked tokens. The claim 4711 has the
// same text as the claim "4711".
type tokenID string

// UnmarshalJSON takes the text of a string, or the JSON of any other value.
func (id *tokenID) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		text = string(b)
	}
	*id = tokenID(text)
	return nil
}

// folder is the folder that a token is for, as a decoded path. Without this claim
// a token is for the whole site.
type folder struct {
	given bool
	path  string
}

// UnmarshalJSON reads the claim. null is the folder "": the token is good for nothing.
func (f *folder) UnmarshalJSON(b []byte) error {
	f.given = true
	return json.Unmarshal(b, &f.path)
}

// MarshalJSON writes the path.
func (f folder) MarshalJSON() ([]byte, error) { return json.Marshal(f.path) }

// tokensKept is the number of valid tokens that a Gate remembers.
const tokensKept = 4096

// verified is a token that one of the keys has signed for this site. The rest of its check
// depends on the time, the list of revoked tokens and the URI.
type verified struct {
	since, until time.Time
	id           string
	prefix       folder
}

// checkToken returns the pass of a token that is valid at now, which is g.Now's.
func (g *Gate) checkToken(token, uri string, now time.Time) (Pass, error) {
	// The memory has no token that could be stolen from it.
	digest := sha256.Sum256([]byte(token))
	v, ok := g.verified.Get(digest)
	if !ok || !g.lasts(v.since, v.until, now) {
		var err error
		if v, err = g.verify(token, now); err != nil {
			return Pass{}, err
		}
		g.verified.Add(digest, v)
	}
	switch {
	case g.revoked.Load().has(v.id):
		return Pass{}, ErrRevoked
	case v.prefix.given && !covers(v.prefix.path, uri):
		return Pass{}, ErrElsewhere
	}
	return Pass{Until: v.until, since: now, id: v.id}, nil
}

// verify tries token with each key.
func (g *Gate) verify(token string, now time.Time) (verified, error) {
	failed := ErrToken
	for _, key := range g.TokenKeys {
		var c claims
		_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return key.key, nil },
			jwt.WithValidMethods([]string{key.method.Alg()}),
			jwt.WithStrictDecoding(),
			jwt.WithAudience(g.audience()),
			jwt.WithExpirationRequired(),
			jwt.WithLeeway(g.Leeway),
			jwt.WithTimeFunc(func() time.Time { return now }))
		switch {
		case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenInvalidAudience):
			failed = sign.ErrExpired
		case err != nil:
			// The library's errors may quote the token.
		default:
			return verified{now, c.ExpiresAt.Time, string(c.ID), c.Prefix}, nil
		}
	}
	return verified{}, failed
}

// NewToken returns a token for the site that is valid until expires, and for the
// folder prefix alone unless prefix is "". id revokes it.
func (g *Gate) NewToken(id, prefix string, expires time.Time) (string, error) {
	for _, key := range g.TokenKeys {
		if key.Secret() == nil {
			continue
		}
		c := claims{Audience: jwt.ClaimStrings{g.audience()}, ExpiresAt: jwt.NewNumericDate(expires), ID: tokenID(id)}
		if prefix != "" {
			c.Prefix = folder{true, prefix}
		}
		return jwt.NewWithClaims(key.method, c).SignedString(key.key)
	}
	return "", errors.New("token_keys has public keys only; make tokens with the private key")
}
