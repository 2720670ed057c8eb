// SPDX-License-Identifier: MIT

package markup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"os"
	"strings"
	"testing"

	"thumbd/internal/thumb"
)

// TestPaintsAsTheReference compares with the pixels that npm's thumbhash 0.1.1 gives. It
// cuts off what this package rounds.
func TestPaintsAsTheReference(t *testing.T) {
	b, err := os.ReadFile("testdata/thumbhash.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name          string `json:"name"`
		ThumbHash     []byte `json:"thumbhash"`
		Width, Height int
		RGB           []byte `json:"rgb"`
	}
	if err := json.Unmarshal(b, &list); err != nil || len(list) < 3 {
		t.Fatal(len(list), err)
	}
	for _, v := range list {
		h, ok := decode(v.ThumbHash)
		got := h.paint(image.Pt(v.Width, v.Height))
		if !ok || len(got) != len(v.RGB) {
			t.Fatalf("%s: %t, %d bytes, want %d", v.Name, ok, len(got), len(v.RGB))
		}
		for i, want := range v.RGB {
			if d := int(got[i]) - int(want); d < 0 || d > 1 {
				t.Fatalf("%s: sample %d is %d, want %d", v.Name, i, got[i], want)
			}
		}
	}
}

// The background is a PNG that decoders read, of the picture's ratio, and there is none
// below which something transparent lies.
func TestStyle(t *testing.T) {
	const opaque, alpha = "nZQBDYSAd3d/eHiIiId3h3B/Bxd4", "XPqBDQIYjYaAh5dniI2AlveHCHYYt2d8dw=="
	for _, tt := range []struct {
		hash     string
		original image.Point
		method   thumb.Method
		want     image.Point
		end      string
	}{
		{opaque, image.Pt(4000, 3000), thumb.Crop, image.Pt(16, 12), " center/cover"},
		{opaque, image.Pt(3000, 4000), thumb.Stretch, image.Pt(12, 16), " center/100% 100%"},
		{opaque, image.Pt(5, 3), thumb.Fit, image.Pt(5, 3), " center/cover"},
		{opaque, image.Pt(1, 16000), thumb.Fit, image.Pt(1, 16), " center/cover"},
		{opaque, image.Pt(400, 300), thumb.Pad, image.Point{}, ""},
		{alpha, image.Pt(400, 300), thumb.Crop, image.Point{}, ""},
	} {
		got, err := style(tt.hash, tt.original, tt.method)
		if err != nil {
			t.Fatal(err)
		}
		if tt.end == "" {
			if got != "" {
				t.Errorf("%+v: %s", tt, got)
			}
			continue
		}
		text, ok := strings.CutPrefix(got, "background:url(data:image/png;base64,")
		text, found := strings.CutSuffix(text, ")"+tt.end)
		file, err := base64.StdEncoding.DecodeString(text)
		if !ok || !found || err != nil {
			t.Fatalf("%+v: %s: %v", tt, got, err)
		}
		if m, err := png.Decode(bytes.NewReader(file)); err != nil || m.Bounds().Size() != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	for _, bad := range []string{"", "%", "nZQB", "nZQBDYSAd3d/", alpha[:20]} {
		if got, err := style(bad, image.Pt(400, 300), thumb.Crop); !errors.Is(err, ErrThumbHash) {
			t.Errorf("%q: %s, %v", bad, got, err)
		}
	}
}
