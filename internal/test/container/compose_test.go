// SPDX-License-Identifier: MIT

package container

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginxConf is of an image of this machine's nginx, laid out as the official one is.
const nginxConf = `user nginx;
pid /run/nginx.pid;
events {}
http {
	include mime.types;
	access_log off;
	client_body_temp_path /run/c; proxy_temp_path /run/p; fastcgi_temp_path /run/f;
	uwsgi_temp_path /run/u; scgi_temp_path /run/s;
	include conf.d/*.conf;
}
`

// The shipped compose file, with the files beside it that its README names, serves a
// thumbnail: docker-compose starts both containers by podman's Docker API.
func TestCompose(t *testing.T) {
	if _, err := exec.LookPath("docker-compose"); err != nil || os.Geteuid() != 0 {
		t.Skip("it takes root and docker-compose")
	}
	p := newPodman(t)
	p.run(t, "tag", "thumbd", "docker.io/library/thumbd:latest")
	p.importNginx(t)
	dir := t.TempDir()
	sh(t, dir, `cp -r "$0/packaging/examples/container" site
cp -r "$0/nginx" site/thumbd
mkdir site/originals
cp "$0/testdata/originals/tests/orientation/1.jpg" site/originals/a.jpg
chmod -R a+rX .
openssl rand -hex 32 >site/gallery.key
chown 911:911 site/gallery.key
chmod 0400 site/gallery.key
sed -i 's/"8080:80"/"127.0.0.1::80"/' site/compose.yaml`)
	compose, pid := p.compose(t, filepath.Join(dir, "site"))
	compose("up", "--detach")
	thumbd := strings.TrimSpace(compose("ps", "-q", "thumbd"))
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		out, err := p.command(t.Context(), "healthcheck", "run", thumbd).CombinedOutput()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the health check of the compose file: %v: %s\n%s", err, out, compose("logs"))
		}
	}
	key, err := os.ReadFile(filepath.Join(dir, "site/gallery.key"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(strings.TrimSpace(string(key))))
	mac.Write([]byte("/thumbs/a.jpg/60x40_crop_.jpg"))
	url := "http://" + strings.TrimSpace(compose("port", "nginx", "80")) +
		"/thumbs/a.jpg/60x40_crop_" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:21]) + ".jpg"
	for _, answer := range []string{"miss", "hit"} {
		body, err := exec.CommandContext(t.Context(), "nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", pid), "curl", "-sS", "--fail-with-body", url).CombinedOutput()
		c, _, imageErr := image.DecodeConfig(bytes.NewReader(body))
		if err := errors.Join(err, imageErr); err != nil || c.Width != 60 {
			t.Errorf("the %s is %d wide, %v: %.100q\n%s", answer, c.Width, err, body, compose("logs"))
		}
	}
}

// importNginx makes the image nginx:stable.
func (p podman) importNginx(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(nginxConf), 0o644); err != nil {
		t.Fatal(err)
	}
	sh(t, dir, `PATH=$PATH:/usr/sbin
mkdir -p root/etc/nginx/conf.d root/var/cache/nginx root/var/log/nginx root/var/lib/nginx root/run
for file in $(command -v nginx) $(ldd "$(command -v nginx)" | grep -o '/[^ ]*'); do
	mkdir -p "root${file%/*}"
	cp -L "$file" "root$file"
done
cp nginx.conf /etc/nginx/mime.types root/etc/nginx
printf 'root:x:0:0::/:/\nnginx:x:101:101::/:/\n' >root/etc/passwd
printf 'root:x:0:\nnginx:x:101:\n' >root/etc/group
tar -C root -cf root.tar .`)
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	p.run(t, "import", "-q", "--change", `CMD ["`+nginx+`","-g","daemon off;"]`, filepath.Join(dir, "root.tar"), "docker.io/library/nginx:stable")
}

// compose returns docker-compose for the folder of a compose file, and a process in the
// network that has the ports. When the test ends, all that docker-compose has started and
// made is taken away.
func (p podman) compose(t *testing.T, dir string) (do func(args ...string) string, pid int) {
	t.Helper()
	// podman's own limits are over those of some machines, and no systemd here has
	// timers for health checks.
	settings := filepath.Join(p.dir, "containers.conf")
	if err := os.WriteFile(settings, []byte("[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	socket := "unix://" + filepath.Join(p.dir, "podman.sock")
	// Bridges and rules of the packet filter stay in a network of its own.
	podman := p.command(t.Context(), "--network-config-dir="+p.dir+"/networks", "system", "service", "--time=0", socket)
	service := exec.Command("unshare", append([]string{"--net", "sh", "-c", `ip link set lo up && exec "$0" "$@"`}, podman.Args...)...)
	service.Env = append(os.Environ(), "CONTAINERS_CONF="+settings, "DISABLE_HC_SYSTEMD=true")
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = service.Process.Kill()
		_ = service.Wait() // it was killed
	})
	run := func(ctx context.Context, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "docker-compose", append([]string{"--project-name=thumbd-test"}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+socket)
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			return string(out) + errs.String(), err
		}
		return string(out), nil
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(p.dir, "podman.sock")); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("podman does not listen")
		}
	}
	t.Cleanup(func() {
		if out, err := run(context.Background(), "down", "--volumes", "--timeout=30"); err != nil {
			t.Errorf("docker-compose down: %v\n%s", err, out)
		}
	})
	return func(args ...string) string {
		t.Helper()
		out, err := run(t.Context(), args...)
		if err != nil {
			t.Fatalf("docker-compose %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}, service.Process.Pid
}

// sh runs commands in a folder. $0 is the checkout.
func sh(t *testing.T, dir, commands string) {
	t.Helper()
	tree, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", commands, tree)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sh: %v\n%s", err, out)
	}
}
