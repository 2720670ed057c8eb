// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Rights are the author and the copyright of a picture, in UTF-8, each of maxText bytes
// at most. Several names have semicolons between them.
type Rights struct {
	Artist, Copyright string
}

// maxText is the most that is kept of a text: both fit the segment of a JPEG.
const maxText = 2000

// maxXMP is the most that is read of XMP, in bytes.
const maxXMP = 1 << 20

// RightsOf returns the rights in the blocks of metadata. A text is from EXIF. If EXIF
// lacks it or spells it wrong, it is from XMP, and if XMP lacks it, from IPTC.
func RightsOf(m Metadata) Rights {
	var r Rights
	for _, more := range []Rights{exifRights(m.EXIF), xmpRights(m.XMP), iptcRights(m.IPTC)} {
		r = r.or(more)
	}
	return r
}

// or returns r with the texts of more in place of the texts that r lacks.
func (r Rights) or(more Rights) Rights {
	if r.Artist == "" {
		r.Artist = more.Artist
	}
	if r.Copyright == "" {
		r.Copyright = more.Copyright
	}
	return r
}

// joined returns texts as one.
func joined(texts []string) string {
	var kept []string
	for _, text := range texts {
		text = strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, text))
		if text != "" && !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	all := strings.Join(kept, "; ")
	for len(all) > maxText {
		_, n := utf8.DecodeLastRuneInString(all)
		all = all[:len(all)-n]
	}
	return all
}

// decoded returns text as UTF-8. If it is not valid UTF-8, it is taken for Latin-1, the
// usual case.
func decoded(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	runes := make([]rune, len(text))
	for i, b := range text {
		runes[i] = rune(b)
	}
	return string(runes)
}

// xmpRights reads dc:creator, a list of names, and dc:rights, one text in several
// languages. The first language is the default.
func xmpRights(block []byte) Rights {
	const dc, rdf = "http://purl.org/dc/elements/1.1/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	var creators, rights []string
	var list *[]string
	d := xml.NewDecoder(bytes.NewReader(block[:min(len(block), maxXMP)]))
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch t.Name {
			case xml.Name{Space: dc, Local: "creator"}:
				list = &creators
			case xml.Name{Space: dc, Local: "rights"}:
				list = &rights
			case xml.Name{Space: rdf, Local: "li"}:
				var text string
				if list != nil && d.DecodeElement(&text, &t) == nil {
					*list = append(*list, text)
				}
			}
		case xml.EndElement:
			if t.Name.Space == dc {
				list = nil
			}
		}
	}
	return Rights{Artist: joined(creators), Copyright: joined(rights[:min(len(rights), 1)])}
}

// iptcRights reads the by-lines and the copyright notice, 2:80 and 2:116, of a
// list of IPTC's data sets, or of Photoshop's resources that have one.
func iptcRights(block []byte) Rights {
	const byLine, notice = 80, 116
	block = photoshopIPTC(block)
	var creators, rights []string
	for len(block) >= 5 && block[0] == 0x1c {
		record, set, length := block[1], block[2], int(binary.BigEndian.Uint16(block[3:]))
		block = block[5:]
		if length > len(block) {
			break
		}
		switch {
		case record == 2 && set == byLine:
			creators = append(creators, decoded(block[:length]))
		case record == 2 && set == notice:
			rights = append(rights, decoded(block[:length]))
		}
		block = block[length:]
	}
	return Rights{Artist: joined(creators), Copyright: joined(rights)}
}

// photoshopIPTC returns the list of IPTC's data sets in block.
func photoshopIPTC(block []byte) []byte {
	_, resources := photoshopResources(block)
	if resources == nil {
		return block
	}
	for r := range eachResource(resources) {
		if r.id == resourceIPTC {
			return r.data
		}
	}
	return nil
}
