// SPDX-License-Identifier: MIT

package engine

import (
	"encoding/binary"
	"hash/crc32"

	"thumbd/internal/engine/probe"
	"thumbd/internal/thumb"
)

// metadata returns that of the original that p was made of.
func (p picture) metadata() probe.Metadata {
	return probe.Metadata{EXIF: p.blob("exif-data"), XMP: p.blob("xmp-data"), IPTC: p.blob("iptc-data")}
}

// claim puts r into a file that was encoded with r.Stand(): libvips makes ASCII
// of all that it writes.
func claim(file []byte, f thumb.Format, r probe.Rights) {
	r.Put(file)
	if f == thumb.PNG {
		sealEXIF(file)
	}
}

// sealEXIF sets the checksums of a PNG's EXIF chunks.
func sealEXIF(file []byte) {
	const signature, head, sum = 8, 8, 4
	for at := signature; at+head+sum <= len(file); {
		end := at + head + int(binary.BigEndian.Uint32(file[at:]))
		if end+sum > len(file) {
			return
		}
		if string(file[at+4:at+head]) == "eXIf" {
			binary.BigEndian.PutUint32(file[end:], crc32.ChecksumIEEE(file[at+4:end]))
		}
		at = end + sum
	}
}
