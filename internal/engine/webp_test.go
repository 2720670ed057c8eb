// SPDX-License-Identifier: MIT

package engine

import (
	"encoding/binary"
	"fmt"
	"image"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/render/wire"
	"thumbd/internal/test/likeness"
	"thumbd/internal/thumb"
)

// TestPhotographsInWebPLookAsTheyShould compares what WebP's decoder has scaled
// with a reduction of all pixels.
func TestPhotographsInWebPLookAsTheyShould(t *testing.T) {
	for name, data := range uprightPhotographs(t) {
		webp := processed(t, data, bimg.Options{Type: bimg.WEBP, Quality: 90})
		full := likeness.Luma(thumbnail(t, webp, thumb.Transform{Width: 4000, Method: thumb.Fit, Format: thumb.PNG}))
		for _, width := range []int{100, 160, 300, 560, full.W * 5 / 8} {
			t.Run(fmt.Sprintf("%s %d", name, width), func(t *testing.T) {
				m := likeness.Luma(thumbnail(t, webp, thumb.Transform{Width: width, Method: thumb.Fit, Format: thumb.PNG}))
				got := likeness.SSIM(m, full.Reduced(m.W, m.H))
				if got < leastSSIM {
					t.Errorf("SSIM %.4f", got)
				}
				t.Logf("SSIM %.4f", got)
			})
		}
	}
}

func TestScaledWebPKeepsItsProfile(t *testing.T) {
	patch := p3Space.toSRGB(red)
	m := image.NewNRGBA(image.Rect(0, 0, 400, 300))
	for i := range m.Pix {
		m.Pix[i] = []uint8{red.R, red.G, red.B, 255}[i%4]
	}
	stored := withProfile(originalFile(t, m, thumb.JPEG), p3Space.profile())
	webp := processed(t, stored, bimg.Options{Type: bimg.WEBP, Quality: 95})
	got := thumbnail(t, webp, thumb.Transform{Width: 80, Method: thumb.Fit, Format: thumb.PNG})
	expectColor(t, got, 40, 30, patch, 4)
}

// TestAnimationOfOneFrame has what is a still but for its container, which
// WebP's decoder does not know.
func TestAnimationOfOneFrame(t *testing.T) {
	m := quadrants(400, 300)
	webp := animatedWebP(m.Rect.Max, 0, webpFrame{still: originalFile(t, m, thumb.WebP), at: m.Rect})
	for _, f := range []thumb.Format{thumb.PNG, thumb.JPEG, thumb.WebP} {
		file := thumbnailFile(t, webp, thumb.Transform{Width: 100, Method: thumb.Fit, Format: f, Quality: 95})
		expectQuadrants(t, decode(t, file, f), 12)
	}
}

// TestWebPCutInsideItsContainer has files of which no more is missing than a
// part of the picture.
func TestWebPCutInsideItsContainer(t *testing.T) {
	for name, webp := range map[string][]byte{
		"lossy":    originalFile(t, detailed(), thumb.WebP),
		"lossless": processed(t, encodePNG(t, detailed()), bimg.Options{Type: bimg.WEBP, Lossless: true}),
	} {
		for _, percent := range []int{25, 50, 90, 99, 100} {
			cut := pictureCut(t, webp, percent)
			_, results := render(t, cut, limits(), thumb.Transform{Width: 40, Method: thumb.Fit, Format: thumb.PNG})
			if r := results[0]; (r.Failure == wire.Damaged) != (percent < 100) {
				t.Errorf("%s, %d%%: got %q (%s)", name, percent, r.Failure, r.Detail)
			}
		}
	}
}

// pictureCut returns a file of what percent leaves of the picture in webp.
func pictureCut(t *testing.T, webp []byte, percent int) []byte {
	t.Helper()
	const head, chunkHead = 12, 8
	for at := head; at+chunkHead <= len(webp); {
		size := int(binary.LittleEndian.Uint32(webp[at+4:]))
		data := webp[at+chunkHead:][:size]
		if kind := string(webp[at : at+4]); kind == "VP8 " || kind == "VP8L" {
			data = data[:len(data)*percent/100]
			body := binary.LittleEndian.AppendUint32([]byte("WEBP"+kind), uint32(len(data)))
			body = append(body, data...)
			body = append(body, make([]byte, len(data)%2)...)
			return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
		}
		at += chunkHead + size + size%2
	}
	t.Fatal("no picture")
	return nil
}
