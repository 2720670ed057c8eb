// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/thumb"
)

// xmpOf is XMP whose description has attributes and elements.
func xmpOf(attributes, elements string) string {
	return `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">` +
		`<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""` + attributes + `>` +
		elements + `</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`
}

// phone is a JPEG as phones and Photoshop write them: with a gain map and previews,
// turned, and with a note.
func phone(t *testing.T) []byte {
	t.Helper()
	preview := originalFile(t, uniform(16, 16, black), thumb.JPEG)
	path := filepath.Join(t.TempDir(), "preview.jpg")
	if err := os.WriteFile(path, preview, 0o600); err != nil {
		t.Fatal(err)
	}
	file := tagged(t, thumb.JPEG, "-EXIF:Model=Kept one", "-EXIF:Orientation#=6", "-EXIF:ExifImageWidth=400", "-EXIF:ColorSpace#=2",
		"-EXIF:SubjectArea=10 20 30 40", "-EXIF:LensModel=Kept two", "-IFD1:ThumbnailImage<="+path)
	xmp := xmpOf(` xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"`+
		` xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"`+
		` xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation = '6' tiff:Model="Kept three > 2"`+
		` xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:PixelXDimension="400"`+
		` xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:Item="http://ns.google.com/photos/1.0/container/item/"`,
		`<Container:Directory><rdf:Seq><rdf:li><Container:Item Item:Semantic="GainMap"/></rdf:li></rdf:Seq></Container:Directory>`+
			`<tiff:ImageWidth>400</tiff:ImageWidth><dc:title>Kept four</dc:title>`+
			`<xmp:Thumbnails><rdf:Alt><rdf:li>Preview</rdf:li></rdf:Alt></xmp:Thumbnails><xmp:Rating>5</xmp:Rating>`+
			`<a:Regions xmlns:a="http://www.metadataworkinggroup.com/schemas/regions/">Region</a:Regions>`)
	photoshop := []byte("Photoshop 3.0\x00")
	for id, data := range map[uint16]string{
		0x0404: "\x1c\x02\x69\x00\x09Kept five", 0x0409: "\xff\xd8\xff Preview", 0x040c: string(preview), 0x041a: "Slices",
	} {
		photoshop = append(binary.BigEndian.AppendUint16(append(photoshop, "8BIM"...), id), 0, 0)
		photoshop = append(binary.BigEndian.AppendUint32(photoshop, uint32(len(data))), data...)
		if len(data)%2 == 1 {
			photoshop = append(photoshop, 0)
		}
	}
	file = withSegment(file, 0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00"+xmp))
	file = withSegment(file, 0xed, photoshop)
	file = withSegment(file, 0xe2, []byte("MPF\x00II*\x00 GainMap"))
	file = withSegment(file, 0xe2, []byte("urn:iso:std:iso:ts:21496:-1\x00 GainMap"))
	return append(file, preview...)
}

// falseWords are in phone's metadata that is not true of a thumbnail.
var falseWords = []string{
	"hdrgm", "GainMap", "photos/1.0", "Container", "Orientation", "PixelXDimension", "ImageWidth", "Thumbnails", "Preview", "Region",
	"regions", "Slices", "MPF", "21496", "8BIM\x04\x09", "8BIM\x04\x0c",
}

// TestAllThatIsKeptIsTrue has nothing left of gain maps, previews, and what is said
// of the original's pixels.
func TestAllThatIsKeptIsTrue(t *testing.T) {
	data := phone(t)
	kept := map[thumb.Format][]string{
		thumb.JPEG: {"Kept one", "Kept two", "Kept three > 2", "Kept four", "Kept five", "<xmp:Rating>5<"},
		thumb.WebP: {"Kept one", "Kept two", "Kept three > 2", "Kept four"},
		thumb.PNG:  {"Kept one", "Kept two", "Kept three > 2", "Kept four"},
		thumb.AVIF: {"Kept one", "Kept two"},
	}
	for f, words := range kept {
		tr := thumb.Transform{Width: 100, Method: thumb.Fit, Format: f, Quality: 80, Metadata: thumb.AllMetadata}
		file := thumbnailFile(t, data, tr)
		inflated := inflate(t, file)
		for _, word := range words {
			if !bytes.Contains(inflated, []byte(word)) {
				t.Errorf("%v lacks %q", f, word)
			}
		}
		for _, word := range falseWords {
			if bytes.Contains(inflated, []byte(word)) {
				t.Errorf("%v has %q", f, word)
			}
		}
		if n := bytes.Count(file, []byte("\xff\xd8\xff")); f == thumb.JPEG && n != 1 || f != thumb.JPEG && n != 0 {
			t.Errorf("%v has %d JPEGs", f, n)
		}
		expectTrueTags(t, file, f)
		decode(t, file, f)
	}
}

// TestMetadataChangesNoPixel has a JPEG with metadata be the JPEG without it, byte for
// byte, but for its first segments: of planes and of pixels, turned, filtered, below and
// above the size that is progressive, with the chroma of luma's size and with half.
func TestMetadataChangesNoPixel(t *testing.T) {
	const soi = 2
	photo := tagged(t, thumb.JPEG, "-Artist=Someone", "-Comment=Hello")
	large := withEXIF(originalFile(t, photograph(900, 700), thumb.JPEG), exif{orientation: 6, artist: "Someone"})
	for name, data := range map[string][]byte{"phone": phone(t), "photo": photo, "large": large} {
		for _, tr := range []thumb.Transform{
			{Width: 90, Quality: 82}, {Width: 500, Quality: 82}, {Width: 500, Quality: 95}, {Width: 90, Quality: 82, Gray: true},
			{Width: 60, Quality: thumb.AutoQuality},
		} {
			tr.Method, tr.Format = thumb.Fit, thumb.JPEG
			bare := thumbnailFile(t, data, tr)
			for _, tr.Metadata = range []thumb.Metadata{thumb.CopyrightMetadata, thumb.AllMetadata} {
				file := thumbnailFile(t, data, tr)
				if !bytes.Equal(file[endOfMetadata(file):], bare[soi:]) {
					t.Errorf("%s: %+v is another picture", name, tr)
				}
				if endOfMetadata(bare) != soi {
					t.Errorf("%s: %+v has segments", name, tr)
				}
			}
			if file := thumbnailFile(t, data, tr); endOfMetadata(file) == soi {
				t.Errorf("%s: %+v lacks segments", name, tr)
			}
		}
	}
}

// inflate returns file, and behind it the compressed texts of a PNG.
func inflate(t *testing.T, file []byte) []byte {
	t.Helper()
	all := bytes.Clone(file)
	for at := range file {
		if r, err := zlib.NewReader(bytes.NewReader(file[at:])); err == nil {
			text, _ := io.ReadAll(io.LimitReader(r, 1<<16))
			all = append(all, text...)
		}
	}
	return all
}

// expectTrueTags has what EXIF says of pixels be of the thumbnail's, or missing.
func expectTrueTags(t *testing.T, file []byte, f thumb.Format) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "thumbnail."+f.String())
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(exiftool(t, path, "-G1", "-s", "-n", "-a")), "\n") {
		group, rest, _ := strings.Cut(strings.TrimPrefix(line, "["), "]")
		tag, value, _ := strings.Cut(rest, ":")
		tag, value = strings.TrimSpace(tag), strings.TrimSpace(value)
		want := map[string]string{"Orientation": "1", "ExifImageWidth": "100", "ExifImageHeight": "133", "ColorSpace": "1"}
		switch {
		case want[tag] != "" && value != want[tag], group == "IFD1", group == "InteropIFD", tag == "SubjectArea", strings.HasPrefix(group, "MakerNote"):
			t.Errorf("%v has %s", f, line)
		}
	}
}

// TestMakersNotesAreNotKept: they have previews.
func TestMakersNotesAreNotKept(t *testing.T) {
	note := slices.Concat([]byte("Nikon\x00\x02\x10\x00\x00"), bytes.Repeat([]byte("note"), 50))
	var b []byte
	b = append(b, "Exif\x00\x00II*\x00\x08\x00\x00\x00"...)
	for _, e := range [][]uint32{{1, 0x8769, 4, 1, 26}, {1, 0x927c, 7, uint32(len(note)), 44}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, uint16(e[1])), uint16(e[2]))
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, e[3]), e[4])
		b = append(b, 0, 0, 0, 0)
	}
	file := withSegment(originalFile(t, quadrants(40, 30), thumb.JPEG), 0xe1, append(b, note...))
	if got := string(exiftool(t, writeTo(t, file), "-v3")); !strings.Contains(got, "MakerNote") {
		t.Fatalf("exiftool finds no note:\n%s", got)
	}
	for _, f := range []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF} {
		got := thumbnailFile(t, file, thumb.Transform{Width: 20, Method: thumb.Fit, Format: f, Quality: 80, Metadata: thumb.AllMetadata})
		if bytes.Contains(got, []byte("notenote")) {
			t.Errorf("%v has the note", f)
		}
	}
}

func writeTo(t *testing.T, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original.jpg")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTextsOfPNG keeps comments, but not the blocks that ImageMagick writes as
// text: they are of the original.
func TestTextsOfPNG(t *testing.T) {
	file := withChunks(originalFile(t, quadrants(40, 30), thumb.PNG),
		chunk{"tEXt", "Comment\x00Kept one"}, chunk{"tEXt", "Raw profile type 8bim\x00\n8bim\n 4\n00000000\n"},
		chunk{"iTXt", fmt.Sprintf("XML:com.adobe.xmp\x00\x00\x00\x00\x00%s", xmpOf(` xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:Make="Kept two"`, ""))})
	got := inflate(t, thumbnailFile(t, file, thumb.Transform{Width: 20, Method: thumb.Fit, Format: thumb.PNG, Metadata: thumb.AllMetadata}))
	for word, want := range map[string]bool{"Kept one": true, "Kept two": true, "Raw profile": false, "Orientation": false} {
		if bytes.Contains(got, []byte(word)) != want {
			t.Errorf("%q is there: %t, want %t", word, !want, want)
		}
	}
}
