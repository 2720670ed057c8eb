// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/thumb"
)

func TestSniff(t *testing.T) {
	for _, c := range []struct {
		name string
		head string
		want thumb.Format
	}{
		{"JPEG", "\xff\xd8\xff\xe0\x00\x10JFIF", thumb.JPEG},
		{"PNG", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", thumb.PNG},
		{"PNG mangled as text", "\x89PNG\n\x1a\n\x00\x00\x00\rIHDR", 0},
		{"GIF 87", "GIF87a", thumb.GIF},
		{"GIF 89", "GIF89a", thumb.GIF},
		{"GIF of no year", "GIF90a", 0},
		{"WebP", "RIFF\x10\x00\x00\x00WEBPVP8 ", thumb.WebP},
		{"sound", "RIFF\x10\x00\x00\x00WAVEfmt ", 0},
		{"TIFF, little-endian", "II*\x00\x08\x00\x00\x00", thumb.TIFF},
		{"TIFF, big-endian", "MM\x00*\x00\x00\x00\x08", thumb.TIFF},
		{"BigTIFF", "II+\x00\x08\x00\x00\x00", thumb.TIFF},
		{"AVIF", "\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf", thumb.AVIF},
		{"AVIF of brand mif1", "\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00miafavifmif1", thumb.AVIF},
		{"HEIC", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", thumb.HEIC},
		{"HEIC of brand mif1", "\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic", thumb.HEIC},
		{"brand after the box", "\x00\x00\x00\x14ftypmif1\x00\x00\x00\x00mif1heic", 0},
		{"film", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", 0},
		{"JPEG XL", "\xff\x0a\xfa\x1f", thumb.JXL},
		{"JPEG XL in boxes", "\x00\x00\x00\x0cJXL \r\n\x87\n", thumb.JXL},
		{"SVG", "<svg xmlns='http://www.w3.org/2000/svg'>", thumb.SVG},
		{"SVG with a head", "\xef\xbb\xbf<?xml version='1.0'?>\n<!-- > -->\n<!DOCTYPE svg>\n<svg>", thumb.SVG},
		{"SVG behind a long comment", "<!-- " + strings.Repeat("a", SniffLength), thumb.SVG},
		{"text before an SVG", "a <svg>", 0},
		{"PDF", "%PDF-1.7", 0},
		{"nothing", "", 0},
	} {
		if got := Sniff([]byte(c.head)); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// files are whole files of the formats that have a structure.
func files(t testing.TB) map[thumb.Format][]byte {
	t.Helper()
	var j, p, g bytes.Buffer
	m := image.NewPaletted(image.Rect(0, 0, 60, 40), color.Palette{color.Black, color.White})
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 3 & 1)
	}
	err := errors.Join(
		jpeg.Encode(&j, m, nil), png.Encode(&p, m),
		gif.EncodeAll(&g, &gif.GIF{Image: []*image.Paletted{m, m, m}, Delay: make([]int, 3)}))
	if err != nil {
		t.Fatal(err)
	}
	return map[thumb.Format][]byte{
		thumb.JPEG: j.Bytes(), thumb.PNG: p.Bytes(), thumb.GIF: g.Bytes(),
		thumb.WebP: webp(), thumb.AVIF: boxes("avif"), thumb.HEIC: boxes("heic"),
	}
}

// webp is an animation of three empty frames.
func webp() []byte {
	b := []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x3b\x00\x00\x27\x00\x00")
	for range 3 {
		b = append(b, "ANMF\x10\x00\x00\x00................"...)
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

func boxes(brand string) []byte {
	b := []byte("\x00\x00\x00\x10ftyp" + brand + "\x00\x00\x00\x00")
	b = append(b, "\x00\x00\x00\x01meta\x00\x00\x00\x00\x00\x00\x00\x14...."...)
	return append(b, "\x00\x00\x00\x0cmdat...."...)
}

func TestWalkSizesAndFrames(t *testing.T) {
	for f, data := range files(t) {
		want := Container{Frames: 1}
		if f == thumb.JPEG {
			want.Size = image.Pt(60, 40)
		}
		if f == thumb.GIF || f == thumb.WebP {
			want = Container{Size: image.Pt(60, 40), Frames: 3, First: 54}
		}
		if f == thumb.GIF {
			want.Trailer, want.First = int64(len(data))-1, 208
		}
		want.Palette = f == thumb.PNG || f == thumb.GIF
		got, err := Walk(f, bytes.NewReader(data), int64(len(data)), 3)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%v: got %+v, %v, want %+v", f, got, err, want)
		}
		if c, err := Walk(f, bytes.NewReader(data), int64(len(data)), 2); err != nil || c.Frames != want.Frames {
			t.Errorf("%v of many frames: got %d, %v, want %d", f, c.Frames, err, want.Frames)
		}
	}
}

// TestWalkFindsEveryCut cuts whole files at each byte.
func TestWalkFindsEveryCut(t *testing.T) {
	for f, data := range files(t) {
		boundaries := map[int]bool{}
		if f == thumb.AVIF || f == thumb.HEIC {
			boundaries = map[int]bool{0: true, 16: true, 36: true} // between boxes
		}
		for n := range data {
			c, err := Walk(f, bytes.NewReader(data[:n]), int64(n), 100)
			if c.NoEnd {
				continue // see TestJPEGWithoutEnd and the like
			}
			if !boundaries[n] && !errors.Is(err, ErrTruncated) {
				t.Errorf("%v cut at %d of %d: got %v", f, n, len(data), err)
			}
		}
	}
}

func TestWalkPassesOverWhatFollows(t *testing.T) {
	for f, data := range files(t) {
		if f == thumb.AVIF || f == thumb.HEIC {
			continue
		}
		for _, more := range [][]byte{{0}, bytes.Repeat([]byte("\xff\x00more\xff"), 50000)} {
			data := slices.Concat(data, more)
			if _, err := Walk(f, bytes.NewReader(data), int64(len(data)), 100); err != nil {
				t.Errorf("%v and %d bytes: %v", f, len(more), err)
			}
		}
	}
}

// TestWalkJPEGOfLongData has more data between its markers than any buffer.
func TestWalkJPEGOfLongData(t *testing.T) {
	data := slices.Concat([]byte("\xff\xd8\xff\xc0\x00\x0b\x08\x00\x09\x00\x09\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"),
		bytes.Repeat([]byte{7}, 200_000), []byte("\xff\x00\xff\xd0"), bytes.Repeat([]byte{7}, 100_000))
	whole := slices.Concat(data, []byte("\xff\xd9 and more"))
	if c, err := Walk(thumb.JPEG, bytes.NewReader(whole), int64(len(whole)), 1); err != nil || c.NoEnd {
		t.Error(c, err)
	}
	if c, err := Walk(thumb.JPEG, bytes.NewReader(data), int64(len(data)), 1); err != nil || !c.NoEnd {
		t.Errorf("without an end: got %+v, %v", c, err)
	}
}

// TestWalkPNGOfManyChunks has as many as are allowed, and one more.
func TestWalkPNGOfManyChunks(t *testing.T) {
	end := "\x00\x00\x00\x00IEND...."
	for kind, most := range map[string]int{"zTXt": maxPNGTexts, "iTXt": maxPNGTexts, "tEXt": maxPNGChunks, "IDAT": 1 << 20} {
		chunk := "\x00\x00\x00\x00" + kind + "...."
		for n, want := range map[int]error{most: nil, most + 1: ErrChunks} {
			if kind == "IDAT" {
				want = nil
			}
			data := "\x89PNG\r\n\x1a\n" + strings.Repeat(chunk, n) + end
			if _, err := Walk(thumb.PNG, strings.NewReader(data), int64(len(data)), 1); !errors.Is(err, want) {
				t.Errorf("%d of %s: got %v, want %v", n, kind, err, want)
			}
		}
	}
}

func TestWalkMalformed(t *testing.T) {
	for name, c := range map[string]struct {
		f    thumb.Format
		data string
	}{
		"GIF without a frame":       {thumb.GIF, "GIF89a\x01\x00\x01\x00\x00\x00\x00\x3b"},
		"GIF with another block":    {thumb.GIF, "GIF89a\x01\x00\x01\x00\x00\x00\x00\x99"},
		"WebP of nothing":           {thumb.WebP, "RIFF\x04\x00\x00\x00WEBP"},
		"WebP of another chunk":     {thumb.WebP, "RIFF\x0c\x00\x00\x00WEBPJUNK\x00\x00\x00\x00"},
		"box shorter than its head": {thumb.AVIF, "\x00\x00\x00\x04ftyp"},
	} {
		if _, err := Walk(c.f, bytes.NewReader([]byte(c.data)), int64(len(c.data)), 9); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRights(t *testing.T) {
	block := func(order binary.AppendByteOrder, head string) []byte {
		b := append([]byte(head), order.AppendUint32(nil, 8)...)
		b = order.AppendUint16(b, 3)
		b = slices.Concat(b, order.AppendUint16(nil, 0x0112), order.AppendUint16(nil, 3), order.AppendUint32(nil, 1), []byte{0, 6, 0, 6})
		b = slices.Concat(b, order.AppendUint16(nil, tagArtist), order.AppendUint16(nil, typeASCII), order.AppendUint32(nil, 3), []byte("Jo\x00\x00"))
		b = slices.Concat(b, order.AppendUint16(nil, tagCopyright), order.AppendUint16(nil, typeASCII), order.AppendUint32(nil, 10), order.AppendUint32(nil, 50))
		return append(append(b, 0, 0, 0, 0), "(c) Jo\x00Ed\x00"...)
	}
	for name, b := range map[string][]byte{
		"little-endian": block(binary.LittleEndian, "II*\x00"),
		"big-endian":    append([]byte("Exif\x00\x00"), block(binary.BigEndian, "MM\x00*")...),
	} {
		if got := RightsOf(Metadata{EXIF: b}); got != (Rights{"Jo", "(c) Jo; Ed"}) {
			t.Errorf("%s: got %q", name, got)
		}
		file := bytes.TrimPrefix(b, []byte("Exif\x00\x00"))
		if got := RightsOf(Metadata{EXIF: TIFFBlock(bytes.NewReader(file))}); got != (Rights{"Jo", "(c) Jo; Ed"}) {
			t.Errorf("%s, of a file: got %q", name, got)
		}
		for n := range b {
			RightsOf(Metadata{EXIF: b[:n]})
			TIFFBlock(bytes.NewReader(file[:min(n, len(file))]))
		}
	}
}

func TestRightsOfXMP(t *testing.T) {
	const begin = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:d="http://purl.org/dc/elements/1.1/">`
	const end = `</rdf:Description></rdf:RDF></x:xmpmeta>`
	creators := `<d:creator><rdf:Seq><rdf:li>Jürgen</rdf:li><rdf:li>山田 &amp; Co</rdf:li></rdf:Seq></d:creator>`
	rights := `<d:rights><rdf:Alt><rdf:li xml:lang="x-default">© Jürgen</rdf:li><rdf:li xml:lang="en">(c) J</rdf:li></rdf:Alt></d:rights>`
	other := `<d:title><rdf:Alt><rdf:li>At home, 12 Main Street</rdf:li></rdf:Alt></d:title>`
	for text, want := range map[string]Rights{
		begin + creators + other + rights + end: {"Jürgen; 山田 & Co", "© Jürgen"},
		begin + other + end:                     {},
		begin + creators:                        {Artist: "Jürgen; 山田 & Co"},
		`<a>` + creators + `</a>`:               {},
		"":                                      {},
	} {
		if got := RightsOf(Metadata{XMP: []byte(text)}); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestRightsOfIPTC(t *testing.T) {
	set := func(n byte, text string) string { return "\x1c\x02" + string([]byte{n, 0, byte(len(text))}) + text }
	list := set(80, "Jürgen") + set(80, "Ann\x00") + set(90, "Ulm") + set(116, "\xa9 J\xfcrgen")
	resource := func(id, name, data string) string {
		return "8BIM" + id + name + string([]byte{0, 0, 0, byte(len(data))}) + data + strings.Repeat("\x00", len(data)%2)
	}
	whole := resource("\x04\x25", "\x00\x00", "odd") + resource("\x04\x04", "\x02ab\x00", list)
	want := Rights{"Jürgen; Ann", "© Jürgen"}
	for name, block := range map[string]string{
		"list": list, "Photoshop": "Photoshop 3.0\x00" + whole, "resources": whole,
	} {
		if got := RightsOf(Metadata{IPTC: []byte(block)}); got != want {
			t.Errorf("%s: got %q", name, got)
		}
		for n := range block {
			RightsOf(Metadata{IPTC: []byte(block[:n])})
		}
	}
}

// TestRightsOfSeveralBlocks takes each text from the first that has it.
func TestRightsOfSeveralBlocks(t *testing.T) {
	xmp := `<a xmlns:d="http://purl.org/dc/elements/1.1/" xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><d:creator><r:li>X</r:li></d:creator></a>`
	iptc := "\x1c\x02\x50\x00\x01I\x1c\x02\x74\x00\x01I"
	if got := RightsOf(Metadata{XMP: []byte(xmp), IPTC: []byte(iptc)}); got != (Rights{"X", "I"}) {
		t.Errorf("got %q", got)
	}
	long := "\x1c\x02\x50\x1f\x40" + strings.Repeat("日本", 4000/3)
	if got := RightsOf(Metadata{IPTC: []byte(long + strings.Repeat("x", 8000))}); len(got.Artist) > maxText || !utf8.ValidString(got.Artist) {
		t.Errorf("%d bytes", len(got.Artist))
	}
}

func FuzzSniffAndWalk(f *testing.F) {
	for _, data := range files(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		format := Sniff(data[:min(len(data), SniffLength)])
		c, err := Walk(format, bytes.NewReader(data), int64(len(data)), 1000)
		if err == nil && (c.Frames < 1 || c.Frames > 1000 || c.Size.X < 0 || c.Size.Y < 0) {
			t.Errorf("%v: %+v", format, c)
		}
	})
}
