// SPDX-License-Identifier: MIT

package png

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"flag"
	"hash/adler32"
	"hash/crc32"
	"image"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/test/peer/libpng"
)

var campaign = flag.Bool("campaign", false, "try 100,000 random and as many damaged files")

// tries returns n, or 100,000 in a campaign.
func tries(n int) int {
	if *campaign {
		return 100_000
	}
	return n
}

func decodedBytes(t testing.TB, data []byte, p Picture) ([]byte, error) {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "test")
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return decoded(f, p)
}

var whole = image.Pt(1, 1)

func pictureOf(m libpng.Making) Picture {
	return Picture{Size: m.Size, Bands: m.Bands(), Shrink: whole}
}

// TestRandomFiles decodes files of every kind that is decoded, and compares with
// libpng.
func TestRandomFiles(t *testing.T) {
	for seed := range tries(1000) {
		file, m := libpng.Random(rand.New(rand.NewPCG(uint64(seed), 31)))
		got, err := decodedBytes(t, file, pictureOf(m))
		if err != nil {
			t.Fatalf("seed %d, %+v: %v", seed, m, err)
		}
		want, err := libpng.Decode(file)
		if err != nil || want.Bands != m.Bands() {
			t.Fatalf("seed %d, %+v: libpng: %v, %d bands", seed, m, err, want.Bands)
		}
		if !bytes.Equal(got, want.Pixels) {
			t.Fatalf("seed %d, %+v: pixels differ from libpng's", seed, m)
		}
	}
}

// TestLargeFiles decodes files that are inflated in several pieces: with lines shorter and
// longer than a piece, and compressed to less and more than a piece.
func TestLargeFiles(t *testing.T) {
	for i, m := range []libpng.Making{
		{Size: image.Pt(300, 900), Type: 2, Depth: 8, Filters: []int{4}, Level: 1},
		{Size: image.Pt(500, 700), Type: 6, Depth: 8, Filters: []int{1, 4, 4, 4, 2, 3, 0}, Level: 9},
		{Size: image.Pt(100_000, 4), Type: 2, Depth: 8, Filters: []int{4, 4, 4, 3}, Level: 6},
		{Size: image.Pt(3, 100_000), Type: 4, Depth: 8, Filters: []int{2, 3}, Level: 0},
		{Size: image.Pt(90_000, 9), Type: 3, Depth: 4, Colors: 16, Alphas: 3, Filters: []int{1, 2}, Level: 6},
	} {
		for _, m.ChunkLen = range []int{1 << 30, 8192} {
			file := libpng.Make(rand.New(rand.NewPCG(uint64(i), 38)), m)
			got, err := decodedBytes(t, file, pictureOf(m))
			if err != nil {
				t.Fatalf("%+v: %v", m, err)
			}
			if want, err := libpng.Decode(file); err != nil || !bytes.Equal(got, want.Pixels) {
				t.Fatalf("%+v: pixels differ from libpng's, %v", m, err)
			}
		}
	}
}

// TestShrunk compares pictures that are shrunk while they are decoded with means of the
// pixels.
func TestShrunk(t *testing.T) {
	for seed := range tries(1000) {
		r := rand.New(rand.NewPCG(uint64(seed), 39))
		file, m := libpng.Random(r)
		if seed%10 == 0 { // opaque lines, and a part of more than 257 lines
			m = libpng.Making{Size: image.Pt(1+r.IntN(9), 1+r.IntN(1000)), Type: 3, Depth: 1, Colors: 2, Alphas: 1, Filters: []int{0, 2}, Level: 6, ChunkLen: 1000}
			file = libpng.Make(r, m)
		}
		p := pictureOf(m)
		pixels, err := decodedBytes(t, file, p)
		if err != nil {
			t.Fatal(err)
		}
		all := libpng.Decoded{Size: p.Size, Bands: p.Bands, Pixels: pixels}
		p.Shrink = image.Pt(1+r.IntN(2*m.Size.X), 1+r.IntN(2*m.Size.Y))
		got, err := decodedBytes(t, file, p)
		if err != nil {
			t.Fatal(err)
		}
		if want := all.Shrunk(p.Shrink); !bytes.Equal(got, want) {
			t.Fatalf("seed %d, %+v: shrunk by %v otherwise than by means", seed, m, p.Shrink)
		}
	}
}

// TestUnfiltersAreAlike compares the loops of this processor with plain C.
func TestUnfiltersAreAlike(t *testing.T) {
	for seed := range 500 {
		r := rand.New(rand.NewPCG(uint64(seed), 32))
		bpp := 1 + r.IntN(4)
		n := bpp * (1 + r.IntN(70))
		kind := r.IntN(twice + 1)
		in, up := content(r, 2*n+1), content(r, n)
		if !bytes.Equal(unfiltered(false, kind, in, up, n, bpp), unfiltered(true, kind, in, up, n, bpp)) {
			t.Fatalf("seed %d: filter %d of %d bytes, pixels of %d, differs", seed, kind, n, bpp)
		}
	}
}

func content(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return b
}

var common = libpng.Making{Size: image.Pt(20, 10), Type: 2, Depth: 8, Filters: []int{4}, Level: 6, ChunkLen: 100}

// at returns where a chunk begins.
func at(file []byte, kind string) int { return bytes.Index(file, []byte(kind)) - 4 }

// resum sets the sum of the chunk that begins at i.
func resum(file []byte, i int) {
	end := i + 8 + int(binary.BigEndian.Uint32(file[i:]))
	binary.BigEndian.PutUint32(file[end:], crc32.ChecksumIEEE(file[i+4:end]))
}

// resumAll sets the sums of all chunks, up to one that is cut off.
func resumAll(file []byte) {
	for i := 8; i+12 <= len(file); {
		length := int64(binary.BigEndian.Uint32(file[i:]))
		if length > int64(len(file)-i-12) {
			break
		}
		resum(file, i)
		i += 12 + int(length)
	}
}

// TestLeftToLibvips has files of kinds that are not decoded, and one fault in a file
// each.
func TestLeftToLibvips(t *testing.T) {
	header := func(i int, v byte) func([]byte) []byte {
		return func(f []byte) []byte { f[16+i] = v; resum(f, 8); return f }
	}
	insert := func(before, kind string, data []byte) func([]byte) []byte {
		return func(f []byte) []byte { return slices.Insert(f, at(f, before), libpng.Chunk(kind, data)...) }
	}
	for name, change := range map[string]func([]byte) []byte{
		"interlaced":           header(12, 1),
		"16 bits":              header(8, 16),
		"another size":         header(3, 21),
		"another type":         header(9, 6),
		"another compression":  header(10, 1),
		"another filter":       header(11, 1),
		"a transparent color":  insert("IDAT", "tRNS", make([]byte, 6)),
		"an unknown chunk":     insert("IDAT", "ABCD", nil),
		"a second header":      insert("IDAT", "IHDR", make([]byte, 13)),
		"a late palette":       insert("IEND", "PLTE", make([]byte, 3)),
		"pixels in two places": func(f []byte) []byte { return insert("IEND", "IDAT", nil)(insert("IEND", "tEXt", []byte("a\x00b"))(f)) },
		"data behind pixels":   insert("IEND", "IDAT", []byte{0}),
		"a wrong sum of pixels": func(f []byte) []byte {
			f[at(f, "IDAT")+20]++
			return f
		},
		"a wrong sum of a text": func(f []byte) []byte {
			f = insert("IEND", "tEXt", []byte("a\x00b"))(f)
			f[at(f, "tEXt")+9]++
			return f
		},
		"a wrong sum of zlib": func(f []byte) []byte {
			end := at(f, "IEND")
			f[end-5]++
			last := bytes.LastIndex(f, []byte("IDAT")) - 4
			resum(f, last)
			return f
		},
		"a dictionary of zlib": func(f []byte) []byte {
			i := at(f, "IDAT")
			f[i+9] = 32 + byte(31-(int(f[i+8])<<8+32)%31)
			resum(f, i)
			return f
		},
		"a longer end chunk": func(f []byte) []byte {
			return append(f[:at(f, "IEND")], libpng.Chunk("IEND", []byte{0})...)
		},
		"no end chunk": func(f []byte) []byte { return f[:at(f, "IEND")] },
		"no pixels": func(f []byte) []byte {
			return append(f[:at(f, "IDAT")], libpng.Chunk("IEND", nil)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := change(libpng.Make(rand.New(rand.NewPCG(3, 33)), common))
			if _, err := decodedBytes(t, file, pictureOf(common)); !errors.Is(err, ErrLeft) {
				t.Errorf("got %v", err)
			} else {
				t.Log(err)
			}
		})
	}
}

// TestOtherNumbersOfPixels has a line too few and a line too many, in data with right sums.
func TestOtherNumbersOfPixels(t *testing.T) {
	for _, height := range []int{9, 11} {
		m := common
		m.Size.Y = height
		file := libpng.Make(rand.New(rand.NewPCG(5, 40)), m)
		file[16+7] = 10
		resum(file, 8)
		if _, err := decodedBytes(t, file, pictureOf(common)); !errors.Is(err, ErrLeft) {
			t.Errorf("%d lines instead of 10: got %v", height, err)
		}
	}
}

// grayPNG returns a gray PNG of a size, of 8 bits, whose chunk of pixels has some data.
func grayPNG(width, height int, data []byte) []byte {
	header := binary.BigEndian.AppendUint32(nil, uint32(width))
	header = append(binary.BigEndian.AppendUint32(header, uint32(height)), 8, 0, 0, 0, 0)
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), libpng.Chunk("IHDR", header), libpng.Chunk("IDAT", data), libpng.Chunk("IEND", nil))
}

// TestHeaderOfZlib has data that repeats farther back than zlib's header says, and headers
// that are not in order.
func TestHeaderOfZlib(t *testing.T) {
	line := content(rand.New(rand.NewPCG(6, 41)), 300)
	var data bytes.Buffer
	w := zlib.NewWriter(&data)
	_, err := w.Write(bytes.Repeat(append([]byte{0}, line...), 2))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	p := Picture{Size: image.Pt(300, 2), Bands: 1, Shrink: whole}
	for header, want := range map[[2]byte]error{
		{0x78, 0x01}: nil,     // 32768 bytes
		{0x18, 0x19}: nil,     // 512 bytes
		{0x08, 0x1d}: ErrLeft, // 256 bytes
		{0x88, 0x1c}: ErrLeft, // 65536 bytes
		{0x79, 0x18}: ErrLeft, // another method
		{0x78, 0x02}: ErrLeft, // a wrong sum of the header
	} {
		copy(data.Bytes(), header[:])
		if _, err := decodedBytes(t, grayPNG(300, 2, data.Bytes()), p); !errors.Is(err, want) {
			t.Errorf("%#x: got %v, want %v", header, err, want)
		}
	}
}

// TestSumAtTheEndOfAPiece has a block of bytes as they are that ends within some bytes of the
// input's first piece, so that the checksum is in the next one in part or as a whole.
func TestSumAtTheEndOfAPiece(t *testing.T) {
	const piece = 1 << 16
	for left := range 6 {
		n := piece - left - 7 // without the headers of zlib and of the block
		line := append([]byte{0}, content(rand.New(rand.NewPCG(7, 42)), n-1)...)
		data := append([]byte{0x78, 1, 1, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)}, line...)
		data = binary.BigEndian.AppendUint32(data, adler32.Checksum(line))
		for _, behind := range []int{0, 1} {
			file := grayPNG(n-1, 1, append(data, make([]byte, behind)...))
			got, err := decodedBytes(t, file, Picture{Size: image.Pt(n-1, 1), Bands: 1, Shrink: whole})
			if (err == nil) != (behind == 0) || err == nil && !bytes.Equal(got, line[1:]) {
				t.Errorf("%d bytes of the sum, %d bytes behind it: %v", left, behind, err)
			}
		}
	}
}

// TestSumThatIsCutOff has a checksum that ends with a zero, and lacks it: behind the input
// the decoder reads zeros.
func TestSumThatIsCutOff(t *testing.T) {
	line := []byte{0, 200, 55} // the sum of the bytes is 255, and Adler-32 adds 1
	data := append([]byte{0x78, 1, 1, 3, 0, 0xfc, 0xff}, line...)
	data = binary.BigEndian.AppendUint32(data, adler32.Checksum(line))
	for cut, want := range []error{nil, ErrLeft} {
		file := grayPNG(2, 1, data[:len(data)-cut])
		if _, err := decodedBytes(t, file, Picture{Size: image.Pt(2, 1), Bands: 1, Shrink: whole}); !errors.Is(err, want) {
			t.Errorf("cut by %d of %x: got %v, want %v", cut, data, err, want)
		}
	}
}

// TestFaultsOfLines has wrong filters and numbers of colors, in data with right sums.
func TestFaultsOfLines(t *testing.T) {
	for name, m := range map[string]libpng.Making{
		"a filter":              {Size: image.Pt(20, 10), Type: 2, Depth: 8, Filters: []int{5}, ChunkLen: 999},
		"a filter of a palette": {Size: image.Pt(20, 10), Type: 3, Depth: 4, Colors: 16, Filters: []int{5}, ChunkLen: 999},
		"a color":               {Size: image.Pt(20, 10), Type: 3, Depth: 4, Colors: 16, Filters: []int{1}, ChunkLen: 999},
	} {
		t.Run(name, func(t *testing.T) {
			file := libpng.Make(rand.New(rand.NewPCG(4, 34)), m)
			if name == "a color" {
				i := at(file, "PLTE")
				file = slices.Replace(file, i, i+12+48, libpng.Chunk("PLTE", make([]byte, 45))...)
			}
			if _, err := decodedBytes(t, file, pictureOf(m)); !errors.Is(err, ErrLeft) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestNothingIsLeftOfACutFile cuts files at every byte, also with an end chunk after
// the cut.
func TestNothingIsLeftOfACutFile(t *testing.T) {
	for seed := range 20 {
		file, m := libpng.Random(rand.New(rand.NewPCG(uint64(seed), 35)))
		for _, tail := range [][]byte{nil, libpng.Chunk("IEND", nil)} {
			// Of chunks behind the pixels none is needed.
			end := len(file)
			if tail != nil {
				end = bytes.LastIndex(file, []byte("IDAT"))
			}
			for n := range end {
				if len(file) > 2000 && n%7 != seed%7 {
					continue
				}
				if _, err := decodedBytes(t, slices.Concat(file[:n], tail), pictureOf(m)); err == nil {
					t.Fatalf("seed %d, cut at %d of %d, then %d bytes: taken; %+v", seed, n, len(file), len(tail), m)
				}
			}
		}
	}
}

// mutated returns file with a few bytes changed, and right sums if it is told so: the
// faults then reach what is behind the sums.
func mutated(r *rand.Rand, file []byte, sums bool) []byte {
	out := slices.Clone(file)
	for range 1 + r.IntN(4) {
		out[r.IntN(len(out))] = byte(r.IntN(256))
	}
	if sums {
		resumAll(out)
	}
	return out
}

// expectAsLibpng fails if file is decoded otherwise than by libpng. What libpng
// refuses may not be decoded.
func expectAsLibpng(t *testing.T, file []byte) (taken bool) {
	t.Helper()
	if len(file) < 33 {
		return false
	}
	size := image.Pt(int(int32(binary.BigEndian.Uint32(file[16:]))), int(int32(binary.BigEndian.Uint32(file[20:]))))
	if min(size.X, size.Y) < 1 || size.X > 1<<20 || size.Y > 1<<20 || size.X*size.Y > 1<<20 {
		return false // The engine refuses pictures above its limit.
	}
	for bands := 1; bands <= 4; bands++ {
		got, err := decodedBytes(t, file, Picture{Size: size, Bands: bands, Shrink: whole})
		if err != nil {
			continue
		}
		taken = true
		want, err := libpng.Decode(file)
		if err != nil {
			t.Errorf("taken, and libpng refuses it")
		} else if want.Bands != bands || !bytes.Equal(got, want.Pixels) {
			t.Errorf("%d bands are not libpng's %d", bands, want.Bands)
		}
	}
	return taken
}

// TestDamagedFiles decodes files with wrong bytes: what is decoded all the same is
// what libpng makes of it. The sanitizers, if the test is run under them, find no
// fault.
func TestDamagedFiles(t *testing.T) {
	taken := 0
	for seed := range tries(1500) {
		r := rand.New(rand.NewPCG(uint64(seed), 36))
		file, _ := libpng.Random(r)
		if expectAsLibpng(t, mutated(r, file, r.IntN(4) > 0)) {
			taken++
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d taken", taken)
	if taken == 0 {
		t.Error("all are refused: nothing is compared with libpng")
	}
}

func FuzzDecode(f *testing.F) {
	for seed := range 12 {
		file, _ := libpng.Random(rand.New(rand.NewPCG(uint64(seed), 37)))
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		// A fuzzer can't guess a sum.
		expectAsLibpng(t, file)
		if len(file) >= 33 {
			summed := slices.Clone(file)
			resumAll(summed)
			expectAsLibpng(t, summed)
		}
	})
}
