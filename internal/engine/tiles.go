// SPDX-License-Identifier: MIT

package engine

// #include "vips.h"
// #include "tiles.h"
import "C"

import (
	"fmt"
	"image"
	"slices"
	"unsafe"

	"thumbd/internal/engine/plane"
	"thumbd/internal/thumb"
)

// tileSide is the width and height of a tile in pixels.
const tileSide = C.TILE

// sameTile is the likeness of equal tiles.
const sameTile = C.TILE_SAME

// tilePixels are a picture that is cut into tiles: bytes, line by line, which are stride
// bytes apart. They stay another's.
type tilePixels struct {
	data          unsafe.Pointer
	size          image.Point
	bands, stride int
}

// tilesOfLuma cuts the luma of planes into tiles, for as long as these are there.
func tilesOfLuma(p plane.Picture) tilePixels {
	data, stride := p.Luma()
	return tilePixels{data, p.Size(), 1, stride}
}

// tilesOf cuts a picture in memory, of bytes, into tiles, for as long as it is there.
func tilesOf(p picture) tilePixels {
	return tilePixels{C.thumbd_pixels(p.p), p.size(), p.bands(), p.size().X * p.bands()}
}

// count returns the number of tiles.
func (t tilePixels) count() int {
	return (t.size.X + tileSide - 1) / tileSide * ((t.size.Y + tileSide - 1) / tileSide)
}

// read writes the luma of a tile to to, in lines that are stride bytes apart.
func (t tilePixels) read(tile int, to []byte, stride int) {
	c := C.TilePixels{
		data: (*C.uint8_t)(t.data), width: C.int(t.size.X), height: C.int(t.size.Y), bands: C.int(t.bands),
		stride: C.ptrdiff_t(t.stride),
	}
	C.tile_read(&c, C.int(tile), (*C.uint8_t)(&to[0]), C.ptrdiff_t(stride))
}

// tileLikeness is tile_likeness of tiles.h.
func tileLikeness(a, b []byte, stride int) int {
	return int(C.tile_likeness((*C.uint8_t)(&a[0]), (*C.uint8_t)(&b[0]), C.ptrdiff_t(stride)))
}

// mosaic is a gray picture in memory of tiles side by side. Its owner closes it.
type mosaic struct {
	picture
	tiles int
}

// mosaicAcross is the number of tiles in a row of a mosaic.
const mosaicAcross = 8

// sampleTiles is the most tiles of a mosaic by which a quality is chosen. 24 tiles
// would save no more bytes on the 60 pictures of package pictures.
const sampleTiles = 16

// newMosaic returns a mosaic of a sample of at most n tiles of t.
func newMosaic(t tilePixels, n int) (mosaic, error) {
	n = min(n, t.count())
	across := min(n, mosaicAcross)
	size := image.Pt(across*tileSide, (n+across-1)/across*tileSide)
	m := mosaic{tiles: n}
	if err := result(C.thumbd_gray(C.int(size.X), C.int(size.Y), &m.p)); err != nil {
		return mosaic{}, err
	}
	for i, tile := range t.sample(n) {
		t.read(tile, m.tile(m.picture, i), size.X)
	}
	return m, nil
}

// sample returns n of all tiles: it sorts them by activity and takes one of each n-th part,
// so that busy and plain tiles have their share.
func (t tilePixels) sample(n int) []int {
	type seen struct{ activity, tile int }
	all := make([]seen, t.count())
	buffer := make([]byte, tileSide*tileSide)
	for i := range all {
		t.read(i, buffer, tileSide)
		all[i] = seen{int(C.tile_activity((*C.uint8_t)(&buffer[0]), tileSide)), i}
	}
	slices.SortFunc(all, func(a, b seen) int {
		if a.activity != b.activity {
			return a.activity - b.activity
		}
		return a.tile - b.tile
	})
	tiles := make([]int, n)
	for i := range tiles {
		tiles[i] = all[(2*i+1)*len(all)/(2*n)].tile
	}
	return tiles
}

// tile returns p, which is m or as large as m, from tile i on.
func (m mosaic) tile(p picture, i int) []byte {
	size := m.size()
	across := size.X / tileSide
	pixels := unsafe.Slice((*byte)(C.thumbd_pixels(p.p)), size.X*size.Y)
	return pixels[i/across*tileSide*size.X+i%across*tileSide:]
}

// likeness returns how like the half of the tiles that loses most, as a file of a format
// and quality, is to m in the mean, at most sameTile.
func (m mosaic) likeness(f thumb.Format, quality int) (int, error) {
	var decoded picture
	t := thumb.Transform{Format: f, Quality: quality}
	err := m.encode(t, animation{frames: 1}, false, func(file []byte) error {
		return result(C.thumbd_decode_gray(unsafe.Pointer(&file[0]), C.size_t(len(file)), names[f], &decoded.p))
	})
	if err != nil {
		return 0, err
	}
	defer decoded.close()
	if decoded.size() != m.size() {
		return 0, fmt.Errorf("%v became %v", m.size(), decoded.size())
	}
	all := make([]int, m.tiles)
	for i := range all {
		all[i] = tileLikeness(m.tile(m.picture, i), m.tile(decoded, i), m.size().X)
	}
	slices.Sort(all)
	worse := all[:(len(all)+1)/2]
	sum := 0
	for _, n := range worse {
		sum += n
	}
	return sum / len(worse), nil
}
