// SPDX-License-Identifier: MIT

package probe

import (
	"errors"
	"strings"
	"testing"

	"thumbd/internal/thumb"
)

func walkSVG(text string) error {
	_, err := Walk(thumb.SVG, strings.NewReader(text), int64(len(text)), 1)
	return err
}

func TestSVG(t *testing.T) {
	wrap := func(s string) string {
		return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">` + s + `</svg>`
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"drawing":          {wrap(`<rect width="9" height="9" fill="#f00"/>`), nil},
		"own elements":     {wrap(`<g id="a"/><use href="#a"/><use xlink:href=" #a"/><path fill="url(#a)" style="filter:url( '#a' )"/>`), nil},
		"doctype":          {`<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">` + wrap(""), nil},
		"link":             {wrap(`<a href="https://example.com/"><path/></a>`), nil},
		"description":      {wrap(`<title>text</title><desc>more text</desc><metadata>and more</metadata>`), nil},
		"style":            {wrap(`<style>.a { fill: url(#b) }</style>`), nil},
		"empty text":       {wrap(`<text> </text>`), nil},
		"switch":           {wrap(`<switch><g requiredExtensions="x"/><path/></switch><animate attributeName="x" to="5"/>`), nil},
		"UTF-8":            {`<?xml version="1.0" encoding="UTF-8"?>` + wrap(""), nil},
		"another encoding": {`<?xml version="1.0" encoding="UTF-7"?>` + wrap(""), ErrUnsafe},
		"spaced encoding":  {`<?xml version="1.0" encoding = "UTF-7"?>` + wrap(""), ErrUnsafe},
		"spaced UTF-8":     {`<?xml version = '1.0' encoding = 'utf-8' standalone="no" ?>` + wrap(""), nil},
		"encoding twice":   {`<?xml version="1.0" encoding="UTF-8" encoding = "UTF-7"?>` + wrap(""), ErrUnsafe},
		"text":             {wrap(`<text><tspan>a</tspan></text>`), ErrUnsafe},
		"file":             {wrap(`<image href="/etc/passwd"/>`), ErrUnsafe},
		"URL":              {wrap(`<image xlink:href="http://example.com/a.png"/>`), ErrUnsafe},
		"relative":         {wrap(`<use xlink:href="a.svg#b"/>`), ErrUnsafe},
		"embedded file":    {wrap(`<image href="data:image/png;base64,AAAA"/>`), ErrUnsafe},
		"attribute's URL":  {wrap(`<path fill="URL(a.svg#b)"/>`), ErrUnsafe},
		"second URL":       {wrap(`<path style="fill:url(#b);mask:url( 'a.svg#b')"/>`), ErrUnsafe},
		"style's URL":      {wrap(`<style><![CDATA[.a { fill: url(a.svg#b) }]]></style>`), ErrUnsafe},
		"import":           {wrap(`<style>@IMPORT "a.css";</style>`), ErrUnsafe},
		"escaped URL":      {wrap(`<style>.a { fill: u\72l(a.svg#b) }</style>`), ErrUnsafe},
		"import in halves": {wrap(`<style>@imp<!-- -->ort "a.css";</style>`), ErrUnsafe},
		"URL in halves":    {wrap(`<style>.a { fill: u<![CDATA[rl(a.svg#b)]]> }</style>`), ErrUnsafe},
		"URL around a tag": {wrap(`<style>@imp<g/>ort "a.css";</style>`), ErrUnsafe},
		"other text":       {wrap(`<defs><desc id="a">b</desc></defs><text><tref xlink:href="#a"/></text>`), ErrUnsafe},
		"flowing text":     {wrap(`<flowRoot><flowPara>a</flowPara></flowRoot>`), ErrUnsafe},
		"HTML":             {wrap(`<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">a</p></foreignObject>`), ErrUnsafe},
		"script":           {wrap(`<script src="a.js"/>`), ErrUnsafe},
		"moving reference": {wrap(`<image><set attributeName="xlink:href" to="a.png"/></image>`), ErrUnsafe},
		"own XML name":     {wrap(`<i:image xmlns:i="http://www.w3.org/2000/svg" x:href="a.png" xmlns:x="http://www.w3.org/1999/xlink"/>`), ErrUnsafe},
		"filter's image":   {wrap(`<filter><feImage href="a.png"/></filter>`), ErrUnsafe},
		"font's file":      {wrap(`<style>@font-face { src: url("a.woff") }</style>`), ErrUnsafe},
		"base":             {wrap(`<g xml:base="http://example.com/"/>`), ErrUnsafe},
		"XInclude":         {wrap(`<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text"/>`), ErrUnsafe},
		"style sheet":      {`<?xml-stylesheet href="a.css"?>` + wrap(""), ErrUnsafe},
		"entities":         {`<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + wrap(""), ErrUnsafe},
		"entity alone":     {"<!ENTITY a \"b\">" + wrap(""), ErrUnsafe},
		"entity anywhere":  {"<!DOCTYPE svg <!ENTITY a \"b\">]>" + wrap(""), ErrUnsafe},
		"unknown entity":   {wrap("&a;"), ErrMalformed},
		"not closed":       {strings.TrimSuffix(wrap(""), "</svg>"), ErrTruncated},
		"cut in a tag":     {strings.TrimSuffix(wrap("<path/>"), "/></svg>"), ErrTruncated},
		"closed twice":     {wrap("") + "</svg>", ErrMalformed},
	} {
		if err := walkSVG(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func FuzzSVG(f *testing.F) {
	f.Add(`<svg xmlns="http://www.w3.org/2000/svg"><style>.a { fill: url(#b) }</style><use href="#a"/></svg>`)
	f.Add(`<!DOCTYPE svg [<!ENTITY a "b">]><svg/>`)
	f.Fuzz(func(t *testing.T, text string) {
		if walkSVG(text) == nil && strings.Contains(text, "<!ENTITY") && !strings.Contains(text, "<!--") && !strings.Contains(text, "CDATA") && !strings.Contains(text, "<?") {
			t.Errorf("%q", text)
		}
	})
}
