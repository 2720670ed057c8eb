// SPDX-License-Identifier: MIT

package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// layoutAnswers are requests and their answers; a reason says that there is no
// picture. The host names the example.
var layoutAnswers = []struct {
	host, target  string
	format        string
	width, height int
	status        int
	location      string
	reason        string
}{
	{host: "shop.example", target: "/media/cache/my_thumb/uploads/dogs.jpg", format: "jpeg", width: 60, height: 90},
	{host: "shop.example", target: "/media/cache/my_thumb/uploads/a%20b.jpg?v=3", format: "jpeg", width: 60, height: 90},
	{host: "shop.example", target: "/media/cache/Wide_2/uploads/dogs.jpg.webp", format: "webp", width: 399, height: 600},
	{host: "shop.example", target: "/media/cache/resolve/my_thumb/uploads/dogs.jpg", status: 302, location: "/media/cache/my_thumb/uploads/dogs.jpg", reason: "resolve"},
	{host: "shop.example", target: "/media/cache/resolve/my_thumb/uploads/a%20b.jpg?x=y", status: 302, location: "/media/cache/my_thumb/uploads/a%20b.jpg", reason: "resolve"},
	{host: "shop.example", target: "/media/cache/outbound/uploads/small.jpg", format: "jpeg", width: 240, height: 160},
	{host: "shop.example", target: "/media/cache/other/uploads/dogs.jpg", status: 404, reason: "unknown-preset"},
	{host: "shop.example", target: "/media/cache/resolve/other/uploads/dogs.jpg", status: 404, reason: "unknown-preset"},
	{host: "shop.example", target: "/media/cache/my_thumb/rc/Xz12Ab9_/uploads/dogs.jpg", status: 404, reason: "no-original"},
	{host: "shop.example", target: "/media/cache/my_thumb/media/cache/my_thumb/uploads/dogs.jpg", status: 404, reason: "absolute-link"},

	{host: "magazine.example", target: "/sites/default/files/styles/thumbnail/public/2024-01/dogs.jpg?itok=Ab_-9xYz", format: "jpeg", width: 67, height: 100},
	{host: "magazine.example", target: "/sites/default/files/styles/large/public/2024-01/dogs.jpg.avif?itok=Ab_-9xYz", format: "avif", width: 320, height: 480},
	{host: "magazine.example", target: "/sites/default/files/styles/large/public/2024-01/dogs.jpg.webp?itok=", format: "webp", width: 320, height: 480},
	{host: "magazine.example", target: "/sites/default/files/styles/large/public/2024-01/square.jpg.webp", format: "webp", width: 240, height: 160},
	{host: "magazine.example", target: "/sites/default/files/styles/thumbnail/public/2024-01/dogs.jpg.webp", status: 404, reason: "no-original"},
	{host: "magazine.example", target: "/sites/default/files/styles/thumbnail/private/dogs.jpg", status: 404, reason: "unknown-preset"},
	{host: "magazine.example", target: "/sites/default/files/styles/wide/public/2024-01/dogs.jpg", status: 404, reason: "unknown-preset"},
	{host: "blog.example", target: "/wp-content/uploads/2024/dogs-200x300.jpg?ver=6.1", format: "jpeg", width: 200, height: 300},
	{host: "blog.example", target: "/wp-content/uploads/2024/dogs-150x150.jpg", format: "jpeg", width: 150, height: 150},
	{host: "blog.example", target: "/wp-content/uploads/2024/dogs-300x300.jpg", status: 404},
	{host: "blog.example", target: "/wp-content/uploads/2024/x.php", status: 403},
	// A style that stays Drupal's, whose PHP is stopped.
	{host: "magazine.example", target: "/sites/default/files/styles/rotated/public/2024-01/dogs.jpg", status: 502},
	{host: "shop.example", target: "/media/cache/resolve/collage/uploads/dogs.jpg", status: 502},
}

// TestLayouts runs the examples' server blocks and sites, both in one nginx and
// one thumbd, with PHP stopped: first without any thumbnail, and then without
// thumbd.
func TestLayouts(t *testing.T) {
	r, client, roots := startLayouts(t)
	for _, stopped := range []bool{false, true} {
		if stopped {
			if err := r.StopDaemon(); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range layoutAnswers {
			if stopped && tt.format == "" {
				continue
			}
			got := client.get(t, tt.host, tt.target)
			if tt.format != "" {
				kit.Picture(t, got, tt.format, tt.width, tt.height)
				continue
			}
			if got.Status != tt.status || got.Header.Get("Location") != tt.location || got.Header.Get("X-Thumbd-Reason") != tt.reason {
				t.Errorf("%s: %d to %q, %q", tt.target, got.Status, got.Header.Get("Location"), got.Header.Get("X-Thumbd-Reason"))
			}
		}
	}
	// No URI but that of a picture has left a file.
	files := 0
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.Contains(path, "/.thumbd/") {
				files++
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files != 10 {
		t.Errorf("%d files, want 10", files)
	}
}

// TestDoctorAcceptsTheLayouts looks at the examples' server blocks.
func TestDoctorAcceptsTheLayouts(t *testing.T) {
	r, _, _ := startLayouts(t)
	for _, f := range kit.Examine(t, r).Findings {
		if strings.Contains(f.Where, "shop") || strings.Contains(f.Where, "magazine") || strings.Contains(f.Where, "blog") {
			t.Errorf("%+v", f)
		}
	}
}

// toServers sends requests to a server block of nginx.
type toServers struct{ *http.Client }

func (c toServers) get(t *testing.T, host, target string) rig.Response {
	t.Helper()
	resp, err := c.Get("http://" + host + target)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rig.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}
}

// startLayouts starts the examples, each with originals as its system lays them
// out, and returns the document roots.
func startLayouts(t *testing.T) (*rig.Rig, toServers, []string) {
	t.Helper()
	examples := filepath.Join(filepath.Dir(kit.Testdata(t, ".")), "packaging/examples")
	socket := filepath.Join(t.TempDir(), "front.sock")
	const dogs, other = "originals/photos/dogs.jpg", "originals/tests/orientation/1.jpg"
	shop := kit.Folder(t, map[string]string{"uploads/dogs.jpg": dogs, "uploads/a b.jpg": dogs, "uploads/small.jpg": other})
	// The second is named exactly as the URI of the first as WebP.
	magazine := kit.Folder(t, map[string]string{"2024-01/dogs.jpg": dogs, "2024-01/square.jpg": dogs, "2024-01/square.jpg.webp": other})
	blog := kit.Folder(t, map[string]string{"wp-content/uploads/2024/dogs.jpg": dogs})
	roots := []string{kit.Folder(t, nil), kit.Folder(t, nil), kit.Folder(t, nil)}
	// Liip finds what is published through this link, and thumbd no original.
	if err := os.MkdirAll(filepath.Join(shop, "media"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(roots[0], "media/cache"), filepath.Join(shop, "media/cache")); err != nil {
		t.Fatal(err)
	}
	replace := strings.NewReplacer(
		"/var/cache/thumbd/shop", roots[0], "/var/cache/thumbd/magazine", roots[1],
		"/var/cache/thumbd/blog", roots[2], "/srv/blog", blog,
		"/srv/magazine/web/sites/default/files", magazine, "/srv/shop/public", shop, "/srv/magazine/web", magazine,
		"80;", "unix:"+socket+";", "/run/php/php-fpm.sock", socket+".php", "fastcgi_params;", "/etc/nginx/fastcgi_params;",
	)
	var conf, toml strings.Builder
	for _, name := range []string{"liip", "drupal", "wordpress"} {
		for file, to := range map[string]*strings.Builder{"nginx.conf": &conf, "thumbd.toml": &toml} {
			b, err := os.ReadFile(filepath.Join(examples, name, file))
			if err != nil {
				t.Fatal(err)
			}
			to.WriteString(replace.Replace(string(b)))
		}
	}
	r := kit.Start(t, rig.Options{TOML: toml.String(), HTTP: conf.String()})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return r, toServers{&http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, roots
}
