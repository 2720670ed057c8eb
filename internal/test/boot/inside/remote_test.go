// SPDX-License-Identifier: MIT

package inside

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	spool = "/var/cache/thumbd/spool"
	// origin is what nginx has for originals at a URL.
	origin = `
server {
    listen 127.0.0.1:8080;
    location /media/ { alias ` + originals + `/; }
}
`
	// authorities is where Debian has the certificates that all trust.
	authorities = "/etc/ssl/certs/ca-certificates.crt"
	certificate = "/etc/nginx/origin.pem"
	// secure is an origin with a certificate.
	secure = `
server {
    listen 127.0.0.1:8443 ssl;
    ssl_certificate     ` + certificate + `;
    ssl_certificate_key ` + certificate + `;
    location /media/ { alias ` + originals + `/; }
}
`
)

// serveRemote makes the machine one whose gallery has its originals at a URL of
// nginx's own.
func serveRemote(t *testing.T, lines string) {
	t.Helper()
	machine(t, "")
	serveHosts(t, "server {\n    listen 80 default_server;\n"+location+"    include snippets/thumbd.conf;\n}\n"+origin)
	put(t, configuration, strings.ReplaceAll(gallery, originals, "http://localhost:8080/media/")+
		"[site.gallery.fetch]\nallow_addresses = [\"127.0.0.1\"]\n"+lines)
	run(t, "systemctl", "restart", "thumbd.service")
}

// The service as installed has no network: a miss is refused at once, and the
// log, check and doctor say why. What the doctor says to type mends it.
func TestRemoteOriginals(t *testing.T) {
	serveRemote(t, "")
	begin := time.Now()
	refused(t, signed(small, "60x40_crop", "jpg"), http.StatusBadGateway, "origin")
	t.Logf("refused after %v", time.Since(begin))
	if told := journal(t); !strings.Contains(told, "thumbd.service has no network unless a drop-in gives it one") {
		t.Errorf("the log does not say what is missing:\n%s", told)
	}
	if out, err := checkOutput(t); err != nil || !strings.Contains(out, "thumbd.service has no network (PrivateNetwork=yes, RestrictAddressFamilies=AF_UNIX, IPAddressDeny=") {
		t.Errorf("thumbd check, which asks over root's network: %v\n%s", err, out)
	}
	sick := doctor(t)
	checkFinding(t, sick, "network-missing", "remote-originals.conf")
	checkFinding(t, sick, "origin-unreachable", "remote-originals.conf")
	for _, f := range sick.Findings {
		if f.Name == "network-missing" {
			run(t, "sh", "-c", strings.Join(f.Cure, "\n"))
		}
	}
	picture(t, signed(small, "61x40_crop", "jpg"), "jpeg", 61, 40)
	wellAgain(t)
	if out, err := checkOutput(t); err != nil || strings.Contains(out, "warning") {
		t.Errorf("thumbd check: %v\n%s", err, out)
	}
	checkSpool(t)
	// A service without a network has 0.8 at most.
	checkExposureOf(t, "13")

	run(t, "sh", "-c", "sed -i /8080/d "+nginxSite+"; "+restartNginx)
	refused(t, signed("photos/dogs.jpg", "60x40_crop", "jpg"), http.StatusBadGateway, "origin")
	checkFinding(t, doctor(t), "origin-unreachable", "curl -sSI http://localhost:8080/media/")
	if out, err := checkOutput(t); err == nil || !strings.Contains(out, "connection refused") {
		t.Errorf("thumbd check: %v\n%s", err, out)
	}
	picture(t, signed(small, "61x40_crop", "jpg"), "jpeg", 61, 40)
}

// The service finds the certificates that the machine trusts.
func TestRemoteOriginalsOverTLS(t *testing.T) {
	serveRemote(t, "")
	example(t, "remote-originals.conf")
	public := writeCertificate(t)
	serveHosts(t, "server {\n    listen 80 default_server;\n"+location+"    include snippets/thumbd.conf;\n}\n"+secure)
	text, err := os.ReadFile(configuration)
	if err != nil {
		t.Fatal(err)
	}
	put(t, configuration, strings.ReplaceAll(string(text), "http://localhost:8080/", "https://localhost:8443/"))
	run(t, "systemctl", "restart", "thumbd.service")
	refused(t, signed(small, "60x40_crop", "jpg"), http.StatusBadGateway, "origin")
	if told := journal(t); !strings.Contains(told, "x509: ") {
		t.Errorf("the log does not say that nobody trusts the certificate:\n%s", told)
	}
	if exists(authorities) {
		t.Fatal("the machine has ca-certificates: nothing here may change its list")
	}
	put(t, authorities, public)
	t.Cleanup(func() {
		if err := os.Remove(authorities); err != nil {
			t.Error(err)
		}
	})
	run(t, "systemctl", "restart", "thumbd.service")
	picture(t, signed(small, "61x40_crop", "jpg"), "jpeg", 61, 40)
}

// writeCertificate makes one of localhost for nginx, and returns it without its
// key.
func writeCertificate(t testing.TB) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
	put(t, certificate, public+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return public
}

// checkOutput returns all that thumbd check prints.
func checkOutput(t testing.TB) (string, error) {
	t.Helper()
	return try(t, "sh", "-c", "thumbd check 2>&1")
}

// checkSpool checks that one original is where the manual says, for thumbd alone.
func checkSpool(t testing.TB) {
	t.Helper()
	entries, err := os.ReadDir(spool)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files in the spool, %v, want a record and its bytes", len(entries), err)
	}
	u, err := user.Lookup("thumbd")
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{spool: "700"}
	for _, e := range entries {
		paths[filepath.Join(spool, e.Name())] = "600"
	}
	for path, mode := range paths {
		want := mode + " " + u.Uid + " " + u.Gid
		if got := strings.TrimSpace(run(t, "stat", "--format=%a %u %g", path)); got != want {
			t.Errorf("%s: mode and owner %s, want %s", path, got, want)
		}
	}
}

// A spool that the unit lets nobody write is a finding, with what to type.
func TestSpoolElsewhere(t *testing.T) {
	const elsewhere = "/srv/spool"
	serveRemote(t, "")
	text, err := os.ReadFile(configuration)
	if err != nil {
		t.Fatal(err)
	}
	put(t, configuration, "[daemon]\nspool = \""+elsewhere+"\"\n"+string(text))
	run(t, "install", "-d", "-o", "thumbd", "-g", "thumbd", elsewhere)
	example(t, "remote-originals.conf")
	refused(t, signed(small, "60x40_crop", "jpg"), http.StatusInternalServerError, "spool")
	checkFinding(t, doctor(t), "spool-unwritable", "ReadWritePaths="+elsewhere)
	dropIn(t, "spool.conf", "[Service]\nReadWritePaths="+elsewhere+"\n")
	run(t, "systemctl", "restart", "thumbd.service")
	picture(t, signed(small, "60x40_crop", "jpg"), "jpeg", 60, 40)
	wellAgain(t)
}

// After its lifetime a thumbnail goes with the next thumbd gc, and is made anew
// of what the origin has then.
func TestLifetimeOfRemoteOriginals(t *testing.T) {
	serveRemote(t, "lifetime = \"1m\"\n")
	example(t, "remote-originals.conf")
	uri := signed("changes.jpg", "60x40_crop", "jpg")
	file := cache + "/gallery" + uri
	run(t, "cp", filepath.Join(originals, small), filepath.Join(originals, "changes.jpg"))
	before := picture(t, uri, "jpeg", 60, 40)
	run(t, "cp", filepath.Join(originals, "photos/dogs.jpg"), filepath.Join(originals, "changes.jpg"))
	run(t, "systemctl", "start", "thumbd-gc.service")
	if after := picture(t, uri, "jpeg", 60, 40); string(after) != string(before) {
		t.Error("made anew within its lifetime")
	}
	// As long as patience: the shortest lifetime that there is.
	for end := time.Now().Add(2 * patience); exists(file) && time.Now().Before(end); time.Sleep(time.Second) {
		run(t, "systemctl", "start", "thumbd-gc.service")
	}
	if exists(file) {
		t.Fatal("not removed after its lifetime")
	}
	if after := picture(t, uri, "jpeg", 60, 40); string(after) == string(before) {
		t.Error("not made anew after its lifetime")
	}
}
