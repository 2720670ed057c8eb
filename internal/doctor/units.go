// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"thumbd/internal/rights"
	"thumbd/internal/systemd"
)

// systemd looks at the units' states. All that depends on the service manager
// is skipped if there is none.
func (v *visit) systemd(ctx context.Context) string {
	if os.Geteuid() != 0 {
		v.find("no-root", "", "only root can see all of an installation: some checks are left out", "sudo thumbd doctor")
	}
	if !v.booted {
		return v.skip("systemd does not run this machine: no units to look at")
	}
	names := slices.Concat([]string{"LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "ExecMainStatus", "ExecMainCode", "NRestarts", "NeedDaemonReload", "DropInPaths", "User", "Group", "SupplementaryGroups", "Listen", "Backlog"},
		hardenedNames(), systemd.NetworkProperties, systemd.BoundProperties, rights.JournalProperties)
	var err error
	if v.service, err = systemd.Properties(ctx, systemd.Service, names...); err != nil {
		return v.skip("systemctl does not answer")
	}
	if v.listening, err = systemd.Properties(ctx, systemd.SocketUnit, names...); err != nil {
		return v.skip("systemctl does not answer")
	}
	v.managed = true
	for _, u := range []struct {
		name   string
		states map[string]string
	}{{systemd.SocketUnit, v.listening}, {systemd.Service, v.service}} {
		v.unit(u.name, u.states)
	}
	v.activity()
	return fmt.Sprintf("%s is %s, %s is %s", systemd.SocketUnit, v.listening["ActiveState"], systemd.Service, v.service["ActiveState"])
}

// unit checks the properties that both units need.
func (v *visit) unit(name string, is map[string]string) {
	switch is["LoadState"] {
	case "loaded":
	case "masked":
		v.find("unit-masked", name, "it is masked: nothing can start it", "systemctl unmask "+name)
	case "not-found":
		v.find("unit-missing", name, "systemd does not know it", "apt install --reinstall thumbd", "systemctl daemon-reload")
	default:
		v.find("unit-missing", name, "systemd could not load it: "+is["LoadState"], "systemctl status "+name, "systemctl daemon-reload")
	}
	if is["NeedDaemonReload"] == "yes" {
		v.find("unit-outdated", name, "its file or a drop-in has changed since systemd read it", "systemctl daemon-reload", "systemctl try-restart "+name)
	}
}

// activity checks that the units run, and that they will run after the next boot.
func (v *visit) activity() {
	if v.listening["LoadState"] == "loaded" {
		if state := v.listening["UnitFileState"]; state == "disabled" {
			v.find("socket-not-enabled", systemd.SocketUnit, "it is not enabled: after a restart of the machine nothing listens", "systemctl enable --now "+systemd.SocketUnit)
		}
		if state := v.listening["ActiveState"]; state != "active" {
			cure := []string{"systemctl enable --now " + systemd.SocketUnit}
			if state == "failed" {
				cure = []string{"systemctl reset-failed " + systemd.SocketUnit + " " + systemd.Service, "systemctl restart " + systemd.SocketUnit}
			}
			v.find("socket-not-active", systemd.SocketUnit, "it is "+state+", so nobody listens ("+v.listening["Result"]+")", cure...)
		}
	}
	switch cure, ok := beforeRun[v.service["ExecMainStatus"]]; {
	case ok && v.stumbles():
		v.find("service-failed", systemd.Service, "it ends before thumbd runs: "+v.outcome(), append(cure, "systemctl restart "+systemd.Service)...)
	case v.service["ActiveState"] == "failed":
		v.find("service-failed", systemd.Service, "it has failed: "+v.outcome(), journal, "systemctl restart "+systemd.Service)
	}
}

// stumbles reports whether the service has failed, or waits for another start after a
// start that failed.
func (v *visit) stumbles() bool {
	state := v.service["ActiveState"]
	return state == "failed" || state == "activating" && v.service["Result"] != "success"
}

// journal is the command that shows the end of the service's log.
const journal = "journalctl -u " + systemd.Service + " -n 50"

// beforeRun are the statuses of a service that ended before its program ran, see
// systemd.exec(5), and their cures.
var beforeRun = map[string][]string{
	"203": {"apt install --reinstall thumbd", journal},
	"217": {"systemd-sysusers thumbd.conf", journal},
	"226": {
		"a container must let systemd make namespaces: for Proxmox pct set ID --features nesting=1, for LXD lxc config set NAME security.nesting true",
		"else a path of a drop-in is missing: systemctl cat " + systemd.Service, journal,
	},
	"239": {"/var/cache/thumbd must be a folder, not a link: move document_root, or mount the other folder there", journal},
	"243": {"LoadCredential= of a drop-in names no file: systemctl cat " + systemd.Service, journal},
}

// statusNames are the names of the statuses of beforeRun.
var statusNames = map[string]string{"203": "EXEC", "217": "USER", "226": "NAMESPACE", "239": "CACHE_DIRECTORY", "243": "CREDENTIALS"}

// outcome is the result of the service's last run by systemd, for example "result
// exit-code, status 226/NAMESPACE, 12 restarts".
func (v *visit) outcome() string {
	if !v.managed {
		return "systemd does not manage it"
	}
	status := v.service["ExecMainStatus"]
	if v.service["ExecMainCode"] == "2" || v.service["ExecMainCode"] == "3" {
		status = "signal " + status
	} else if name, ok := statusNames[status]; ok {
		status += "/" + name
	}
	return fmt.Sprintf("result %s, status %s, %s restarts", v.service["Result"], status, v.service["NRestarts"])
}

// hardened has the properties of the installed unit, as systemctl show prints them.
// If there is more than one value, all are as good.
var hardened = []struct {
	property string
	values   []string
}{
	{"NoNewPrivileges", []string{"yes"}},
	{"CapabilityBoundingSet", []string{""}},
	{"PrivateDevices", []string{"yes"}},
	{"PrivateNetwork", []string{"yes"}},
	{"PrivateTmp", []string{"yes"}},
	{"PrivateUsers", []string{"yes"}},
	{"ProtectHome", []string{"yes", "read-only", "tmpfs"}},
	{"ProtectSystem", []string{"strict"}},
	{"ProtectKernelTunables", []string{"yes"}},
	{"ProtectProc", []string{"invisible"}},
	{"RestrictAddressFamilies", []string{"AF_UNIX"}},
	{"RestrictSUIDSGID", []string{"yes"}},
	{"LockPersonality", []string{"yes"}},
	{"MemoryDenyWriteExecute", []string{"yes"}},
	{"DevicePolicy", []string{"closed"}},
}

func hardenedNames() []string {
	var names []string
	for _, h := range hardened {
		names = append(names, h.property)
	}
	return names
}

// hardening looks for drop-ins that take protections back, and for the drop-in that
// remote originals need.
func (v *visit) hardening(context.Context) string {
	if !v.managed || v.service["LoadState"] != "loaded" {
		return v.skip("no unit to look at")
	}
	where := systemd.Service
	if paths := v.service["DropInPaths"]; paths != "" {
		where = paths
	}
	if user := v.service["User"]; user == "" || user == "root" {
		v.find("service-user", where, "thumbd runs as root", "remove User= from the drop-in; it is thumbd as installed", "systemctl daemon-reload && systemctl restart "+systemd.Service)
	}
	v.load()
	remote := v.remote()
	if in := systemd.NoNetwork(v.service); remote != "" && len(in) > 0 {
		v.find("network-missing", where, remote+", and the service has no network: "+strings.Join(in, ", "),
			systemd.NetworkDropIn...)
	}
	for _, h := range hardened {
		// If this systemd does not know a property, it does not print it.
		value, known := v.service[h.property]
		needed := remote != "" && systemd.IsNetwork(h.property, value)
		if known && !needed && !slices.Contains(h.values, value) {
			v.find("hardening-loosened", where, fmt.Sprintf("%s=%s, and %s as installed", h.property, value, h.values[0]),
				"remove it from the drop-in, unless you know why it is there: systemctl edit "+systemd.Service, "systemctl restart "+systemd.Service)
		}
	}
	return "user " + v.service["User"] + ", drop-ins: " + orNone(v.service["DropInPaths"])
}

// remote returns Config.Remote, "" if the configuration can't be read.
func (v *visit) remote() string {
	if v.config == nil {
		return ""
	}
	return v.config.Remote()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// backlog compares the length of the socket's queue with the kernel's bound.
func (v *visit) backlog(context.Context) string {
	wanted, err := strconv.Atoi(v.listening["Backlog"])
	if err != nil {
		return v.skip("no unit of a socket to look at")
	}
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		return v.skip("%v", err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return v.skip("net.core.somaxconn: %v", err)
	}
	if most < wanted {
		v.find("backlog-bounded", "net.core.somaxconn", fmt.Sprintf("it is %d, below Backlog=%d of %s: more requests at once than that are answered 502", most, wanted, systemd.SocketUnit),
			fmt.Sprintf("echo net.core.somaxconn=%d > /etc/sysctl.d/60-thumbd.conf && sysctl --system", wanted), "systemctl restart "+systemd.SocketUnit)
	}
	return fmt.Sprintf("Backlog=%d, net.core.somaxconn is %d", wanted, most)
}
