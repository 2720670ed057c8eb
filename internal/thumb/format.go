// SPDX-License-Identifier: MIT

package thumb

import (
	"fmt"
	"slices"
	"strings"
)

// Format is an image file format. Its text, in URIs, TOML and logs, is the
// usual extension in lower case. The zero Format is none.
type Format uint8

// The formats that thumbd knows: the rows of the table formats.
const (
	JPEG Format = iota + 1
	PNG
	WebP
	AVIF
	GIF
	HEIC
	TIFF
	SVG
	JXL
	// JSON is that of package info: a description of an original, no picture.
	JSON
)

// formats has one row for each format. The other packages read their facts about
// formats here. A new format needs a row, and its code in the worker: probe.Walk,
// and the encoder if it can be a thumbnail's.
var formats = [...]struct {
	extensions []string // of file names, in lower case; the first is the format's name
	mediaType  string   // as in nginx's mime.types
	signatures []string // beginnings of files, for example "RIFF????WEBP": a ? is any byte
	brands     []string // of ISO/IEC 14496-12, if the signature is that of all brands
	thumbnail  bool     // a thumbnail can have this format
	quality    int      // default of thumbnails, 1 to 100; 0: the format has no quality
	alpha      bool     // a thumbnail of this format can be transparent
	animates   bool     // a thumbnail of this format can be an animation
	byDefault  bool     // originals of this format are allowed unless a site says otherwise
	checked    bool     // the worker checks originals to their end, in Go, before a decoder in C reads them
	data       bool     // no picture

	// Debian's packages that bring the decoder and the encoder, if libvips alone has none.
	decoder, encoder string

	// The maps of conf.d/thumbd.conf. variant is the place of the format among the variants
	// that they yield, 1 for the preferred one; 0: none. varies are the extensions of the
	// names that they yield variants for.
	variant int
	varies  []string
}{
	JPEG: {
		extensions: []string{"jpg", "jpeg", "jpe"}, mediaType: "image/jpeg",
		signatures: []string{"\xff\xd8\xff"},
		thumbnail:  true, quality: 82, byDefault: true, checked: true,
		varies: []string{"jpg", "jpeg"},
	},
	PNG: {
		extensions: []string{"png"}, mediaType: "image/png",
		signatures: []string{"\x89PNG\r\n\x1a\n"},
		thumbnail:  true, alpha: true, byDefault: true, checked: true,
		varies: []string{"png"},
	},
	WebP: {
		extensions: []string{"webp"}, mediaType: "image/webp",
		signatures: []string{"RIFF????WEBP"},
		thumbnail:  true, quality: 80, alpha: true, animates: true, byDefault: true, checked: true,
		variant: 2,
	},
	AVIF: {
		extensions: []string{"avif"}, mediaType: "image/avif",
		signatures: []string{"????ftyp"}, brands: []string{"avif", "avis"},
		thumbnail: true, quality: 55, alpha: true, byDefault: true,
		variant: 1,
		decoder: "libheif-plugin-dav1d", encoder: "libheif-plugin-aomenc",
	},
	GIF: {
		extensions: []string{"gif"}, mediaType: "image/gif",
		signatures: []string{"GIF87a", "GIF89a"},
		thumbnail:  true, alpha: true, animates: true, byDefault: true, checked: true,
		varies: []string{"gif"},
	},
	HEIC: {
		extensions: []string{"heic", "heif"}, mediaType: "image/heic",
		signatures: []string{"????ftyp"},
		brands:     []string{"heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"},
		byDefault:  true,
		decoder:    "libheif-plugin-libde265",
	},
	TIFF: {
		extensions: []string{"tiff", "tif"}, mediaType: "image/tiff",
		signatures: []string{"II*\x00", "MM\x00*", "II+\x00", "MM\x00+"},
		byDefault:  true,
	},
	// An SVG is text without a signature.
	SVG: {extensions: []string{"svg"}, mediaType: "image/svg+xml"},
	JXL: {
		extensions: []string{"jxl"}, mediaType: "image/jxl",
		signatures: []string{"\xff\x0a", "\x00\x00\x00\x0cJXL \r\n\x87\n"},
	},
	JSON: {
		extensions: []string{"json"}, mediaType: "application/json",
		signatures: []string{`{"width":`}, data: true,
	},
}

// formatNames are the names of the formats, and extensions the formats of pictures
// by the endings of file names.
var formatNames, extensions = func() (names []string, byExtension map[string]Format) {
	byExtension = make(map[string]Format)
	names = make([]string, len(formats))
	for f := JPEG; int(f) < len(formats); f++ {
		names[f] = formats[f].extensions[0]
		if formats[f].data {
			continue
		}
		for _, ext := range formats[f].extensions {
			byExtension[ext] = f
		}
	}
	return names, byExtension
}()

// Formats returns all formats of pictures.
func Formats() []Format { return having(func(f Format) bool { return !formats[f].data }) }

// ThumbnailFormats returns the formats that a thumbnail can have.
func ThumbnailFormats() []Format { return having(Format.Thumbnail) }

// DefaultFormats returns the formats of originals that a site allows if it names
// none.
func DefaultFormats() []Format {
	return having(func(f Format) bool { return formats[f].byDefault })
}

// Variants returns the formats that can be negotiated, the preferred one first.
func Variants() []Format {
	list := having(Format.isVariant)
	slices.SortFunc(list, func(a, b Format) int { return formats[a].variant - formats[b].variant })
	return list
}

func (f Format) isVariant() bool { return formats[f].variant > 0 }

// negotiable reports whether the maps of conf.d/thumbd.conf yield f for names that end as
// name does. If the files of a name can be animations, a variant that can't be is none.
func negotiable(name string, f Format) bool {
	_, ext := cutLast(name, '.')
	ext = strings.ToLower(ext)
	own := extensions[ext]
	return f.isVariant() && slices.Contains(formats[own].varies, ext) && (f.Animates() || !own.Animates())
}

func having(property func(Format) bool) (list []Format) {
	for f := JPEG; int(f) < len(formats); f++ {
		if property(f) {
			list = append(list, f)
		}
	}
	return list
}

// String returns the format's name, its usual extension without a dot: "jpg".
func (f Format) String() string { return nameOf(formatNames, int(f)) }

// Thumbnail reports whether a thumbnail can have format f.
func (f Format) Thumbnail() bool { return int(f) < len(formats) && formats[f].thumbnail }

// MediaType returns f's media type, for example "image/jpeg".
func (f Format) MediaType() string { return formats[f].mediaType }

// Quality returns the default quality of thumbnails, or 0 if f has no quality.
func (f Format) Quality() int { return formats[f].quality }

// HasAlpha reports whether a thumbnail of format f can be transparent.
func (f Format) HasAlpha() bool { return formats[f].alpha }

// Animates reports whether a thumbnail of format f can be an animation.
func (f Format) Animates() bool { return formats[f].animates }

// Checked reports whether the worker checks originals of format f to their end, in Go,
// before a decoder in C reads them.
func (f Format) Checked() bool { return formats[f].checked }

// Decoder returns the Debian package that brings the decoder of f, for example
// "libheif-plugin-dav1d", or "" if libvips has it.
func (f Format) Decoder() string { return formats[f].decoder }

// Encoder returns the Debian package that brings the encoder of f, or "" if libvips has it.
func (f Format) Encoder() string { return formats[f].encoder }

// Begins reports whether head, the first bytes of a file, has a signature of f. An
// SVG has none.
func (f Format) Begins(head []byte) bool {
	return slices.ContainsFunc(formats[f].signatures, func(s string) bool { return fits(head, s) })
}

func fits(head []byte, pattern string) bool {
	if len(head) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] != '?' && pattern[i] != head[i] {
			return false
		}
	}
	return true
}

// Branded reports whether a brand tells files of format f from files with the same signature.
func (f Format) Branded() bool { return formats[f].brands != nil }

// FormatOfBrand returns the format of files that have a brand in their first box, for
// example "avif", or 0.
func FormatOfBrand(brand string) Format {
	for f := JPEG; int(f) < len(formats); f++ {
		if slices.Contains(formats[f].brands, brand) {
			return f
		}
	}
	return 0
}

// SignatureLength is the number of bytes that Begins needs.
const SignatureLength = 12

// MarshalText implements encoding.TextMarshaler.
func (f Format) MarshalText() ([]byte, error) { return marshalName(formatNames, int(f)) }

// UnmarshalText accepts the text of String alone: "jpg", never "jpeg".
func (f *Format) UnmarshalText(b []byte) error {
	i, err := unmarshalName(formatNames, b)
	*f = Format(i)
	return err
}

// Method is how an original is brought into a box.
type Method uint8

// The methods. Scale covers the box and cuts nothing. Crop covers the box and is cut to
// it at its gravity, Smart at the area of highest entropy, Attention at the area that
// draws the eye. Fit is the largest picture that fits into the box, and Pad is Fit
// extended to the box. Stretch is the box; the ratio is not kept. Original is for
// presets of the preset scheme alone: the original's own bytes.
const (
	Scale Method = iota + 1
	Crop
	Smart
	Attention
	Fit
	Pad
	Stretch
	Original
)

var methodNames = [...]string{
	Scale: "scale", Crop: "crop", Smart: "smart", Attention: "attention",
	Fit: "fit", Pad: "pad", Stretch: "stretch", Original: "original",
}

// String returns the method's name as URIs and TOML have it.
func (m Method) String() string { return nameOf(methodNames[:], int(m)) }

// MarshalText implements encoding.TextMarshaler.
func (m Method) MarshalText() ([]byte, error) { return marshalName(methodNames[:], int(m)) }

// UnmarshalText accepts the text of String alone.
func (m *Method) UnmarshalText(b []byte) error {
	i, err := unmarshalName(methodNames[:], b)
	*m = Method(i)
	return err
}

// Gravity is the part of an original that Crop keeps.
type Gravity uint8

// The gravities. Center is crop's own and has no name in URIs.
const (
	Center Gravity = iota
	North
	NorthEast
	East
	SouthEast
	South
	SouthWest
	West
	NorthWest
)

var gravityNames = [...]string{
	Center: "", North: "north", NorthEast: "northeast", East: "east",
	SouthEast: "southeast", South: "south", SouthWest: "southwest",
	West: "west", NorthWest: "northwest",
}

// String returns the compass point, or nothing for Center.
func (g Gravity) String() string { return gravityNames[g] }

// MarshalText implements encoding.TextMarshaler.
func (g Gravity) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText accepts the eight compass points, and nothing for Center.
func (g *Gravity) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*g = Center
		return nil
	}
	i, err := unmarshalName(gravityNames[:], b)
	*g = Gravity(i)
	return err
}

// Uncovered is how a box becomes smaller if the original does not cover it and may
// not be enlarged. Example: the box 300x300 and an original of 500x100.
type Uncovered uint8

// Ratio keeps the ratio of the box: 100x100. Axes shrinks each axis on its own:
// 300x100, as WordPress and Liip do.
const (
	Ratio Uncovered = iota
	Axes
)

var uncoveredNames = [...]string{Ratio: "ratio", Axes: "axes"}

// String returns the word that TOML has for u.
func (u Uncovered) String() string { return uncoveredNames[u] }

// MarshalText implements encoding.TextMarshaler.
func (u Uncovered) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText accepts "ratio" and "axes".
func (u *Uncovered) UnmarshalText(b []byte) error {
	i, err := unmarshalName(uncoveredNames[:], b)
	*u = Uncovered(i)
	return err
}

// Metadata is how much of an original's metadata a thumbnail keeps.
type Metadata uint8

// NoMetadata is the default. Copyright keeps copyright and author only.
const (
	NoMetadata Metadata = iota
	CopyrightMetadata
	AllMetadata
)

var metadataNames = [...]string{NoMetadata: "none", CopyrightMetadata: "copyright", AllMetadata: "all"}

// String returns the word that TOML has for m.
func (m Metadata) String() string { return metadataNames[m] }

// MarshalText implements encoding.TextMarshaler.
func (m Metadata) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText accepts "none", "copyright" and "all".
func (m *Metadata) UnmarshalText(b []byte) error {
	i, err := unmarshalName(metadataNames[:], b)
	*m = Metadata(i)
	return err
}

// FramesOver is the answer to a request for an animation that has more frames, or
// with all of them more pixels, than the limits allow.
type FramesOver uint8

// RefuseFrames is the default. FirstFrame makes a still of the first frame.
const (
	RefuseFrames FramesOver = iota
	FirstFrame
)

var framesOverNames = [...]string{RefuseFrames: "refuse", FirstFrame: "first"}

// String returns the word that TOML has for f.
func (f FramesOver) String() string { return framesOverNames[f] }

// MarshalText implements encoding.TextMarshaler.
func (f FramesOver) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText accepts "refuse" and "first".
func (f *FramesOver) UnmarshalText(b []byte) error {
	i, err := unmarshalName(framesOverNames[:], b)
	*f = FramesOver(i)
	return err
}

// Scheme is the form of a site's URIs, for example Signed.
type Scheme uint8

// The schemes, as thumbd-url(7) describes them.
const (
	Signed Scheme = iota + 1
	PresetScheme
	RestThumbnails
	InPlace
)

var schemeNames = [...]string{Signed: "signed", PresetScheme: "preset", RestThumbnails: "restthumbnails", InPlace: "inplace"}

// String returns the scheme's name in TOML.
func (s Scheme) String() string { return nameOf(schemeNames[:], int(s)) }

// HasKeys reports whether the scheme's URIs are signed.
func (s Scheme) HasKeys() bool { return s == Signed || s == RestThumbnails }

// UnmarshalText accepts the text of String alone.
func (s *Scheme) UnmarshalText(b []byte) error {
	i, err := unmarshalName(schemeNames[:], b)
	*s = Scheme(i)
	return err
}

func nameOf(names []string, i int) string {
	if i <= 0 || i >= len(names) {
		return "none"
	}
	return names[i]
}

func marshalName(names []string, i int) ([]byte, error) {
	if i <= 0 || i >= len(names) {
		return nil, fmt.Errorf("%d is none of %s", i, wordList(names))
	}
	return []byte(names[i]), nil
}

func unmarshalName(names []string, b []byte) (int, error) {
	for i, name := range names {
		if name != "" && name == string(b) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("want %s, have %q", wordList(names), b)
}

func wordList(names []string) string {
	var words []string
	for _, name := range names {
		if name != "" {
			words = append(words, name)
		}
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
