// SPDX-License-Identifier: MIT

package thumb_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

const (
	sig = "_AAAAAAAAAAAAAAAAAAAAAAAAAAAA" // 28 characters after the _
	sha = "0123456789abcdef0123456789abcdef01234567"
)

var all = []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF}

func signedSite() *thumb.Site {
	return &thumb.Site{
		Route: route.Route{Name: "gallery", Prefix: "/thumbs/"}, DocumentRoot: "/srv", Scheme: thumb.Signed, Formats: all,
		MaxWidth: 4096, MaxHeight: 2048, Quality: map[thumb.Format]int{thumb.JPEG: 82, thumb.WebP: 80},
		Presets: map[string]thumb.Preset{"card": {
			Transform: thumb.Transform{Width: 400, Height: 300, Method: thumb.Crop, Gravity: thumb.North, Quality: 60},
			DPR:       []int{2},
		}, "hero": {
			Transform: thumb.Transform{Width: 1600, Height: 900, Method: thumb.Crop, Quality: 60},
			Widths:    []int{320, 7, 2000}, Formats: []thumb.Format{thumb.WebP},
		}, "marked": {
			Transform: thumb.Transform{Width: 40, Height: 30, Method: thumb.Pad, Watermark: thumb.Watermark{Name: "logo"}},
		}},
		Watermarks: map[string]thumb.Watermark{"logo": logo},
	}
}

var logo = thumb.Watermark{Name: "logo", Opacity: 50, Position: thumb.SouthEast, Scale: 25}

func presetSite() *thumb.Site {
	s := signedSite()
	s.Scheme, s.Prefix = thumb.PresetScheme, "/p/"
	s.Presets = thumb.DefaultPresets()
	s.Presets["modern"] = thumb.Preset{
		Transform: thumb.Transform{Width: 64, Height: 48, Method: thumb.Crop},
		Formats:   []thumb.Format{thumb.WebP, thumb.JPEG}, DPR: []int{2, 3}, Widths: []int{32, 33},
	}
	s.Formats = []thumb.Format{thumb.JPEG, thumb.PNG}
	return s
}

func factorSite() *thumb.Site {
	s := presetSite()
	s.Factors = []int{100, 75}
	return s
}

func restSite() *thumb.Site {
	s := signedSite()
	s.Scheme, s.Prefix, s.Enlarge = thumb.RestThumbnails, "/thumbnails/", true
	return s
}

func TestParseTransform(t *testing.T) {
	for _, tt := range []struct {
		uri      string
		site     *thumb.Site
		original string
		want     thumb.Transform
	}{
		{
			"/thumbs/animals/kitten.jpg/400x300_crop" + sig + ".webp", signedSite(), "animals/kitten.jpg",
			thumb.Transform{Width: 400, Height: 300, Method: thumb.Crop, Quality: 80, Format: thumb.WebP},
		},
		{
			"/thumbs/a_b/c_d/400x_scale_dpr=3_q=7_v=aZ9" + sig + ".jpg", signedSite(), "a_b/c_d",
			thumb.Transform{Width: 400, Method: thumb.Scale, DPR: 3, Quality: 7, Format: thumb.JPEG},
		},
		{
			"/thumbs/a/x300_crop_gravity=southwest_q=7" + sig + ".png", signedSite(), "a",
			thumb.Transform{Height: 300, Method: thumb.Crop, Gravity: thumb.SouthWest, Format: thumb.PNG},
		},
		{
			"/thumbs/a/card@2x" + sig + ".jpg", signedSite(), "a",
			thumb.Transform{Width: 400, Height: 300, DPR: 2, Method: thumb.Crop, Gravity: thumb.North, Quality: 60, Format: thumb.JPEG},
		},
		{
			"/thumbs/a/hero-320w" + sig + ".jpg", signedSite(), "a",
			thumb.Transform{Width: 320, Height: 180, Method: thumb.Crop, Quality: 60, Format: thumb.JPEG},
		},
		{
			// 3.9375 is rounded.
			"/thumbs/a/hero-7w" + sig + ".jpg", signedSite(), "a",
			thumb.Transform{Width: 7, Height: 4, Method: thumb.Crop, Quality: 60, Format: thumb.JPEG},
		},
		{
			// Half up: 24.75 at 33, then three quarters of 33x25.
			"/p/modern-33w/75/a.jpg", factorSite(), "a.jpg",
			thumb.Transform{Width: 25, Height: 19, Method: thumb.Crop, Quality: 82, Format: thumb.JPEG},
		},
		{
			"/thumbs/a/40x30_crop_bg=000000_blur=0.3_dpr=2_focus=0:62.5_frames=1_gray=1_q=7_sharpen=10_v=1_watermark=logo" + sig + ".gif", signedSite(), "a",
			thumb.Transform{
				Width: 40, Height: 30, DPR: 2, Method: thumb.Crop, Focus: thumb.NewFocus(0, 6250), Background: thumb.NewColor(0, 0, 0),
				Blur: 30, Frames: 1, Gray: true, Sharpen: 1000, Watermark: logo, Format: thumb.GIF,
			},
		},
		{
			"/thumbs/a/40x30_pad_bg=0a0b0c_blur=50_sharpen=0.1" + sig + ".jpg", signedSite(), "a",
			thumb.Transform{
				Width: 40, Height: 30, Method: thumb.Pad, Background: thumb.NewColor(10, 11, 12),
				Blur: 5000, Sharpen: 10, Quality: 82, Format: thumb.JPEG,
			},
		},
		{
			"/thumbs/a/40x_stretch_blur=12.34" + sig + ".png", signedSite(), "a",
			thumb.Transform{Width: 40, Method: thumb.Stretch, Blur: 1234, Format: thumb.PNG},
		},
		{
			"/thumbs/a/40x_crop_gravity=north_gray=1" + sig + ".png", signedSite(), "a",
			thumb.Transform{Width: 40, Method: thumb.Crop, Gravity: thumb.North, Gray: true, Format: thumb.PNG},
		},
		{
			"/thumbs/a/marked" + sig + ".png", signedSite(), "a",
			thumb.Transform{Width: 40, Height: 30, Method: thumb.Pad, Watermark: logo, Format: thumb.PNG},
		},
		{
			"/p/small/tests/image.PNG", presetSite(), "tests/image.PNG",
			thumb.Transform{Width: 50, Height: 50, Method: thumb.Fit, Format: thumb.PNG},
		},
		{
			"/p/small/a.jpg.jpeg", presetSite(), "a.jpg.jpeg",
			thumb.Transform{Width: 50, Height: 50, Method: thumb.Fit, Quality: 82, Format: thumb.JPEG},
		},
		{
			"/p/modern@3x/a.png.webp", presetSite(), "a.png",
			thumb.Transform{Width: 64, Height: 48, DPR: 3, Method: thumb.Crop, Quality: 80, Format: thumb.WebP},
		},
		{
			"/p/modern/a.HEIC.jpg", presetSite(), "a.HEIC",
			thumb.Transform{Width: 64, Height: 48, Method: thumb.Crop, Quality: 82, Format: thumb.JPEG},
		},
		{
			"/p/modern/a.webp.webp", presetSite(), "a.webp.webp",
			thumb.Transform{Width: 64, Height: 48, Method: thumb.Crop, Quality: 80, Format: thumb.WebP},
		},
		{
			"/p/modern/a.png.webp.jpg", presetSite(), "a.png.webp",
			thumb.Transform{Width: 64, Height: 48, Method: thumb.Crop, Quality: 82, Format: thumb.JPEG},
		},
		{
			"/p/icon/75/a.b/c.png", factorSite(), "a.b/c.png",
			thumb.Transform{Width: 12, Height: 12, Method: thumb.Fit, Format: thumb.PNG},
		},
		{
			"/p/small/75/c.png", factorSite(), "c.png",
			thumb.Transform{Width: 38, Height: 38, Method: thumb.Fit, Format: thumb.PNG},
		},
		{
			"/thumbnails/animals/kitten.jpg/500x0/scale/" + sha + ".jpg", restSite(), "animals/kitten.jpg",
			thumb.Transform{Width: 500, Method: thumb.Scale, Quality: 82, Format: thumb.JPEG, Enlarge: true},
		},
		{
			"/thumbnails/a/x20/smart/" + sha + ".JPEG", restSite(), "a",
			thumb.Transform{Height: 20, Method: thumb.Smart, Quality: 82, Format: thumb.JPEG, Enlarge: true},
		},
	} {
		got, err := tt.site.Parse(tt.uri)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.uri, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got.Transform()); diff != "" || got.Original != tt.original {
			t.Errorf("Parse(%q): original %q, transform (-want +got):\n%s", tt.uri, got.Original, diff)
		}
		if uri := got.URI(); uri != tt.uri {
			t.Errorf("Parse(%q).URI() = %q", tt.uri, uri)
		}
	}
}

func TestParseSignedRefuses(t *testing.T) {
	for name, want := range map[string]error{
		"a/":                                                      thumb.ErrName,
		"a/.b/10x_fit" + sig + ".jpg":                             thumb.ErrName,
		"a/10x_fit" + sig:                                         thumb.ErrExtension,
		"a/10x_fit" + sig + ".JPG":                                thumb.ErrExtension,
		"a/10x_fit" + sig + ".jpeg":                               thumb.ErrExtension,
		"a/10x_fit" + sig + ".heic":                               thumb.ErrExtension,
		"a/10x_fit" + sig + ".":                                   thumb.ErrExtension,
		"a/favicon.ico":                                           thumb.ErrExtension,
		"a/10x_fit.jpg":                                           thumb.ErrNoSignature,
		"a/nonsense.jpg":                                          thumb.ErrNoSignature,
		"a/" + sig[1:] + ".jpg":                                   thumb.ErrNoSignature,
		"a/" + sig + ".jpg":                                       thumb.ErrMalformed,
		"a/10x" + sig + ".jpg":                                    thumb.ErrMalformed,
		"a/10_fit" + sig + ".jpg":                                 thumb.ErrMalformed,
		"a/x_fit" + sig + ".jpg":                                  thumb.ErrMalformed,
		"a/0x10_fit" + sig + ".jpg":                               thumb.ErrMalformed,
		"a/010x10_fit" + sig + ".jpg":                             thumb.ErrMalformed,
		"a/+1x10_fit" + sig + ".jpg":                              thumb.ErrMalformed,
		"a/10x10x10_fit" + sig + ".jpg":                           thumb.ErrMalformed,
		"a/9999999x_fit" + sig + ".jpg":                           thumb.ErrMalformed,
		"a/10X10_fit" + sig + ".jpg":                              thumb.ErrMalformed,
		"a/10x10_Fit" + sig + ".jpg":                              thumb.ErrMalformed,
		"a/10x10_original" + sig + ".jpg":                         thumb.ErrMalformed,
		"a/10x10_" + sig + ".jpg":                                 thumb.ErrMalformed,
		"a/10x10_fit_" + sig + ".jpg":                             thumb.ErrMalformed,
		"a/10x10_fit_q=07" + sig + ".jpg":                         thumb.ErrMalformed,
		"a/10x10_fit_q=0" + sig + ".jpg":                          thumb.ErrMalformed,
		"a/10x10_fit_q=-1" + sig + ".jpg":                         thumb.ErrMalformed,
		"a/10x10_fit_q=Auto" + sig + ".jpg":                       thumb.ErrMalformed,
		"a/10x10_fit_q=101" + sig + ".jpg":                        thumb.ErrMalformed,
		"a/10x10_fit_q" + sig + ".jpg":                            thumb.ErrMalformed,
		"a/10x10_fit_q=" + sig + ".jpg":                           thumb.ErrMalformed,
		"a/10x10_fit_q=7_q=7" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_v=1_q=7" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_dpr=1" + sig + ".jpg":                        thumb.ErrMalformed,
		"a/10x10_fit_dpr=5" + sig + ".jpg":                        thumb.ErrMalformed,
		"a/10x10_fit_dpr=1.5" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_lossless=1" + sig + ".jpg":                   thumb.ErrMalformed,
		"a/10x10_fit_gravity=north" + sig + ".jpg":                thumb.ErrMalformed,
		"a/10x10_crop_gravity=center" + sig + ".jpg":              thumb.ErrMalformed,
		"a/10x10_crop_gravity=" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_v=" + sig + ".jpg":                           thumb.ErrMalformed,
		"a/10x10_fit_v=a-b" + sig + ".jpg":                        thumb.ErrMalformed,
		"a/10x10_fit_v=" + strings.Repeat("a", 33) + sig + ".jpg": thumb.ErrMalformed,
		"a/10x10_fit_region=1" + sig + ".jpg":                     thumb.ErrMalformed,
		"a/10x10_fit_rotate=90" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_trim=1" + sig + ".jpg":                       thumb.ErrMalformed,
		"a/10x10_fit_bg=FFFFFF" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_bg=fff" + sig + ".jpg":                       thumb.ErrMalformed,
		"a/10x10_fit_bg=0xffff" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_bg=+fffff" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_bg=" + sig + ".jpg":                          thumb.ErrMalformed,
		"a/10x10_fit_bg=1000000" + sig + ".jpg":                   thumb.ErrMalformed,
		"a/10x10_fit_blur=0" + sig + ".jpg":                       thumb.ErrMalformed,
		"a/10x10_fit_blur=0.2" + sig + ".jpg":                     thumb.ErrMalformed,
		"a/10x10_fit_blur=0.29" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_blur=50.01" + sig + ".jpg":                   thumb.ErrMalformed,
		"a/10x10_fit_blur=51" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_blur=.5" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_blur=0.50" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_blur=1.0" + sig + ".jpg":                     thumb.ErrMalformed,
		"a/10x10_fit_blur=1." + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_blur=01" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_blur=+1" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_blur=1e1" + sig + ".jpg":                     thumb.ErrMalformed,
		"a/10x10_fit_blur=1.234" + sig + ".jpg":                   thumb.ErrMalformed,
		"a/10x10_fit_blur=" + sig + ".jpg":                        thumb.ErrMalformed,
		"a/10x10_fit_blur=-1" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_blur=1.-5" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_blur=1.+5" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_sharpen=0" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_sharpen=0.09" + sig + ".jpg":                 thumb.ErrMalformed,
		"a/10x10_fit_sharpen=10.01" + sig + ".jpg":                thumb.ErrMalformed,
		"a/10x10_fit_sharpen=0.10" + sig + ".jpg":                 thumb.ErrMalformed,
		"a/10x10_fit_sharpen=11" + sig + ".jpg":                   thumb.ErrMalformed,
		"a/10x10_fit_gray=0" + sig + ".jpg":                       thumb.ErrMalformed,
		"a/10x10_fit_gray=true" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_fit_gray=" + sig + ".jpg":                        thumb.ErrMalformed,
		"a/10x10_fit_gray" + sig + ".jpg":                         thumb.ErrMalformed,
		"a/10x10_fit_frames=0" + sig + ".jpg":                     thumb.ErrMalformed,
		"a/10x10_fit_frames=2" + sig + ".jpg":                     thumb.ErrMalformed,
		"a/10x10_fit_frames=" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_fit_focus=10:10" + sig + ".jpg":                  thumb.ErrMalformed,
		"a/10x10_pad_focus=10:10" + sig + ".jpg":                  thumb.ErrMalformed,
		"a/10x10_smart_focus=10:10" + sig + ".jpg":                thumb.ErrMalformed,
		"a/10x10_crop_focus=50:50" + sig + ".jpg":                 thumb.ErrMalformed,
		"a/10x10_crop_focus=10" + sig + ".jpg":                    thumb.ErrMalformed,
		"a/10x10_crop_focus=10:" + sig + ".jpg":                   thumb.ErrMalformed,
		"a/10x10_crop_focus=:10" + sig + ".jpg":                   thumb.ErrMalformed,
		"a/10x10_crop_focus=10:10:10" + sig + ".jpg":              thumb.ErrMalformed,
		"a/10x10_crop_focus=100.01:1" + sig + ".jpg":              thumb.ErrMalformed,
		"a/10x10_crop_focus=101:1" + sig + ".jpg":                 thumb.ErrMalformed,
		"a/10x10_crop_focus=-1:1" + sig + ".jpg":                  thumb.ErrMalformed,
		"a/10x10_crop_focus=1.50:1" + sig + ".jpg":                thumb.ErrMalformed,
		"a/10x10_crop_focus=" + sig + ".jpg":                      thumb.ErrMalformed,
		"a/10x10_crop_focus=10:10_gravity=north" + sig + ".jpg":   thumb.ErrMalformed,
		"a/10x10_pad_gravity=north" + sig + ".jpg":                thumb.ErrMalformed,
		"a/10x10_stretch_gravity=north" + sig + ".jpg":            thumb.ErrMalformed,
		"a/10x10_crop_gray=1_gravity=north" + sig + ".jpg":        thumb.ErrMalformed,
		"a/10x10_fit_gray=1_frames=1" + sig + ".jpg":              thumb.ErrMalformed,
		"a/10x10_fit_watermark=nologo" + sig + ".jpg":             thumb.ErrMalformed,
		"a/10x10_fit_watermark=" + sig + ".jpg":                   thumb.ErrMalformed,
		"a/10x10_fit_watermark=logo_v=1" + sig + ".jpg":           thumb.ErrMalformed,
		"a/10x10_fit_watermark=Logo" + sig + ".jpg":               thumb.ErrMalformed,
		"a/4097x_fit" + sig + ".jpg":                              thumb.ErrTooLarge,
		"a/x2049_fit" + sig + ".jpg":                              thumb.ErrTooLarge,
		"a/1025x_fit_dpr=4" + sig + ".jpg":                        thumb.ErrTooLarge,
		"a/poster" + sig + ".jpg":                                 thumb.ErrUnknownPreset,
		"a/hero-321w" + sig + ".jpg":                              thumb.ErrUnknownPreset,
		"a/Card" + sig + ".jpg":                                   thumb.ErrUnknownPreset,
		"a/card@3x" + sig + ".jpg":                                thumb.ErrUnknownPreset,
		"a/card@2" + sig + ".jpg":                                 thumb.ErrUnknownPreset,
		"a/card@02x" + sig + ".jpg":                               thumb.ErrUnknownPreset,
		"a/card@" + sig + ".jpg":                                  thumb.ErrUnknownPreset,
		"a/x300" + sig + ".jpg":                                   thumb.ErrUnknownPreset,
		"a/card_q=70" + sig + ".jpg":                              thumb.ErrMalformed,
		"10x10_fit" + sig + ".jpg":                                thumb.ErrNoOriginal,
	} {
		if got, err := signedSite().Parse("/thumbs/" + name); !errors.Is(err, want) {
			t.Errorf("Parse(%q) = %+v, %v; want %v", name, got, err, want)
		}
	}
}

func TestParsePresetRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		site *thumb.Site
		want error
	}{
		{"small", presetSite(), thumb.ErrExtension},
		{"small/a", presetSite(), thumb.ErrExtension},
		{"small/a.tif", presetSite(), thumb.ErrExtension},
		{"small/a.heic", presetSite(), thumb.ErrExtension},
		{"small/a.gif", presetSite(), thumb.ErrExtension},
		{"small/a.png.webp", presetSite(), thumb.ErrExtension},
		{"small/a.webp", presetSite(), thumb.ErrExtension},
		{"tiny/a.png", presetSite(), thumb.ErrUnknownPreset},
		{"small@2x/a.png", presetSite(), thumb.ErrUnknownPreset},
		{"modern@4x/a.png", presetSite(), thumb.ErrUnknownPreset},
		{"modern-34w/a.png", presetSite(), thumb.ErrUnknownPreset},
		{"modern-032w/a.png", presetSite(), thumb.ErrUnknownPreset},
		{"modern-32/a.png", presetSite(), thumb.ErrUnknownPreset},
		{"modern-32w@2x/a.png", presetSite(), thumb.ErrUnknownPreset},
		{"modern@2x-32w/a.png", presetSite(), thumb.ErrUnknownPreset},
		{"small-32w/a.png", presetSite(), thumb.ErrUnknownPreset},
		{"small/100/a.png", presetSite(), nil},
		{"small/a.png", factorSite(), thumb.ErrUnknownPreset},
		{"small/50/a.png", factorSite(), thumb.ErrUnknownPreset},
		{"small/075/a.png", factorSite(), thumb.ErrUnknownPreset},
	} {
		if got, err := tt.site.Parse("/p/" + tt.name); !errors.Is(err, tt.want) {
			t.Errorf("Parse(%q) = %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestParseRestThumbnailsRefuses(t *testing.T) {
	for name, want := range map[string]error{
		"a/10x10/crop/" + sha + ".bmp":                  thumb.ErrExtension,
		"a/10x10/crop/" + sha:                           thumb.ErrExtension,
		"a/10x10/crop/" + sha[1:] + ".jpg":              thumb.ErrNoSignature,
		"a/10x10/crop/" + strings.ToUpper(sha) + ".jpg": thumb.ErrNoSignature,
		"a/10x10/fit/" + sha + ".jpg":                   thumb.ErrMalformed,
		"a/10x10/" + sha + ".jpg":                       thumb.ErrMalformed,
		"a/0x0/crop/" + sha + ".jpg":                    thumb.ErrMalformed,
		"a/x/crop/" + sha + ".jpg":                      thumb.ErrMalformed,
		"a/00x10/crop/" + sha + ".jpg":                  thumb.ErrMalformed,
		"a/5000x0/crop/" + sha + ".jpg":                 thumb.ErrTooLarge,
		"10x10/crop/" + sha + ".jpg":                    thumb.ErrNoOriginal,
	} {
		if got, err := restSite().Parse("/thumbnails/" + name); !errors.Is(err, want) {
			t.Errorf("Parse(%q) = %+v, %v; want %v", name, got, err, want)
		}
	}
}

func TestWithFormat(t *testing.T) {
	parsed, err := signedSite().Parse("/thumbs/a/10x_fit" + sig + ".jpg")
	if err != nil {
		t.Fatal(err)
	}
	want := thumb.Transform{Width: 10, Method: thumb.Fit, Format: thumb.WebP, Quality: 80}
	if got := parsed.WithFormat(thumb.WebP); got != want {
		t.Errorf("WithFormat(webp) = %+v; want %+v", got, want)
	}
}

func TestTransformHasTheSitesSettings(t *testing.T) {
	site := signedSite()
	site.Enlarge, site.Metadata = true, thumb.CopyrightMetadata
	for _, spec := range []string{"40x30_crop_q=60", "card"} {
		parsed, err := site.Parse("/thumbs/a/" + spec + sig + ".jpg")
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Transform(); !got.Enlarge || got.Metadata != thumb.CopyrightMetadata || got.Quality != 60 {
			t.Errorf("%s: got %+v", spec, got)
		}
	}
}

// A preset's own enlarge wins over the site's.
func TestAPresetEnlargesByItself(t *testing.T) {
	for _, tt := range []struct {
		preset     thumb.Enlarge
		site, want bool
	}{
		{thumb.AsSite, false, false},
		{thumb.AsSite, true, true},
		{thumb.Never, true, false},
		{thumb.Always, false, true},
	} {
		site := signedSite()
		p := site.Presets["card"]
		site.Enlarge, p.Enlarge = tt.site, tt.preset
		site.Presets["card"] = p
		parsed, err := site.Parse("/thumbs/a/card" + sig + ".jpg")
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Transform().Enlarge; got != tt.want {
			t.Errorf("preset %d, site %t: got %t", tt.preset, tt.site, got)
		}
	}
}

func TestDefaultPresets(t *testing.T) {
	want := map[string]thumb.Preset{}
	for name, side := range map[string]int{"icon": 16, "small": 50, "thumb": 100, "medium": 300, "large": 500, "xlarge": 800} {
		want[name] = thumb.Preset{Transform: thumb.Transform{Width: side, Height: side, Method: thumb.Fit}}
	}
	if diff := cmp.Diff(want, thumb.DefaultPresets()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzParse holds that what parses formats back to itself, and that nothing
// climbs or hides.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"/thumbs/a.jpg/400x300_crop_gravity=north_q=70" + sig + ".avif", "/thumbs/a/card@2x" + sig + ".jpg",
		"/p/small/a.png", "/p/modern@2x/a.png.webp", "/p/small/75/a.JPG", "/p/modern-32w/a.png.webp", "/thumbs/a.jpg/hero-7w" + sig + ".jpg",
		"/media/cache/resolve/thumb/a.jpg", "/sites/default/files/styles/modern/public/a.jpg.webp",
		"/thumbs/a/9x9_crop_bg=000000_blur=0.3_dpr=2_focus=0:62.5_frames=1_gray=1_q=7_sharpen=10_v=1_watermark=logo" + sig + ".gif",
		"/thumbs/a/9x9_pad_sharpen=1.05" + sig + ".gif", "/thumbs/a/9x_stretch" + sig + ".gif",
		"/thumbnails/a/500x0/scale/" + sha + ".jpg", "/thumbs/.a/10x_fit" + sig + ".jpg", "/thumbs/a%2F..//b\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		uri, err := thumb.Normalize(raw)
		if err != nil {
			return
		}
		for _, site := range []*thumb.Site{signedSite(), presetSite(), factorSite(), restSite(), layoutSites()[0], layoutSites()[1], layoutSites()[2]} {
			if !site.Has(uri) {
				continue
			}
			parsed, err := site.Parse(uri)
			if err != nil {
				continue
			}
			if got := parsed.URI(); got != uri {
				t.Fatalf("Parse(%q).URI() = %q", uri, got)
			}
			for segment := range strings.SplitSeq(parsed.Original, "/") {
				if segment == "" || segment[0] == '.' || strings.IndexByte(segment, 0) >= 0 {
					t.Fatalf("Parse(%q): original %q", uri, parsed.Original)
				}
			}
			if w, h := parsed.Transform().Box(); w > site.MaxWidth || h > site.MaxHeight || w+h == 0 {
				t.Fatalf("Parse(%q): box %dx%d", uri, w, h)
			}
		}
	})
}

// TestTransformAsJSON is how workers get it.
func TestTransformAsJSON(t *testing.T) {
	for _, want := range []thumb.Transform{
		{Width: 4, Method: thumb.Fit, Format: thumb.PNG},
		{
			Width: 4, Height: 3, DPR: 2, Method: thumb.Crop, Focus: thumb.NewFocus(0, 10000), Uncovered: thumb.Axes, Background: thumb.NewColor(0, 0, 0),
			Blur: 30, Sharpen: 5, Gray: true, Frames: 1, Watermark: logo, Format: thumb.JPEG, Quality: 1,
		},
		{Method: thumb.Pad, Watermark: thumb.Watermark{Name: "logo"}, Format: thumb.GIF},
	} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got thumb.Transform
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", b, got, want)
		}
	}
}

func TestSiblings(t *testing.T) {
	signed, preset := signedSite(), presetSite()
	signed.Together = []string{"card", "card@2x", "marked"}
	preset.Together = []string{"small", "modern@2x", "large"}
	ladder := signedSite()
	ladder.Together = []string{"hero-320w", "hero-7w", "card"}
	for _, tt := range []struct {
		uri  string
		site *thumb.Site
		want []string
	}{
		{"/thumbs/a/b/card" + sig + ".jpg", signed, []string{"/thumbs/a/b/card@2x_.jpg", "/thumbs/a/b/marked_.jpg"}},
		{"/thumbs/a/b/card@2x" + sig + ".webp", signed, []string{"/thumbs/a/b/card_.webp", "/thumbs/a/b/marked_.webp"}},
		{"/thumbs/a/b/400x300_crop" + sig + ".jpg", signed, nil},
		{"/p/small/a.png", preset, []string{"/p/modern@2x/a.png", "/p/modern@2x/a.png.webp", "/p/modern@2x/a.png.jpg", "/p/large/a.png"}},
		{"/p/modern@2x/a.png.jpg", preset, []string{"/p/modern@2x/a.png", "/p/modern@2x/a.png.webp"}},
		{"/p/modern@2x/a.jpg.jpg", preset, []string{"/p/small/a.jpg.jpg", "/p/modern@2x/a.jpg.jpg.webp", "/p/large/a.jpg.jpg"}},
		{"/p/small/a.png.jpg", preset, []string{"/p/modern@2x/a.png.jpg.webp", "/p/large/a.png.jpg"}},
		{"/thumbs/a.jpg/hero-320w" + sig + ".avif", ladder, []string{
			"/thumbs/a.jpg/hero-320w_.jpg", "/thumbs/a.jpg/hero-320w_.webp",
			"/thumbs/a.jpg/hero-7w_.avif", "/thumbs/a.jpg/hero-7w_.jpg", "/thumbs/a.jpg/hero-7w_.webp", "/thumbs/a.jpg/card_.avif",
		}},
		{"/thumbs/a.jpg/hero" + sig + ".avif", ladder, nil},
		{"/p/modern/a.png", preset, nil},
	} {
		parsed, err := tt.site.Parse(tt.uri)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range parsed.Siblings() {
			uri := s.URI()
			if tt.site.Scheme == thumb.Signed {
				uri = s.SignedText()
			}
			got = append(got, uri)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.uri, diff)
		}
	}
}

// What New can't give a URI to, and why.
func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		original, preset, ext string
		want                  error
	}{
		{"a.jpg", "small", "png", thumb.ErrExtension},
		{"a.jpg", "small", "tiff", thumb.ErrExtension},
		{"a.heic", "small", "", thumb.ErrExtension},
		{"a.png.jpg", "modern", "", thumb.ErrNoOriginal}, // It would be a.png.
		{"a.png", "huge", "", thumb.ErrUnknownPreset},
	} {
		if got, err := presetSite().New(thumb.Wanted{Original: tt.original, Preset: tt.preset, Ext: tt.ext}); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %q, %v; want %v", tt, got.Original, err, tt.want)
		}
	}
}
