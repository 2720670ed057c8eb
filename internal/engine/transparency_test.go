// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
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
