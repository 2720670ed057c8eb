// SPDX-License-Identifier: MIT

package files

import (
	"path"
	"strings"

	"thumbd/internal/sign"
)

// Disposition returns the Content-Disposition of d (RFC 6266): a filename in
// ASCII for every client and, where the name has more than that, one in UTF-8
// (RFC 8187) for those that know it. A file whose own name can't be told so
// goes without.
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

// quote returns name within a quoted-string, and whether that is all of it.
// Clients disagree on a % in it, so that is told by filename* too.
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
