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
