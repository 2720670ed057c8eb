// SPDX-License-Identifier: MIT

package recipe

import (
	"reflect"
	"testing"
	"time"

	"thumbd/internal/stamp"
	"thumbd/internal/thumb"
)

var original = stamp.Original{Mtime: time.Unix(1_600_000_000, 123_456_789), Size: 4096}

// These texts are part of the modification times of published files. If one of
// them changes, every thumbnail of every installation is rendered again.
func TestTextsStay(t *testing.T) {
	for want, r := range map[string]recipe{
		"400x300_crop_q=82.webp enlarge=false metadata=none": {
			transform: thumb.Transform{Width: 400, Height: 300, Method: thumb.Crop, Quality: 82, Format: thumb.WebP},
		},
		"400x300_crop_q=auto.webp enlarge=false metadata=none max_bytes=40960": {
			transform: thumb.Transform{Width: 400, Height: 300, Method: thumb.Crop, Quality: thumb.AutoQuality, MaxBytes: 40 << 10, Format: thumb.WebP},
		},
		"10x20_fit_bg=ff0000_blur=0.5_dpr=2_frames=1_gray=1_sharpen=2_watermark=logo.png enlarge=true metadata=all" +
			" opacity=50 position=southeast scale=25 image=abc": {mark: "abc", transform: thumb.Transform{
			Width: 10, Height: 20, Method: thumb.Fit, DPR: 2, Format: thumb.PNG, Background: red(t), Blur: 50, Sharpen: 200,
			Gray: true, Frames: 1, Enlarge: true, Metadata: thumb.AllMetadata,
			Watermark: thumb.Watermark{Name: "logo", Opacity: 50, Position: thumb.SouthEast, Scale: 25},
		}},
		"10x20_fit.gif enlarge=false metadata=none frames_over=first": {
			transform: thumb.Transform{Width: 10, Height: 20, Method: thumb.Fit, Format: thumb.GIF, FramesOver: thumb.FirstFrame},
		},
	} {
		if got := r.text(); got != want {
			t.Errorf("got  %q,\nwant %q", got, want)
		}
	}
}

func red(t *testing.T) (c thumb.Color) {
	t.Helper()
	if err := c.UnmarshalText([]byte("ff0000")); err != nil {
		t.Fatal(err)
	}
	return c
}

// Each field of a transform and of its watermark is in the text: a field that
// is forgotten there would give two pictures one modification time.
func TestEachFieldIsInTheText(t *testing.T) {
	base := recipe{mark: "one", transform: thumb.Transform{
		Width: 10, Height: 10, Method: thumb.Crop, Format: thumb.JPEG, Watermark: thumb.Watermark{Name: "logo"},
	}}
	with := func(change func(*recipe)) string {
		r := base
		change(&r)
		return r.text()
	}
	check := func(name, text string) {
		if text == base.text() {
			t.Errorf("%s is not in the text", name)
		}
	}
	check("the presets of a size", with(func(r *recipe) { r.sizes = "two" }))
	check("the watermark's image", with(func(r *recipe) { r.mark = "two" }))
	for i := range reflect.TypeFor[thumb.Transform]().NumField() {
		name := reflect.TypeFor[thumb.Transform]().Field(i).Name
		// A measure is never published.
		if name == "Watermark" || name == "Measure" {
			continue
		}
		check(name, with(func(r *recipe) { another(t, reflect.ValueOf(&r.transform).Elem().Field(i)) }))
	}
	for i := range reflect.TypeFor[thumb.Watermark]().NumField() {
		name := "Watermark." + reflect.TypeFor[thumb.Watermark]().Field(i).Name
		check(name, with(func(r *recipe) { another(t, reflect.ValueOf(&r.transform.Watermark).Elem().Field(i)) }))
	}
}

// another sets v to another value that its text can show.
func another(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *thumb.Color:
		*x = red(t)
	case *thumb.Focus:
		if err := x.UnmarshalText([]byte("10:20")); err != nil {
			t.Fatal(err)
		}
	case *string:
		*x += "2"
	case *bool:
		*x = !*x
	case *thumb.FramesOver:
		*x = thumb.FirstFrame
	default:
		switch {
		case v.CanInt():
			v.SetInt(v.Int() + 2)
		case v.CanUint():
			v.SetUint(v.Uint() + 1)
		default:
			t.Fatalf("no other value for a %s", v.Type())
		}
	}
}

// A thumbnail is fresh if its time is that of its original and recipe.
func TestFresh(t *testing.T) {
	const name = "/t/s/a.jpg"
	before := Of(site(thumb.PresetScheme), logo)
	changed := site(thumb.PresetScheme)
	p := changed.Presets["s"]
	p.Transform.Width = 30
	changed.Presets["s"] = p
	now := Of(changed, logo)
	larger := stamp.Original{Mtime: original.Mtime, Size: 4097}
	for what, tt := range map[string]struct {
		change Change
		mtime  time.Time
		of     stamp.Original
		want   bool
	}{
		"its own":                          {NewChange(nil, before.Stamped()), before.Mtime(name, original), original, true},
		"another size of the original":     {NewChange(nil, before.Stamped()), before.Mtime(name, original), larger, false},
		"another recipe":                   {NewChange(nil, now.Stamped()), before.Mtime(name, original), original, false},
		"the original's":                   {NewChange(nil, before.Stamped()), original.Mtime, original, false},
		"the original's, in an old tree":   {NewChange([]Settings{before}, before), original.Mtime, original, true},
		"its own, in an old tree":          {NewChange([]Settings{before}, before), before.Mtime(name, original), original, true},
		"the original's, recipe changed":   {NewChange([]Settings{before}, now.After(before)), original.Mtime, original, false},
		"the original's, in a stamped one": {NewChange([]Settings{before}, before.After(now.Stamped())), original.Mtime, original, false},
	} {
		if got := tt.change.Fresh(name, tt.mtime, tt.of); got != tt.want {
			t.Errorf("%s: %v, want %v", what, got, tt.want)
		}
	}
}

// A tree remembers which times its thumbnails have.
func TestStampedIsKept(t *testing.T) {
	old := Of(site(thumb.PresetScheme), logo)
	if s := kept(t, old.Stamped()); s.mtime != stamped {
		t.Errorf("kept as %d", s.mtime)
	}
	if s := kept(t, old); s.mtime != 0 {
		t.Errorf("kept as %d", s.mtime)
	}
	if Equal(old, old.Stamped()) {
		t.Error("an old tree's settings equal a stamped one's")
	}
}
