// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// exifBlock is a directory with the given texts, as libvips writes it: its first
// directory follows the header.
func exifBlock(texts map[uint16]string) []byte {
	var entries []tiffEntry
	for _, tag := range []uint16{tagArtist, tagCopyright} {
		if text := texts[tag] + "\x00"; text != "\x00" {
			entries = append(entries, tiffEntry{tag, typeASCII, uint32(len(text)), []byte(text)})
		}
	}
	return appendDirectory([]byte("II*\x00\x08\x00\x00\x00"), binary.LittleEndian, entries)
}

// FuzzRights holds that texts of any metadata are valid, without control
// characters and short enough for the segment of a JPEG, and that Put writes them
// where Stand has kept the place.
func FuzzRights(f *testing.F) {
	exif := exifBlock(map[uint16]string{tagArtist: "Jo", tagCopyright: "(c) Jo\x00Ed"})
	xmp := []byte(`<a xmlns:d="http://purl.org/dc/elements/1.1/" xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		`<d:creator><r:li>J&#252;rgen</r:li></d:creator><d:rights><r:li>(c) J</r:li></d:rights></a>`)
	iptc := []byte("\x1c\x02\x50\x00\x02Jo\x1c\x02\x74\x00\x05(c) \xe9")
	resource := slices.Concat([]byte("Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00"), []byte{byte(len(iptc))}, iptc)
	f.Add(exif, xmp, iptc)
	f.Add(append([]byte("Exif\x00\x00"), exif...), xmp[:len(xmp)-20], resource)
	f.Add([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x82\x98\x00\x02\x00\x00\x00\x04abc\x00\x00\x00\x00\x00"), []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, exif, xmp, iptc []byte) {
		m := Metadata{EXIF: exif, XMP: xmp, IPTC: iptc}
		got := RightsOf(m)
		once := m.True()
		if d := cmp.Diff(once, once.True()); d != "" {
			t.Errorf("True of what is true (-once +twice):\n%s", d)
		}
		for _, text := range []string{got.Artist, got.Copyright} {
			if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("got %q", text)
			}
		}
		stand := got.Stand()
		file := exifBlock(map[uint16]string{tagArtist: stand.Artist, tagCopyright: stand.Copyright})
		got.Put(file)
		if written := exifRights(file); written != got {
			t.Errorf("put %q, read %q", got, written)
		}
		// The bytes of a file that was not encoded here.
		got.Put(slices.Concat(exif, xmp))
	})
}

// FuzzTIFFBlock holds that a block is bounded, that it reads like a TIFF of its
// own, and that its texts are texts of the file.
func FuzzTIFFBlock(f *testing.F) {
	f.Add(exifBlock(map[uint16]string{tagArtist: "Jo", tagCopyright: "(c) Jo\x00Ed"}))
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x02\x00\x3b\x01\x02\x00\x05\x00\x00\x00\x26\x00\x00\x00\x69\x87\x04\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00abcd\x00"))
	f.Add([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x82\x98\x00\x02\x00\x00\x00\x04abc\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		block := TIFFBlock(bytes.NewReader(file))
		if block == nil {
			return
		}
		// The last directory's header and end come on top.
		if len(block) > maxBlock+100 {
			t.Errorf("a block of %d bytes", len(block))
		}
		again := TIFFBlock(bytes.NewReader(block))
		if got, want := exifRights(again), exifRights(block); got != want {
			t.Errorf("read again: %q, before %q", got, want)
		}
		for tag, text := range exifTexts(block) {
			if !bytes.Contains(file, text) {
				t.Errorf("tag %#x has %q, which the file has not", tag, text)
			}
		}
	})
}

// FuzzReadProfile holds that what is read of a profile does not contradict
// itself, and that a color space of numbers makes a profile.
func FuzzReadProfile(f *testing.F) {
	for _, c := range []Color{{primaries: bt709, transfer: srgbTransfer}, {primaries: 12, transfer: 1}, {primaries: 9, transfer: pqTransfer}} {
		f.Add(c.Profile())
	}
	f.Add(append(make([]byte, 128), 0, 0, 0, 1, 'r', 'X', 'Y', 'Z', 0, 0, 0, 144, 0, 0, 0, 20))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := ReadProfile(data)
		if p == (Profile{}) {
			return
		}
		switch {
		case len(p.Space) != 4 || !bytes.Contains(data, []byte(p.Space)):
			t.Errorf("got %+v", p)
		case (p.SRGB || p.Color != (Color{})) && p.Space != "RGB ":
			t.Errorf("colors of %q", p.Space)
		case p.SRGB && p.Perceptual:
			t.Error("sRGB, and a table that is not")
		}
		if p.Color != (Color{}) {
			if made := ReadProfile(p.Color.Profile()); made.Space != "RGB " {
				t.Errorf("%+v makes %+v", p.Color, made)
			}
		}
	})
}
