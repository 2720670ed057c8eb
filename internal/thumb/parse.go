// SPDX-License-Identifier: MIT

package thumb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Lengths of signatures in characters: base64url of 21 bytes, and the
// hexadecimal SHA-1 of django-rest-thumbnails.
const (
	signatureLength = 28
	secretLength    = 40
)

// Parse returns the thumbnail that the decoded URI uri names. uri is below s.Prefix.
// Parse checks everything except the signature: package sign does this. If it accepts
// uri, Thumb.URI returns exactly uri.
func (s *Site) Parse(uri string) (Thumb, error) {
	if err := s.CheckName(uri); err != nil {
		return Thumb{}, err
	}
	rest := strings.TrimPrefix(uri, s.Prefix)
	t := Thumb{Site: s}
	var err error
	switch s.Scheme {
	case Signed:
		err = t.parseSigned(rest)
	case RestThumbnails:
		err = t.parseRestThumbnails(rest)
	case PresetScheme:
		if s.sizes() {
			err = t.parseSized(rest)
			break
		}
		resolved, is := strings.CutPrefix(rest, LiipResolve+"/")
		if is && s.Layout == LiipLayout {
			err = t.parseResolve(resolved)
			break
		}
		err = t.parsePreset(rest)
	case InPlace:
		_, t.Ext = cutLast(rest[strings.LastIndexByte(rest, '/')+1:], '.')
		err = t.setOriginal(rest)
	}
	if err != nil {
		return Thumb{}, err
	}
	return t, nil
}

// parseSigned parses ORIGINAL/SPEC_SIGNATURE.EXT.
func (t *Thumb) parseSigned(rest string) error {
	original, last := cutLast(rest, '/')
	stem, ext := cutLast(last, '.')
	if err := t.Spec.Format.UnmarshalText([]byte(ext)); err != nil || !t.Site.hasFormat(t.Spec.Format) {
		return fmt.Errorf("%w: %q", ErrExtension, ext)
	}
	t.Ext = ext
	at := len(stem) - signatureLength
	if at < 1 || stem[at-1] != '_' {
		return ErrNoSignature
	}
	t.Signature = stem[at:]
	if err := t.parseSpec(stem[:at-1]); err != nil {
		return err
	}
	if t.Site.isInfo(t.Preset) != formats[t.Spec.Format].data {
		return fmt.Errorf("%w: %q", ErrExtension, ext)
	}
	return t.setOriginal(original)
}

// parseSpec parses SIZE_METHOD and options, or a preset's name.
func (t *Thumb) parseSpec(spec string) error {
	size, rest, ok := strings.Cut(spec, "_")
	if !ok && spec != "" && isLetter(spec[0]) {
		return t.parsePresetName(spec)
	}
	if !ok {
		return fmt.Errorf("%w: %q has no method", ErrMalformed, spec)
	}
	if err := t.parseSize(size, false); err != nil {
		return err
	}
	method, rest, more := strings.Cut(rest, "_")
	if err := t.parseMethod(method, Scale, Crop, Smart, Attention, Fit, Pad, Stretch); err != nil {
		return err
	}
	if more {
		if err := t.parseOptions(rest); err != nil {
			return err
		}
	}
	if t.Site.tooLarge(t.Spec) {
		return fmt.Errorf("%w: %q", ErrTooLarge, spec)
	}
	return nil
}

// parseSize parses WxH, Wx or xH; with zero also the Wx0 and 0xH that mean
// the same to the old template tag.
func (t *Thumb) parseSize(size string, zero bool) error {
	w, h, ok := strings.Cut(size, "x")
	width, okWidth := parseDimension(w, zero)
	height, okHeight := parseDimension(h, zero)
	if !ok || !okWidth || !okHeight || width == 0 && height == 0 {
		return fmt.Errorf("%w: size %q", ErrMalformed, size)
	}
	t.Spec.Width, t.Spec.Height = width, height
	return nil
}

func parseDimension(s string, zero bool) (int, bool) {
	if s == "" || zero && s == "0" {
		return 0, true
	}
	return parseWhole(s, 1, 999_999)
}

// parseWhole parses a whole number without sign or leading zeros.
func parseWhole(s string, least, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= least && n <= most && strconv.Itoa(n) == s
}

func (t *Thumb) parseMethod(name string, allowed ...Method) error {
	if err := t.Spec.Method.UnmarshalText([]byte(name)); err != nil || !slices.Contains(allowed, t.Spec.Method) {
		return fmt.Errorf("%w: method %q", ErrMalformed, name)
	}
	return nil
}

// parseRestThumbnails parses ORIGINAL/SIZE/METHOD/SECRET.EXT, as the template
// tag of django-rest-thumbnails writes it.
func (t *Thumb) parseRestThumbnails(rest string) error {
	folder, last := cutLast(rest, '/')
	secret, ext := cutLast(last, '.')
	t.Spec.Format = extensions[strings.ToLower(ext)]
	if !t.Site.hasFormat(t.Spec.Format) {
		return fmt.Errorf("%w: %q", ErrExtension, ext)
	}
	t.Ext = ext
	if len(secret) != secretLength || strings.Trim(secret, "0123456789abcdef") != "" {
		return ErrNoSignature
	}
	t.Signature = secret
	folder, method := cutLast(folder, '/')
	original, size := cutLast(folder, '/')
	if err := t.parseSize(size, true); err != nil {
		return err
	}
	t.Size = size
	if err := t.parseMethod(method, Crop, Scale, Smart); err != nil {
		return err
	}
	if t.Site.tooLarge(t.Spec) {
		return fmt.Errorf("%w: %q", ErrTooLarge, size)
	}
	return t.setOriginal(original)
}

// parsePreset parses PRESET[@Nx]/NAME, or with factors PRESET/FACTOR/NAME; in the
// layout drupal PRESET/public/NAME. NAME is the original's as it is, small/a.jpg,
// or has the extension of another format after that, small/a.jpg.webp: see cut.
func (t *Thumb) parsePreset(rest string) error {
	preset, name, _ := strings.Cut(rest, "/")
	if t.Site.isInfo(preset) {
		return t.parseInfo(preset, name)
	}
	if inner := t.Site.Layout.Inner(); inner != "" {
		var ok bool
		if name, ok = strings.CutPrefix("/"+name, inner+"/"); !ok {
			return fmt.Errorf("%w: there is no %s/ behind it", ErrUnknownPreset, inner[1:])
		}
	}
	if len(t.Site.Factors) > 0 {
		var factor string
		factor, name, _ = strings.Cut(name, "/")
		n, ok := parseWhole(factor, 1, 1000)
		if !ok || !slices.Contains(t.Site.Factors, n) {
			return fmt.Errorf("%w: factor %q", ErrUnknownPreset, factor)
		}
		t.Factor = n
	}
	stem, ext := cutLast(name, '.')
	t.Ext, t.Spec.Format = ext, extensions[strings.ToLower(ext)]
	if !t.Spec.Format.Thumbnail() {
		return fmt.Errorf("%w: %q", ErrExtension, ext)
	}
	if err := t.parsePresetName(preset); err != nil {
		return err
	}
	formats := t.Site.Presets[t.Preset].Formats
	original, cut := t.Site.cut(t.Preset, name)
	if ext == t.Spec.Format.String() && t.Site.Negotiates(stem, t.Spec.Format) {
		// The file of this name is that of stem's URI in another format, and is
		// of the original of that.
		if _, twice := t.Site.cut(t.Preset, stem); twice || !cut {
			return fmt.Errorf("%w: %q is negotiated", ErrExtension, ext)
		}
	}
	if !t.Site.hasFormat(t.Spec.Format) && !slices.Contains(formats, t.Spec.Format) {
		return fmt.Errorf("%w: %q", ErrExtension, ext)
	}
	t.Appended = cut
	return t.setOriginal(original)
}

// parseInfo parses NAME in info/NAME: the original's with .json behind it.
func (t *Thumb) parseInfo(preset, name string) error {
	original, ext := cutLast(name, '.')
	if ext != JSON.String() {
		return fmt.Errorf("%w: %q", ErrExtension, ext)
	}
	if _, ok := FormatOfName(original); !ok {
		return fmt.Errorf("%w: %q", ErrNoOriginal, original)
	}
	t.Preset, t.Ext, t.Spec.Format, t.Appended = preset, ext, JSON, true
	return t.setOriginal(original)
}

// cut returns the original of a URI's NAME, without the extension of another format than
// the original's own, and if it has cut one off. One extension at most is cut off: it is
// spelled as its format prints it, the format is one of p.Formats, and the name before it
// has the extension of another format. So each original has one URI for each format. If
// webp is one of p.Formats, a.png.webp is a thumbnail of a.png. a.png.WebP, a.webp.webp
// and a.png.jpg are the names of originals.
func (p Preset) cut(name string) (original string, ok bool) {
	stem, ext := cutLast(name, '.')
	f := extensions[ext]
	own, known := FormatOfName(stem)
	if !known || own == f || ext != f.String() || !slices.Contains(p.Formats, f) {
		return name, false
	}
	return stem, true
}

// FormatOfName returns the format of a file name's extension, in upper or lower case.
func FormatOfName(name string) (Format, bool) {
	_, ext := cutLast(name[strings.LastIndexByte(name, '/')+1:], '.')
	f, ok := extensions[strings.ToLower(ext)]
	return f, ok
}

// IsNamed reports whether the extension of a file name is that of one of formats. The
// worker tells a format by the bytes.
func IsNamed(name string, formats []Format) bool {
	f, ok := FormatOfName(name)
	return ok && slices.Contains(formats, f)
}

// parsePresetName parses NAME, NAME@Nx or NAME-Nw.
func (t *Thumb) parsePresetName(s string) error {
	if _, ok := t.Site.Presets[s]; ok {
		t.Preset = s
		return nil
	}
	if name, n, ok := cutNumber(s, "@", "x"); ok && slices.Contains(t.Site.Presets[name].DPR, n) {
		t.Preset, t.Spec.DPR = name, n
		return nil
	}
	if name, n, ok := cutNumber(s, "-", "w"); ok && slices.Contains(t.Site.Presets[name].Widths, n) {
		t.Preset, t.Spec.Width = name, n
		return nil
	}
	return fmt.Errorf("%w: %q", ErrUnknownPreset, s)
}

// cutNumber cuts the last mark, a number and unit off s: card@2x with "@" and "x" is
// card and 2.
func cutNumber(s, mark, unit string) (before string, n int, ok bool) {
	i := strings.LastIndex(s, mark)
	if i < 0 || !strings.HasSuffix(s, unit) {
		return "", 0, false
	}
	n, ok = parseWhole(strings.TrimSuffix(s[i+len(mark):], unit), 1, 999_999)
	return s[:i], n, ok
}

func (t *Thumb) setOriginal(name string) error {
	if name == "" {
		return ErrNoOriginal
	}
	t.Original = name
	return nil
}

// cutLast splits s at its last sep, for example "a/b.jpg" at "." into "a/b" and "jpg". If
// s has no sep, all of s is after if sep is a slash, and before if it is a dot.
func cutLast(s string, sep byte) (before, after string) {
	i := strings.LastIndexByte(s, sep)
	switch {
	case i >= 0:
		return s[:i], s[i+1:]
	case sep == '/':
		return "", s
	}
	return s, ""
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
