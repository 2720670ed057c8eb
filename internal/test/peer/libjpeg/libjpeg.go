// SPDX-License-Identifier: MIT

// Package libjpeg makes and reads JPEGs by libjpeg, for tests and benchmarks of
// package jpeg of the engine.
package libjpeg

// #cgo pkg-config: libjpeg
// #cgo CFLAGS: -std=gnu11 -O2 -Wall -Wextra
// #include "peer.h"
import "C"

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"unsafe"
)

// ErrRefused says that libjpeg refuses or warns of a file, or of a Making.
var ErrRefused = errors.New("libjpeg refuses it or warns")

// Scan is a scan of a progressive file, as T.81 B.2.3 describes it.
type Scan struct {
	Components []int
	Start, End int // of coefficients
	High, Low  int // bits
}

// Usual returns libjpeg's own scans of a progressive file with colors.
func Usual() []Scan {
	return []Scan{
		{Components: []int{0, 1, 2}, Low: 1},
		{Components: []int{0}, Start: 1, End: 5, Low: 2},
		{Components: []int{2}, Start: 1, End: 63, Low: 1},
		{Components: []int{1}, Start: 1, End: 63, Low: 1},
		{Components: []int{0}, Start: 6, End: 63, Low: 2},
		{Components: []int{0}, Start: 1, End: 63, High: 2, Low: 1},
		{Components: []int{0, 1, 2}, High: 1},
		{Components: []int{2}, Start: 1, End: 63, High: 1},
		{Components: []int{1}, Start: 1, End: 63, High: 1},
		{Components: []int{0}, Start: 1, End: 63, High: 1},
	}
}

// Making is a JPEG to be made.
type Making struct {
	Width, Height int
	Bands         int // 1: gray, 3: RGB, 4: CMYK
	Quality       int
	Luma, Chroma  [2]int // sampling factors across and down
	Interval      int    // MCUs between restart markers
	Optimize      bool
	Arithmetic    bool
	RGB           bool // without a transform of colors
	Scans         []Scan
}

// Encode returns a JPEG of pixels, made as m says. The lines of pixels follow each other
// without a gap.
func Encode(m Making, pixels []byte) ([]byte, error) {
	c := C.Making{
		width: C.int(m.Width), height: C.int(m.Height), bands: C.int(m.Bands), quality: C.int(m.Quality),
		h: C.int(m.Luma[0]), v: C.int(m.Luma[1]), ch: C.int(m.Chroma[0]), cv: C.int(m.Chroma[1]),
		interval: C.int(m.Interval), optimize: number(m.Optimize), arithmetic: number(m.Arithmetic), rgb: number(m.RGB),
		scan_count: C.int(len(m.Scans)),
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	if len(m.Scans) > 0 {
		infos := make([]C.jpeg_scan_info, len(m.Scans))
		for i, s := range m.Scans {
			infos[i] = C.jpeg_scan_info{
				comps_in_scan: C.int(len(s.Components)),
				Ss:            C.int(s.Start), Se: C.int(s.End), Ah: C.int(s.High), Al: C.int(s.Low),
			}
			for j, n := range s.Components {
				infos[i].component_index[j] = C.int(n)
			}
		}
		pins.Pin(&infos[0])
		c.scans = &infos[0]
	}
	var out *C.uint8_t
	var length C.ulong
	if C.peer_make(&c, (*C.uint8_t)(&pixels[0]), &out, &length) != 0 {
		return nil, ErrRefused
	}
	defer C.free(unsafe.Pointer(out))
	return C.GoBytes(unsafe.Pointer(out), C.int(length)), nil
}

// Component is the content of a JPEG's component.
type Component struct {
	Width, Height int // samples
	Columns, Rows int // blocks
	// Coefficients are 64 of each block, line by line, as the quantization table
	// Quantum is.
	Coefficients []int16
	Quantum      [64]uint16
}

// Coefficients returns the components of a file.
func Coefficients(file []byte) ([]Component, error) {
	var all [3]C.Coefficients
	var count C.int
	if C.peer_coefficients((*C.uint8_t)(&file[0]), C.size_t(len(file)), &all[0], &count) != 0 {
		return nil, ErrRefused
	}
	var out []Component
	for _, c := range all[:min(int(count), 3)] {
		n := int(c.columns) * int(c.rows) * 64
		one := Component{
			Width: int(c.width), Height: int(c.height), Columns: int(c.columns), Rows: int(c.rows),
			Coefficients: slices.Clone(unsafe.Slice((*int16)(c.coefficients), n)),
		}
		for i, q := range c.quantum {
			one.Quantum[i] = uint16(q)
		}
		C.free(unsafe.Pointer(c.coefficients))
		out = append(out, one)
	}
	return out, nil
}

// Luma returns a file's luma as libjpeg decodes it at eighths of its size, and
// the width of a line.
func Luma(file []byte, eighths int) ([]byte, int, error) {
	var out *C.uint8_t
	var width, height C.int
	if C.peer_luma((*C.uint8_t)(&file[0]), C.size_t(len(file)), C.int(eighths), &out, &width, &height) != 0 {
		return nil, 0, ErrRefused
	}
	defer C.free(unsafe.Pointer(out))
	return C.GoBytes(unsafe.Pointer(out), width*height), int(width), nil
}

// Sampling returns the sampling factors of a file's components, across and down,
// and whether it is progressive.
func Sampling(file []byte) (factors [3][2]int, progressive bool, err error) {
	var c [6]C.int
	var p C.int
	if C.peer_sampling((*C.uint8_t)(&file[0]), C.size_t(len(file)), &c[0], &p) != 0 {
		return factors, false, ErrRefused
	}
	for i := range factors {
		factors[i] = [2]int{int(c[2*i]), int(c[2*i+1])}
	}
	return factors, p != 0, nil
}

// Random returns a JPEG of a kind that package jpeg decodes, and how it was made.
func Random(r *rand.Rand) ([]byte, Making) {
	for {
		m := Making{
			Width: 1 + r.IntN(150), Height: 1 + r.IntN(150), Bands: 3, Quality: 5 + r.IntN(96),
			Luma: [2]int{1 + r.IntN(2), 1 + r.IntN(2)}, Chroma: [2]int{1, 1}, Optimize: r.IntN(2) == 0,
		}
		if r.IntN(5) == 0 {
			m.Bands = 1
		}
		if r.IntN(8) == 0 {
			m.Chroma = m.Luma
		}
		if r.IntN(3) == 0 {
			m.Interval = 1 + r.IntN(12)
		}
		if r.IntN(2) == 0 {
			m.Scans = script(r, m.Bands)
		}
		file, err := Encode(m, content(r, m.Width, m.Height, m.Bands))
		if err == nil {
			return file, m
		}
	}
}

// content is pixels with flat parts, gradients, lines and noise.
func content(r *rand.Rand, w, h, bands int) []byte {
	pixels := make([]byte, w*h*bands)
	base, slope, noise := r.IntN(256), r.IntN(20), r.IntN(200)
	for i := range pixels {
		x, y := i/bands%w, i/bands/w
		v := base + (x*slope/3+y*2+i%bands*40)%160
		if (x/20+y/13)%3 == 0 && noise > 20 {
			v += r.IntN(noise)
		}
		pixels[i] = uint8(min(v, 255))
	}
	return pixels
}

// script returns the scans of a progressive file, in a random order that T.81
// allows: of each coefficient first some of its bits, then one more at a time.
func script(r *rand.Rand, bands int) []Scan {
	var scans []Scan
	low := r.IntN(3)
	means := func(high, low int) {
		if bands > 1 && r.IntN(3) == 0 {
			for i := range bands {
				scans = append(scans, Scan{[]int{i}, 0, 0, high, low})
			}
			return
		}
		all := []int{0, 1, 2}
		scans = append(scans, Scan{all[:bands], 0, 0, high, low})
	}
	means(0, low)
	var queues [][]Scan
	for i := range bands {
		queues = append(queues, bandScans(r, i))
	}
	var refinements []Scan
	for _, q := range queues {
		refinements = append(refinements, q...)
	}
	// Of one component in their order, of several mixed.
	if r.IntN(2) == 0 {
		refinements = mixed(r, queues)
	}
	scans = append(scans, refinements...)
	for ; low > 0; low-- {
		means(low, low-1)
	}
	return scans
}

// bandScans returns the AC scans of a component.
func bandScans(r *rand.Rand, component int) []Scan {
	var scans []Scan
	low := r.IntN(4)
	bands := func(high, low int) {
		for start := 1; start <= 63; {
			end := min(start+r.IntN(64), 63)
			if r.IntN(2) == 0 {
				end = 63
			}
			scans = append(scans, Scan{[]int{component}, start, end, high, low})
			start = end + 1
		}
	}
	bands(0, low)
	for ; low > 0; low-- {
		bands(low, low-1)
	}
	return scans
}

func mixed(r *rand.Rand, queues [][]Scan) (out []Scan) {
	for len(queues) > 0 {
		i := r.IntN(len(queues))
		out = append(out, queues[i][0])
		if queues[i] = queues[i][1:]; len(queues[i]) == 0 {
			queues = slices.Delete(queues, i, i+1)
		}
	}
	return out
}

func number(on bool) C.int {
	if on {
		return 1
	}
	return 0
}
