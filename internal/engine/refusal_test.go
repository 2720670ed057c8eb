// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

func TestRefusals(t *testing.T) {
	photo := originalFile(t, quadrants(400, 300), thumb.JPEG)
	fit := thumb.Transform{Width: 100, Height: 100, Method: thumb.Fit, Format: thumb.PNG}
	film := fit
	film.Format = thumb.GIF
	var animation bytes.Buffer
	frame := image.NewPaletted(image.Rect(0, 0, 50, 40), color.Palette{red, blue})
	if err := gif.EncodeAll(&animation, &gif.GIF{
		Image: slices.Repeat([]*image.Paletted{frame}, 7), Delay: make([]int, 7),
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		job  func(*wire.Job)
		t    thumb.Transform
		want wire.Failure
	}{
		{"nothing", nil, nil, fit, wire.Unsupported},
		{"text", []byte("just text, whatever its name says"), nil, fit, wire.Unsupported},
		{"PDF", []byte("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj"), nil, fit, wire.Unsupported},
		{"SVG without a size", []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`), func(j *wire.Job) {
			j.Formats = append(slices.Clone(j.Formats), thumb.SVG)
		}, fit, wire.Unsupported},
		{"SVG where it is not allowed", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>`), nil, fit, wire.Unsupported},
		{"MVG, for ImageMagick", []byte("push graphic-context\nviewbox 0 0 640 480\n"), nil, fit, wire.Unsupported},
		{"format not allowed", photo, func(j *wire.Job) { j.Formats = []thumb.Format{thumb.PNG} }, fit, wire.Unsupported},
		{"header alone", photo[:3], nil, fit, wire.Damaged},
		{"pixels", photo, func(j *wire.Job) { j.Pixels = 400*300 - 1 }, fit, wire.TooManyPixels},
		{"pixels at the limit", photo, func(j *wire.Job) { j.Pixels = 400 * 300 }, fit, ""},
		{"frames", animation.Bytes(), func(j *wire.Job) { j.Frames = 6 }, film, wire.TooManyFrames},
		{"pixels of all frames", animation.Bytes(), func(j *wire.Job) { j.Pixels = 50*40*7 - 1 }, film, wire.TooManyFrames},
		{"animation at the limits", animation.Bytes(), func(j *wire.Job) { j.Frames, j.Pixels = 7, 50*40*7 }, film, ""},
		{"computed dimension", photo, func(j *wire.Job) { j.Width, j.Height = 100, 70 }, thumb.Transform{
			Width: 100, Method: thumb.Fit, Format: thumb.PNG,
		}, wire.ThumbnailTooLarge},
		{"bytes", photo, func(j *wire.Job) { j.Bytes = 300 }, fit, wire.ThumbnailBytes},
		{"another format's bytes", photo, nil, thumb.Transform{Method: thumb.Original, Format: thumb.PNG}, wire.Unsupported},
		{"more of its own bytes than allowed", photo, func(j *wire.Job) { j.Bytes = 300 },
			thumb.Transform{Method: thumb.Original, Format: thumb.JPEG}, wire.ThumbnailBytes},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := limits()
			if c.job != nil {
				c.job(&job)
			}
			_, results := render(t, c.data, job, c.t)
			if r := results[0]; r.Failure != c.want {
				t.Errorf("got %q (%s), want %q", r.Failure, r.Detail, c.want)
			}
		})
	}
}

// detailed is a picture of which no part is empty.
func detailed() image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 801, 593))
	for i := range m.Pix {
		m.Pix[i] = byte(i*i>>7 ^ i>>5)
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

// cutOriginals are files of every kind that is read in a way of its own.
func cutOriginals(t *testing.T) map[string][]byte {
	t.Helper()
	m := detailed()
	files := map[string][]byte{}
	for _, f := range everyFormat {
		files[f.String()] = originalFile(t, m, f)
	}
	for name, o := range map[string]bimg.Options{
		"progressive jpg": {Type: bimg.JPEG, Quality: 90, Interlace: true},
		"interlaced png":  {Type: bimg.PNG, Interlace: true},
		"lossless webp":   {Type: bimg.WEBP, Lossless: true},
	} {
		data, err := bimg.NewImage(files["png"]).Process(o)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	var pixels [][]byte
	for i := range 801 {
		pixels = append(pixels, []byte{byte(i), byte(i * i >> 3), byte(i >> 2)})
	}
	files["tiff of its directory and then its pixels"] = rawTIFF(m.Bounds().Max, 2, nil, pixels...)
	still := webpFrame{still: files["webp"], at: m.Bounds()}
	files["animated webp"] = animatedWebP(m.Bounds().Max, 0, still, still, still)
	return files
}

// TestCutOffOriginals cuts every kind of file inside its picture. Whatever is
// made of it, also where the lower part is not needed, is refused.
func TestCutOffOriginals(t *testing.T) {
	var outputs []thumb.Transform
	for _, tr := range []thumb.Transform{
		{Width: 40, Height: 30, Method: thumb.Fit},
		{Width: 700, Height: 500, Method: thumb.Fit},
		{Width: 300, Height: 30, Method: thumb.Crop, Gravity: thumb.North},
		{Width: 90, Height: 30, Method: thumb.Smart},
	} {
		tr.Format, tr.Quality = thumb.JPEG, 80
		outputs = append(outputs, tr)
	}
	for name, data := range cutOriginals(t) {
		t.Run(name, func(t *testing.T) {
			_, results := render(t, data, limits(), outputs...)
			for _, r := range results {
				if r.Failure != "" {
					t.Fatalf("whole file: %s: %s", r.Failure, r.Detail)
				}
			}
			for _, percent := range []int{25, 50, 90, 99} {
				cut := data[:len(data)*percent/100]
				_, results := render(t, cut, limits(), outputs...)
				for i, r := range results {
					if r.Failure != wire.Damaged {
						t.Errorf("%d%%, %v: got %q (%s)", percent, outputs[i].Method, r.Failure, r.Detail)
					}
				}
				original := thumb.Transform{Method: thumb.Original, Format: thumb.JPEG}
				if strings.HasSuffix(name, "jpg") {
					if _, r := render(t, cut, limits(), original); r[0].Failure != wire.Damaged {
						t.Errorf("%d%%, original: got %q", percent, r[0].Failure)
					}
				}
			}
		})
	}
}

// TestCutJPEGWithBytesAfterIt has what cameras append where the picture should
// go on.
func TestCutJPEGWithBytesAfterIt(t *testing.T) {
	photo := originalFile(t, detailed(), thumb.JPEG)
	trailer := bytes.Repeat([]byte("\x00trailer"), 100)
	small := thumb.Transform{Width: 40, Method: thumb.Fit, Format: thumb.PNG}
	if _, r := render(t, slices.Concat(photo, trailer), limits(), small); r[0].Failure != "" {
		t.Errorf("whole: %s: %s", r[0].Failure, r[0].Detail)
	}
	cut := photo[:len(photo)*99/100]
	if _, r := render(t, slices.Concat(cut, trailer), limits(), small); r[0].Failure != wire.Damaged {
		t.Errorf("cut: got %q", r[0].Failure)
	}
}

// TestDamagedInside has a file of the right length and structure whose picture
// is not. Of the formats that are read, PNG has checksums.
func TestDamagedInside(t *testing.T) {
	data := originalFile(t, detailed(), thumb.PNG)
	clear(data[len(data)/2:][:100])
	_, results := render(t, data, limits(), thumb.Transform{Width: 700, Method: thumb.Fit, Format: thumb.PNG},
		thumb.Transform{Method: thumb.Original, Format: thumb.PNG})
	for _, r := range results {
		if r.Failure != wire.Damaged {
			t.Errorf("got %q (%s)", r.Failure, r.Detail)
		}
	}
}

func TestGarbageBetweenMarkersRenders(t *testing.T) {
	photo := originalFile(t, quadrants(400, 300), thumb.JPEG)
	at := bytes.Index(photo, []byte{0xff, 0xc4})
	data := slices.Concat(photo[:at], []byte("\x00\x01garbage\x02"), photo[at:], []byte("more"))
	m := thumbnail(t, data, thumb.Transform{Width: 100, Method: thumb.Fit, Format: thumb.PNG})
	expectQuadrants(t, m, 8)
}

func TestOriginalsOwnBytes(t *testing.T) {
	for _, f := range everyFormat[:5] {
		data := originalFile(t, quadrants(400, 300), f)
		files, results := render(t, data, limits(), thumb.Transform{Method: thumb.Original, Format: f})
		if r := results[0]; r.Failure != "" || r.Width != 400 || r.Height != 300 || !bytes.Equal(files[0], data) {
			t.Errorf("%v: got %+v and %d bytes of %d", f, r, len(files[0]), len(data))
		}
	}
}

func TestMetadata(t *testing.T) {
	data := withEXIF(originalFile(t, quadrants(400, 300), thumb.JPEG), exif{
		orientation: 3, artist: "Jane Artist", copyright: "Copyright Jane", gpsDate: "2001:02:03",
	})
	for _, f := range []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF} {
		for keep, want := range map[thumb.Metadata][3]bool{
			thumb.NoMetadata:        {false, false, false},
			thumb.CopyrightMetadata: {true, true, false},
			thumb.AllMetadata:       {true, true, true},
		} {
			t.Run(fmt.Sprintf("%v %v", f, keep), func(t *testing.T) {
				file := thumbnailFile(t, data, thumb.Transform{
					Width: 100, Method: thumb.Fit, Format: f, Quality: 80, Metadata: keep,
				})
				got := [3]bool{
					bytes.Contains(file, []byte("Jane Artist")),
					bytes.Contains(file, []byte("Copyright Jane")),
					bytes.Contains(file, []byte("2001:02:03")),
				}
				if got != want {
					t.Errorf("artist, copyright, GPS: got %v, want %v", got, want)
				}
				if turn := bytes.Index(file, []byte{0x12, 0x01, 3, 0}); turn >= 0 && file[turn+8] != 1 {
					t.Errorf("turned once more: orientation %d", file[turn+8])
				}
				if keep == thumb.NoMetadata && (bytes.Contains(file, []byte("EXIF")) || bytes.Contains(file, []byte("Exif"))) {
					t.Error("there is an EXIF block")
				}
				save(t, fmt.Sprintf("metadata-%v.%v", keep, f), file)
			})
		}
	}
}

func TestSameBytesEveryTime(t *testing.T) {
	data := originalFile(t, transparentDisc(false), thumb.PNG)
	for _, f := range everyFormat[:5] {
		tr := thumb.Transform{Width: 90, Height: 60, Method: thumb.Smart, Format: f, Quality: 80}
		if !bytes.Equal(thumbnailFile(t, data, tr), thumbnailFile(t, data, tr)) {
			t.Errorf("%v differs from one time to the next", f)
		}
	}
}

// TestReadFromTheMiddle renders a descriptor that was read before.
func TestReadFromTheMiddle(t *testing.T) {
	for _, f := range everyFormat {
		in, out := fileOf(t, originalFile(t, quadrants(400, 300), f)), outputFile(t, 1<<20)
		if _, err := in.Seek(500, 0); err != nil {
			t.Fatal(err)
		}
		job := limits()
		job.Bytes = 1 << 20
		job.Outputs = []thumb.Transform{{Width: 50, Method: thumb.Fit, Format: thumb.PNG}}
		if r := started(t).Render(job, Files{Original: in, Outputs: []*os.File{out}})[0]; r.Failure != "" {
			t.Errorf("%v: %s: %s", f, r.Failure, r.Detail)
		}
		in.Close()
		out.Close()
	}
}

func TestOneFailureLeavesTheOthers(t *testing.T) {
	good := thumb.Transform{Width: 100, Method: thumb.Fit, Format: thumb.PNG}
	files, results := render(t, originalFile(t, quadrants(400, 300), thumb.JPEG), limits(),
		good, thumb.Transform{Method: thumb.Original, Format: thumb.GIF}, good)
	if results[0].Failure != "" || results[1].Failure != wire.Unsupported || results[2].Failure != "" {
		t.Errorf("got %+v", results)
	}
	if !bytes.Equal(files[0], files[2]) {
		t.Error("the outputs differ")
	}
}

func TestDetailFitsAReply(t *testing.T) {
	got := detail(strings.Repeat("a\x00\"<ü\n", 300))
	if len(got) != 500 || strings.ContainsAny(got, "\x00\"<\nü") {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
	if _, err := wire.Encode(&wire.Reply{Results: slices.Repeat([]wire.Result{{Failure: wire.Damaged, Detail: got}}, wire.MaxOutputs)}); err != nil {
		t.Error(err)
	}
}

// TestResultsTellWhatADecoderHasSeen holds that a refusal by the probe is told
// from one after a decoder in C has seen the original.
func TestResultsTellWhatADecoderHasSeen(t *testing.T) {
	photo := originalFile(t, quadrants(40, 30), thumb.JPEG)
	for name, c := range map[string]struct {
		data   []byte
		format thumb.Format
		want   wire.Result
	}{
		"text":                   {[]byte("just text"), thumb.JPEG, wire.Result{Failure: wire.Unsupported}},
		"cut off":                {photo[:3], thumb.JPEG, wire.Result{Failure: wire.Damaged}},
		"photo":                  {photo, thumb.JPEG, wire.Result{Decoded: true}},
		"another format's bytes": {photo, thumb.PNG, wire.Result{Failure: wire.Unsupported, Decoded: true}},
	} {
		_, results := render(t, c.data, limits(), thumb.Transform{Method: thumb.Original, Format: c.format})
		if got := results[0]; got.Failure != c.want.Failure || got.Decoded != c.want.Decoded {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestReasonsOfLibraries has damaged originals whose decoder says in its own words
// what is wrong.
func TestReasonsOfLibraries(t *testing.T) {
	files := damageable(t)
	jpg := files["jpg"]
	ofHEIF := func(format thumb.Format) []byte {
		data := bytes.Clone(files[format.String()])
		// Data that begins with a unit of a kind that neither codec has.
		copy(data[bytes.Index(data, []byte("mdat"))+4:], bytes.Repeat([]byte{0xff}, 40))
		return data
	}
	flipped := func(name string, part, of int) []byte {
		data := bytes.Clone(files[name])
		data[len(data)*part/of] ^= 0x55
		return data
	}
	// A whole word: each detail begins with decode.
	const png = `(?i)filter|checksum|crc|inflate|\bcode\b|distance`
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"libpng, interlaced": {flipped("interlaced png", 1, 24), png},
		"libpng":             {flipped("png", 9, 24), png},
		"libtiff":            {flipped("deflated tiff", 1, 3), "ZIPDecode"},
		"libjpeg":            {slices.Concat(jpg[:len(jpg)/2], []byte("\xff\xd9")), "Corrupt JPEG data"},
		"libheif, AV1":       {ofHEIF(thumb.AVIF), "(?i)heif: .*(decod|bitstream|invalid)"},
		"libheif, HEVC":      {ofHEIF(thumb.HEIC), "(?i)heif: .*(decod|bitstream|invalid)"},
	} {
		_, r := render(t, c.data, limits(), thumb.Transform{Width: 190, Method: thumb.Fit, Format: thumb.PNG})
		if r[0].Failure != wire.Damaged || !regexp.MustCompile(c.want).MatchString(r[0].Detail) {
			t.Errorf("%s: got %s: %s", name, r[0].Failure, r[0].Detail)
		}
	}
}

// TestUnsupportedJPEGs has the headers of JPEGs that are whole, but that libjpeg does
// not read. The probe says so, and no decoder in C sees them.
func TestUnsupportedJPEGs(t *testing.T) {
	photo := originalFile(t, quadrants(40, 30), thumb.JPEG)
	frame := bytes.Index(photo, []byte{0xff, 0xc0, 0, 17, 8})
	fit := thumb.Transform{Width: 20, Method: thumb.Fit, Format: thumb.PNG}
	for name, change := range map[string]func([]byte){
		"12 bits":                   func(f []byte) { f[4] = 12 },
		"12 bits, extended":         func(f []byte) { f[1], f[4] = 0xc1, 12 },
		"lossless":                  func(f []byte) { f[1] = 0xc3 },
		"lossless and arithmetic":   func(f []byte) { f[1] = 0xcb },
		"hierarchical, progressive": func(f []byte) { f[1] = 0xc6 },
		"hierarchical":              func(f []byte) { f[1] = 0xc5 },
		"two components":            func(f []byte) { f[9] = 2 },
	} {
		data := bytes.Clone(photo)
		change(data[frame:])
		if _, r := render(t, data, limits(), fit); r[0].Failure != wire.Unsupported || r[0].Decoded {
			t.Errorf("%s: got %+v", name, r[0])
		}
	}
}

// TestArithmeticJPEGs has JPEGs with arithmetic coding, which some builds of libjpeg
// read: they are shown as they are, or are unsupported, and never called damaged.
func TestArithmeticJPEGs(t *testing.T) {
	for _, name := range []string{"arithmetic.jpg", "arithmetic-progressive.jpg"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, width := range []int{20, 100} {
			files, r := render(t, data, limits(), thumb.Transform{Width: width, Method: thumb.Fit, Format: thumb.PNG})
			switch {
			case r[0].Failure == "":
				expectQuadrants(t, decode(t, files[0], thumb.PNG), 8)
			case r[0].Failure != wire.Unsupported:
				t.Errorf("%s at %d pixels: %s: %s", name, width, r[0].Failure, r[0].Detail)
			}
		}
		_, r := render(t, data[:len(data)*2/3], limits(), thumb.Transform{Width: 20, Method: thumb.Fit, Format: thumb.PNG})
		if r[0].Failure != wire.Damaged && r[0].Failure != wire.Unsupported {
			t.Errorf("%s, cut: %q %s", name, r[0].Failure, r[0].Detail)
		}
		t.Logf("%s, cut: %s: %s", name, r[0].Failure, r[0].Detail)
	}
}

// TestSidesTooLong has pictures of few pixels that are longer than libpng reads, or
// than a reply to the daemon may say.
func TestSidesTooLong(t *testing.T) {
	var long bytes.Buffer
	if err := png.Encode(&long, image.NewGray(image.Rect(0, 0, 1_000_001, 1))); err != nil {
		t.Fatal(err)
	}
	job := limits()
	job.Pixels = 2 * maxSide
	fit := thumb.Transform{Width: 20, Method: thumb.Fit, Format: thumb.PNG}
	for name, data := range map[string][]byte{
		"png":  long.Bytes(),
		"tiff": rawTIFF(image.Pt(maxSide+1, 1), 2, nil, []byte{9, 9, 9}),
	} {
		if _, r := render(t, data, job, fit); r[0].Failure != wire.Unsupported || r[0].Decoded {
			t.Errorf("%s: got %+v", name, r[0])
		}
	}
}
