// SPDX-License-Identifier: MIT

package thumb

import (
	"fmt"
	"strings"
)

// Format is an image file format. Its text, in URIs, TOML and logs, is the
// usual extension in lower case. The zero Format is none.
type Format uint8

// The formats that thumbd knows. JPEG to GIF can be thumbnails, all can be
// originals.
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
)

var formatNames = [...]string{
	JPEG: "jpg", PNG: "png", WebP: "webp", AVIF: "avif", GIF: "gif",
	HEIC: "heic", TIFF: "tiff", SVG: "svg", JXL: "jxl",
}

// extensions are the endings of file names that tell a format, in lower case.
var extensions = map[string]Format{
	"jpg": JPEG, "jpeg": JPEG, "jpe": JPEG, "png": PNG, "webp": WebP,
	"avif": AVIF, "gif": GIF, "heic": HEIC, "heif": HEIC,
	"tif": TIFF, "tiff": TIFF, "svg": SVG, "jxl": JXL,
}

// String returns the format's extension, without a dot.
func (f Format) String() string { return nameOf(formatNames[:], int(f)) }

// Thumbnail reports whether a thumbnail can be of format f.
func (f Format) Thumbnail() bool { return f >= JPEG && f <= GIF }

// MarshalText implements encoding.TextMarshaler.
func (f Format) MarshalText() ([]byte, error) { return marshalName(formatNames[:], int(f)) }

// UnmarshalText accepts the text of String alone: "jpg", never "jpeg".
func (f *Format) UnmarshalText(b []byte) error {
	i, err := unmarshalName(formatNames[:], b)
	*f = Format(i)
	return err
}

// Method is how an original is brought into a box.
type Method uint8

// The methods. Scale covers the box and cuts nothing, Crop covers it and is
// cut to it at its gravity, Smart keeps the area of highest entropy, Attention
// what draws the eye, Fit is the largest that fits into the box, Pad is Fit
// extended to the box, Stretch is the box, whatever the ratio. Original is for
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

// Scheme is the way in which a site's URIs name thumbnails.
type Scheme uint8

// The schemes, as thumbd-url(7) describes them.
const (
	Signed Scheme = iota + 1
	PresetScheme
	RestThumbnails
)

var schemeNames = [...]string{Signed: "signed", PresetScheme: "preset", RestThumbnails: "restthumbnails"}

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
