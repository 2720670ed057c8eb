// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"thumbd/internal/thumb"
)

// phoneTrailer is as phones append it.
const phoneTrailer = "\x00\x00\x30\x0a\x10\x00\x00\x00MotionPhoto_Data\x00\x00\x00\x18ftypmp42 and a film of a second and a half, its index and its boxes at length\xff\xd9\xff\xd8more\xff\xc0\x00\x00SEFT"

// jpegs are JPEGs of every kind of scan, by their names.
func jpegs(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	files := make(map[string][]byte)
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// whole walks a file as a worker does, whose decoder has complained about it, and
// returns whether that has an end marker.
func whole(f thumb.Format, data []byte) (ends bool, err error) {
	r, size := bytes.NewReader(data), int64(len(data))
	c, err := Walk(f, r, size, 100)
	switch {
	case err != nil:
		return false, err
	case c.NoEnd:
		return false, c.Prove(f, r, size)
	case f == thumb.JPEG:
		_, err = WholeJPEG(r, size)
	}
	return true, err
}

func isDamage(err error) bool { return errors.Is(err, ErrTruncated) || errors.Is(err, ErrMalformed) }

// TestJPEGWithJunk has bytes between two segments of the header.
func TestJPEGWithJunk(t *testing.T) {
	for name, data := range jpegs(t) {
		at := 4 + int(data[4])<<8 + int(data[5])
		for what, want := range map[string]struct {
			junk    []byte
			damaged bool
		}{
			"a little": {bytes.Repeat([]byte("a"), maxJunk), false},
			"fill":     {bytes.Repeat([]byte{0xff}, 10*maxJunk), false},
			"much":     {bytes.Repeat([]byte("a"), maxJunk+1), true},
		} {
			if _, err := whole(thumb.JPEG, slices.Insert(slices.Clone(data), at, want.junk...)); isDamage(err) != want.damaged {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

// TestJPEGWithoutEnd leaves the end marker out: all else is there.
func TestJPEGWithoutEnd(t *testing.T) {
	for name, data := range jpegs(t) {
		bare := data[:len(data)-2]
		for what, data := range map[string][]byte{
			"whole":              data,
			"garbage before end": slices.Concat(bare, []byte{0, 0, 0}, data[len(data)-2:]),
			"fill before end":    slices.Concat(bare, bytes.Repeat([]byte{0xff}, 500), data[len(data)-2:]),
			"another behind":     slices.Concat(data, data),
			"trailer":            slices.Concat(data, []byte(phoneTrailer)),
		} {
			if ends, err := whole(thumb.JPEG, data); err != nil || !ends {
				t.Errorf("%s, %s: %v, %v", name, what, ends, err)
			}
		}
		for what, data := range map[string][]byte{
			"no end":               bare,
			"half an end":          data[:len(data)-1],
			"no end but a trailer": slices.Concat(bare, []byte(phoneTrailer)),
		} {
			ends, err := whole(thumb.JPEG, data)
			if err != nil || ends && what != "no end but a trailer" {
				t.Errorf("%s, %s: %v, %v", name, what, ends, err)
			}
		}
		for what, after := range map[string][]byte{
			"another picture": data, "text": []byte("and then some text follows, of some length"),
			"zeros": make([]byte, 512), "few zeros": make([]byte, 3),
		} {
			if _, err := whole(thumb.JPEG, slices.Concat(bare, after)); !isDamage(err) {
				t.Errorf("%s, no end but %s: %v", name, what, err)
			}
		}
	}
}

// TestNoEndIsInPlace has where the marker is put that is missing.
func TestNoEndIsInPlace(t *testing.T) {
	for name, data := range jpegs(t) {
		n := int64(len(data) - 2)
		cut := slices.Concat(data[:n], []byte(phoneTrailer))
		if end, err := WholeJPEG(bytes.NewReader(cut), int64(len(cut))); end != n || err != nil {
			t.Errorf("%s: %d, %v, want %d", name, end, err, n)
		}
	}
}

// TestCutJPEG cuts inside the data and lets something follow: whatever that is,
// no part of the picture is taken for all of it.
func TestCutJPEG(t *testing.T) {
	for name, data := range jpegs(t) {
		for n := bytes.Index(data, []byte{0xff, markerSOS}); n < len(data)-2; n += 5 {
			for what, after := range map[string][]byte{
				"nothing": nil, "an end": {0xff, 0xd9}, "another": data, "a trailer": []byte(phoneTrailer),
				"zeros": make([]byte, len(data)-n), "zeros and more": make([]byte, 2*len(data)),
			} {
				if ends, err := whole(thumb.JPEG, slices.Concat(data[:n], after)); !isDamage(err) {
					t.Errorf("%s cut at %d of %d, then %s: %v, %v", name, n, len(data), what, ends, err)
				}
			}
		}
	}
}

// TestGIFWithoutTrailer cuts at every byte: only between frames one may be whole.
func TestGIFWithoutTrailer(t *testing.T) {
	data := files(t)[thumb.GIF]
	frames := 0
	for n := range data {
		ends, err := whole(thumb.GIF, data[:n])
		if err == nil && !ends {
			frames++
		}
		if zeros := slices.Concat(data[:n], make([]byte, len(data)-n)); n < len(data)-3 {
			if _, err := whole(thumb.GIF, zeros); !isDamage(err) {
				t.Errorf("zeros from byte %d of %d: %v", n, len(data), err)
			}
		}
		if err != nil && !isDamage(err) {
			t.Errorf("cut at byte %d: %v", n, err)
		}
	}
	if frames != 3 {
		t.Errorf("of 3 frames %d ends", frames)
	}
}

// TestGIFWithJunkBehind cuts a still at every byte and has the whole file follow: it
// is whole if only its trailer is missing. Of an animation a frame may be missing. What
// looks as if it had a trailer is the decoder's to judge.
func TestGIFWithJunkBehind(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 60, 40), color.Palette{color.Black, color.White})
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 3 & 1)
	}
	var b bytes.Buffer
	if err := gif.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	still := b.Bytes()
	for n := range len(still) - 1 {
		if ends, err := whole(thumb.GIF, slices.Concat(still[:n], still)); err == nil && !ends {
			t.Errorf("still, cut at byte %d of %d: whole without a trailer", n, len(still))
		}
	}
	if ends, err := whole(thumb.GIF, slices.Concat(still[:len(still)-1], still)); err != nil || ends {
		t.Errorf("still without a trailer: %v, %v", ends, err)
	}
	more := slices.Concat(still[:len(still)-2], []byte("\x05extra\x00"))
	for behind, isWhole := range map[string]bool{";": true, string(still): false} {
		if _, err := whole(thumb.GIF, slices.Concat(more, []byte(behind))); (err == nil) != isWhole {
			t.Errorf("data behind its pixels, then %d bytes: %v", len(behind), err)
		}
	}
	film := files(t)[thumb.GIF]
	for n := range len(film) - 1 {
		if ends, err := whole(thumb.GIF, slices.Concat(film[:n], film)); err == nil && !ends {
			t.Errorf("animation, cut at byte %d of %d: whole without a trailer", n, len(film))
		}
	}
}

// TestGIFOfTooFewPixels has frames whose data ends before their last pixel.
func TestGIFOfTooFewPixels(t *testing.T) {
	data := bytes.Clone(files(t)[thumb.GIF])
	data = data[:len(data)-1]
	at := bytes.Index(data, []byte{0x2c})
	data[at+7]++ // the first frame's height
	if _, err := whole(thumb.GIF, data); !errors.Is(err, ErrTruncated) {
		t.Errorf("got %v", err)
	}
}

func TestPNGWithoutEnd(t *testing.T) {
	data := files(t)[thumb.PNG]
	for n := len(data) - 12; n < len(data); n++ {
		c, err := Walk(thumb.PNG, bytes.NewReader(data[:n]), int64(n), 1)
		if err != nil || !c.NoEnd || c.Trailer != int64(len(data)-12) {
			t.Errorf("cut at %d of %d: %+v, %v", n, len(data), c, err)
		}
	}
	for what, data := range map[string][]byte{
		"zeros for the end":        slices.Concat(data[:len(data)-12], make([]byte, 12)),
		"zeros in the middle":      slices.Concat(data[:60], make([]byte, len(data)-60)),
		"another behind":           slices.Concat(data[:len(data)-12], data),
		"cut in another chunk":     slices.Concat(data[:len(data)-12], []byte("\x00\x00\x00\x09tEXtabc")),
		"cut before any pixel":     data[:33],
		"cut in the pixels' chunk": data[:len(data)-13],
	} {
		if ends, err := whole(thumb.PNG, data); !isDamage(err) {
			t.Errorf("%s: %v, %v", what, ends, err)
		}
	}
}

// TestCutBetweenBoxes has a cut file and then the whole one, which goes on between
// two of its boxes.
func TestCutBetweenBoxes(t *testing.T) {
	iprp := []byte("\x00\x00\x00\x0ciprpabcd")
	file := slices.Concat([]byte("\x00\x00\x00\x10ftypavif\x00\x00\x00\x00\x00\x00\x00\x18meta\x00\x00\x00\x00"), iprp, []byte("\x00\x00\x00\x10mdat12345678"))
	for behind, whole := range map[string]bool{
		"": true, string(iprp): false, "\x00\x00\x00\x0cfreeabcd": true, "\x00\x00\x00\x00mdatabcd": true,
		"\x00\x00\x00\x00pictabcd": false, string(file[16:40]): false,
	} {
		data := append(bytes.Clone(file), behind...)
		if _, err := Walk(thumb.AVIF, bytes.NewReader(data), int64(len(data)), 1); whole != (err == nil) {
			t.Errorf("%q behind: %v", behind, err)
		}
	}
}

func FuzzWhole(f *testing.F) {
	for data := range maps.Values(jpegs(f)) {
		f.Add(data)
		f.Add(data[:len(data)-2])
	}
	f.Add(files(f)[thumb.GIF])
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []thumb.Format{thumb.JPEG, thumb.GIF, thumb.PNG} {
			c, err := Walk(format, bytes.NewReader(data), int64(len(data)), 100)
			if err != nil || c.Size.X*c.Size.Y > 1<<20 {
				continue
			}
			if _, err := whole(format, data); err != nil && !isDamage(err) {
				t.Errorf("%v: %v", format, err)
			}
			if c.Trailer > int64(len(data)) {
				t.Errorf("%v ends at %d of %d", format, c.Trailer, len(data))
			}
		}
	})
}

// TestZerosAtTheEnd has files of full length that were not written to their end.
func TestZerosAtTheEnd(t *testing.T) {
	data := slices.Concat([]byte("\x00\x00\x00\x10ftypavif\x00\x00\x00\x00\x00\x00\x01\x08mdat"), bytes.Repeat([]byte{7, 0, 0, 0}, 63), []byte{1, 2, 3, 0})
	webps := map[string][]byte{"boxes": data}
	for _, name := range []string{"noise.webp", "lossless.webp", "flat.webp"} {
		var err error
		if webps[name], err = os.ReadFile("testdata/" + name); err != nil {
			t.Fatal(err)
		}
	}
	walk := func(data []byte) error {
		f := Sniff(data)
		c, err := Walk(f, bytes.NewReader(data), int64(len(data)), 1)
		if err == nil && c.Zeros {
			err = c.Prove(f, bytes.NewReader(data), int64(len(data)))
		}
		return err
	}
	for name, data := range webps {
		if err := walk(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "flat.webp" {
			continue
		}
		for n := 16; n < len(data)-2*manyZeros; n += 5 {
			if err := walk(slices.Concat(data[:n], make([]byte, len(data)-n))); !isDamage(err) {
				t.Errorf("%s, zeros from byte %d of %d: %v", name, n, len(data), err)
			}
		}
	}
	// Of a film the last frame is looked at.
	still := webps["noise.webp"]
	frame := slices.Concat([]byte("ANMF"), binary.LittleEndian.AppendUint32(nil, uint32(len(still)-12+16)), make([]byte, 16), still[12:])
	film := slices.Concat([]byte("RIFF....WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x3c\x00\x00\x2c\x00\x00"), frame, frame)
	binary.LittleEndian.PutUint32(film[4:], uint32(len(film)-8))
	walkFilm := func(zeros int) error {
		data := bytes.Clone(film)
		clear(data[len(data)-zeros:])
		c, err := Walk(thumb.WebP, bytes.NewReader(data), int64(len(data)), 2)
		if err == nil && c.Zeros {
			err = c.Prove(thumb.WebP, bytes.NewReader(data), int64(len(data)))
		}
		return err
	}
	for zeros, want := range map[int]bool{0: true, 200: false, len(frame) - 40: false, len(frame): false} {
		if err := walkFilm(zeros); (err == nil) != want {
			t.Errorf("a film with %d zeros: %v", zeros, err)
		}
	}
}
