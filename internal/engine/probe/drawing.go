// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/xml"
	"fmt"
	"image"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Drawing has the size of an SVG by its root element, as browsers read it. For example,
// <svg width="10mm" viewBox="0 0 4 3"> is 37.8x28.3 pixels.
type Drawing struct {
	// Width and Height are the viewport's in CSS pixels, more than 0. Only their ratio
	// counts: a drawing has no pixels.
	Width, Height float64
	// From and To are the place of the root's start tag in the file.
	From, To int64
	// View is the viewBox: left, top, width, height.
	View [4]float64
	// Fit is preserveAspectRatio, in order.
	Fit string
}

// Stretches reports whether the drawing can be drawn in a size of any ratio
// without being moved or cut: its viewBox fills the viewport.
func (d Drawing) Stretches() bool {
	const alike = 1e-3 // half of a pixel of 1000 to each side
	return d.Fit == "none" || math.Abs(d.View[2]*d.Height/(d.View[3]*d.Width)-1) < alike
}

// rootAttribute is an attribute of a start tag that is well-formed.
var rootAttribute = regexp.MustCompile(`([^\s=/>"']+)\s*=\s*("[^"]*"|'[^']*')`)

// replaced are the attributes for the size and place of the root. Browsers ignore its x
// and y.
var replaced = []string{"width", "height", "viewBox", "preserveAspectRatio", "x", "y", "transform"}

// Root returns tag, the root's start tag, changed so that the drawing has size pixels.
// Lengths of a style sheet don't change the size in a browser, but in librsvg they do:
// Root overrules them.
func (d Drawing) Root(tag []byte, size image.Point) []byte {
	style := ""
	tag = rootAttribute.ReplaceAllFunc(tag, func(a []byte) []byte {
		match := rootAttribute.FindSubmatch(a)
		switch name := string(match[1]); {
		case name == "style":
			style = string(match[2])
			return nil
		case slices.Contains(replaced, name):
			return nil
		}
		return a
	})
	quote := `"`
	if style != "" {
		quote, style = style[:1], style[1:len(style)-1]
	}
	fit := d.Fit
	if d.Stretches() {
		fit = "none"
	}
	var view []string
	for _, v := range d.View {
		view = append(view, strconv.FormatFloat(v, 'f', -1, 64))
	}
	end := slices.IndexFunc(tag, func(c byte) bool { return strings.IndexByte(" \t\r\n/>", c) >= 0 })
	return fmt.Appendf(nil, `%s width="%d" height="%d" viewBox="%s" preserveAspectRatio="%s" style=%[6]swidth:%[2]dpx!important;height:%[3]dpx!important;%[7]s%[6]s%[8]s`,
		tag[:end], size.X, size.Y, strings.Join(view, " "), fit, quote, style, tag[end:])
}

// drawing reads the root element.
func drawing(root xml.StartElement) (Drawing, error) {
	const namespace = "http://www.w3.org/2000/svg"
	// Browsers show no picture without the namespace. librsvg draws it.
	if root.Name.Local != "svg" || root.Name.Space != namespace && root.Name.Space != "" {
		return Drawing{}, unsupported("the root element is %.40q", root.Name.Local)
	}
	told := map[string]string{}
	for _, a := range root.Attr {
		if a.Name.Space == "" {
			told[a.Name.Local] = a.Value
		}
	}
	if moves(told["transform"], told["style"]) {
		return Drawing{}, unsupported("the root element is transformed")
	}
	d := Drawing{Fit: fitOf(told["preserveAspectRatio"])}
	var err error
	if d.Width, err = pixelsOf(told, "width"); err == nil {
		d.Height, err = pixelsOf(told, "height")
	}
	if err == nil {
		err = d.look(told["viewBox"])
	}
	return d, err
}

const numberPattern = `[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?`

var (
	lengthPattern = regexp.MustCompile(`^(` + numberPattern + `)([a-zA-Z]*|%)$`)
	anyNumber     = regexp.MustCompile(numberPattern)
	fourNumbers   = regexp.MustCompile(`^\s*(?:#\s*,?\s*){3}#\s*$`)
	fitPattern    = regexp.MustCompile(`^\s*(?:none|(xM(?:in|id|ax)YM(?:in|id|ax))(?:\s+(meet|slice))?)\s*$`)
	identity      = regexp.MustCompile(`^(?:none|matrix\(1,0,0,1,0,0\)|translate\(0(?:,0)?\)|rotate\(0\)|scale\(1(?:,1)?\))*$`)
	turned        = regexp.MustCompile(`(?i)transform\s*:`)
)

// moves reports whether the root is drawn elsewhere than its viewBox says.
// librsvg transforms it in other units than browsers do.
func moves(transform, style string) bool {
	return !identity.MatchString(strings.Join(strings.Fields(transform), "")) || turned.MatchString(style)
}

// fitOf returns text in the usual form of preserveAspectRatio, for example "xMinYMin
// slice", or the attribute's default if text is not of that form.
func fitOf(text string) string {
	match := fitPattern.FindStringSubmatch(text)
	switch {
	case match == nil:
		return "xMidYMid meet"
	case match[1] == "":
		return "none"
	case match[2] == "":
		return match[1] + " meet"
	}
	return match[1] + " " + match[2]
}

// unitPixels are the units of lengths in CSS pixels. An em is that of a browser
// that was not told of a font.
var unitPixels = map[string]float64{
	"": 1, "px": 1, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4, "q": 96 / 101.6, "pt": 96. / 72, "pc": 16, "em": 16, "rem": 16,
}

// pixelsOf returns a length of the root in CSS pixels, or 0 if it is not told or
// follows from other things, as percentages do.
func pixelsOf(told map[string]string, name string) (float64, error) {
	text := strings.TrimSpace(told[name])
	match := lengthPattern.FindStringSubmatch(text)
	if match == nil {
		if strings.Contains(text, "(") {
			return 0, unsupported("no size: %s=%.40q", name, text)
		}
		return 0, nil
	}
	unit := strings.ToLower(match[2])
	if unit == "%" {
		return 0, nil
	}
	if unit == "em" && (told["font-size"] != "" || strings.Contains(told["style"], "font")) {
		return 0, unsupported("no size: %s=%.40q of a font", name, text)
	}
	n, err := strconv.ParseFloat(match[1], 64)
	n *= unitPixels[unit]
	if err != nil || !(n > 0 && n < math.MaxFloat32) {
		return 0, unsupported("no size: %s=%.40q", name, text)
	}
	return n, nil
}

// leastView is the least side of a viewBox. librsvg has a grid of 1/256 of its units,
// and does not draw shapes that are smaller.
const leastView = .1

// look sets View, and the lengths that follow from it. Without a viewBox, View is the
// viewport, and the root must have both lengths: otherwise the place of a browser's
// edges has nothing to do with the drawing.
func (d *Drawing) look(viewBox string) error {
	told := fourNumbers.MatchString(anyNumber.ReplaceAllString(viewBox, "#"))
	if told {
		for i, text := range anyNumber.FindAllString(viewBox, -1) {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil || math.Abs(v) > math.MaxFloat32 {
				return unsupported("no size: viewBox=%.80q", viewBox)
			}
			d.View[i] = v
		}
	}
	w, h := d.View[2], d.View[3]
	switch {
	case !told, w < 0, h < 0: // browsers ignore it
		if d.Width == 0 || d.Height == 0 {
			return unsupported("no size: neither a viewBox nor a width and a height")
		}
		w, h = d.Width, d.Height
		d.View = [4]float64{0, 0, w, h}
	case d.Width == 0 && d.Height == 0:
		d.Width, d.Height = w, h
	case d.Width == 0:
		d.Width = d.Height * w / h
	case d.Height == 0:
		d.Height = d.Width * h / w
	}
	if min(w, h) < leastView {
		return unsupported("no size: a viewBox of %gx%g", w, h)
	}
	return nil
}
