// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"math/bits"

	"thumbd/internal/thumb"
)

// encoder calls write with a picture as a file of a quality. The file is valid until
// write returns.
type encoder func(quality int, write func(file []byte) error) error

// encode writes out as encoder makes it, at out's quality, or at the highest one that
// keeps MaxBytes.
func (o *original) encode(out *output, encoder encoder) error {
	var err error
	if out.MaxBytes == 0 {
		err = encoder(out.Quality, func(file []byte) error { return o.write(out, o.smaller(file, out)) })
	} else {
		err = o.encodeWithin(out, encoder)
	}
	if err != nil {
		return fmt.Errorf("encode %v: %w", out.Format, err)
	}
	return nil
}

// encodeWithin is encode for an output with MaxBytes. It keeps one file beside the
// one that is being made, of at most MaxBytes or of the lowest quality.
func (o *original) encodeWithin(out *output, encoder encoder) error {
	s := newSearch(out.Quality, out.MaxBytes)
	var best []byte
	for quality, ok := s.next(); ok; quality, ok = s.next() {
		err := encoder(quality, func(file []byte) error {
			file = o.smaller(file, out)
			if s.found(int64(len(file))) {
				best = bytes.Clone(file)
				out.chosen = quality
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	out.over = int64(len(best)) > out.MaxBytes
	return o.write(out, best)
}

// search looks for the highest quality at which a file has at most a number of bytes, by
// halving the range of qualities.
type search struct {
	most   int64 // bytes
	first  int   // quality
	least  int   // quality
	fits   int   // the best quality that fits; less than least: none
	excess int   // the lowest quality that does not fit; over first: none
	tries  int
	tried  int // quality
}

// maxTries is the most encodes of a search.
const maxTries = 6

// newSearch returns a search that begins with quality first and goes down from there.
func newSearch(first int, most int64) *search {
	least := min(first, thumb.LeastQuality)
	return &search{most: most, first: first, least: least, fits: least - 1, excess: first + 1}
}

// next returns the quality to try next. ok is false if the search is over.
func (s *search) next() (quality int, ok bool) {
	switch {
	case s.tries == 0:
		s.tried = s.first
	case s.excess == s.fits+1 || s.tries == maxTries:
		return 0, false
	case s.fits < s.least && s.tries == maxTries-1:
		s.tried = s.least
	default:
		s.tried = (s.fits + s.excess) / 2
	}
	s.tries++
	return s.tried, true
}

// found tells the search the size, in bytes, of the file in the quality that next has
// returned. It reports whether this file is the best one so far.
func (s *search) found(bytes int64) bool {
	if bytes <= s.most {
		s.fits = s.tried
		return true
	}
	s.excess = s.tried
	return s.tried == s.least
}

// choose sets out's quality, if it is auto, to the lowest quality at which the picture looks
// good enough. t has the pixels of out.
func (out *output) choose(t tilePixels) error {
	m, err := newMosaic(t, sampleTiles)
	if err != nil {
		return err
	}
	defer m.close()
	quality, err := lowest(autoCurves[out.Format], func(quality int) (int, error) { return m.likeness(out.Format, quality) })
	if err != nil {
		return fmt.Errorf("choose a quality: %w", err)
	}
	out.Quality, out.chosen = quality, quality
	return nil
}

// target is the likeness that a thumbnail is to have where it loses most, in the half
// of its tiles. With it the 60 pictures of package pictures, each as JPEG, WebP and AVIF,
// have the same SSIM at the worst tenth as with the default qualities.
const target = 62_816 // 0.9585 of sameTile

// curve says how the qualities of a format change a picture.
type curve struct {
	// Qualities are chosen from least to most. All of them have half of the chroma, and
	// at the least of them colors and soft gradients, of which luma's likeness tells
	// little, are still as they should.
	least, most int
	middle      int // is right for many pictures
	halving     int // a quality that is higher by this much usually halves the loss
}

var autoCurves = map[thumb.Format]curve{
	thumb.JPEG: {40, subsampled - 1, 66, 18},
	thumb.WebP: {30, 93, 66, 18},
	thumb.AVIF: {25, 80, 48, 14},
}

// lowest returns the lowest quality of c at which the likeness is target. It encodes at the
// middle quality, then at the quality that would be right for a usual picture, and
// interpolates: the logarithm of the loss is taken as linear in the quality.
func lowest(c curve, likeness func(quality int) (int, error)) (int, error) {
	allowed := logarithm(sameTile - target)
	limit := func(quality int) int { return min(max(quality, c.least), c.most) }
	first, err := likeness(c.middle)
	if err != nil {
		return 0, err
	}
	lost := logarithm(sameTile - first)
	quality := limit(c.middle + (c.halving*(lost-allowed)+one/2)>>oneBits)
	if quality == c.middle {
		return quality, nil
	}
	second, err := likeness(quality)
	if err != nil {
		return 0, err
	}
	left := logarithm(sameTile - second)
	halving, steps := c.halving, quality-c.middle
	const near = 3 // the likenesses of neighbors tell nothing
	if gained := lost - left; max(steps, -steps) >= near && gained*steps > 0 {
		halving = min(max(steps*one/gained, 2*c.halving/5), 3*c.halving)
	}
	return limit(quality + (halving*(left-allowed)+one-1)>>oneBits), nil
}

// one is the logarithm of 2.
const (
	oneBits = 10
	one     = 1 << oneBits
)

// logarithm returns that of n to base 2, in parts of one, rounded down; of 0 and less
// that of 1.
func logarithm(n int) int {
	v := uint64(max(n, 1))
	whole := bits.Len64(v) - 1
	log := whole * one
	// The mantissa, with 31 bits behind the point.
	m := v << (63 - whole) >> 32
	for part := one / 2; part > 0; part /= 2 {
		m = m * m >> 31
		if m >= 1<<32 {
			m >>= 1
			log += part
		}
	}
	return log
}
