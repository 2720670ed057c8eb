// SPDX-License-Identifier: MIT

package originals

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// OtherForm returns the name of an original that differs from name in its Unicode
// normalization alone, or "" if there is none. macOS decomposes names, so that a file
// copied from there is "u" and a combining diaeresis, and a URL has "ü".
func (d *Dir) OtherForm(name string) string {
	if !utf8.ValidString(name) {
		return ""
	}
	for _, form := range []norm.Form{norm.NFC, norm.NFD} {
		other := form.String(name)
		if other == name {
			continue
		}
		if exists, err := d.Exists(other); exists && err == nil {
			return other
		}
	}
	return ""
}
