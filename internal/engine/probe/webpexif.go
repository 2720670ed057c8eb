// SPDX-License-Identifier: MIT

package probe

import "bytes"

// mostEXIF is how many bytes of the EXIF of a WebP are read to look if it is whole.
const mostEXIF = 1 << 20

// isWritten reports whether block, the EXIF of a WebP, is whole. The chunk is behind
// the pixels, and tells how the picture is turned. In a copy that has not finished it
// ends in zeros, and the last entry of its directory has no count. In a file that was
// cut, with another one behind it, it has the begin of that one.
func isWritten(block []byte, another bool) bool {
	if another {
		i := bytes.Index(block, []byte("RIFF"))
		if i >= 0 && (len(block) < i+12 || string(block[i+8:i+12]) == "WEBP") {
			return false
		}
	}
	block = bytes.TrimPrefix(block, exifHead)
	written := len(bytes.TrimRight(block, "\x00"))
	const head = 8
	order := orderOf(block)
	if order == nil {
		return written > head
	}
	at := int64(order.Uint32(block[4:]))
	if at < head || at+2 > int64(len(block)) {
		return written > head // There is no directory.
	}
	count := at + 2 + 12*max(int64(order.Uint16(block[at:]))-1, 0) + 4
	return count > int64(len(block)) || int64(written) > count
}
