// SPDX-License-Identifier: MIT

package png

// #include <stdlib.h>
// #include <string.h>
// #include "decode.h"
// #include "unfilter.h"
//
// static void
// unfilter(const Unfilters *u, int type, uint8_t *out, const uint8_t *in,
// 	const uint8_t *up, size_t n, int bpp)
// {
// 	(type < FILTERS ? u->line[type] : u->paeth_twice)(out, in, up, n, bpp);
// }
import "C"

import "os"

// decoded returns the pixels of a file, for tests.
func decoded(file *os.File, p Picture) ([]byte, error) {
	memory := C.malloc(C.size_t(p.Room()))
	defer C.free(memory)
	if err := Decode(file, p, memory); err != nil {
		return nil, err
	}
	return C.GoBytes(memory, C.int(p.Size.X*p.Size.Y*p.Bands)), nil
}

// twice is the type of two lines of Paeth's filter at once.
const twice = C.FILTERS

// unfiltered returns one or two filtered lines, in, after their filter was undone, for
// tests: by the loops in plain C or by the best loops for this processor.
func unfiltered(plain bool, kind int, in, up []byte, n, bpp int) []byte {
	u := C.unfilters_plain
	if !plain {
		u = C.unfilters_best(C.int(bpp))
	}
	if kind == twice && u.paeth_twice == nil {
		first := unfiltered(plain, 4, in, up, n, bpp)
		return append(first, unfiltered(plain, 4, in[n+1:], first, n, bpp)...)
	}
	lines := 1 + kind/twice
	read := C.CBytes(append(in, make([]byte, C.UNFILTER_SLACK)...))
	above := C.CBytes(append(up, make([]byte, C.UNFILTER_SLACK)...))
	out := C.malloc(C.size_t(n*lines + 1))
	defer C.free(read)
	defer C.free(above)
	defer C.free(out)
	C.unfilter(&u, C.int(kind), (*C.uint8_t)(out), (*C.uint8_t)(read), (*C.uint8_t)(above), C.size_t(n), C.int(bpp))
	return C.GoBytes(out, C.int(n*lines))
}
