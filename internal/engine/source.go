// SPDX-License-Identifier: MIT

package engine

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"

	"thumbd/internal/engine/probe"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// oneFrame is the frame of a GIF, of one pixel, that has a transparent color, and
// the trailer.
const oneFrame = "!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x80\x00\x00\x00\xff\xff\xff\x02\x02\x44\x01\x00;"

// ends are the markers that end a file.
var ends = map[thumb.Format]string{
	thumb.JPEG: "\xff\xd9",
	thumb.PNG:  "\x00\x00\x00\x00IEND\xaeB\x60\x82",
	thumb.GIF:  ";",
}

// newSource returns the bytes that libvips reads: the file, or a corrected copy of it.
func (o *original) newSource() (source, error) {
	// The descriptor may have been read before, by a worker that crashed.
	if _, err := o.file.Seek(0, io.SeekStart); err != nil {
		return source{}, err
	}
	c := o.container
	if c.Excess.Length > 0 {
		return o.withoutExcess()
	}
	if len(o.heif.Turns) > 0 {
		return o.withoutTurns()
	}
	if !c.Alone && !c.Bare && !c.NoEnd && len(c.Cleared) == 0 {
		return newSource(o.file)
	}
	all := make([]byte, c.Trailer, c.Trailer+int64(len(oneFrame)))
	if _, err := o.file.ReadAt(all, 0); err != nil {
		return source{}, err
	}
	if o.format == thumb.WebP {
		return o.firstOfWebP(all)
	}
	// If a frame has no transparent color and is cleared, libvips shows the background
	// color there, but browsers show the page. So the frame gets a transparent color,
	// unless it uses all 256 colors.
	for _, at := range c.Cleared {
		all[at] |= 1
		all[at+3] = 255
	}
	if c.Bare {
		// libvips gives all frames alpha if one has it: this frame has, and is not
		// loaded.
		return newSourceOf(append(all, oneFrame...))
	}
	return newSourceOf(append(all, ends[o.format]...))
}

// withoutTurns is a source of an AVIF or HEIC that libheif does not turn: read turns the
// picture like all others. libheif loses the alpha if the container turns only the
// picture, and up to version 1.15 it does not mirror more than 8 bits.
func (o *original) withoutTurns() (source, error) {
	all := make([]byte, o.length)
	if _, err := io.ReadFull(io.NewSectionReader(o.file, 0, o.length), all); err != nil {
		return source{}, err
	}
	for _, at := range o.heif.Turns {
		copy(all[at-4:], "irot\x00")
	}
	return newSourceOf(all)
}

// withoutExcess is a source of a PNG whose tRNS chunk ends with its palette.
func (o *original) withoutExcess() (source, error) {
	c := o.container
	all := make([]byte, o.length)
	if _, err := io.ReadFull(io.NewSectionReader(o.file, 0, o.length), all); err != nil {
		return source{}, err
	}
	if c.NoEnd {
		all = append(all[:c.Trailer], ends[thumb.PNG]...)
	}
	chunk := all[c.Excess.At:][:c.Excess.Length]
	sum := len(chunk) - 4
	// A chunk with a wrong checksum does not count.
	if crc32.ChecksumIEEE(chunk[4:sum]) != binary.BigEndian.Uint32(chunk[sum:]) {
		return newSourceOf(all)
	}
	short := binary.BigEndian.AppendUint32(nil, uint32(c.Colors))
	short = append(short, chunk[4:8+c.Colors]...)
	short = binary.BigEndian.AppendUint32(short, crc32.ChecksumIEEE(short[4:]))
	return newSourceOf(slices.Concat(all[:c.Excess.At], short, all[c.Excess.At+c.Excess.Length:]))
}

// firstOfWebP is a source of an animated WebP's first frame: head, which ends behind
// this frame, and the metadata from the end of the file.
func (o *original) firstOfWebP(head []byte) (source, error) {
	for _, s := range o.container.Metadata {
		chunk := make([]byte, s.Length)
		if _, err := o.file.ReadAt(chunk, s.At); err != nil && !errors.Is(err, io.EOF) {
			return source{}, err
		}
		head = append(head, chunk...)
	}
	binary.LittleEndian.PutUint32(head[4:], uint32(len(head)-8))
	return newSourceOf(head)
}

// read opens the original with libvips as l says. If libvips' loader does not set the
// orientation, the profile or the alpha right, read does.
func (o *original) read(l loading) (picture, error) {
	o.isDecoded = true
	switch o.format {
	case thumb.TIFF:
		return o.readTIFF(l)
	case thumb.SVG:
		return o.readSVG(l)
	}
	p, err := o.source.load(l)
	if err != nil {
		return p, o.damaged(err)
	}
	if len(o.heif.Turns) > 0 {
		p.orient(o.heif.Orientation)
	}
	if o.made != nil {
		p.embed(o.made)
	}
	if c := o.coloring; p.alpha() && (c.Multiplied || c.LimitedAlpha) {
		defer p.close()
		straight, err := p.straighten(c.Multiplied, c.LimitedAlpha)
		if err != nil {
			return straight, o.damaged(err)
		}
		return straight, nil
	}
	return p, nil
}

// keepHeader sets the header again if it was taken.
func (o *original) keepHeader() (err error) {
	if o.header.none() {
		o.header, err = o.read(loading{format: o.format, divisor: 1, scale: 1, frames: 1})
	}
	return err
}

// readTIFF opens the picture that probe has found in a TIFF.
func (o *original) readTIFF(l loading) (picture, error) {
	l.page, l.subifd = o.tiff.Page, o.tiff.SubIFD
	raw, err := o.source.load(l)
	if err != nil {
		return raw, o.damaged(err)
	}
	defer raw.close()
	if raw.size() != o.tiff.Size {
		return picture{}, failed(wire.Damaged, "libvips reads %v of a TIFF of %v", raw.size(), o.tiff.Size)
	}
	if err := o.checkLight(raw); err != nil {
		return picture{}, err
	}
	p, err := raw.samples(o.tiff)
	if err != nil {
		return p, failed(wire.Unsupported, "TIFF: %w", err)
	}
	if block := probe.TIFFBlock(o.file); block != nil {
		p.describe(block)
	}
	return p, nil
}

// readSVG opens the drawing as one of l.size: its root element, as the file has
// it, may be of any size.
func (o *original) readSVG(l loading) (picture, error) {
	d := o.container.Drawing
	all := make([]byte, o.length)
	if _, err := io.ReadFull(io.NewSectionReader(o.file, 0, o.length), all); err != nil {
		return picture{}, failed(wire.Internal, "read %v: %w", o.format, err)
	}
	source, err := newSourceOf(slices.Concat(all[:d.From], d.Root(all[d.From:d.To], l.size), all[d.To:]))
	if err != nil {
		return picture{}, failed(wire.Internal, "open %v: %w", o.format, err)
	}
	defer source.close()
	p, err := source.load(l)
	if err != nil {
		return p, o.damaged(err)
	}
	if p.size() != l.size {
		defer p.close()
		return picture{}, failed(wire.Unsupported, "%v: a style sheet makes %v of %v", o.format, p.size(), l.size)
	}
	return p, nil
}

// checkLight refuses samples of floating point that would be all white or all
// black: measurements, for example heights in meters.
func (o *original) checkLight(raw picture) error {
	if o.tiff.Kind != probe.FloatSamples || !raw.floats() {
		return nil
	}
	mean, err := raw.mean()
	if err != nil {
		return o.damaged(err)
	}
	if !(mean >= 0 && mean <= 1) {
		return failed(wire.Unsupported, "TIFF: samples of floating point that are %g on average, not 0 to 1", mean)
	}
	return nil
}
