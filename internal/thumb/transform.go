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

// CheckValues returns an error if an option of t has a value that no URI and no
// configuration can give it.
func (t Transform) CheckValues() error {
	between := func(n, least, most Decimal) bool { return n >= least && n <= most }
	switch w := t.Watermark; {
	case t.MaxBytes < 0:
		return fmt.Errorf("at most %d bytes", t.MaxBytes)
	case !between(w.Opacity, 0, 1_00) || !between(w.Scale, 0, 1_00):
		return fmt.Errorf("watermark %q: opacity %v, scale %v", w.Name, w.Opacity, w.Scale)
	}
	return t.checkOptions()
}

// options are in alphabetical order; URIs must have them in this order. The names
// lossless, region, rotate and trim are reserved: do not give them another
// meaning.
var options = []option{
	{
		name: "bg", key: "background",
		value:    func(t *Transform) Value { return Word{&t.Background} },
		examples: []string{"ff8000"},
	},
	{
		name: "blur", key: "blur", finishes: true,
		value:    func(t *Transform) Value { return Number{&t.Blur, 30, 50_00} },
		examples: []string{"1", "50"},
	},
	{
		// The key dpr of presets is a list.
		name:     "dpr",
		value:    func(t *Transform) Value { return Whole{&t.DPR, 2, 4} },
		examples: []string{"2"},
	},
	{
		name: "focus", key: "focus",
		value:    func(t *Transform) Value { return Word{&t.Focus} },
		fits:     func(t Thumb) bool { return t.Spec.Method == Crop },
		examples: []string{"30:62.5"},
	},
	{
		name: "frames", key: "frames",
		value:    func(t *Transform) Value { return OneFrame{&t.Frames} },
		examples: []string{"1"},
	},
	{
		name: "gravity", key: "gravity",
		value:    func(t *Transform) Value { return Word{&t.Gravity} },
		fits:     func(t Thumb) bool { return t.Spec.Method == Crop && t.Spec.Focus == (Focus{}) },
		examples: []string{"southeast"},
	},
	{
		name: "gray", key: "gray", finishes: true,
		value:    func(t *Transform) Value { return Truth{&t.Gray} },
		examples: []string{"1"},
	},
	{
		name: "q", key: "quality",
		value:    func(t *Transform) Value { return QualityValue{&t.Quality} },
		examples: []string{"70", autoWord},
	},
	{
		name: "sharpen", key: "sharpen", finishes: true,
		value:    func(t *Transform) Value { return Number{&t.Sharpen, 10, 10_00} },
		examples: []string{"0.1", "10"},
	},
	// It is no part of a transform, because it has no effect.
	{name: "v", examples: []string{"7"}},
	{
		name: "watermark", key: "watermark", finishes: true,
		value: func(t *Transform) Value { return WatermarkName{&t.Watermark.Name} },
		fits: func(t Thumb) bool {
			_, ok := t.Site.Watermarks[t.Spec.Watermark.Name]
			return ok
		},
		examples: []string{"logo"},
	},
}
