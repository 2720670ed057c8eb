// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"

	"thumbd/internal/thumb"
)

// BenchmarkRender measures the processor time of one thumbnail of a 12 MP
// original, from opening it to the file made.
func BenchmarkRender(b *testing.B) {
	m := photograph(4000, 3000)
	for _, from := range []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP} {
		in := fileOf(b, originalFile(b, m, from))
		defer in.Close()
		for _, box := range []image.Point{{100, 100}, {400, 300}, {1200, 900}} {
			b.Run(fmt.Sprintf("%v/%dx%d", from, box.X, box.Y), func(b *testing.B) {
				job := limits()
				job.Outputs = []thumb.Transform{{Width: box.X, Height: box.Y, Method: thumb.Crop, Format: thumb.JPEG, Quality: 82}}
				before := processorTime(b)
				for b.Loop() {
					out := outputFile(b, job.Bytes)
					if r := started(b).Render(job, Files{Original: in, Outputs: []*os.File{out}})[0]; r.Failure != "" {
						b.Fatal(r.Detail)
					}
					out.Close()
				}
				b.ReportMetric((processorTime(b)-before)/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

// photograph has soft and sharp parts and a sensor's noise.
func photograph(w, h int) image.Image {
	r := rand.New(rand.NewPCG(7, 8))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			u, v := float64(x)/float64(w), float64(y)/float64(h)
			soft := 90*math.Sin(9*u+4*v*v) + 40*math.Sin(70*u*v)
			if int(37*u)+int(23*v*(1+u))%3 == 0 {
				soft += 30
			}
			at := func(shift float64) uint8 {
				return uint8(min(max(120+soft*math.Cos(shift+2*v)+6*r.NormFloat64(), 0), 255))
			}
			m.SetNRGBA(x, y, color.NRGBA{at(0), at(0.4), at(0.9), 255})
		}
	}
	return m
}

// processorTime returns what this process has used so far, in milliseconds.
func processorTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}
