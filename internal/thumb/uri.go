// SPDX-License-Identifier: MIT

package thumb

import (
	"fmt"
	"strings"
)

// URI returns t's decoded URI, as Parse accepts it.
func (t Thumb) URI() string {
	switch t.Site.Scheme {
	case RestThumbnails:
		return t.Site.Prefix + t.Original + "/" + t.Size + "/" + t.Spec.Method.String() + "/" + t.Signature + "." + t.Ext
	case PresetScheme, InPlace:
		return t.Site.Prefix + t.unsignedURI()
	default:
		return t.signedURI(t.Signature)
	}
}

// SignedText returns the text under t's signature: in the signed scheme the
// decoded URI without the signature, for example
// "/thumbs/animals/kitten.jpg/400x300_crop_.webp"; in restthumbnails the text of
// django-rest-thumbnails, ORIGINAL-SIZE-METHOD-.EXT with 0 for a free
// dimension. In the schemes preset and inplace there is none.
func (t Thumb) SignedText() string {
	switch t.Site.Scheme {
	case RestThumbnails:
		return fmt.Sprintf("%s-%dx%d-%s-.%s", t.Original, t.Spec.Width, t.Spec.Height, t.Spec.Method, t.Ext)
	case PresetScheme, InPlace:
		return ""
	default:
		return t.signedURI("")
	}
}

func (t Thumb) signedURI(signature string) string {
	return t.Site.Prefix + t.Original + "/" + t.specText() + "_" + signature + "." + t.Ext
}

func (t Thumb) specText() string {
	if t.Preset != "" {
		return t.presetText()
	}
	return formatWhole(t.Spec.Width) + "x" + formatWhole(t.Spec.Height) + "_" + t.Spec.Method.String() + t.formatOptions()
}

func (t Thumb) presetText() string {
	switch {
	case t.Spec.DPR != 0:
		return fmt.Sprintf("%s@%dx", t.Preset, t.Spec.DPR)
	case t.Spec.Width != 0:
		return fmt.Sprintf("%s-%dw", t.Preset, t.Spec.Width)
	}
	return t.Preset
}

// unsignedURI returns the URI of the schemes preset and inplace without the prefix.
func (t Thumb) unsignedURI() string {
	switch {
	case t.Sized():
		return withSize(t.Original, t.Size)
	case t.Site.Scheme == InPlace:
		return t.Original
	}
	var b strings.Builder
	b.WriteString(t.Site.head(t.presetText()) + "/")
	if t.Factor != 0 {
		b.WriteString(formatWhole(t.Factor) + "/")
	}
	b.WriteString(t.Original)
	if t.Appended {
		b.WriteString("." + t.Ext)
	}
	return b.String()
}

// String returns t as a URI of the signed scheme would have it, for logs:
// 400x300_crop_q=82.webp.
func (t Transform) String() string {
	return Thumb{Spec: t}.specText() + "." + t.Format.String()
}

// Moved returns the present URI of a thumbnail of the preset scheme, if t is a URI that
// it had in earlier builds. These took any extension off, in capitals too, also the
// extension of the original's own format: a.jpg.JPG and a.jpg.jpg were of the original
// a.jpg. Now they name originals themselves. If t never named another original, ok is
// false.
func (t Thumb) Moved() (now Thumb, ok bool) {
	if t.Site.Scheme != PresetScheme || t.Site.Layout != PresetLayout || t.Appended {
		return Thumb{}, false
	}
	original, _ := cutLast(t.Original, '.')
	if _, ok := FormatOfName(original); !ok {
		return Thumb{}, false
	}
	preset := t.presetText()
	if t.Factor != 0 {
		preset += "/" + formatWhole(t.Factor)
	}
	now, err := t.Site.New(Wanted{Original: original, Preset: preset, Ext: t.Spec.Format.String()})
	return now, err == nil
}

// Wanted is the description of a thumbnail for which a URI is made.
type Wanted struct {
	Original string
	Size     string // as in URIs: 400x300
	Method   string // and options, as in URIs: crop_q=70
	Preset   string // one of Site.PresetNames, in place of Size and Method
	Ext      string // or "" for the original's own where it can be that, else jpg
}

// New returns the Thumb that is wanted of s, without its signature. It is
// checked as Parse checks a URI, with Parse's errors.
func (s *Site) New(w Wanted) (Thumb, error) {
	ext := w.Ext
	if ext == "" {
		ext = s.defaultExt(w)
	}
	spec := w.Size + "_" + w.Method
	if w.Preset != "" {
		spec = w.Preset
	}
	var uri string
	switch s.Scheme {
	case Signed:
		uri = w.Original + "/" + spec + "_" + strings.Repeat("0", signatureLength) + "." + ext
	case RestThumbnails:
		uri = w.Original + "/" + w.Size + "/" + w.Method + "/" + strings.Repeat("0", secretLength) + "." + ext
	case PresetScheme:
		if s.sizes() {
			return s.newSized(w)
		}
		uri = s.head(w.Preset) + "/" + w.Original
		if own, _ := FormatOfName(w.Original); own != extensions[ext] {
			uri += "." + spelling(ext)
		}
	case InPlace:
		if s.sizes() && w.Size != "" {
			return s.newSized(w)
		}
		if w != (Wanted{Original: w.Original}) {
			return Thumb{}, fmt.Errorf("%w: in the scheme inplace a URI is the original's own", ErrMalformed)
		}
		uri = w.Original
	}
	t, err := s.Parse(s.Prefix + uri)
	switch {
	case err != nil || t.Original == w.Original:
	case s.Scheme == PresetScheme && len(t.Original) > len(w.Original):
		err = fmt.Errorf("%w: %q: the preset does not have it", ErrExtension, ext)
	default:
		err = fmt.Errorf("%w: %q would be taken for %q", ErrNoOriginal, w.Original, t.Original)
	}
	t.Signature = ""
	return t, err
}

// spelling returns the extension that URIs of the preset scheme have for that
// of a format.
func spelling(ext string) string {
	if f, ok := extensions[ext]; ok {
		return f.String()
	}
	return ext
}

// head returns the part of a URI of the preset scheme between the prefix and the
// original, for the name of a preset; with /FACTOR if the site has factors.
func (s *Site) head(preset string) string {
	if s.isInfo(preset) {
		return preset
	}
	return preset + s.Layout.Inner()
}

// defaultExt returns the extension of a thumbnail if the caller asks for none.
func (s *Site) defaultExt(w Wanted) string {
	if s.isInfo(w.Preset) {
		return JSON.String()
	}
	if f, ok := FormatOfName(w.Original); ok && s.hasFormat(f) {
		return f.String()
	}
	return JPEG.String()
}
