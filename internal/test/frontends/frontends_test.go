// SPDX-License-Identifier: MIT

package frontends

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// front is a server in front of thumbd that is no nginx.
type front struct {
	program string // and Debian's package of the same name
	needs   string // a file that proves the rest
	args    func(config string) []string
	config  func(f frontConfig) string
}

type frontConfig struct {
	dir, socket, user, group string
	addr                     *net.TCPAddr
}

var fronts = map[string]front{
	"Apache": {
		"apache2", "/usr/lib/apache2/modules/mod_xsendfile.so",
		func(config string) []string { return []string{"-D", "FOREGROUND", "-f", config} },
		func(f frontConfig) string {
			return fmt.Sprintf(`
ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile %[1]s/apache.pid
ErrorLog %[1]s/apache.log
ServerName localhost
Listen %[2]s
%[6]sUser %[4]s
%[6]sGroup %[5]s
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule xsendfile_module /usr/lib/apache2/modules/mod_xsendfile.so
XSendFile on
XSendFilePath /
AllowEncodedSlashes NoDecode
ProxyPass / unix:%[3]s|http://localhost/ nocanon
`, f.dir, f.addr, f.socket, f.user, f.group, onlyRoot())
		},
	},
	"lighttpd": {
		"lighttpd", "/usr/lib/lighttpd/mod_proxy.so",
		func(config string) []string { return []string{"-D", "-f", config} },
		func(f frontConfig) string {
			return fmt.Sprintf(`
server.modules = ("mod_proxy")
server.document-root = "%[1]s"
server.upload-dirs = ("%[1]s")
server.errorlog = "%[1]s/lighttpd.log"
server.bind = "%[6]s"
server.port = %[2]d
%[7]sserver.username = "%[4]s"
%[7]sserver.groupname = "%[5]s"
proxy.server = ("" => (("socket" => "%[3]s", "x-sendfile" => "enable")))
`, f.dir, f.addr.Port, f.socket, f.user, f.group, f.addr.IP, onlyRoot())
		},
	},
}

// onlyRoot begins a line that sets the user, which only root can.
func onlyRoot() string {
	if os.Geteuid() == 0 {
		return ""
	}
	return "#"
}

// startFront starts the server in front of r's thumbd, and returns its URL.
func startFront(t *testing.T, x front, r *rig.Rig) string {
	t.Helper()
	path, err := exec.LookPath(x.program)
	if err != nil {
		path = "/usr/sbin/" + x.program
	}
	for _, needed := range []string{path, x.needs} {
		if _, err := os.Stat(needed); err != nil {
			t.Fatalf("%v: make test installs it", err)
		}
	}
	// In r's folder, for its server to enter.
	dir := filepath.Join(r.Dir, "front")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	addr, err := net.ResolveTCPAddr("tcp4", kit.FreePort(t))
	if err != nil {
		t.Fatal(err)
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "front.conf")
	kit.Put(t, config, []byte(x.config(frontConfig{dir: dir, socket: filepath.Join(r.Dir, "thumbd.sock"), user: u.Username, group: g.Name, addr: addr})))
	ended, out := kit.Background(t, exec.Command(path, x.args(config)...))
	awaitPort(t, addr.String(), ended, out)
	return "http://" + addr.String()
}

func awaitPort(t *testing.T, addr string, ended <-chan struct{}, out *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("it has ended: %s", out)
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// browser asks one server.
type browser struct {
	client *http.Client
	base   string
}

func (b browser) get(t *testing.T, target string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// TestOtherFronts has other servers send downloads and thumbnails.
func TestOtherFronts(t *testing.T) {
	for name, x := range fronts {
		t.Run(name, func(t *testing.T) {
			o := kit.Downloads(t, kit.Documents(t))
			o.TOML = "[daemon]\naccel = \"sendfile\"\n" + o.TOML
			r := kit.Start(t, o)
			checkFront(t, browser{http.DefaultClient, startFront(t, x, r)})
		})
	}
}

// TestDirect has thumbd send them itself, with no server in front.
func TestDirect(t *testing.T) {
	o := kit.Downloads(t, kit.Documents(t))
	o.TOML = "[daemon]\naccel = \"direct\"\n" + o.TOML
	r := kit.Start(t, o)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(r.Dir, "thumbd.sock"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	checkFront(t, browser{&http.Client{Transport: transport}, "http://localhost"})
}

func checkFront(t *testing.T, b browser) {
	t.Helper()
	resp, body := b.get(t, kit.SignedFile("/signed/report.pdf", "&download=a%20b.pdf"))
	if resp.StatusCode != 200 || string(body) != "%PDF- a report" {
		t.Errorf("a file: %d %q", resp.StatusCode, body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/pdf", "Content-Disposition": `attachment; filename="a b.pdf"`, "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache", "X-Sendfile": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("a file: %s: %q; want %q", name, got, want)
		}
	}
	if resp, body := b.get(t, rig.Escape("/open/été à la plage/100% sûr?#.txt")); resp.StatusCode != 200 || string(body) != "beach" {
		t.Errorf("a name: %d %q", resp.StatusCode, body)
	}
	resp, body = b.get(t, "/open/large.bin", "Range", "bytes=999990-")
	if resp.StatusCode != 206 || string(body) != "0123456789" {
		t.Errorf("a range: %d, %d bytes", resp.StatusCode, len(body))
	}
	for target, status := range map[string]int{
		"/signed/report.pdf": 401, "/open/.htpasswd": 404, "/open/out": 404, "/open/link.pdf": 404, "/open/sub/": 404, "/open/..%2fsecret": 404, "/open/%2e%2e/secret": 404,
	} {
		if resp, body := b.get(t, target); resp.StatusCode != status && resp.StatusCode != 400 || bytes.Contains(body, []byte(kit.TopSecret)) {
			t.Errorf("%s: %d %q", target, resp.StatusCode, body)
		}
	}
	card := kit.Signed("/thumbs/", "photos/fig.jpg", "60x60_crop", "jpg")
	for range 2 {
		if resp, _ := b.get(t, rig.Escape(card)); resp.StatusCode != 401 {
			t.Errorf("a protected thumbnail: %d", resp.StatusCode)
		}
		resp, body := b.get(t, rig.Escape(card)+kit.Proof(kit.AccessKey, "access", card, kit.Expires(time.Hour)))
		kit.Picture(t, rig.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, "jpeg", 60, 60)
	}
	token := kit.JWT(t, "HS256", kit.Claims("gallery", time.Hour), kit.SecretSigner(kit.TokenKey))
	if resp, _ := b.get(t, rig.Escape(card), "Cookie", "thumbd="+token); resp.StatusCode != 200 {
		t.Errorf("a token: %d", resp.StatusCode)
	}
}
