// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"maps"
	"slices"

	"thumbd/internal/thumb"
)

// ability has the formats that the worker can read, or the formats that it can write.
type ability struct {
	verb    string
	formats []thumb.Format
	bringer func(thumb.Format) string // the package that brings it
}

// Restrict returns c without the formats that the worker can't read or write,
// each with a warning, and one if it can't choose the quality of a format. A format to negotiate that it can't write is a mistake,
// and so is a site that is left without any; the mistakes are joined as Parse
// joins them. It leaves c as it is.
func (c *Config) Restrict(read, write []thumb.Format) (*Config, []Mistake, error) {
	r := reader{files: c.files, places: c.places, bad: make(map[string]bool)}
	restricted := *c
	restricted.Sites = slices.Clone(c.Sites)
	for i := range restricted.Sites {
		r.restrict(&restricted.Sites[i], ability{"read", read, thumb.Format.Decoder}, ability{"written", write, thumb.Format.Encoder})
	}
	r.sort()
	if err := join(r.mistakes); err != nil {
		return nil, r.warnings, err
	}
	return &restricted, r.warnings, nil
}

func (r *reader) restrict(s *Site, readable, writable ability) {
	site := "site." + s.Thumb.Name
	for _, f := range s.Thumb.Negotiate {
		if !writable.has(f) {
			r.mistake(site+".negotiate", "%v %s, or remove it", f, writable.remedy(f))
		}
	}
	s.OriginalFormats = r.keep(readable, site+".original_formats", s.OriginalFormats)
	s.Thumb.Formats = r.keep(writable, site+".formats", s.Thumb.Formats)
	if len(s.OriginalFormats) == 0 {
		r.mistake(site+".original_formats", "the installed libvips can read none of them; name another")
	}
	if len(s.Thumb.Formats) == 0 {
		r.mistake(site+".formats", "the installed libvips can write none of them; name another")
	}
	for f, quality := range s.Thumb.Quality {
		if quality == thumb.AutoQuality && slices.Contains(s.Thumb.Formats, f) {
			r.checkAuto(readable, site+".quality", f)
		}
	}
	s.Thumb.Presets = maps.Clone(s.Thumb.Presets)
	for _, name := range slices.Sorted(maps.Keys(s.Thumb.Presets)) {
		p := s.Thumb.Presets[name]
		p.Formats = r.keep(writable, site+".preset."+name+".formats", p.Formats)
		s.Thumb.Presets[name] = p
		if p.Transform.Quality == thumb.AutoQuality {
			for _, f := range thumb.ThumbnailFormats() {
				if slices.Contains(s.Thumb.Formats, f) || slices.Contains(p.Formats, f) {
					r.checkAuto(readable, site+".preset."+name+".quality", f)
				}
			}
		}
	}
}

// checkAuto warns if the worker can't choose the quality of a format, for which it must
// read the format, too.
func (r *reader) checkAuto(readable ability, key string, f thumb.Format) {
	if f.Quality() != 0 && !readable.has(f) {
		r.warn(key, "%v %s; until then it has the quality %d and not auto", f, readable.remedy(f), f.Quality())
	}
}

// keep returns the formats for which the worker has the ability.
func (r *reader) keep(a ability, key string, formats []thumb.Format) []thumb.Format {
	var kept []thumb.Format
	for _, f := range formats {
		if a.has(f) {
			kept = append(kept, f)
		} else {
			r.warn(key, "%v %s; until then it is left out", f, a.remedy(f))
		}
	}
	return kept
}

func (a ability) has(f thumb.Format) bool { return slices.Contains(a.formats, f) }

func (a ability) remedy(f thumb.Format) string {
	if p := a.bringer(f); p != "" {
		return fmt.Sprintf("can't be %s by the installed libvips; install %s", a.verb, p)
	}
	return fmt.Sprintf("can't be %s by the installed libvips; install one that can", a.verb)
}
