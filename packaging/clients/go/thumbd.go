// SPDX-License-Identifier: MIT

// Package thumbd writes the URLs, srcsets and picture elements of thumbd's thumbnails.
// It needs the standard library alone, and does no I/O.
package thumbd

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Site is a site of thumbd. Its fields are the keys of thumbd.toml(5), and the JSON of
// them.
type Site struct {
	Prefix  string   `json:"prefix"`
	Scheme  string   `json:"scheme"` // signed or preset
	Key     string   `json:"key"`    // the content of the key's file; for servers alone
	Base    string   `json:"base"`   // before each path, for example https://img.example
	Enlarge bool     `json:"enlarge"`
	Formats []string `json:"formats"` // empty: all that thumbd writes
	// Presets are the tables [site.NAME.preset.PRESET].
	Presets map[string]Preset `json:"presets"`
	// ThumbnailWidth and ThumbnailHeight are those of [limits]; 0: 4096.
	ThumbnailWidth  int `json:"thumbnail_width"`
	ThumbnailHeight int `json:"thumbnail_height"`
}

// Preset is a preset of a site. Only the keys that URLs and sizes depend on are here.
type Preset struct {
	Size      string   `json:"size"`
	Method    string   `json:"method"`
	DPR       []int    `json:"dpr"`
	Widths    []int    `json:"widths"`
	Formats   []string `json:"formats"`
	Enlarge   *bool    `json:"enlarge"`
	Uncovered string   `json:"uncovered"`
}

// Options are about a picture element. Width and Height are the original's as it is
// seen, upright: without them its real widths are not known.
type Options struct {
	Width, Height int
	Alt           string
	Sizes         string // "": 100vw, or for a preset without widths its own width
	Lazy          bool
	Priority      bool
	// Info is the original's description. Without Width and Height they are Info's.
	Info Info
	// Placeholder shows the tiny picture of Info's ThumbHash until the picture is there.
	Placeholder bool
}

// Info is the part of an original's description that a page needs: of the JSON that
// thumbd info prints.
type Info struct {
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	ThumbHash string `json:"thumbhash"`
}

// Source is a source element.
type Source struct{ Type, Srcset, Sizes string }

// Parts are the parts of a picture element. Those without Sources are its img.
type Parts struct {
	Sources                 []Source
	Src, Srcset, Sizes, Alt string
	Width, Height           int
	Loading, Decoding       string
	FetchPriority           string // "" or "high"
	Style                   string // the placeholder, or ""
}

// ErrThumbd is, by errors.Is, each error of this package.
var ErrThumbd = errors.New("thumbd")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrThumbd, fmt.Sprintf(format, args...))
}

var thumbnailFormats = []string{"jpg", "png", "webp", "avif", "gif"}

var extensions = map[string]string{
	"jpg": "jpg", "jpeg": "jpg", "jpe": "jpg", "png": "png", "webp": "webp", "avif": "avif", "gif": "gif",
	"heic": "heic", "heif": "heic", "tiff": "tiff", "tif": "tiff", "svg": "svg", "jxl": "jxl",
}

var mediaTypes = map[string]string{"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif", "gif": "image/gif"}

// URL returns the URL of a thumbnail. spec is the name of a preset, card, card@2x or
// hero-320w, or in the scheme signed a size and a method: 400x300_crop_q=70. The
// format "" is the original's own, or jpg if thumbnails can't have that format.
func (s *Site) URL(original, spec, format string) (string, error) {
	if format == "" {
		format = s.defaultFormat(original)
	}
	switch {
	case s.Scheme != "signed" && s.Scheme != "preset":
		return "", wrong("the scheme %q is none of signed and preset", s.Scheme)
	case s.Scheme == "signed" && s.Key == "":
		return "", wrong("a site of the scheme signed needs its key")
	case original == "":
		return "", wrong("there is no original")
	}
	preset, _, ok := s.find(spec)
	if s.Scheme == "preset" {
		if !ok {
			return "", wrong("the preset %q is unknown", spec)
		}
		return s.unsigned(original, spec, format, preset)
	}
	if !ok && !strings.Contains(spec, "_") {
		return "", wrong("the preset %q is unknown", spec)
	}
	if !slices.Contains(s.formats(), format) {
		return "", wrong("the format %q is none of the site's", format)
	}
	if !ok {
		parts := strings.Split(spec, "_")
		slices.Sort(parts[2:])
		spec = strings.Join(parts, "_")
	}
	stem := s.Prefix + original + "/" + spec + "_"
	return s.base() + escapePath(stem+sign(s.Key, stem+"."+format)+"."+format), nil
}

func (s *Site) unsigned(original, spec, format string, p Preset) (string, error) {
	own := formatOf(original)
	if cut := strings.LastIndexByte(original, '.'); cut >= 0 {
		before, ext := formatOf(original[:cut]), original[cut+1:]
		if before != "" && before != own && ext == own && slices.Contains(p.Formats, own) {
			return "", wrong("%q would be taken for %q", original, original[:cut])
		}
	}
	path := s.Prefix + spec + "/" + original
	switch {
	case own == format && (slices.Contains(s.formats(), format) || slices.Contains(p.Formats, format)):
	case own != "" && own != format && slices.Contains(p.Formats, format):
		path += "." + format
	default:
		return "", wrong("the preset %q does not have the format %q of %q", spec, format, original)
	}
	return s.base() + escapePath(path), nil
}

// Srcset returns the srcset of a preset in a format, "" for the default one: its
// widths, or if it has none the preset and its NAME@Nx, each with the width that the
// thumbnail really has. width and height are the original's.
func (s *Site) Srcset(original, preset, format string, width, height int) (string, error) {
	p, ok := s.Presets[preset]
	if !ok {
		return "", wrong("the preset %q is unknown", preset)
	}
	if width < 1 || height < 1 {
		return "", wrong("the original's width and height must be known")
	}
	var list []string
	last := 0
	for _, name := range ladder(preset, p) {
		u, err := s.URL(original, name, format)
		if err != nil {
			return "", err
		}
		w, _, ok := s.size(original, name, width, height)
		if !ok || w <= last {
			continue
		}
		last = w
		list = append(list, u+" "+strconv.Itoa(w)+"w")
	}
	return strings.Join(list, ", "), nil
}

func ladder(preset string, p Preset) []string {
	var names []string
	for _, n := range slices.Sorted(slices.Values(p.Widths)) {
		names = append(names, fmt.Sprintf("%s-%dw", preset, n))
	}
	if len(names) > 0 {
		return names
	}
	names = []string{preset}
	for _, n := range slices.Sorted(slices.Values(p.DPR)) {
		names = append(names, fmt.Sprintf("%s@%dx", preset, n))
	}
	return names
}

// Parts returns the parts of a picture element.
func (s *Site) Parts(original, preset string, o Options) (Parts, error) {
	if o.Width == 0 && o.Height == 0 {
		o.Width, o.Height = o.Info.Width, o.Info.Height
	}
	srcset, err := s.Srcset(original, preset, "", o.Width, o.Height)
	if err != nil {
		return Parts{}, err
	}
	src, err := s.URL(original, preset, "")
	if err != nil {
		return Parts{}, err
	}
	width, height, ok := s.size(original, preset, o.Width, o.Height)
	if !ok {
		return Parts{}, wrong("the thumbnail would be too large")
	}
	p := Parts{Src: src, Srcset: srcset, Sizes: o.Sizes, Alt: o.Alt, Width: width, Height: height, Loading: "eager", Decoding: "async"}
	switch {
	case p.Sizes != "":
	case len(s.Presets[preset].Widths) > 0:
		p.Sizes = "100vw"
	default:
		p.Sizes = strconv.Itoa(width) + "px"
	}
	if o.Lazy {
		p.Loading = "lazy"
	}
	if o.Priority {
		p.FetchPriority = "high"
	}
	if o.Placeholder {
		tiny := within([2]int{o.Width, o.Height}, [2]int{16, 16}, false)
		if p.Style, err = style(o.Info.ThumbHash, tiny, s.Presets[preset].Method); err != nil {
			return Parts{}, err
		}
	}
	own := s.defaultFormat(original)
	for _, format := range s.Presets[preset].Formats {
		// A GIF may be an animation, and an AVIF is none.
		if format == own || format == "avif" && own == "gif" {
			continue
		}
		srcset, err := s.Srcset(original, preset, format, o.Width, o.Height)
		if err != nil {
			return Parts{}, err
		}
		p.Sources = append(p.Sources, Source{mediaTypes[format], srcset, p.Sizes})
	}
	return p, nil
}

// Picture returns a picture element, escaped.
func (s *Site) Picture(original, preset string, o Options) (string, error) {
	p, err := s.Parts(original, preset, o)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("<picture>\n")
	for _, x := range p.Sources {
		fmt.Fprintf(&b, "<source type=\"%s\" srcset=\"%s\" sizes=\"%s\">\n", x.Type, escape(x.Srcset), escape(x.Sizes))
	}
	fmt.Fprintf(&b, "<img src=\"%s\" srcset=\"%s\" sizes=\"%s\" width=\"%d\" height=\"%d\" alt=\"%s\" loading=\"%s\" decoding=\"%s\"",
		escape(p.Src), escape(p.Srcset), escape(p.Sizes), p.Width, p.Height, escape(p.Alt), p.Loading, p.Decoding)
	if p.FetchPriority != "" {
		fmt.Fprintf(&b, " fetchpriority=\"%s\"", p.FetchPriority)
	}
	if p.Style != "" {
		fmt.Fprintf(&b, " style=\"%s\"", escape(p.Style))
	}
	b.WriteString(">\n</picture>\n")
	return b.String(), nil
}

// find returns the preset of a name in URLs, and its box.
func (s *Site) find(name string) (p Preset, box [2]int, ok bool) {
	if p, ok := s.Presets[name]; ok {
		return p, parseSize(p.Size), true
	}
	if before, n, ok := cutNumber(name, "@", "x"); ok && slices.Contains(s.Presets[before].DPR, n) {
		p, box = s.Presets[before], parseSize(s.Presets[before].Size)
		return p, [2]int{box[0] * n, box[1] * n}, true
	}
	if before, n, ok := cutNumber(name, "-", "w"); ok && slices.Contains(s.Presets[before].Widths, n) {
		p, box = s.Presets[before], parseSize(s.Presets[before].Size)
		if box[1] > 0 {
			box[1] = max(scale(box[1], n, box[0]), 1)
		}
		return p, [2]int{n, box[1]}, true
	}
	return Preset{}, box, false
}

func cutNumber(s, mark, unit string) (before string, n int, ok bool) {
	i := strings.LastIndex(s, mark)
	if i < 0 {
		return "", 0, false
	}
	number, ok := strings.CutSuffix(s[i+1:], unit)
	n, err := strconv.Atoi(number)
	return s[:i], n, ok && err == nil && strconv.Itoa(n) == number
}

func parseSize(size string) [2]int {
	w, h, _ := strings.Cut(size, "x")
	// A free side is empty.
	width, _ := strconv.Atoi(w)
	height, _ := strconv.Atoi(h)
	return [2]int{width, height}
}

// size returns the size that thumbd gives the thumbnail of an original of width x height
// pixels. ok is false if there is no such preset, or if the size is over the limits.
func (s *Site) size(original, name string, width, height int) (w, h int, ok bool) {
	p, box, ok := s.find(name)
	if !ok {
		return 0, 0, false
	}
	enlarge := s.Enlarge
	if p.Enlarge != nil {
		enlarge = *p.Enlarge
	}
	// A drawing has no pixels.
	enlarge = enlarge || formatOf(original) == "svg"
	size := canvas([2]int{width, height}, box, p, enlarge)
	return size[0], size[1], p.Method == "original" || size[0] <= or(s.ThumbnailWidth) && size[1] <= or(s.ThumbnailHeight)
}

func or(limit int) int {
	if limit == 0 {
		return 4096
	}
	return limit
}

func canvas(from, box [2]int, p Preset, enlarge bool) [2]int {
	covered := from[0] >= box[0] && from[1] >= box[1]
	switch {
	case p.Method == "original":
		return from
	case box[0] == 0 || box[1] == 0:
		if !enlarge {
			box = [2]int{min(box[0], from[0]), min(box[1], from[1])}
		}
		if box[1] == 0 {
			return byWidth(from, box[0])
		}
		return byHeight(from, box[1])
	case p.Method == "pad" || p.Method == "stretch":
		return box
	case p.Method == "fit":
		return within(from, box, enlarge)
	case p.Method == "scale":
		if !enlarge && !covered {
			return from
		}
		if wider(box, from) {
			return byWidth(from, box[0])
		}
		return byHeight(from, box[1])
	case enlarge || covered:
		return box
	case p.Uncovered == "axes":
		return [2]int{min(box[0], from[0]), min(box[1], from[1])}
	}
	return within(box, from, false)
}

func within(from, box [2]int, enlarge bool) [2]int {
	if !enlarge && from[0] <= box[0] && from[1] <= box[1] {
		return from
	}
	if wider(box, from) {
		return byHeight(from, box[1])
	}
	return byWidth(from, box[0])
}

func wider(a, b [2]int) bool { return a[0]*b[1] >= b[0]*a[1] }

func byWidth(size [2]int, width int) [2]int {
	return [2]int{width, max(scale(size[1], width, size[0]), 1)}
}

func byHeight(size [2]int, height int) [2]int {
	return [2]int{max(scale(size[0], height, size[1]), 1), height}
}

// scale returns n x to / from, rounded half up.
func scale(n, to, from int) int { return (2*n*to + from) / (2 * from) }

func (s *Site) formats() []string {
	if len(s.Formats) == 0 {
		return thumbnailFormats
	}
	return s.Formats
}

func (s *Site) base() string { return strings.TrimSuffix(s.Base, "/") }

func (s *Site) defaultFormat(original string) string {
	if own := formatOf(original); slices.Contains(s.formats(), own) {
		return own
	}
	return "jpg"
}

// formatOf returns the format that the extension of a name tells, or "".
func formatOf(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return extensions[strings.ToLower(name[i+1:])]
}

// Access returns the URL of a protected path until a time.
func Access(key, path string, expires time.Time) string {
	return signed("access", key, path, "expires="+strconv.FormatInt(expires.Unix(), 10))
}

// Download returns the URL of a file until a time, to be saved under name unless that
// is "".
func Download(key, path string, expires time.Time, name string) string {
	query := "expires=" + strconv.FormatInt(expires.Unix(), 10)
	if name != "" {
		query += "&download=" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return signed("file", key, path, query)
}

func signed(purpose, key, path, query string) string {
	return escapePath(path) + "?" + query + "&signature=" + sign(key, purpose+"\n"+path+"\n"+query)
}

// sign returns the signature of a text. The newline at the end of a key's file is not
// of the key.
func sign(key, text string) string {
	h := hmac.New(sha256.New, []byte(strings.TrimSuffix(key, "\n")))
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:21])
}

// escapePath percent-encodes a path as thumbd url does: q=70 stays q=70.
func escapePath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func escape(text string) string { return escaper.Replace(text) }
