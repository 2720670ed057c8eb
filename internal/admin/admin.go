// SPDX-License-Identifier: MIT

// Package admin is the protocol of thumbd's socket for administrators: its
// routes, forms and JSON, and the Client that the commands use. The page
// thumbd-admin(7) describes it for applications. It is HTTP over a unix socket;
// for example, this takes away the thumbnails of one original:
//
//	POST /purge
//	Content-Type: application/x-www-form-urlencoded
//
//	site=gallery&original=2024%2Fa.jpg
package admin

import (
	"errors"
	"time"
)

// Socket is the path of thumbd-admin.socket.
const Socket = "/run/thumbd/admin.sock"

// Routes of the socket. PurgeRoute, WarmRoute, InfoRoute and OriginalsRoute take a POST
// with a form, the others a GET.
const (
	PurgeRoute     = "/purge"     // a form of Purge; answers in words
	WarmRoute      = "/warm"      // a form of Selection; answers with Warmed
	InfoRoute      = "/info"      // a form of site and original; answers with the file of package info
	OriginalsRoute = "/originals" // the same form; answers with a name in each line, percent-encoded
	ReportRoute    = "/report"    // answers with Report
	ReadyRoute     = "/readyz"    // answers 200 or 503
	StatusRoute    = "/status"    // answers with a list of Family
	MetricsRoute   = "/metrics"   // answers in the text format of Prometheus
	// NodesRoute answers a GET with a list of Node, and a POST with forget=NAME by
	// removing that node from the list. Without [nodes] there is none.
	NodesRoute = "/nodes"
)

// UnreadTrailer is the trailer of OriginalsRoute with the number of folders that
// can't be read and are left out, for example "X-Thumbd-Unread: 2". Without it the
// list is not whole.
const UnreadTrailer = "X-Thumbd-Unread"

// ErrForm means that a form has an unknown field, a field twice, or a value that
// can't be parsed.
var ErrForm = errors.New("the form is not understood")

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

// Report is the state of a daemon, for thumbd doctor. Its troubles are found when it
// is asked, as its user and with the restrictions of its unit.
type Report struct {
	Version string `json:"version"`
	User    string `json:"user"`
	PID     int    `json:"pid"`
	File    string `json:"file"` // the configuration's path
	// Checksum is the SHA-256 of the loaded configuration, in hexadecimal;
	// empty: no configuration is loaded.
	Checksum string `json:"checksum"`
	// Refused is why the file could not be loaded the last time: its mistakes, or
	// with NoWorker that no worker starts. Empty: it was loaded.
	Refused  string `json:"refused,omitempty"`
	NoWorker bool   `json:"no_worker,omitempty"`
	// Shared: Refused tells that another daemon publishes into a tree.
	Shared bool `json:"shared,omitempty"`
	// Unwell is why /_thumbd/health would not answer 200.
	Unwell   string    `json:"unwell,omitempty"`
	Vips     string    `json:"vips,omitempty"`
	Warnings []string  `json:"warnings,omitempty"` // of the configuration
	Formats  []string  `json:"formats,omitempty"`  // that libvips lacks, and the packages to install
	Missing  []string  `json:"missing,omitempty"`  // protections that the workers' kernel lacks
	Troubles []Trouble `json:"troubles,omitempty"`
}

// Trouble is a fault of a folder or an origin.
type Trouble struct {
	// Kind is originals, watch, share, origin, credentials, list, spool, tree, shared,
	// watermark, placeholder, files, journal or journal-write.
	Kind string `json:"kind"`
	Name string `json:"name"` // of the site or section, or of this node; of the spool ""
	Text string `json:"text"`
}

// Node is a member of a farm, as it was last heard of.
type Node struct {
	Name string `json:"name"`
	Here bool   `json:"here,omitempty"` // it is the daemon that answers
	// State is current, behind (it does not read the journal) or silent.
	State   string    `json:"state"`
	At      time.Time `json:"at,omitzero"`     // of its last report
	Read    time.Time `json:"read,omitzero"`   // when it has read the journal to its end
	Waits   int       `json:"waits"`           // entries that it could not apply yet
	Clock   int       `json:"clock"`           // by how many seconds its clock is ahead of the journal's
	Taken   bool      `json:"taken,omitempty"` // another process has the same name
	Version string    `json:"version,omitempty"`
	Libvips string    `json:"libvips,omitempty"`
	// Differs has the differences from this node, for example "thumbd 1.2, not 1.3".
	Differs []string `json:"differs,omitempty"`
	Trouble string   `json:"trouble,omitempty"` // for example that its report can't be trusted
}

// Family is a metric with its samples.
type Family struct {
	Name    string   `json:"name"`
	Help    string   `json:"help"`
	Samples []Sample `json:"samples"`
}

// Sample is one value of a metric. For a histogram, Value is the mean and Count
// the number of observations; otherwise Count is 0.
type Sample struct {
	Labels []Label `json:"labels,omitempty"`
	Value  float64 `json:"value"`
	Count  uint64  `json:"count,omitempty"`
}

// Label is the name and the value of a label.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
