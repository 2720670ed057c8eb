// SPDX-License-Identifier: MIT

package probe

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// ErrUnsafe says that an SVG document asks for more than itself.
var ErrUnsafe = errors.New("the SVG is not self-contained")

// inUTF8 matches an XML declaration with which every parser takes the document for
// UTF-8. Go's parser overlooks an encoding with a space before its equals sign.
var inUTF8 = regexp.MustCompile(`^\s*version\s*=\s*["']1\.\d["'](\s+encoding\s*=\s*["'](?i:utf-8)["'])?(\s+standalone\s*=\s*["'][a-z]*["'])?\s*$`)

// svg reads the whole document. It must be XML in UTF-8, and need nothing outside: it may
// refer to its own elements alone, and have no entity of its own, no embedded file, and
// no text, because a worker has no fonts.
func (s *scanner) svg() Container {
	c := Container{Frames: 1}
	d := xml.NewDecoder(bufio.NewReader(io.NewSectionReader(s.file, 0, s.size)))
	// The declaration is refused when it has been read.
	d.CharsetReader = func(_ string, text io.Reader) (io.Reader, error) { return text, nil }
	inside := []string{""} // elements, from the outermost, in no element
	var style strings.Builder
	for s.more() {
		from := d.InputOffset()
		token, err := d.Token()
		s.at = d.InputOffset()
		if errors.Is(err, io.EOF) && len(inside) == 1 {
			break
		}
		if err != nil {
			s.fail(svgError(err))
			break
		}
		switch token := token.(type) {
		case xml.StartElement:
			if c.Drawing.To == 0 {
				c.Drawing, err = drawing(token)
				c.Drawing.From, c.Drawing.To = from, s.at
				s.check(err)
			} else {
				s.check(checkLengths(token))
			}
			s.check(checkElement(token, inside[len(inside)-1]))
			inside = append(inside, token.Name.Local)
		case xml.EndElement:
			inside = inside[:len(inside)-1]
			// As one text: a comment may stand between the halves of a word.
			s.check(checkCSS(style.String()))
			style.Reset()
		case xml.CharData:
			if inside[len(inside)-1] == "style" {
				style.Write(token)
			}
			s.check(checkText(inside, string(token)))
		case xml.Directive:
			if d := string(token); !strings.HasPrefix(d, "DOCTYPE") || strings.ContainsAny(d, "[<") {
				s.fail(fmt.Errorf("%w: it declares entities", ErrUnsafe))
			}
		case xml.ProcInst:
			s.check(checkInstruction(token))
		}
	}
	if s.err == nil && c.Drawing.To == 0 {
		s.fail(unsupported("it has no root element"))
	}
	return c
}

func checkInstruction(p xml.ProcInst) error {
	switch {
	case p.Target == "xml-stylesheet":
		return fmt.Errorf("%w: it has a style sheet in another file", ErrUnsafe)
	case p.Target == "xml" && !inUTF8.Match(p.Inst):
		return fmt.Errorf("%w: its encoding is not UTF-8: %.80q", ErrUnsafe, p.Inst)
	}
	return nil
}

func svgError(err error) error {
	syntax, ok := errors.AsType[*xml.SyntaxError](err)
	switch {
	case errors.Is(err, ErrUnsafe):
		return err
	case ok && syntax.Msg == "unexpected EOF", errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	case ok:
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return err
}

func checkElement(e xml.StartElement, parent string) error {
	switch name := e.Name.Local; {
	case name == "include":
		return fmt.Errorf("%w: it includes other documents", ErrUnsafe)
	case name == "foreignObject", parent == "style":
		return fmt.Errorf("%w: it has parts that are not SVG", ErrUnsafe)
	case name == "tref":
		return fmt.Errorf("%w: it has text, and no font is at hand", ErrUnsafe)
	}
	for _, a := range e.Attr {
		value := strings.TrimSpace(a.Value)
		switch {
		// The href of <a> is where a click leads. It is not drawn.
		case a.Name.Local == "href" && e.Name.Local != "a" && value != "" && value[0] != '#',
			a.Name.Local == "attributeName" && strings.HasSuffix(value, "href"),
			(a.Name.Local == "base" || a.Name.Local == "src") && value != "":
			return fmt.Errorf("%w: %s has %s=%.40q", ErrUnsafe, e.Name.Local, a.Name.Local, value)
		}
		if err := checkCSS(value); err != nil {
			return err
		}
	}
	return nil
}

// geometry are the attributes of an element for its place and size.
var geometry = []string{"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "width", "height"}

// checkLengths refuses places in units such as mm: librsvg, as libvips calls it, draws
// them at 3/4 of their size, with 72 pixels to an inch. Browsers draw 96.
func checkLengths(e xml.StartElement) error {
	for _, a := range e.Attr {
		match := lengthPattern.FindStringSubmatch(strings.TrimSpace(a.Value))
		if match == nil || !slices.Contains(geometry, a.Name.Local) {
			continue
		}
		switch strings.ToLower(match[2]) {
		case "in", "cm", "mm", "q", "pt", "pc":
			return unsupported("%s has %s=%.40q", e.Name.Local, a.Name.Local, a.Value)
		}
	}
	return nil
}

func checkText(inside []string, text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	for _, name := range inside {
		switch name {
		case "text", "flowRoot":
			return fmt.Errorf("%w: it has text, and no font is at hand", ErrUnsafe)
		}
	}
	return nil
}

// checkCSS refuses references, and escapes, because they could hide a reference.
func checkCSS(text string) error {
	lower := strings.ToLower(text)
	if strings.Contains(lower, "@import") {
		return fmt.Errorf("%w: it imports a style sheet", ErrUnsafe)
	}
	for _, after := range strings.Split(lower, "url(")[1:] {
		if !strings.HasPrefix(strings.TrimLeft(after, " \t\r\n\"'"), "#") {
			return fmt.Errorf("%w: it refers to url(%.40q", ErrUnsafe, after)
		}
	}
	if strings.ContainsRune(text, '\\') && strings.ContainsAny(text, "(@") {
		return fmt.Errorf("%w: its style has escapes", ErrUnsafe)
	}
	return nil
}
