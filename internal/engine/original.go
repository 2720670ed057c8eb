// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"slices"

	"thumbd/internal/engine/plane"
	"thumbd/internal/engine/probe"
	"thumbd/internal/geometry"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// profileUse is the use that a render makes of an embedded color profile.
type profileUse uint8

// The values are those of ThumbdProfile.
const (
	ignoreProfile profileUse = iota
	relativeProfile
	perceptualProfile
)

// failure is an error with its kind.
type failure struct {
	kind  wire.Failure
	cause error
}

func (f *failure) Error() string { return f.cause.Error() }
func (f *failure) Unwrap() error { return f.cause }

func failed(kind wire.Failure, format string, args ...any) error {
	return &failure{kind, fmt.Errorf(format, args...)}
}

// original is an open file with a header that is within the limits.
type original struct {
	file        *os.File
	length      int64
	format      thumb.Format
	source      source
	header      picture // with unread pixels; none after load has taken it
	stored      image.Point
	orientation int
	coloring    probe.Coloring
	profile     profileUse
	made        []byte // a profile that the file does not have, or nil
	scalable    bool   // by WebP's decoder
	memory      int64  // that a render may take at once, about
	frames      int    // of an animation; 1: a still
	container   probe.Container
	tiff        probe.TIFF
	heif        probe.HEIF
	isDecoded   bool // in part at least: a decoder in C has seen it
	isRead      bool // all of it was decoded, and is whole
	group       group
	// left says that package jpeg or package png has left the file to libvips.
	left bool
}

// open checks a file against job, as far as it can without decoding. With an
// error the original is closed, and tells only how far it came.
func (e *Engine) open(file *os.File, job wire.Job) (*original, error) {
	o := &original{file: file}
	if err := o.sniff(); err != nil {
		return o, err
	}
	if !slices.Contains(job.Formats, o.format) || !slices.Contains(e.read, o.format) {
		return o, failed(wire.Unsupported, "the format is %v", o.format)
	}
	if err := o.walk(job); err != nil {
		return o, err
	}
	if err := o.readHeader(job); err != nil {
		o.close()
		return o, err
	}
	return o, nil
}

// sniff sets format and length.
func (o *original) sniff() error {
	info, err := o.file.Stat()
	if err != nil {
		return failed(wire.Internal, "%w", err)
	}
	o.length = info.Size()
	head := make([]byte, probe.SniffLength)
	n, err := o.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return failed(wire.Internal, "%w", err)
	}
	o.format = probe.Sniff(head[:n])
	return nil
}

// walk reads the structure of the file, for example the number of frames, and
// checks it before libvips sees the file: libvips' loaders allocate a canvas or a list
// of frames at once, and report damage if they can't read a kind of file.
func (o *original) walk(job wire.Job) error {
	c, err := probe.Walk(o.format, o.file, o.length, job.Frames)
	if err == nil && o.format == thumb.TIFF {
		o.tiff, err = probe.ReadTIFF(o.file, o.length)
		c.Size = o.tiff.Size
	}
	if err == nil && (o.format == thumb.AVIF || o.format == thumb.HEIC) {
		o.heif, err = probe.ReadHEIF(o.file, o.length)
		c.Size = o.heif.Size
	}
	if err := checkPixels(c.Size, job); err != nil {
		return err
	}
	if err == nil && (c.NoEnd || c.Zeros) {
		err = c.Prove(o.format, o.file, o.length)
	}
	if err != nil {
		return refusal(err)
	}
	o.frames, o.container = c.Frames, c
	if o.frames > job.Frames {
		if o.container, err = c.FirstFrame(o.format, o.file); err != nil {
			return refusal(err)
		}
	}
	o.coloring = probe.ColoringOf(o.format, o.file, o.length)
	return nil
}

// refusal returns an error of probe with its kind.
func refusal(err error) error {
	switch {
	case errors.Is(err, probe.ErrUnsafe), errors.Is(err, probe.ErrChunks), errors.Is(err, probe.ErrUnsupported):
		return &failure{wire.Unsupported, err}
	case errors.Is(err, probe.ErrTruncated), errors.Is(err, probe.ErrMalformed):
		return &failure{wire.Damaged, err}
	}
	return &failure{wire.Internal, err}
}

// checkPixels checks one frame. The others are checked for outputs that show
// them.
func checkPixels(size image.Point, job wire.Job) error {
	if max(size.X, size.Y) > maxSide {
		return failed(wire.Unsupported, "%dx%d pixels, of which a side is over %d", size.X, size.Y, maxSide)
	}
	if pixels(size) > job.Pixels {
		return failed(wire.TooManyPixels, "%dx%d pixels", size.X, size.Y)
	}
	return nil
}

func pixels(size image.Point) int64 { return int64(size.X) * int64(size.Y) }

func (o *original) readHeader(job wire.Job) error {
	if o.format == thumb.SVG {
		o.enlarge(job)
		return nil
	}
	complaint() // of another file
	takeWarning()
	var err error
	if o.source, err = o.newSource(); err != nil {
		return failed(wire.Internal, "open %v: %w", o.format, err)
	}
	if err := o.keepHeader(); err != nil {
		return err
	}
	o.stored = o.header.size()
	if err := checkPixels(o.stored, job); err != nil {
		return err
	}
	if o.header.bands() > 5 {
		return failed(wire.Unsupported, "%v of %d bands", o.format, o.header.bands())
	}
	o.orientation = o.header.orientation()
	o.judgeProfile()
	o.memory = 2 * o.header.bytes()
	// WebP's decoder would mix the colors of transparent pixels into others,
	// and a frame of an animation may be smaller than the canvas.
	o.scalable = o.format == thumb.WebP && !o.header.alpha() && o.frames == 1
	return nil
}

// maxSide is the most of an original's width and height that a reply can tell.
const maxSide = 1 << 24

// enlarge makes an SVG as large as any thumbnail may be: a drawing has no
// pixels, and is rendered at the size asked for.
func (o *original) enlarge(job wire.Job) {
	w, h := o.container.Drawing.Width, o.container.Drawing.Height
	factor := math.Ceil(max(float64(job.Width)/w, float64(job.Height)/h, 1))
	factor = min(factor, maxSide/max(w, h))
	o.stored = image.Pt(int(max(math.Round(w*factor), 1)), int(max(math.Round(h*factor), 1)))
	o.orientation = 1
}

// drawnFor returns the size in which an SVG is drawn for a picture of size. If the
// drawing stretches, this is size, otherwise the smallest size of the drawing's own
// ratio that covers size.
func (o *original) drawnFor(size image.Point) image.Point {
	d := o.container.Drawing
	if d.Stretches() {
		return size
	}
	scale := max(float64(size.X)/d.Width, float64(size.Y)/d.Height)
	w, h := d.Width*scale, d.Height*scale
	// The plan has rounded, too.
	if w < float64(size.X)+1 && h < float64(size.Y)+1 {
		return size
	}
	return image.Pt(int(min(math.Round(w), maxSide)), int(min(math.Round(h), maxSide)))
}

// judgeProfile sets o.profile, the use of the picture's profile. The profile is
// embedded in the file, or is made of the numbers that the file has instead, for
// example cICP. A profile for another kind of picture, for example CMYK in an RGB
// picture, is a mistake of the program that embedded it, and is ignored.
func (o *original) judgeProfile() {
	embedded := o.header.profile()
	data, profile := o.coloring.Profile(embedded)
	space := o.header.space()
	switch {
	case data == nil, profile.SRGB, profile.Space != space && (profile.Space != "RGB " || space != "GRAY"):
		return
	case profile.Perceptual:
		o.profile = perceptualProfile
	default:
		o.profile = relativeProfile
	}
	if !bytes.Equal(data, embedded) {
		o.made = data
		o.header.embed(data)
	}
}

func (o *original) close() {
	o.header.close()
	o.group.close()
	o.source.close()
}

// load returns the picture for out. Its decoder scales it as far as it can and as a resize
// to size allows; size is that of the picture as it is stored, before it is turned. The
// caller closes the picture.
func (o *original) load(size image.Point, out *output) (loaded, error) {
	if !o.group.base.none() {
		return o.group.base.again(), nil
	}
	if l := o.loadPlanes(size, out.halves()); !l.none() {
		return l, nil
	}
	n := image.Pt(1, 1)
	// If a part is enlarged, size is that of the part.
	if !out.plan.Enlarges() {
		n = geometry.ShrinkEach(o.stored, size)
	}
	if l := o.loadPNG(n); !l.none() {
		return l, nil
	}
	return o.loadPicture(size, out.animated)
}

// loadPicture is load by libvips.
func (o *original) loadPicture(size image.Point, animated bool) (loaded, error) {
	l := loading{format: o.format, divisor: 1, scale: 1, frames: 1}
	if animated {
		l.frames = o.frames
	}
	switch {
	case o.format == thumb.JPEG:
		l.divisor = geometry.Divisor(o.stored, size)
	case o.format == thumb.SVG:
		l.size = o.drawnFor(size)
	case o.scalable:
		l.scale = float64(geometry.Scaled(o.stored, size).X) / float64(o.stored.X)
	}
	if l.divisor == 1 && l.scale == 1 && !animated && o.header.p != nil {
		p := o.header
		o.header = picture{}
		return p.whole(), nil
	}
	p, err := o.read(l)
	if err != nil {
		return loaded{}, err
	}
	if l.divisor > 1 {
		n := float64(l.divisor)
		return loaded{picture: p, across: float64(o.stored.X) / n, down: float64(o.stored.Y) / n}, nil
	}
	return p.whole(), nil
}

// reads reports whether l is decoded line by line and was not decoded to its end
// before. Only the decoders of JPEG and PNG work line by line: the others decode all
// of a picture before its first line.
func (o *original) reads(l loaded) bool {
	return (o.format == thumb.JPEG || o.format == thumb.PNG) && !o.isRead && l.p != o.group.base.p
}

// check returns an error if l is damaged anywhere, after an output was made of l. If
// the output did not need all lines (rest), check decodes the other lines. So the
// answer does not depend on the output's size or on the part that it shows.
func (o *original) check(l loaded, rest bool) error {
	if rest {
		if err := l.drain(); err != nil {
			return o.damaged(err)
		}
	}
	if !o.reads(l) {
		return nil
	}
	if text := complaint(); o.format == thumb.JPEG && text != "" {
		if _, err := probe.WholeJPEG(o.file, o.length); err != nil {
			return failed(wire.Damaged, "decode %v: %w: %s", o.format, err, text)
		}
	}
	// A crop that ended above the bottom did not notice a wrong sum below it.
	if o.format == thumb.PNG {
		if err := probe.CheckSums(o.file, o.length); err != nil {
			return refusal(err)
		}
	}
	o.isRead = true
	return nil
}

// damaged returns the error of a decoder as a failure. The checks before the decoder have
// found no fault, so the file is damaged, unless memory ran out. An SVG is not: it was read
// to its end as XML, but librsvg does not draw every such file.
func (o *original) damaged(err error) error {
	if !room(o.memory) {
		err = fmt.Errorf("%w: %w", plane.ErrMemory, err)
	}
	if o.format == thumb.SVG {
		return failed(wire.Unsupported, "draw %v: %w", o.format, err)
	}
	return failed(wire.Damaged, "decode %v: %w", o.format, err)
}
