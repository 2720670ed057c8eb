// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/h2non/bimg"
)

// encoded returns the file "out" that a program makes of the PNG "in.png".
// Example of its arguments: "-s", "8", "in.png", "out".
func encoded(t *testing.T, png []byte, program string, arguments ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, arguments...)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(arguments, " "), err, said)
	}
	file, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// heifTurns are the properties that turn and mirror a HEIF, by the orientation that
// they stand for: quarters against the clock, and then a mirroring, with 0 from top
// to bottom and 1 from left to right. -1 is none.
var heifTurns = [9]struct{ irot, imir int }{
	1: {0, -1}, 2: {0, 1}, 3: {2, -1}, 4: {0, 0}, 5: {1, 0}, 6: {3, -1}, 7: {3, 0}, 8: {1, -1},
}

// avifenc returns a picture of 8, 10 or 12 bits whose colors an AVIF tells by its
// codes.
func (c colored) avifenc(t *testing.T, depth int, more ...string) []byte {
	t.Helper()
	arguments := []string{"-s", "9", "-j", "1", "--min", "0", "--max", "4", "-d", fmt.Sprint(depth)}
	turn := heifTurns[c.orientation]
	if turn.irot > 0 {
		arguments = append(arguments, "--irot", fmt.Sprint(turn.irot))
	}
	if turn.imir >= 0 {
		arguments = append(arguments, "--imir", fmt.Sprint(turn.imir))
	}
	png := c.sampled(t, depth)
	if more[0] == "profile" {
		more, png = more[1:], withPNGProfileOf(t, png, c.profile())
	} else {
		arguments = append(arguments, "--cicp", fmt.Sprintf("%d/%d/6", c.codes[0], c.codes[1]))
	}
	if png == nil {
		return nil
	}
	arguments = append(arguments, more...)
	return encoded(t, png, "avifenc", append(arguments, "in.png", "out")...)
}

// sampled returns the picture as a PNG of samples as they lie in the file.
func (c colored) sampled(t *testing.T, depth int) []byte {
	t.Helper()
	m := image.Image(c.stored())
	if depth > 8 {
		m = c.deep()
	}
	file := encodePNG(t, m)
	if c.isGray {
		file = processed(t, file, bimg.Options{Type: bimg.PNG, Interpretation: bimg.InterpretationBW})
	}
	return file
}

// jxlSpaces are the names of color spaces in cjxl.
var jxlSpaces = map[[2]byte]string{
	{1, 13}: "D65_SRG_Rel_SRG", {12, 13}: "D65_DCI_Rel_SRG", {9, 13}: "D65_202_Rel_SRG", {1, 8}: "D65_SRG_Rel_Lin",
	{12, 4}: "D65_DCI_Rel_g0.4545455", {9, 16}: "D65_202_Rel_PeQ", {1, 18}: "D65_SRG_Rel_HLG",
}

// cjxl returns a JPEG XL, which cjxl turns as EXIF says.
func (c colored) cjxl(t *testing.T, depth int, more ...string) []byte {
	t.Helper()
	png := c.tagged(c.sampled(t, depth))
	space := "RGB_" + jxlSpaces[c.codes]
	if c.isGray {
		_, transfer, _ := strings.Cut(space, "_Rel")
		space = "Gra_D65_Rel" + transfer
	}
	if more[0] == "profile" {
		more, png = more[1:], withPNGProfileOf(t, png, c.profile())
	} else {
		more = append([]string{"-x", "color_space=" + space}, more...)
	}
	if png == nil {
		return nil
	}
	return encoded(t, png, "cjxl", append([]string{"in.png", "out", "-e", "3", "--num_threads=0"}, more...)...)
}

// heifEnc returns an HEIC whose colors are told by its codes.
func (c colored) heifEnc(t *testing.T, depth int, more ...string) []byte {
	t.Helper()
	arguments := []string{"-q", "98", "-o", "out"}
	if depth > 8 {
		arguments = append(arguments, "-b", fmt.Sprint(depth))
	}
	file := encoded(t, c.sampled(t, depth), "heif-enc", append(append(arguments, more...), "in.png")...)
	return c.turned(t, told(t, file, nclx(c.codes[0], c.codes[1], true)))
}
