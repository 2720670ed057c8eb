// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// animatedPNG returns a PNG that says before its pixels that it has two frames.
func animatedPNG(still []byte) []byte {
	const header = 8 + 25 // signature, IHDR
	body := append([]byte("acTL"), 0, 0, 0, 2, 0, 0, 0, 0)
	chunk := binary.BigEndian.AppendUint32(nil, 8)
	chunk = append(chunk, body...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(body))
	return bytes.Join([][]byte{still[:header], chunk, still[header:]}, nil)
}

// TestVariants has a variant refused that shows less than its original, or does not
// save enough, and made from the same decode otherwise.
func TestVariants(t *testing.T) {
	fit := func(f thumb.Format) thumb.Transform {
		return thumb.Transform{Width: 2560, Height: 2560, Method: thumb.Fit, Format: f, Quality: 60, Variant: true, MinSaving: 10}
	}
	picture := originalFile(t, quadrants(400, 300), thumb.PNG)
	for _, tt := range []struct {
		name string
		data []byte
		webp wire.Failure
		avif wire.Failure
	}{
		{"a still", bytes.Join([][]byte{picture, make([]byte, 20_000)}, nil), "", ""},
		{"an animation", append(film(t, 0), make([]byte, 20_000)...), "", wire.NoVariant},
		{"an animated PNG", bytes.Join([][]byte{animatedPNG(picture), make([]byte, 20_000)}, nil), wire.NoVariant, wire.NoVariant},
	} {
		_, results := render(t, tt.data, limits(), fit(thumb.WebP), fit(thumb.AVIF))
		if results[0].Failure != tt.webp || results[1].Failure != tt.avif {
			t.Errorf("%s: WebP %q (%s), AVIF %q (%s)", tt.name, results[0].Failure, results[0].Detail, results[1].Failure, results[1].Detail)
		}
	}
	// A small drawing takes a few hundred bytes in each format: not 1 % of the file.
	dear := fit(thumb.WebP)
	dear.MinSaving = 99
	if _, results := render(t, picture, limits(), dear); results[0].Failure != wire.NoVariant {
		t.Errorf("saves too little: %+v", results[0])
	}
}
