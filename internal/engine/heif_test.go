// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"slices"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// withTurn returns an AVIF or HEIC of libheif's whose pictures are to be seen
// turned: with "irot" by so many quarters against the clock, as cameras write it, with
// "imir" mirrored.
func withTurn(t *testing.T, file []byte, kind string, how byte) []byte {
	t.Helper()
	property := append(binary.BigEndian.AppendUint32(nil, 9), kind...)
	for item := range itemsOf(t, file) {
		file = withProperty(t, file, item, true, append(property, how))
	}
	return file
}

// heifBox returns where a box of a HEIF begins.
func heifBox(t *testing.T, file []byte, kind string) int {
	t.Helper()
	at := bytes.Index(file, []byte(kind))
	if at < 4 {
		t.Fatalf("no box %s", kind)
	}
	return at - 4
}

// itemsOf returns where the properties of each item of a HEIF are listed: their
// count, and then their numbers.
func itemsOf(t *testing.T, file []byte) map[uint16]int {
	t.Helper()
	ipma := heifBox(t, file, "ipma")
	if file[ipma+8] != 0 || file[ipma+11] != 0 {
		t.Fatal("properties of pictures in a box of another kind")
	}
	items := make(map[uint16]int)
	at := ipma + 16
	for range binary.BigEndian.Uint32(file[ipma+12:]) {
		items[binary.BigEndian.Uint16(file[at:])] = at + 2
		at += 3 + int(file[at+2])
	}
	return items
}

// withProperty returns a HEIF of libheif's with one more property of an item.
func withProperty(t *testing.T, file []byte, item uint16, essential bool, property []byte) []byte {
	t.Helper()
	ipco := heifBox(t, file, "ipco")
	end := ipco + int(binary.BigEndian.Uint32(file[ipco:]))
	number := byte(1)
	for at := ipco + 8; at < end; at += int(binary.BigEndian.Uint32(file[at:])) {
		number++
	}
	if essential {
		number |= 0x80
	}
	file = slices.Insert(slices.Clone(file), end, property...)
	count := itemsOf(t, file)[item]
	file[count]++
	file = slices.Insert(file, count+int(file[count]), number)
	n := len(property)
	return grown(t, file, map[string]int{"ipco": n, "ipma": 1, "iprp": n + 1, "meta": n + 1})
}

// grown returns a HEIF with the lengths of boxes that something was put into,
// the last of which is meta, and with the places behind that.
func grown(t *testing.T, file []byte, by map[string]int) []byte {
	t.Helper()
	for kind, n := range by {
		size := file[heifBox(t, file, kind):]
		binary.BigEndian.PutUint32(size, binary.BigEndian.Uint32(size)+uint32(n))
	}
	// Where each item's data begins: a number, two more, where, how many parts.
	iloc := heifBox(t, file, "iloc")
	if sizes := file[iloc+12:][:2]; sizes[0] != 0x44 || sizes[1] != 0x40 {
		t.Fatalf("places of sizes %x", sizes)
	}
	at, version := iloc+16, file[iloc+8]
	for range binary.BigEndian.Uint16(file[iloc+14:]) {
		inside := version > 0 && file[at+3] == 1
		if version > 0 {
			at += 2
		}
		if !inside {
			binary.BigEndian.PutUint32(file[at+4:], binary.BigEndian.Uint32(file[at+4:])+uint32(by["meta"]))
		}
		at += 10 + 8*int(binary.BigEndian.Uint16(file[at+8:]))
	}
	return file
}

// nclx returns a color box of codes of H.273, for matrix coefficients as
// libheif writes them.
func nclx(primaries, transfer byte, full bool) []byte {
	b := append([]byte{0, 0, 0, 19}, "colrnclx"...)
	b = append(b, 0, primaries, 0, transfer, 0, 6, 0)
	if full {
		b[len(b)-1] = 0x80
	}
	return b
}

// TestTurnedHEIF has pictures that say in their own way that they are turned.
// What EXIF says besides, as that of telephones does, is not done once more.
func TestTurnedHEIF(t *testing.T) {
	for _, f := range []thumb.Format{thumb.AVIF, thumb.HEIC} {
		for orientation, quarters := range map[int]byte{8: 1, 3: 2, 6: 3} {
			file := withTurn(t, originalFile(t, turned(quadrants(400, 300), orientation), f), "irot", quarters)
			for _, data := range [][]byte{file, retagged(t, file, f, fmt.Sprintf("-EXIF:Orientation#=%d", orientation))} {
				for _, tr := range []thumb.Transform{
					{Width: 100, Height: 100, Method: thumb.Fit}, {Width: 60, Height: 75, Method: thumb.Crop},
				} {
					tr.Format, tr.Quality, tr.Metadata = thumb.JPEG, 95, thumb.AllMetadata
					made := thumbnailFile(t, data, tr)
					m := decode(t, made, thumb.JPEG)
					if want := image.Pt(tr.Width, 75); m.Bounds().Size() != want {
						t.Errorf("%v, %d quarters: %v, want %v", f, quarters, m.Bounds().Size(), want)
						continue
					}
					expectQuadrants(t, m, 12)
					if at := bytes.Index(made, []byte{0x12, 0x01, 3, 0}); at >= 0 && made[at+8] != 1 {
						t.Errorf("%v, %d quarters: turned once more by its orientation %d", f, quarters, made[at+8])
					}
				}
			}
		}
	}
}

// TestUnsupportedHEIFs has pictures that are whole but that libheif does not decode.
// The probe says so, and no decoder in C sees them.
func TestUnsupportedHEIFs(t *testing.T) {
	fit := thumb.Transform{Width: 20, Method: thumb.Fit, Format: thumb.PNG}
	kind := func(t *testing.T, file []byte) []byte { // behind the number of an item
		return file[heifBox(t, file, "infe")+16:]
	}
	for name, change := range map[string]func(*testing.T, []byte) []byte{
		"of JPEG":        func(t *testing.T, f []byte) []byte { copy(kind(t, f), "jpeg"); return f },
		"of H.264":       func(t *testing.T, f []byte) []byte { copy(kind(t, f), "avc1"); return f },
		"not compressed": func(t *testing.T, f []byte) []byte { copy(kind(t, f), "unci"); return f },
		"encrypted": func(t *testing.T, f []byte) []byte {
			f[heifBox(t, f, "infe")+15] = 1
			return f
		},
		"too large": func(t *testing.T, f []byte) []byte {
			copy(f[heifBox(t, f, "ispe")+12:], "\x00\x00\x42\x68\x00\x00\x42\x68")
			return f
		},
		"turned before its size": func(t *testing.T, f []byte) []byte {
			f = withTurn(t, f, "irot", 1)
			for _, at := range itemsOf(t, f) {
				list := f[at+1:][:f[at]]
				last := list[len(list)-1]
				copy(list[1:], list)
				list[0] = last
			}
			return f
		},
		"a film alone": func(t *testing.T, f []byte) []byte {
			copy(f[heifBox(t, f, "meta")+4:], "moov")
			return f
		},
	} {
		for _, f := range []thumb.Format{thumb.AVIF, thumb.HEIC} {
			t.Run(fmt.Sprintf("%v %s", f, name), func(t *testing.T) {
				data := change(t, originalFile(t, quadrants(40, 30), f))
				job := limits()
				job.Pixels = 1 << 30
				if _, r := render(t, data, job, fit); r[0].Failure != wire.Unsupported || r[0].Decoded {
					t.Errorf("got %+v", r[0])
				}
				if _, r := render(t, data, limits(), fit); name == "too large" && r[0].Failure != wire.TooManyPixels {
					t.Errorf("with a limit of pixels: got %+v", r[0])
				}
			})
		}
	}
}
