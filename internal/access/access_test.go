// SPDX-License-Identifier: MIT

package access

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

type vectors struct {
	Key            string
	Now            int64
	Vectors, Bytes []struct {
		Path, Query, Signature, Request string
		Expires                         int64
	}
	Equal   []struct{ Request, Path, Why string }
	Refused []struct {
		Request, Reason, Why string
		Status               int
	}
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	b, err := os.ReadFile("../../testdata/vectors/access.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	for _, x := range v.Bytes {
		path, err := base64.StdEncoding.DecodeString(x.Path)
		if err != nil {
			t.Fatal(err)
		}
		x.Path = string(path)
		v.Vectors = append(v.Vectors, x)
	}
	if len(v.Vectors) < 10 || len(v.Equal) < 5 || len(v.Refused) < 30 {
		t.Fatal("the vectors are not whole")
	}
	return v
}

// ask splits a request line's URI as serve does.
func ask(t *testing.T, raw string) Request {
	t.Helper()
	uri, err := thumb.Normalize(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	raw, _, _ = strings.Cut(raw, "#")
	_, query, _ := strings.Cut(raw, "?")
	return Request{URI: uri, Query: query}
}

func gate(t *testing.T, o Options) *Gate {
	t.Helper()
	if o.Site == "" {
		o.Site = "gallery"
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestVectors(t *testing.T) {
	v := readVectors(t)
	g := gate(t, Options{
		Proofs: []Proof{Signature}, Keys: [][]byte{[]byte("a newer key, which signs"), []byte(v.Key)},
		Now: func() time.Time { return time.Unix(v.Now, 0) },
	})
	for _, x := range v.Vectors {
		q := ask(t, x.Request)
		if q.URI != x.Path || q.Query != x.Query+"&signature="+x.Signature {
			t.Errorf("%s: asks for %q with %q", x.Request, q.URI, q.Query)
		}
		if err := g.Check(q); err != nil {
			t.Errorf("%s: %v", x.Request, err)
		}
		made := sign.Access.Sign(x.Path, sign.Query{Expires: time.Unix(x.Expires, 0)}, []byte(v.Key))
		if want := x.Query + "&signature=" + x.Signature; made != want {
			t.Errorf("Sign(%q) = %q; want %q", x.Path, made, want)
		}
	}
	for _, x := range v.Equal {
		if err := g.Check(ask(t, x.Request)); err != nil {
			t.Errorf("%s (%s): %v", x.Request, x.Why, err)
		}
	}
	reasons := map[string]error{
		"no-proof": sign.ErrNoProof, "query": sign.ErrQuery, "signature": sign.ErrProof, "expired": sign.ErrExpired,
	}
	for _, x := range v.Refused {
		if err := g.Check(ask(t, x.Request)); !errors.Is(err, reasons[x.Reason]) || (x.Status == 401) != errors.Is(err, sign.ErrNoProof) {
			t.Errorf("%s: %v; want %s: %s", x.Request, err, x.Reason, x.Why)
		}
	}
}

func TestLeewayIsForClocksThatDiffer(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	key := []byte("0123456789abcdef")
	g := gate(t, Options{
		Proofs: []Proof{Signature, Token}, Keys: [][]byte{key}, TokenKeys: secret(t), Leeway: 30 * time.Second,
		Now: func() time.Time { return now },
	})
	for _, tt := range []struct {
		expires time.Duration
		want    error
	}{
		{time.Second, nil}, {0, nil}, {-29 * time.Second, nil},
		{-30 * time.Second, sign.ErrExpired}, {-31 * time.Second, sign.ErrExpired}, {-time.Hour, sign.ErrExpired},
	} {
		expires := now.Add(tt.expires)
		err := g.Check(Request{URI: "/t/a", Query: sign.Access.Sign("/t/a", sign.Query{Expires: expires}, key)})
		if !errors.Is(err, tt.want) {
			t.Errorf("signature, %v: %v; want %v", tt.expires, err, tt.want)
		}
		token, err := g.NewToken("", "", expires)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Check(Request{URI: "/t/a", Cookies: []string{token}}); !errors.Is(err, tt.want) {
			t.Errorf("token, %v: %v; want %v", tt.expires, err, tt.want)
		}
	}
}

func TestAnyOneProofSuffices(t *testing.T) {
	key := []byte("0123456789abcdef")
	now := time.Unix(2_000_000_000, 0)
	options := Options{Keys: [][]byte{key}, TokenKeys: secret(t), Now: func() time.Time { return now }}
	maker := gate(t, options)
	good, err := maker.NewToken("", "", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	signature := sign.Access.Sign("/t/a", sign.Query{Expires: now.Add(time.Hour)}, key)
	for _, tt := range []struct {
		name    string
		proofs  []Proof
		request Request
		want    error
	}{
		{"nothing", Proofs, Request{}, sign.ErrNoProof},
		{"signature", Proofs, Request{Query: signature}, nil},
		{"signature where it is none", []Proof{Token, TokenQuery}, Request{Query: signature}, sign.ErrNoProof},
		{"cookie", Proofs, Request{Cookies: []string{good}}, nil},
		{"bearer", Proofs, Request{Bearer: []string{good}}, nil},
		{"cookie where it is none", []Proof{Signature, TokenQuery}, Request{Cookies: []string{good}}, sign.ErrNoProof},
		{"bearer where it is none", []Proof{Signature}, Request{Bearer: []string{good}}, sign.ErrNoProof},
		{"token in the query", Proofs, Request{Query: "token=" + good}, nil},
		{"token in the query, beside others", Proofs, Request{Query: "v=1&token=" + good}, nil},
		{"token in the query where it is none", []Proof{Token}, Request{Query: "token=" + good}, sign.ErrNoProof},
		{"bad signature, good token", Proofs, Request{Query: signature + "A", Cookies: []string{good}}, nil},
		{"good signature, bad token", Proofs, Request{Query: signature, Cookies: []string{"x"}}, nil},
		{"bad signature, bad token", Proofs, Request{Query: signature + "A", Cookies: []string{"x"}}, sign.ErrProof},
		{"no signature, bad token", Proofs, Request{Query: "v=1", Cookies: []string{"x"}}, ErrToken},
		{"an empty cookie", Proofs, Request{Cookies: []string{""}}, ErrToken},
		{"a parent domain's cookie first", Proofs, Request{Cookies: []string{"x", good}}, nil},
		{"the fourth", Proofs, Request{Cookies: []string{"x", "x", "x", good}}, nil},
		{"too many", Proofs, Request{Cookies: []string{"x", "x", "x", "x", good}}, ErrToken},
	} {
		options.Proofs = tt.proofs
		tt.request.URI = "/t/a"
		if err := gate(t, options).Check(tt.request); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
}
