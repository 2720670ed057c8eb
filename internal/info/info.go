// SPDX-License-Identifier: MIT

// Package info describes an original in a small JSON file, for pages that show a
// placeholder until the picture is there.
//
//	{"width":1600,"height":900,"format":"jpg","bytes":482113,"frames":1,"alpha":false,"color":"#3a5f2c",
//	 "thumbhash":"2fcZFIB3iId/h3iJh4aIYJ2V8g==","blurhash":"LEHV6nWB2yk8pyo0adR*.7kCMdnj","lqip":"data:image/webp;base64,…"}
package info

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"regexp"
	"strings"

	"thumbd/internal/thumb"
)

// MaxBytes is the most bytes of a file of this package.
const MaxBytes = 1024

// MaxLQIP is the most characters of Info.LQIP.
const MaxLQIP = 400

// Info is the description of an original for a page. Its JSON is the published file.
type Info struct {
	Width     int          `json:"width"`  // pixels, upright
	Height    int          `json:"height"` // pixels, upright
	Format    thumb.Format `json:"format"`
	Bytes     int64        `json:"bytes"`
	Frames    int          `json:"frames"` // 1 for a still
	Alpha     bool         `json:"alpha"`  // whether a pixel shows what lies below it
	Color     string       `json:"color"`  // the dominant color, #rrggbb
	ThumbHash string       `json:"thumbhash"`
	BlurHash  string       `json:"blurhash"`
	LQIP      string       `json:"lqip"` // a tiny WebP as a data URI
}

// Look sets the fields of i that depend on the picture alone: p is the original,
// upright, in sRGB, and at most thumb.InfoSide pixels wide and high.
func (i *Info) Look(p *image.NRGBA) {
	i.Alpha = !p.Opaque()
	i.Color = dominant(p)
	i.ThumbHash = base64.StdEncoding.EncodeToString(thumbHash(p))
	i.BlurHash = blurHash(p)
}

const dataURI = "data:image/webp;base64,"

// Place sets i.LQIP to a WebP file and reports whether that is small enough.
func (i *Info) Place(webp []byte) bool {
	if len(dataURI)+base64.StdEncoding.EncodedLen(len(webp)) > MaxLQIP {
		return false
	}
	i.LQIP = dataURI + base64.StdEncoding.EncodeToString(webp)
	return true
}

// File returns the file of i.
func (i Info) File() ([]byte, error) {
	b, err := json.Marshal(i)
	return append(b, '\n'), err
}

var (
	colorPattern    = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	blurHashPattern = regexp.MustCompile(`^[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{28}$`)
)

// Parse reads a file that File has written, and accepts no other text: it may come
// from a worker that a hostile original has taken over.
func Parse(file []byte) (Info, error) {
	var i Info
	if err := json.Unmarshal(file, &i); err != nil {
		return Info{}, err
	}
	again, err := i.File()
	if err != nil {
		return Info{}, err
	}
	hash, err := base64.StdEncoding.DecodeString(i.ThumbHash)
	tiny, isData := strings.CutPrefix(i.LQIP, dataURI)
	_, terr := base64.StdEncoding.DecodeString(tiny)
	switch {
	case len(file) > MaxBytes || !bytes.Equal(file, again):
		return Info{}, errors.New("it does not have the fields of an info file")
	case i.Width < 1 || i.Height < 1 || i.Bytes < 1 || i.Frames < 1:
		return Info{}, fmt.Errorf("impossible numbers: %dx%d pixels, %d bytes, %d frames", i.Width, i.Height, i.Bytes, i.Frames)
	case !colorPattern.MatchString(i.Color):
		return Info{}, fmt.Errorf("impossible color %q", i.Color)
	case err != nil || len(hash) < 5 || len(hash) > 25:
		return Info{}, fmt.Errorf("impossible thumbhash %q", i.ThumbHash)
	case !blurHashPattern.MatchString(i.BlurHash):
		return Info{}, fmt.Errorf("impossible blurhash %q", i.BlurHash)
	case !isData || terr != nil || len(i.LQIP) > MaxLQIP:
		return Info{}, fmt.Errorf("impossible lqip %.30q", i.LQIP)
	}
	return i, nil
}
