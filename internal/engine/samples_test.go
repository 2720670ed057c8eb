// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"image"
	"image/color"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// TestSamplesBeyondTheColors renders TIFFs with samples that no color space
// has a place for: each is refused, or it has its colors and nothing else. All
// of these samples are opaque, so that any of them may be the alpha.
func TestSamplesBeyondTheColors(t *testing.T) {
	const gray, rgb, separated = 1, 2, 5
	for _, c := range []struct {
		photometric uint16
		colors      []byte
		want        color.NRGBA
	}{
		{gray, []byte{100}, color.NRGBA{100, 100, 100, 255}},
		{rgb, []byte{200, 100, 50}, color.NRGBA{200, 100, 50, 255}},
		{separated, []byte{0, 0, 0, 0}, white},
	} {
		for extra := 2; extra <= 8; extra++ {
			pixel := c.colors
			for range extra {
				pixel = append(pixel[:len(pixel):len(pixel)], 255)
			}
			data := rawTIFF(image.Pt(64, 48), c.photometric, nil, pixel)
			for _, tr := range samplesTransforms() {
				t.Run(fmt.Sprintf("%d of %d samples %v %v", c.photometric, len(pixel), tr.Method, tr.Format), func(t *testing.T) {
					files, results := render(t, data, limits(), tr)
					if results[0].Failure == wire.Unsupported {
						return
					}
					if results[0].Failure != "" {
						t.Fatalf("%s: %s", results[0].Failure, results[0].Detail)
					}
					m := decode(t, files[0], tr.Format)
					if m.Bounds().Size() != image.Pt(results[0].Width, results[0].Height) {
						t.Errorf("got %v, want %dx%d", m.Bounds(), results[0].Width, results[0].Height)
					}
					want := c.want
					if tr.Gray {
						want = color.NRGBAModel.Convert(color.GrayModel.Convert(want)).(color.NRGBA)
					}
					expectColor(t, m, m.Bounds().Dx()/2, m.Bounds().Dy()/2, want, 12)
				})
			}
		}
	}
}

func samplesTransforms() []thumb.Transform {
	var all []thumb.Transform
	for _, f := range []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF} {
		all = append(all,
			thumb.Transform{Width: 20, Height: 16, Method: thumb.Fit, Format: f, Quality: 90},
			thumb.Transform{Width: 20, Height: 40, Method: thumb.Pad, Format: f, Quality: 90},
		)
	}
	return append(all,
		thumb.Transform{Width: 20, Height: 40, Method: thumb.Pad, Format: thumb.PNG, Background: thumb.NewColor(1, 200, 3)},
		thumb.Transform{Width: 20, Height: 40, Method: thumb.Pad, Format: thumb.WebP, Gray: true, Quality: 90},
		thumb.Transform{Width: 80, Height: 90, Method: thumb.Stretch, Format: thumb.PNG, Enlarge: true, Blur: 30_00},
		thumb.Transform{Width: 40, Height: 30, Method: thumb.Stretch, Format: thumb.PNG, Blur: 30, Sharpen: 10_00},
		thumb.Transform{Width: 10, Height: 30, Method: thumb.Smart, Format: thumb.PNG},
		thumb.Transform{Width: 30, Height: 10, Method: thumb.Attention, Format: thumb.WebP, Quality: 90},
	)
}
