// SPDX-License-Identifier: MIT

package png

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
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
	p.Length = int64(len(data))
	return decoded(f, p)
}

func pictureOf(m libpng.Making) Picture { return Picture{Size: m.Size, Bands: m.Bands()} }

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
		got, err := decodedBytes(t, file, Picture{Size: size, Bands: bands})
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
