// SPDX-License-Identifier: MIT

package engine

// #cgo pkg-config: vips libwebp libdeflate
// #cgo CFLAGS: -O3
// #cgo LDFLAGS: -lm
// #include <stdlib.h>
// #include "vips.h"
// #include "plane/shrink.h"
import "C"

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"os"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"thumbd/internal/engine/jpeg"
	"thumbd/internal/engine/plane"
	"thumbd/internal/engine/probe"
	"thumbd/internal/geometry"
	"thumbd/internal/thumb"
)

// names are the formats' names for C. They are never freed.
var names = func() map[thumb.Format]*C.char {
	all := make(map[thumb.Format]*C.char)
	for _, f := range thumb.Formats() {
		all[f] = C.CString(f.String())
	}
	return all
}()

// These constants go to C as numbers, or bound such a number. If C gives one another
// value, the index is not 0, and the compiler refuses it.
var (
	_ = [1]bool{}[C.THUMBD_PROFILE_NONE-ignoreProfile]
	_ = [1]bool{}[C.THUMBD_PROFILE_RELATIVE-relativeProfile]
	_ = [1]bool{}[C.THUMBD_PROFILE_PERCEPTUAL-perceptualProfile]

	_ = [1]bool{}[C.THUMBD_SAMPLES_PLAIN-probe.PlainSamples]
	_ = [1]bool{}[C.THUMBD_SAMPLES_DEEP-probe.DeepSamples]
	_ = [1]bool{}[C.THUMBD_SAMPLES_FLOAT-probe.FloatSamples]
	_ = [1]bool{}[C.THUMBD_SAMPLES_YCBCR-probe.YCbCrSamples]
	_ = [1]bool{}[C.THUMBD_SAMPLES_LAB8-probe.Lab8Samples]
	_ = [1]bool{}[C.THUMBD_SAMPLES_LAB16-probe.Lab16Samples]

	_ = [1]bool{}[C.THUMBD_METADATA_NONE-thumb.NoMetadata]
	_ = [1]bool{}[C.THUMBD_METADATA_COPYRIGHT-thumb.CopyrightMetadata]
	_ = [1]bool{}[C.THUMBD_METADATA_ALL-thumb.AllMetadata]

	_ = [1]bool{}[C.SHRINK_MOST-geometry.MostShrink]
)

func settings() { C.thumbd_settings() }

// runningVersion returns the version of the library that is loaded: "8.16.1".
func runningVersion() string { return C.GoString(C.vips_version_string()) }

// lastError takes the text of libvips' error buffer and its last warning. In some cases
// only the warning names the fault that a decoder has found.
func lastError() error {
	text, warning := complaint(), takeWarning()
	switch {
	case text == "":
		text = warning
	case !strings.Contains(text, warning):
		text += ": " + warning
	}
	if text == "" {
		text = "libvips gives no reason"
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "thumbd: no memory") || strings.HasPrefix(line, "vips_tracked: out of memory") {
			return fmt.Errorf("%w: %s", plane.ErrMemory, text)
		}
	}
	return errors.New(text)
}

// complaint takes the text of libvips' error buffer. If a decoder warns and goes on, its
// first warning is there.
func complaint() string {
	defer C.vips_error_clear()
	return strings.TrimSpace(C.GoString(C.vips_error_buffer()))
}

func takeWarning() string {
	text := C.thumbd_take_warning()
	defer C.g_free(C.gpointer(text))
	return strings.TrimSpace(C.GoString(text))
}

// source is an open file that libvips reads. Its owner closes it.
type source struct{ p *C.VipsSource }

func newSource(f *os.File) (source, error) {
	if p := C.vips_source_new_from_descriptor(C.int(f.Fd())); p != nil {
		return source{p}, nil
	}
	return source{}, lastError()
}

// newSourceOf returns a source of a file's content.
func newSourceOf(content []byte) (source, error) {
	if p := C.thumbd_source(unsafe.Pointer(&content[0]), C.size_t(len(content))); p != nil {
		return source{p}, nil
	}
	return source{}, lastError()
}

func (s source) close() {
	if s.p != nil {
		C.g_object_unref(C.gpointer(s.p))
	}
}

// picture is an image of libvips, perhaps still to be decoded. Its owner
// closes it.
type picture struct{ p *C.VipsImage }

// loaded is an original in another size, with a part of a pixel more or less
// than it has: across x down pixels are all of the original. A JPEG that is
// decoded by package jpeg is planes instead of a picture.
type loaded struct {
	picture
	across, down float64
	planes       plane.Picture
	halved       bool // whether that has half as many samples of chroma, or shall have
	lent         bool // the planes are another's
}

func (l loaded) none() bool { return l.picture.none() && l.planes.None() }

func (l loaded) close() {
	l.picture.close()
	if !l.lent {
		l.planes.Close()
	}
}

// again returns l for another owner, for as long as l is there.
func (l loaded) again() loaded {
	if l.p != nil {
		l.picture = l.picture.again()
	}
	l.lent = true
	return l
}

func (l loaded) size() image.Point {
	if !l.planes.None() {
		return l.planes.Size()
	}
	return l.picture.size()
}

// whole returns p as a loaded picture that lacks no part of a pixel.
func (p picture) whole() loaded {
	return loaded{picture: p, across: float64(p.p.Xsize), down: float64(p.p.Ysize)}
}

// loading is how a file is opened.
type loading struct {
	format  thumb.Format
	divisor int         // JPEG: scaled to 1/divisor, that is 1, 2, 4 or 8
	scale   float64     // WebP: scaled to any size
	size    image.Point // SVG
	frames  int         // that are loaded, below one another
	page    int         // of a TIFF
	subifd  int         // of a TIFF's page, or -1
}

// load opens a file. The header is read, of a WebP that is scaled the pixels too.
func (s source) load(l loading) (picture, error) {
	c := C.ThumbdLoading{
		format: names[l.format], divisor: C.int(l.divisor), scale: C.double(l.scale), frames: C.int(l.frames),
		page: C.int(l.page), subifd: C.int(l.subifd),
	}
	var out picture
	return out, result(C.thumbd_load(s.p, &c, &out.p))
}

func (p picture) none() bool { return p.p == nil }

func (p picture) close() {
	if p.p != nil {
		C.g_object_unref(C.gpointer(p.p))
	}
}

// again returns p for another owner.
func (p picture) again() picture {
	C.g_object_ref(C.gpointer(p.p))
	return p
}

func (p picture) size() image.Point { return image.Pt(int(p.p.Xsize), int(p.p.Ysize)) }

// bytes returns the memory that the decoded picture takes.
func (p picture) bytes() int64 { return int64(C.thumbd_bytes(p.p)) }

func (p picture) bands() int { return int(p.p.Bands) }

func (p picture) alpha() bool { return C.vips_image_hasalpha(p.p) != 0 }

// space returns the color space of p as a color profile names it.
func (p picture) space() string {
	switch {
	case p.p.Type == C.VIPS_INTERPRETATION_CMYK:
		return "CMYK"
	case p.bands() < 3:
		return "GRAY"
	}
	return "RGB "
}

// orientation returns EXIF's, 1 to 8.
func (p picture) orientation() int { return int(C.vips_image_get_orientation(p.p)) }

// orient gives p an orientation of EXIF's. Nobody else may use p.
func (p picture) orient(orientation int) { C.thumbd_orient(p.p, C.int(orientation)) }

// profile returns the embedded color profile, or nil.
func (p picture) profile() []byte { return p.blob("icc-profile-data") }

func (p picture) blob(name string) []byte {
	field := C.CString(name)
	defer C.free(unsafe.Pointer(field))
	var data unsafe.Pointer
	var length C.size_t
	if C.thumbd_blob(p.p, field, &data, &length) != 0 {
		C.vips_error_clear()
		return nil
	}
	return C.GoBytes(data, C.int(length))
}

// describe sets the EXIF block of p. Nobody else may use p. If libvips can't read the
// block, p has no metadata of it.
func (p picture) describe(exif []byte) {
	block := slices.Concat([]byte("Exif\x00\x00"), exif)
	C.thumbd_describe(p.p, unsafe.Pointer(&block[0]), C.size_t(len(block)))
}

// embed gives p a color profile. Nobody else may use p.
func (p picture) embed(profile []byte) {
	C.thumbd_embed(p.p, unsafe.Pointer(&profile[0]), C.size_t(len(profile)))
}

// straighten returns p with colors that alpha does not multiply and an alpha of
// the whole range, if they are not so.
func (p picture) straighten(multiplied, limited bool) (picture, error) {
	var out picture
	return out, result(C.thumbd_straighten(p.p, truth(multiplied), truth(limited), &out.p))
}

// samples returns the TIFF p as a picture of 8 or 16 bits.
func (p picture) samples(t probe.TIFF) (picture, error) {
	c := C.ThumbdSamples{kind: C.ThumbdSampleKind(t.Kind), extra: C.int(t.Extra), alpha: C.int(t.Alpha)}
	for i, v := range t.Luma {
		c.luma[i] = C.double(v)
	}
	for i, v := range t.Reference {
		c.reference[i] = C.double(v)
	}
	var out picture
	return out, result(C.thumbd_samples(p.p, &c, &out.p))
}

// floats reports whether the samples of p are floats.
func (p picture) floats() bool { return p.p.BandFmt == C.VIPS_FORMAT_FLOAT }

// mean returns the mean of all samples of p, a picture of floats.
func (p picture) mean() (float64, error) {
	var mean C.double
	err := result(C.thumbd_mean_of_floats(p.p, &mean))
	return float64(mean), err
}

// ints returns a list of numbers, or nil.
func (p picture) ints(name string) []C.int {
	field := C.CString(name)
	defer C.free(unsafe.Pointer(field))
	var data *C.int
	var n C.int
	if C.vips_image_get_typeof(p.p, field) == 0 {
		return nil
	}
	if C.thumbd_ints(p.p, field, &data, &n) != 0 {
		C.vips_error_clear()
		return nil
	}
	return slices.Clone(unsafe.Slice(data, n))
}

// number returns a number, or 0.
func (p picture) number(name string) int {
	field := C.CString(name)
	defer C.free(unsafe.Pointer(field))
	var n C.int
	if C.vips_image_get_typeof(p.p, field) == 0 {
		return 0
	}
	if C.vips_image_get_int(p.p, field, &n) != 0 {
		C.vips_error_clear()
		return 0
	}
	return int(n)
}

// like returns planes as pixels, in memory, with all that p has beside its own.
func (p picture) like(planes plane.Picture) (picture, error) {
	out, pixels, stride, err := p.blank(planes.Size(), 0)
	if err == nil {
		planes.Pixels(pixels, stride)
	}
	return out, err
}

// blank returns a picture of a size with everything of p except its pixels. The new
// pixels have any value. They are in memory of at least room bytes, line by line; each
// line begins stride bytes after the line above.
func (p picture) blank(size image.Point, room int64) (out picture, pixels unsafe.Pointer, stride int, err error) {
	var length C.size_t
	pixels = C.thumbd_like(p.p, C.int(size.X), C.int(size.Y), C.size_t(room), &out.p, &length)
	if pixels == nil {
		return picture{}, nil, 0, lastError()
	}
	return out, pixels, int(length), nil
}

// frame returns the frame of p that begins at line top. Frames are read in
// their order.
func (p picture) frame(top, height int) (picture, error) {
	var out picture
	return out, result(C.thumbd_frame(p.p, C.int(top), C.int(height), &out.p))
}

// shrink returns l in memory, n times smaller.
func (l loaded) shrink(n int) (loaded, error) {
	out := loaded{across: l.across / float64(n), down: l.down / float64(n)}
	return out, result(C.thumbd_shrink(l.p, C.int(n), &out.p))
}

// resize resizes and cuts l by plan, a plan for the picture as it is stored. The result
// is in memory.
func (l loaded) resize(plan geometry.Plan) (picture, error) {
	c := C.ThumbdPlan{
		source: rect(plan.Source),
		across: C.double(l.across), down: C.double(l.down),
		width: C.int(plan.Size.X), height: C.int(plan.Size.Y),
		cut: rect(plan.Cut),
	}
	if plan.Source.Size() != l.size() {
		c.across, c.down = C.double(plan.Source.Dx()), C.double(plan.Source.Dy())
	}
	var out picture
	return out, result(C.thumbd_resize_and_cut(l.p, &c, &out.p))
}

// normalize returns p upright, in sRGB or gray of 8 bits.
func (p picture) normalize(profile profileUse) (picture, error) {
	var out picture
	return out, result(C.thumbd_normalize(p.p, C.ThumbdProfile(profile), &out.p))
}

// seek returns the place in p of the part of the given size that m prefers.
func (p picture) seek(size image.Point, m thumb.Method) (image.Point, error) {
	interesting := C.VipsInteresting(C.VIPS_INTERESTING_ENTROPY)
	if m == thumb.Attention {
		interesting = C.VIPS_INTERESTING_ATTENTION
	}
	var left, top C.int
	err := result(C.thumbd_seek(p.p, C.int(size.X), C.int(size.Y), interesting, &left, &top))
	return image.Pt(int(left), int(top)), err
}

// cut returns a part of p.
func (p picture) cut(part image.Rectangle) (picture, error) {
	r := rect(part)
	var out picture
	return out, result(C.thumbd_cut(p.p, &r, &out.p))
}

// finish applies t to p, a picture of plan's size: first gray, blur and sharpen, then
// background and padding, so that their color stays.
func (p picture) finish(t thumb.Transform, plan geometry.Plan) (picture, error) {
	r, g, b, some := t.Background.RGB()
	dpr := float64(max(t.DPR, 1))
	at := plan.Place()
	f := C.ThumbdFinish{
		gray:          truth(t.Gray),
		blur:          C.double(t.Blur.Float() * dpr),
		sharpen:       C.double(t.Sharpen.Float()),
		sharpen_sigma: C.double(dpr),
		background:    truth(some),
		color:         [3]C.double{C.double(r), C.double(g), C.double(b)},
		opaque:        truth(!t.Format.HasAlpha()),
		left:          C.int(at.X), top: C.int(at.Y),
		width: C.int(plan.Canvas.X), height: C.int(plan.Canvas.Y),
	}
	var out picture
	return out, result(C.thumbd_finish(p.p, &f, &out.p))
}

// fade returns p with its alpha multiplied by opacity.
func (p picture) fade(opacity float64) (picture, error) {
	var out picture
	return out, result(C.thumbd_fade(p.p, C.double(opacity), &out.p))
}

// overlay returns p with mark laid over it.
func (p picture) overlay(mark picture, at image.Point) (picture, error) {
	var out picture
	return out, result(C.thumbd_overlay(p.p, mark.p, C.int(at.X), C.int(at.Y), &out.p))
}

// join returns frames of one size below one another, in memory.
func join(frames []picture) (picture, error) {
	list := make([]*C.VipsImage, len(frames))
	for i, f := range frames {
		list[i] = f.p
	}
	var out picture
	return out, result(C.thumbd_join(&list[0], C.int(len(list)), &out.p))
}

// keepLines returns p in a form that lets its last lines be read again.
func (p picture) keepLines() (picture, error) {
	var out picture
	return out, result(C.thumbd_keep_lines(p.p, &out.p))
}

// drain decodes the lines of p that are not read yet.
func (p picture) drain() error { return result(C.thumbd_drain(p.p)) }

// animation is the timing of frames that lie below one another.
type animation struct {
	frames int // 1: none
	delay  []C.int
	loop   int // 0: for ever
}

// encode calls write with p as a file of t's format, with t's part of the metadata.
// If palette is set, the original has a palette, and the file may have one, too.
func (p picture) encode(t thumb.Transform, a animation, palette bool, write func([]byte) error) error {
	if t.Format == thumb.JPEG {
		return p.encodeJPEG(t, write)
	}
	return p.save(t, a, palette, write)
}

// save is encode by libvips.
func (p picture) save(t thumb.Transform, a animation, palette bool, write func([]byte) error) error {
	var pins runtime.Pinner
	defer pins.Unpin()
	e := C.ThumbdEncoding{
		format:   names[t.Format],
		opaque:   truth(!t.Format.HasAlpha()),
		metadata: C.ThumbdMetadata(t.Metadata),
		quality:  C.int(t.Quality),
		frames:   C.int(a.frames),
		loop:     C.int(a.loop),
		palette:  truth(palette),
	}
	if len(a.delay) == a.frames {
		pins.Pin(&a.delay[0])
		e.delay = &a.delay[0]
	}
	var whose probe.Rights
	switch t.Metadata {
	case thumb.CopyrightMetadata:
		whose = probe.RightsOf(p.metadata())
	case thumb.AllMetadata:
		kept := p.metadata().True()
		e.exif, e.xmp, e.iptc = block(&pins, kept.EXIF), block(&pins, kept.XMP), block(&pins, kept.IPTC)
	}
	stand := whose.Stand()
	e.artist, e.copyright = optional(stand.Artist), optional(stand.Copyright)
	defer C.free(unsafe.Pointer(e.artist))
	defer C.free(unsafe.Pointer(e.copyright))
	var data unsafe.Pointer
	var length C.size_t
	if err := result(C.thumbd_encode(p.p, &e, &data, &length)); err != nil {
		return err
	}
	defer C.g_free(C.gpointer(data))
	file := unsafe.Slice((*byte)(data), length)
	if t.Format == thumb.WebP && t.Metadata == thumb.NoMetadata {
		file = stripWebP(file)
	}
	if whose != (probe.Rights{}) {
		claim(file, t.Format, whose)
	}
	return write(file)
}

// flat returns p in memory with the bands that a file of a format shall have.
func (p picture) flat(f thumb.Format) (picture, error) {
	var out picture
	return out, result(C.thumbd_flat(p.p, truth(!f.HasAlpha()), &out.p))
}

// memory returns the pixels of p, a picture of flat, line by line without gaps.
func (p picture) memory() unsafe.Pointer { return unsafe.Pointer(C.thumbd_pixels(p.p)) }

// encodeJPEG is encode for a JPEG.
func (p picture) encodeJPEG(t thumb.Transform, write func([]byte) error) error {
	flat, err := p.flat(thumb.JPEG)
	if err != nil {
		return err
	}
	defer flat.close()
	size := flat.size()
	segments, err := p.segments(t, size)
	if err != nil {
		return err
	}
	pixels := jpeg.Pixels{Data: flat.memory(), Size: size, Bands: flat.bands(), Stride: size.X * flat.bands()}
	return jpeg.EncodePixels(pixels, encodingOf(t.Quality, size), withSegments(segments, write))
}

// segments returns the segments that a JPEG of a size has for t's part of p's metadata.
// libvips writes them, of a black picture.
func (p picture) segments(t thumb.Transform, size image.Point) (segments []byte, err error) {
	if t.Metadata == thumb.NoMetadata {
		return nil, nil
	}
	var black picture
	if err := result(C.thumbd_black_like(p.p, C.int(size.X), C.int(size.Y), &black.p)); err != nil {
		return nil, err
	}
	defer black.close()
	err = black.save(t, animation{frames: 1}, false, func(file []byte) error {
		const soi = 2
		segments = bytes.Clone(file[soi:endOfMetadata(file)])
		return nil
	})
	return segments, err
}

// endOfMetadata returns the offset in a JPEG at which the segments of applications and
// comments at its beginning end.
func endOfMetadata(file []byte) int {
	const com = 0xfe
	at := 2
	for at+4 <= len(file) && (file[at+1]&0xf0 == 0xe0 || file[at+1] == com) {
		at += 2 + int(binary.BigEndian.Uint16(file[at+2:]))
	}
	return min(at, len(file))
}

// withSegments returns a function that writes a JPEG by write, with segments inserted at
// its beginning.
func withSegments(segments []byte, write func([]byte) error) func([]byte) error {
	if len(segments) == 0 {
		return write
	}
	return func(file []byte) error {
		const soi = 2
		return write(slices.Concat(file[:soi], segments, file[soi:]))
	}
}

// block returns data, pinned.
func block(pins *runtime.Pinner, data []byte) C.ThumbdBlock {
	if len(data) == 0 {
		return C.ThumbdBlock{}
	}
	pins.Pin(&data[0])
	return C.ThumbdBlock{data: unsafe.Pointer(&data[0]), length: C.size_t(len(data))}
}

func truth(on bool) C.gboolean {
	if on {
		return 1
	}
	return 0
}

// room reports whether the process can get n more bytes of memory.
func room(n int64) bool { return C.thumbd_room(C.size_t(max(n, 1))) != 0 }

// optional returns s as a C string, or NULL if s is empty. The caller frees it.
func optional(s string) *C.char {
	if s == "" {
		return nil
	}
	return C.CString(s)
}

func rect(r image.Rectangle) C.ThumbdRect {
	return C.ThumbdRect{
		left: C.int(r.Min.X), top: C.int(r.Min.Y),
		width: C.int(r.Dx()), height: C.int(r.Dy()),
	}
}

func result(code C.int) error {
	if code == 0 {
		return nil
	}
	return lastError()
}
