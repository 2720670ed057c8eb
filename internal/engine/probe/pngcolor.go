// SPDX-License-Identifier: MIT

package probe

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"slices"
)

// maxProfile is the most that is read of a profile, packed or not.
const maxProfile = 4 << 20

// pngColoring reads the chunks that stand before a PNG's pixels. In order of
// precedence: cICP, iCCP, sRGB, gAMA with or without cHRM. Example of cICP:
// 12, 13, 0, 1 for Display P3.
func pngColoring(s *scanner) Coloring {
	chunks := pngColorChunks(s)
	if b := chunks["cICP"]; len(b) == 4 && b[2] == 0 && b[3] == 1 {
		if c := cicpColor(b[0], b[1]); c != (Color{}) {
			return Coloring{Color: c, Over: true}
		}
	}
	c := Coloring{profile: pngProfile(chunks["iCCP"])}
	if _, srgb := chunks["sRGB"]; !srgb {
		c.Color = pngGamma(chunks["gAMA"], chunks["cHRM"])
	}
	return c
}

// pngProfile returns the profile in an iCCP chunk, or nil. The chunk has the profile's name,
// a zero, the method of compression, which is zero, and the compressed profile.
func pngProfile(chunk []byte) []byte {
	_, packed, _ := bytes.Cut(chunk, []byte{0})
	if len(packed) == 0 || packed[0] != 0 {
		return nil
	}
	r, err := zlib.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return nil
	}
	profile, err := io.ReadAll(io.LimitReader(r, maxProfile))
	if err != nil || len(profile) == maxProfile {
		return nil
	}
	return profile
}

// pngGamma returns the color space of a gamma and of chromaticities. Chromaticities mean
// nothing without a gamma. If there is only a gamma, and it is near 1/2.2, sRGB is meant.
func pngGamma(gamma, points []byte) Color {
	if len(gamma) != 4 {
		return Color{}
	}
	g := float64(binary.BigEndian.Uint32(gamma)) / 100000
	if g == 0 || points == nil && math.Abs(g*2.2-1) <= 0.05 {
		return Color{}
	}
	if points == nil {
		return Color{primaries: bt709, gamma: 1 / g}
	}
	if len(points) != 32 {
		return Color{}
	}
	c := Color{gamma: 1 / g}
	for i := range 8 {
		// The chunk begins with white.
		c.points[(i+6)%8] = float64(binary.BigEndian.Uint32(points[4*i:])) / 100000
	}
	m, ok := matrixOf(c.points)
	for i := range 9 {
		// A profile has no numbers of 32768 and more.
		ok = ok && math.Abs(m[i/3][i%3]) < 100
	}
	if !ok || m[1][0] <= 0 || m[1][1] <= 0 || m[1][2] <= 0 {
		return Color{}
	}
	return c
}

// pngColorChunks returns the first chunk of each kind that tells of color.
func pngColorChunks(s *scanner) map[string][]byte {
	chunks := make(map[string][]byte)
	s.skip(8)
	for range maxPNGChunks {
		head := s.next(8)
		kind, length := string(head[4:]), int64(binary.BigEndian.Uint32(head))
		if !s.more() || kind == "IDAT" {
			break
		}
		_, seen := chunks[kind]
		if slices.Contains(pngColorKinds, kind) && !seen && length <= maxProfile {
			data := readAt(s.file, s.at, length+4)
			// Decoders drop a chunk with a wrong checksum.
			if data != nil && crc32.ChecksumIEEE(append([]byte(kind), data[:length]...)) == binary.BigEndian.Uint32(data[length:]) {
				chunks[kind] = data[:length]
			}
		}
		s.skip(length + 4)
	}
	return chunks
}

var pngColorKinds = []string{"cICP", "sRGB", "gAMA", "cHRM", "iCCP"}
