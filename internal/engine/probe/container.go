// SPDX-License-Identifier: MIT

package probe

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"io"
	"slices"
	"strings"

	"thumbd/internal/thumb"
)

// The faults of a file after its first bytes were right.
var (
	ErrTruncated = errors.New("the file ends inside the picture")
	ErrMalformed = errors.New("the file is malformed")
	// ErrChunks is a PNG that would keep its decoder busy with all but pixels.
	ErrChunks = errors.New("the PNG has too many texts or other chunks")
)

// Container has the facts about a file that Walk finds without decoding it.
type Container struct {
	// Size is the canvas of a GIF, WebP or JPEG in pixels. For a TIFF, AVIF or HEIC it is
	// 0x0 until ReadTIFF or ReadHEIF has found it.
	Size image.Point
	// Frames is how many frames an animation has, and 1 for others.
	Frames int
	// Film says that a PNG is an animation (APNG). Only a still of it is decoded.
	Film bool
	// NoEnd says that the end marker of a JPEG, PNG or GIF is missing, perhaps with
	// other data in its place. The
	// picture may be whole all the same: Prove finds out.
	NoEnd bool
	// Zeros says that the data of a WebP ends in zeros. The picture may be whole,
	// and flat at its end: Prove finds out.
	Zeros bool
	// Trailer is the place of a GIF's end marker. If the end marker of a JPEG, PNG or GIF
	// is missing, it is the place where the marker belongs.
	Trailer int64
	// Drawing is the root element of an SVG.
	Drawing Drawing
	// Bare says that a GIF's first frame does not cover the canvas, so the rest is
	// transparent, but no frame has a transparent color and none is Cleared.
	Bare bool
	// Cleared has the places of a GIF frame's flags, for each frame that is taken away
	// after it was shown, has no transparent color and does not use color number 255. It
	// has at most as many as Walk's maxFrames.
	Cleared []int64
	// First is the end of the first frame of a GIF or an animated WebP.
	First int64
	// Metadata are the chunks of a WebP that follow its frames and describe it.
	Metadata []Section
	// Excess is the tRNS chunk of a PNG with a palette, from its length to its
	// checksum, if it has more entries than the palette. Colors is the length of the
	// palette. Browsers ignore the entries beyond the palette, libpng the whole chunk.
	Excess Section
	Colors int64
	// Palette says that the colors of a PNG or GIF are of a palette.
	Palette bool
	// Alone says that of an animation only the first frame is to be decoded: the
	// file up to Trailer, and Metadata.
	Alone bool
}

// Section is a part of a file, in bytes.
type Section struct {
	At, Length int64
}

// Walk goes through the structure of a file of format f, size bytes long, to
// the end of its picture. If the file ends before, it returns ErrTruncated. It counts all
// frames, but keeps facts about at most maxFrames of them. It may refuse an SVG with
// ErrUnsafe or ErrUnsupported and a PNG with ErrChunks. If f is TIFF or unknown, there is
// no such structure, and the Container is empty.
func Walk(f thumb.Format, r io.ReaderAt, size int64, maxFrames int) (Container, error) {
	s := &scanner{file: r, size: size, frames: maxFrames}
	c := Container{Frames: 1}
	switch f {
	case thumb.JPEG:
		c = s.jpeg()
	case thumb.PNG:
		c = s.png()
	case thumb.GIF:
		c = s.gif()
	case thumb.WebP:
		c = s.webp()
	case thumb.AVIF, thumb.HEIC:
		s.boxes()
	case thumb.JXL:
		s.jxl()
	case thumb.SVG:
		c = s.svg()
	}
	if s.err == nil {
		return c, nil
	}
	return Container{}, fmt.Errorf("%v at byte %d: %w", f, s.at, s.err)
}

// FirstFrame returns the part of an animation that a decoder needs for its first frame.
// If a decoder saw the whole file, it would make a list of all frames.
func (c Container) FirstFrame(f thumb.Format, r io.ReaderAt) (Container, error) {
	first := c
	if f == thumb.GIF {
		var err error
		if first, err = Walk(f, r, c.First, 1); err != nil {
			return first, err
		}
	}
	first.Trailer, first.Alone = c.First, true
	return first, nil
}

// Prove checks if a picture with NoEnd or Zeros is whole, and sets Trailer. If the picture is
// not whole, Prove returns ErrTruncated or ErrMalformed. It does not look at a PNG: the
// decoder reads all of a PNG, and its checksums.
func (c *Container) Prove(f thumb.Format, r io.ReaderAt, size int64) (err error) {
	switch f {
	case thumb.JPEG:
		c.Trailer, err = WholeJPEG(r, size)
	case thumb.GIF:
		err = wholeGIF(r, c.Trailer, size)
	case thumb.WebP:
		err = wholeWebP(r, size)
	}
	if err != nil {
		return fmt.Errorf("%v with a missing end or zeros there: %w", f, err)
	}
	return nil
}

// scanner reads a file from front to back. After an error every read is of
// zeros, and more() is false.
type scanner struct {
	file   io.ReaderAt
	size   int64
	at     int64 // of the next byte
	frames int   // about which something is kept
	err    error
	ahead  *bufio.Reader // stands at at, while it is used
	junk   int64         // bytes before the marker that was read last
	word   [30]byte
}

func (s *scanner) more() bool { return s.err == nil }

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// next returns the n bytes that follow, at most 30, valid until the next call.
func (s *scanner) next(n int) []byte {
	b := s.word[:n]
	clear(b)
	if s.err != nil {
		return b
	}
	var err error
	if s.ahead != nil {
		_, err = io.ReadFull(s.ahead, b)
	} else if _, err = s.file.ReadAt(b, s.at); s.at+int64(n) <= s.size && errors.Is(err, io.EOF) {
		err = nil
	}
	s.at += int64(n)
	s.check(err)
	return b
}

// skip skips n bytes. They must be in the file.
func (s *scanner) skip(n int64) {
	if s.err != nil {
		return
	}
	if n < 0 || n > s.size-s.at {
		s.fail(ErrTruncated)
		return
	}
	s.at += n
	if s.ahead != nil {
		_, err := io.CopyN(io.Discard, s.ahead, n)
		s.check(err)
	}
}

// buffered makes the reads that follow go through a buffer: for structures of
// small pieces.
func (s *scanner) buffered() {
	s.ahead = bufio.NewReaderSize(io.NewSectionReader(s.file, s.at, s.size-s.at), 64<<10)
}

func (s *scanner) check(err error) {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.fail(ErrTruncated)
	case err != nil:
		s.fail(err)
	}
}

// Limits of chunks beside the pixels: honest pictures have a few. libpng inflates each
// compressed text, to 8 MB, every time it reads the header.
const (
	maxPNGTexts  = 32 // compressed
	maxPNGChunks = 10_000
)

// png walks the chunks to IEND. If the file ends before IEND or within it, and no other
// chunk is cut off, the chunks do not tell if rows are missing.
func (s *scanner) png() Container {
	c := Container{Frames: 1}
	s.skip(8)
	texts, chunks, pixels := 0, 0, false
	colors := int64(0)
	for s.more() {
		c.Trailer = s.at
		if pixels && s.size-s.at < 8 {
			c.NoEnd = true
			return c
		}
		head := s.next(8)
		length, kind := int64(binary.BigEndian.Uint32(head)), string(head[4:8])
		switch kind {
		case "IHDR":
			var n int64
			n, c.Palette = s.pngHeader()
			length -= n
		case "PLTE":
			colors = length / 3
			chunks++
		case "tRNS":
			if c.Palette && length > colors && colors > 0 && c.Excess.Length == 0 {
				c.Excess, c.Colors = Section{s.at - 8, length + 12}, colors
			}
			chunks++
		case "IEND":
			c.NoEnd = pixels && s.size-s.at < 4
			if !c.NoEnd {
				s.skip(length + 4)
				c.Trailer = 0
			}
			return c
		case "acTL":
			// Behind the pixels it says nothing.
			c.Film = c.Film || !pixels
			chunks++
		case "IDAT":
			pixels = true
		case "zTXt", "iTXt":
			texts++
			fallthrough
		default:
			chunks++
		}
		if !isChunk(kind) {
			s.fail(ErrMalformed)
		}
		if texts > maxPNGTexts || chunks > maxPNGChunks {
			s.fail(ErrChunks)
		}
		s.skip(length + 4)
	}
	return c
}

// pngHeader reads the size and the type of colors in an IHDR. It returns the number
// of bytes that it read, and if the colors are of a palette.
func (s *scanner) pngHeader() (n int64, palette bool) {
	const most = 1_000_000 // PNG_USER_WIDTH_MAX and PNG_USER_HEIGHT_MAX of libpng
	b := s.next(10)
	w, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if max(w, h) > most {
		s.fail(unsupported("%dx%d pixels, of which a side is over %d", w, h, most))
	}
	return 10, b[9] == 3
}

// CheckSums returns ErrMalformed if a checksum of a PNG's pixels is wrong, and
// ErrTruncated if the file ends in the pixels.
func CheckSums(r io.ReaderAt, size int64) error {
	s := &scanner{file: r, size: size}
	s.skip(8)
	for s.more() && s.size-s.at >= 8 {
		at := s.at
		head := s.next(8)
		length, kind := int64(binary.BigEndian.Uint32(head)), string(head[4:])
		if kind == "IEND" {
			break
		}
		s.skip(length)
		if sum := s.next(4); kind == "IDAT" && s.more() {
			want, got := binary.BigEndian.Uint32(sum), crc32.NewIEEE()
			_, err := io.Copy(got, io.NewSectionReader(r, at+4, length+4))
			s.check(err)
			if got.Sum32() != want {
				s.fail(fmt.Errorf("%w: the checksum at byte %d is wrong", ErrMalformed, at+8+length))
			}
		}
	}
	return s.err
}

// isChunk reports whether kind names a chunk of a PNG: by four letters.
func isChunk(kind string) bool {
	for _, c := range []byte(kind) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// webp walks the chunks of the RIFF. The RIFF has its own length.
func (s *scanner) webp() Container {
	c := Container{Frames: 1}
	end := int64(binary.LittleEndian.Uint32(s.next(12)[4:])) + 8
	if end > s.size {
		s.fail(ErrTruncated)
	}
	animated, kind := false, ""
	frames := 0
	for s.more() && s.at+8 <= end {
		head := s.next(8)
		kind = string(head[:4])
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		next := s.at + length + length%2
		if c.Size == (image.Point{}) {
			c.Size = s.webpSize(kind)
			animated = kind == "VP8X" && s.word[0]&2 != 0
		}
		switch kind {
		case "ANMF":
			if frames++; frames == 1 {
				c.First = next
			}
		case "EXIF", "XMP ":
			if kind == "EXIF" && s.more() && next <= s.size && !isWritten(readAt(s.file, s.at, min(length, mostEXIF)), end < s.size) {
				s.fail(ErrTruncated)
			}
			c.keepMetadata(Section{s.at - 8, next - s.at + 8})
		}
		if strings.Contains(kind, zeroKind) {
			s.fail(ErrMalformed)
		}
		s.skip(next - s.at)
	}
	if animated {
		c.Frames = frames
	}
	if s.err == nil && (c.Size == (image.Point{}) || c.Frames == 0) {
		s.fail(ErrMalformed)
	}
	c.Zeros = (kind == "ANMF" || kind == "VP8 " || kind == "VP8L") && s.zerosBefore(s.at, fewZeros)
	return c
}

// keepMetadata notes a chunk of metadata behind the frames of a WebP. A WebP may have two,
// EXIF and XMP; if there are more, they are ignored.
func (c *Container) keepMetadata(chunk Section) {
	if c.First > 0 && len(c.Metadata) < 2 {
		c.Metadata = append(c.Metadata, chunk)
	}
}

// webpSize returns the size that the first chunk states.
func (s *scanner) webpSize(kind string) image.Point {
	switch kind {
	case "VP8X":
		b := s.next(10)
		return image.Pt(1+uint24(b[4:]), 1+uint24(b[7:]))
	case "VP8 ":
		b := s.next(10)
		return image.Pt(
			int(binary.LittleEndian.Uint16(b[6:])&0x3fff),
			int(binary.LittleEndian.Uint16(b[8:])&0x3fff))
	case "VP8L":
		bits := binary.LittleEndian.Uint32(s.next(5)[1:])
		return image.Pt(1+int(bits&0x3fff), 1+int(bits>>14&0x3fff))
	}
	s.fail(ErrMalformed)
	return image.Point{}
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// jxl walks the boxes of a JPEG XL file. One without boxes has no structure.
func (s *scanner) jxl() {
	if s.next(1)[0] == 0 {
		s.at = 0
		s.boxes()
	}
}

// boxes walks the boxes of the file's top level. Data of HEVC and AV1 has no run
// of zeros at its end: AV1's range coder writes a bit that is one last, HEVC
// nowhere has three zeros in a row.
func (s *scanner) boxes() {
	data := int64(0)   // where that of the last mdat ends
	described := false // by a meta box, of which a file has one
	for s.more() && s.at < s.size {
		head := s.next(8)
		kind := string(head[4:])
		length := int64(binary.BigEndian.Uint32(head)) - 8
		switch length + 8 {
		case 0: // to the end of the file, wherever that is
			length = s.size - s.at
			if !slices.Contains(endlessBoxes, kind) {
				s.fail(ErrMalformed)
			}
		case 1:
			length = int64(binary.BigEndian.Uint64(s.next(8))) - 16
		}
		if length < 0 || strings.Contains(kind, zeroKind) || slices.Contains(innerBoxes, kind) || kind == "meta" && described {
			s.fail(ErrMalformed)
		}
		described = described || kind == "meta"
		if s.skip(length); kind == "mdat" && length >= fewZeros {
			data = s.at
		}
	}
	if data > 0 && s.zerosBefore(data, fewZeros) {
		s.fail(ErrTruncated)
	}
}

// innerBoxes are parts of a meta box. At the top level they are of another picture,
// behind one that was cut.
var innerBoxes = []string{"hdlr", "iinf", "iloc", "infe", "ipco", "ipma", "iprp", "iref", "pitm"}

// endlessBoxes are the boxes that may have no length, for they end with the file. If
// another box has no length, the first file was cut in its mdat, and the box is part of a
// second file. mpvd has the video that a phone adds to a photograph.
var endlessBoxes = []string{"mdat", "meta", "moov", "free", "skip", "uuid", "mpvd"}

// zeroKind is in the kind of a box or chunk of a file that was made as long as it
// shall be but not yet written to its end.
const zeroKind = "\x00"

// fewZeros is a number of zeros: honest data of HEVC, AV1 and lossless WebP ends with
// fewer. Of 100 such files of flat, half-flat and noisy pictures, by libaom, x265 and
// libwebp with several settings, none ended with more than 4 zeros. Lossy WebP ends with
// up to 746.
const fewZeros = 8

// zerosBefore reports whether the file has n zeros before a place.
func (s *scanner) zerosBefore(at, n int64) bool {
	if s.err != nil || at < n {
		return false
	}
	b := make([]byte, n)
	if _, err := s.file.ReadAt(b, at-n); err != nil && !errors.Is(err, io.EOF) {
		s.fail(err)
	}
	return len(bytes.Trim(b, "\x00")) == 0
}
