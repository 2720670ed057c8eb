// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"slices"
)

// ErrUnsupported is a file that is whole but that the worker can't read. The
// error that wraps it names the property, for example "TIFF: 12 bits a sample".
var ErrUnsupported = errors.New("this kind of file is not read")

// SampleKind says how the samples of a TIFF that libvips has read are converted.
type SampleKind uint8

// The values are those of ThumbdSampleKind.
const (
	PlainSamples SampleKind = iota // 8 or 16 bits unsigned, or a palette: nothing
	DeepSamples                    // 32 bits unsigned
	FloatSamples                   // 0 to 1: light, or what a profile says
	YCbCrSamples                   // 8 bits
	Lab8Samples
	Lab16Samples
)

// TIFF tells where the picture of a TIFF is and how its pixels lie.
type TIFF struct {
	// Page is the number of the picture's directory in the file's chain.
	// SubIFD is the number of the directory among the SubIFDs of that page, or
	// -1 if the page itself is the picture. Example: a raw file keeps a preview
	// in page 0 and its picture in SubIFD 0 of it.
	Page, SubIFD int
	// Size is the picture's, as it is stored.
	Size image.Point
	Kind SampleKind
	// Palette says that the colors are of a palette.
	Palette bool
	// Extra is the number of samples of a pixel after its color, and Alpha the index of
	// alpha among them, or -1.
	Extra, Alpha int
	// Luma and Reference are YCbCrCoefficients and ReferenceBlackWhite of
	// YCbCrSamples.
	Luma      [3]float64
	Reference [6]float64
}

// Tags of a TIFF directory that say how its pixels lie.
const (
	tagSubfileType     = 254
	tagOldSubfileType  = 255
	tagWidth           = 256
	tagHeight          = 257
	tagBits            = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagSamples         = 277
	tagPlanar          = 284
	tagPredictor       = 317
	tagTileWidth       = 322
	tagTileHeight      = 323
	tagSubIFDs         = 330
	tagInkSet          = 332
	tagExtraSamples    = 338
	tagSampleFormat    = 339
	tagYCbCrLuma       = 529
	tagYCbCrSubsample  = 530
	tagReferenceColors = 532
)

// ReadTIFF finds the picture of a TIFF and checks that the worker can read it.
// The picture is the first directory that is neither a reduced copy nor a mask
// of another one, or the first directory of all if there is no such directory.
// A picture that can't be read gives an error that wraps ErrUnsupported. The file
// has size bytes.
func ReadTIFF(file io.ReaderAt, size int64) (TIFF, error) {
	t, err := newTIFFReader(file, size)
	if err != nil {
		return TIFF{}, err
	}
	picture := TIFF{SubIFD: -1}
	d, err := t.picture(&picture)
	var x pixels
	if err == nil {
		x, err = d.describe(&picture)
	}
	if err == nil {
		err = t.checkTail(d, x)
	}
	if err != nil {
		return TIFF{}, fmt.Errorf("TIFF: %w", err)
	}
	return picture, nil
}

// tiffReader reads the directories of a TIFF or a BigTIFF.
type tiffReader struct {
	file  io.ReaderAt
	size  int64
	zeros int64 // where the zeros begin that the file ends in
	order byteOrder
	big   bool
	first int64
}

func newTIFFReader(file io.ReaderAt, size int64) (tiffReader, error) {
	head := readAt(file, 0, 8)
	t := tiffReader{file: file, size: size, zeros: zerosOf(file, size), order: orderOf(head)}
	if t.order != nil {
		t.first = int64(t.order.Uint32(head[4:]))
		return t, nil
	}
	if head = readAt(file, 0, 16); head == nil {
		return t, fmt.Errorf("TIFF: %w", ErrTruncated)
	}
	t.big, t.order = true, binary.LittleEndian
	if head[0] == 'M' {
		t.order = binary.BigEndian
	}
	t.first = int64(t.order.Uint64(head[8:]))
	return t, nil
}

// directory has the numbers of each entry of a TIFF directory. A fraction is two numbers.
type directory map[uint16][]uint64

// Bounds for a hostile file: the directories that are read, the entries of a directory,
// the numbers of an entry, and the chunks of a picture.
const maxDirectories, maxDirectoryEntries, maxNumbers, maxChunks = 64, 4096, 64, 1 << 20

// read returns the directory at a place of the file and the place of the next
// one, or 0.
func (t tiffReader) read(at int64) (directory, int64, error) {
	countSize, entrySize := int64(2), int64(12)
	if t.big {
		countSize, entrySize = 8, 20
	}
	b := readAt(t.file, at, countSize)
	if at <= 0 || b == nil {
		return nil, 0, ErrTruncated
	}
	count := t.number(b)
	if count > maxDirectoryEntries {
		return nil, 0, fmt.Errorf("%w: a directory of %d entries", ErrMalformed, count)
	}
	entries := readAt(t.file, at+countSize, int64(count)*entrySize)
	if entries == nil {
		return nil, 0, ErrTruncated
	}
	d := directory{}
	for e := range slices.Chunk(entries, int(entrySize)) {
		if tag := t.order.Uint16(e); d[tag] == nil {
			numbers, err := t.numbers(e)
			if err != nil {
				return nil, 0, fmt.Errorf("tag %d: %w", tag, err)
			}
			d[tag] = numbers
		}
	}
	// A last directory without the place of the next one is read everywhere.
	next := readAt(t.file, at+countSize+int64(len(entries)), t.placeSize())
	return d, int64(t.number(next)), nil
}

func (t tiffReader) placeSize() int64 {
	if t.big {
		return 8
	}
	return 4
}

// number returns the whole number that b is, of nothing 0.
func (t tiffReader) number(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(t.order.Uint16(b))
	case 4:
		return uint64(t.order.Uint32(b))
	case 8:
		return t.order.Uint64(b)
	}
	return 0
}

// Types of entries that are whole numbers or fractions, and the bytes of a
// number; and all types, with the bytes of a value.
var (
	numberSizes = map[uint16]int64{1: 1, 3: 2, 4: 4, 5: 4, 13: 4, 16: 8, 18: 8}
	valueSizes  = map[uint16]int64{
		1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8,
	}
)

// checkEnd returns ErrTruncated if the file ends before the last of count values of
// a type. place is the entry's field that holds the values or their place.
func (t tiffReader) checkEnd(kind uint16, count uint64, place []byte) error {
	const most = 1 << 40 // values
	length := int64(min(count, most)) * valueSizes[kind]
	if length <= int64(len(place)) {
		return nil
	}
	at := t.number(place)
	if count > most || at > math.MaxInt64/2 || readAt(t.file, int64(at)+length-1, 1) == nil {
		return ErrTruncated
	}
	return nil
}

// most is the number of numbers that are read of an entry at most. For the places of
// chunks it is large enough for all chunks.
func most(tag uint16) uint64 {
	if tag == tagStrips || tag == tagTiles {
		return maxChunks
	}
	return maxNumbers
}

// numbers returns the numbers of an entry, as many as most says, or nil if they
// are of another type. It returns ErrTruncated if the file ends before the last
// value, for example of a profile, or ends in zeros instead of a profile's data.
func (t tiffReader) numbers(entry []byte) ([]uint64, error) {
	tag, kind := t.order.Uint16(entry), t.order.Uint16(entry[2:])
	size := numberSizes[kind]
	count := t.number(entry[4 : 4+t.placeSize()])
	place := entry[4+t.placeSize():]
	if err := t.checkEnd(kind, count, place); err != nil {
		return nil, err
	}
	if tag == tagProfile && count > leastTail && t.isUnwritten(int64(t.number(place)), int64(count)) {
		return nil, ErrTruncated
	}
	if size == 0 || count == 0 {
		return nil, nil
	}
	count = min(count, most(tag))
	if kind == 5 {
		count *= 2
	}
	length := int64(count) * size
	if length > int64(len(place)) {
		if place = readAt(t.file, int64(t.number(place)), length); place == nil {
			return nil, ErrTruncated
		}
	}
	var numbers []uint64
	for b := range slices.Chunk(place[:length], int(size)) {
		numbers = append(numbers, t.number(b))
	}
	return numbers, nil
}

// picture returns the directory of the file's picture and sets p's Page and
// SubIFD.
func (t tiffReader) picture(p *TIFF) (directory, error) {
	var first directory
	at, left := t.first, maxDirectories
	for page := 0; at != 0 && left > 0; page++ {
		d, next, err := t.read(at)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = d
		}
		if !d.reduced() {
			p.Page, p.SubIFD = page, -1
			return d, nil
		}
		for i, sub := range d[tagSubIFDs] {
			if left--; left < 0 {
				break
			}
			if s, _, err := t.read(int64(sub)); err == nil && !s.reduced() {
				p.Page, p.SubIFD = page, i
				return s, nil
			}
		}
		at, left = next, left-1
	}
	if first == nil {
		return nil, ErrMalformed
	}
	return first, nil
}

// reduced reports whether a directory is a smaller copy of another one, or its
// mask.
func (d directory) reduced() bool {
	const reducedCopy, mask, oldReducedCopy = 1, 4, 2
	return d.get(tagSubfileType, 0)&(reducedCopy|mask) != 0 || d.get(tagOldSubfileType, 0) == oldReducedCopy
}

// get returns the first number of an entry, or missing if there is no such entry.
func (d directory) get(tag uint16, missing uint64) uint64 {
	if numbers := d[tag]; len(numbers) > 0 {
		return numbers[0]
	}
	return missing
}

// same returns the number that an entry has for each of the samples.
func (d directory) same(tag uint16, missing uint64) (uint64, error) {
	n := d.get(tag, missing)
	for _, other := range d[tag] {
		if other != n {
			return 0, unsupported("samples of %d and %d in tag %d", n, other, tag)
		}
	}
	return n, nil
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
}

// Photometric interpretations.
const (
	minIsWhite = 0
	minIsBlack = 1
	isRGB      = 2
	isPalette  = 3
	isCMYK     = 5
	isYCbCr    = 6
	isLab      = 8
)

// colorsOf are the samples of a pixel that are its color.
var colorsOf = map[uint64]int{minIsWhite: 1, minIsBlack: 1, isRGB: 3, isPalette: 1, isCMYK: 4, isYCbCr: 3, isLab: 3}

// pixels is the layout of the pixels by a directory.
type pixels struct {
	photometric, bits, format, samples, planar, compression, predictor uint64
	colors                                                             int
	tiled                                                              bool
	extra                                                              []uint64 // ExtraSamples
}

// describe returns how the pixels lie and sets p's fields of that, or returns why
// they can't be read.
func (d directory) describe(p *TIFF) (pixels, error) {
	width, height := d.get(tagWidth, 0), d.get(tagHeight, 0)
	if width == 0 || height == 0 || max(width, height) > 1<<31-1 {
		return pixels{}, fmt.Errorf("%w: %dx%d pixels", ErrMalformed, width, height)
	}
	p.Size = image.Pt(int(width), int(height))
	x, err := d.pixels()
	if err != nil {
		return x, err
	}
	for _, check := range []func(directory) error{x.checkColor, x.checkExtra, x.checkLayout, x.checkTiles, x.checkCompression} {
		if err := check(d); err != nil {
			return x, err
		}
	}
	p.Kind, p.Palette = x.kind(), x.photometric == isPalette
	p.Extra, p.Alpha = int(x.samples)-x.colors, x.alpha()
	if p.Kind == YCbCrSamples {
		return x, d.describeYCbCr(p)
	}
	return x, nil
}

func (d directory) pixels() (pixels, error) {
	x := pixels{
		samples: d.get(tagSamples, 1), planar: d.get(tagPlanar, 1), compression: d.get(tagCompression, 1),
		predictor: d.get(tagPredictor, 1), tiled: d[tagTileWidth] != nil, extra: d[tagExtraSamples],
	}
	var err error
	if x.bits, err = d.same(tagBits, 1); err != nil {
		return x, err
	}
	if x.format, err = d.same(tagSampleFormat, 1); err != nil {
		return x, err
	}
	if x.format == 4 { // undefined
		x.format = 1
	}
	if d[tagPhotometric] == nil {
		return x, unsupported("no photometric interpretation")
	}
	x.photometric = d.get(tagPhotometric, 0)
	x.colors = colorsOf[x.photometric]
	if x.colors == 0 {
		return x, unsupported("photometric interpretation %d", x.photometric)
	}
	if x.samples < uint64(x.colors) || x.samples > uint64(x.colors)+16 {
		return x, unsupported("%d samples a pixel of photometric interpretation %d", x.samples, x.photometric)
	}
	return x, nil
}

const unsignedFormat, signedFormat, floatFormat = 1, 2, 3

// checkColor refuses samples that the kind of color can't have.
func (x pixels) checkColor(d directory) error {
	var allowed []uint64
	switch {
	case x.format == signedFormat:
		return unsupported("signed samples")
	case x.format == floatFormat && (x.photometric == isRGB || x.photometric <= minIsBlack):
		allowed = []uint64{32}
		if x.photometric == minIsWhite {
			return unsupported("floating point of which 0 is white")
		}
	case x.format != unsignedFormat:
		return unsupported("sample format %d with photometric interpretation %d", x.format, x.photometric)
	case x.photometric <= minIsBlack:
		allowed = []uint64{1, 2, 4, 8, 16, 32}
	case x.photometric == isPalette:
		allowed = []uint64{1, 2, 4, 8, 16}
	case x.photometric == isYCbCr:
		allowed = []uint64{8}
	case x.photometric == isLab:
		allowed = []uint64{8, 16}
	default:
		allowed = []uint64{8, 16, 32}
	}
	if !slices.Contains(allowed, x.bits) {
		kind := "bits"
		if x.format == floatFormat {
			kind = "bits of floating point"
		}
		return unsupported("%d %s a sample with photometric interpretation %d", x.bits, kind, x.photometric)
	}
	if x.photometric == isCMYK && d.get(tagInkSet, 1) != 1 {
		return unsupported("inks that are not CMYK")
	}
	return nil
}

// Kinds of extra samples.
const multiplied, straight = 1, 2

// alpha returns the index of alpha among the extra samples, or -1. If a pixel has one
// sample more than its color, and the directory does not describe it, it counts as
// alpha, as in other programs.
func (x pixels) alpha() int {
	if len(x.extra) == 0 && x.samples == uint64(x.colors)+1 {
		return 0
	}
	for i, kind := range x.extra[:min(len(x.extra), int(x.samples)-x.colors)] {
		if kind == multiplied || kind == straight {
			return i
		}
	}
	return -1
}

// checkExtra refuses samples beside the color if libvips does not read them, or not as
// they are meant.
func (x pixels) checkExtra(directory) error {
	more := x.samples - uint64(x.colors)
	switch {
	case more == 0:
		return nil
	case x.bits < 8:
		return unsupported("%d samples of %d bits a pixel", x.samples, x.bits)
	case x.photometric == isYCbCr, x.photometric == isLab:
		return unsupported("samples beside those of photometric interpretation %d", x.photometric)
	case x.photometric == isCMYK && x.bits > 8:
		return unsupported("CMYK of %d bits a sample with others beside it", x.bits)
	case more > 4, more > 1 && len(x.extra) == 0:
		return unsupported("%d samples a pixel", x.samples)
	case !slices.Contains(x.extra, multiplied):
		return nil
	case x.bits == 32, x.photometric != isRGB && x.photometric != minIsBlack:
		return unsupported("colors multiplied by alpha in %d bits a sample with photometric interpretation %d", x.bits, x.photometric)
	case slices.Index(x.extra, multiplied) != x.alpha():
		return unsupported("two alphas a pixel")
	}
	return nil
}

// checkLayout refuses planes that libvips does not put together.
func (x pixels) checkLayout(d directory) error {
	switch {
	case x.planar == 1:
		return nil
	case x.planar != 2:
		return unsupported("planar configuration %d", x.planar)
	case x.tiled:
		return unsupported("planes in tiles")
	case x.bits < 8:
		return unsupported("planes of %d bits a sample", x.bits)
	case x.samples > 1 && x.photometric != isRGB && x.photometric != isCMYK:
		return unsupported("%d planes of photometric interpretation %d", x.samples, x.photometric)
	}
	return nil
}

// checkTiles refuses tiles that some libvips does not read.
func (x pixels) checkTiles(d directory) error {
	if !x.tiled {
		return nil
	}
	w, h := d.get(tagTileWidth, 0), d.get(tagTileHeight, 0)
	side := max(d.get(tagWidth, 0), d.get(tagHeight, 0))
	most := min(8192, (2*side+255)/256*256)
	if w == 0 || h == 0 || w%16 != 0 || h%16 != 0 || w > most || h > most {
		return unsupported("tiles of %dx%d pixels", w, h)
	}
	return nil
}

// Compressions that have rules of their own.
const jpegCompression, webpCompression = 7, 50001

// anySamples are the compressions that take samples of any kind: none, LZW,
// Deflate by its two numbers, PackBits, LZMA and Zstandard.
var anySamples = []uint64{1, 5, 8, 32946, 32773, 34925, 50000}

// checkCompression refuses a compression if libtiff can't decompress it, or not with such
// samples.
func (x pixels) checkCompression(d directory) error {
	mismatch := unsupported("compression %d with %d samples of %d bits of photometric interpretation %d",
		x.compression, x.samples, x.bits, x.photometric)
	switch x.compression {
	case 2, 3, 4: // CCITT
		if x.bits != 1 || x.photometric > minIsBlack {
			return mismatch
		}
	case jpegCompression:
		if x.bits != 8 || x.samples != uint64(x.colors) || x.photometric == isPalette || x.photometric == isLab || x.planar == 2 && x.samples > 1 {
			return mismatch
		}
	case webpCompression:
		if x.bits != 8 || x.photometric != isRGB || x.samples > 4 || x.planar == 2 {
			return mismatch
		}
	default:
		if !slices.Contains(anySamples, x.compression) {
			return unsupported("compression %d", x.compression)
		}
		if !x.predicts() {
			return unsupported("predictor %d with samples of %d bits", x.predictor, x.bits)
		}
		if x.photometric == isYCbCr && !slices.Equal(d[tagYCbCrSubsample], []uint64{1, 1}) {
			return unsupported("YCbCr of less color than light")
		}
	}
	return nil
}

// predicts reports whether libtiff knows the predictor for such samples.
func (x pixels) predicts() bool {
	switch x.predictor {
	case 1:
		return true
	case 2:
		return x.bits >= 8
	case 3:
		return x.format == floatFormat
	}
	return false
}

func (x pixels) kind() SampleKind {
	switch {
	case x.photometric == isYCbCr && x.compression != jpegCompression:
		return YCbCrSamples
	case x.photometric == isLab && x.bits == 8:
		return Lab8Samples
	case x.photometric == isLab:
		return Lab16Samples
	case x.format == floatFormat:
		return FloatSamples
	case x.bits == 32:
		return DeepSamples
	}
	return PlainSamples
}

// describeYCbCr sets how the colors of p become red, green and blue.
func (d directory) describeYCbCr(p *TIFF) error {
	p.Luma = [3]float64{0.299, 0.587, 0.114}
	p.Reference = [6]float64{0, 255, 128, 255, 128, 255}
	for _, list := range []struct {
		tag uint16
		to  []float64
	}{{tagYCbCrLuma, p.Luma[:]}, {tagReferenceColors, p.Reference[:]}} {
		fractions := d[list.tag]
		if fractions == nil {
			continue
		}
		if len(fractions) != 2*len(list.to) {
			return unsupported("tag %d of %d numbers", list.tag, len(fractions))
		}
		for i := range list.to {
			list.to[i] = float64(fractions[2*i]) / float64(fractions[2*i+1])
		}
	}
	r := p.Reference
	// Also of fractions with nothing below the line.
	for _, v := range []float64{p.Luma[0], p.Luma[1], p.Luma[2], r[1] - r[0], r[3] - r[2], r[5] - r[4]} {
		if !(v > 0 && v < 1e6) {
			return unsupported("YCbCr of other colors than can be")
		}
	}
	return nil
}
