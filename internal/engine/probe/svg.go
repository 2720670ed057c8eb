// SPDX-License-Identifier: MIT

package probe

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrUnsafe says that an SVG document asks for more than itself.
var ErrUnsafe = errors.New("the SVG is not self-contained")

// svg reads the whole document. It must be XML in UTF-8, and draw with nothing
// but what is in it: no reference but to its own elements, no entity of its
// own, no embedded file, and no text, for which a worker has no fonts.
func (s *scanner) svg() {
	d := xml.NewDecoder(bufio.NewReader(io.NewSectionReader(s.file, 0, s.size)))
	d.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("%w: its encoding is %q, not UTF-8", ErrUnsafe, charset)
	}
	var inside []string // elements, from the outermost
	for s.more() {
		token, err := d.Token()
		s.at = d.InputOffset()
		if errors.Is(err, io.EOF) && len(inside) == 0 {
			return
		}
		if err != nil {
			s.fail(svgError(err))
			return
		}
		switch token := token.(type) {
		case xml.StartElement:
			inside = append(inside, token.Name.Local)
			s.check(checkElement(token))
		case xml.EndElement:
			inside = inside[:len(inside)-1]
		case xml.CharData:
			s.check(checkText(inside, string(token)))
		case xml.Directive:
			if strings.Contains(string(token), "[") {
				s.fail(fmt.Errorf("%w: it declares entities", ErrUnsafe))
			}
		case xml.ProcInst:
			if token.Target == "xml-stylesheet" {
				s.fail(fmt.Errorf("%w: it has a style sheet elsewhere", ErrUnsafe))
			}
		}
	}
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

func checkElement(e xml.StartElement) error {
	if e.Name.Local == "include" {
		return fmt.Errorf("%w: it includes other documents", ErrUnsafe)
	}
	for _, a := range e.Attr {
		value := strings.TrimSpace(a.Value)
		switch {
		// Where a click leads is not drawn.
		case a.Name.Local == "href" && e.Name.Local != "a" && value != "" && value[0] != '#',
			a.Name.Local == "base" && value != "":
			return fmt.Errorf("%w: %s has %s=%.40q", ErrUnsafe, e.Name.Local, a.Name.Local, value)
		}
		if err := checkCSS(value); err != nil {
			return err
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
		case "style":
			return checkCSS(text)
		}
	}
	return nil
}

// checkCSS refuses references, and escapes, which could hide one.
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
