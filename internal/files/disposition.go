// SPDX-License-Identifier: MIT

package files

import (
	"path"
	"strings"

	"thumbd/internal/sign"
)

// Disposition returns the Content-Disposition of d (RFC 6266), for example
//
//	attachment; filename="r_sum_.pdf"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf
//
// It has a filename in ASCII for every client and, if the name has other
// characters, one in UTF-8 (RFC 8187). A name that is not UTF-8 is left out.
func (s *Section) Disposition(d Download) string {
	kind, name := "inline", d.SaveAs
	if s.Attachment || name != "" {
		kind = "attachment"
	}
	if name == "" {
		name = path.Base(d.Path)
		if sign.CheckFileName(name) != nil {
			return kind
		}
	}
	quoted, plain := quote(name)
	value := kind + `; filename="` + quoted + `"`
	if !plain {
		value += "; filename*=UTF-8''" + sign.Escape(name)
	}
	return value
}

// quote returns name as a quoted-string, and whether the string is complete. A
// name with a % needs filename* too, because clients read it differently.
func quote(name string) (quoted string, plain bool) {
	var b strings.Builder
	plain = true
	for _, c := range name {
		switch {
		case c > '~':
			b.WriteByte('_')
			plain = false
		case c == '"':
			b.WriteString(`\"`)
			plain = false
		case c == '%':
			b.WriteByte('_')
			plain = false
		default:
			b.WriteRune(c)
		}
	}
	return b.String(), plain
}
