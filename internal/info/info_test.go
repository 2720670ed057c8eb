// SPDX-License-Identifier: MIT

package info

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/color"
	"math"
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

func vectors(t *testing.T) []vector {
	t.Helper()
	return read(t, "testdata/hashes.json")
}

func read(t *testing.T, path string) (list []vector) {
	t.Helper()
	b, err := os.ReadFile(path)
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

// fragile are the pictures of testdata/fragile.json: some of their waves are 0, and their
// hashes depend on the last bit of a cosine.
var fragile = map[string]func(x, y int) color.NRGBA{
	"solid-red 8x8":    func(int, int) color.NRGBA { return color.NRGBA{255, 0, 0, 255} },
	"gradient-x 32x18": func(x, _ int) color.NRGBA { return color.NRGBA{uint8(255 * x / 31), 128, uint8(255 - 255*x/31), 255} },
	"rgb-ramp 100x75": func(x, y int) color.NRGBA {
		return color.NRGBA{uint8(255 * x / 99), uint8(255 * y / 74), uint8(7*x + 13*y), 255}
	},
	"checker 16x24 (4px cells)": func(x, y int) color.NRGBA {
		if (x/4+y/4)%2 == 0 {
			return color.NRGBA{20, 40, 120, 255}
		}
		return color.NRGBA{240, 240, 240, 255}
	},
	"alpha-disc 48x48": func(x, y int) color.NRGBA {
		if (2*x-47)*(2*x-47)+(2*y-47)*(2*y-47) < 40*40 {
			return color.NRGBA{30, 200, 90, 255}
		}
		return color.NRGBA{255, 255, 255, 0}
	},
}

// TestFragileHashesAreNearThoseOfTheReference compares the numbers in the hashes with
// those in the hashes of the reference implementations: each differs by one step at most.
func TestFragileHashesAreNearThoseOfTheReference(t *testing.T) {
	all := read(t, "testdata/fragile.json")
	if len(all) != len(fragile) {
		t.Fatalf("%d vectors, %d pictures", len(all), len(fragile))
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			p := image.NewNRGBA(image.Rect(0, 0, v.W, v.H))
			for i := range v.W * v.H {
				p.SetNRGBA(i%v.W, i/v.W, fragile[v.Name](i%v.W, i/v.W))
			}
			sum := sha256.Sum256(p.Pix)
			if got := hex.EncodeToString(sum[:]); got != v.SHA256 {
				t.Fatalf("the pixels are not the vector's: %s", got)
			}
			want, err := base64.StdEncoding.DecodeString(v.ThumbHash)
			if err != nil {
				t.Fatal(err)
			}
			expectNear(t, "thumbhash", thumbNumbers(thumbHash(p)), thumbNumbers(want))
			expectNear(t, "blurhash", blurNumbers(blurHash(p)), blurNumbers(v.BlurHash))
		})
	}
}

// number is a number in a hash, and the step in which the hash counts it.
type number struct{ value, step float64 }

func expectNear(t *testing.T, what string, got, want []number) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i, n := range got {
		if off := math.Abs(n.value - want[i].value); off > 1.001*want[i].step {
			t.Errorf("%s: number %d is %v, want %v in steps of %v", what, i, n.value, want[i].value, want[i].step)
		}
	}
}

// thumbNumbers returns the numbers of a ThumbHash: sides and alpha, means, scales, and the
// waves, which count as much as their scale.
func thumbNumbers(hash []byte) (list []number) {
	head := int(hash[0]) | int(hash[1])<<8 | int(hash[2])<<16
	more := int(hash[3]) | int(hash[4])<<8
	exact := func(n int) { list = append(list, number{float64(n), 0}) }
	part := func(n, of int) float64 {
		list = append(list, number{float64(n) / float64(of), 1 / float64(of)})
		return float64(n) / float64(of)
	}
	exact(head >> 23)
	exact(more & 7)
	exact(more >> 15)
	part(head&63, 63)
	part(head>>6&63, 63)
	part(head>>12&63, 63)
	l, p, q := part(head>>18&31, 31), part(more>>3&63, 63), part(more>>9&63, 63)
	most, waves := 7, hash[5:]
	scales := []float64{l, p, q}
	if head>>23 == 1 {
		most, waves = 5, hash[6:]
		part(int(hash[5]&15), 15)
		scales = append(scales, part(int(hash[5]>>4), 15))
	}
	nx, ny := max(3, more&7), most
	if more>>15 == 1 {
		nx, ny = ny, nx
	}
	at := 0
	for i, scale := range scales {
		n := []int{triangle(nx, ny), triangle(3, 3), triangle(3, 3), triangle(5, 5)}[i]
		for range n - 1 {
			list = append(list, number{(float64(waves[at/2]>>(at%2*4)&15)/7.5 - 1) * scale, scale / 7.5})
			at++
		}
	}
	return list
}

// triangle returns the number of waves of which there are nx across and ny down.
func triangle(nx, ny int) (n int) {
	for y := range ny {
		for x := 0; x*ny < nx*(ny-y); x++ {
			n++
		}
	}
	return n
}

// blurNumbers returns the numbers of a BlurHash, in the digits in which they are written.
func blurNumbers(hash string) (list []number) {
	parse := func(text string) (n int) {
		for _, c := range text {
			n = n*83 + strings.IndexRune(digits, c)
		}
		return n
	}
	list = append(list, number{float64(parse(hash[:1])), 0}, number{float64(parse(hash[1:2])), 1})
	for shift := 16; shift >= 0; shift -= 8 {
		list = append(list, number{float64(parse(hash[2:6]) >> shift & 255), 1})
	}
	for i := 6; i < len(hash); i += 2 {
		n := parse(hash[i : i+2])
		list = append(list, number{float64(n / 361), 1}, number{float64(n / 19 % 19), 1}, number{float64(n % 19), 1})
	}
	return list
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
