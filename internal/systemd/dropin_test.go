// SPDX-License-Identifier: MIT

package systemd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBound(t *testing.T) {
	for name, tt := range map[string]struct {
		shown string
		want  []string
	}{
		"none":             {"BindPaths=\nProtectHome=tmpfs", nil},
		"both lists":       {"ProtectHome=tmpfs\nBindPaths=/home/a/t:/home/a/t:rbind\nBindReadOnlyPaths=-/home/b:/home/b /root/c:/root/c:rbind", []string{"/home/a/t", "/home/b", "/root/c"}},
		"temporary":        {"PrivateTmp=yes\nBindPaths=/tmp/a:/tmp/a:rbind", []string{"/tmp/a"}},
		"not hidden":       {"PrivateTmp=no\nProtectHome=yes\nBindPaths=/home/a:/home/a:rbind /tmp/a:/tmp/a:rbind /srv/a:/srv/a:rbind", nil},
		"at another place": {"ProtectHome=tmpfs\nBindPaths=/srv/a:/home/a:rbind", nil},
		"with a space":     {"ProtectHome=tmpfs\nBindPaths=/home/a b:/home/a b:rbind", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Bound(parseProperties(tt.shown))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDropInOpensWhatTheUnitCloses(t *testing.T) {
	for name, tt := range map[string]struct {
		read, write string
		want        []string
	}{
		"as installed":               {"/srv/media", "/var/cache/thumbd/a", nil},
		"the cache itself":           {"/srv/media", "/var/cache/thumbd", nil},
		"beside the cache":           {"/srv/media", "/var/cache/thumbdx", []string{"[Service]", "ReadWritePaths=/var/cache/thumbdx"}},
		"originals at home":          {"/home/me/p", "", []string{"[Service]", "ProtectHome=tmpfs", "BindReadOnlyPaths=/home/me/p"}},
		"a folder that begins alike": {"/homes/p", "", nil},
		"root's home":                {"/root/p", "/srv/t", []string{"[Service]", "ProtectHome=tmpfs", "BindReadOnlyPaths=/root/p", "ReadWritePaths=/srv/t"}},
		"both at home":               {"/home/p", "/home/t", []string{"[Service]", "ProtectHome=tmpfs", "BindReadOnlyPaths=/home/p", "BindPaths=/home/t"}},
		"temporary":                  {"/tmp/p", "/var/tmp/t", []string{"[Service]", "BindReadOnlyPaths=/tmp/p", "BindPaths=/var/tmp/t"}},
		"a path to quote":            {"", "/srv/a b%", []string{"[Service]", `ReadWritePaths="/srv/a b%%"`}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, DropIn(tt.read, tt.write)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
