// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Metadata are the blocks of a picture's metadata, each nil if there is none.
// IPTC is a list of data sets, or Photoshop's resources that have one.
type Metadata struct {
	EXIF, XMP, IPTC []byte
}

// True returns the part of m that is true of a thumbnail, too. It drops the layout of the
// original's pixels and their orientation, gain maps, depth maps and regions. It drops
// previews, because they may show the part that a crop has cut away, and the notes of
// makers, because they have previews. If a block can't be read, it is left out.
func (m Metadata) True() Metadata {
	return Metadata{EXIF: trueEXIF(m.EXIF), XMP: trueXMP(m.XMP), IPTC: trueIPTC(m.IPTC)}
}

var exifHead = []byte("Exif\x00\x00")

func trueEXIF(block []byte) []byte {
	kept := TIFFBlock(bytes.NewReader(bytes.TrimPrefix(block, exifHead)))
	if kept == nil {
		return nil
	}
	return append(bytes.Clone(exifHead), kept...)
}

// Names in XMP that are true of the original alone. Of the namespace of TIFF's
// tags the names in trueTIFF stay.
var (
	falseSpaces = []string{
		"http://ns.adobe.com/hdr-gain-map/1.0/",
		"http://ns.adobe.com/xmp/note/", // of a second block, which libvips does not read
		"http://ns.apple.com/",          // gain maps, depth maps, faces
		"http://ns.google.com/photos/",  // gain maps, depth maps, films, panoramas
		"http://ns.microsoft.com/photo/1.2/",
		"http://www.metadataworkinggroup.com/schemas/regions/",
	}
	falseNames = map[string][]string{
		"http://ns.adobe.com/xap/1.0/":                  {"Thumbnails"},
		"http://ns.adobe.com/photoshop/1.0/":            {"ColorMode", "ICCProfile"},
		"http://iptc.org/std/Iptc4xmpExt/2008-02-29/":   {"ImageRegion"},
		"http://ns.adobe.com/exif/1.0/":                 {"PixelXDimension", "PixelYDimension", "ColorSpace", "ComponentsConfiguration", "CompressedBitsPerPixel", "SubjectArea", "SubjectLocation", "MakerNote"},
		"http://ns.adobe.com/camera-raw-settings/1.0/":  {"CropTop", "CropLeft", "CropBottom", "CropRight", "CropAngle", "CropWidth", "CropHeight", "CropUnit", "CropUnits", "HasCrop", "AlreadyApplied"},
		"http://ns.adobe.com/xmp/1.0/DynamicMedia/":     {"videoFrameSize"},
		"http://ns.adobe.com/xap/1.0/sType/Dimensions#": {"w", "h", "unit"},
	}
	trueTIFF = []string{"Artist", "Copyright", "DateTime", "ImageDescription", "Make", "Model", "Software"}
)

// isFalse reports whether a name in XMP is true of the original alone, or declares
// a prefix for such names.
func isFalse(name xml.Name, value string) bool {
	space := name.Space
	if space == "xmlns" {
		return inFalseSpace(value)
	}
	if space == "http://ns.adobe.com/tiff/1.0/" {
		return !slices.Contains(trueTIFF, name.Local)
	}
	return inFalseSpace(space) || slices.Contains(falseNames[space], name.Local)
}

func inFalseSpace(space string) bool {
	return slices.ContainsFunc(falseSpaces, func(s string) bool { return strings.HasPrefix(space, s) })
}

// trueXMP cuts elements and attributes out of the text of block. The rest stays as
// it is written.
func trueXMP(block []byte) []byte {
	if len(block) > maxXMP {
		return nil
	}
	var kept bytes.Buffer
	d := xml.NewDecoder(bytes.NewReader(block))
	for {
		at := d.InputOffset()
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return kept.Bytes()
		case err != nil:
			return nil
		}
		raw := block[at:d.InputOffset()]
		t, isStart := token.(xml.StartElement)
		switch {
		case isStart && isFalse(t.Name, ""):
			err = d.Skip()
			raw = nil
		case isStart:
			raw, err = trueAttributes(raw, t.Attr)
		}
		if err != nil {
			return nil
		}
		kept.Write(raw)
	}
}

var attribute = regexp.MustCompile(`\s+[^\s=<>"']+\s*=\s*("[^"]*"|'[^']*')`)

// trueAttributes returns the text of a start tag without the attributes that are not true
// of a thumbnail.
func trueAttributes(tag []byte, attributes []xml.Attr) ([]byte, error) {
	places := attribute.FindAllIndex(tag, -1)
	if len(places) != len(attributes) {
		return nil, ErrMalformed
	}
	kept, at := []byte{}, 0
	for i, a := range attributes {
		if isFalse(a.Name, a.Value) {
			kept, at = append(kept, tag[at:places[i][0]]...), places[i][1]
		}
	}
	return append(kept, tag[at:]...), nil
}

// Photoshop's resources that tell about the picture: IPTC's data sets and their
// digest, and the copyright's flag and address. Others tell about pixels, have
// thumbnails, or repeat EXIF and XMP.
var trueResources = []uint16{resourceIPTC, 0x0425, 0x040a, 0x040b}

const resourceIPTC = 0x0404

func trueIPTC(block []byte) []byte {
	head, resources := photoshopResources(block)
	if resources == nil {
		return block
	}
	var kept []byte
	for r := range eachResource(resources) {
		if slices.Contains(trueResources, r.id) {
			kept = append(kept, r.all...)
		}
	}
	if kept == nil {
		return nil
	}
	return append(bytes.Clone(head), kept...)
}

// resource is one of Photoshop's.
type resource struct {
	id        uint16
	data, all []byte
}

// photoshopResources returns block in two parts: the bytes before Photoshop's resources,
// and the resources. If block is something else, both are nil.
func photoshopResources(block []byte) (head, resources []byte) {
	const name = "Photoshop 3.0\x00"
	rest, found := bytes.CutPrefix(block, []byte(name))
	if !found && !bytes.HasPrefix(block, []byte("8BIM")) {
		return block, nil
	}
	return block[:len(block)-len(rest)], rest
}

// eachResource yields resources up to one that is malformed. Each has a signature,
// a number, a name and its data, the last two with their length before and filled
// up to an even one.
func eachResource(rest []byte) func(func(resource) bool) {
	return func(yield func(resource) bool) {
		for len(rest) >= 12 && string(rest[:4]) == "8BIM" {
			id := binary.BigEndian.Uint16(rest[4:])
			name := int(rest[6]) + 1
			at := 6 + name + name%2
			if at+4 > len(rest) {
				return
			}
			length := int(binary.BigEndian.Uint32(rest[at:]))
			at += 4
			if length > len(rest)-at {
				return
			}
			end := min(at+length+length%2, len(rest))
			if !yield(resource{id, rest[at:][:length], rest[:end]}) {
				return
			}
			rest = rest[end:]
		}
	}
}
