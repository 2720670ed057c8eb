// SPDX-License-Identifier: MIT

package systemd

import (
	"fmt"
	"strings"
)

// Cache is the folder in which thumbd.service may write without a drop-in.
const Cache = "/var/cache/thumbd"

// DropIn returns the lines of a drop-in of thumbd.service that lets the daemon read
// below the folder read and write below the folder write; "" means no folder. If the
// installed unit allows both, there are no lines. The permissions of the folders are not
// considered.
func DropIn(read, write string) []string {
	var lines []string
	if isHome(read) || isHome(write) {
		// With tmpfs, other folders beside it stay hidden.
		lines = append(lines, "ProtectHome=tmpfs")
	}
	if Binds(read) {
		lines = append(lines, "BindReadOnlyPaths="+quote(read))
	}
	switch {
	case write == "" || Within(write, Cache):
	case Binds(write):
		lines = append(lines, "BindPaths="+quote(write))
	default:
		lines = append(lines, "ReadWritePaths="+quote(write))
	}
	if len(lines) == 0 {
		return nil
	}
	return append([]string{"[Service]"}, lines...)
}

// Binds reports whether the drop-in of a folder binds it, because the unit hides it.
func Binds(path string) bool { return isHome(path) || isTemporary(path) }

// BoundProperties are the properties of a unit that Bound needs.
var BoundProperties = []string{"BindPaths", "BindReadOnlyPaths", "ProtectHome", "PrivateTmp"}

// Bound returns the folders that a unit with these properties binds at their own paths,
// if the unit hides the folders above: systemd then makes new folders above, and every
// user can enter them. systemctl show prints a list such as
// "/home/p/media:/home/p/media:rbind", with "-" in front if the folder may be missing. If
// a path has a space or a colon, it looks like two paths, and is left out.
func Bound(is map[string]string) []string {
	var bound []string
	for _, field := range strings.Fields(is["BindPaths"] + " " + is["BindReadOnlyPaths"]) {
		parts := strings.Split(strings.TrimPrefix(field, "-"), ":")
		if len(parts) < 2 || len(parts) > 3 || parts[0] != parts[1] {
			continue
		}
		path := parts[0]
		home := isHome(path) && is["ProtectHome"] == "tmpfs"
		temporary := isTemporary(path) && is["PrivateTmp"] != "" && is["PrivateTmp"] != "no"
		if home || temporary {
			bound = append(bound, path)
		}
	}
	return bound
}

// isHome reports whether ProtectHome= hides path.
func isHome(path string) bool {
	return Within(path, "/home") || Within(path, "/root") || Within(path, "/run/user")
}

// isTemporary reports whether PrivateTmp= hides path.
func isTemporary(path string) bool { return Within(path, "/tmp") || Within(path, "/var/tmp") }

// Within reports whether path is dir or below it.
func Within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// quote writes a path as a unit file has it, systemd.syntax(7).
func quote(path string) string {
	path = strings.ReplaceAll(path, "%", "%%")
	if strings.ContainsAny(path, " \t\"'\\:") {
		return fmt.Sprintf("%q", path)
	}
	return path
}
