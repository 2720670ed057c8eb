// SPDX-License-Identifier: MIT

package inside

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"thumbd/internal/test/boot"
)

// host are programs of the machine outside, which are not in the image and for which
// no mirror is in reach.
const host = boot.Dir + "/host/"

// With private originals of another user it takes what the tools print to get to the
// first thumbnail, and nothing else.
func TestPrivateOriginalsByWhatTheToolsSay(t *testing.T) {
	untouched(t)
	install(t, "thumbd")
	run(t, "install", host+"setfacl", "/usr/bin/setfacl")
	copyOriginals(t)
	const media = "/srv/app/media"
	run(t, "sh", "-e", "-c", "id app || useradd app; rm -rf /srv/app; mkdir /srv/app; cp -r "+originals+"/photos "+media+
		"; chown -R app:app /srv/app; chmod -R u=rwX,go= "+media+"; chmod 0750 /srv/app")
	steps := stepsOf(run(t, "thumbd", "init", "private", "--originals", media, "--prefix", "/private/", "--scheme", "preset"))
	url := strings.TrimSpace(steps["A thumbnail to try"])
	told := map[string]string{"check": "", "verify": ""}
	for command := range told {
		args := []string{command}
		if command == "verify" {
			args = append(args, url)
		}
		out, err := try(t, "thumbd", args...)
		if err == nil || !strings.Contains(out, "user thumbd can't read "+media) || !strings.Contains(out, "setfacl -m u:thumbd:x /srv/app") {
			t.Errorf("thumbd %s: %v, %s", command, err, out)
		}
	}
	for title, block := range steps {
		if strings.HasPrefix(title, "In nginx's configuration") {
			pasteIntoServer(t, block)
		}
	}
	for _, begin := range []string{"So far, user thumbd can't read " + media, "Then"} {
		done := false
		for title, block := range steps {
			if strings.HasPrefix(title, begin) {
				done = true
				for command := range strings.Lines(block) {
					// nginx loads its configuration behind the back of the command.
					until(t, command, func() bool { _, err := try(t, "sh", "-c", command); return err == nil })
				}
			}
		}
		if !done {
			t.Fatalf("no step %q in %q", begin, steps)
		}
	}
	if a := get(t, strings.TrimPrefix(url, "http://localhost")); a.status != http.StatusOK {
		t.Errorf("%s: status %d, %s", url, a.status, a.reason)
	}
	run(t, "thumbd", "check")
	run(t, "thumbd", "verify", url)
	if out, err := try(t, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "ls", media); err == nil {
		t.Errorf("everybody can read the originals: %s", out)
	}
	run(t, "rm", "-r", "/srv/app", "/usr/bin/setfacl", "/etc/thumbd/sites.d/private.toml")
}

var stepTitle = regexp.MustCompile(`^\d+\. (.*):$`)

// stepsOf returns the numbered steps that thumbd init prints, by their titles.
func stepsOf(printed string) map[string]string {
	steps := make(map[string]string)
	title := ""
	for line := range strings.Lines(printed) {
		if m := stepTitle.FindStringSubmatch(strings.TrimSpace(line)); m != nil && !strings.HasPrefix(line, " ") {
			title = m[1]
		} else if text, ok := strings.CutPrefix(line, "    "); ok && title != "" {
			steps[title] += text
		}
	}
	return steps
}

// Prometheus reads the metrics through the socket that systemd holds, and the service
// has no network all the same.
func TestPrometheusReadsTheSocket(t *testing.T) {
	machine(t, "")
	run(t, "systemctl", "enable", "thumbd-metrics.socket")
	run(t, "systemctl", "restart", "thumbd.service")
	defer func() {
		run(t, "systemctl", "disable", "--now", "thumbd-metrics.socket")
		run(t, "systemctl", "restart", "thumbd.service")
	}()
	picture(t, signed(small, "60x40_crop", "png"), "png", 60, 40)
	for path, want := range map[string]int{"/health": 200, "/metrics": 200, "/purge": 404} {
		status, text := fetch(t, "http://127.0.0.1:9105"+path)
		if status != want || path == "/metrics" && !strings.Contains(text, "\nthumbd_renders_total") {
			t.Errorf("%s: status %d: %s", path, status, text)
		}
	}
	if got := property(t, "thumbd.service", "PrivateNetwork"); got != "yes" {
		t.Errorf("PrivateNetwork is %s", got)
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "prometheus.yml"), "scrape_configs:\n- job_name: thumbd\n  scrape_interval: 1s\n  static_configs: [{targets: ['127.0.0.1:9105']}]\n")
	ctx, stop := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, host+"prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:9190")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = cmd.Wait() // it was killed
	}()
	until(t, "Prometheus has scraped", func() bool {
		status, text := fetch(t, "http://127.0.0.1:9190/api/v1/query?query=thumbd_renders_total")
		return status == 200 && strings.Contains(text, `"instance":"127.0.0.1:9105"`)
	})
}

// fetch returns a status and a text, 0 if nobody answers.
func fetch(t testing.TB, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// unattended-upgrades takes a version with other templates although the administrator
// has edited files of nginx, and keeps those.
func TestUnattendedUpgradeWithAChangedTemplate(t *testing.T) {
	machine(t, "")
	const edited, changed = "/etc/nginx/snippets/thumbd-auth.conf", "# of the next version"
	before, err := os.ReadFile(edited)
	if err != nil {
		t.Fatal(err)
	}
	put(t, edited, string(before)+"# mine\n")
	run(t, "sh", "-e", "-c", "mkdir -p "+nextRepository+"; cd "+nextRepository+`
dpkg-deb -R "$(ls `+repository+`/apt/pool/thumbd_*+next*.deb)" deb
for f in deb/usr/share/thumbd/etc/thumbd/thumbd.toml deb/usr/share/thumbd/etc/nginx/*/*.conf deb/usr/share/thumbd/nginx/*/*.conf; do
	echo '`+changed+`' >>$f
done
sed -i 's/^Version: .*/Version: 9000.0/' deb/DEBIAN/control
dpkg-deb -Znone -b deb next.deb
rm -r deb`)
	told := upgradeUnattended(t)
	if got := run(t, "dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "thumbd"); got != "installed 9000.0" {
		t.Errorf("thumbd is %s:\n%s", got, told)
	}
	if left := run(t, "sh", "-c", "dpkg --audit; find /etc/thumbd /etc/nginx -name '*.dpkg-*'"); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if text, err := os.ReadFile("/usr/share/thumbd/nginx/snippets/thumbd.conf"); err != nil || !strings.Contains(string(text), changed) {
		t.Errorf("the template is not that of the next version: %q, %v", text, err)
	}
	for path, want := range map[string]string{configuration: gallery, edited: string(before) + "# mine\n"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what it was: %q, %v", path, got, err)
		}
	}
	picture(t, signed(small, "64x40_crop", "png"), "png", 64, 40)
	put(t, edited, string(before))
	install(t, "thumbd")
}

// nextRepository is a repository of the machine's own.
const nextRepository = "/srv/next"

// upgradeUnattended has unattended-upgrades install next.deb of nextRepository, as the
// administrator lets it for packages of our repository.
func upgradeUnattended(t testing.TB) string {
	t.Helper()
	const list, settings = "/etc/apt/sources.list.d/next.list", "/etc/apt/apt.conf.d/52thumbd"
	t.Cleanup(func() {
		for _, path := range []string{list, settings, nextRepository} {
			if err := os.RemoveAll(path); err != nil {
				t.Error(err)
			}
		}
	})
	put(t, list, "deb [trusted=yes] file:"+nextRepository+" ./\n")
	put(t, settings, readme(t, "packaging/README.md", "Upgrade", "Unattended-Upgrade")["Unattended-Upgrade"])
	run(t, "sh", "-e", "-c", "cd "+nextRepository+`
sum() { echo " $(sha256sum "$1" | cut -d' ' -f1) $(stat -c %s "$1") $1"; }
{ dpkg-deb -f next.deb; sum next.deb | sed 's/^ \(.*\) \(.*\) \(.*\)/SHA256: \1\nSize: \2\nFilename: .\/\3/'; } >Packages
{ echo "Origin: thumbd"; echo "Date: $(date -Ru)"; echo "SHA256:"; sum Packages; } >Release
apt-get -q update`)
	return run(t, "unattended-upgrade", "--verbose")
}
