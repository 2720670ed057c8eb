// SPDX-License-Identifier: MIT

package admin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Selection says which thumbnails of an original are made ahead of time.
type Selection struct {
	// Presets are as thumb.Site.PresetNames has them, Specs as URIs of the signed
	// scheme: "300x200_crop,q=70". Without both, all presets are meant.
	Presets, Specs []string
	// Formats are extensions; none stands for the original's own, or jpg if a
	// thumbnail can't have that. The variants that nginx negotiates come with each.
	Formats []string
	// Since is the oldest mtime of an original; zero means all originals.
	Since time.Time
}

// Form returns the form of WarmRoute and OriginalsRoute:
// "site=gallery&preset=small&original=2024%2Fa.jpg". Original may be empty: then
// WarmRoute only checks the rest.
func (s Selection) Form(site, original string) string {
	form := url.Values{"site": {site}, "preset": s.Presets, "spec": s.Specs, "format": s.Formats}
	if !s.Since.IsZero() {
		form.Set("since", s.Since.Format(time.RFC3339Nano))
	}
	if original != "" {
		form.Set("original", original)
	}
	return form.Encode()
}

// ParseSelection reads the fields of Selection.Form. Its errors are ErrForm.
func ParseSelection(form url.Values) (site, original string, s Selection, err error) {
	for name, values := range form {
		last := values[len(values)-1]
		var cause error
		if len(values) > 1 && (name == "site" || name == "original" || name == "since") {
			cause = errTwice
		}
		switch name {
		case "preset":
			s.Presets = values
		case "spec":
			s.Specs = values
		case "format":
			s.Formats = values
		case "site":
			site = last
		case "original":
			original = last
		case "since":
			var bad error
			s.Since, bad = time.Parse(time.RFC3339Nano, last)
			cause = errors.Join(cause, bad)
		default:
			cause = errUnknown
		}
		if cause != nil {
			err = errors.Join(err, fieldError(name, cause))
		}
	}
	return site, original, s, err
}

var (
	errTwice   = errors.New("more than once")
	errUnknown = errors.New("unknown")
	errLate    = errors.New("it must come before so many originals")
)

func fieldError(name string, cause error) error {
	return fmt.Errorf("%w: %s: %w", ErrForm, name, cause)
}

// Purge says which thumbnails of a site are taken away: of Originals, of those below
// the folder Under, of Preset, or All.
type Purge struct {
	Site      string
	Originals []string
	Under     string
	Preset    string
	All       bool
	Render    bool // make anew those that there were
	// Here keeps the purge from the other nodes of a farm.
	Here bool
	// Wait is how long to wait for the other nodes. nil: as thumbd.toml says.
	Wait *time.Duration
}

// Form returns the form of PurgeRoute: "site=gallery&original=a.jpg&original=b.jpg".
// The originals come last, as ReadPurge needs it.
func (p Purge) Form() string {
	form := url.Values{}
	for name, value := range map[string]string{"under": p.Under, "preset": p.Preset} {
		if value != "" {
			form.Set(name, value)
		}
	}
	for name, on := range map[string]bool{"all": p.All, "render": p.Render, "here": p.Here} {
		if on {
			form.Set(name, "1")
		}
	}
	if p.Wait != nil {
		form.Set("wait", p.Wait.String())
	}
	return url.Values{"site": {p.Site}}.Encode() + "&" + form.Encode() + "&" + url.Values{"original": p.Originals}.Encode()
}

const (
	// PurgeNames is the most originals of one Purge that ReadPurge passes on. More
	// originals, or longer names, become several, so that the memory is bounded.
	PurgeNames = 50_000
	purgeBytes = 4 << 20
	// MaxField is the most bytes of a field: the longest name, percent-encoded.
	MaxField = 16 << 10
)

// ReadPurge reads a form of any size from r, and calls purge for each part of it.
// If there are many originals, all other fields must come before them. Errors are
// ErrForm and those of purge.
func ReadPurge(r io.Reader, purge func(Purge) error) error {
	f := purgeForm{purge: purge, seen: make(map[string]bool)}
	b := bufio.NewReaderSize(r, MaxField)
	for {
		field, err := b.ReadSlice('&')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %w", ErrForm, err)
		}
		if text := strings.TrimSuffix(string(field), "&"); text != "" {
			if err := f.field(text); err != nil {
				return err
			}
		}
		if err != nil {
			break
		}
	}
	if f.begun && len(f.next.Originals) == 0 {
		return nil
	}
	return purge(f.next)
}

// purgeForm is the state of ReadPurge.
type purgeForm struct {
	purge func(Purge) error
	seen  map[string]bool // fields other than original
	next  Purge
	bytes int // of next.Originals
	begun bool
}

// field takes NAME=VALUE, percent-encoded.
func (f *purgeForm) field(text string) error {
	name, value, _ := strings.Cut(text, "=")
	name, err := url.QueryUnescape(name)
	if err == nil {
		value, err = url.QueryUnescape(value)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrForm, err)
	case name == "original":
		return f.original(value)
	case f.begun:
		return fieldError(name, errLate)
	case f.seen[name]:
		return fieldError(name, errTwice)
	}
	f.seen[name] = true
	switch name {
	case "site":
		f.next.Site = value
	case "under":
		f.next.Under = value
	case "preset":
		f.next.Preset = value
	case "all":
		f.next.All, err = strconv.ParseBool(value)
	case "render":
		f.next.Render, err = strconv.ParseBool(value)
	case "here":
		f.next.Here, err = strconv.ParseBool(value)
	case "wait":
		err = f.wait(value)
	default:
		err = errUnknown
	}
	if err != nil {
		return fieldError(name, err)
	}
	return nil
}

// mostWait is the longest that a purge waits for other nodes.
const mostWait = 5 * time.Minute

// wait takes a time, for example "5s" or "0".
func (f *purgeForm) wait(value string) error {
	d, err := time.ParseDuration(value)
	if err == nil && (d < 0 || d > mostWait) {
		err = fmt.Errorf("want a time from 0 to %v", mostWait)
	}
	f.next.Wait = &d
	return err
}

// original adds an original to the next purge, and begins that purge if it has enough
// originals: PurgeNames of them, or purgeBytes of names.
func (f *purgeForm) original(name string) error {
	f.next.Originals = append(f.next.Originals, name)
	f.bytes += len(name)
	if len(f.next.Originals) < PurgeNames && f.bytes < purgeBytes {
		return nil
	}
	if f.next.Site == "" {
		return fieldError("site", errLate)
	}
	err := f.purge(f.next)
	f.next.Originals, f.bytes, f.begun = nil, 0, true
	return err
}
