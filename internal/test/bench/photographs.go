// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/h2non/bimg"
	"golang.org/x/image/draw"

	libjpeg "thumbd/internal/engine/jpeg/peer"
	"thumbd/internal/test/rig"
)

// enlarged are the photographs that originals are made of, and their widths.
var enlarged = []struct {
	name  string
	width int // pixels
}{{"mountains.jpg", 1600}, {"fig.jpg", 2400}, {"brushes.jpg", 3264}, {"brook.jpg", 4000}, {"mountains.jpg", 4000}, {"fig.jpg", 6000}}

// largePhotographs writes photographs of a format into folder: those of the
// test data, enlarged to 2 to 24 megapixels, with a sensor's noise, so that
// they are as hard to decode as the files of cameras.
func largePhotographs(folder, format string) ([]original, error) {
	from, err := rig.Testdata("originals/photos")
	if err != nil {
		return nil, err
	}
	var made []original
	for i, e := range enlarged {
		if !strings.HasSuffix(format, "jpg") && i%2 == 0 {
			continue // Their decoders are slow, and say the same of fewer.
		}
		data, err := os.ReadFile(filepath.Join(from, e.name))
		if err != nil {
			return nil, err
		}
		small, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		encoded, err := encode(noisy(small, e.width), format)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(folder, fmt.Sprintf("%d-%d.%s", i, e.width, format))
		if err := os.WriteFile(path, encoded, 0o644); err != nil {
			return nil, err
		}
		o, err := open(path)
		if err != nil {
			return nil, err
		}
		made = append(made, o)
	}
	return made, nil
}

func noisy(m image.Image, width int) *image.NRGBA {
	b := m.Bounds()
	out := image.NewNRGBA(image.Rect(0, 0, width, b.Dy()*width/b.Dx()))
	draw.CatmullRom.Scale(out, out.Bounds(), m, b, draw.Src, nil)
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(out.Pix); i += 4 {
		n := int(r.NormFloat64() * 3)
		for j := range 3 {
			out.Pix[i+j] = uint8(min(max(int(out.Pix[i+j])+n, 0), 255))
		}
	}
	return out
}

func encode(m *image.NRGBA, format string) ([]byte, error) {
	var b bytes.Buffer
	switch format {
	case "progressive.jpg":
		size := m.Bounds().Size()
		var rgb []byte
		for i := 0; i < len(m.Pix); i += 4 {
			rgb = append(rgb, m.Pix[i:i+3]...)
		}
		return libjpeg.Encode(libjpeg.Making{
			Width: size.X, Height: size.Y, Bands: 3, Quality: 90,
			Luma: [2]int{2, 2}, Chroma: [2]int{1, 1}, Scans: libjpeg.Usual(),
		}, rgb)
	case "jpg":
		err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90})
		return b.Bytes(), err
	case "png":
		err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m)
		return b.Bytes(), err
	}
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 98}); err != nil {
		return nil, err
	}
	return bimg.NewImage(b.Bytes()).Process(bimg.Options{Type: bimg.WEBP, Quality: 85})
}
