// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"os"
	"slices"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// TestSearchKeepsTheLimit searches files whose bytes grow with quality in several
// ways. What is found fits if quality 5 does, with at most six encodes, and hardly a
// better quality would.
func TestSearchKeepsTheLimit(t *testing.T) {
	curves := map[string]func(q float64) float64{
		"even":     func(q float64) float64 { return 500 + 100*q },
		"doubling": func(q float64) float64 { return 800 * math.Pow(2, q/20) },
		"as JPEG":  func(q float64) float64 { return 30000 / math.Pow(max(5000/q/50, 4-q/25, 0.02), 0.7) },
		"stepped":  func(q float64) float64 { return 900 * math.Pow(2, math.Floor(q/8)/3) },
		"flat":     func(float64) float64 { return 7000 },
	}
	for name, curve := range curves {
		for _, first := range []int{1, 5, 6, 40, 82, 100} {
			for most := int64(100); most < 200_000; most += most / 3 {
				bytes := func(q int) int64 { return int64(curve(float64(q))) }
				checkSearch(t, fmt.Sprintf("%s, from %d, %d bytes", name, first, most), first, most, bytes)
			}
		}
	}
}

func checkSearch(t *testing.T, name string, first int, most int64, bytes func(int) int64) {
	t.Helper()
	s := newSearch(first, most)
	tries, best := 0, 0
	for q, ok := s.next(); ok; q, ok = s.next() {
		tries++
		if q < 1 || q > first {
			t.Fatalf("%s: tries %d", name, q)
		}
		if s.found(bytes(q)) {
			best = q
		}
	}
	least := min(first, thumb.LeastQuality)
	ideal := first
	for ideal > least && bytes(ideal) > most {
		ideal--
	}
	fits := bytes(least) <= most
	switch {
	case tries > maxTries:
		t.Errorf("%s: %d encodes", name, tries)
	case !fits && best != least:
		t.Errorf("%s: %d, and nothing fits", name, best)
	case fits && (best == 0 || bytes(best) > most):
		t.Errorf("%s: %d does not fit", name, best)
	case fits && ideal-best > 5:
		t.Errorf("%s: %d, and %d fits", name, best, ideal)
	}
}

// limited are outputs of all ways that lead to an encoder.
func limited() map[string]thumb.Transform {
	plain := thumb.Transform{Width: 160, Height: 160, Method: thumb.Fit}
	as := func(f thumb.Format, change func(*thumb.Transform)) thumb.Transform {
		t := plain
		t.Format, t.Quality = f, f.Quality()
		change(&t)
		return t
	}
	none := func(*thumb.Transform) {}
	return map[string]thumb.Transform{
		"a JPEG of planes":   as(thumb.JPEG, none),
		"all chroma":         as(thumb.JPEG, func(t *thumb.Transform) { t.Quality = 95 }),
		"a JPEG of pixels":   as(thumb.JPEG, func(t *thumb.Transform) { t.Sharpen = 100 }),
		"gray":               as(thumb.JPEG, func(t *thumb.Transform) { t.Gray = true }),
		"metadata":           as(thumb.JPEG, func(t *thumb.Transform) { t.Metadata = thumb.AllMetadata }),
		"WebP":               as(thumb.WebP, none),
		"WebP with alpha":    as(thumb.WebP, func(t *thumb.Transform) { t.Method = thumb.Pad }),
		"AVIF":               as(thumb.AVIF, none),
		"all chroma of AVIF": as(thumb.AVIF, func(t *thumb.Transform) { t.Quality = 95 }),
		"AVIF with alpha":    as(thumb.AVIF, func(t *thumb.Transform) { t.Method = thumb.Pad }),
	}
}

// TestMaxBytes limits the files of all formats to parts of the bytes that they have
// without a limit, and to one that no quality keeps.
func TestMaxBytes(t *testing.T) {
	data, err := os.ReadFile(photos + "fig.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for name, tr := range limited() {
		t.Run(name, func(t *testing.T) {
			allChroma := tr.Quality >= subsampled
			free := thumbnailFile(t, data, tr)
			checkLimited(t, data, tr, int64(len(free))/2)
			tr.MaxBytes = 50
			files, results := render(t, data, limits(), tr)
			if r := results[0]; r.Failure != "" || !r.Over || r.Quality != thumb.LeastQuality {
				t.Errorf("50 bytes: %+v", r)
			}
			tr.MaxBytes, tr.Quality = 0, thumb.LeastQuality
			// A decoder keeps more chroma for a higher quality.
			if want := thumbnailFile(t, data, tr); allChroma || bytes.Equal(files[0], want) {
				return
			}
			t.Error("50 bytes: not the file of the lowest quality")
		})
	}
}

// checkLimited checks that a file of at most that many bytes is the one of the quality
// that the worker tells, and that a somewhat better one would be larger.
func checkLimited(t *testing.T, data []byte, tr thumb.Transform, most int64) {
	t.Helper()
	tr.MaxBytes = most
	files, results := render(t, data, limits(), tr)
	r := results[0]
	least := tr
	least.MaxBytes, least.Quality = 0, thumb.LeastQuality
	if int64(len(thumbnailFile(t, data, least))) > most {
		t.Fatalf("quality %d has more than %d bytes: the test tests nothing", thumb.LeastQuality, most)
	}
	if r.Failure != "" || r.Over || r.Quality < thumb.LeastQuality || int64(len(files[0])) > most {
		t.Fatalf("%d bytes of at most %d, %+v", len(files[0]), most, r)
	}
	again, _ := render(t, data, limits(), tr)
	if !bytes.Equal(files[0], again[0]) {
		t.Errorf("at most %d bytes: other bytes the second time", most)
	}
	if r.Quality+4 > tr.Quality {
		return
	}
	better := tr
	better.MaxBytes, better.Quality = 0, r.Quality+4
	if n := len(thumbnailFile(t, data, better)); int64(n) <= most {
		t.Errorf("at most %d bytes: quality %d, and %d gives %d", most, r.Quality, better.Quality, n)
	}
}

// TestAutoWithoutADecoder gives the default quality to a format that libvips writes but
// can't read.
func TestAutoWithoutADecoder(t *testing.T) {
	data, err := os.ReadFile(photos + "fig.jpg")
	if err != nil {
		t.Fatal(err)
	}
	tr := thumb.Transform{Width: 160, Height: 160, Method: thumb.Fit, Format: thumb.AVIF, Quality: thumb.AVIF.Quality()}
	want := thumbnailFile(t, data, tr)
	e := started(t)
	all := e.read
	defer func() { e.read = all }()
	e.read = slices.DeleteFunc(e.Reads(), func(f thumb.Format) bool { return f == thumb.AVIF })
	tr.Quality = thumb.AutoQuality
	files, results := render(t, data, limits(), tr)
	if r := results[0]; r.Failure != "" || r.Quality != thumb.AVIF.Quality() || !bytes.Equal(files[0], want) {
		t.Errorf("%+v, %d bytes, want the %d of quality %d", r, len(files[0]), len(want), thumb.AVIF.Quality())
	}
}

// TestMaxBytesOfOddPictures limits a picture of one pixel, an animation, and formats
// without a quality.
func TestMaxBytesOfOddPictures(t *testing.T) {
	for name, tt := range map[string]struct {
		data   []byte
		format thumb.Format
		most   int64
		over   bool
	}{
		"one pixel, JPEG":    {originalFile(t, noisy(1, 1), thumb.PNG), thumb.JPEG, 10, true},
		"one pixel, AVIF":    {originalFile(t, noisy(1, 1), thumb.PNG), thumb.AVIF, 10 << 10, false},
		"an animation, WebP": {film(t, 3), thumb.WebP, 600, false},
		"PNG":                {originalFile(t, noisy(40, 30), thumb.PNG), thumb.PNG, 10, false},
		"GIF":                {film(t, 3), thumb.GIF, 10, false},
	} {
		tr := thumb.Transform{Width: 40, Height: 30, Method: thumb.Fit, Format: tt.format, Quality: tt.format.Quality(), MaxBytes: tt.most}
		if tr.Quality == 0 {
			tr.MaxBytes = 0 // as thumb.Thumb.Transform does
		}
		files, results := render(t, tt.data, limits(), tr)
		if r := results[0]; r.Failure != "" || r.Over != tt.over || !tt.over && tr.MaxBytes > 0 && int64(len(files[0])) > tt.most {
			t.Errorf("%s: %d bytes, %+v", name, len(files[0]), r)
		}
	}
}

// TestMaxBytesTogether makes outputs with a limit beside others: each is as it is
// alone, up to what outputs in company may differ by.
func TestMaxBytesTogether(t *testing.T) {
	data, err := os.ReadFile(photos + "brook.jpg")
	if err != nil {
		t.Fatal(err)
	}
	var outputs []thumb.Transform
	for _, f := range []thumb.Format{thumb.JPEG, thumb.WebP, thumb.AVIF} {
		for _, most := range []int64{0, 9000} {
			outputs = append(outputs, thumb.Transform{Width: 320, Height: 320, Method: thumb.Fit, Format: f, Quality: f.Quality(), MaxBytes: most})
		}
	}
	files, results := render(t, data, limits(), outputs...)
	for i, r := range results {
		most := outputs[i].MaxBytes
		if r.Failure != "" || r.Width != 320 || (most > 0) != (r.Quality > 0) || most > 0 && int64(len(files[i])) > most {
			t.Errorf("%+v: %d bytes, %+v", outputs[i], len(files[i]), r)
		}
	}
}

// TestMaxBytesTakesTheOriginal gives back an original that is smaller than the limit,
// whatever a file of the quality asked for would have.
func TestMaxBytesTakesTheOriginal(t *testing.T) {
	tr := thumb.Transform{Width: 64, Height: 48, Method: thumb.Fit, Format: thumb.JPEG, Quality: 20}
	data := thumbnailFile(t, originalFile(t, noisy(64, 48), thumb.PNG), tr)
	tr.Quality, tr.MaxBytes = 95, int64(len(data))
	files, results := render(t, data, limits(), tr)
	if !bytes.Equal(files[0], data) || results[0] != (wire.Result{
		Width: 64, Height: 48, Quality: 95, Decoded: true, OriginalWidth: 64, OriginalHeight: 48,
	}) {
		t.Errorf("%d bytes of %d, %+v", len(files[0]), len(data), results[0])
	}
	if got := decode(t, files[0], thumb.JPEG).Bounds().Size(); got != image.Pt(64, 48) {
		t.Errorf("%v", got)
	}
}
