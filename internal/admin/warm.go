// SPDX-License-Identifier: MIT

package admin

import (
	"errors"
	"net/url"
	"time"
)

// Routes for making thumbnails and descriptions ahead of time. Each takes a POST with a
// form.
const (
	WarmRoute      = "/warm"      // a form of Selection; answers with Warmed
	OriginalsRoute = "/originals" // a form of Selection; answers with a name in each line, percent-encoded
	InfoRoute      = "/info"      // a form of site and original; answers with the file of package info
)

// UnreadTrailer is the trailer of OriginalsRoute with the number of folders that
// can't be read and are left out, for example "X-Thumbd-Unread: 2". Without it the
// list is not whole.
const UnreadTrailer = "X-Thumbd-Unread"

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

// Warmed is the result of warming one original, in thumbnails.
type Warmed struct {
	Made    int       `json:"made"`
	There   int       `json:"there"`             // before, or made for another request
	None    int       `json:"none,omitempty"`    // variants that the original does not have
	Skipped bool      `json:"skipped,omitempty"` // the original is older than Selection.Since
	Full    bool      `json:"full,omitempty"`    // the disk is full or read-only
	Failed  []Failure `json:"failed,omitempty"`
}

// Reasons of failures: a further request can succeed.
const (
	Superseded = "superseded" // by a purge, another original or another configuration
	Shutdown   = "shutdown"
)

// Failure is a thumbnail that could not be made.
type Failure struct {
	Name   string `json:"name"`   // the published one, or the original's if that has none
	Reason string `json:"reason"` // as in X-Thumbd-Reason, for example "damaged"
}
