// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"thumbd/internal/thumb"
)

// isobox returns a box of an ISO base media file.
func isobox(kind string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

// item of a HEIF: its number and the numbers of its properties, from 1.
type heifItem struct {
	id         byte
	properties []byte
}

// metaOf returns a HEIF of a meta box alone, whose first item is the primary one.
func metaOf(references []byte, properties [][]byte, items ...heifItem) []byte {
	full := []byte{0, 0, 0, 0}
	ipma := append(bytes.Clone(full), 0, 0, 0, byte(len(items)))
	for _, i := range items {
		ipma = append(append(ipma, 0, i.id, byte(len(i.properties))), i.properties...)
	}
	return isobox("meta", full, isobox("pitm", full, []byte{0, items[0].id}), isobox("iref", full, references),
		isobox("iprp", isobox("ipco", properties...), isobox("ipma", ipma)))
}

func numbers(primaries, transfer byte, full byte) []byte {
	return isobox("colr", []byte("nclx"), []byte{0, primaries, 0, transfer, 0, 6, full << 7})
}

// sequenceOf returns the data of an AV1 picture in gray that has such codes, a
// reduced header with a size of a bit.
func sequenceOf(primaries, transfer byte, full bool) []byte {
	var bits []byte
	put := func(n int, v uint64) {
		for i := range n {
			bits = append(bits, byte(v>>(n-1-i)&1))
		}
	}
	put(3, 0)   // profile
	put(2, 3)   // a still with a reduced header
	put(5, 0)   // level
	put(8, 0)   // sizes of one bit
	put(2, 0)   // 1x1
	put(3+3, 0) // tools
	put(1, 0)   // 8 bits
	put(1, 1)   // gray
	put(1, 1)   // codes follow
	put(8, uint64(primaries))
	put(8, uint64(transfer))
	put(8, 6)
	if full {
		put(1, 1)
	} else {
		put(1, 0)
	}
	put(8, 0)
	b := make([]byte, len(bits)/8)
	for i := range 8 * len(b) {
		b[i/8] |= bits[i] << (7 - i%8)
	}
	return append([]byte{1<<3 | 2, byte(len(b))}, b...)
}

// TestHEIFColoring has files that tell their colors in the ways of AVIF and HEIC.
func TestHEIFColoring(t *testing.T) {
	p3 := Color{primaries: 12, transfer: srgbTransfer}
	inColors := isobox("av1C", []byte{0x81, 0, 0, 0})
	inGray := isobox("av1C", []byte{0x81, 0, 0x1c, 0})
	hevcGray := isobox("hvcC", make([]byte, 23))
	alpha := isobox("auxC", []byte{0, 0, 0, 0}, []byte("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\x00"))
	auxl := isobox("auxl", []byte{0, 2, 0, 1, 0, 1})
	limited := plain
	limited.limited = true
	for name, c := range map[string]struct {
		file []byte
		want Coloring
	}{
		"numbers":            {metaOf(nil, [][]byte{inColors, numbers(12, 13, 1)}, heifItem{1, []byte{0x81, 2}}), Coloring{Color: p3}},
		"of sRGB":            {metaOf(nil, [][]byte{inColors, numbers(1, 13, 1)}, heifItem{1, []byte{1, 2}}), Coloring{}},
		"of a camera":        {metaOf(nil, [][]byte{inColors, numbers(12, 1, 1)}, heifItem{1, []byte{1, 2}}), Coloring{Color: p3}},
		"of nothing":         {metaOf(nil, [][]byte{inColors, numbers(3, 99, 1)}, heifItem{1, []byte{1, 2}}), Coloring{}},
		"half unspecified":   {metaOf(nil, [][]byte{inColors, numbers(12, 2, 1)}, heifItem{1, []byte{1, 2}}), Coloring{Color: p3}},
		"of another item":    {metaOf(nil, [][]byte{inColors, numbers(12, 13, 1)}, heifItem{1, []byte{1}}, heifItem{2, []byte{1, 2}}), Coloring{}},
		"the first of two":   {metaOf(nil, [][]byte{inColors, numbers(12, 13, 1), numbers(9, 16, 1)}, heifItem{1, []byte{1, 2, 3}}), Coloring{Color: p3}},
		"colors are limited": {metaOf(nil, [][]byte{inColors, numbers(12, 13, 0)}, heifItem{1, []byte{1, 2}}), Coloring{Color: p3}},
		"gray is limited":    {metaOf(nil, [][]byte{inGray, numbers(1, 13, 0)}, heifItem{1, []byte{1, 2}}), Coloring{Color: limited}},
		"gray of HEVC":       {metaOf(nil, [][]byte{hevcGray, numbers(1, 13, 0)}, heifItem{1, []byte{1, 2}}), Coloring{Color: limited}},
		"in the data":        {metaOf(nil, [][]byte{isobox("av1C", []byte{0x81, 0, 0x1c, 0}, sequenceOf(12, 13, true))}, heifItem{1, []byte{1}}), Coloring{Color: p3}},
		"limited data":       {metaOf(nil, [][]byte{isobox("av1C", []byte{0x81, 0, 0x1c, 0}, sequenceOf(1, 13, false))}, heifItem{1, []byte{1}}), Coloring{Color: limited}},
		"box before data":    {metaOf(nil, [][]byte{isobox("av1C", []byte{0x81, 0, 0x1c, 0}, sequenceOf(12, 13, false)), numbers(1, 13, 1)}, heifItem{1, []byte{1, 2}}), Coloring{}},
		"of a tile": {metaOf(isobox("dimg", []byte{0, 1, 0, 1, 0, 2}), [][]byte{inColors, numbers(12, 13, 1)},
			heifItem{1, nil}, heifItem{2, []byte{1, 2}}), Coloring{Color: p3}},
		"of a grid before its tiles": {metaOf(isobox("dimg", []byte{0, 1, 0, 1, 0, 2}), [][]byte{inColors, numbers(12, 13, 1), numbers(9, 16, 1)},
			heifItem{1, []byte{2}}, heifItem{2, []byte{1, 3}}), Coloring{Color: p3}},
		"limited alpha": {metaOf(auxl, [][]byte{inColors, inGray, alpha, numbers(1, 13, 0)},
			heifItem{1, []byte{1}}, heifItem{2, []byte{2, 3, 4}}), Coloring{LimitedAlpha: true}},
		"multiplied": {metaOf(append(isobox("prem", []byte{0, 1, 0, 1, 0, 2}), auxl...), [][]byte{inColors, inGray, alpha},
			heifItem{1, []byte{1}}, heifItem{2, []byte{2, 3}}), Coloring{Multiplied: true}},
		"multiplied by no alpha": {metaOf(isobox("prem", []byte{0, 1, 0, 1, 0, 2}), [][]byte{inColors, inGray},
			heifItem{1, []byte{1}}, heifItem{2, []byte{2}}), Coloring{}},
	} {
		got := ColoringOf(thumb.AVIF, bytes.NewReader(c.file), int64(len(c.file)))
		if got.Color != c.want.Color || got.Over || got.Multiplied != c.want.Multiplied || got.LimitedAlpha != c.want.LimitedAlpha {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// TestSequenceHeader reads a header with all that can be in one.
func TestSequenceHeader(t *testing.T) {
	// Of libaom's for a film in BT.2020 and PQ, of a limited range: a delimiter,
	// then the header.
	film := []byte{0x12, 0, 0x0a, 0x0d, 0x20, 0, 0, 0x03, 0x1f, 0xff, 0x36, 0xbe, 0x48, 0x48, 0x80, 0x48, 0x80}
	if v, ok := readAV1(film); !ok || v != (video{9, pqTransfer, false}) {
		t.Errorf("of a film: got %+v, %v", v, ok)
	}
	for n := range film[:len(film)-1] {
		if v, ok := readAV1(film[:n]); ok {
			t.Errorf("of %d bytes: got %+v", n, v)
		}
	}
	if v, ok := readAV1(sequenceOf(9, 16, true)); !ok || v != (video{9, 16, true}) {
		t.Errorf("got %+v, %v", v, ok)
	}
}

// TestProfilesOfNumbers has profiles that can be written and read for all that
// numbers can tell.
func TestProfilesOfNumbers(t *testing.T) {
	for p := range primaryPoints {
		for transfer := range 256 {
			c := cicpColor(p, uint8(transfer))
			if c == (Color{}) {
				continue
			}
			data := c.Profile()
			got := ReadProfile(data)
			if got.Space != "RGB " || got.Perceptual || len(data) != int(binary.BigEndian.Uint32(data)) {
				t.Errorf("%d, %d: got %+v", p, transfer, got)
			}
			if same := p == bt709 && (transfer == srgbTransfer || transfer == 12); got.SRGB != same {
				t.Errorf("%d, %d: taken for sRGB: %v", p, transfer, got.SRGB)
			}
		}
	}
	m, ok := matrixOf(primaryPoints[bt709])
	if white := inD50(primaryPoints[bt709]).times(m).of([3]float64{1, 1, 1}); !ok || math.Abs(white[0]-0.9642)+math.Abs(white[1]-1)+math.Abs(white[2]-0.8249) > 1e-6 {
		t.Errorf("white is %v", white)
	}
}

// FuzzColoring holds that no file crashes the reader of colors, and that whatever
// it tells becomes a profile.
func FuzzColoring(f *testing.F) {
	formats := []thumb.Format{thumb.PNG, thumb.AVIF, thumb.HEIC, thumb.JXL}
	for i, pattern := range []string{"*.png", "color/*.avif", "*.heic", "color/*.jxl"} {
		names, _ := filepath.Glob("../testdata/" + pattern)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), data)
		}
	}
	f.Add(uint8(0), []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x04gAMA\x00\x01\x86\xa0\x31\xe8\x96\x5f"))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		c := ColoringOf(formats[int(kind)%len(formats)], bytes.NewReader(data), int64(len(data)))
		if made, p := c.Profile(nil); c.Color != (Color{}) && (p.Space != "RGB " || len(made) == 0) {
			t.Errorf("%+v makes a profile of %q", c.Color, p.Space)
		}
	})
}
