// SPDX-License-Identifier: MIT

package admin

// Routes for the state of a daemon. Each takes a GET.
const (
	ReportRoute = "/report" // answers with Report
	ReadyRoute  = "/readyz" // answers 200 or 503
)

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
