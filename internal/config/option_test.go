// SPDX-License-Identifier: MIT

package config

import (
	"strconv"
	"strings"
	"testing"

	"thumbd/internal/thumb"
)

// Each option of URLs is a key of presets that takes the same values, but for v, and for dpr,
// which is a list.
func TestEachOptionIsAKeyOfPresets(t *testing.T) {
	for example, want := range thumb.Examples() {
		name, text, _ := strings.Cut(example, "=")
		if name == "v" || name == "dpr" {
			continue
		}
		p := thumb.Preset{}
		set := presetFields(&p)
		for key, v := range want.PresetOptions() {
			if v.String() == "" {
				continue
			}
			if err := set[key](inTOML(v, text)); err != nil {
				t.Errorf("%s: %v", example, err)
			}
		}
		if p.Transform != want {
			t.Errorf("%s: the key sets %+v, and the URL %+v", example, p.Transform, want)
		}
	}
}

// inTOML returns a value of a URL as TOML has it: gray=1 is true.
func inTOML(v thumb.Value, text string) any {
	n, err := strconv.ParseFloat(text, 64)
	switch v.(type) {
	case thumb.Truth:
		return text == "1"
	case thumb.Whole, thumb.OneFrame, thumb.QualityValue:
		if err == nil {
			return int64(n)
		}
	case thumb.Number:
		return n
	}
	return text
}
