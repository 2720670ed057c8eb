// SPDX-License-Identifier: MIT

package probe

import (
	"errors"
	"image"
	"math"
	"strings"
	"testing"

	"thumbd/internal/thumb"
)

func drawingOf(text string) (Drawing, error) {
	c, err := Walk(thumb.SVG, strings.NewReader(text), int64(len(text)), 1)
	return c.Drawing, err
}

// TestSizeOfDrawings has the natural sizes that Chromium 156 gives to such pictures,
// but for those without any size, which it makes 300 or 150 pixels long.
func TestSizeOfDrawings(t *testing.T) {
	for attributes, want := range map[string][2]float64{
		`width="48" height="32"`:                                              {48, 32},
		`width=" 48 " height=" 32px "`:                                        {48, 32},
		`width="48PX" height="32Px"`:                                          {48, 32},
		`width="4.8e1" height="+32.0"`:                                        {48, 32},
		`width="10mm" height="1cm"`:                                           {37.795, 37.795},
		`width="10pt" height="1pc"`:                                           {13.333, 16},
		`width="10Q" height="1in"`:                                            {9.449, 96},
		`width="2em" height="1e1rem"`:                                         {32, 160},
		`viewBox="0 0 48 32"`:                                                 {48, 32},
		`viewBox=" 0,0,48 , 32 "`:                                             {48, 32},
		`viewBox="-1e1 0 .48e2 +32.5"`:                                        {48, 32.5},
		`viewBox="0-5.5.5 24"`:                                                {.5, 24},
		`width="96" viewBox="0 0 48 32"`:                                      {96, 64},
		`height="64" width="100%" viewBox="5 5 48 32"`:                        {96, 64},
		`width="auto" height="abc" viewBox="0 0 48 32"`:                       {48, 32},
		`width="48 px" height="32" viewBox="0 0 24 8"`:                        {96, 32},
		`width="48" height="32" viewBox="0 0 -24 16"`:                         {48, 32},
		`width="48" height="32" viewBox="0 0 24px 16"`:                        {48, 32},
		`width="48" height="32" viewBox="0 0 24 16 1"`:                        {48, 32},
		`width="48" height="32" viewBox="0 0 2416"`:                           {48, 32},
		`style="width:9px;height:9px" viewBox="0 0 48 32"`:                    {48, 32},
		`x="7" y="7" width="48" height="32"`:                                  {48, 32},
		`width="48" height="32" transform=" rotate( 0 )matrix(1 ,0,0,1,0,0)"`: {48, 32},
	} {
		got, err := drawingOf(`<svg xmlns="http://www.w3.org/2000/svg" ` + attributes + `/>`)
		if err != nil || math.Abs(got.Width-want[0]) > .001 || math.Abs(got.Height-want[1]) > .001 {
			t.Errorf("%s: got %vx%v, %v, want %v", attributes, got.Width, got.Height, err, want)
		}
	}
}

// A file that begins as XML does, and has no element, is no drawing.
func TestDrawingsWithoutARoot(t *testing.T) {
	for _, text := range []string{"<!-- no root -->", "<?xml version=\"1.0\"?>\n", "<!DOCTYPE svg>\n<!-- -->"} {
		if d, err := drawingOf(text); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %+v, %v, want %v", text, d, err, ErrUnsupported)
		}
	}
}

func TestDrawingsWithoutASize(t *testing.T) {
	for _, attributes := range []string{
		``, `width="48"`, `width="100%" height="32"`, `width="48." height="32"`, `viewBox="0,,0,24,16"`,
		`width="0" height="32"`, `width="-5" height="32"`, `width="1e99" height="1"`, `width="1e999" height="1"`,
		`width="2vw" height="3vh"`, `width="calc(20px + 3px)" height="3"`, `width="2ex" height="2ex"`,
		`width="2em" height="1em" font-size="40"`, `width="2em" height="1em" style="font:9px a"`,
		`width="48" height="32" viewBox="0 0 0 32"`, `viewBox="0 0 0 0"`, `viewBox="0 0 .01 .01"`, `viewBox="0 0 1e99 32"`,
		`width="48" height="32" transform="translate(12,8)"`, `width="48" height="32" style="Transform : scale(2)"`,
	} {
		if d, err := drawingOf(`<svg xmlns="http://www.w3.org/2000/svg" ` + attributes + `/>`); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: got %vx%v, %v", attributes, d.Width, d.Height, err)
		}
	}
	for _, text := range []string{
		`<html xmlns="http://www.w3.org/1999/xhtml"><p>&nbsp;`,
		`<svg xmlns="http://www.w3.org/1999/xhtml" width="4" height="4"/>`,
		`<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect x="1mm" width="2" height="2"/></svg>`,
	} {
		if _, err := drawingOf(text); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestRootOfDrawings(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`<!-- <svg> --><svg xmlns="http://www.w3.org/2000/svg" width='9' height="4.5" id="a>b"/>`,
			`<svg width="60" height="40" viewBox="0 0 9 4.5" preserveAspectRatio="none" style="width:60px!important;height:40px!important;" xmlns="http://www.w3.org/2000/svg"   id="a>b"/>`},
		{`<s:svg xmlns:s="http://www.w3.org/2000/svg" viewBox="0 0 3 2" style='fill:"a"' y="3"` + "\n" + `a:width="5" xmlns:a="b"></s:svg>`,
			`<s:svg width="60" height="40" viewBox="0 0 3 2" preserveAspectRatio="none" style='width:60px!important;height:40px!important;fill:"a"' xmlns:s="http://www.w3.org/2000/svg"   ` + "\n" + `a:width="5" xmlns:a="b">`},
		{`<svg viewBox="0 0 3 2" width="4" height="9" preserveAspectRatio=" xMinYMax  slice "></svg>`,
			`<svg width="60" height="40" viewBox="0 0 3 2" preserveAspectRatio="xMinYMax slice" style="width:60px!important;height:40px!important;"    >`},
	} {
		d, err := drawingOf(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(d.Root([]byte(c.text[d.From:d.To]), image.Pt(60, 40))); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
