// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"image"
	"math/rand/v2"
	"slices"
	"testing"

	"thumbd/internal/test/peer/libpng"
	"thumbd/internal/thumb"
)

// encodedFully returns l as a PNG with all of its metadata.
func encodedFully(t *testing.T, l loaded) (file []byte) {
	t.Helper()
	tr := thumb.Transform{Format: thumb.PNG, Metadata: thumb.AllMetadata}
	err := l.encode(tr, animation{frames: 1}, false, func(data []byte) error {
		file = bytes.Clone(data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestPNGsAreLibvips decodes PNGs of each kind by package png and by libvips: the
// pictures, with their metadata, are the same.
func TestPNGsAreLibvips(t *testing.T) {
	exif := append([]byte("MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"), 0, 0, 0, 0)
	for name, m := range map[string]libpng.Making{
		"gray":                {Type: 0, Depth: 8},
		"gray of 1 bit":       {Type: 0, Depth: 1},
		"gray of 4 bits":      {Type: 0, Depth: 4},
		"gray and alpha":      {Type: 4, Depth: 8},
		"RGB":                 {Type: 2, Depth: 8},
		"RGBA":                {Type: 6, Depth: 8},
		"a palette":           {Type: 3, Depth: 8, Colors: 200},
		"a palette of 2 bits": {Type: 3, Depth: 2, Colors: 3},
		"a palette and alpha": {Type: 3, Depth: 4, Colors: 16, Alphas: 7},
	} {
		t.Run(name, func(t *testing.T) {
			m.Size, m.Filters, m.Level, m.ChunkLen = image.Pt(70, 50), []int{0, 1, 2, 3, 4}, 1, 1000
			data := libpng.Make(rand.New(rand.NewPCG(1, 41)), m)
			data = slices.Insert(data, bytes.Index(data, []byte("IDAT"))-4, libpng.Chunk("eXIf", exif)...)
			o := opened(t, data)
			got := o.loadPNG(image.Pt(1, 1))
			if got.none() {
				t.Fatal("left to libvips")
			}
			defer got.close()
			if o.orientation != 6 || got.orientation() != 6 {
				t.Errorf("orientation %d and %d, want 6", o.orientation, got.orientation())
			}
			want, err := o.loadPicture(o.stored, false)
			if err != nil {
				t.Fatal(err)
			}
			defer want.close()
			if got.p.Type != want.p.Type || !bytes.Equal(encodedFully(t, got), encodedFully(t, want)) {
				t.Error("not the picture that libvips makes")
			}
		})
	}
}

// TestPNGsLeftToLibvips has kinds of files that package png does not decode: they are
// shown all the same.
func TestPNGsLeftToLibvips(t *testing.T) {
	m := libpng.Making{Size: image.Pt(70, 50), Type: 2, Depth: 8, Filters: []int{0}, Level: 1, ChunkLen: 10000}
	whole := libpng.Make(rand.New(rand.NewPCG(1, 42)), m)
	pixels := bytes.Index(whole, []byte("IDAT")) - 4
	for name, data := range map[string][]byte{
		"a transparent color": slices.Insert(slices.Clone(whole), pixels, libpng.Chunk("tRNS", make([]byte, 6))...),
		"no end chunk":        whole[:len(whole)-12],
	} {
		t.Run(name, func(t *testing.T) {
			if o := opened(t, data); !o.loadPNG(image.Pt(1, 1)).none() || !o.left {
				t.Error("not left")
			}
			thumbnail(t, data, thumb.Transform{Width: 20, Method: thumb.Fit, Format: thumb.PNG})
		})
	}
}

// TestPNGsAreShrunkAsByLibvips makes thumbnails of random PNGs by both decoders: each is
// made once more without its end, which package png does not take.
func TestPNGsAreShrunkAsByLibvips(t *testing.T) {
	for seed := range 45 {
		r := rand.New(rand.NewPCG(uint64(seed), 44))
		data, m := libpng.Random(r)
		for range 4 {
			tr := thumb.Transform{
				Width: 1 + r.IntN(100), Height: 1 + r.IntN(100), Format: thumb.PNG,
				Method:  []thumb.Method{thumb.Crop, thumb.Smart, thumb.Fit, thumb.Stretch}[r.IntN(4)],
				Enlarge: r.IntN(2) == 0, Gravity: thumb.Gravity(r.IntN(9)),
			}
			got, want := thumbnail(t, data, tr), thumbnail(t, data[:len(data)-12], tr)
			if fault := different(got, want, 0); fault != "" {
				t.Errorf("seed %d: %+v of %+v: %s", seed, tr, m, fault)
			}
		}
	}
}

// TestPackedPNGs holds that pixels are written as they are, and that libpng has nothing
// against the files.
func TestPackedPNGs(t *testing.T) {
	for _, kind := range []int{0, 2, 4, 6} {
		for seed, size := range []image.Point{{1, 1}, {1, 300}, {300, 1}, {37, 41}, {200, 90}} {
			m := libpng.Making{Size: size, Type: kind, Depth: 8, Filters: []int{0, 1, 4}, Level: 1, ChunkLen: 10000}
			original := libpng.Make(rand.New(rand.NewPCG(uint64(seed), 43)), m)
			want, err := libpng.Decode(original)
			if err != nil {
				t.Fatal(err)
			}
			made, results := render(t, original, limits(), thumb.Transform{Width: size.X, Height: size.Y, Method: thumb.Fit, Format: thumb.PNG})
			if results[0].Failure != "" {
				t.Fatal(results[0].Detail)
			}
			got, err := libpng.Decode(made[0])
			if err != nil || got.Warnings > 0 || got.Size != size {
				t.Fatalf("type %d of %v: libpng: %v, %d warnings, %v", kind, size, err, got.Warnings, got.Size)
			}
			if got.Bands == want.Bands && !slices.Equal(visible(got), visible(want)) {
				t.Errorf("type %d of %v: other pixels", kind, size)
			}
			if got.Bands != want.Bands && size.X*size.Y > 1 {
				t.Errorf("type %d of %v: %d bands", kind, size, got.Bands)
			}
		}
	}
}

// visible returns the pixels of d without those that are transparent.
func visible(d libpng.Decoded) (pixels []byte) {
	for p := range slices.Chunk(d.Pixels, d.Bands) {
		if d.Bands%2 == 1 || p[d.Bands-1] > 0 {
			pixels = append(pixels, p...)
		}
	}
	return pixels
}
