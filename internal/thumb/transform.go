// SPDX-License-Identifier: MIT

package thumb

import "fmt"

// Transform says how a thumbnail is made of an original. Transforms are comparable: equal
// transforms of one original give the same thumbnail.
type Transform struct {
	// Width x Height is the box as stated, in pixels before DPR. One of them
	// may be 0, free; both only with Original.
	Width   int
	Height  int
	Method  Method
	Gravity Gravity
	Focus   Focus // in place of Gravity
	// Uncovered is for Crop, Smart and Attention. It is a preset's: no option of
	// URIs sets it.
	Uncovered Uncovered
	// DPR multiplies Width and Height before every other rule; 0 is 1.
	DPR int
	// Quality is 1 to 100 or AutoQuality; 0 leaves it to the site, and once
	// resolved means that Format has no use for it.
	Quality int
	// MaxBytes is the most bytes of the file, as far as a lower quality can keep it:
	// Quality is then the highest that is taken. 0: any. It is a preset's, as
	// Uncovered is.
	MaxBytes int64
	Format   Format
	// Background is the color below transparent parts, and of the border that Pad adds.
	// None: transparent, or white if Format has no alpha.
	Background Color
	Blur       Decimal // sigma in pixels before DPR; 0: none
	Sharpen    Decimal // 0: none
	Gray       bool
	// Frames is 1 if an animation gives its first frame alone, else 0.
	Frames int
	// Watermark is resolved by Thumb.Transform; before, it has its Name alone.
	Watermark Watermark
	Enlarge   bool
	Metadata  Metadata
	// FramesOver is the answer for an animation with more frames than the limits allow.
	FramesOver FramesOver
	// Variant is for a thumbnail that nginx serves in place of its original. There is
	// none unless it shows all frames of the original and takes at least MinSaving
	// of its bytes less.
	Variant   bool
	MinSaving Decimal // 0 to 0.99
	// Measure asks a worker for the size of the original alone, as it is seen. The rest
	// is MeasureTransform's.
	Measure bool
	// Info asks for the description of the original. The rest is InfoPreset's.
	Info bool
}

// AutoQuality is the Quality of a thumbnail if the worker chooses its quality: the lowest
// at which the thumbnail still looks like its original. In URIs and in the configuration
// it is the word auto.
const AutoQuality = -1

// autoWord is AutoQuality in URIs.
const autoWord = "auto"

// LeastQuality is the lowest quality that MaxBytes leads to.
const LeastQuality = 5

// MeasureTransform asks for the size of an original. No URI does.
func MeasureTransform() Transform {
	return Transform{Width: 1, Height: 1, Method: Fit, Format: JPEG, Frames: 1, Measure: true}
}

// Box returns the stated box in pixels of the thumbnail, DPR included.
func (t Transform) Box() (width, height int) {
	n := max(t.DPR, 1)
	return t.Width * n, t.Height * n
}

// Finishes reports whether pixels of the resized picture are changed: by a filter or a
// watermark.
func (t Transform) Finishes() bool {
	return t.Gray || t.Blur != 0 || t.Sharpen != 0 || t.Watermark.Name != ""
}

// Limits of options, for URIs and presets alike.
const (
	LeastBlur, MostBlur       Decimal = 30, 5000
	LeastSharpen, MostSharpen Decimal = 10, 1000
)

// CheckValues returns an error if an option of t has a value that no URI and no
// configuration can give it.
func (t Transform) CheckValues() error {
	x, y := t.Focus.Point()
	between := func(n, least, most Decimal) bool { return n >= least && n <= most }
	switch w := t.Watermark; {
	case t.Quality < AutoQuality || t.Quality > 100:
		return fmt.Errorf("quality %d", t.Quality)
	case t.MaxBytes < 0:
		return fmt.Errorf("at most %d bytes", t.MaxBytes)
	case !between(x, 0, 100_00) || !between(y, 0, 100_00):
		return fmt.Errorf("focus %v", t.Focus)
	case !between(t.Blur, 0, MostBlur) || !between(t.Sharpen, 0, MostSharpen):
		return fmt.Errorf("blur %v, sharpen %v", t.Blur, t.Sharpen)
	case t.Frames != 0 && t.Frames != 1:
		return fmt.Errorf("%d frames", t.Frames)
	case !between(w.Opacity, 0, 1_00) || !between(w.Scale, 0, 1_00):
		return fmt.Errorf("watermark %q: opacity %v, scale %v", w.Name, w.Opacity, w.Scale)
	}
	return nil
}

// options are in alphabetical order; URIs must have them in this order. The names
// lossless, region, rotate and trim are reserved: do not give them another
// meaning.
var options = []option{
	{
		"bg",
		func(t *Thumb, v string) bool { return v != "" && t.Spec.Background.UnmarshalText([]byte(v)) == nil },
		func(t Thumb) string { return t.Spec.Background.String() },
	},
	{
		"blur",
		func(t *Thumb, v string) (ok bool) { t.Spec.Blur, ok = ParseDecimal(v, LeastBlur, MostBlur); return ok },
		func(t Thumb) string { return formatDecimal(t.Spec.Blur) },
	},
	{
		"dpr",
		func(t *Thumb, v string) (ok bool) { t.Spec.DPR, ok = parseWhole(v, 2, 4); return ok },
		func(t Thumb) string { return formatWhole(t.Spec.DPR) },
	},
	{
		"focus",
		func(t *Thumb, v string) bool {
			return v != "" && t.Spec.Focus.UnmarshalText([]byte(v)) == nil && t.Spec.Method == Crop
		},
		func(t Thumb) string { return t.Spec.Focus.String() },
	},
	{
		"frames",
		func(t *Thumb, v string) (ok bool) { t.Spec.Frames, ok = parseWhole(v, 1, 1); return ok },
		func(t Thumb) string { return formatWhole(t.Spec.Frames) },
	},
	{
		"gravity",
		func(t *Thumb, v string) bool {
			return v != "" && t.Spec.Gravity.UnmarshalText([]byte(v)) == nil &&
				t.Spec.Method == Crop && t.Spec.Focus == (Focus{})
		},
		func(t Thumb) string { return t.Spec.Gravity.String() },
	},
	{
		"gray",
		func(t *Thumb, v string) bool { t.Spec.Gray = true; return v == "1" },
		func(t Thumb) string { return formatTruth(t.Spec.Gray) },
	},
	{
		"q",
		func(t *Thumb, v string) (ok bool) { t.Spec.Quality, ok = parseQuality(v); return ok },
		func(t Thumb) string { return formatQuality(t.Spec.Quality) },
	},
	{
		"sharpen",
		func(t *Thumb, v string) (ok bool) {
			t.Spec.Sharpen, ok = ParseDecimal(v, LeastSharpen, MostSharpen)
			return ok
		},
		func(t Thumb) string { return formatDecimal(t.Spec.Sharpen) },
	},
	{
		"v",
		func(t *Thumb, v string) bool { t.Version = v; return isVersion(v) },
		func(t Thumb) string { return t.Version },
	},
	{
		"watermark",
		func(t *Thumb, v string) (ok bool) {
			t.Spec.Watermark.Name = v
			_, ok = t.Site.Watermarks[v]
			return ok
		},
		func(t Thumb) string { return t.Spec.Watermark.Name },
	},
}
