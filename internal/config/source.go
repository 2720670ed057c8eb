// SPDX-License-Identifier: MIT

package config

import "strings"

// sources are the sources with a URL, by how it begins. The first that fits takes it.
// A value without :// is a folder.
var sources = []struct {
	begins string
	set    func(d *draft, value string) error
}{
	{"s3://", (*draft).setBucket},
	{"", (*draft).setOrigin},
}

// setOriginals takes an absolute path, or the URL of a source.
func (d *draft) setOriginals(v any) error {
	s, _ := v.(string)
	if !strings.Contains(s, "://") {
		return folder(&d.Originals)(v)
	}
	for _, source := range sources {
		if strings.HasPrefix(s, source.begins) {
			return source.set(d, s)
		}
	}
	return nil
}
