// SPDX-License-Identifier: MIT

package doctor

// Daemon is what a running daemon says of itself to administrators, as JSON from
// /report on their socket. Its troubles are what it has met just now, as the user that
// it is and with the restrictions of its unit.
type Daemon struct {
	Version string `json:"version"`
	User    string `json:"user"`
	PID     int    `json:"pid"`
	File    string `json:"file"` // the configuration, as it was told
	// Checksum is the SHA-256 of the configuration at work, in hexadecimal;
	// empty: none is.
	Checksum string `json:"checksum"`
	// Refused is why the file was not loaded when that was last tried: its
	// mistakes, or with NoWorker that no worker starts. Empty: it was.
	Refused  string `json:"refused,omitempty"`
	NoWorker bool   `json:"no_worker,omitempty"`
	// Unwell is why /_thumbd/health would not answer 200.
	Unwell   string    `json:"unwell,omitempty"`
	Vips     string    `json:"vips,omitempty"`
	Warnings []string  `json:"warnings,omitempty"` // of the configuration
	Formats  []string  `json:"formats,omitempty"`  // that libvips lacks, and what to install
	Missing  []string  `json:"missing,omitempty"`  // protections that the workers' kernel lacks
	Troubles []Trouble `json:"troubles,omitempty"`
}

// Trouble is what a daemon has met with a folder or an origin.
type Trouble struct {
	Kind string `json:"kind"` // originals, share, origin, spool, tree, watermark or files
	Name string `json:"name"` // of the site or section; of the spool ""
	Text string `json:"text"`
}
