// SPDX-License-Identifier: MIT

package probe

import (
	"encoding/binary"
	"math"
)

// Luminance in cd/m², by ITU-R BT.2408: white of a screen without HDR, and the
// brightest that a picture is taken to have.
const paperWhite, brightest = 203, 1000

// bright returns the function from samples of a color space of HDR to light in
// sRGB, with 1 for white. Chromium's tone mapping makes the colors dark enough for a
// screen without HDR. toXYZ is of c's primaries.
func (c Color) bright(toXYZ matrix) func([3]float64) [3]float64 {
	wide, _ := matrixOf(primaryPoints[9])
	narrow, _ := matrixOf(primaryPoints[bt709])
	fromXYZ, _ := wide.inverse()
	toWide := fromXYZ.times(toXYZ)
	fromXYZ, _ = narrow.inverse()
	toNarrow := fromXYZ.times(wide)
	return func(samples [3]float64) [3]float64 {
		var light [3]float64
		for i, x := range samples {
			if x = c.full(x); c.transfer == pqTransfer {
				light[i] = pq(x)
			} else {
				light[i] = hlg(x)
			}
		}
		light = toWide.of(light)
		if c.transfer == hlgTransfer {
			// The brighter of two scenes is shown with more contrast.
			y := wide[1][0]*light[0] + wide[1][1]*light[1] + wide[1][2]*light[2]
			light = scaled(light, brightest*math.Pow(max(y, 0), 0.2))
		}
		light = scaled(light, 1.0/paperWhite)
		light = toNarrow.of(scaled(light, toneScale(max(light[0], light[1], light[2]))))
		for i := range light {
			light[i] = max(0, min(1, light[i]))
		}
		return light
	}
}

func scaled(v [3]float64, by float64) [3]float64 {
	return [3]float64{v[0] * by, v[1] * by, v[2] * by}
}

// pq returns the luminance of a sample, by SMPTE ST 2084.
func pq(x float64) float64 {
	const m1, m2, c1, c2, c3 = 2610.0 / 16384, 2523.0 / 32, 3424.0 / 4096, 2413.0 / 128, 2392.0 / 128
	p := math.Pow(x, 1/m2)
	return 10000 * math.Pow(max(p-c1, 0)/(c2-c3*p), 1/m1)
}

// hlg returns the light of the scene for a sample, by ITU-R BT.2100.
func hlg(x float64) float64 {
	const a, b, c = 0.17883277, 0.28466892, 0.55991073
	if x <= 0.5 {
		return x * x / 3
	}
	return (math.Exp((x-c)/a) + b) / 12
}

// toneScale returns the factor by which a color is darkened. m is its brightest
// component, with 1 for paper white. Up to paper white the factor is a half; brighter
// colors follow a Bézier curve to white.
func toneScale(m float64) float64 {
	const knee, top = 0.5, float64(brightest) / paperWhite
	if m <= 1 {
		return knee
	}
	if m >= top {
		return 1 / m
	}
	// Between (1, knee) and (top, 1) the curve heads for this point.
	const bend = 0.65
	x, y := (1-bend)+bend/knee, (1-bend)*knee+bend
	qa, qb := 1-2*x+top, 2*(x-1)
	t := (math.Sqrt(qb*qb+4*qa*(m-1)) - qb) / (2 * qa)
	return ((1-t)*(1-t)*knee + 2*t*(1-t)*y + t*t) / m
}

// tableProfile returns a profile that has the colors of a grid of samples, as
// L*a*b*. The function returns light in sRGB.
func tableProfile(light func([3]float64) [3]float64) []byte {
	const grid = 33
	b := append([]byte("mft2\x00\x00\x00\x00"), 3, 3, grid, 0)
	for i := range 9 {
		b = appendFixed(b, float64((4-i%4)/4))
	}
	ends := []byte{0, 0, 0xff, 0xff}
	b = append(b, 0, 2, 0, 2) // each curve is a line between two points
	for range 3 {
		b = append(b, ends...)
	}
	toXYZ, _ := matrixOf(primaryPoints[bt709])
	toXYZ = inD50(primaryPoints[bt709]).times(toXYZ)
	for i := range grid * grid * grid {
		at := func(n int) float64 { return float64(n%grid) / (grid - 1) }
		for _, v := range labOf(toXYZ.of(light([3]float64{at(i / grid / grid), at(i / grid), at(i)}))) {
			b = binary.BigEndian.AppendUint16(b, uint16(math.Round(max(0, min(65535, v)))))
		}
	}
	for range 3 {
		b = append(b, ends...)
	}
	white := string(xyzTag(d50[0], d50[1], d50[2]))
	return writeProfile("Lab ", [][]string{{white, "wtpt"}, {string(b), "A2B0", "A2B1"}})
}

// labOf returns L*, a* and b* of a color, as a table of 16 bits has them.
func labOf(xyz [3]float64) [3]float64 {
	var f [3]float64
	for i, v := range xyz {
		if v /= d50[i]; v > 216.0/24389 {
			f[i] = math.Cbrt(v)
		} else {
			f[i] = (v*24389/27 + 16) / 116
		}
	}
	return [3]float64{(116*f[1] - 16) * 652.8, (500*(f[0]-f[1]) + 128) * 256, (200*(f[1]-f[2]) + 128) * 256}
}
