// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"image"
	"net/http"
	"slices"
	"testing"

	"thumbd/internal/engine/probe"
	"thumbd/internal/publish"
	"thumbd/internal/thumb"
)

// TestEachFormatIsWritten makes thumbnails in each format of the table in package
// thumb. They are as the table says: their beginning, alpha, animation and quality. They
// are recognized by the probe and, if possible, by the standard library's table of media
// types. They are published if their size is the one wanted, and refused otherwise.
func TestEachFormatIsWritten(t *testing.T) {
	still := noisy(40, 30)
	opaque := originalFile(t, still, thumb.PNG)
	for i := 3; i < len(still.Pix)/2; i += 4 {
		still.Pix[i] = 0
	}
	clear := originalFile(t, still, thumb.PNG)
	for _, f := range thumb.ThumbnailFormats() {
		t.Run(f.String(), func(t *testing.T) {
			tr := thumb.Transform{Width: 20, Height: 15, Method: thumb.Fit, Format: f, Quality: f.Quality()}
			got := thumbnailFile(t, opaque, tr)
			if !f.Begins(got) || probe.Sniff(got) != f {
				t.Errorf("begins with %q, the probe says %v", got[:16], probe.Sniff(got))
			}
			if mediaType := http.DetectContentType(got); mediaType != f.MediaType() && mediaType != "application/octet-stream" {
				t.Errorf("%s, and the table has %s", mediaType, f.MediaType())
			}
			if err := published(t, got, publish.Want{Format: f, Width: 20, Height: 15}); err != nil {
				t.Error(err)
			}
			if err := published(t, got, publish.Want{Format: f, Width: 20, Height: 16}); !errors.Is(err, publish.ErrPicture) {
				t.Errorf("of another size: %v, want %v", err, publish.ErrPicture)
			}
			t.Run("read", func(t *testing.T) {
				if !slices.Contains(started(t).Reads(), f) {
					t.Skipf("no original can be %v, and no quality be chosen", f)
				}
				if header := headerOf(t, thumbnailFile(t, clear, tr), f); header.alpha() != f.HasAlpha() {
					t.Errorf("alpha: %v, and the table has %v", header.alpha(), f.HasAlpha())
				}
				if frames := headerOf(t, thumbnailFile(t, film(t, 3), tr), f).number("n-pages"); frames > 1 != f.Animates() {
					t.Errorf("%d frames of 3, and the table has %v", frames, f.Animates())
				}
				if c, ok := autoCurves[f]; ok != (f.Quality() > 0) || ok && c.most <= c.least {
					t.Errorf("quality %d, and the curve of quality auto is %+v", f.Quality(), c)
				}
			})
		})
	}
}

// published publishes a picture.
func published(t *testing.T, file []byte, want publish.Want) error {
	t.Helper()
	picture := outputFile(t, int64(len(file)))
	if _, err := picture.WriteAt(file, 0); err != nil {
		t.Fatal(err)
	}
	tree := publish.New(t.TempDir(), "/thumbs/", nil)
	defer tree.Close()
	return tree.Publish("/thumbs/a", picture, want)
}

// headerOf returns a picture whose pixels are not read.
func headerOf(t *testing.T, file []byte, f thumb.Format) picture {
	t.Helper()
	s, err := newSourceOf(file)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	p, err := s.load(loading{format: f, divisor: 1, scale: 1, size: image.Pt(20, 15), frames: 1, subifd: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}
