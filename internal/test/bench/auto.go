// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"slices"

	"thumbd/internal/engine"
	"thumbd/internal/test/likeness"
	"thumbd/internal/test/pictures"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// qualities are those that auto is compared with: the defaults.
var qualities = []thumb.Format{thumb.JPEG, thumb.WebP, thumb.AVIF}

// lot is what became of the pictures with one setting of the quality.
type lot struct {
	bytes int
	ssim  []float64
}

// decile returns the SSIM that a tenth of the pictures does not have.
func (l lot) decile() float64 {
	sorted := slices.Sorted(slices.Values(l.ssim))
	return sorted[len(sorted)/10]
}

func (l *lot) add(other lot) {
	l.bytes += other.bytes
	l.ssim = append(l.ssim, other.ssim...)
}

// autoOverFixed compares quality = "auto" with the default qualities: the bytes of 60
// pictures, how like the worst of them are to the picture that was encoded, and the time.
// It also makes them with max_bytes.
func autoOverFixed(ctx context.Context, _ rig.Programs) (f figure, err error) {
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	var fixed, auto lot
	for _, format := range qualities {
		a, b, err := lots(ctx, e, format)
		if err != nil {
			return f, err
		}
		f.detail += fmt.Sprintf("\n            %-4v %.3f of the bytes, SSIM of the worst tenth %.4f, with quality %d %.4f",
			format, float64(a.bytes)/float64(b.bytes), a.decile(), format.Quality(), b.decile())
		auto.add(a)
		fixed.add(b)
	}
	f.value = float64(auto.bytes) / float64(fixed.bytes)
	f.detail = fmt.Sprintf("%.0f kB for %.0f kB", float64(auto.bytes)/1000, float64(fixed.bytes)/1000) + f.detail
	made, over, err := tooLarge(ctx, e)
	if err != nil {
		return f, err
	}
	f.detail += fmt.Sprintf("\n            %d pictures with a max_bytes that the lowest quality keeps, %d larger", made, over)
	f.also = []aim{{"pictures above a max_bytes that the lowest quality keeps", float64(over), 0, false}, {"what auto's worst tenth lacks in SSIM to that of the fixed qualities", max(fixed.decile()-auto.decile(), 0), 0, false}}
	return f, autoTimes(ctx, e, &f)
}

// autoTimes adds the processor time of auto over that of the default qualities to f.
func autoTimes(ctx context.Context, e *engine.Engine, f *figure) error {
	const rounds = 3
	return withOriginals("jpg", func(_ string, originals []original) error {
		for _, format := range qualities {
			c := &comparison{peers: []*peer{own(e, "auto", format, thumb.AutoQuality), own(e, "fixed", format, format.Quality())}}
			if err := compare(ctx, c, originals, rounds); err != nil {
				return err
			}
			f.detail += fmt.Sprintf("\n            %v: %s%s", format, times, c.detail(rounds*len(originals)))
			f.also = append(f.also, aim{fmt.Sprintf("processor time of %v over that of a fixed quality", format), c.ratio(), 1.4, false})
		}
		return nil
	})
}

// lots makes the pictures with quality = "auto", and with the default quality.
func lots(ctx context.Context, e *engine.Engine, format thumb.Format) (auto, fixed lot, err error) {
	err = eachReduced(ctx, e, func(t thumb.Transform, picture *os.File, luma likeness.Plane) error {
		t.Format = format
		for quality, to := range map[int]*lot{thumb.AutoQuality: &auto, format.Quality(): &fixed} {
			t.Quality = quality
			one, err := encodedAs(e, picture, luma, t)
			if err != nil {
				return fmt.Errorf("as %v: %w", format, err)
			}
			to.add(one)
		}
		return nil
	})
	return auto, fixed, err
}

// tooLarge makes the pictures with a max_bytes, which the lowest quality just keeps or
// keeps by far, and returns how many are larger.
func tooLarge(ctx context.Context, e *engine.Engine) (made, over int, err error) {
	err = eachReduced(ctx, e, func(t thumb.Transform, picture *os.File, luma likeness.Plane) error {
		for _, format := range qualities {
			t.Format, t.Quality, t.MaxBytes = format, thumb.LeastQuality, 0
			least, err := encodedAs(e, picture, luma, t)
			if err != nil {
				return fmt.Errorf("as %v: %w", format, err)
			}
			for _, limit := range []int{least.bytes, least.bytes * 5 / 4, least.bytes * 2} {
				t.Quality, t.MaxBytes = format.Quality(), int64(limit)
				one, err := encodedAs(e, picture, luma, t)
				if err != nil {
					return fmt.Errorf("as %v in %d bytes: %w", format, limit, err)
				}
				made++
				if one.bytes > limit {
					over++
				}
			}
		}
		return nil
	})
	return made, over, err
}

// eachReduced calls f with each picture, reduced to the width of t, and its luma.
func eachReduced(ctx context.Context, e *engine.Engine, f func(t thumb.Transform, picture *os.File, luma likeness.Plane) error) error {
	folder, err := rig.Testdata("originals/photos")
	if err != nil {
		return err
	}
	all, err := pictures.All(folder)
	if err != nil {
		return err
	}
	for i, p := range all {
		// As wide as lists and as cards are.
		width := []int{300, 200}[i/2%2]
		reduced, luma, err := reference(e, p, width)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		err = f(thumb.Transform{Width: width, Method: thumb.Fit}, reduced, luma)
		if err = cmp.Or(err, ctx.Err(), reduced.Close()); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

// reference returns a picture reduced to a width, as a PNG, and its luma.
func reference(e *engine.Engine, p pictures.Picture, width int) (*os.File, likeness.Plane, error) {
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, p.Image); err != nil {
		return nil, likeness.Plane{}, err
	}
	whole, err := temporary(b.Bytes())
	if err != nil {
		return nil, likeness.Plane{}, err
	}
	defer whole.Close()
	return shown(e, whole, thumb.Transform{Width: width, Method: thumb.Fit, Format: thumb.PNG})
}

// shown returns an output of a file, and its luma as thumbd itself decodes it.
func shown(e *engine.Engine, file *os.File, t thumb.Transform) (*os.File, likeness.Plane, error) {
	files, err := rendered(e, file, t)
	if err != nil {
		return nil, likeness.Plane{}, err
	}
	m, err := decoded(e, files[0])
	return files[0], likeness.Luma(m), err
}

func decoded(e *engine.Engine, file *os.File) (image.Image, error) {
	files, err := rendered(e, file, thumb.Transform{Width: 4096, Method: thumb.Fit, Format: thumb.PNG})
	if err != nil {
		return nil, err
	}
	defer files[0].Close()
	return png.Decode(io.NewSectionReader(files[0], 0, 1<<30))
}

// encodedAs returns how many bytes a picture has as t, and how like that is to luma.
func encodedAs(e *engine.Engine, picture *os.File, luma likeness.Plane, t thumb.Transform) (lot, error) {
	file, got, err := shown(e, picture, t)
	if err != nil {
		return lot{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return lot{}, err
	}
	return lot{int(info.Size()), []float64{likeness.SSIM(luma, got)}}, nil
}

// temporary returns a file with that content.
func temporary(data []byte) (*os.File, error) {
	f, err := os.CreateTemp("", "thumbd-bench-")
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	return f, cmp.Or(err, os.Remove(f.Name()))
}
