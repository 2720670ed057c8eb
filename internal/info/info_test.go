// SPDX-License-Identifier: MIT

package info

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"image"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/thumb"
)

// vector is a picture, made from seed and base, with the hashes that npm's thumbhash
// 0.1.1 and blurhash 2.0.5 give. No value of it lies near a boundary of rounding.
type vector struct {
	Name      string `json:"name"`
	W         int    `json:"w"`
	H         int    `json:"h"`
	Seed      uint32 `json:"seed"`
	Base      []int  `json:"base"`
	SHA256    string `json:"rgba_sha256"`
	ThumbHash string `json:"thumbhash"`
	BlurHash  string `json:"blurhash_4x3"`
}

func vectors(t *testing.T) (list []vector) {
	t.Helper()
	b, err := os.ReadFile("testdata/hashes.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// picture returns v's picture: two slopes of colors under noise.
func (v vector) picture() *image.NRGBA {
	state := v.Seed ^ 0x5bd1e995
	noise := func() int {
		state = state*1103515245 + 12345
		return int(state >> 16 & 255)
	}
	p := image.NewNRGBA(image.Rect(0, 0, v.W, v.H))
	for y := range v.H {
		for x := range v.W {
			b := v.Base
			px := p.Pix[p.PixOffset(x, y):]
			px[0] = uint8(((b[0]*(v.W-x)+b[3]*x)/v.W*3 + noise()) >> 2)
			px[1] = uint8(((b[1]*(v.H-y)+b[4]*y)/v.H*3 + noise()) >> 2)
			px[2] = uint8((b[2]*3 + noise()) >> 2)
			px[3] = 255
			if strings.Contains(v.Name, "alpha") {
				px[3] = uint8(x*5 + y*3)
			}
		}
	}
	return p
}

// TestHashesAreThoseOfTheReference compares with the hashes of the reference
// implementations.
func TestHashesAreThoseOfTheReference(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			p := v.picture()
			sum := sha256.Sum256(p.Pix)
			if got := hex.EncodeToString(sum[:]); got != v.SHA256 {
				t.Fatalf("the pixels are not the vector's: %s", got)
			}
			if got := base64.StdEncoding.EncodeToString(thumbHash(p)); got != v.ThumbHash {
				t.Errorf("thumbhash %s, want %s", got, v.ThumbHash)
			}
			if got := blurHash(p); got != v.BlurHash {
				t.Errorf("blurhash %s, want %s", got, v.BlurHash)
			}
		})
	}
}

// TestDominantColor looks at pictures of few colors.
func TestDominantColor(t *testing.T) {
	fill := func(p *image.NRGBA, r image.Rectangle, color ...uint8) {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				copy(p.Pix[p.PixOffset(x, y):], color)
			}
		}
	}
	two := image.NewNRGBA(image.Rect(0, 0, 10, 10))
	fill(two, two.Rect, 200, 10, 20, 255)
	fill(two, image.Rect(0, 0, 10, 4), 0, 0, 255, 255)
	faint := image.NewNRGBA(two.Rect)
	fill(faint, faint.Rect, 200, 10, 20, 100)
	fill(faint, image.Rect(0, 0, 10, 4), 0, 0, 255, 255)
	for _, test := range []struct {
		name string
		p    *image.NRGBA
		want string
	}{
		{"most", two, "#c80a14"},
		{"most of what covers", faint, "#0000ff"},
		{"nothing", image.NewNRGBA(two.Rect), "#000000"},
	} {
		if got := dominant(test.p); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	if got, want := Shrink(two, 5).NRGBAAt(0, 4), two.NRGBAAt(0, 9); got != want {
		t.Errorf("shrunk: %v, want %v", got, want)
	}
	if got := Shrink(image.NewNRGBA(image.Rect(0, 0, 100, 1)), 16).Rect; got != image.Rect(0, 0, 16, 1) {
		t.Errorf("a line shrinks to %v", got)
	}
}

// whole returns an Info with all fields.
func whole(t *testing.T) Info {
	t.Helper()
	i := Info{Width: 1600, Height: 900, Format: thumb.JPEG, Bytes: 482113, Frames: 1}
	i.Look(vectors(t)[0].picture())
	if !i.Place(make([]byte, 60)) {
		t.Fatal("60 bytes are too many")
	}
	return i
}

// TestParseReadsAFile reads back what File has written, and nothing else.
func TestParseReadsAFile(t *testing.T) {
	i := whole(t)
	file, err := i.File()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(i, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, change := range [][2]string{
		{`"width":1600`, `"width":0`},
		{`"bytes":482113`, `"bytes":-1`},
		{`"frames":1`, `"frames":0`},
		{`"format":"jpg"`, `"format":"exe"`},
		{`"color":"#`, `"color":"red;`},
		{`"thumbhash":"`, `"thumbhash":"AA==`},
		{`"blurhash":"L`, `"blurhash":"\u003cL`},
		{`image/webp`, `text/html`},
		{`base64,`, `base64,*`},
		{`{`, `{"more":1,`},
		{`{`, ` {`},
		{"}\n", "}\n\n"},
	} {
		changed := strings.Replace(string(file), change[0], change[1], 1)
		if changed == string(file) {
			t.Fatalf("%q is not in %s", change[0], file)
		}
		if _, err := Parse([]byte(changed)); err == nil {
			t.Errorf("accepted: %s", changed)
		}
	}
	if new(Info).Place(make([]byte, 300)) {
		t.Error("300 bytes are accepted as a data URI of at most 400")
	}
}

// BenchmarkLook measures the hashes and the color of a picture of the longest side.
func BenchmarkLook(b *testing.B) {
	p := vector{W: thumb.InfoSide, H: thumb.InfoSide, Base: []int{3, 132, 210, 63, 75, 67}}.picture()
	for b.Loop() {
		new(Info).Look(p)
	}
}
