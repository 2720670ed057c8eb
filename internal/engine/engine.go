// SPDX-License-Identifier: MIT

// Package engine renders thumbnails with libvips. It is the only package with
// cgo, and only workers use it.
//
// The library has two ways in, each for what it does right. Through bimg goes
// its life cycle, its settings, and the question which formats it was built
// for. The picture itself goes through vips.c and finish.c: bimg reads whole
// files into memory, takes a file that is cut off for a picture, corrupts
// pictures that it turns, leaves or drops color profiles without applying them,
// resizes colors without their alpha, and stretches or cuts by its own
// arithmetic. Its blur, sharpening and watermark are right, but take a file and
// return one: each would decode and encode the thumbnail once more.
//
// A render is: probe the file in Go, open it with the one loader for its
// format, compare the header with the limits, load reduced as far as the
// decoder can and quality allows (package geometry), resize, and only then, on
// few pixels, apply the profile, turn upright, seek what to keep, finish, lay
// the watermark over it, encode. Several outputs are made of one decode.
//
// Pictures of bytes are resized by loops of our own: mean.c, then lanczos.c.
// They take a third of the time of vips_shrink and half of vips_reduce's, and
// know parts of pixels. Others, and those with alpha, which is multiplied in,
// go through vips_reduce.
//
// Where a thumbnail's pixels lie is exact: libvips' own
// resizing, and so vips_thumbnail, is off by up to a pixel where a shrunk JPEG
// has lost a part of its last line, and by half of one where it enlarges. Luma
// of the corpus' photographs, SSIM with a Lanczos3 reduction of all pixels at
// 100 to 1200 pixels, before encoding: 0.99 or more; vips_thumbnail 0.94.
package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/h2non/bimg"

	"thumbd/internal/thumb"
)

// Engine is libvips, started. An Engine makes one thumbnail at a time.
type Engine struct {
	read, write []thumb.Format
}

// ErrNoFormats says that the installed libvips can read or write nothing.
var ErrNoFormats = errors.New("libvips reads or writes none of the formats")

// Start sets the library up and finds out what it can do by doing all of it
// once. So what it loads, allocates or compiles at first use is there, and it
// needs no file system afterwards. There is one Engine in a process.
func Start() (*Engine, error) {
	// A result that is asked for twice is in nginx's hands by then.
	bimg.VipsCacheSetMax(0)
	bimg.VipsCacheSetMaxMem(0)
	settings()
	e := &Engine{}
	if err := e.warm(); err != nil {
		return nil, fmt.Errorf("start libvips %s: %w", Version(), err)
	}
	return e, nil
}

// Version returns libvips' version.
func Version() string { return bimg.VipsVersion }

// Reads returns the formats of originals that the installed libvips reads.
func (e *Engine) Reads() []thumb.Format { return slices.Clone(e.read) }

// Writes returns the formats of thumbnails that the installed libvips writes.
func (e *Engine) Writes() []thumb.Format { return slices.Clone(e.write) }

// built maps the formats to bimg's names, to ask what libvips was built for.
// One library reads AVIF and HEIC, by plugins that may be missing.
var built = map[thumb.Format]bimg.ImageType{
	thumb.JPEG: bimg.JPEG,
	thumb.PNG:  bimg.PNG,
	thumb.WebP: bimg.WEBP,
	thumb.AVIF: bimg.AVIF,
	thumb.GIF:  bimg.GIF,
	thumb.HEIC: bimg.HEIF,
	thumb.TIFF: bimg.TIFF,
	thumb.SVG:  bimg.SVG,
}

// isBuilt reports whether libvips was built to read f. Of JPEG XL bimg does not
// know.
func isBuilt(f thumb.Format) bool {
	if f == thumb.JXL {
		return has("jxlload_source")
	}
	return bimg.VipsIsTypeSupported(built[f])
}
