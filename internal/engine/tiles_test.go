// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"thumbd/internal/thumb"
)

// plainLikeness is tile_likeness as Wang et al. define it, in floating point.
func plainLikeness(a, b []uint8) float64 {
	const window, step, c1, c2 = 8, 4, 0.01 * 255 * 0.01 * 255, 0.03 * 255 * 0.03 * 255
	total, windows := 0.0, 0
	for top := 0; top+window <= tileSide; top += step {
		for left := 0; left+window <= tileSide; left += step {
			var sa, sb, aa, bb, ab float64
			for y := top; y < top+window; y++ {
				for x := left; x < left+window; x++ {
					p, q := float64(a[y*tileSide+x]), float64(b[y*tileSide+x])
					sa, sb, aa, bb, ab = sa+p, sb+q, aa+p*p, bb+q*q, ab+p*q
				}
			}
			const n = window * window
			sa, sb = sa/n, sb/n
			total += (2*sa*sb + c1) * (2*(ab/n-sa*sb) + c2) / ((sa*sa + sb*sb + c1) * (aa/n - sa*sa + bb/n - sb*sb + c2))
			windows++
		}
	}
	return total / float64(windows)
}

// TestLikenessOfTiles compares the likeness in whole numbers with a plain one, on tiles
// from nearly equal to black on white.
func TestLikenessOfTiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tile := func(value func(i int) int) []uint8 {
		v := make([]uint8, tileSide*tileSide)
		for i := range v {
			v[i] = uint8(min(max(value(i), 0), 255))
		}
		return v
	}
	waves := func(i int) int { return 128 + int(90*math.Sin(float64(i%tileSide)/3+float64(i/tileSide)/5)) }
	pairs := map[string][2][]uint8{
		"black and white": {tile(func(int) int { return 0 }), tile(func(int) int { return 255 })},
		"negatives":       {tile(func(i int) int { return i % 2 * 255 }), tile(func(i int) int { return 255 - i%2*255 })},
		"flat ones":       {tile(func(int) int { return 100 }), tile(func(int) int { return 101 })},
	}
	for name, noise := range map[string]int{"faint noise": 2, "noise": 20, "much noise": 200} {
		pairs[name] = [2][]uint8{tile(waves), tile(func(i int) int { return waves(i) + r.IntN(2*noise) - noise })}
	}
	for name, p := range pairs {
		want := plainLikeness(p[0], p[1]) * sameTile
		if got := tileLikeness(p[0], p[1], tileSide); math.Abs(float64(got)-want) > 4 {
			t.Errorf("%s: %d, want %.1f", name, got, want)
		}
		if got := tileLikeness(p[1], p[1], tileSide); got != sameTile {
			t.Errorf("%s: %d of the same", name, got)
		}
	}
}

// TestTilesOfAPicture cuts pictures of all bands: what is read is luma on black, and
// beyond the edges the last pixels go on.
func TestTilesOfAPicture(t *testing.T) {
	for bands, luma := range map[int]int{1: 40, 2: 20, 3: (77*40 + 150*80 + 29*120 + 128) >> 8, 4: ((77*40+150*80+29*120+128)>>8*128 + 127) / 255} {
		pixel := map[int][]uint8{1: {40}, 2: {40, 128}, 3: {40, 80, 120}, 4: {40, 80, 120, 128}}[bands]
		const w, h = tileSide + 1, tileSide + 2
		data := bytes.Repeat(pixel, w*h)
		for i := range pixel {
			data[len(data)-1-i] = 255 // the last pixel is white
		}
		var pins runtime.Pinner
		pins.Pin(&data[0])
		defer pins.Unpin()
		tiles := tilePixels{unsafe.Pointer(&data[0]), image.Pt(w, h), bands, w * bands}
		if tiles.count() != 4 {
			t.Errorf("%d bands: %d tiles", bands, tiles.count())
		}
		first, last := make([]byte, tileSide*tileSide), make([]byte, tileSide*tileSide)
		tiles.read(0, first, tileSide)
		tiles.read(3, last, tileSide)
		if !bytes.Equal(first, bytes.Repeat([]uint8{uint8(luma)}, tileSide*tileSide)) {
			t.Errorf("%d bands: %d, want %d", bands, first[0], luma)
		}
		if last[0] != uint8(luma) || !bytes.Equal(last[tileSide:], bytes.Repeat([]uint8{255}, tileSide*(tileSide-1))) {
			t.Errorf("%d bands: the last tile begins with %d", bands, last[:tileSide+1])
		}
	}
}

// TestFlatOnce checks that a picture with the bands of its format is not copied by each
// encode, as it would be for max_bytes six times.
func TestFlatOnce(t *testing.T) {
	data := bytes.Repeat([]uint8{40}, tileSide*tileSide)
	var pins runtime.Pinner
	pins.Pin(&data[0])
	defer pins.Unpin()
	m, err := newMosaic(tilePixels{unsafe.Pointer(&data[0]), image.Pt(tileSide, tileSide), 1, tileSide}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	for _, f := range []thumb.Format{thumb.JPEG, thumb.WebP, thumb.AVIF} {
		flat, err := m.flat(f)
		if err != nil {
			t.Fatal(err)
		}
		defer flat.close()
		if tilesOf(flat).data != tilesOf(m.picture).data {
			t.Errorf("for %v it is copied", f)
		}
	}
}

// TestLogarithm compares with that of package math.
func TestLogarithm(t *testing.T) {
	for _, n := range []int{1, 2, 3, 1000, 1023, 1024, 65536, 99_999_999, math.MaxInt64} {
		if got, want := float64(logarithm(n))/one, math.Log2(float64(n)); math.Abs(got-want) > 2.0/one {
			t.Errorf("%d: %v, want %v", n, got, want)
		}
	}
}

// TestLowestQuality looks for the quality of pictures that lose half as much after so
// many steps, by two looks at most.
func TestLowestQuality(t *testing.T) {
	for f, c := range autoCurves {
		for _, halving := range []float64{8, 14, 18, 25, 40} {
			for ideal := -20; ideal < 140; ideal += 7 {
				looks := 0
				got, err := lowest(c, func(q int) (int, error) {
					looks++
					lost := float64(sameTile-target) * math.Pow(2, float64(ideal-q)/halving)
					return sameTile - int(min(lost, sameTile)), nil
				})
				want := min(max(ideal, c.least), c.most)
				if err != nil || looks > 2 || max(got-want, want-got) > 2 && halving >= 14 || got < c.least || got > c.most {
					t.Errorf("%v, %d, halving in %v: %d after %d looks, %v", f, ideal, halving, got, looks, err)
				}
			}
		}
		// All or nothing is lost.
		for likeness, want := range map[int]int{0: c.most, sameTile: c.least} {
			if got, err := lowest(c, func(int) (int, error) { return likeness, nil }); got != want || err != nil {
				t.Errorf("%v, likeness %d: %d, %v; want %d", f, likeness, got, err, want)
			}
		}
	}
}

// TestAuto makes thumbnails with quality = "auto" in all ways that lead to an encoder:
// the file is the one of the quality that the worker tells, the same each time, and it is
// at most as large as max_bytes says.
func TestAuto(t *testing.T) {
	data, err := os.ReadFile(photos + "fig.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for name, tr := range limited() {
		if tr.Quality >= subsampled {
			continue
		}
		t.Run(name, func(t *testing.T) {
			tr.Quality = thumb.AutoQuality
			files, results := render(t, data, limits(), tr)
			r, c := results[0], autoCurves[tr.Format]
			if r.Failure != "" || r.Over || r.Quality < c.least || r.Quality > c.most {
				t.Fatalf("%+v", r)
			}
			fixed := tr
			fixed.Quality = r.Quality
			if !bytes.Equal(files[0], thumbnailFile(t, data, fixed)) {
				t.Errorf("not the file of quality %d", r.Quality)
			}
			if !bytes.Equal(files[0], thumbnailFile(t, data, tr)) {
				t.Error("other bytes the second time")
			}
			tr.MaxBytes = int64(len(files[0])) * 2 / 3
			less, results := render(t, data, limits(), tr)
			if l := results[0]; l.Failure != "" || l.Over || l.Quality >= r.Quality || int64(len(less[0])) > tr.MaxBytes {
				t.Errorf("at most %d bytes: %d, %+v", tr.MaxBytes, len(less[0]), l)
			}
		})
	}
}

// TestAutoFollowsThePicture gives a flat and a soft picture a lower quality than one
// that is flat on its right, with faint noise on its left: the worst counts.
func TestAutoFollowsThePicture(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	soft, half := image.NewNRGBA(image.Rect(0, 0, 240, 180)), uniform(240, 180, white)
	for i := range soft.Pix {
		soft.Pix[i] = uint8(i / 4 % 240)
		if i%4 == 3 {
			soft.Pix[i] = 255
		}
	}
	for y := range 180 {
		for x := range 120 {
			half.SetNRGBA(x, y, gray(uint8(118+r.IntN(20))))
		}
	}
	for _, f := range []thumb.Format{thumb.JPEG, thumb.WebP, thumb.AVIF} {
		quality := func(m image.Image) int {
			_, results := render(t, originalFile(t, m, thumb.PNG), limits(), thumb.Transform{
				Width: 240, Height: 180, Method: thumb.Fit, Format: f, Quality: thumb.AutoQuality,
			})
			if r := results[0]; r.Failure != "" {
				t.Fatalf("%v: %+v", f, r)
			}
			return results[0].Quality
		}
		flat, gentle, hard := quality(uniform(240, 180, white)), quality(soft), quality(half)
		if flat != autoCurves[f].least || gentle >= hard || hard <= flat {
			t.Errorf("%v: flat %d, soft %d, half of it noise %d", f, flat, gentle, hard)
		}
	}
}

// TestAutoOfOddPictures makes pictures of one pixel, of one line, with alpha, and
// animations; PNG and GIF have no quality to choose.
func TestAutoOfOddPictures(t *testing.T) {
	seen := noisy(90, 70)
	for i := 3; i < len(seen.Pix); i += 4 {
		seen.Pix[i] = uint8(i / 4 % 90 * 2)
	}
	one := originalFile(t, noisy(1, 1), thumb.PNG)
	long := originalFile(t, noisy(700, 1), thumb.PNG)
	alpha := originalFile(t, seen, thumb.PNG)
	hidden := originalFile(t, image.NewNRGBA(image.Rect(0, 0, 50, 50)), thumb.PNG)
	for name, data := range map[string][]byte{"one pixel": one, "one line": long, "alpha": alpha, "nothing to see": hidden, "an animation": film(t, 3)} {
		for _, f := range []thumb.Format{thumb.JPEG, thumb.WebP, thumb.AVIF} {
			tr := thumb.Transform{Width: 700, Height: 700, Method: thumb.Fit, Format: f, Quality: thumb.AutoQuality}
			files, results := render(t, data, limits(), tr)
			if r := results[0]; r.Failure != "" || r.Quality == 0 || len(files[0]) == 0 {
				t.Errorf("%s as %v: %+v", name, f, r)
			}
		}
	}
	if frames, _, _ := webpFrames(t, thumbnailFile(t, film(t, 3), thumb.Transform{
		Width: 40, Height: 30, Method: thumb.Fit, Format: thumb.WebP, Quality: thumb.AutoQuality,
	})); len(frames) < 2 {
		t.Errorf("%d frames", len(frames))
	}
}
