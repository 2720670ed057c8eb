// SPDX-License-Identifier: MIT

package guards

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// cached is a rig of a protected site whose nginx keeps allowed questions for a second,
// as thumbd(8) says.
func cached(t *testing.T) *rig.Rig {
	t.Helper()
	o := kit.Protected(t, rig.Options{
		Metrics: true,
		HTTP:    "proxy_cache_path answers levels=1:2 keys_zone=thumbd_auth:10m inactive=1m use_temp_path=off;",
		Server:  "location /open/ { return 200 open; }",
	})
	o.Sites[0].Location = "set $thumbd_auth_cache thumbd_auth;"
	return kit.Start(t, o)
}

var allowedTotal = regexp.MustCompile(`(?m)^thumbd_auth_total\{outcome="allowed"\} (\d+)`)

// allowedQuestions returns the number of questions that thumbd itself has allowed.
func allowedQuestions(t *testing.T, r *rig.Rig) int {
	t.Helper()
	resp, err := r.Do(t.Context(), rig.Request{Target: "/metrics", Metrics: true})
	if err != nil {
		t.Fatal(err)
	}
	found := allowedTotal.FindSubmatch(resp.Body)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// entries returns nginx's files in its cache.
func entries(t *testing.T, r *rig.Rig) [][]byte {
	t.Helper()
	var all [][]byte
	err := filepath.WalkDir(filepath.Join(r.Dir, "answers"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		all = append(all, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCachedProofServesNobodyElse asks, each time directly after an allowed question that
// nginx keeps, for the same picture with every other proof, and for other pictures.
func TestCachedProofServesNobodyElse(t *testing.T) {
	r := cached(t)
	card := kit.Signed("/thumbs/", "photos/dogs.jpg", "60x60_crop", "jpg")
	other := kit.Signed("/thumbs/", "photos/drum.jpg", "60x60_crop", "jpg")
	for _, uri := range []string{card, other} {
		kit.Put(t, r.File("gallery", uri), []byte("a hit"))
	}
	token := kit.JWT(t, "HS256", kit.Claims("gallery", time.Hour, "prefix", filepath.Dir(card)+"/"), kit.SecretSigner(kit.TokenKey))
	good := map[string][]string{
		rig.Escape(card) + kit.Proof(kit.AccessKey, "access", card, kit.Expires(time.Hour)): nil,
		rig.Escape(card): {"Cookie: thumbd=" + token},
	}
	for target, header := range good {
		for _, x := range append(attempts(t, card, other),
			attempt{"another picture without a proof", rig.Escape(other), "", 401, "no-proof"},
			attempt{"another picture with a token of a folder", rig.Escape(other), "Cookie: thumbd=" + token, 403, "elsewhere"},
			attempt{"a cookie as a bearer of another scheme", rig.Escape(card), "Authorization: thumbd=" + token, 401, "no-proof"},
			attempt{"an open page", "/open/x", "", 200, ""}) {
			var lines []string
			if x.header != "" {
				lines = strings.Split(x.header, "\r\n")
			}
			for range 2 {
				kit.Expect(t, kit.Get(t, r, target, header...), 200, "")
				resp := kit.Get(t, r, x.target, lines...)
				if got := resp.Header.Get("X-Thumbd-Reason"); resp.Status != x.status || got != x.reason {
					t.Errorf("%s: %d %q; want %d %q", x.name, resp.Status, got, x.status, x.reason)
				}
			}
		}
	}
	files := entries(t, r)
	if len(files) == 0 {
		t.Fatal("nginx has kept nothing")
	}
	key := regexp.MustCompile(`\nKEY: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d\nlocalhost\n/[^\n]*\n` + regexp.QuoteMeta(r.Root("gallery")) + `\n[^\n]*\n[^\n]*\nHTTP/1.1 204 `)
	for _, b := range files {
		if !key.Match(b) {
			t.Errorf("in the cache:\n%q", b)
		}
	}
}

// TestCachedAnswersSpareQuestions holds that nginx answers a repeated question itself, and
// a miss then has its marker.
func TestCachedAnswersSpareQuestions(t *testing.T) {
	r := cached(t)
	card := kit.Signed("/thumbs/", "photos/dogs.jpg", "60x60_crop", "jpg")
	target := rig.Escape(card) + kit.Proof(kit.AccessKey, "access", card, kit.Expires(time.Hour))
	deadline := time.After(aid.Patience)
	for {
		before := allowedQuestions(t, r)
		for range 10 {
			if err := os.RemoveAll(r.File("gallery", card)); err != nil {
				t.Fatal(err)
			}
			kit.Expect(t, kit.Get(t, r, target), 200, "")
		}
		if allowedQuestions(t, r)-before < 10 {
			return
		}
		select {
		case <-deadline:
			t.Fatal("nginx asks each time")
		default:
		}
	}
}

// TestCachedAnswerLastsASecond revokes a token whose answer nginx keeps. No request that
// begins in a later second than thumbd's first refusal is allowed.
func TestCachedAnswerLastsASecond(t *testing.T) {
	r := cached(t)
	card := kit.Signed("/thumbs/", "photos/dogs.jpg", "60x60_crop", "jpg")
	kit.Put(t, r.File("gallery", card), []byte("a hit"))
	target := rig.Escape(card)
	cookie := "Cookie: thumbd=" + kit.JWT(t, "HS256", kit.Claims("gallery", time.Hour, "jti", "smith-7"), kit.SecretSigner(kit.TokenKey))
	kept := target
	kit.Expect(t, kit.Get(t, r, kept, cookie), 200, "")
	if err := os.WriteFile(filepath.Join(r.Dir, "revoked.txt"), []byte("smith-7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(aid.Patience)
	// Each query makes a question of its own. The last one that is allowed was kept directly
	// before thumbd's first refusal.
	for i := 0; ; i++ {
		next := fmt.Sprint(target, "?", i)
		if kit.Get(t, r, next, cookie).Status != 200 {
			break
		}
		kept = next
		select {
		case <-deadline:
			t.Fatal("still not revoked")
		default:
		}
	}
	refused := time.Now()
	for {
		asked := time.Now()
		resp := kit.Get(t, r, kept, cookie)
		if resp.Status == 403 {
			return
		}
		if asked.Unix() > refused.Unix() {
			t.Fatalf("%d at %v; refused since %v", resp.Status, asked, refused)
		}
	}
}

// TestNoAnswerIsCachedUnasked holds that a server's own settings of its cache have nginx
// keep no answer, unless the site's location names a zone.
func TestNoAnswerIsCachedUnasked(t *testing.T) {
	r := kit.Start(t, kit.Protected(t, rig.Options{
		Metrics: true,
		HTTP:    "proxy_cache_path answers keys_zone=all:1m; proxy_cache all; proxy_cache_key x; proxy_cache_valid any 1h; proxy_cache_use_stale error;",
	}))
	card := kit.Signed("/thumbs/", "photos/dogs.jpg", "60x60_crop", "jpg")
	kit.Put(t, r.File("gallery", card), []byte("a hit"))
	target := rig.Escape(card) + kit.Proof(kit.AccessKey, "access", card, kit.Expires(time.Hour))
	for range 10 {
		kit.Expect(t, kit.Get(t, r, target), 200, "")
		kit.Expect(t, kit.Get(t, r, rig.Escape(card)), 401, "no-proof")
	}
	if n := allowedQuestions(t, r); n != 10 {
		t.Errorf("thumbd was asked %d times; want 10", n)
	}
	if files := entries(t, r); len(files) != 0 {
		t.Errorf("in the cache:\n%q", bytes.Join(files, nil))
	}
}

// TestUnknownZoneServesNobody holds that a zone that no proxy_cache_path has is no way in.
func TestUnknownZoneServesNobody(t *testing.T) {
	o := kit.Protected(t, rig.Options{HTTP: "proxy_cache_path answers keys_zone=other:1m;"})
	o.Sites[0].Location = "set $thumbd_auth_cache thumbd_auth;"
	r := kit.Start(t, o)
	card := kit.Signed("/thumbs/", "photos/dogs.jpg", "60x60_crop", "jpg")
	kit.Put(t, r.File("gallery", card), []byte("a hit"))
	target := rig.Escape(card) + kit.Proof(kit.AccessKey, "access", card, kit.Expires(time.Hour))
	if resp := kit.Get(t, r, target); resp.Status != 500 {
		t.Errorf("%d; want 500", resp.Status)
	}
}
