// SPDX-License-Identifier: MIT

package systemd

import (
	"slices"
	"strings"
)

// NetworkProperties are the properties of a unit that NoNetwork reads.
var NetworkProperties = []string{"PrivateNetwork", "RestrictAddressFamilies", "IPAddressAllow", "IPAddressDeny"}

// NetworkDropIn has the commands that install the drop-in that gives thumbd.service a
// network.
var NetworkDropIn = []string{
	"install -D -m 0644 -t /etc/systemd/system/thumbd.service.d /usr/share/doc/thumbd/examples/systemd/remote-originals.conf",
	"systemctl daemon-reload && systemctl restart " + Service,
}

// NginxDropIn has the commands that install the drop-in that has nginx.service start after
// thumbd.service.
var NginxDropIn = []string{
	"install -D -m 0644 /usr/share/doc/thumbd/examples/systemd/nginx.service.d/nodes.conf /etc/systemd/system/nginx.service.d/thumbd-nodes.conf",
	"systemctl daemon-reload",
}

// NoNetwork returns the properties that deny a unit all of the Internet, from values, the
// unit's properties as Properties returns them. If a property is missing, it denies
// nothing.
func NoNetwork(values map[string]string) []string {
	var in []string
	note := func(name string, restricts bool) {
		if restricts {
			in = append(in, name+"="+values[name])
		}
	}
	note("PrivateNetwork", values["PrivateNetwork"] == "yes")
	families := strings.Fields(values["RestrictAddressFamilies"])
	// A list with ~ names the families that are denied.
	listed := len(families) > 0 && !strings.HasPrefix(families[0], "~")
	note("RestrictAddressFamilies", listed && !slices.Contains(families, "AF_INET") && !slices.Contains(families, "AF_INET6"))
	denied := strings.Fields(values["IPAddressDeny"])
	note("IPAddressDeny", values["IPAddressAllow"] == "" && slices.Contains(denied, "0.0.0.0/0") && slices.Contains(denied, "::/0"))
	return in
}

// IsNetwork reports whether a value of a property allows a unit no more than
// connections by the Internet's protocols.
func IsNetwork(name, value string) bool {
	switch name {
	case "PrivateNetwork":
		return true
	case "RestrictAddressFamilies":
		families := strings.Fields(value)
		return len(families) > 0 && !slices.ContainsFunc(families, func(f string) bool {
			return f != "AF_UNIX" && f != "AF_INET" && f != "AF_INET6"
		})
	}
	return false
}
