// SPDX-License-Identifier: MIT

package png

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// contents are kinds of data, as long as n says: what is in them makes different blocks.
var contents = map[string]func(r *rand.Rand, n int) []byte{
	"noise": content,
	"few values": func(r *rand.Rand, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(int(r.NormFloat64() * 3))
		}
		return b
	},
	"one value": func(r *rand.Rand, n int) []byte { return bytes.Repeat([]byte{byte(r.IntN(256))}, n) },
	"a period": func(r *rand.Rand, n int) []byte {
		return bytes.Repeat(content(r, 1+r.IntN(40)), n)[:n]
	},
	"matches far and near": func(r *rand.Rand, n int) []byte {
		b := content(r, 100)
		for len(b) < n {
			back := 1 + r.IntN(min(len(b), 40_000))
			b = append(b, b[len(b)-back:][:min(back, 1+r.IntN(300))]...)
			b = append(b, content(r, r.IntN(9))...)
		}
		return b[:n]
	},
	"rare values": func(r *rand.Rand, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(int(r.ExpFloat64() * 14))
		}
		return b
	},
}

// deflated returns data as a deflate stream: with blocks of each kind, by the level.
func deflated(t testing.TB, r *rand.Rand, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		n := 1 + r.IntN(len(data))
		if _, err := w.Write(data[:n]); err != nil {
			t.Fatal(err)
		}
		if data = data[n:]; r.IntN(4) == 0 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inflatedTwice inflates a stream by the loop of this processor and in plain C. It fails if
// they differ.
func inflatedTwice(t *testing.T, stream []byte, in, out int) (data, rest []byte, err error) {
	t.Helper()
	data, rest, err = inflated(stream, in, out, false)
	plain, behind, refused := inflated(stream, in, out, true)
	if !bytes.Equal(plain, data) || !bytes.Equal(behind, rest) || (refused == nil) != (err == nil) {
		t.Errorf("in plain C: %v, %d bytes and %d behind instead of %v, %d and %d",
			refused, len(plain), len(behind), err, len(data), len(rest))
	}
	return data, rest, err
}

// TestInflate inflates streams of compress/flate, in pieces of any length.
func TestInflate(t *testing.T) {
	for kind, make := range contents {
		t.Run(kind, func(t *testing.T) {
			for seed := range 60 {
				r := rand.New(rand.NewPCG(uint64(seed), 51))
				data := make(r, r.IntN(200_000))
				level := []int{flate.NoCompression, flate.HuffmanOnly, 1, 4, 6, 9}[seed%6]
				behind := content(r, r.IntN(20))
				stream := append(deflated(t, r, data, level), behind...)
				got, rest, err := inflatedTwice(t, stream, 1+r.IntN(5000), 1+r.IntN(5000))
				if err != nil || !bytes.Equal(got, data) || !bytes.Equal(rest, behind) {
					t.Fatalf("seed %d, level %d: %v, %d bytes of %d, %d behind instead of %d",
						seed, level, err, len(got), len(data), len(rest), len(behind))
				}
			}
		})
	}
}

// expectAsFlate fails if the bytes are inflated otherwise than by compress/flate. What
// that refuses may not be inflated.
func expectAsFlate(t *testing.T, stream []byte) (taken bool) {
	t.Helper()
	got, rest, err := inflatedTwice(t, stream, 2000, 3000)
	if err != nil {
		return false
	}
	from := bytes.NewReader(stream)
	want, err := io.ReadAll(flate.NewReader(from))
	if err != nil {
		t.Errorf("taken, and compress/flate refuses it: %v", err)
	} else if !bytes.Equal(got, want) || len(rest) != from.Len() {
		t.Errorf("%d bytes and %d behind instead of %d and %d", len(got), len(rest), len(want), from.Len())
	}
	return true
}

// TestDamagedStreams inflates streams with wrong bytes, and streams that are cut off.
func TestDamagedStreams(t *testing.T) {
	taken := 0
	for seed := range tries(3000) {
		r := rand.New(rand.NewPCG(uint64(seed), 52))
		make := contents[[]string{"few values", "a period", "matches far and near", "rare values"}[seed%4]]
		stream := deflated(t, r, make(r, 1+r.IntN(6000)), []int{flate.HuffmanOnly, 1, 6}[seed/4%3])
		for range 1 + r.IntN(3) {
			// Most of the tables are at the beginning.
			stream[r.IntN(min(len(stream), 1<<r.IntN(14)))] ^= 1 << r.IntN(8)
		}
		if expectAsFlate(t, stream) {
			taken++
		}
		cut := stream[:r.IntN(len(stream))]
		if expectAsFlate(t, cut); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d taken", taken)
	if taken == 0 {
		t.Error("all are refused: nothing is compared")
	}
}

// TestStreamsThatAreNotInOrder has faults that random changes seldom make.
func TestStreamsThatAreNotInOrder(t *testing.T) {
	for name, stream := range map[string][]byte{
		"no block":                      {},
		"a block of no kind":            {0b111},
		"a stored block, wrong length":  {0b001, 1, 0, 0, 0, 7},
		"a stored block that is cut":    {0b001, 2, 0, 0xfd, 0xff, 7},
		"a match before the beginning":  {0b00000011, 0b00000010, 0},
		"no last block":                 {0b000, 1, 0, 0xfe, 0xff, 7},
		"more codes than there are":     {0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a stored block in the padding": {0b000, 0, 0, 0xff, 0xff},
		"no length that is repeated":    {0x05, 0xe0, 0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if data, _, err := inflatedTwice(t, stream, 1, 1); err == nil {
			t.Errorf("%s: taken, %d bytes", name, len(data))
		}
	}
}

// bits is a stream that is written bit by bit.
type bits struct {
	stream []byte
	n      int
}

func (b *bits) put(value, n int) {
	for i := range n {
		if b.n%8 == 0 {
			b.stream = append(b.stream, 0)
		}
		b.stream[b.n/8] |= byte(value>>i&1) << (b.n % 8)
		b.n++
	}
}

// codes begins the last block, with codes of its own. few has the lengths of the codes for
// lengths.
func (b *bits) codes(symbols, distances int, few map[int]int) {
	b.put(0b101, 3)
	b.put(symbols-257, 5)
	b.put(distances-1, 5)
	b.put(15, 4)
	for _, code := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		b.put(few[code], 3)
	}
}

// zeros says that the 255 symbols from 1 on have no code. The code for 18 is 0b11.
func (b *bits) zeros() {
	for _, n := range []int{138, 117} {
		b.put(0b11, 2)
		b.put(n-11, 7)
	}
}

// TestNumbersOfCodes has blocks with as many codes as there may be, and with more: most of
// them of no length.
func TestNumbersOfCodes(t *testing.T) {
	for _, c := range []struct {
		symbols, distances int
		taken              bool
	}{{257, 1, true}, {286, 30, true}, {287, 1, false}, {288, 30, false}, {257, 31, false}, {257, 32, false}} {
		var b bits
		b.codes(c.symbols, c.distances, map[int]int{1: 1, 0: 2, 18: 2})
		b.put(0, 1) // a code of one bit for 0
		b.zeros()
		b.put(0, 1) // and for the end
		for range c.symbols - 257 + c.distances {
			b.put(0b01, 2)
		}
		b.put(0b1, 1)
		if _, _, err := inflatedTwice(t, b.stream, 1, 1); (err == nil) != c.taken {
			t.Errorf("%d and %d codes: %v", c.symbols, c.distances, err)
		}
		if expectAsFlate(t, b.stream); t.Failed() {
			return
		}
	}
}

// TestCodesThatAreNotComplete has codes that leave bits without a meaning. Only a code of
// distances may do so, if it has one bit for one distance, or if there is no match.
func TestCodesThatAreNotComplete(t *testing.T) {
	for name, c := range map[string]struct {
		symbols   [3]int // the lengths of the codes of 0, of the end, and of a match of 3 bytes
		distances []int
		contents  string
		taken     bool
	}{
		"no distance":              {[3]int{2, 2, 1}, []int{0}, "10 11", true},
		"no distance, and a match": {[3]int{2, 2, 1}, []int{0}, "10 0 0 11", false},
		"one distance":             {[3]int{2, 2, 1}, []int{1}, "10 0 0 11", true},
		"another than the one":     {[3]int{2, 2, 1}, []int{1}, "10 0 1 11", false},
		"one of two bits":          {[3]int{2, 2, 1}, []int{2}, "10 0 00 11", false},
		"two of two bits":          {[3]int{2, 2, 1}, []int{2, 2}, "10 0 00 11", false},
		"two symbols of two bits":  {[3]int{2, 2, 0}, []int{1}, "00 01", false},
		"one symbol":               {[3]int{0, 1, 0}, []int{1}, "0", false},
		"no symbol":                {[3]int{0, 0, 0}, []int{1}, "0", false},
	} {
		var b bits
		b.codes(258, len(c.distances), map[int]int{0: 2, 1: 2, 2: 2, 18: 2})
		length := func(n int) { b.put([]int{0b00, 0b10, 0b01}[n], 2) }
		length(c.symbols[0])
		b.zeros()
		for _, n := range append(c.symbols[1:], c.distances...) {
			length(n)
		}
		for _, bit := range strings.ReplaceAll(c.contents, " ", "") {
			b.put(int(bit-'0'), 1)
		}
		if data, _, err := inflatedTwice(t, b.stream, 1, 1); (err == nil) != c.taken {
			t.Errorf("%s: %v, %d bytes", name, err, len(data))
		}
	}
}

func FuzzInflate(f *testing.F) {
	for seed := range 6 {
		r := rand.New(rand.NewPCG(uint64(seed), 53))
		for _, kind := range []string{"few values", "a period", "matches far and near"} {
			f.Add(slices.Clone(deflated(f, r, contents[kind](r, 500), seed)))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) { expectAsFlate(t, stream) })
}
