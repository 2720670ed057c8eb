// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/test/likeness"
	"thumbd/internal/thumb"
)

const photos = "../../testdata/originals/photos/"

// photographs are those of the corpus that show most of what is done to them:
// with fine detail, in sizes that no decoder can halve without a rest.
func photographs(t testing.TB) map[string][]byte {
	t.Helper()
	return filesOf(t, photos+"brook.jpg", photos+"fig.jpg", photos+"sunset.jpg")
}

// uprightPhotographs are all of the corpus but dogs.jpg: it is stored on its side, and
// package image does not turn it.
func uprightPhotographs(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(photos + "*.jpg")
	if err != nil || len(paths) < 8 {
		t.Fatalf("%q, %v", paths, err)
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return filepath.Base(p) == "dogs.jpg" })
	return filesOf(t, paths...)
}

func filesOf(t testing.TB, paths ...string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = data
	}
	return files
}

// leastSSIM is the least likeness of the luma of a photograph's thumbnail, before it is
// encoded, to a Lanczos3 reduction of all of the original's pixels. It is the same for
// every format and size.
const leastSSIM = 0.99

// TestPhotographsLookAsTheyShould compares with a reduction of all of the
// original's pixels, before the thumbnail is encoded, and after that with what
// vipsthumbnail(1) makes at the same quality and subsampling. The same pixels are
// stored as JPEG and as PNG.
func TestPhotographsLookAsTheyShould(t *testing.T) {
	var sum, peersSum float64
	for name, data := range uprightPhotographs(t) {
		decoded, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		full := likeness.Luma(decoded)
		lossless := encodePNG(t, decoded)
		for _, width := range []int{100, 160, 300, 560, 1200} {
			if width >= full.W {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", name, width), func(t *testing.T) {
				tr := thumb.Transform{Width: width, Method: thumb.Fit, Format: thumb.PNG}
				m := thumbnail(t, data, tr)
				want := full.Reduced(m.Bounds().Dx(), m.Bounds().Dy())
				got := likeness.SSIM(likeness.Luma(m), want)
				if got < leastSSIM {
					t.Errorf("SSIM %.4f", got)
				}
				ofPNG := likeness.SSIM(likeness.Luma(thumbnail(t, lossless, tr)), want)
				if ofPNG < leastSSIM {
					t.Errorf("of the PNG: SSIM %.4f", ofPNG)
				}
				tr.Format, tr.Quality = thumb.JPEG, 82
				ours := likeness.SSIM(likeness.Luma(thumbnail(t, data, tr)), want)
				file := vipsthumbnail(t, name, width)
				theirs := likeness.Luma(decode(t, file, thumb.JPEG))
				// It may round the height otherwise.
				peers := likeness.SSIM(theirs, full.Reduced(theirs.W, theirs.H))
				if ours < peers-0.002 {
					t.Errorf("as JPEG %.4f, vipsthumbnail's %.4f", ours, peers)
				}
				t.Logf("SSIM %.4f, of the PNG %.4f; JPEG %.4f, vipsthumbnail's %.4f", got, ofPNG, ours, peers)
				sum, peersSum = sum+ours, peersSum+peers
			})
		}
	}
	if sum < peersSum {
		t.Errorf("the mean is below vipsthumbnail's: %.4f of it", sum/peersSum)
	}
}

// vipsthumbnail is not told to convert to sRGB: the photographs have no profile,
// and libvips 8.14 would change their colors, by which SSIM falls to 0.93.
func vipsthumbnail(t *testing.T, photo string, width int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "thumbnail.jpg")
	cmd := exec.Command("vipsthumbnail", photos+photo, "--size", fmt.Sprintf("%dx>", width),
		"-o", path+"[Q=82,optimize_coding,strip]")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("vipsthumbnail: %v: %s", err, out)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestInCompany compares what is made of one decode for several outputs with
// what each is alone.
func TestInCompany(t *testing.T) {
	tall := func(w, h int) thumb.Transform {
		return thumb.Transform{Width: w, Height: h, Method: thumb.Fit, Format: thumb.PNG}
	}
	outputs := []thumb.Transform{tall(100, 100), tall(500, 500), tall(800, 800), tall(64, 64), tall(300, 300), {
		Width: 200, Height: 150, Method: thumb.Crop, Gravity: thumb.North, Format: thumb.PNG,
	}, {
		Width: 320, Height: 200, Method: thumb.Pad, Format: thumb.PNG,
	}}
	// Each just small enough to be made of the one before.
	var steps []thumb.Transform
	for side := 900; side > 50; side = side * 2 / 3 {
		steps = append(steps, tall(side, side))
	}
	// None of the one before.
	var closer []thumb.Transform
	for side := 900; side > 100; side = side * 9 / 10 {
		closer = append(closer, tall(side, side))
	}
	files := photographs(t)
	files["fig.webp"] = processed(t, files["fig.jpg"], bimg.Options{Type: bimg.WEBP, Quality: 90})
	files["disc"] = encodePNG(t, transparentDisc(false))
	files["photograph.png"] = encodePNG(t, photograph(1100, 800))
	for name, data := range files {
		expectAloneAsInCompany(t, name, data, outputs)
		expectAloneAsInCompany(t, name, data, steps)
		if name == "fig.jpg" || name == "photograph.png" {
			expectAloneAsInCompany(t, name, data, closer)
		}
	}
}

func expectAloneAsInCompany(t *testing.T, name string, data []byte, outputs []thumb.Transform) {
	t.Helper()
	company, results := render(t, data, limits(), outputs...)
	for i, tr := range outputs {
		if results[i].Failure != "" {
			t.Fatal(results[i].Detail)
		}
		alone := thumbnailFile(t, data, tr)
		if !bytes.Equal(alone, thumbnailFile(t, data, tr)) {
			t.Errorf("%s %v: alone it differs from one time to the next", name, tr)
		}
		s := likeness.SSIM(likeness.Luma(decode(t, alone, thumb.PNG)), likeness.Luma(decode(t, company[i], thumb.PNG)))
		if s < 0.995 {
			t.Errorf("%s %v: SSIM %.4f", name, tr, s)
		}
		t.Logf("%s %v: %.5f", name, tr, s)
	}
}
