// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"slices"
	"testing"
)

// TestHEIFTurns has pictures with properties that turn them one after the other, and
// the orientation that this is. Places are of values behind the name of their box.
func TestHEIFTurns(t *testing.T) {
	irot := func(quarters byte) []byte { return isobox("irot", []byte{quarters}) }
	topToBottom, leftToRight := isobox("imir", []byte{0}), isobox("imir", []byte{1})
	clap := isobox("clap", make([]byte, 32))
	for name, c := range map[string]struct {
		properties [][]byte
		want, left int // left: properties that are left to libheif
	}{
		"none":                    {[][]byte{isobox("pixi", []byte{1})}, 1, 1},
		"a quarter":               {[][]byte{irot(1)}, 8, 0},
		"a half":                  {[][]byte{irot(2)}, 3, 0},
		"reserved bits":           {[][]byte{irot(0xff)}, 6, 0},
		"mirrored":                {[][]byte{leftToRight}, 2, 0},
		"upside down":             {[][]byte{topToBottom}, 4, 0},
		"turned, then mirrored":   {[][]byte{irot(1), topToBottom}, 5, 0},
		"mirrored, then turned":   {[][]byte{topToBottom, irot(1)}, 7, 0},
		"mirrored across, turned": {[][]byte{leftToRight, irot(1)}, 5, 0},
		"mirrored twice":          {[][]byte{leftToRight, topToBottom}, 3, 0},
		"turned twice":            {[][]byte{irot(3), irot(3)}, 3, 0},
		"cut, then turned":        {[][]byte{clap, irot(3)}, 6, 1},
		"turned, then cut":        {[][]byte{irot(3), clap}, 1, 2},
		"an empty box":            {[][]byte{isobox("irot")}, 1, 1},
	} {
		numbers := []byte{}
		for i := range c.properties {
			numbers = append(numbers, byte(i+1))
		}
		// What turns another item than the picture and its alpha does not count.
		properties := append(slices.Clone(c.properties), irot(2))
		file := append(isobox("ftyp", []byte("avif")), metaOf(nil, properties, heifItem{1, numbers}, heifItem{2, []byte{byte(len(properties))}})...)
		got, err := ReadHEIF(bytes.NewReader(file), int64(len(file)))
		if err != nil || got.Orientation != c.want || len(got.Turns) != len(c.properties)-c.left {
			t.Errorf("%s: %+v, %v, want orientation %d, %d left", name, got, err, c.want, c.left)
		}
		for _, at := range got.Turns {
			if kind := string(file[at-4 : at]); kind != "irot" && kind != "imir" {
				t.Errorf("%s: at %d is a %q", name, at, kind)
			}
		}
	}
	isAlpha := append([]byte{0, 0, 0, 0}, "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\x00"...)
	reference := isobox("auxl", []byte{0, 2, 0, 1, 0, 1})
	for name, c := range map[string]struct{ picture, alpha []byte }{
		"the alpha as the picture": {[]byte{1}, []byte{2, 1}},
		"the alpha alone":          {nil, []byte{2, 1}},
	} {
		file := metaOf(reference, [][]byte{irot(1), isobox("auxC", isAlpha)}, heifItem{1, c.picture}, heifItem{2, c.alpha})
		got, _ := ReadHEIF(bytes.NewReader(file), int64(len(file)))
		if want := 1 + 7*len(c.picture); got.Orientation != want || len(got.Turns) != len(c.picture)+1 {
			t.Errorf("%s is turned: %+v, want orientation %d", name, got, want)
		}
	}
}
