// SPDX-License-Identifier: MIT

package frontends

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// TestGalleryBehindALogin runs the example's application, server block and
// site.
func TestGalleryBehindALogin(t *testing.T) {
	example := filepath.Join(filepath.Dir(kit.Testdata(t, ".")), "packaging/examples/gallery")
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(example, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	photos := kit.Testdata(t, "originals/photos")
	socket := filepath.Join(t.TempDir(), "front.sock")
	port := kit.FreePort(t)
	replace := func(text string, pairs ...string) string {
		t.Helper()
		for i := 0; i < len(pairs); i += 2 {
			if strings.Count(text, pairs[i]) != 1 {
				t.Fatalf("the example has %d of %s", strings.Count(text, pairs[i]), pairs[i])
			}
			text = strings.Replace(text, pairs[i], pairs[i+1], 1)
		}
		return text
	}
	root := kit.Folder(t, nil)
	r := kit.Start(t, rig.Options{
		TOML: replace(read("thumbd.toml"), "/var/cache/thumbd/gallery", root, "/srv/gallery", photos),
		HTTP: replace(read("nginx.conf"), "80;", "unix:"+socket+";", "/var/cache/thumbd/gallery", root, "127.0.0.1:8000", port),
		Keys: map[string]string{"gallery-token.key": kit.TokenKey + "\n"},
	})
	app := exec.Command("python3", "-B", filepath.Join(example, "app.py"), port[strings.LastIndex(port, ":")+1:],
		filepath.Join(r.Dir, "keys/gallery-token.key"), photos, "smith:a password")
	ended, out := kit.Background(t, app)
	awaitPort(t, port, ended, out)

	jar := &cookies{}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	b := browser{&http.Client{
		Transport: transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, "http://gallery.example"}
	const card = "/thumbs/card/fig.jpg"
	if resp, _ := b.get(t, card); resp.StatusCode != 302 || resp.Header.Get("Location") != "http://gallery.example/login" {
		t.Errorf("a stranger: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, body := b.get(t, "/"); resp.StatusCode != 200 || !strings.Contains(string(body), card) {
		t.Errorf("the page: %d %s", resp.StatusCode, body)
	}
	login := func(password string) *http.Response {
		t.Helper()
		resp, err := b.client.PostForm(b.base+"/login", url.Values{"user": {"smith"}, "password": {password}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if resp := login("another"); resp.StatusCode != 403 || len(resp.Cookies()) != 0 {
		t.Errorf("a wrong password: %d", resp.StatusCode)
	}
	if resp := login("a password"); resp.StatusCode != 303 {
		t.Errorf("a login: %d", resp.StatusCode)
	}
	for range 2 {
		resp, body := b.get(t, card)
		kit.Picture(t, rig.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, "jpeg", 400, 300)
	}
	*jar = cookies{}
	if resp, _ := b.get(t, card); resp.StatusCode != 302 {
		t.Errorf("a stranger, and it is there: %d", resp.StatusCode)
	}
}

// cookies is a jar that knows no domains.
type cookies struct{ all []*http.Cookie }

func (c *cookies) SetCookies(_ *url.URL, all []*http.Cookie) { c.all = append(c.all, all...) }
func (c *cookies) Cookies(*url.URL) []*http.Cookie           { return c.all }
