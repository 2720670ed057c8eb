// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"slices"
	"testing"

	"thumbd/internal/thumb"
)

// rotated returns an AVIF or HEIC of libheif's whose pictures are to be seen
// turned by so many quarters against the clock, as cameras write it.
func rotated(t *testing.T, file []byte, quarters byte) []byte {
	t.Helper()
	file = slices.Clone(file)
	start := func(kind string) int {
		at := bytes.Index(file, []byte(kind))
		if at < 4 {
			t.Fatalf("no box %s", kind)
		}
		return at - 4
	}
	grow := func(kind string, n uint32) {
		size := file[start(kind):]
		binary.BigEndian.PutUint32(size, binary.BigEndian.Uint32(size)+n)
	}
	// The property that is the last, and the picture's as well as others.
	const box = 9
	property := append(binary.BigEndian.AppendUint32(nil, box), "irot"...)
	ipco := start("ipco")
	end := ipco + int(binary.BigEndian.Uint32(file[ipco:]))
	properties := byte(0)
	for at := ipco + 8; at < end; at += int(binary.BigEndian.Uint32(file[at:])) {
		properties++
	}
	file = slices.Insert(file, end, append(property, quarters)...)
	ipma := start("ipma")
	if entries := binary.BigEndian.Uint32(file[ipma+12:]); entries != 1 || file[ipma+8] != 0 || file[ipma+11] != 0 {
		t.Fatalf("properties of %d pictures in a box of another kind", entries)
	}
	count := ipma + 18
	file[count]++
	file = slices.Insert(file, count+int(file[count]), 0x80|(properties+1))
	for kind, n := range map[string]uint32{"ipco": box, "ipma": 1, "iprp": box + 1, "meta": box + 1} {
		grow(kind, n)
	}
	// Where each item's data begins: a number, two more, where, how many parts.
	iloc := start("iloc")
	if sizes := file[iloc+12:][:2]; sizes[0] != 0x44 || sizes[1] != 0x40 {
		t.Fatalf("places of sizes %x", sizes)
	}
	at := iloc + 16
	for range binary.BigEndian.Uint16(file[iloc+14:]) {
		binary.BigEndian.PutUint32(file[at+4:], binary.BigEndian.Uint32(file[at+4:])+box+1)
		at += 10 + 8*int(binary.BigEndian.Uint16(file[at+8:]))
	}
	return file
}

// TestTurnedHEIF has pictures that say in their own way that they are turned.
// What EXIF says besides, as that of telephones does, is not done once more.
func TestTurnedHEIF(t *testing.T) {
	for _, f := range []thumb.Format{thumb.AVIF, thumb.HEIC} {
		for orientation, quarters := range map[int]byte{8: 1, 3: 2, 6: 3} {
			file := rotated(t, originalFile(t, turned(quadrants(400, 300), orientation), f), quarters)
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
