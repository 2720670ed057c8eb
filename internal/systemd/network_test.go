// SPDX-License-Identifier: MIT

package systemd

import (
	"strings"
	"testing"
)

func TestNoNetwork(t *testing.T) {
	for name, tt := range map[string]struct {
		shown string // by systemctl show
		want  string
	}{
		"as installed": {
			"PrivateNetwork=yes\nRestrictAddressFamilies=AF_UNIX\nIPAddressAllow=\nIPAddressDeny=::/0 0.0.0.0/0",
			"PrivateNetwork=yes RestrictAddressFamilies=AF_UNIX IPAddressDeny=::/0 0.0.0.0/0",
		},
		"a network of the machine alone": {
			"PrivateNetwork=no\nRestrictAddressFamilies=AF_UNIX\nIPAddressAllow=\nIPAddressDeny=0.0.0.0/0 ::/0",
			"RestrictAddressFamilies=AF_UNIX IPAddressDeny=0.0.0.0/0 ::/0",
		},
		"with the drop-in":       {"PrivateNetwork=no\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\nIPAddressAllow=\nIPAddressDeny=169.254.0.0/16 fe80::/64", ""},
		"with one of the two":    {"RestrictAddressFamilies=AF_INET6 AF_UNIX", ""},
		"some addresses allowed": {"IPAddressAllow=192.0.2.10/32\nIPAddressDeny=::/0 0.0.0.0/0", ""},
		"one protocol denied":    {"IPAddressAllow=\nIPAddressDeny=::/0", ""},
		"other families denied":  {"RestrictAddressFamilies=~AF_PACKET", ""},
		"nothing restricted":     {"PrivateNetwork=no\nRestrictAddressFamilies=\nIPAddressAllow=\nIPAddressDeny=", ""},
	} {
		if got := strings.Join(NoNetwork(parseProperties(tt.shown)), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestIsNetwork(t *testing.T) {
	for property, want := range map[string]bool{
		"PrivateNetwork=no": true, "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6": true, "RestrictAddressFamilies=AF_INET AF_UNIX": true,
		"RestrictAddressFamilies=": false, "RestrictAddressFamilies=AF_UNIX AF_NETLINK": false, "RestrictAddressFamilies=~AF_PACKET": false,
		"PrivateUsers=no": false,
	} {
		name, value, _ := strings.Cut(property, "=")
		if got := IsNetwork(name, value); got != want {
			t.Errorf("%s: got %v", property, got)
		}
	}
}
