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

// PurgeRoute takes a POST with a form of Purge, and answers in words.
const PurgeRoute = "/purge"

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
