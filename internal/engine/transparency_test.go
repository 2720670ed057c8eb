// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"testing"

	"thumbd/internal/thumb"
)

// A palette's transparency is kept if the chunk has more entries than the palette,
// with the end marker and without.
func TestTransparencyBeyondThePalette(t *testing.T) {
	want := coded
	want[0].A, want[1].A = 64, 128
	file := encodePNG(t, colored{upright: coded.picture(), orientation: 1}.palette())
	at := bytes.Index(file, []byte("PLTE")) - 4
	end := at + 12 + int(binary.BigEndian.Uint32(file[at:]))
	data := "tRNS\x40\x80\xff\xff\xff\xff\x00\x00"
	for name, damage := range map[string]uint32{"": 0, "wrong checksum": 1} {
		long := binary.BigEndian.AppendUint32(bytes.Clone(file[:end]), uint32(len(data)-4))
		long = append(long, data...)
		long = binary.BigEndian.AppendUint32(long, crc32.ChecksumIEEE([]byte(data))+damage)
		long = append(long, file[end:]...)
		want := want
		if damage != 0 {
			want = coded // as libpng and browsers do
		}
		t.Run("whole "+name, func(t *testing.T) { want.expect(t, thumbnailOf(t, long), 2) })
		t.Run("no end "+name, func(t *testing.T) { want.expect(t, thumbnailOf(t, long[:len(long)-12]), 2) })
	}
}

// TestOpaqueAlphaIsNone makes the same of a picture with an alpha that is opaque
// throughout as of one without, with means and without, and something else once a
// pixel is transparent.
func TestOpaqueAlphaIsNone(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 900, 700))
	draw.Draw(m, m.Bounds(), photograph(900, 700), image.Point{}, draw.Src)
	bare := encodePNG(t, m)
	for _, width := range []int{90, 600} {
		small := thumb.Transform{Width: width, Height: width, Method: thumb.Fit, Format: thumb.PNG}
		want := colors(thumbnail(t, bare, small))
		if got := colors(thumbnail(t, withAlpha(t, m), small)); !bytes.Equal(got, want) {
			t.Errorf("%d pixels wide: other pixels with an opaque alpha", width)
		}
		pierced := image.NewNRGBA(m.Bounds())
		copy(pierced.Pix, m.Pix)
		draw.Draw(pierced, image.Rect(880, 680, 900, 700), image.NewUniform(color.NRGBA{}), image.Point{}, draw.Src)
		if got := colors(thumbnail(t, withAlpha(t, pierced), small)); bytes.Equal(got, want) {
			t.Errorf("%d pixels wide: a transparent corner changes nothing", width)
		}
	}
}

// withAlpha returns m as a PNG of red, green, blue and alpha, which image/png writes
// only if m is not opaque.
func withAlpha(t *testing.T, m *image.NRGBA) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, veiled{m}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// veiled does not tell that it is opaque.
type veiled struct{ *image.NRGBA }

func (veiled) Opaque() bool { return false }
