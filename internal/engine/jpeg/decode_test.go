// SPDX-License-Identifier: MIT

package jpeg

import (
	"bytes"
	"errors"
	"flag"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/engine/plane"
	"thumbd/internal/test/peer/libjpeg"
)

var campaign = flag.Bool("campaign", false, "try 100,000 random and as many damaged files")

// tries returns n, or 100,000 in a campaign.
func tries(n int) int {
	if *campaign {
		return 100_000
	}
	return n
}

func fileOf(t testing.TB, data []byte) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "test")
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return f
}

func decoded(t testing.TB, data []byte, s Scale) (plane.Picture, error) {
	t.Helper()
	f := fileOf(t, data)
	defer f.Close()
	return Decode(f, s)
}

func sizeIn(m libjpeg.Making) image.Point { return image.Pt(m.Width, m.Height) }

// sizeTold returns the size in a file's first frame header, or 0x0.
func sizeTold(file []byte) image.Point {
	for i := 0; i+9 <= len(file); i++ {
		if file[i] == 0xff && file[i+1] >= 0xc0 && file[i+1] <= 0xc2 {
			return image.Pt(int(file[i+7])<<8|int(file[i+8]), int(file[i+5])<<8|int(file[i+6]))
		}
	}
	return image.Point{}
}

// exactly returns what T.81 A.3.3 makes of c with size x size coefficients, in
// lines of width samples.
func exactly(c libjpeg.Component, size int) (samples []float64, width int) {
	var cosine [8][8]float64 // by sample and frequency
	for x := range size {
		for u := range size {
			cosine[x][u] = math.Sqrt2 * math.Cos(float64(2*x+1)*float64(u)*math.Pi/float64(2*size))
		}
		cosine[x][0] = 1
	}
	width = c.Columns * size
	samples = make([]float64, width*c.Rows*size)
	for b := range c.Columns * c.Rows {
		block := c.Coefficients[64*b:][:64]
		for y := range size {
			for x := range size {
				sum := 0.0
				for v := range size {
					for u := range size {
						at := 8*v + u
						sum += float64(block[at]) * float64(c.Quantum[at]) * cosine[x][u] * cosine[y][v]
					}
				}
				at := (b/c.Columns*size+y)*width + b%c.Columns*size + x
				samples[at] = min(max(sum/8+128, 0), 255)
			}
		}
	}
	return samples, width
}

// expectExactly compares each plane of p with the file's coefficients.
func expectExactly(t *testing.T, p plane.Picture, file []byte, m libjpeg.Making, s Scale) {
	t.Helper()
	components, err := libjpeg.Coefficients(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(components) != p.Bands() {
		t.Fatalf("%d planes, want %d", p.Bands(), len(components))
	}
	for i, c := range components {
		band := p.Band(i)
		size := sizeOf(m, s, i)
		across := float64(m.Width*size*factor(m, i)[0]) / float64(8*factor(m, 0)[0])
		if math.Abs(band.Across-across) > 1e-9 || band.Width != int(math.Ceil(across)) {
			t.Fatalf("plane %d is %d wide, %.3f across, want %.3f", i, band.Width, band.Across, across)
		}
		if w, h := (c.Width*size+7)/8, (c.Height*size+7)/8; abs(band.Width-w) > 1 || abs(band.Height-h) > 1 {
			t.Fatalf("plane %d is %dx%d, want %dx%d", i, band.Width, band.Height, w, h)
		}
		want, width := exactly(c, size)
		for y := range min(band.Height, c.Rows*size) {
			for x := range min(band.Width, width) {
				if got := band.Samples[y*band.Stride+x]; math.Abs(float64(got)-want[y*width+x]) > 1.1 {
					t.Fatalf("plane %d at %d,%d: got %d, want %.2f", i, x, y, got, want[y*width+x])
				}
			}
		}
	}
}

// factor returns the sampling factors of a component.
func factor(m libjpeg.Making, component int) [2]int {
	switch {
	case m.Bands == 1:
		return [2]int{1, 1}
	case component == 0:
		return m.Luma
	}
	return m.Chroma
}

// sizeOf returns how large the blocks of a component are to be decoded.
func sizeOf(m libjpeg.Making, s Scale, component int) int {
	luma, own := factor(m, 0), factor(m, component)
	switch {
	case component == 0 || s.Eighths == 8:
		return s.Eighths
	case 2*own[0] == luma[0] && 2*own[1] == luma[1]:
		return min(2*s.Eighths, 4)
	case s.Halved && own == luma:
		return (s.Eighths + 1) / 2
	}
	return s.Eighths
}

func abs(n int) int { return max(n, -n) }

// expectLikeLibjpeg compares luma with libjpeg's own decoder.
func expectLikeLibjpeg(t *testing.T, p plane.Picture, file []byte, eighths int) {
	t.Helper()
	want, width, err := libjpeg.Luma(file, eighths)
	if err != nil {
		t.Fatal(err)
	}
	band := p.Band(0)
	if band.Width != width || band.Height*width != len(want) {
		t.Fatalf("luma is %dx%d, libjpeg's of %d is %d wide", band.Width, band.Height, len(want), width)
	}
	for y := range band.Height {
		for x := range width {
			if got := band.Samples[y*band.Stride+x]; abs(int(got)-int(want[y*width+x])) > 3 {
				t.Fatalf("luma at %d,%d: got %d, libjpeg's %d", x, y, got, want[y*width+x])
			}
		}
	}
}

// expectSamePlanes compares p with file, decoded as s says.
func expectSamePlanes(t *testing.T, p plane.Picture, file []byte, s Scale) {
	t.Helper()
	other, err := decoded(t, file, s)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for i := range p.Bands() {
		a, b := p.Band(i), other.Band(i)
		for y := range a.Height {
			if !bytes.Equal(a.Samples[y*a.Stride:][:a.Width], b.Samples[y*b.Stride:][:b.Width]) {
				t.Fatalf("line %d of plane %d differs", y, i)
			}
		}
	}
}

// TestRandomFiles decodes files of every kind that is decoded, and compares with
// their coefficients as libjpeg reads them: all planes with an exact transform,
// and luma with libjpeg's own at 1/8 and 3/8, which has no such transform for
// the others. Every second file is decoded in plain C, too, to the same bytes.
func TestRandomFiles(t *testing.T) {
	for seed := range tries(2000) {
		r := rand.New(rand.NewPCG(uint64(seed), 17))
		file, m := libjpeg.Random(r)
		s := Scale{Size: sizeIn(m), Eighths: 1 + r.IntN(4), Halved: r.IntN(2) == 0, Exact: true}
		if !s.Halved && m.Bands == 3 && m.Luma == [2]int{2, 2} && m.Chroma == [2]int{1, 1} {
			s.Eighths = 1 + r.IntN(2)
		}
		if seed%8 == 0 {
			s.Eighths, s.Halved = 8, true
		}
		p, err := decoded(t, file, s)
		if err != nil {
			t.Fatalf("seed %d, %+v: %v", seed, m, err)
		}
		expectExactly(t, p, file, m, s)
		if s.Eighths%2 == 1 {
			expectLikeLibjpeg(t, p, file, s.Eighths)
		}
		if seed%2 == 1 {
			s.Plain = true
			expectSamePlanes(t, p, file, s)
		}
		p.Close()
		if t.Failed() {
			t.Fatalf("seed %d: %+v at %+v", seed, m, s)
		}
	}
}

// TestKindsLeftToLibjpeg has what the decoder does not know.
func TestKindsLeftToLibjpeg(t *testing.T) {
	common := libjpeg.Making{Width: 90, Height: 70, Bands: 3, Quality: 80, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}}
	for name, change := range map[string]func(*libjpeg.Making){
		"arithmetic":  func(m *libjpeg.Making) { m.Arithmetic = true },
		"RGB":         func(m *libjpeg.Making) { m.RGB = true },
		"CMYK":        func(m *libjpeg.Making) { m.Bands = 4 },
		"4:1:1":       func(m *libjpeg.Making) { m.Luma = [2]int{4, 1} },
		"more chroma": func(m *libjpeg.Making) { m.Chroma = [2]int{2, 1} },
		"scans of their own": func(m *libjpeg.Making) {
			m.Scans = []libjpeg.Scan{{Components: []int{0}, End: 63}, {Components: []int{1}, End: 63}, {Components: []int{2}, End: 63}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := common
			change(&m)
			file, err := libjpeg.Encode(m, make([]byte, 90*70*4))
			if err != nil {
				t.Fatal(err)
			}
			_, err = decoded(t, file, Scale{Size: sizeIn(m), Eighths: 2, Halved: true})
			if !errors.Is(err, ErrLeft) {
				t.Errorf("got %v", err)
			}
			t.Log(err)
		})
	}
}

// TestAnotherSize has a file of another size than its caller has checked, as of one
// that is written over in between.
func TestAnotherSize(t *testing.T) {
	file, m := libjpeg.Random(rand.New(rand.NewPCG(5, 17)))
	for _, more := range []image.Point{{X: 1}, {Y: 1}, {X: -1}, {Y: -1}} {
		_, err := decoded(t, file, Scale{Size: sizeIn(m).Add(more), Eighths: 1, Halved: true})
		if !errors.Is(err, ErrLeft) {
			t.Errorf("%v more: got %v", more, err)
		}
	}
}

// TestCodeOfOnes adds a Huffman table that nothing uses, with the codes 0 and 10,
// and with 0 and 1: a code of ones alone is what a byte is filled up with.
func TestCodeOfOnes(t *testing.T) {
	m := libjpeg.Making{Width: 9, Height: 9, Bands: 1, Quality: 80, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}}
	file, err := libjpeg.Encode(m, make([]byte, 81))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(file, []byte{0xff, 0xc4})
	for _, c := range []struct {
		counts [16]byte
		whole  bool
	}{{[16]byte{1, 1}, true}, {[16]byte{2}, false}} {
		// DHT, its length, and the third table of DC with two symbols.
		table := slices.Concat([]byte{0xff, 0xc4, 0, 21, 0x03}, c.counts[:], []byte{0, 1})
		p, err := decoded(t, slices.Insert(slices.Clone(file), at, table...), Scale{Size: sizeIn(m), Eighths: 1})
		if (err == nil) != c.whole {
			t.Errorf("counts %v: %v", c.counts, err)
		}
		p.Close()
	}
}

// TestColorsWithoutATransform has JFIF tell YCbCr, and else Adobe's marker RGB, as
// libjpeg: a marker of JFIF that is too short does not count.
func TestColorsWithoutATransform(t *testing.T) {
	m := libjpeg.Making{Width: 9, Height: 9, Bands: 3, Quality: 80, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}}
	file, err := libjpeg.Encode(m, make([]byte, 3*81))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(file, []byte("\xff\xdb"))
	const adobe = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
	for jfif, ycbcr := range map[string]bool{
		"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00": true,
		"\xff\xe0\x00\x07JFIF\x00":                                     false,
		"":                                                             false,
	} {
		p, err := decoded(t, slices.Concat([]byte("\xff\xd8"+jfif+adobe), file[at:]), Scale{Size: sizeIn(m), Eighths: 1})
		if (err == nil) != ycbcr {
			t.Errorf("JFIF %q: %v", jfif, err)
		}
		p.Close()
	}
}

// TestNothingIsLeftOfACutFile cuts files at every byte, also with an end marker
// or another picture after the cut. One in the last scan of a progressive file, and
// then an end marker, is not seen if that scan is passed over.
func TestNothingIsLeftOfACutFile(t *testing.T) {
	for seed := range 12 {
		r := rand.New(rand.NewPCG(uint64(seed), 18))
		file, m := libjpeg.Random(r)
		s := Scale{Size: sizeIn(m), Eighths: []int{1, 2, 3, 4, 8}[seed%5], Halved: true}
		for _, tail := range []string{"", "\xff\xd9", string(file)} {
			first, end := 0, len(file)-2
			if tail == "\xff\xd9" && m.Scans != nil {
				// The last scan may be one that is passed over.
				end = bytes.LastIndex(file, []byte("\xff\xda"))
			}
			if tail == string(file) {
				// A cut in its tables with all of them after it is a whole picture.
				first = bytes.Index(file, []byte("\xff\xda"))
			}
			for n := first; n < end; n++ {
				if len(file) > 2000 && n%7 != seed%7 {
					continue
				}
				cut := append(append([]byte{}, file[:n]...), tail...)
				p, err := decoded(t, cut, s)
				if err == nil {
					t.Fatalf("seed %d, cut at %d of %d, then %d bytes: taken; %+v at %+v", seed, n, len(file), len(tail), m, s)
				}
				p.Close()
			}
		}
	}
}

// mutated returns file with a few bytes changed, most of them in its segments.
func mutated(r *rand.Rand, file []byte) []byte {
	out := append([]byte{}, file...)
	for range 1 + r.IntN(6) {
		most := len(out)
		if r.IntN(3) == 0 {
			most = min(most, 700)
		}
		out[r.IntN(most)] = byte(r.IntN(256))
	}
	return out
}

// TestDamagedFiles decodes files with wrong bytes: the sanitizers, if the test is
// run under them, find no fault.
func TestDamagedFiles(t *testing.T) {
	taken := 0
	for seed := range tries(3000) {
		r := rand.New(rand.NewPCG(uint64(seed), 19))
		file, _ := libjpeg.Random(r)
		file = mutated(r, file)
		s := Scale{Size: sizeTold(file), Eighths: []int{1, 2, 3, 4, 8}[r.IntN(5)], Halved: r.IntN(2) == 0, Exact: r.IntN(2) == 0, Plain: r.IntN(2) == 0}
		p, err := decoded(t, file, s)
		if err != nil {
			continue
		}
		taken++
		if out, err := p.Resize(plane.Resizing{Size: image.Pt(9, 7), Cut: image.Rect(1, 0, 8, 7), Halved: true}); err == nil {
			out.Close()
		}
		p.Close()
	}
	t.Logf("%d taken", taken)
}

func FuzzDecode(f *testing.F) {
	for seed := range 12 {
		file, _ := libjpeg.Random(rand.New(rand.NewPCG(uint64(seed), 20)))
		f.Add(file, uint8(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte, how uint8) {
		s := Scale{Size: sizeTold(file), Eighths: 1 + int(how&3), Halved: how&4 != 0, Exact: how&8 != 0, Plain: how&32 != 0}
		if how&16 != 0 {
			s.Eighths = 8
		}
		if s.Size.X*s.Size.Y > 1<<20 {
			t.Skip("as the engine refuses pictures above its limit")
		}
		p, err := decoded(t, file, s)
		if err == nil {
			p.Close()
		}
	})
}

// TestRestartMarkersAreInOrder swaps two restart markers of a scan that is decoded
// and of one that is passed over.
func TestRestartMarkersAreInOrder(t *testing.T) {
	m := libjpeg.Making{Width: 90, Height: 70, Bands: 1, Quality: 80, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}, Interval: 9}
	scans := []libjpeg.Scan{{Components: []int{0}}, {Components: []int{0}, Start: 1, End: 63}}
	r := rand.New(rand.NewPCG(1, 21))
	for name, scans := range map[string][]libjpeg.Scan{"decoded": nil, "passed over": scans} {
		m.Scans = scans
		file, err := libjpeg.Encode(m, content(r, m.Width*m.Height))
		if err != nil {
			t.Fatal(err)
		}
		s := Scale{Size: sizeIn(m), Eighths: 1, Halved: true}
		p, err := decoded(t, file, s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p.Close()
		first, second := bytes.LastIndex(file, []byte{0xff, 0xd0}), bytes.LastIndex(file, []byte{0xff, 0xd1})
		file[first+1], file[second+1] = file[second+1], file[first+1]
		if p, err = decoded(t, file, s); err == nil {
			p.Close()
			t.Errorf("%s: taken", name)
		}
	}
}

func content(r *rand.Rand, n int) []byte {
	pixels := make([]byte, n)
	for i := range pixels {
		pixels[i] = byte(r.IntN(256))
	}
	return pixels
}

// TestBlocksOfAnMCU has files with 12 blocks in each MCU, 2 more than T.81 B.2.3
// allows, and with 6: gray, every coefficient of which is 0, in the tables of T.81 K.3.
func TestBlocksOfAnMCU(t *testing.T) {
	m := libjpeg.Making{Width: 16, Height: 16, Bands: 3, Quality: 80, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}}
	file, err := libjpeg.Encode(m, bytes.Repeat([]byte{128}, 3*16*16))
	if err != nil {
		t.Fatal(err)
	}
	frame := bytes.Index(file, []byte{0xff, 0xc0})
	data := bytes.Index(file, []byte{0xff, 0xda}) + 14
	for _, c := range []struct {
		chroma byte   // sampling factors, of which luma's are 2 and 2
		blocks string // luma's are 001010, chroma's 0000
		whole  bool
	}{{0x11, "\x28\xa2\x8a\x00", true}, {0x22, "\x28\xa2\x8a\x00\x00\x00\x00", false}} {
		header := slices.Clone(file[:data])
		header[frame+11], header[frame+14], header[frame+17] = 0x22, c.chroma, c.chroma
		p, err := decoded(t, slices.Concat(header, []byte(c.blocks+"\xff\xd9")), Scale{Size: sizeIn(m), Eighths: 1, Halved: true})
		if (err == nil) != c.whole {
			t.Errorf("chroma of %#x: %v", c.chroma, err)
		}
		p.Close()
	}
}

// TestScansAreMissing leaves a progressive file alone that lacks its last scan.
func TestScansAreMissing(t *testing.T) {
	scans := []libjpeg.Scan{{Components: []int{0}}, {Components: []int{0}, Start: 1, End: 63, Low: 1}, {Components: []int{0}, Start: 1, End: 63, High: 1}}
	m := libjpeg.Making{Width: 90, Height: 70, Bands: 1, Quality: 80, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}}
	for missing := range 2 {
		m.Scans = scans[:len(scans)-missing]
		file, err := libjpeg.Encode(m, content(rand.New(rand.NewPCG(1, 23)), m.Width*m.Height))
		if err != nil {
			t.Fatal(err)
		}
		for _, eighths := range []int{1, 4, 8} {
			p, err := decoded(t, file, Scale{Size: sizeIn(m), Eighths: eighths})
			if (err != nil) != (missing > 0) {
				t.Errorf("at %d/8, %d scans missing: %v", eighths, missing, err)
			}
			p.Close()
		}
	}
}

// TestAComponentIsMissing leaves a baseline file alone of whose components, each in a scan
// of its own, the last has none.
func TestAComponentIsMissing(t *testing.T) {
	m := libjpeg.Making{Width: 90, Height: 70, Bands: 3, Quality: 80, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}}
	for i := range 3 {
		m.Scans = append(m.Scans, libjpeg.Scan{Components: []int{i}, End: 63})
	}
	file, err := libjpeg.Encode(m, content(rand.New(rand.NewPCG(1, 24)), 3*m.Width*m.Height))
	if err != nil {
		t.Fatal(err)
	}
	s := Scale{Size: sizeIn(m), Eighths: 8}
	p, err := decoded(t, file, s)
	if err != nil {
		t.Fatal(err)
	}
	expectExactly(t, p, file, m, s)
	p.Close()
	last := bytes.LastIndex(file, []byte{0xff, 0xda})
	if p, err := decoded(t, append(file[:last:last], 0xff, 0xd9), s); !errors.Is(err, ErrLeft) {
		t.Errorf("without the last scan: %v", err)
		p.Close()
	}
}

// TestGrayOfAnySampling has gray files with each factor that libjpeg knows, which
// says nothing in a file of one component.
func TestGrayOfAnySampling(t *testing.T) {
	m := libjpeg.Making{Width: 90, Height: 70, Bands: 1, Quality: 80, Chroma: [2]int{1, 1}}
	for across := 1; across <= 4; across++ {
		for down := 1; down <= 4; down++ {
			m.Luma = [2]int{across, down}
			file, err := libjpeg.Encode(m, content(rand.New(rand.NewPCG(1, 25)), m.Width*m.Height))
			if err != nil {
				t.Fatal(err)
			}
			for _, eighths := range []int{1, 4, 8} {
				s := Scale{Size: sizeIn(m), Eighths: eighths, Halved: true}
				p, err := decoded(t, file, s)
				if err != nil {
					t.Fatalf("%v at %d/8: %v", m.Luma, eighths, err)
				}
				expectExactly(t, p, file, m, s)
				p.Close()
			}
		}
	}
}
