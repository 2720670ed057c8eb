// SPDX-License-Identifier: MIT

package doctor

import (
	"maps"
	"strings"
	"testing"

	"thumbd/internal/systemd"
)

// sound properties of the service, as systemctl show prints them. Those of hardened
// have their first values.
func soundService() map[string]string {
	p := map[string]string{"LoadState": "loaded", "ActiveState": "active", "Result": "success", "ExecMainStatus": "0", "NRestarts": "0", "User": "thumbd", "IPAddressDeny": "", "DropInPaths": ""}
	for _, h := range hardened {
		p[h.property] = h.values[0]
	}
	return p
}

func soundSocket() map[string]string {
	return map[string]string{"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "Result": "success"}
}

func TestUnits(t *testing.T) {
	for name, tt := range map[string]struct {
		service, socket map[string]string // other properties than sound ones
		want            []string
		part            string
	}{
		"sound":                   {},
		"a masked service":        {service: map[string]string{"LoadState": "masked"}, want: []string{"unit-masked"}, part: "systemctl unmask thumbd.service"},
		"a masked socket":         {socket: map[string]string{"LoadState": "masked"}, want: []string{"unit-masked"}, part: "systemctl unmask thumbd.socket"},
		"no service":              {service: map[string]string{"LoadState": "not-found"}, want: []string{"unit-missing"}, part: "apt install --reinstall thumbd"},
		"a service that is bad":   {service: map[string]string{"LoadState": "bad-setting"}, want: []string{"unit-missing"}, part: "bad-setting"},
		"a changed drop-in":       {service: map[string]string{"NeedDaemonReload": "yes"}, want: []string{"unit-outdated"}, part: "systemctl daemon-reload"},
		"a disabled socket":       {socket: map[string]string{"UnitFileState": "disabled"}, want: []string{"socket-not-enabled"}},
		"a static socket":         {socket: map[string]string{"UnitFileState": "static"}},
		"an inactive socket":      {socket: map[string]string{"ActiveState": "inactive"}, want: []string{"socket-not-active"}, part: "systemctl enable --now thumbd.socket"},
		"a failed socket":         {socket: map[string]string{"ActiveState": "failed", "Result": "resources"}, want: []string{"socket-not-active"}, part: "systemctl reset-failed"},
		"an idle service":         {service: map[string]string{"ActiveState": "inactive"}},
		"a failed service":        {service: map[string]string{"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "1"}, want: []string{"service-failed"}, part: "result exit-code, status 1, 0 restarts"},
		"a killed service":        {service: map[string]string{"ActiveState": "failed", "Result": "signal", "ExecMainCode": "2", "ExecMainStatus": "9"}, want: []string{"service-failed"}, part: "status signal 9"},
		"no user":                 {service: map[string]string{"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "217"}, want: []string{"service-failed"}, part: "systemd-sysusers"},
		"no namespaces":           {service: map[string]string{"ActiveState": "activating", "Result": "exit-code", "ExecMainStatus": "226"}, want: []string{"service-failed"}, part: "nesting=1"},
		"a start of a sound one":  {service: map[string]string{"ActiveState": "activating", "ExecMainStatus": "226"}},
		"a cache that is a link":  {service: map[string]string{"ActiveState": "failed", "ExecMainStatus": "239"}, want: []string{"service-failed"}, part: "CACHE_DIRECTORY"},
		"root's service":          {service: map[string]string{"User": ""}, want: []string{"service-user"}},
		"a loosened protection":   {service: map[string]string{"ProtectSystem": "full", "DropInPaths": "/etc/x.conf"}, want: []string{"hardening-loosened"}, part: "ProtectSystem=full, and strict as installed"},
		"another that is as good": {service: map[string]string{"ProtectHome": "tmpfs"}},
		"a network":               {service: map[string]string{"PrivateNetwork": "no"}, want: []string{"hardening-loosened"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := install(t).sound(t)
			v.managed, v.service, v.listening = true, soundService(), soundSocket()
			maps.Copy(v.service, tt.service)
			maps.Copy(v.listening, tt.socket)
			v.unit(systemd.SocketUnit, v.listening)
			v.unit(systemd.Service, v.service)
			v.activity()
			v.hardening(t.Context())
			v.wants(t, tt.part, tt.want...)
		})
	}
}

// A site with originals at a URL needs the network that the unit denies, and with the
// drop-in that allows it nothing is loosened.
func TestNetworkOfOrigins(t *testing.T) {
	in := install(t)
	in.toml += "\n[site.far]\nprefix = \"/far/\"\nscheme = \"preset\"\noriginals = \"http://origin.example/\"\ndocument_root = \"" + in.dir + "/root/far\"\n[site.far.preset.icon]\nsize = \"9x9\"\nmethod = \"crop\"\n"
	v := in.sound(t)
	v.managed, v.service = true, soundService()
	v.hardening(t.Context())
	v.wants(t, "the originals of site far are at a URL", "network-missing")

	open := in.sound(t)
	open.managed, open.service = true, soundService()
	open.service["PrivateNetwork"], open.service["RestrictAddressFamilies"] = "no", "AF_UNIX AF_INET AF_INET6"
	open.hardening(t.Context())
	open.wants(t, "")
}

func TestBacklog(t *testing.T) {
	for backlog, want := range map[string]string{"1": "", "2147483647": "backlog-bounded", "": ""} {
		v := &visit{listening: map[string]string{"Backlog": backlog}, now: Check{Status: OK}}
		v.backlog(t.Context())
		v.wants(t, "", strings.Fields(want)...)
		if skipped := v.now.Status == Skipped; skipped != (backlog == "") {
			t.Errorf("backlog %q: the check is %s", backlog, v.now.Status)
		}
	}
}

// Without systemd the commands of a cure are others.
func TestCuresWithoutSystemd(t *testing.T) {
	cure := []string{reloadNginx, startNginx, journal, "systemctl restart thumbd.socket", "apt install nginx"}
	for booted, want := range map[bool]string{
		true:  strings.Join(cure, "|"),
		false: "nginx -t && nginx -s reload|start nginx|see the log of thumbd, which it writes to stderr|start thumbd serve --listen /run/s|apt install nginx",
	} {
		v := &visit{booted: booted, at: "/run/s"}
		if got := strings.Join(v.here(cure), "|"); got != want {
			t.Errorf("booted %v: %q, want %q", booted, got, want)
		}
	}
}
