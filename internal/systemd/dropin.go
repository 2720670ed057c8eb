// SPDX-License-Identifier: MIT

package systemd

import (
	"fmt"
	"strings"
)

// Cache is the folder in which thumbd.service may write without a drop-in.
const Cache = "/var/cache/thumbd"

// DropIn returns the lines of a drop-in of thumbd.service with which the daemon
// can read below the folder read and write below the folder write; "" means no
// folder. There are no lines if the installed unit allows both. The permissions
// of the folders are not considered.
func DropIn(read, write string) []string {
	var lines []string
	if isHome(read) || isHome(write) {
		// With tmpfs, other folders beside it stay hidden.
		lines = append(lines, "ProtectHome=tmpfs")
	}
	if isHome(read) || isTemporary(read) {
		lines = append(lines, "BindReadOnlyPaths="+quote(read))
	}
	switch {
	case write == "" || Within(write, Cache):
	case isHome(write) || isTemporary(write):
		lines = append(lines, "BindPaths="+quote(write))
	default:
		lines = append(lines, "ReadWritePaths="+quote(write))
	}
	if len(lines) == 0 {
		return nil
	}
	return append([]string{"[Service]"}, lines...)
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
