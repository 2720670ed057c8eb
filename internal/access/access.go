// SPDX-License-Identifier: MIT

// Package access decides whether a request may see a protected site's URI, by
// what it presents: a signed query or a token. It looks at no file while it
// decides.
package access

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// Why a request may not see a URI, beside sign's ErrNoProof, ErrQuery,
// ErrProof and ErrExpired.
var (
	// ErrToken is a token that no key has signed, that is for another site or
	// not good yet, or that is none at all.
	ErrToken = errors.New("the token is wrong")
	// ErrRevoked is a token that would be good but was taken back.
	ErrRevoked = errors.New("the token is revoked")
	// ErrElsewhere is a good token for another folder.
	ErrElsewhere = errors.New("the token is for another folder")
)

// Proof is a kind of proof.
type Proof string

// The kinds of proof, by their names in thumbd.toml.
const (
	Signature  Proof = "signature"
	Token      Proof = "token"
	TokenQuery Proof = "token-query"
)

// Proofs are all kinds of proof.
var Proofs = []Proof{Signature, Token, TokenQuery}

// maxTried of one request are tried. A browser sends one; it sends two with a
// cookie of the same name for a parent domain.
const maxTried = 4

// Options are a Gate's, as thumbd.toml(5) describes them.
type Options struct {
	Site      string  // the audience of tokens
	Proofs    []Proof // any one suffices
	Keys      [][]byte
	Cookie    string
	TokenKeys []TokenKey
	Leeway    time.Duration
	Revoked   string // absolute path; "": none can be revoked
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Gate guards one site. Its methods may be called at the same time.
type Gate struct {
	Options
	revoked  atomic.Pointer[revocations]
	reported bool // of Refresh alone
}

// Request is what a request presents.
type Request struct {
	URI     string   // decoded, as nginx's $uri
	Query   string   // raw
	Cookies []string // values of the cookie with the Gate's name
	Bearer  []string // tokens of Authorization: Bearer
}

// New returns a Gate, with what is revoked now.
func New(o Options) (*Gate, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gate{Options: o}
	g.revoked.Store(&revocations{})
	if o.Revoked == "" {
		return g, nil
	}
	r, err := readRevocations(o.Revoked)
	if err != nil {
		return nil, err
	}
	g.revoked.Store(r)
	return g, nil
}

// Accepts reports whether p is one of the Gate's proofs.
func (g *Gate) Accepts(p Proof) bool {
	for _, x := range g.Proofs {
		if x == p {
			return true
		}
	}
	return false
}

// Check returns nil if one of the proofs that r presents is good. Otherwise
// the error is ErrNoProof if there is none, or what is wrong with the first.
func (g *Gate) Check(r Request) error {
	var first error
	if g.Accepts(Signature) {
		// Leeway is for clocks that differ: as if it were that much earlier.
		_, err := sign.Access.Verify(r.URI, r.Query, g.Keys, g.Now().Add(-g.Leeway))
		if err == nil {
			return nil
		}
		first = err
	}
	for i, token := range g.tokens(r) {
		if i == maxTried {
			break
		}
		err := g.checkToken(token, r.URI)
		if err == nil {
			return nil
		}
		if first == nil || errors.Is(first, sign.ErrNoProof) {
			first = err
		}
	}
	if first == nil {
		first = sign.ErrNoProof
	}
	return first
}

// tokens returns what r presents of the kinds that g accepts.
func (g *Gate) tokens(r Request) []string {
	var tokens []string
	if g.Accepts(Token) {
		tokens = append(append(tokens, r.Bearer...), r.Cookies...)
	}
	if g.Accepts(TokenQuery) {
		for parameter := range strings.SplitSeq(r.Query, "&") {
			if value, ok := strings.CutPrefix(parameter, "token="); ok {
				// One that can't be decoded is wrong as a token too.
				if decoded, err := thumb.Unescape(value); err == nil {
					value = decoded
				}
				tokens = append(tokens, value)
			}
		}
	}
	return tokens
}

// covers reports whether uri is the folder prefix, a decoded path that begins
// with /, or below it.
func covers(prefix, uri string) bool {
	if !strings.HasPrefix(prefix, "/") {
		return false
	}
	return strings.HasPrefix(uri, strings.TrimSuffix(prefix, "/")+"/")
}

// Folder returns the prefix claim for a path below the site's prefix, or for a
// whole path.
func Folder(sitePrefix, path string) (string, error) {
	if !strings.HasPrefix(path, "/") {
		path = sitePrefix + path
	}
	if !covers(sitePrefix, strings.TrimSuffix(path, "/")+"/") {
		return "", fmt.Errorf("%q is not below %s", path, sitePrefix)
	}
	return strings.TrimSuffix(path, "/") + "/", nil
}
