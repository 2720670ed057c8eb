// SPDX-License-Identifier: MIT

package thumb

import "strings"

// Published returns what the published file of that name is, which may have
// the suffix of one of the negotiated formats. Spec.Format is the file's.
func (s *Site) Published(name string, negotiated ...Format) (Thumb, error) {
	t, err := s.Parse(name)
	for _, f := range negotiated {
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
