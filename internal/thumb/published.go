// SPDX-License-Identifier: MIT

package thumb

import (
	"fmt"
	"strings"
)

// Published returns the thumbnail that the published file of that name is. The
// name may have the suffix of a variant, also of a format that the site no longer
// negotiates: kitten.jpg.webp. Spec.Format is the file's format.
func (s *Site) Published(name string) (Thumb, error) {
	if s.Scheme == InPlace {
		return s.publishedInPlace(name)
	}
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

// publishedInPlace is Published for the scheme inplace. There URIs are the names of
// originals: kitten.jpg.webp in the tree is always of kitten.jpg.
func (s *Site) publishedInPlace(name string) (Thumb, error) {
	uri, ext := cutLast(name, '.')
	f := extensions[ext]
	if s.sizes() && (ext != f.String() || !negotiable(uri, f)) {
		t, err := s.Parse(name)
		if err != nil {
			return t, err
		}
		if sized, ok := t.sized(); ok {
			return sized, nil
		}
	}
	if ext != f.String() || !negotiable(uri, f) {
		return Thumb{}, fmt.Errorf("%w: %q is no variant", ErrExtension, name)
	}
	t, err := s.Parse(uri)
	t.Spec.Format = f
	return t, err
}
