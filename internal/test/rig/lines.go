// SPDX-License-Identifier: MIT

package rig

import (
	"slices"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/doctor"
)

// Lines returns the locations that thumbd init prints for s, for Site.Lines. A Rig
// has snippets/thumbd.conf already.
func Lines(s *config.Site) string {
	lines := slices.DeleteFunc(doctor.Lines(s), func(line string) bool { return line == "include snippets/thumbd.conf;" })
	return strings.Join(lines, "\n")
}
