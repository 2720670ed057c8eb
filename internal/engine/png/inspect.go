// SPDX-License-Identifier: MIT

package png

// #include <stdlib.h>
// #include <string.h>
// #include "decode.h"
// #include "inflate.h"
// #include "unfilter.h"
//
// static void
// unfilter(const Unfilters *u, int type, uint8_t *out, const uint8_t *in,
// 	const uint8_t *up, size_t n, int bpp)
// {
// 	(type < FILTERS ? u->line[type] : u->paeth_twice)(out, in, up, n, bpp);
// }
import "C"

import (
	"errors"
	"os"
	"unsafe"
)

// decoded returns the pixels of a file, for tests.
func decoded(file *os.File, p Picture) ([]byte, error) {
	memory := C.malloc(C.size_t(p.Room()))
	defer C.free(memory)
	if err := Decode(file, p, memory); err != nil {
		return nil, err
	}
	return C.GoBytes(memory, C.int(p.Shrunk().X*p.Shrunk().Y*p.Bands)), nil
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

// inflated inflates a deflate stream that comes in pieces of in bytes, in pieces of about
// out bytes, for tests. It returns the rest behind the stream, too. If plain is set, the
// loop in plain C inflates it.
func inflated(stream []byte, in, out int, plain bool) (data, rest []byte, err error) {
	const least = 1 << 10 // a header of a block must fit
	in = max(in, least)
	s := (*C.Inflate)(C.calloc(1, C.sizeof_Inflate))
	input := C.malloc(C.size_t(in + C.INFLATE_BEHIND))
	output := C.malloc(C.size_t(C.INFLATE_WINDOW + out + C.INFLATE_BEHIND))
	defer C.free(unsafe.Pointer(s))
	defer C.free(input)
	defer C.free(output)
	from := unsafe.Slice((*byte)(output), C.INFLATE_WINDOW+out)
	s.from, s.window = (*C.uint8_t)(output), C.INFLATE_WINDOW
	if plain {
		s.plain = 1
	}
	s.out, s.stop = s.from, (*C.uint8_t)(unsafe.Add(output, len(from)))
	s.in, s.in_end, s.more = (*C.uint8_t)(input), (*C.uint8_t)(input), 1
	for {
		before := uintptr(unsafe.Pointer(s.out)) - uintptr(output)
		result := C.inflate_more(s)
		have := uintptr(unsafe.Pointer(s.out)) - uintptr(output)
		data = append(data, unsafe.Slice((*byte)(output), have)[before:]...)
		left := unsafe.Slice((*byte)(unsafe.Pointer(s.in)), max(0, int(uintptr(unsafe.Pointer(s.in_end))-uintptr(unsafe.Pointer(s.in)))))
		switch result {
		case C.INFLATE_END:
			return data, append(append(rest, left...), stream...), nil
		case C.INFLATE_BAD:
			return data, nil, errors.New("bad")
		case C.INFLATE_OUT:
			kept := copy(from, unsafe.Slice((*byte)(output), have)[have-min(have, C.INFLATE_WINDOW):])
			s.out = (*C.uint8_t)(unsafe.Add(output, kept))
		case C.INFLATE_IN:
			all := unsafe.Slice((*byte)(input), in+C.INFLATE_BEHIND)
			n := copy(all, left)
			n += copy(all[n:in], stream)
			stream = stream[n-len(left):]
			clear(all[n:])
			s.in, s.in_end = (*C.uint8_t)(input), (*C.uint8_t)(unsafe.Add(input, n))
			if len(stream) == 0 {
				s.more = 0
			}
		}
	}
}
