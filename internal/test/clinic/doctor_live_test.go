// SPDX-License-Identifier: MIT

package clinic

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"thumbd/internal/admin"
	"thumbd/internal/doctor"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// What only a request shows: nginx runs with what is wrong.
func TestDoctorAsksForThumbnails(t *testing.T) {
	elsewhere := kit.Folder(t, nil)
	publicKeys := kit.Protected(t, rig.Options{})
	_, public := ed25519Keys(t)
	publicKeys.Keys["token.key"] = public
	publicKeys.Sites[0].TOML = strings.Replace(publicKeys.Sites[0].TOML, `"signature", `, "", 1)
	publicKeys.Sites[0].TOML = strings.Replace(publicKeys.Sites[0].TOML, "keys = [\"access.key\"]\n", "", 1)
	open := kit.Protected(t, rig.Options{})
	open.Sites[0].Protected = false
	half := kit.Protected(t, rig.Options{})
	half.HTTP = "server { listen " + kit.FreePort(t) + "; location ^~ /thumbs/ { root root/gallery; try_files $uri @thumbd; } include snippets/thumbd.conf; }"
	for name, tt := range map[string]struct {
		options rig.Options
		change  func(*rig.Site)
		want    []string
		cure    string
	}{
		"another root": {change: func(s *rig.Site) { s.Root = elsewhere }, want: []string{"root-wrong", "probe-hit"}, cure: "nginx"},
		"open_file_cache_errors": {
			options: rig.Options{HTTP: "open_file_cache max=100; open_file_cache_errors on;"},
			want:    []string{"open-file-cache", "probe-hit"}, cure: "nginx"},
		"thumbd is not asked":                {change: func(s *rig.Site) { s.TryFiles = "$uri =404; #" }, want: []string{"try-files", "probe-miss"}, cure: "nginx"},
		"a protected site that is open":      {options: open, want: []string{"auth-missing", "probe-miss"}, cure: "snippets/thumbd-auth.conf"},
		"a protected site that is half open": {options: half, want: []string{"auth-missing", "probe-open"}, cure: "snippets/thumbd-auth.conf"},
		"tokens that somebody else makes":    {options: publicKeys, want: []string{"probe-untried"}, cure: "thumbd verify"},
		"no worker":                          {options: rig.Options{Env: []string{"THUMBD_RENDER=/nonexistent/render"}}, want: []string{"no-worker"}, cure: "see the log of thumbd"},
	} {
		t.Run(name, func(t *testing.T) {
			if len(tt.options.Sites) == 0 {
				tt.options.Sites = []rig.Site{kit.Gallery(t, kit.JPGs(t))}
			}
			if tt.change != nil {
				tt.change(&tt.options.Sites[0])
			}
			r := kit.Start(t, tt.options)
			before := kit.InTrees(t, r)
			found := kit.Examine(t, r)
			for _, want := range tt.want {
				kit.WantFinding(t, found, want, tt.cure)
			}
			if after := kit.InTrees(t, r); !slices.Equal(before, after) {
				t.Errorf("left behind: %q, before %q", after, before)
			}
		})
	}
}

// ed25519Keys returns a pair of keys in PEM.
func ed25519Keys(t *testing.T) (private, public string) {
	t.Helper()
	dir := t.TempDir()
	kit.NeedPrograms(t, "openssl")
	kit.Run(t, "openssl", "genpkey", "-algorithm", "ed25519", "-out", filepath.Join(dir, "private"))
	kit.Run(t, "openssl", "pkey", "-in", filepath.Join(dir, "private"), "-pubout", "-out", filepath.Join(dir, "public"))
	var keys [2]string
	for i, name := range []string{"private", "public"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = string(b)
	}
	return keys[0], keys[1]
}

// The daemon's own user is in the way, and the cure names the folder.
func TestDoctorFindsWhatTheDaemonMayNot(t *testing.T) {
	if os.Geteuid() != 0 {
		aid.Skip(t, "only root can start a daemon of another user")
	}
	originals := kit.Folder(t, map[string]string{"closed/in/a.jpg": "originals/tests/orientation/1.jpg"})
	site := kit.Gallery(t, filepath.Join(originals, "closed", "in"))
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, Nobody: true})
	if found := kit.Examine(t, r); len(found.Findings) > 0 {
		t.Fatalf("healthy: %+v", found.Findings)
	}
	for name, tt := range map[string]struct {
		path string
		mode os.FileMode
		want string
		cure string
	}{
		"a folder above the originals": {filepath.Join(originals, "closed"), 0o700, "originals-unreadable", ":x " + filepath.Join(originals, "closed")},
		"the folder of the originals":  {filepath.Join(originals, "closed", "in"), 0o711, "originals-unreadable", ":rX " + filepath.Join(originals, "closed", "in")},
		"the originals":                {filepath.Join(originals, "closed", "in", "a.jpg"), 0o600, "originals-unreadable", ":rX " + filepath.Join(originals, "closed", "in")},
		"a folder above the tree":      {filepath.Join(r.Dir, "root"), 0o500, "", ""},
		"the tree":                     {filepath.Join(r.Root("gallery"), "thumbs"), 0o555, "tree-unwritable", "chown nobody: "},
	} {
		t.Run(name, func(t *testing.T) {
			fi, err := os.Stat(tt.path)
			if err != nil {
				t.Fatal(err)
			}
			aid.Must(t, os.Chmod(tt.path, tt.mode))
			defer func() { aid.Must(t, os.Chmod(tt.path, fi.Mode().Perm())) }()
			found := kit.Examine(t, r)
			if tt.want == "" {
				if !found.Well {
					t.Errorf("%+v", found.Findings)
				}
				return
			}
			kit.WantFinding(t, found, tt.want, tt.cure)
		})
	}
}

func TestDoctorFindsAFullDisk(t *testing.T) {
	kit.NeedMounts(t)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	kit.Mount(t, "tmpfs", r.Root("gallery"), "tmpfs", 0, "mode=755,size=1m")
	kit.WantFinding(t, kit.Examine(t, r), "disk-full", "df -h ")
}

func TestDoctorFindsFewInodes(t *testing.T) {
	kit.NeedMounts(t)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: "[limits]\nthumbnail_bytes = \"1MiB\""})
	kit.Mount(t, "tmpfs", r.Root("gallery"), "tmpfs", 0, "mode=755,size=64m,nr_inodes=500")
	for i := range 480 {
		kit.Put(t, filepath.Join(r.Root("gallery"), fmt.Sprint(i)), nil)
	}
	kit.WantFinding(t, kit.Examine(t, r), "disk-low", "df -i ")
}

// certificate makes a certificate and its key in a folder.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	kit.NeedPrograms(t, "openssl")
	key, cert = filepath.Join(dir, "key"), filepath.Join(dir, "cert")
	kit.Run(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=another.example", "-keyout", key, "-out", cert)
	return cert, key
}

// Each address of a server block is tried, with TLS where it has that, and by
// a name that leads to it.
func TestDoctorTriesEachAddress(t *testing.T) {
	dir := kit.Folder(t, nil)
	cert, key := certificate(t, dir)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, Server: fmt.Sprintf(
		"listen unix:%s/tls.sock ssl; listen unix:%[1]s/proxy.sock proxy_protocol; ssl_certificate %[2]s; ssl_certificate_key %[3]s;", dir, cert, key)})
	found := kit.Examine(t, r)
	for _, f := range found.Findings {
		t.Errorf("%+v", f)
	}
	if said := found.Checks[len(found.Checks)-1].Said; said != "gallery: miss and hit through 3 addresses" {
		t.Error(said)
	}
}

// Where another server is in front, nobody looks for nginx.
func TestDoctorWithoutNginx(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: "[daemon]\naccel = \"direct\""})
	for _, f := range kit.Examine(t, r, "--nginx", "/nonexistent/nginx").Findings {
		// That is the one of the packages, which nobody here is told of.
		if f.Name != "socket-missing" {
			t.Errorf("%+v", f)
		}
	}
}

// What a daemon can say that none on this machine does.
func TestDoctorHearsTheDaemon(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	checksum := fmt.Sprintf("%x", sha256.Sum256([]byte(kit.Configuration(t, r))))
	for name, tt := range map[string]struct{ answer, want, cure string }{
		"one that can't report":   {"", "daemon-outdated", "restart thumbd"},
		"another version":         {fmt.Sprintf(`{"checksum": %q, "version": "99.0"}`, checksum), "daemon-outdated", "restart thumbd"},
		"formats":                 {`{"vips": "8.15", "formats": ["avif can't be written by the installed libvips; install libheif-plugin-aomenc"]}`, "formats-missing", "install the packages that it names"},
		"an incomplete sandbox":   {`{"vips": "8.15", "missing": ["landlock"]}`, "sandbox-incomplete", "kernel"},
		"one that is unwell":      {fmt.Sprintf(`{"checksum": %q, "unwell": "a worker is stuck"}`, checksum), "daemon-unwell", "see the log of thumbd"},
		"a refused configuration": {`{"refused": "thumbd.toml:3: keys: permission denied"}`, "configuration", "kill -HUP "},
	} {
		t.Run(name, func(t *testing.T) {
			l, undo := otherSocket(t, r.AdminPath())
			defer undo()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if tt.answer == "" || q.URL.Path != "/report" {
					http.NotFound(w, q)
					return
				}
				fmt.Fprint(w, tt.answer)
			}))
			server.Listener = net.Listener(l)
			server.Start()
			defer server.Close()
			kit.WantFinding(t, kit.Examine(t, r), tt.want, tt.cure)
		})
	}
}

// Only administrators are told how the daemon is. On nginx's socket nobody is,
// whoever the peer: a front end of root asks for any client.
func TestReportIsForAdministrators(t *testing.T) {
	o := rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, Server: "location /_thumbd/ { try_files /none @thumbd; }"}
	r := kit.Start(t, o)
	for _, target := range []string{"/_thumbd/report", "/report"} {
		if got := kit.Do(t, r, rig.Request{Target: target, Direct: true}); got.Status != 404 {
			t.Errorf("%s on nginx's socket: %d %s", target, got.Status, got.Body)
		}
	}
	kit.Expect(t, kit.Get(t, r, "/_thumbd/report"), 404, "no-service")
	var told admin.Report
	got := kit.Do(t, r, rig.Request{Target: "/report", Admin: true})
	if err := json.Unmarshal(got.Body, &told); got.Status != 200 || err != nil || told.PID != r.DaemonPID() {
		t.Errorf("on the socket for administrators: %d, %v, process %d, want %d", got.Status, err, told.PID, r.DaemonPID())
	}
}

// A daemon without a socket for administrators works, so that is a warning.
func TestDoctorMissesTheAdminSocket(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	for name, change := range map[string]func() func(){
		"missing": func() func() { return moved(t, r.AdminPath()) },
		"deaf":    func() func() { return deafAt(t, r.AdminPath()) },
	} {
		t.Run(name, func(t *testing.T) {
			defer change()()
			found := kit.Examine(t, r)
			kit.WantFinding(t, found, "admin-socket", "--admin "+r.AdminPath())
			if !found.Well || len(found.Findings) > 1 {
				t.Errorf("%+v", found.Findings)
			}
		})
	}
}

// Each text for people has the finding, and what to type.
func TestDoctorForPeople(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	defer replace(t, r, disease{old: "include snippets/thumbd.conf;"})()
	p, err := kit.Programs()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), p.Thumbd, "doctor", "-c", kit.ConfigFile(r), "--nginx", kit.NginxOf(r), "--admin", r.AdminPath()).Output()
	if err == nil {
		t.Error("exit code 0")
	}
	for _, want := range []string{
		"\nwrong    sites          1 sites in nginx's server blocks\n",
		"    wrong: snippet-missing: site gallery, " + r.Dir + "/nginx.conf:",
		"\n        in that server block write: include snippets/thumbd.conf;\n",
		"\nok       thumbnails     gallery: miss and hit through ",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "left to do") {
		t.Errorf("steps though there is a site:\n%s", out)
	}
}

// An original's name is whatever an uploader has called it. The doctor's lines
// are typed as root, so a shell reads the name in them, and nothing else, and a
// terminal shows it.
func TestDoctorQuotesNames(t *testing.T) {
	for _, name := range []string{"$(touch $HOME;echo PWNED >&2).jpg", "\x1b[31m;id\n        rm -rf x #.jpg", "it's.jpg"} {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			site := kit.Gallery(t, kit.Folder(t, map[string]string{name: "originals/photos/fig.jpg"}))
			site.Root = kit.Folder(t, nil)
			r := kit.Start(t, rig.Options{Sites: []rig.Site{site}})
			i := slices.IndexFunc(kit.Examine(t, r).Findings, func(f doctor.Finding) bool { return f.Name == "probe-hit" })
			if i < 0 {
				t.Fatal("no probe-hit, though nginx has another root")
			}
			p, err := kit.Programs()
			aid.Must(t, err)
			// It exits 1, as something is wrong.
			out, _ := exec.CommandContext(t.Context(), p.Thumbd, "doctor", "-c", kit.ConfigFile(r), "--nginx", kit.NginxOf(r), "--admin", r.AdminPath()).Output()
			var line string
			for text := range strings.Lines(string(out)) {
				if strings.HasPrefix(text, "        ls -l ") {
					line = strings.TrimSpace(text)
				}
			}
			if strings.ContainsFunc(string(out), func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) {
				t.Errorf("a terminal would not show, but obey:\n%q", out)
			}
			read, err := exec.CommandContext(t.Context(), "bash", "-c", `printf '%s\0' `+line).CombinedOutput()
			want := "ls\x00-l\x00" + r.Root("gallery") + "/thumbs/" + name + "/16x16_fit_v=doctor"
			if err != nil || !strings.HasPrefix(string(read), want) || bytes.Count(read, []byte{0}) != 3 {
				t.Errorf("%s\na shell reads %q, %v, want %q", line, read, err, want)
			}
		})
	}
}
