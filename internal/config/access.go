// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"thumbd/internal/access"
)

// cookiePattern is a cookie's name (RFC 6265, section 4.1.1).
var cookiePattern = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}$")

// keyUse is the purpose of a key, for example a site's URLs. A key must not have two
// purposes: a signature for one purpose would be good for the other.
type keyUse struct {
	key     string // dotted, of the list that names it
	purpose string
	name    string
	content []byte
}

// access reads and checks the section access of d.
func (r *reader) access(d *draft) {
	for i, content := range d.Thumb.Keys {
		d.uses = append(d.uses, keyUse{d.table.at("keys"), "URLs of thumbnails", d.keys[i], content})
	}
	t, ok := r.table(d.table, "access")
	if !ok {
		return
	}
	o := &access.Options{Site: d.Thumb.Name, Cookie: "thumbd", Leeway: 30 * time.Second}
	r.read(t, accessFields(d, o))
	if o.Revoked != "" && !filepath.IsAbs(o.Revoked) {
		o.Revoked = filepath.Join(filepath.Dir(r.files[0]), o.Revoked)
	}
	d.Access = o
	r.missing(t, "proofs", `["signature", "token"]`)
	if t.has("proofs") && !r.bad[t.at("proofs")] && len(o.Proofs) == 0 {
		r.mistake(t.at("proofs"), "is empty, and nobody could see anything; name one of signature, token and token-query")
	}
	if !r.sound(t, "proofs") {
		return
	}
	tokens := slices.Contains(o.Proofs, access.Token) || slices.Contains(o.Proofs, access.TokenQuery)
	o.Keys = r.accessKeys(d, keyList{t, "keys", slices.Contains(o.Proofs, access.Signature), "signature", "access.key"}, d.accessKeys)
	for i, content := range r.accessKeys(d, keyList{t, "token_keys", tokens, "token", "jwt.pem"}, d.tokenKeys) {
		keys, err := access.ParseTokenKeys(content)
		switch {
		case err != nil:
			r.mistake(t.at("token_keys"), "%s %v", d.tokenKeys[i], err)
		case len(content) < shortKey && len(content) > 0:
			r.mistake(t.at("token_keys"), "%s is %d bytes long, and under %d can be guessed; %s", d.tokenKeys[i], len(content), shortKey, keyRemedy)
		}
		o.TokenKeys = append(o.TokenKeys, keys...)
	}
}

func accessFields(d *draft, o *access.Options) fields {
	return fields{
		"proofs":     list(&o.Proofs, proof),
		"keys":       list(&d.accessKeys, keyName),
		"cookie":     text(&o.Cookie, checkCookie),
		"token_keys": list(&d.tokenKeys, keyName),
		"audience":   text(&o.Audience, checkAudience),
		"leeway":     duration(&o.Leeway, 0, time.Hour),
		"revoked":    text(&o.Revoked, checkFile),
	}
}

func proof(v any) (access.Proof, error) {
	s, _ := v.(string)
	if !slices.Contains(access.Proofs, access.Proof(s)) {
		return "", fmt.Errorf("want signature, token or token-query, have %s", have(v))
	}
	return access.Proof(s), nil
}

func checkCookie(s string) error {
	if !cookiePattern.MatchString(s) {
		return fmt.Errorf("want the name of a cookie, have %q", s)
	}
	return nil
}

// checkAudience accepts a text for the claim aud of tokens.
func checkAudience(s string) error {
	if s == "" {
		return errors.New("is empty; remove it for the name of the site")
	}
	return nil
}

// checkFile accepts the path of a file, relative to the configuration's own
// folder.
func checkFile(s string) error {
	if _, err := keyName(s); err != nil {
		return fmt.Errorf("want the name of a file beside the configuration or an absolute path, have %q", s)
	}
	return nil
}

// keyList is a list of keys that a proof needs, or has no use for.
type keyList struct {
	table   table
	name    string
	needed  bool
	proof   string
	example string
}

// accessKeys reads the keys of names.
func (r *reader) accessKeys(d *draft, l keyList, names []string) [][]byte {
	key := l.table.at(l.name)
	switch {
	case r.bad[key]:
		return nil
	case !l.needed && len(names) > 0:
		r.mistake(key, "no proof needs it; add %s to proofs, or remove it", l.proof)
		return nil
	case l.needed && !l.table.has(l.name):
		r.missing(l.table, l.name, fmt.Sprintf("[%q]", l.example))
	case l.needed && len(names) == 0:
		r.mistake(key, "is empty; the proof %s needs a key", l.proof)
	}
	purpose := "signatures for access"
	if l.proof == "token" {
		purpose = "tokens"
	}
	var contents [][]byte
	for _, name := range names {
		content := r.key(key, name)
		if l.proof == "signature" && len(content) > 0 {
			r.checkLength(key, name, content)
		}
		d.uses = append(d.uses, keyUse{key, purpose, name, content})
		contents = append(contents, content)
	}
	return contents
}

// key reads one key. If this fails, it notes a mistake and returns an empty key.
func (r *reader) key(key, name string) []byte {
	content, err := r.env.Key(name)
	if err == nil && len(content) == 0 {
		err = errors.New(name + " is empty; " + keyRemedy)
	}
	if err != nil {
		r.mistake(key, "%v", err)
		return nil
	}
	return content
}

func (r *reader) checkLength(key, name string, content []byte) {
	if len(content) < shortKey {
		r.mistake(key, "%s is %d bytes long, and under %d can be guessed; %s", name, len(content), shortKey, keyRemedy)
	}
}

// compareUses notes a key that is for two purposes, at the later line, and a key of
// authtoken that is for two sections, because such a URL does not name its section.
func (r *reader) compareUses(claims []*claim) {
	uses := slices.Clone(r.uses)
	for _, c := range claims {
		uses = append(uses, c.uses...)
	}
	for i, b := range uses {
		for _, a := range uses[:i] {
			switch {
			case len(a.content) == 0 || !bytes.Equal(a.content, b.content):
			case a.purpose != b.purpose:
				r.mistake(b.key, "%s is a key of %s (%s) too, which is for %s; each purpose needs its own", b.name, a.key, r.line(a.key), a.purpose)
			case a.purpose == anySection && a.key != b.key:
				r.mistake(b.key, "%s is a key of %s (%s) too; each needs its own", b.name, a.key, r.line(a.key))
			}
		}
	}
}

// compareAccess notes an access key that two sites of overlapping prefixes share.
func (r *reader) compareAccess(a, b *draft) {
	if a.Access == nil || b.Access == nil || !a.Thumb.Overlaps(&b.Thumb.Route) {
		return
	}
	for i, x := range b.Access.Keys {
		for _, y := range a.Access.Keys {
			if len(x) > 0 && bytes.Equal(x, y) {
				r.mistake(b.table.at("access")+".keys", "%s is a key of %s too, which has an overlapping prefix; each needs its own", b.accessKeys[i], r.ref(a.table))
			}
		}
	}
}
