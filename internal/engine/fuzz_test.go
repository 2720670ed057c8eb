// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"thumbd/internal/engine/probe"
	"thumbd/internal/thumb"
)

// riffChunks returns the chunks of a WebP file by their names and contents, as
// far as they are whole.
func riffChunks(file []byte) (chunks []string) {
	for at := 12; at+8 <= len(file); {
		end := min(at+8+int(binary.LittleEndian.Uint32(file[at+4:])), len(file))
		chunks = append(chunks, string(file[at:end]))
		at = end + end%2
	}
	return chunks
}

// FuzzStripWebP holds that no metadata is left, that nothing else is lost, and
// that the header states the length.
func FuzzStripWebP(f *testing.F) {
	sample, err := samples.ReadFile("samples/sample.webp")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x01\x00\x00EXIF\x02\x00\x00\x00ab"))
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPXMP \x01\x00\x00\x00a\x00VP8 \x03\x00\x00\x00abc"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var want []string
		for _, chunk := range riffChunks(in) {
			switch chunk[:4] {
			case "EXIF", "XMP ", "ICCP", "VP8X":
			default:
				want = append(want, chunk)
			}
		}
		got := stripWebP(bytes.Clone(in))
		if len(in) < 12 {
			return
		}
		if len(got) > len(in) || len(got) < 12 || int(binary.LittleEndian.Uint32(got[4:])) != len(got)-8 {
			t.Fatalf("%q of %q", got, in)
		}
		left := slices.DeleteFunc(riffChunks(got), func(c string) bool { return c[:4] == "VP8X" })
		if !slices.Equal(left, want) {
			t.Errorf("%q is left of %q", left, in)
		}
		if again := stripWebP(bytes.Clone(got)); !bytes.Equal(again, got) {
			t.Errorf("%q is left of %q", again, got)
		}
	})
}

// FuzzStrippers holds that an original that is its own thumbnail has no more bytes
// than before, none of its metadata, and nothing left to be taken away.
func FuzzStrippers(f *testing.F) {
	for _, name := range []string{"jpg", "png", "gif", "webp"} {
		sample, err := samples.ReadFile("samples/sample." + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sample)
	}
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\xda\x00\x03\x01x\xff\x00\xff\xd0y\xff\xd9behind"))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00!\xfe\x01a\x00!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01a\x00;"))
	f.Add(append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00\x3a\x7e\x9b\x55"), "\x00\x00\x00\x01tEXta\x00\x00\x00\x00\x00\x00\x00\x00IEND\xaeB`\x82"...))
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x00")) // a segment shorter than its length
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x01\x00\x00ALPH\x02\x00\x00\x00ab"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for format, strip := range strippers {
			got := strip(bytes.Clone(in))
			if got == nil {
				continue
			}
			if len(got) > len(in) {
				t.Errorf("%v: %d bytes of %d", format, len(got), len(in))
			}
			// nil: a GIF may end with a block that is too short to be looked at.
			if again := strip(bytes.Clone(got)); again != nil && !bytes.Equal(again, got) {
				t.Errorf("%v: %q is left of %q, and then %q", format, got, in, again)
			}
			if format == thumb.JPEG && hasSegment(got, 0xe1) || format == thumb.PNG && hasChunk(got, "tEXt") {
				t.Errorf("%v: metadata is left in %q", format, got)
			}
		}
	})
}

// hasSegment reports whether a JPEG has a segment of a kind before its first scan.
func hasSegment(file []byte, kind byte) bool {
	for at := 2; at+4 <= len(file) && file[at] == 0xff && file[at+1] != 0xda; {
		if file[at+1] == kind {
			return true
		}
		at += 2 + int(binary.BigEndian.Uint16(file[at+2:]))
	}
	return false
}

// hasChunk reports whether a PNG has a chunk of a kind.
func hasChunk(file []byte, kind string) bool {
	for at := int64(8); at+12 <= int64(len(file)); {
		if string(file[at+4:at+8]) == kind {
			return true
		}
		at += 12 + int64(binary.BigEndian.Uint32(file[at:]))
	}
	return false
}

// FuzzClaim holds that texts are put into any file, and that the EXIF chunks of
// a PNG then have the sums of their bytes.
func FuzzClaim(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x04eXIfabcd\x00\x00\x00\x00\x00\x00\x00\x00IEND\xaeB`\x82"), "A", "B")
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x2cExif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x3b\x01\x02\x00\x03\x00\x00\x00xx\x00\x00\x00\x00\x00\x00"), "Jo", "")
	f.Fuzz(func(t *testing.T, in []byte, artist, copyright string) {
		r := probe.Rights{Artist: artist, Copyright: copyright}
		claim(bytes.Clone(in), thumb.JPEG, r)
		png := bytes.Clone(in)
		claim(png, thumb.PNG, r)
		if len(in) < 8 {
			return
		}
		for at := 8; at+12 <= len(png); {
			end := at + 8 + int(binary.BigEndian.Uint32(png[at:]))
			if end+4 > len(png) {
				return
			}
			if string(png[at+4:at+8]) == "eXIf" && binary.BigEndian.Uint32(png[end:]) != crc32.ChecksumIEEE(png[at+4:end]) {
				t.Errorf("the sum of %q is wrong", png[at:end])
			}
			at = end + 4
		}
	})
}
