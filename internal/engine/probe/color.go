// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"io"
	"math"

	"thumbd/internal/thumb"
)

// Color is a color space told by numbers instead of an ICC profile. The zero
// Color tells nothing. Example, Display P3 in AVIF:
// Color{primaries: 12, transfer: 13}.
type Color struct {
	// primaries and transfer are ColourPrimaries and TransferCharacteristics of
	// ITU-T H.273. If primaries is 0, points has them.
	primaries, transfer uint8
	points              [8]float64 // x and y of red, green, blue and white
	gamma               float64    // of a power function, if not 0, instead of transfer
	// limited says that 16 is black and 235 is white, of 255.
	limited bool
}

// Coloring tells how the samples of a file become colors, beyond the ICC
// profile in it.
type Coloring struct {
	// Color is told by the file, or zero. Over says that it takes precedence
	// over an ICC profile.
	Color Color
	Over  bool
	// profile is an ICC profile of the file's that libvips does not hand on if it
	// holds it for a mistake, or nil.
	profile []byte
	// Multiplied says that the colors were multiplied by alpha.
	Multiplied bool
	// LimitedAlpha says that an alpha of 16 is nothing and 235 is all, of 255.
	LimitedAlpha bool
}

// ColoringOf reads how the file of format f tells its colors. A file that can't
// be understood tells nothing.
func ColoringOf(f thumb.Format, file io.ReaderAt, size int64) Coloring {
	switch f {
	case thumb.PNG:
		return pngColoring(&scanner{file: file, size: size})
	case thumb.AVIF, thumb.HEIC:
		return heifColoring(file, size)
	case thumb.JXL:
		return jxlColoring(file, size)
	}
	return Coloring{}
}

// Profile returns the ICC profile of the picture, as a file and as a Profile. embedded is
// the profile in the picture's file, or nil. If the file has numbers instead, they become
// a profile, so that all pictures are converted by a profile.
func (c Coloring) Profile(embedded []byte) ([]byte, Profile) {
	if c.profile != nil {
		embedded = c.profile
	}
	profile := ReadProfile(embedded)
	told := c.Color
	if !c.Over && profile.Space != "" {
		told = profile.Color
	}
	if told == (Color{}) {
		return embedded, profile
	}
	made := told.Profile()
	return made, ReadProfile(made)
}

// Codes of H.273 that are not just rows of a table.
const (
	bt709, unspecified = 1, 2
	linearTransfer     = 8
	srgbTransfer       = 13
	pqTransfer         = 16
	hlgTransfer        = 18
)

// cicpColor returns the color space of two codes of H.273, or zero if one has no
// meaning for a picture.
func cicpColor(primaries, transfer uint8) Color {
	if _, known := primaryPoints[primaries]; !known || transfers[transfer] == nil && !isHDR(transfer) {
		return Color{}
	}
	return Color{primaries: primaries, transfer: transfer}
}

func isHDR(transfer uint8) bool { return transfer == pqTransfer || transfer == hlgTransfer }

// primaryPoints are ColourPrimaries of H.273, as x and y of red, green, blue
// and white.
var primaryPoints = map[uint8][8]float64{
	bt709: {0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290},
	4:     {0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316},
	5:     {0.64, 0.33, 0.29, 0.60, 0.15, 0.06, 0.3127, 0.3290},
	6:     {0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290},
	7:     {0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290},
	8:     {0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.310, 0.316},
	9:     {0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290},
	10:    {1, 0, 0, 1, 0, 0, 1.0 / 3, 1.0 / 3},
	11:    {0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351},
	12:    {0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290},
	22:    {0.630, 0.340, 0.295, 0.605, 0.155, 0.077, 0.3127, 0.3290},
}

// transfers are TransferCharacteristics of H.273: from a sample to light, of
// screens that show 1 as white. The curves of cameras are undone by the power
// of 2.4 of studio screens, as browsers do.
var transfers = map[uint8]func(float64) float64{
	1:              power(2.4),
	4:              power(2.2),
	5:              power(2.8),
	6:              power(2.4),
	7:              smpte240,
	linearTransfer: power(1),
	11:             power(2.4),
	12:             srgbCurve,
	srgbTransfer:   srgbCurve,
	14:             power(2.4),
	15:             power(2.4),
	17:             func(x float64) float64 { return min(math.Pow(x, 2.6)*52.37/48, 1) },
}

func power(g float64) func(float64) float64 {
	return func(x float64) float64 { return math.Pow(x, g) }
}

func smpte240(x float64) float64 {
	if x < 4*0.0228 {
		return x / 4
	}
	return math.Pow((x+0.1115)/1.1115, 1/0.45)
}

// Profile returns c as an ICC profile for red, green and blue.
func (c Color) Profile() []byte {
	points := c.points
	if c.primaries != 0 {
		points = primaryPoints[c.primaries]
	}
	toXYZ, ok := matrixOf(points)
	if !ok {
		return nil
	}
	if c.gamma == 0 && isHDR(c.transfer) {
		return tableProfile(c.bright(toXYZ))
	}
	curve := transfers[c.transfer]
	if c.gamma != 0 {
		curve = power(c.gamma)
	}
	return matrixProfile(inD50(points).times(toXYZ), sampledCurve(func(x float64) float64 { return curve(c.full(x)) }))
}

// full returns a sample as a part of the whole range.
func (c Color) full(x float64) float64 {
	if c.limited {
		return max(0, min(1, (x*255-16)/(235-16)))
	}
	return x
}

// sampledCurve returns a curve as a tag of a profile.
func sampledCurve(curve func(float64) float64) []byte {
	const n = 4096
	b := binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), n)
	for i := range n {
		b = binary.BigEndian.AppendUint16(b, uint16(math.Round(65535*curve(float64(i)/(n-1)))))
	}
	return b
}

// matrixProfile returns a profile with its colors in XYZ under D50.
func matrixProfile(m matrix, curve []byte) []byte {
	column := func(i int) []byte { return xyzTag(m[0][i], m[1][i], m[2][i]) }
	return writeProfile("XYZ ", [][]string{
		{string(xyzTag(d50[0], d50[1], d50[2])), "wtpt"},
		{string(column(0)), "rXYZ"}, {string(column(1)), "gXYZ"}, {string(column(2)), "bXYZ"},
		{string(curve), "rTRC", "gTRC", "bTRC"},
	})
}

func xyzTag(values ...float64) []byte {
	b := []byte("XYZ \x00\x00\x00\x00")
	for _, v := range values {
		b = appendFixed(b, v)
	}
	return b
}

// appendFixed appends an s15Fixed16Number.
func appendFixed(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(v*65536))))
}

// writeProfile returns an ICC profile of version 2.4 that converts red, green and blue to
// space, for example "XYZ ". Each element of tags has the content of a tag, followed by the
// names of tags with this content.
func writeProfile(space string, tags [][]string) []byte {
	const header, entry = 128, 12
	head := make([]byte, header)
	copy(head[8:], "\x02\x40\x00\x00mntrRGB "+space)
	copy(head[36:], "acsp")
	copy(head[68:], xyzTag(d50[0], d50[1], d50[2])[8:])
	count := 0
	for _, tag := range tags {
		count += len(tag) - 1
	}
	head = binary.BigEndian.AppendUint32(head, uint32(count))
	var data []byte
	for _, tag := range tags {
		for _, name := range tag[1:] {
			head = append(head, name...)
			head = binary.BigEndian.AppendUint32(head, uint32(header+4+entry*count+len(data)))
			head = binary.BigEndian.AppendUint32(head, uint32(len(tag[0])))
		}
		data = append(data, tag[0]...)
		data = append(data, make([]byte, -len(data)&3)...)
	}
	profile := append(head, data...)
	binary.BigEndian.PutUint32(profile, uint32(len(profile)))
	return profile
}

// matrix is of three rows.
type matrix [3][3]float64

func (m matrix) times(n matrix) matrix {
	var out matrix
	for i := range 3 {
		for j := range 3 {
			out[i][j] = m[i][0]*n[0][j] + m[i][1]*n[1][j] + m[i][2]*n[2][j]
		}
	}
	return out
}

func (m matrix) of(v [3]float64) [3]float64 {
	var out [3]float64
	for i, row := range m {
		out[i] = row[0]*v[0] + row[1]*v[1] + row[2]*v[2]
	}
	return out
}

// inverse reports false for a matrix that has none.
func (m matrix) inverse() (matrix, bool) {
	var out matrix
	for i := range 3 {
		for j := range 3 {
			a, b, c, d := (j+1)%3, (j+2)%3, (i+1)%3, (i+2)%3
			out[i][j] = m[a][c]*m[b][d] - m[a][d]*m[b][c]
		}
	}
	det := m[0][0]*out[0][0] + m[0][1]*out[1][0] + m[0][2]*out[2][0]
	for i := range 3 {
		for j := range 3 {
			out[i][j] /= det
		}
	}
	return out, math.Abs(det) > 1e-6
}

// xyzOf returns the color of a chromaticity with a luminance of 1.
func xyzOf(x, y float64) [3]float64 { return [3]float64{x / y, 1, (1 - x - y) / y} }

// matrixOf returns the matrix from light of the primaries to XYZ under their
// own white.
func matrixOf(p [8]float64) (matrix, bool) {
	if p[7] <= 0 {
		return matrix{}, false
	}
	var m matrix
	for i := range 3 {
		x, y := p[2*i], p[2*i+1]
		m[0][i], m[1][i], m[2][i] = x, y, 1-x-y
	}
	back, ok := m.inverse()
	scale := back.of(xyzOf(p[6], p[7]))
	for i := range 3 {
		for j := range 3 {
			m[i][j] *= scale[j]
		}
	}
	return m, ok
}

// d50 is the white of profiles.
var d50 = [3]float64{0.9642, 1, 0.8249}

// bradford is the matrix from XYZ to the cones: whites are adapted there.
var bradford = matrix{{0.8951, 0.2664, -0.1614}, {-0.7502, 1.7135, 0.0367}, {0.0389, -0.0685, 1.0296}}

// inD50 returns the matrix that adapts XYZ from the white of p to D50.
func inD50(p [8]float64) matrix {
	from, to := bradford.of(xyzOf(p[6], p[7])), bradford.of(d50)
	scale := matrix{{to[0] / from[0]}, {0, to[1] / from[1]}, {0, 0, to[2] / from[2]}}
	back, _ := bradford.inverse()
	return back.times(scale).times(bradford)
}
