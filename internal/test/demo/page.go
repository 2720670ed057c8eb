// SPDX-License-Identifier: MIT

package main

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"os"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// summary is the text at the head of the page.
type summary struct {
	Count         int
	Miss, Hit     time.Duration // medians
	Originals     int64         // bytes, once for each thumbnail
	Thumbnails    int64         // bytes
	OriginalCount int
}

// writePage writes the page into the file that path names, for all to read.
func writePage(path string, originals []original) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return page.Execute(f, struct {
		Summary   summary
		Originals []original
	}{summarize(originals), originals})
}

func summarize(originals []original) summary {
	s := summary{OriginalCount: len(originals)}
	var misses, hits []time.Duration
	for _, o := range originals {
		for _, t := range o.Thumbs {
			if !t.OK() {
				continue
			}
			s.Count++
			s.Originals += o.Bytes
			s.Thumbnails += int64(t.Bytes)
			misses, hits = append(misses, t.Miss), append(hits, t.Hit)
		}
	}
	s.Miss, s.Hit = median(misses), median(hits)
	return s
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// MissText and HitText are the medians for people.
func (s summary) MissText() string { return milliseconds(s.Miss) }

// HitText is the median time of a hit.
func (s summary) HitText() string { return milliseconds(s.Hit) }

// Share is how much less there is to send, in percent.
func (s summary) Share() string { return percent(s.Thumbnails, s.Originals) }

// Folder is the folder in the original's name, animals/ of animals/kitten.jpg, or "".
func (o original) Folder() string { return o.Name[:strings.LastIndexByte(o.Name, '/')+1] }

// Base is the name without Folder: kitten.jpg.
func (o original) Base() string { return o.Name[len(o.Folder()):] }

// Size is the original's, for people.
func (o original) Size() string { return bytesText(o.Bytes) }

// ShareOf is a thumbnail's part of its original's bytes.
func (o original) ShareOf(m measured) string { return percent(int64(m.Bytes), o.Bytes) }

// OK reports whether there is a picture.
func (m measured) OK() bool { return m.Status == 200 }

// Box is the size that was asked for, as in the URL.
func (m measured) Box() string {
	text := func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n)
	}
	return text(m.Transform.Width) + "×" + text(m.Transform.Height)
}

// Size is the thumbnail's, for people.
func (m measured) Size() string { return bytesText(int64(m.Bytes)) }

// MissText is the time of the request that made it.
func (m measured) MissText() string { return milliseconds(m.Miss) }

// HitText is the time of the request that found it.
func (m measured) HitText() string { return milliseconds(m.Hit) }

func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func percent(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	p := 100 * float64(part) / float64(whole)
	if p < 10 {
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}
