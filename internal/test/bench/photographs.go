// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/h2non/bimg"
	"golang.org/x/image/draw"

	"thumbd/internal/test/peer/libjpeg"
	"thumbd/internal/test/peer/vips"
	"thumbd/internal/test/rig"
)

// enlarged are the photographs that originals are made of, and their widths. The last
// three have 12 megapixels or more.
var enlarged = []struct {
	name  string
	width int // pixels
}{{"mountains.jpg", 1600}, {"fig.jpg", 2400}, {"brushes.jpg", 3264}, {"brook.jpg", 4300}, {"mountains.jpg", 4000}, {"fig.jpg", 6000}}

// largePhotographs writes photographs of a format into folder: the photographs of the
// test data, enlarged to 2 to 24 megapixels, with a sensor's noise. So they are as hard
// to decode as the files of cameras. Of the format large.jpg there are those of 12
// megapixels or more alone.
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
		if format == "large.jpg" && i < 3 {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, e.name))
		if err != nil {
			return nil, err
		}
		small, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		encoded, err := encode(noisy(small, e.width), format, i)
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

// encode returns m, the photograph of a number, as a file.
func encode(m *image.NRGBA, format string, number int) ([]byte, error) {
	var b bytes.Buffer
	switch format {
	case "progressive.jpg":
		return encodeJPEG(m, libjpeg.Making{Luma: [2]int{2, 2}, Scans: libjpeg.Usual()})
	case "mixed.jpg":
		return encodeMixed(m, number)
	case "rgba.png":
		fadeOut(m)
		err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m)
		return b.Bytes(), err
	case "jpg", "large.jpg":
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

func encodeJPEG(m *image.NRGBA, how libjpeg.Making) ([]byte, error) {
	size := m.Bounds().Size()
	how.Width, how.Height, how.Bands, how.Quality, how.Chroma = size.X, size.Y, 3, 90, [2]int{1, 1}
	rgb := make([]byte, 0, 3*size.X*size.Y)
	for i := 0; i < len(m.Pix); i += 4 {
		rgb = append(rgb, m.Pix[i:i+3]...)
	}
	return libjpeg.Encode(how, rgb)
}

// encodeMixed returns a JPEG of one of the kinds that there are: every second is
// progressive, and a third each has a profile, is turned and has restart markers. A third
// is 4:4:4, one of them baseline and one progressive, and the others are 4:2:0.
func encodeMixed(m *image.NRGBA, number int) ([]byte, error) {
	how := libjpeg.Making{Luma: [2]int{2, 2}}
	if number%2 == 1 {
		how.Scans = libjpeg.Usual()
	}
	if number == 2 || number == 3 {
		how.Luma = [2]int{1, 1}
	}
	if number%3 == 2 {
		how.Interval = (m.Bounds().Dx() + 15) / 16
	}
	file, err := encodeJPEG(m, how)
	if err != nil {
		return nil, err
	}
	switch number % 3 {
	case 0:
		return withProfile(file)
	case 1:
		return onItsSide(file), nil
	}
	return file, nil
}

// withProfile gives a JPEG the profile of Display P3.
func withProfile(file []byte) ([]byte, error) {
	profile, err := vips.Profile("p3")
	if err != nil {
		return nil, err
	}
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe2}, uint16(16+len(profile)))
	segment = append(segment, "ICC_PROFILE\x00\x01\x01"...)
	return slices.Concat(file[:2], segment, profile, file[2:]), nil
}

// fadeOut makes m more transparent from left to right.
func fadeOut(m *image.NRGBA) {
	width := m.Bounds().Dx()
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = uint8(255 - 200*(i/4%width)/width)
	}
}
