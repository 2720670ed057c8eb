// SPDX-License-Identifier: MIT

package frameworks

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // of the photographs
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/info"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// hashed is a picture and its hashes, as testdata/hashes takes it.
type hashed struct {
	W         int    `json:"w"`
	H         int    `json:"h"`
	RGBA      []byte `json:"rgba"`
	ThumbHash string `json:"thumbhash"`
	BlurHash  string `json:"blurhash"`
}

// reference has the hashes of npm's packages, and the mean differences of the decoded
// pictures in levels of 0 to 255.
type reference struct {
	ThumbHash    string  `json:"thumbhash"`
	BlurHash     string  `json:"blurhash"`
	ThumbHashOff float64 `json:"thumbhash_off"`
	BlurHashOff  float64 `json:"blurhash_off"`
}

// TestHashesOfNpmsPackages compares the hashes that thumbd answers with those of npm's
// thumbhash and blurhash. If a picture is small enough to be hashed as it is, they are
// equal. A photograph is made smaller first, by thumbd and by this test in two ways, so
// its hashes decode to nearly the same picture: rounding moves a mean by 4 levels.
func TestHashesOfNpmsPackages(t *testing.T) {
	from := os.Getenv("THUMBD_FRAMEWORKS")
	if from == "" {
		aid.Skip(t, "THUMBD_FRAMEWORKS names no installed packages; make check-clients does")
	}
	const made, photos = "originals/tests/made/", "originals/photos/"
	dir := kit.Folder(t, map[string]string{
		"brook.jpg": photos + "brook.jpg", "brushes.jpg": photos + "brushes.jpg", "dandelion.jpg": photos + "dandelion.jpg", "drum.jpg": photos + "drum.jpg",
		"fig.jpg": photos + "fig.jpg", "mountains.jpg": photos + "mountains.jpg", "sunset.jpg": photos + "sunset.jpg", "drawing.png": made + "alpha.png",
	})
	originals, err := os.ReadDir(dir)
	aid.Must(t, err)
	pictures := map[string]*image.NRGBA{"faded-small.png": faded()}
	for _, o := range originals {
		b, err := os.ReadFile(filepath.Join(dir, o.Name()))
		aid.Must(t, err)
		m, _, err := image.Decode(bytes.NewReader(b))
		aid.Must(t, err)
		name, ext, _ := strings.Cut(o.Name(), ".")
		small := info.Shrink(nrgba(m), thumb.InfoSide)
		if ext == "jpg" {
			pictures[o.Name()] = small
		}
		pictures[name+"-small.png"], pictures[name+"-tiny.png"] = small, info.Shrink(small, 17)
	}
	for name, m := range pictures {
		if filepath.Ext(name) == ".png" {
			var b bytes.Buffer
			aid.Must(t, png.Encode(&b, m))
			kit.Put(t, filepath.Join(dir, name), b.Bytes())
		}
	}

	site := kit.Gallery(t, dir)
	site.TOML = "info = true\n"
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}})
	var names []string
	var all []hashed
	for name, m := range pictures {
		out, err := kit.Thumbd(t, "info", "--admin", r.AdminPath(), "gallery", name)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		h := hashed{W: m.Rect.Dx(), H: m.Rect.Dy(), RGBA: m.Pix}
		aid.Must(t, json.Unmarshal([]byte(out), &h))
		names, all = append(names, name), append(all, h)
	}
	for i, want := range references(t, filepath.Join(from, "hashes"), all) {
		got := all[i]
		if want.ThumbHashOff > 10 || want.BlurHashOff > 10 {
			t.Errorf("%s: the hashes decode to pictures that differ by %.1f and %.1f levels", names[i], want.ThumbHashOff, want.BlurHashOff)
		}
		// Waves of the symmetric drawing are 0, which lies between two values of a hash.
		robust := filepath.Ext(names[i]) == ".png" && !strings.HasPrefix(names[i], "drawing")
		if robust && (got.ThumbHash != want.ThumbHash || got.BlurHash != want.BlurHash) {
			t.Errorf("%s: %s and %s, npm's packages say %s and %s", names[i], got.ThumbHash, got.BlurHash, want.ThumbHash, want.BlurHash)
		}
	}
}

// references asks npm's packages in a folder.
func references(t *testing.T, dir string, all []hashed) (list []reference) {
	t.Helper()
	kit.Run(t, "cp", "testdata/hashes/hashes.mjs", dir)
	given, err := json.Marshal(all)
	aid.Must(t, err)
	cmd := exec.CommandContext(t.Context(), "node", "hashes.mjs")
	var errs bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(given), &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	aid.Must(t, json.Unmarshal(out, &list))
	if len(list) != len(all) {
		t.Fatalf("%d hashes of %d pictures", len(list), len(all))
	}
	return list
}

func nrgba(m image.Image) *image.NRGBA {
	p := image.NewNRGBA(image.Rectangle{Max: m.Bounds().Size()})
	draw.Draw(p, p.Rect, m, m.Bounds().Min, draw.Src)
	return p
}

// faded is a picture of every alpha, with colors where it covers nothing, too.
func faded() *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, 90, 64))
	for y := range 64 {
		for x := range 90 {
			p.SetNRGBA(x, y, color.NRGBA{uint8(2 * x), uint8(255 - 3*y), uint8(x * y), uint8(max(0, 4*y-x))})
		}
	}
	return p
}
