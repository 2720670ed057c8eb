// SPDX-License-Identifier: MIT

package inside

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// diagnosis is what thumbd doctor --json prints, as thumbd-doctor(8) has it.
type diagnosis struct {
	Well     bool
	Findings []struct {
		Name, Status, Where, What string
		Cure                      []string
	}
}

// doctor returns what the doctor says, and fails where it says nothing.
func doctor(t testing.TB) diagnosis {
	t.Helper()
	out, err := try(t, "thumbd", "doctor", "--json")
	var d diagnosis
	// What follows is for people.
	if jsonErr := json.NewDecoder(strings.NewReader(out)).Decode(&d); jsonErr != nil {
		t.Fatalf("thumbd doctor: %v, %v\n%s", err, jsonErr, out)
	}
	if well := err == nil; well != d.Well {
		t.Errorf("thumbd doctor ends with %v and says well: %v", err, d.Well)
	}
	return d
}

// named are the names of the findings.
func (d diagnosis) named() []string {
	var all []string
	for _, f := range d.Findings {
		all = append(all, f.Name)
	}
	return all
}

// ills are misconfigurations, by the name that the doctor has for them.
var ills = map[string]struct {
	seed string // for sh
	cure string // a part of one of the lines that the doctor says
	heal string // for sh: the cure, typed
}{
	"socket-not-active": {
		"systemctl stop thumbd.socket thumbd.service",
		"systemctl enable --now thumbd.socket",
		"systemctl enable --now thumbd.socket",
	},
	"socket-not-enabled": {
		"systemctl disable thumbd.socket",
		"systemctl enable --now thumbd.socket",
		"systemctl enable --now thumbd.socket",
	},
	"unit-masked": {
		"systemctl stop thumbd.socket thumbd.service; systemctl mask thumbd.service",
		"systemctl unmask thumbd.service",
		"systemctl unmask thumbd.service; systemctl start thumbd.socket",
	},
	"socket-rights": {
		socketDropIn("SocketGroup=root"),
		"SocketGroup=www-data",
		socketDropIn("SocketGroup=www-data"),
	},
	"hardening-loosened": {
		serviceDropIn("PrivateDevices=no"),
		"systemctl edit thumbd.service",
		noServiceDropIn,
	},
	"service-user": {
		serviceDropIn("User=root"),
		"User=",
		noServiceDropIn,
	},
	"nginx-not-running": {
		"systemctl stop nginx",
		"systemctl enable --now nginx",
		"systemctl enable --now nginx",
	},
	"nginx-configuration": {
		"echo 'server { lisen 80; }' >/etc/nginx/conf.d/other.conf",
		"mend that line",
		"rm /etc/nginx/conf.d/other.conf",
	},
	"upstream-missing": {
		"mv /etc/nginx/conf.d/thumbd.conf /etc/nginx/conf.d/thumbd.off",
		"conf.d/*.conf",
		"mv /etc/nginx/conf.d/thumbd.off /etc/nginx/conf.d/thumbd.conf; " + restartNginx,
	},
	"location-missing": {
		nginxEdit("s,location ^~ /thumbs/,location ^~ /thumb/,"),
		"location ^~ /thumbs/ {",
		nginxEdit("s,location ^~ /thumb/,location ^~ /thumbs/,"),
	},
	"location-regexp": {
		nginxEdit(`s,location ^~ /thumbs/,location ~ \\.(jpg|png)$ { expires 1d; }\n location /thumbs/,`),
		"location ^~ /thumbs/ {",
		nginxEdit("s,location /thumbs/,location ^~ /thumbs/,"),
	},
	"root-wrong": {
		nginxEdit("s,root .*;,root /var/www/html;,"),
		"root /var/cache/thumbd/gallery;",
		nginxEdit("s,root .*;,root /var/cache/thumbd/gallery;,"),
	},
	"try-files": {
		nginxEdit("s,try_files .*;,try_files $uri =404;,"),
		"try_files $uri @thumbd;",
		nginxEdit("s,try_files .*;,try_files $uri @thumbd;,"),
	},
	"open-file-cache": {
		nginxEdit("s,expires,open_file_cache max=10; expires,"),
		"open_file_cache off;",
		nginxEdit("s,open_file_cache max=10;,open_file_cache off;,"),
	},
	"negotiation": {
		"echo 'negotiate = [\"webp\"]' >>" + configuration + "; systemctl restart thumbd",
		"try_files $uri$thumbd_webp @thumbd;",
		nginxEdit("s,try_files .*;,try_files $uri$thumbd_webp @thumbd; add_header Vary Accept always;,"),
	},
	"configuration": {
		"echo 'qualty = 1' >>" + configuration,
		configuration,
		"sed -i /qualty/d " + configuration,
	},
	"not-reloaded": {
		"echo 'metadata = \"copyright\"' >>" + configuration,
		"systemctl try-reload-or-restart thumbd.service",
		"systemctl try-reload-or-restart thumbd.service",
	},
	"no-site": {
		"echo >" + configuration + "; systemctl restart thumbd",
		"thumbd init gallery",
		"",
	},
	"no-worker": {
		"mv /usr/libexec/thumbd/thumbd-render /tmp; systemctl restart thumbd",
		"apt install --reinstall thumbd",
		"apt-get install --reinstall -y thumbd; systemctl restart thumbd",
	},
	"originals-unreadable": {
		"chmod 0700 /srv/gallery; systemctl restart thumbd",
		"/srv/gallery",
		"chmod 0755 /srv/gallery; systemctl reload thumbd",
	},
	"tree-unwritable": {
		"mkdir -p /srv/thumbs; chown thumbd: /srv/thumbs; sed -i 's,^document_root.*,document_root = \"/srv/thumbs\",' " +
			configuration + "; systemctl restart thumbd; " + nginxEdit("s,root .*;,root /srv/thumbs;,"),
		"ReadWritePaths=",
		serviceDropIn("ReadWritePaths=/srv/thumbs"),
	},
	"disk-full": {
		"mkdir -p /var/cache/thumbd/gallery; mount -t tmpfs -o size=8m tmpfs /var/cache/thumbd/gallery; systemctl restart thumbd",
		"df -h",
		"systemctl stop thumbd; umount /var/cache/thumbd/gallery",
	},
	"nginx-cannot-read": {
		"chmod 0700 /var/cache/thumbd",
		"chmod",
		"chmod 0755 /var/cache/thumbd",
	},
}

const noServiceDropIn = "rm -r " + dropIns + "; systemctl daemon-reload; systemctl restart thumbd.service"

func serviceDropIn(line string) string {
	return unitDropIn("thumbd.service", line) + "; systemctl restart thumbd.service"
}

func socketDropIn(line string) string {
	return unitDropIn("thumbd.socket", line) + "; systemctl stop thumbd.service; systemctl restart thumbd.socket"
}

func unitDropIn(unit, line string) string {
	dir := "/etc/systemd/system/" + unit + ".d"
	section := map[string]string{"thumbd.service": "Service", "thumbd.socket": "Socket"}[unit]
	return "mkdir -p " + dir + "; printf '[" + section + "]\\n" + line + "\\n' >" + dir + "/test.conf; systemctl daemon-reload"
}

func nginxEdit(expression string) string {
	return "sed -i '" + expression + "' " + nginxSite + "; " + restartNginx
}

// The doctor finds nothing on a machine that is well, each of many
// misconfigurations by its name, with the cure; and after that nothing.
func TestDoctorFindsMisconfigurations(t *testing.T) {
	machine(t, "")
	wellAgain(t)
	for _, name := range slices.Sorted(maps.Keys(ills)) {
		ill := ills[name]
		t.Run(name, func(t *testing.T) {
			machine(t, "")
			run(t, "systemctl", "start", "thumbd.service")
			run(t, "sh", "-c", ill.seed)
			checkFinding(t, doctor(t), name, ill.cure)
			if ill.heal != "" {
				run(t, "sh", "-c", ill.heal)
				wellAgain(t)
			}
		})
	}
}

func checkFinding(t *testing.T, d diagnosis, name, cure string) {
	t.Helper()
	for _, f := range d.Findings {
		if f.Name != name {
			continue
		}
		if !strings.Contains(strings.Join(f.Cure, "\n"), cure) {
			t.Errorf("the cure is %q, want it to say %q", f.Cure, cure)
		}
		t.Logf("%s: %s: %s", f.Status, f.Where, f.What)
		return
	}
	t.Errorf("the doctor finds %q: %+v", d.named(), d.Findings)
}

// wellAgain checks that the doctor finds nothing, at the latest when thumbd has
// loaded what it was told to reload.
func wellAgain(t *testing.T) {
	t.Helper()
	var d diagnosis
	for end := time.Now().Add(patience / 2); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if d = doctor(t); d.Well && len(d.Findings) == 0 {
			return
		}
	}
	t.Errorf("the doctor finds %+v", d.Findings)
}
