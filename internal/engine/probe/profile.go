// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"math"
	"slices"
)

// Profile has the facts about an ICC profile. A zero Profile means that the file's
// profile can't be used.
type Profile struct {
	// Space is the color space of the pixels: "RGB ", "GRAY" or "CMYK".
	Space string
	// SRGB says that it is the sRGB color space, or so near that no 8-bit
	// color changes by more than one step: then pixels need no transform.
	SRGB bool
	// Perceptual says that it is made for the perceptual intent alone.
	Perceptual bool
	// Color is the color space by the profile's numbers (its tag cicp), or zero. The
	// numbers take precedence over the curves and tables.
	Color Color
}

// ReadProfile reads the facts about an ICC profile. If it does not understand the
// profile, SRGB is false.
func ReadProfile(profile []byte) Profile {
	space := profileSpace(profile)
	if space == "" {
		return Profile{}
	}
	tags := profileTags(profile)
	_, perceptual := tags["A2B0"]
	_, relative := tags["A2B1"]
	p := Profile{
		Space:      space,
		Perceptual: perceptual && !relative,
	}
	// Tables take precedence over matrix and curves.
	p.SRGB = p.Space == "RGB " && !perceptual && !relative && isSRGB(tags)
	if b := tags["cicp"]; p.Space == "RGB " && len(b) >= 12 && b[10] == 0 && b[11] == 1 {
		p.Color = cicpColor(b[8], b[9])
	}
	return p
}

func isSRGB(tags map[string][]byte) bool {
	for name, want := range srgbColorants {
		if !isColorant(tags[name], want) {
			return false
		}
	}
	return isCurve(tags["rTRC"]) && isCurve(tags["gTRC"]) && isCurve(tags["bTRC"])
}

// srgbColorants are sRGB's primaries under the D50 white of profiles. Makers'
// figures differ in the fourth decimal.
var srgbColorants = map[string][3]float64{
	"rXYZ": {0.4360, 0.2225, 0.0139},
	"gXYZ": {0.3851, 0.7169, 0.0971},
	"bXYZ": {0.1431, 0.0606, 0.7141},
}

const colorantTolerance, curveTolerance = 0.0008, 0.0015

// A profile has a head, with the number of its tags, then a list of their places, and
// then their data.
const headLength, tagLength, mostTags = 132, 12, 100

// profileSpace returns the space of a profile's pixels, or nothing if it is none.
func profileSpace(head []byte) string {
	if len(head) < headLength || string(head[36:40]) != "acsp" {
		return ""
	}
	return string(head[16:20])
}

func tagCount(head []byte) int64 { return int64(binary.BigEndian.Uint32(head[headLength-4:])) }

// tagRange returns the place in the profile of the data of an entry of the list.
func tagRange(entry []byte) (from, to int64) {
	from = int64(binary.BigEndian.Uint32(entry[4:]))
	return from, from + int64(binary.BigEndian.Uint32(entry[8:]))
}

func profileTags(profile []byte) map[string][]byte {
	count := tagCount(profile)
	if count > mostTags || int64(len(profile)) < headLength+tagLength*count {
		return nil
	}
	tags := make(map[string][]byte, count)
	for entry := range slices.Chunk(profile[headLength:][:tagLength*count], tagLength) {
		from, to := tagRange(entry)
		if to > int64(len(profile)) {
			return nil
		}
		tags[string(entry[:4])] = profile[from:to]
	}
	return tags
}

func isColorant(tag []byte, want [3]float64) bool {
	if len(tag) < 20 || string(tag[:4]) != "XYZ " {
		return false
	}
	for i, w := range want {
		if math.Abs(fixed(tag[8+4*i:])-w) > colorantTolerance {
			return false
		}
	}
	return true
}

// fixed returns an s15Fixed16Number.
func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

func isCurve(tag []byte) bool {
	if len(tag) < 12 {
		return false
	}
	switch string(tag[:4]) {
	case "curv":
		return isSampledCurve(tag[8:])
	case "para":
		return isParametricCurve(tag[8:])
	}
	return false
}

func isSampledCurve(tag []byte) bool {
	n := int(binary.BigEndian.Uint32(tag))
	if n < 256 || n > 4096 || len(tag) < 4+2*n {
		return false
	}
	for i := range n {
		y := float64(binary.BigEndian.Uint16(tag[4+2*i:])) / 65535
		if math.Abs(y-srgbCurve(float64(i)/float64(n-1))) > curveTolerance {
			return false
		}
	}
	return true
}

// isParametricCurve knows type 3 alone: profiles of sRGB have this type.
func isParametricCurve(tag []byte) bool {
	if len(tag) < 24 || binary.BigEndian.Uint16(tag) != 3 {
		return false
	}
	for i, want := range []float64{2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045} {
		if math.Abs(fixed(tag[4+4*i:])-want) > colorantTolerance {
			return false
		}
	}
	return true
}

func srgbCurve(x float64) float64 {
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}
