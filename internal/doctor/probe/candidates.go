// SPDX-License-Identifier: MIT

package probe

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"

	"thumbd/internal/config"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// candidates returns thumbnails of an original that a probe may take, the best first.
func candidates(s *config.Site, original string) []thumb.Thumb {
	var wanted []thumb.Wanted
	ext := thumb.JPEG.String()
	if !slices.Contains(s.Thumb.Formats, thumb.JPEG) {
		ext = s.Thumb.Formats[0].String()
	}
	switch s.Thumb.Scheme {
	case thumb.Signed:
		wanted = []thumb.Wanted{{Original: original, Size: "16x16", Method: "fit_v=doctor" + rand.Text()[:12], Ext: ext}}
	case thumb.RestThumbnails:
		for side := 16; side < 64; side++ {
			wanted = append(wanted, thumb.Wanted{Original: original, Size: fmt.Sprintf("%dx16", side), Method: "crop", Ext: ext})
		}
	case thumb.PresetScheme:
		for _, name := range presetsOf(&s.Thumb) {
			wanted = append(wanted, thumb.Wanted{Original: original, Preset: name})
		}
	}
	var all []thumb.Thumb
	for _, w := range wanted {
		t, err := s.Thumb.New(w)
		if err != nil {
			continue
		}
		if s.Thumb.Scheme.HasKeys() {
			t.Signature = sign.Sign(t, s.Thumb.Keys[0])
		}
		all = append(all, t)
	}
	return all
}

// presetsOf returns the presets' names as URIs have them, from small to large. If a preset
// is rendered together with others, it comes after all that are not.
func presetsOf(s *thumb.Site) []string {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(s.Presets)), func(name string) bool { return s.Presets[name].Transform.Info })
	cost := func(name string) int {
		w, h := s.Presets[name].Transform.Box()
		if slices.Contains(s.Together, name) || w+h == 0 {
			return w + h + 1<<20
		}
		return w + h
	}
	slices.SortFunc(names, func(a, b string) int { return cost(a) - cost(b) })
	if len(s.Factors) > 0 {
		for i := range names {
			names[i] += fmt.Sprintf("/%d", s.Factors[0])
		}
	}
	return names
}
