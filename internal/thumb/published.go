// SPDX-License-Identifier: MIT

package thumb

import "strings"

// Published returns the thumbnail that the published file of that name is. The
// name may have the suffix of a variant, also of a format that the site no longer
// negotiates: kitten.jpg.webp. Spec.Format is the file's format.
func (s *Site) Published(name string) (Thumb, error) {
	t, err := s.Parse(name)
	for _, f := range Variants() {
		if err == nil {
			break
		}
		if uri, ok := strings.CutSuffix(name, "."+f.String()); ok {
			t, err = s.Parse(uri)
			t.Spec.Format = f
		}
	}
	return t, err
}
