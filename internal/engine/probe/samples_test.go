// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// smallTIFF is a TIFF of one directory: tag, type, count and value of each
// entry.
func smallTIFF(entries ...[4]uint32) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00")
	b = binary.LittleEndian.AppendUint16(b, uint16(len(entries)))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
		b = binary.LittleEndian.AppendUint32(b, e[3])
	}
	return append(b, 0, 0, 0, 0)
}

// bigTIFF is a BigTIFF of one directory.
func bigTIFF(entries ...[4]uint32) []byte {
	b := []byte("MM\x00+\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10")
	b = binary.BigEndian.AppendUint64(b, uint64(len(entries)))
	for _, e := range entries {
		b = binary.BigEndian.AppendUint16(b, uint16(e[0]))
		b = binary.BigEndian.AppendUint16(b, uint16(e[1]))
		b = binary.BigEndian.AppendUint64(b, uint64(e[2]))
		value := binary.BigEndian.AppendUint16(nil, uint16(e[3]))
		if e[1] == 4 {
			value = binary.BigEndian.AppendUint32(nil, e[3])
		}
		b = append(append(b, value...), make([]byte, 8-len(value))...)
	}
	return append(b, make([]byte, 8)...)
}

// gray are the entries of a picture of bytes.
func gray(more ...[4]uint32) [][4]uint32 {
	return append([][4]uint32{{256, 3, 1, 40}, {257, 4, 1, 30}, {258, 3, 1, 8}, {262, 3, 1, 1}}, more...)
}

func TestReadTIFF(t *testing.T) {
	for _, file := range [][]byte{smallTIFF(gray()...), bigTIFF(gray()...)} {
		got, err := ReadTIFF(bytes.NewReader(file), int64(len(file)))
		if err != nil || got.Size.X != 40 || got.Size.Y != 30 || got.SubIFD != -1 || got.Kind != PlainSamples {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

// TestUnsupportedTIFFSaysWhy has the property in the reason.
func TestUnsupportedTIFFSaysWhy(t *testing.T) {
	for want, entries := range map[string][][4]uint32{
		"12 bits":            gray([4]uint32{258, 3, 1, 12})[3:],
		"signed":             gray([4]uint32{339, 3, 1, 2}),
		"compression 34887":  gray([4]uint32{259, 3, 1, 34887}),
		"predictor 9":        gray([4]uint32{259, 3, 1, 8}, [4]uint32{317, 3, 1, 9}),
		"tiles of 10x16":     gray([4]uint32{322, 3, 1, 10}, [4]uint32{323, 3, 1, 16}),
		"planes in tiles":    gray([4]uint32{284, 3, 1, 2}, [4]uint32{322, 3, 1, 16}, [4]uint32{323, 3, 1, 16}),
		"interpretation 9":   {{256, 3, 1, 4}, {257, 3, 1, 4}, {262, 3, 1, 9}},
		"no photometric":     {{256, 3, 1, 4}, {257, 3, 1, 4}},
		"8 and 6":            {{256, 3, 1, 4}, {257, 3, 1, 4}, {258, 3, 2, 8 | 6<<16}, {262, 3, 1, 1}, {277, 3, 1, 2}},
		"floating point":     gray([4]uint32{258, 3, 1, 64})[3:],
		"inks":               {{256, 3, 1, 4}, {257, 3, 1, 4}, {258, 3, 1, 8}, {262, 3, 1, 5}, {277, 3, 1, 4}, {332, 3, 1, 2}},
		"less color":         {{256, 3, 1, 4}, {257, 3, 1, 4}, {258, 3, 1, 8}, {262, 3, 1, 6}, {277, 3, 1, 3}},
		"7 samples":          gray([4]uint32{277, 3, 1, 7}),
		"2 samples of 4":     {{256, 3, 1, 4}, {257, 3, 1, 4}, {258, 3, 1, 4}, {262, 3, 1, 1}, {277, 3, 1, 2}},
		"2 samples a pixel":  {{256, 3, 1, 4}, {257, 3, 1, 4}, {258, 3, 1, 8}, {262, 3, 1, 2}, {277, 3, 1, 2}},
		"multiplied":         {{256, 3, 1, 4}, {257, 3, 1, 4}, {258, 3, 1, 8}, {262, 3, 1, 5}, {277, 3, 1, 5}, {338, 3, 1, 1}},
		"2 planes of photo":  gray([4]uint32{277, 3, 1, 2}, [4]uint32{284, 3, 1, 2}),
		"compression 4 with": gray([4]uint32{259, 3, 1, 4}),
	} {
		switch want {
		case "12 bits":
			entries = append([][4]uint32{{256, 3, 1, 4}, {257, 3, 1, 4}, {262, 3, 1, 1}}, entries[1])
		case "floating point":
			entries = append([][4]uint32{{256, 3, 1, 4}, {257, 3, 1, 4}, {262, 3, 1, 1}, {339, 3, 1, 3}}, entries[1])
		}
		_, err := ReadTIFF(bytes.NewReader(smallTIFF(entries...)), int64(len(smallTIFF(entries...))))
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// TestHostileTIFFEnds has directories that lead to each other, and many.
// A file that ends before the last value of an entry is cut off, whatever the entry:
// writers put profiles and color maps behind the pixels.
func TestTIFFCutInAValue(t *testing.T) {
	whole := smallTIFF(gray()...)
	for name, entry := range map[string][4]uint32{
		"profile":   {34675, 7, 500, 8},
		"color map": {320, 3, 768, 8},
		"fractions": {532, 5, 6, uint32(len(whole) - 10)},
		"floats":    {33550, 12, 3, uint32(len(whole))},
		"far":       {34675, 7, 1 << 31, 1 << 31},
	} {
		if _, err := ReadTIFF(bytes.NewReader(smallTIFF(gray(entry)...)), int64(len(smallTIFF(gray(entry)...)))); !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: %v, want %v", name, err, ErrTruncated)
		}
		long := append(smallTIFF(gray(entry)...), make([]byte, 2000)...)
		if _, err := ReadTIFF(bytes.NewReader(long), int64(len(long))); err != nil && name != "far" {
			t.Errorf("%s, whole: %v", name, err)
		}
	}
}

func TestHostileTIFFEnds(t *testing.T) {
	reduced := [4]uint32{254, 4, 1, 1}
	loop := smallTIFF(gray(reduced)...)
	binary.LittleEndian.PutUint32(loop[len(loop)-4:], 8)
	if got, err := ReadTIFF(bytes.NewReader(loop), int64(len(loop))); err != nil || got.Page != 0 {
		t.Errorf("a loop: got %+v, %v", got, err)
	}
	within := smallTIFF(gray(reduced, [4]uint32{330, 4, 1, 8})...)
	if got, err := ReadTIFF(bytes.NewReader(within), int64(len(within))); err != nil || got.SubIFD != -1 {
		t.Errorf("a directory in itself: got %+v, %v", got, err)
	}
	for n := range len(loop) {
		if _, err := ReadTIFF(bytes.NewReader(loop[:n]), int64(len(loop[:n]))); err == nil && n < len(loop)-4 {
			t.Errorf("read although cut after %d bytes", n)
		}
	}
}

func FuzzReadTIFF(f *testing.F) {
	f.Add(smallTIFF(gray()...))
	f.Add(bigTIFF(gray()...))
	f.Add(smallTIFF(gray([4]uint32{254, 4, 1, 1}, [4]uint32{330, 4, 1, 8})...))
	f.Add(smallTIFF([][4]uint32{{256, 3, 1, 4}, {257, 3, 1, 4}, {258, 3, 1, 8}, {262, 3, 1, 6}, {277, 3, 1, 3}, {530, 3, 2, 1 | 1<<16}, {529, 5, 3, 0}}...))
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := ReadTIFF(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		if p.Size.X < 1 || p.Size.Y < 1 || p.Extra < 0 || p.Extra > 4 || p.Alpha >= p.Extra || p.Page < 0 || p.Page > maxDirectories {
			t.Errorf("got %+v", p)
		}
	})
}
