// SPDX-License-Identifier: MIT

// Package access decides whether a request may see a URI of a protected site. The
// request proves it by a signed query or a token. A decision reads no file.
package access

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// Errors of a proof, beside sign's ErrNoProof, ErrQuery, ErrProof and ErrExpired.
var (
	// ErrToken means that a token is malformed, is signed by none of the keys, is
	// for another site, or is not valid yet.
	ErrToken = errors.New("the token is wrong")
	// ErrRevoked means that a valid token is on the list of revoked tokens.
	ErrRevoked = errors.New("the token is revoked")
	// ErrElsewhere means that a valid token is for another folder.
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

// maxTried is the number of tokens of one request that are tried. A browser sends
// one, or two with a cookie of the same name for a parent domain.
const maxTried = 4

// Options are the options of a Gate, as in thumbd.toml(5).
type Options struct {
	Site      string
	Audience  string  // that tokens name in their claim aud; "": Site
	Proofs    []Proof // any one suffices
	Keys      [][]byte
	Cookie    string
	TokenKeys []TokenKey
	Leeway    time.Duration
	Revoked   string // absolute path; "": none can be revoked
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Gate decides for one site. Its methods are safe for concurrent use.
type Gate struct {
	Options
	signed   *sign.Verifier
	verified *lru.Cache[[sha256.Size]byte, verified] // by the token's digest
	revoked  atomic.Pointer[revocations]
	reported bool // of Refresh alone
}

// Pass is a proof that was valid for one request.
type Pass struct {
	// Until is when the proof ends, without Leeway.
	Until time.Time
	// since is when the proof was valid.
	since time.Time
	// id revokes the proof; "": it can't be revoked.
	id string
}

// Request has the parts of a request that may hold a proof.
type Request struct {
	URI     string   // decoded, as nginx's $uri
	Query   string   // raw
	Cookies []string // values of the cookie with the Gate's name
	Bearer  []string // tokens of Authorization: Bearer
}

// New returns a Gate. It reads the list of revoked tokens.
func New(o Options) (*Gate, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	cache, err := lru.New[[sha256.Size]byte, verified](tokensKept)
	if err != nil {
		return nil, err
	}
	g := &Gate{Options: o, signed: sign.Access.Verifier(o.Keys), verified: cache}
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

// audience returns the text that a token must have in its claim aud.
func (g *Gate) audience() string {
	if g.Audience != "" {
		return g.Audience
	}
	return g.Site
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

// Check returns nil if r has a valid proof. If r has no proof, the error is
// ErrNoProof; otherwise it is the error of the first proof.
func (g *Gate) Check(r Request) error {
	_, err := g.Admit(r)
	return err
}

// Admit returns r's valid proof. Its error is that of Check.
func (g *Gate) Admit(r Request) (Pass, error) {
	var first error
	// Without Go's monotonic time, which does not show that the clock was set back.
	now := g.Now().Round(0)
	if g.Accepts(Signature) {
		// Leeway is for clocks that differ: the time is taken as that much earlier.
		q, err := g.signed.Verify(r.URI, r.Query, now.Add(-g.Leeway))
		if err == nil {
			return Pass{Until: q.Expires, since: now}, nil
		}
		first = err
	}
	for i, token := range g.tokens(r) {
		if i == maxTried {
			break
		}
		pass, err := g.checkToken(token, r.URI, now)
		if err == nil {
			return pass, nil
		}
		if first == nil || errors.Is(first, sign.ErrNoProof) {
			first = err
		}
	}
	if first == nil {
		first = sign.ErrNoProof
	}
	return Pass{}, first
}

// Holds reports whether p, which Admit has returned, is still valid for the same request:
// it has neither ended nor been revoked.
func (g *Gate) Holds(p Pass) bool {
	return g.lasts(p.since, p.Until, g.Now()) && !g.revoked.Load().has(p.id)
}

// lasts reports whether a proof that was valid at since, and ends at until, is valid at
// now. If the clock was set back, the proof may not be valid yet.
func (g *Gate) lasts(since, until, now time.Time) bool {
	return !now.Before(since) && now.Before(until.Add(g.Leeway))
}

// tokens returns r's tokens of the kinds that g accepts.
func (g *Gate) tokens(r Request) []string {
	var tokens []string
	if g.Accepts(Token) {
		tokens = append(append(tokens, r.Bearer...), r.Cookies...)
	}
	if g.Accepts(TokenQuery) {
		for parameter := range strings.SplitSeq(r.Query, "&") {
			if value, ok := strings.CutPrefix(parameter, "token="); ok {
				// A value that can't be decoded is no token.
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
