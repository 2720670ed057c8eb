// SPDX-License-Identifier: MIT

package faults

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// memoryGrowth is what the daemon's resident memory may grow by, in KiB: what a
// program written in Go does by itself.
const memoryGrowth = 24 << 10

// longLimits are for a machine with much else to do: a render, or the start of
// another worker, may take longer than the defaults.
const longLimits = "[daemon]\nworkers = 2\n[limits]\nrender_time = \"1m\"\nqueue_time = \"1m\"\n"

// Whatever a file has become, it is answered in time, nothing is published
// that is not whole, and the daemon neither ends nor grows.
func TestMutatedOriginals(t *testing.T) {
	t.Parallel()
	dir := kit.Folder(t, nil)
	random := kit.Random(t)
	samples := hostileSamples(t)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, dir)}, TOML: longLimits})
	var before int
	pid := r.DaemonPID()
	answers := make(map[string]int)
	// Two of each sample in each format.
	n := kit.Times(80, 20_000)
	for i := 0; i < n; i += len(samples) {
		// A tenth of them is what the daemon grows by in any case.
		if i >= n/10 && before == 0 {
			before = residentKiB(t, pid)
		}
		ext := []string{"jpg", "png", "webp", "gif"}[i/len(samples)%4]
		originals := make([]string, len(samples))
		for j, sample := range samples {
			originals[j] = fmt.Sprintf("%d.jpg", i+j)
			kit.Put(t, filepath.Join(dir, originals[j]), mutate(random, sample))
		}
		for j, answer := range askForAll(t, r, originals, ext) {
			answers[answer]++
			path := filepath.Join(dir, originals[j])
			status, _, _ := strings.Cut(answer, " ")
			if !slices.Contains([]string{"200", "415", "422"}, status) && answer != "500 crashed" {
				t.Errorf("%s as %s: %s", originals[j], ext, answer)
				keep(t, path)
			}
			aid.Must(t, os.Remove(path))
		}
		if i%1000 == 0 {
			t.Logf("%d mutated originals: %v", i+len(samples), answers)
		}
	}
	t.Logf("%d mutated originals: %v", n, answers)
	if answers["200 "] == 0 || answers["422 damaged"] == 0 {
		t.Error("mutations that are all alike prove nothing")
	}
	if published := checkUnmoved(t, r, pid, before); published != answers["200 "] {
		t.Errorf("%d thumbnails for %d answers that they are there", published, answers["200 "])
	}
}

// askForAll asks for a thumbnail of each original, of two at once, and returns their
// answers: "422 damaged".
func askForAll(t *testing.T, r *rig.Rig, originals []string, ext string) []string {
	t.Helper()
	answers := make([]string, len(originals))
	var all errgroup.Group
	all.SetLimit(2)
	for i, name := range originals {
		all.Go(func() error {
			resp, err := r.Do(t.Context(), rig.Request{Target: kit.Target(name, "40x30_crop_frames=1", ext), Direct: true})
			answers[i] = fmt.Sprint(resp.Status, " ", resp.Header.Get("X-Thumbd-Reason"))
			if err != nil {
				answers[i] = err.Error()
			}
			return nil
		})
	}
	aid.Must(t, all.Wait())
	return answers
}

// Files that ask for more than they are: of pixels, frames, chunks, directories
// and profiles.
func TestBombs(t *testing.T) {
	t.Parallel()
	const (
		pixels = "422 original-pixels"
		broken = "422 damaged"
		other  = "415 unsupported"
		fine   = "200 "
	)
	bombs := map[string]struct {
		data   []byte
		answer string
	}{
		"pixels":            {pngOf(60_000, 60_000, nil), pixels},
		"most pixels":       {pngOf(1<<31-1, 1<<31-1, nil), other},
		"pixels of AVIF":    {inflated(t, "sample.avif"), pixels},
		"pixels of HEIC":    {inflated(t, "sample.heic"), pixels},
		"frames":            {gifOf(4000, 4000, 5000), fine},
		"few frames":        {gifOf(65_535, 65_535, 2), pixels},
		"frames of WebP":    {webpFrames(5000), pixels},
		"canvas":            {webpFrames(0), broken},
		"chunks":            {pngOf(8, 8, bytes.Repeat(pngChunk("tEXt", []byte("a\x00b")), 200_000)), other},
		"compressed texts":  {pngOf(8, 8, bytes.Repeat(pngChunk("zTXt", zeros(8<<20)), 50)), other},
		"compressed text":   {pngOf(8, 8, pngChunk("zTXt", zeros(256<<20))), fine},
		"profile":           {pngOf(8, 8, pngChunk("iCCP", zeros(256<<20))), fine},
		"EXIF of PNG":       {pngOf(8, 8, pngChunk("eXIf", tiffOf(8))), fine},
		"segments":          {jpegSegments(t), fine},
		"circle":            {tiffOf(8), fine},
		"many directories":  {tiffOf(60_000), fine},
		"directory nowhere": {tiffOf(0), fine},
	}
	dir := kit.Folder(t, nil)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, dir)}, TOML: longLimits})
	pid := r.DaemonPID()
	kit.Put(t, filepath.Join(dir, "good.jpg"), hostileSamples(t)[0])
	kit.Get(t, r, kit.Target("good.jpg", "40x30_crop", "jpg"))
	before := residentKiB(t, pid)
	for name, bomb := range bombs {
		kit.Put(t, filepath.Join(dir, name), bomb.data)
		began := time.Now()
		resp := kit.Do(t, r, rig.Request{Target: kit.Target(name, "40x30_crop", "jpg"), Direct: true})
		answer := fmt.Sprint(resp.Status, " ", resp.Header.Get("X-Thumbd-Reason"))
		if answer != bomb.answer {
			t.Errorf("%s: %s, want %s", name, answer, bomb.answer)
		}
		t.Logf("%s, %d bytes: %s in %v", name, len(bomb.data), answer, time.Since(began))
	}
	checkUnmoved(t, r, pid, before)
}

// TestRefusalsKeepTheWorker has originals of each kind that is refused for what
// they are: no worker is replaced for them, also if only a decoder found out.
func TestRefusalsKeepTheWorker(t *testing.T) {
	t.Parallel()
	const other = "415 unsupported"
	jpeg := hostileSamples(t)[0]
	frame := func(kind byte) []byte {
		return bytes.Replace(jpeg, []byte("\xff\xc0\x00\x11\x08"), []byte{0xff, kind, 0, 0x11, 8}, 1)
	}
	svg := func(attributes, content string) []byte {
		return []byte(`<svg xmlns="http://www.w3.org/2000/svg" ` + attributes + `>` + content + `</svg>`)
	}
	refused := map[string]struct {
		data   []byte
		answer string
	}{
		"no image":              {[]byte("only text"), other},
		"pixels":                {pngOf(60_000, 60_000, nil), "422 original-pixels"},
		"frames":                {gifOf(10, 10, 5000), "422 original-frames"},
		"chunks":                {pngOf(8, 8, bytes.Repeat(pngChunk("tEXt", []byte("a\x00b")), 20_000)), other},
		"lossless JPEG":         {frame(0xc3), other},
		"hierarchical JPEG":     {frame(0xc5), other},
		"drawing of text":       {svg(`width="9" height="9"`, "<text>a</text>"), other},
		"drawing without size":  {svg("", ""), other},
		"style sheet of a size": {svg(`width="9" height="9" style="width:99px!important;height:99px!important"`, "<path d='M0 0h9v9z'/>"), other},
		"XML that is no XML":    {svg(`width="9" height="9"`, `<g id="a" id="b"/>`), other},
		"signed TIFF":           {tiffOfSamples(16, 2, 0x7f7f7f7f), other},
		"half floats":           {tiffOfSamples(16, 3, 0x3c003c00), other},
		"measurements":          {tiffOfSamples(32, 3, math.Float32bits(1234.5)), other},
		"no numbers":            {tiffOfSamples(32, 3, math.Float32bits(float32(math.NaN()))), other},
	}
	dir := kit.Folder(t, nil)
	site := kit.Gallery(t, dir)
	site.TOML += "\noriginal_formats = [\"jpg\", \"png\", \"gif\", \"tiff\", \"svg\"]"
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, TOML: "[daemon]\nworkers = 1"})
	for name, original := range refused {
		kit.Put(t, filepath.Join(dir, name), original.data)
		resp := kit.Do(t, r, rig.Request{Target: kit.Target(name, "40x30_crop", "gif"), Direct: true})
		if answer := fmt.Sprint(resp.Status, " ", resp.Header.Get("X-Thumbd-Reason")); answer != original.answer {
			t.Errorf("%s: %s, want %s", name, answer, original.answer)
		}
	}
	// By then it would be known if the worker had been replaced.
	kit.Put(t, filepath.Join(dir, "good.jpg"), jpeg)
	kit.Expect(t, kit.Get(t, r, kit.Target("good.jpg", "40x30_crop", "gif")), 200, "")
	kit.StopDaemon(t, r)
	if n := r.Log.Count("worker replaced"); n > 0 {
		t.Errorf("%d workers were replaced", n)
	}
}

// tiffOfSamples returns a TIFF of 8 x 8 samples of a format, of which every 32
// bits are word.
func tiffOfSamples(bits, format uint16, word uint32) []byte {
	pixels := uint32(bits) * 8
	tags := [][3]uint32{
		{256, 3, 8}, {257, 3, 8}, {258, 3, uint32(bits)}, {259, 3, 1}, {262, 3, 1}, {273, 4, 8},
		{277, 3, 1}, {278, 3, 8}, {279, 4, pixels}, {339, 3, uint32(format)},
	}
	b := binary.LittleEndian.AppendUint32([]byte("II*\x00"), 8+pixels)
	b = append(b, bytes.Repeat(binary.LittleEndian.AppendUint32(nil, word), int(pixels/4))...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(tags)))
	for _, tag := range tags {
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, uint16(tag[0])), uint16(tag[1]))
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 1), tag[2])
	}
	return append(b, 0, 0, 0, 0)
}

// checkUnmoved holds that the daemon lives, has not grown, and has published
// whole pictures alone, and returns how many.
func checkUnmoved(t *testing.T, r *rig.Rig, pid, before int) int {
	t.Helper()
	if r.DaemonPID() != pid {
		t.Error("the daemon is another")
	}
	if after := residentKiB(t, pid); after > before+memoryGrowth {
		t.Errorf("the daemon has %d KiB, after %d KiB", after, before)
	}
	var seen seenWhole
	if err := seen.scan(r.Root("gallery")); err != nil {
		t.Error(err)
	}
	return len(seen.known)
}

// hostileSamples returns small originals of every format, a JPEG first.
func hostileSamples(t *testing.T) [][]byte {
	t.Helper()
	var samples [][]byte
	for _, name := range []string{
		"originals/tests/orientation/6.jpg", "originals/tests/made/p3.jpg", "originals/tests/made/alpha.png",
		"originals/tests/made/spin.gif", "../internal/engine/samples/sample.avif", "../internal/engine/samples/sample.heic",
		"../internal/engine/samples/sample.png", "../internal/engine/samples/sample.tiff", "../internal/engine/samples/sample.webp",
		"../internal/engine/testdata/cmyk.jpg",
	} {
		b, err := os.ReadFile(kit.Testdata(t, name))
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, b)
	}
	return samples
}

// mutate returns a copy of data with one to eight things wrong.
func mutate(random *rand.Rand, data []byte) []byte {
	data = slices.Clone(data)
	for range 1 + random.IntN(8) {
		at := random.IntN(len(data))
		length := min(1+random.IntN(64), len(data)-at)
		switch random.IntN(7) {
		case 0:
			data[at] ^= 1 << random.IntN(8)
		case 1:
			data[at] = byte(random.Uint32())
		case 2: // a length or an offset out of bounds
			binary.BigEndian.PutUint32(data[min(at, len(data)-4):], random.Uint32N(4)-2)
		case 3:
			clear(data[at : at+length])
		case 4:
			data = slices.Insert(data, at, slices.Clone(data[at:at+length])...)
		case 5:
			data = slices.Delete(data, at, at+length)
		case 6: // where formats have their headers
			data[random.IntN(min(64, len(data)))] = byte(random.Uint32())
		}
		if len(data) < 64 {
			break
		}
	}
	return data
}

// keep copies an original that was answered as none may be to where it can be
// found.
func keep(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%x", b[:min(len(b), 4096)])
}

// residentKiB returns the resident memory of a process.
func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

func deflate(data []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	// A Buffer takes all.
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func pngChunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngOf returns a grey PNG of the given size whose data is that of 8 x 8.
func pngOf(width, height uint32, chunks []byte) []byte {
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	header = append(header, 8, 0, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", header)...)
	b = append(b, chunks...)
	b = append(b, pngChunk("IDAT", deflate(make([]byte, 9*8)))...)
	return append(b, pngChunk("IEND", nil)...)
}

// gifOf returns a GIF of a large canvas and many frames of a pixel.
func gifOf(width, height uint16, frames int) []byte {
	b := []byte("GIF89a")
	b = binary.LittleEndian.AppendUint16(b, width)
	b = binary.LittleEndian.AppendUint16(b, height)
	b = append(b, 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
	frame := []byte{0x21, 0xf9, 4, 0, 1, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0}
	return append(append(b, bytes.Repeat(frame, frames)...), 0x3b)
}

// zeros returns a PNG chunk's name and n zeros, compressed.
func zeros(n int) []byte { return append([]byte("a\x00\x00"), deflate(make([]byte, n))...) }

// tiffOf returns a TIFF of so many directories, each with the same 8 x 8
// pixels. Of up to 8 the last is followed by the first, and none is followed
// by one where the file has ended.
func tiffOf(directories int) []byte {
	tags := [][3]uint32{{256, 3, 8}, {257, 3, 8}, {258, 3, 8}, {259, 3, 1}, {262, 3, 1}, {273, 4, 8}, {277, 3, 1}, {278, 3, 8}, {279, 4, 64}}
	const pixels, first = 64, 72
	size := uint32(2 + 12*len(tags) + 4)
	b := []byte("II*\x00\x48\x00\x00\x00")
	b = append(b, make([]byte, pixels)...)
	for i := range max(directories, 1) {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(tags)))
		for _, tag := range tags {
			b = binary.LittleEndian.AppendUint16(b, uint16(tag[0]))
			b = binary.LittleEndian.AppendUint16(b, uint16(tag[1]))
			b = binary.LittleEndian.AppendUint32(b, 1)
			b = binary.LittleEndian.AppendUint32(b, tag[2])
		}
		next := first + uint32(i+1)*size
		switch {
		case directories == 0:
			next = 1 << 31
		case i+1 == directories && directories <= 8:
			next = first
		case i+1 == directories:
			next = 0
		}
		b = binary.LittleEndian.AppendUint32(b, next)
	}
	return b
}

// inflated returns a sample that says that it is 11,000 x 11,000.
func inflated(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(kit.Testdata(t, "../internal/engine/samples/"+name))
	if err != nil {
		t.Fatal(err)
	}
	// ISO 23008-12: the box of an image's size.
	at := bytes.Index(b, []byte("ispe"))
	if at < 0 {
		t.Fatalf("%s: no ispe", name)
	}
	for ; at >= 0; at = bytes.Index(b, []byte("ispe")) {
		copy(b[at:], "ISPE\x00\x00\x00\x00\x00\x00\x2a\xf8\x00\x00\x2a\xf8")
	}
	return bytes.ReplaceAll(b, []byte("ISPE"), []byte("ispe"))
}

// jpegSegments returns a JPEG with megabytes of EXIF and ICC segments.
func jpegSegments(t *testing.T) []byte {
	t.Helper()
	jpeg := hostileSamples(t)[0]
	segment := func(marker byte, text string) []byte {
		data := append([]byte(text), bytes.Repeat([]byte{0xff, 0x00, 0x01}, 21_000)...)
		b := []byte{0xff, marker}
		return append(binary.BigEndian.AppendUint16(b, uint16(len(data)+2)), data...)
	}
	b := slices.Clone(jpeg[:2])
	for i := range 250 {
		b = append(b, segment(0xe1, "Exif\x00\x00")...)
		b = append(b, segment(0xe2, "ICC_PROFILE\x00"+string([]byte{byte(i), 255}))...)
	}
	return append(b, jpeg[2:]...)
}

// webpFrames returns an animated WebP of the largest canvas there can be, and of
// so many frames, which are of nothing.
func webpFrames(frames int) []byte {
	b := []byte("WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\xff\xff\xff\xff\xff\xff")
	b = append(b, "ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	b = append(b, bytes.Repeat([]byte("ANMF\x00\x00\x00\x00"), frames)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(b))), b...)
}
