// SPDX-License-Identifier: MIT

package geometry

import (
	"errors"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"thumbd/internal/thumb"
)

var wide = image.Pt(4096, 4096)

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name     string
		original image.Point
		t        thumb.Transform
		want     image.Point
	}{
		{"crop shrinks a box that is not covered", image.Pt(200, 200), thumb.Transform{Method: thumb.Crop, Width: 400, Height: 300}, image.Pt(200, 150)},
		{"smart shrinks it too", image.Pt(200, 200), thumb.Transform{Method: thumb.Smart, Width: 400, Height: 300}, image.Pt(200, 150)},
		{"and where one side alone is short", image.Pt(4000, 150), thumb.Transform{Method: thumb.Attention, Width: 400, Height: 300}, image.Pt(200, 150)},
		{"crop shrinks each axis on its own", image.Pt(500, 100), thumb.Transform{Method: thumb.Crop, Width: 300, Height: 300, Uncovered: thumb.Axes}, image.Pt(300, 100)},
		{"also of an original that is smaller than the box", image.Pt(50, 40), thumb.Transform{Method: thumb.Smart, Width: 300, Height: 300, Uncovered: thumb.Axes}, image.Pt(50, 40)},
		{"axes of a box that is covered", image.Pt(500, 300), thumb.Transform{Method: thumb.Crop, Width: 300, Height: 300, Uncovered: thumb.Axes}, image.Pt(300, 300)},
		{"crop enlarges where allowed", image.Pt(200, 200), thumb.Transform{Method: thumb.Crop, Width: 400, Height: 300, Enlarge: true}, image.Pt(400, 300)},
		{"crop", image.Pt(4000, 3000), thumb.Transform{Method: thumb.Crop, Width: 100, Height: 100}, image.Pt(100, 100)},
		{"scale covers the box", image.Pt(4000, 3000), thumb.Transform{Method: thumb.Scale, Width: 100, Height: 100}, image.Pt(133, 100)},
		{"scale does not enlarge", image.Pt(200, 50), thumb.Transform{Method: thumb.Scale, Width: 100, Height: 100}, image.Pt(200, 50)},
		{"scale enlarges where allowed", image.Pt(200, 50), thumb.Transform{Method: thumb.Scale, Width: 100, Height: 100, Enlarge: true}, image.Pt(400, 100)},
		{"fit lies in the box", image.Pt(4000, 3000), thumb.Transform{Method: thumb.Fit, Width: 100, Height: 100}, image.Pt(100, 75)},
		{"fit does not enlarge", image.Pt(60, 50), thumb.Transform{Method: thumb.Fit, Width: 100, Height: 100}, image.Pt(60, 50)},
		{"fit enlarges where allowed", image.Pt(60, 50), thumb.Transform{Method: thumb.Fit, Width: 100, Height: 100, Enlarge: true}, image.Pt(100, 83)},
		{"dpr multiplies first", image.Pt(4000, 3000), thumb.Transform{Method: thumb.Fit, Width: 100, Height: 100, DPR: 3}, image.Pt(300, 225)},
		{"width alone, crop", image.Pt(4000, 3000), thumb.Transform{Method: thumb.Crop, Width: 500}, image.Pt(500, 375)},
		{"height alone, fit", image.Pt(4000, 3000), thumb.Transform{Method: thumb.Fit, Height: 500}, image.Pt(667, 500)},
		{"width alone is not enlarged", image.Pt(40, 30), thumb.Transform{Method: thumb.Smart, Width: 500}, image.Pt(40, 30)},
		{"half rounds up", image.Pt(200, 101), thumb.Transform{Method: thumb.Fit, Width: 100}, image.Pt(100, 51)},
		{"under half rounds down", image.Pt(1000, 1014), thumb.Transform{Method: thumb.Fit, Width: 100}, image.Pt(100, 101)},
		{"pad gives the box", image.Pt(4000, 3000), thumb.Transform{Method: thumb.Pad, Width: 100, Height: 100}, image.Pt(100, 100)},
		{"pad gives it to a small original too", image.Pt(40, 30), thumb.Transform{Method: thumb.Pad, Width: 100, Height: 100}, image.Pt(100, 100)},
		{"stretch gives the box", image.Pt(4000, 3000), thumb.Transform{Method: thumb.Stretch, Width: 100, Height: 100}, image.Pt(100, 100)},
		{"stretch gives it to a small original too", image.Pt(40, 300), thumb.Transform{Method: thumb.Stretch, Width: 100, Height: 100, DPR: 2}, image.Pt(200, 200)},
		{"width alone, pad", image.Pt(4000, 3000), thumb.Transform{Method: thumb.Pad, Width: 500}, image.Pt(500, 375)},
		{"width alone, stretch", image.Pt(40, 30), thumb.Transform{Method: thumb.Stretch, Width: 500}, image.Pt(40, 30)},
		{"nothing vanishes", image.Pt(10000, 3), thumb.Transform{Method: thumb.Fit, Width: 100, Height: 100}, image.Pt(100, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := New(c.original, c.t, wide)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Canvas; got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestComputedDimensionOverTheLimit(t *testing.T) {
	for _, c := range []struct {
		name     string
		original image.Point
		t        thumb.Transform
		want     error
	}{
		{"scale to a panorama's height", image.Pt(10000, 100), thumb.Transform{Method: thumb.Scale, Width: 50, Height: 50, Enlarge: true}, ErrTooLarge},
		{"and to one's width that is turned", image.Pt(100, 10000), thumb.Transform{Method: thumb.Scale, Width: 50, Height: 50, Enlarge: true}, ErrTooLarge},
		{"free height", image.Pt(100, 10000), thumb.Transform{Method: thumb.Fit, Width: 100}, ErrTooLarge},
		{"free width", image.Pt(10000, 100), thumb.Transform{Method: thumb.Fit, Height: 100}, ErrTooLarge},
		{"exactly the limit", image.Pt(8192, 100), thumb.Transform{Method: thumb.Fit, Height: 50}, nil},
		{"cut away", image.Pt(10000, 100), thumb.Transform{Method: thumb.Crop, Width: 100, Height: 100}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := New(c.original, c.t, wide); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestGravity(t *testing.T) {
	// 400x200 of 800x200 leaves 200 pixels each side.
	for g, x := range map[thumb.Gravity]int{
		thumb.Center: 100, thumb.North: 100, thumb.South: 100,
		thumb.West: 0, thumb.NorthWest: 0, thumb.SouthWest: 0,
		thumb.East: 200, thumb.NorthEast: 200, thumb.SouthEast: 200,
	} {
		p, err := New(image.Pt(800, 400), thumb.Transform{Method: thumb.Crop, Width: 200, Height: 200, Gravity: g}, wide)
		if want := image.Rect(x, 0, x+200, 200); err != nil || p.Cut != want {
			t.Errorf("%v of a wide original: got %v, %v, want %v", g, p.Cut, err, want)
		}
	}
	for g, y := range map[thumb.Gravity]int{
		thumb.Center: 100, thumb.East: 100, thumb.West: 100,
		thumb.North: 0, thumb.NorthWest: 0, thumb.NorthEast: 0,
		thumb.South: 200, thumb.SouthWest: 200, thumb.SouthEast: 200,
	} {
		p, err := New(image.Pt(400, 800), thumb.Transform{Method: thumb.Crop, Width: 200, Height: 200, Gravity: g}, wide)
		if want := image.Rect(0, y, 200, y+200); err != nil || p.Cut != want {
			t.Errorf("%v of a tall original: got %v, %v, want %v", g, p.Cut, err, want)
		}
	}
}

func TestFocus(t *testing.T) {
	for _, c := range []struct {
		x, y thumb.Decimal
		want image.Rectangle // of 800x400, in a box of 200x200
	}{
		{0, 5000, image.Rect(0, 0, 200, 200)},
		{2500, 0, image.Rect(0, 0, 200, 200)},
		{2600, 100, image.Rect(4, 0, 204, 200)},
		{4999, 5000, image.Rect(99, 0, 299, 200)},
		{5000, 10000, image.Rect(100, 0, 300, 200)},
		{7450, 0, image.Rect(198, 0, 398, 200)},
		{7500, 0, image.Rect(200, 0, 400, 200)},
		{10000, 0, image.Rect(200, 0, 400, 200)},
	} {
		p, err := New(image.Pt(800, 400), thumb.Transform{
			Method: thumb.Crop, Width: 200, Height: 200, Focus: thumb.NewFocus(c.x, c.y),
		}, wide)
		if err != nil || p.Cut != c.want {
			t.Errorf("%v:%v: got %v, %v, want %v", c.x, c.y, p.Cut, err, c.want)
		}
	}
}

func TestOverlay(t *testing.T) {
	for _, c := range []struct {
		name string
		of   image.Point
		w    thumb.Watermark
		want image.Rectangle // on 400x300
	}{
		{"its own size", image.Pt(50, 20), thumb.Watermark{Position: thumb.SouthEast}, image.Rect(350, 280, 400, 300)},
		{"too large", image.Pt(800, 100), thumb.Watermark{Position: thumb.North}, image.Rect(0, 0, 400, 50)},
		{"a share of the width", image.Pt(800, 100), thumb.Watermark{Position: thumb.SouthWest, Scale: 50}, image.Rect(0, 275, 200, 300)},
		{"a share, enlarged", image.Pt(8, 1), thumb.Watermark{Scale: 50}, image.Rect(100, 137, 300, 162)},
		{"too high for its share", image.Pt(10, 100), thumb.Watermark{Position: thumb.East, Scale: 50}, image.Rect(370, 0, 400, 300)},
	} {
		if got := Overlay(image.Pt(400, 300), c.of, c.w); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// TestRules holds the rules of thumbd-url(7) for sizes over random cases.
func TestRules(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		original, tr := randomCase(r)
		p, err := New(original, tr, image.Pt(1<<40, 1<<40))
		if err != nil {
			t.Fatalf("case %d: %v of %v: %v", i, tr, original, err)
		}
		if why := broken(p, original, tr); why != "" {
			t.Fatalf("case %d: %+v of %v: %+v: %s", i, tr, original, p, why)
		}
	}
}

func randomCase(r *rand.Rand) (image.Point, thumb.Transform) {
	side := func(limit int) int { return int(math.Exp(r.Float64() * math.Log(float64(limit)))) }
	original := image.Pt(side(30000), side(30000))
	tr := thumb.Transform{
		Width: side(1024), Height: side(1024), DPR: r.IntN(5),
		Method:  []thumb.Method{thumb.Scale, thumb.Crop, thumb.Smart, thumb.Attention, thumb.Fit, thumb.Pad, thumb.Stretch}[r.IntN(7)],
		Enlarge: r.IntN(2) == 0,
	}
	switch r.IntN(6) {
	case 0:
		tr.Width = 0
	case 1:
		tr.Height = 0
	}
	if tr.Method == thumb.Crop {
		tr.Gravity = thumb.Gravity(r.IntN(9))
		if r.IntN(3) == 0 {
			tr.Focus = thumb.NewFocus(thumb.Decimal(r.IntN(10001)), thumb.Decimal(r.IntN(10001)))
		}
	}
	return original, tr
}

func broken(p Plan, original image.Point, tr thumb.Transform) string {
	w, h := tr.Box()
	got := p.Cut.Size()
	within := func(r, all image.Rectangle) bool { return !r.Empty() && r.In(all) }
	switch {
	case !within(p.Source, image.Rectangle{Max: original}):
		return "source outside the original"
	case !within(p.Cut, image.Rectangle{Max: p.Size}):
		return "cut outside the resized picture"
	case !tr.Enlarge && p.Enlarges() && (tr.Method != thumb.Stretch || w == 0 || h == 0):
		return "enlarged"
	case p.Canvas != got && (tr.Method != thumb.Pad || w == 0 || h == 0):
		return "padded"
	case (tr.Method == thumb.Smart || tr.Method == thumb.Attention) && w > 0 && h > 0 && p.Seek != tr.Method:
		return "nothing sought"
	}
	switch {
	case w == 0 || h == 0:
		return brokenAlong(p, original, got, tr)
	case tr.Method == thumb.Scale:
		return brokenScale(original, got, tr)
	case tr.Method == thumb.Fit:
		return brokenFit(original, got, tr)
	case tr.Method == thumb.Pad:
		if at := p.Place(); p.Canvas != image.Pt(w, h) || at.X != (w-got.X)/2 || at.Y != (h-got.Y)/2 {
			return "not in the middle of the box"
		}
		return brokenFit(original, got, tr)
	case tr.Method == thumb.Stretch:
		if got != image.Pt(w, h) || p.Source.Max != original || p.Cut.Max != p.Size {
			return "not all of it in the box"
		}
		return ""
	}
	return brokenCut(p, original, got, tr)
}

func brokenAlong(p Plan, original, got image.Point, tr thumb.Transform) string {
	w, h := tr.Box()
	if p.Cut.Max != p.Size {
		return "cut"
	}
	if !tr.Enlarge {
		w, h = min(w, original.X), min(h, original.Y)
	}
	if (w != 0 && got.X != w) || (h != 0 && got.Y != h) {
		return "the stated dimension is another"
	}
	return brokenRatio(original, got)
}

// brokenRatio finds where the dimension that follows from the other one is not
// that of the original's ratio, rounded half up and at least 1.
func brokenRatio(original, got image.Point) string {
	half := func(n, d int) int { return max(int(math.Floor(float64(n)/float64(d)+0.5)), 1) }
	if got.Y != half(original.Y*got.X, original.X) && got.X != half(original.X*got.Y, original.Y) {
		return "ratio not kept"
	}
	return ""
}

func brokenScale(original, got image.Point, tr thumb.Transform) string {
	w, h := tr.Box()
	covers := got.X >= w && got.Y >= h
	switch {
	case !covers && (tr.Enlarge || got != original):
		return "box not covered"
	case covers && got.X != w && got.Y != h && got != original:
		return "not the smallest that covers"
	}
	return brokenRatio(original, got)
}

func brokenFit(original, got image.Point, tr thumb.Transform) string {
	w, h := tr.Box()
	switch {
	case got.X > w || got.Y > h:
		return "outside the box"
	case got.X != w && got.Y != h && (tr.Enlarge || got != original):
		return "not the largest that fits"
	}
	return brokenRatio(original, got)
}

func brokenCut(p Plan, original, got image.Point, tr thumb.Transform) string {
	w, h := tr.Box()
	box := image.Pt(w, h)
	covered := original.X >= w && original.Y >= h
	switch {
	case (tr.Enlarge || covered) && got != box:
		return "not the box"
	case !tr.Enlarge && !covered && got.X != original.X && got.Y != original.Y:
		return "the box is shrunk too far"
	case !tr.Enlarge && !covered && (got.X > original.X || got.Y > original.Y):
		return "the box is not covered"
	}
	if why := brokenRatio(box, got); why != "" {
		return "the box's " + why
	}
	if tr.Enlarge {
		return brokenWindow(p, original)
	}
	// Nothing more is cut away than one side's surplus.
	if p.Size.X != got.X && p.Size.Y != got.Y {
		return "cut on both sides"
	}
	return brokenRatio(original, p.Size)
}

// brokenWindow finds a picture on the way that is far larger than needed.
func brokenWindow(p Plan, original image.Point) string {
	factor := max(float64(p.Size.X)/float64(p.Source.Dx()), float64(p.Size.Y)/float64(p.Source.Dy()))
	if !p.Enlarges() {
		return ""
	}
	room := int(math.Ceil(2*factor)) + 1
	if p.Size.X > p.Cut.Dx()+room || p.Size.Y > p.Cut.Dy()+room {
		return "the resized picture is needlessly large"
	}
	return ""
}

func TestDecoderLeavesEnoughToReduce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		picture := image.Pt(1+r.IntN(20000), 1+r.IntN(20000))
		size := image.Pt(1+r.IntN(picture.X), 1+r.IntN(picture.Y))
		n := Divisor(picture, size)
		if left := picture.Div(n); n > 1 && (left.X*3 < size.X*5 || left.Y*3 < size.Y*5) {
			t.Fatalf("JPEG of %v to %v: %d leaves %v", picture, size, n, left)
		}
		if left := picture.Div(2 * n); n < 8 && left.X*3 >= size.X*5 && left.Y*3 >= size.Y*5 {
			t.Fatalf("JPEG of %v to %v: %d is less than possible", picture, size, n)
		}
		left := Scaled(picture, size)
		if left != picture && (left.X*2 < size.X*3 || left.Y*2 < size.Y*3 || left.X > picture.X || left.Y > picture.Y) {
			t.Fatalf("WebP of %v to %v: %v", picture, size, left)
		}
	}
}

func TestFineLeavesEnoughToReduce(t *testing.T) {
	for _, c := range []struct {
		from, to image.Point
		want     bool
	}{
		{image.Pt(600, 450), image.Pt(400, 300), true},
		{image.Pt(599, 450), image.Pt(400, 300), false},
		{image.Pt(600, 449), image.Pt(400, 300), false},
	} {
		if got := Fine(c.from, c.to); got != c.want {
			t.Errorf("of %v to %v: %v", c.from, c.to, got)
		}
	}
}

// TestStored turns a picture of known pixels by each orientation, cuts there
// what Stored says, and turns the piece back.
func TestStored(t *testing.T) {
	upright := image.Pt(5, 3)
	for o := 1; o <= 8; o++ {
		for x0 := range 5 {
			for y0 := range 3 {
				cut := image.Rect(x0, y0, min(x0+2, 5), min(y0+2, 3))
				p := Plan{Source: cut, Size: upright, Cut: cut, Canvas: cut.Size()}.Stored(upright, o)
				if p.Size != Upright(upright, o) || p.Cut != p.Source {
					t.Fatalf("orientation %d: %+v", o, p)
				}
				var got image.Rectangle
				for y := p.Cut.Min.Y; y < p.Cut.Max.Y; y++ {
					for x := p.Cut.Min.X; x < p.Cut.Max.X; x++ {
						seen := see(image.Pt(x, y), p.Size, o)
						got = got.Union(image.Rectangle{Min: seen, Max: seen.Add(image.Pt(1, 1))})
					}
				}
				if got != cut {
					t.Errorf("orientation %d: %v is stored at %v, which is seen at %v", o, cut, p.Cut, got)
				}
			}
		}
	}
}

// see returns where a stored pixel is seen, by EXIF's definition: the row 0
// and the column 0 of what is stored are these sides of what is seen.
func see(p, stored image.Point, orientation int) image.Point {
	right, bottom := stored.X-1-p.X, stored.Y-1-p.Y
	return []image.Point{
		{p.X, p.Y}, {right, p.Y}, {right, bottom}, {p.X, bottom},
		{p.Y, p.X}, {bottom, p.X}, {bottom, right}, {p.Y, right},
	}[orientation-1]
}

// TestEighths has what each scale leaves: 5/3 at 1/8, 7/5 at 2/8 and 3/8, 4/3 at 4/8,
// and anything at 8/8.
func TestEighths(t *testing.T) {
	for _, c := range []struct {
		original, size image.Point
		want           int
	}{
		{image.Pt(4000, 3000), image.Pt(300, 225), 1},
		{image.Pt(4000, 3000), image.Pt(301, 226), 2},
		{image.Pt(4000, 3000), image.Pt(714, 535), 2},
		{image.Pt(4000, 3000), image.Pt(715, 536), 3},
		{image.Pt(4000, 3000), image.Pt(1071, 803), 3},
		{image.Pt(4000, 3000), image.Pt(1072, 804), 4},
		{image.Pt(4000, 3000), image.Pt(1500, 1125), 4},
		{image.Pt(4000, 3000), image.Pt(1501, 1125), 8},
		{image.Pt(4000, 3000), image.Pt(100, 1126), 8},
		{image.Pt(4000, 3000), image.Pt(4000, 3000), 8},
		{image.Pt(4000, 3000), image.Pt(4001, 3000), 0}, // it is enlarged
		{image.Pt(6000, 4000), image.Pt(2400, 1600), 0}, // too large to be kept whole
	} {
		if got := Eighths(c.original, c.size); got != c.want {
			t.Errorf("%v to %v: %d, want %d", c.original, c.size, got, c.want)
		}
	}
}

// TestShrinkLeavesTwo shrinks pictures of random sizes: two pixels or more are left for each
// wanted one, and fewer than two more.
func TestShrinkLeavesTwo(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 1000 {
		picture := image.Pt(1+r.IntN(9000), 1+r.IntN(9000))
		size := image.Pt(1+r.IntN(3000), 1+r.IntN(3000))
		each, both := ShrinkEach(picture, size), Shrink(picture, size)
		if both != min(each.X, each.Y) {
			t.Errorf("%v to %v: %d together, %v each", picture, size, both, each)
		}
		for _, axis := range [][3]int{{picture.X, size.X, each.X}, {picture.Y, size.Y, each.Y}} {
			have, want, n := axis[0], axis[1], axis[2]
			if n < 1 || n > 1 && have < 2*want*n || have >= 2*want*(n+1) {
				t.Errorf("%d to %d pixels: shrunk by %d", have, want, n)
			}
		}
	}
}
