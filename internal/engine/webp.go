// SPDX-License-Identifier: MIT

package engine

import "encoding/binary"

// stripWebP takes the metadata out of a WebP file, in place, and returns the shorter
// file. libvips 8.14 writes an EXIF block even if it is told not to.
func stripWebP(file []byte) []byte {
	const head, chunkHead = 12, 8
	const alphaAndAnimation = 0x12
	if len(file) < head {
		return file
	}
	to := head
	for from := head; from+chunkHead <= len(file); {
		size := int(binary.LittleEndian.Uint32(file[from+4:]))
		end := min(from+chunkHead+size+size%2, len(file))
		chunk := file[from:end]
		from = end
		switch string(chunk[:4]) {
		case "VP8 ", "VP8L", "ALPH", "ANIM", "ANMF":
		case "VP8X":
			if len(chunk) == chunkHead || chunk[chunkHead]&alphaAndAnimation == 0 {
				continue // the simple file format
			}
			chunk[chunkHead] &= alphaAndAnimation
		default:
			continue
		}
		to += copy(file[to:], chunk)
	}
	file = file[:to]
	binary.LittleEndian.PutUint32(file[4:], uint32(to-8))
	return file
}
