// SPDX-License-Identifier: MIT

package access

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/sign"
)

// A Gate that remembers a token decides as one that has never seen it.
func TestARememberedTokenIsCheckedAgain(t *testing.T) {
	list := filepath.Join(t.TempDir(), "revoked")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	at := now
	g := gate(t, Options{
		Proofs: []Proof{Token}, TokenKeys: secret(t), Revoked: list, Leeway: 30 * time.Second, Now: func() time.Time { return at },
	})
	made := token(t, alg("HS256"), map[string]any{
		"aud": "gallery", "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "seven", "prefix": "/t/",
	}, hs256(theKey))
	in, out := Request{URI: "/t/a", Cookies: []string{made}}, Request{URI: "/u/a", Cookies: []string{made}}
	pass, err := g.Admit(in)
	if err != nil {
		t.Fatal(err)
	}
	if !pass.Until.Equal(now.Add(time.Hour)) {
		t.Errorf("until %v; want %v", pass.Until, now.Add(time.Hour))
	}
	expect := func(when string, want error) {
		t.Helper()
		if err := g.Check(in); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", when, err, want)
		}
		if holds := g.Holds(pass); holds != (want == nil) {
			t.Errorf("%s: holds is %v", when, holds)
		}
	}
	expect("at once", nil)
	if err := g.Check(out); !errors.Is(err, ErrElsewhere) {
		t.Errorf("elsewhere: %v; want %v", err, ErrElsewhere)
	}
	at = now.Add(time.Hour + 30*time.Second - 1)
	expect("within leeway", nil)
	at = at.Add(1)
	expect("over", sign.ErrExpired)
	at = now.Add(-31 * time.Second)
	expect("the clock was set back before nbf", ErrToken)
	at = now
	expect("and forward again", nil)
	write("seven\n")
	if err := g.Refresh(); err != nil {
		t.Fatal(err)
	}
	expect("revoked", ErrRevoked)
	write("the other\n")
	if err := g.Refresh(); err != nil {
		t.Fatal(err)
	}
	expect("allowed again", nil)
}

// The second check of a token costs no signature and no JSON.
func TestARememberedTokenCostsLittle(t *testing.T) {
	g := gate(t, Options{Proofs: []Proof{Token}, TokenKeys: secret(t), Now: func() time.Time { return now }})
	made, err := g.NewToken("id", "", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	q := Request{URI: "/t/a", Cookies: []string{made}}
	// The list of q's tokens is one of the allocations.
	if n := testing.AllocsPerRun(100, func() {
		if err := g.Check(q); err != nil {
			t.Error(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations for each check", n)
	}
}
