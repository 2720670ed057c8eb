// SPDX-License-Identifier: MIT

package publish

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"

	"thumbd/internal/thumb"
)

// makeBox writes an ISOBMFF box.
func makeBox(kind string, body ...[]byte) []byte {
	b := slices.Concat(body...)
	head := binary.BigEndian.AppendUint32(nil, uint32(8+len(b)))
	return slices.Concat(head, []byte(kind), b)
}

func words(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// makeAVIF writes an AVIF without a picture: a primary item, number 7, with
// the properties at those positions.
func makeAVIF(ipma []byte, properties ...[]byte) []byte {
	return slices.Concat(
		makeBox("ftyp", []byte("mif1\x00\x00\x00\x00miafavif")),
		makeBox("free", make([]byte, 5000)),
		makeBox("meta", words(0),
			makeBox("pitm", words(0), []byte{0, 7}),
			makeBox("iprp",
				makeBox("ipco", properties...),
				makeBox("ipma", ipma))))
}

func TestAVIF(t *testing.T) {
	ispe := makeBox("ispe", words(0, 33, 21))
	other := makeBox("ispe", words(0, 5, 6))
	turn := makeBox("irot", []byte{1})
	half := makeBox("irot", []byte{2})
	cut := makeBox("clap", words(66, 2, 21, 1, 0, 1, 0, 1))
	only := slices.Concat(words(0, 1), []byte{0, 7, 1, 1})
	pair := slices.Concat(words(0, 1), []byte{0, 7, 2, 1, 0x82})
	tests := map[string]struct {
		avif []byte
		ok   bool
	}{
		"one property":                {makeAVIF(only, ispe), true},
		"another item's first":        {makeAVIF(slices.Concat(words(0, 2), []byte{0, 6, 1, 1, 0, 7, 1, 2}), other, ispe), true},
		"long ids and positions":      {makeAVIF(slices.Concat(words(1<<24|1, 1, 7), []byte{1, 0x80, 1}), ispe), true},
		"turned half":                 {makeAVIF(pair, ispe, half), true},
		"position 0 is none":          {makeAVIF(slices.Concat(words(0, 1), []byte{0, 7, 2, 0, 1}), ispe), true},
		"cut to size":                 {makeAVIF(pair, makeBox("ispe", words(0, 34, 22)), cut), true},
		"turned":                      {makeAVIF(pair, ispe, turn), false},
		"turned to size":              {makeAVIF(pair, makeBox("ispe", words(0, 21, 33)), turn), true},
		"cut by nothing":              {makeAVIF(pair, ispe, makeBox("clap", words(66, 0, 21, 0))), false},
		"cut too short":               {makeAVIF(pair, ispe, makeBox("clap", words(33))), false},
		"two sizes":                   {makeAVIF(pair, ispe, ispe), false},
		"the other item's size":       {makeAVIF(slices.Concat(words(0, 1), []byte{0, 6, 1, 1}), ispe), false},
		"no such property":            {makeAVIF(slices.Concat(words(0, 1), []byte{0, 7, 1, 2}), ispe), false},
		"no property":                 {makeAVIF(only), false},
		"size cut off":                {makeAVIF(only, makeBox("ispe", words(0, 33))), false},
		"more entries than there are": {makeAVIF(slices.Concat(words(0, 1<<31), []byte{0, 7, 1, 1}), ispe), true},
		"a box longer than its place": {makeAVIF(only, append(words(100), ispe[4:]...)), false},
		"a box shorter than a box":    {makeAVIF(only, words(7, 7), ispe), false},
		"not AVIF's brand":            {bytes.Replace(makeAVIF(only, ispe), []byte("avif"), []byte("heic"), 1), false},
		"no meta":                     {makeBox("ftyp", []byte("avif\x00\x00\x00\x00avif")), false},
		"an endless meta":             {slices.Concat(makeBox("ftyp", []byte("avif\x00\x00\x00\x00avif")), words(1), []byte("meta"), words(1<<30, 0)), false},
		"an endless brand":            {slices.Concat(words(1<<31), []byte("ftypavif"), make([]byte, 100)), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := Want{Format: thumb.AVIF, Width: 33, Height: 21}
			err := verify(io.NewSectionReader(bytes.NewReader(tt.avif), 0, int64(len(tt.avif))), want)
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, ErrPicture) {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
}

// Lengths that a worker claims are not believed before they are read.
func TestAVIFClaimsCostNoMemory(t *testing.T) {
	brand := makeBox("ftyp", []byte("avif\x00\x00\x00\x00avif"))
	for name, b := range map[string][]byte{
		"brands": slices.Concat(words(1<<31), []byte("ftypavif"), make([]byte, 100)),
		"meta":   slices.Concat(brand, words(1<<31), []byte("meta"), make([]byte, 100)),
		"free":   slices.Concat(brand, words(1<<31), []byte("free"), make([]byte, 100)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := verify(io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), Want{Format: thumb.AVIF, Width: 33, Height: 21})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrPicture) {
			t.Errorf("%s: got %v, want %v", name, err, ErrPicture)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > maxMeta {
			t.Errorf("%s: %d bytes allocated", name, used)
		}
	}
}

// FuzzAVIF holds that no file does worse than not to be what was wanted, and
// that a file has one size.
func FuzzAVIF(f *testing.F) {
	for _, name := range []string{"color.avif", "grey.avif", "alpha.avif", "lossy.webp"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint16(33), uint16(21))
	}
	f.Add(makeAVIF(slices.Concat(words(1<<24|1, 1, 7), []byte{1, 0x80, 1}), makeBox("ispe", words(0, 33, 21))), uint16(33), uint16(21))
	f.Fuzz(func(t *testing.T, b []byte, w, h uint16) {
		check := func(w, h int) error {
			return verify(io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), Want{Format: thumb.AVIF, Width: w, Height: h})
		}
		err := check(int(w), int(h))
		if err != nil && !errors.Is(err, ErrPicture) {
			t.Errorf("got %v, want nil or %v", err, ErrPicture)
		}
		if err == nil && w+h > 0 && check(int(w)+1, int(h)) == nil {
			t.Errorf("both %dx%d and %dx%d", w, h, w+1, h)
		}
	})
}
