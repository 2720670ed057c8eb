// SPDX-License-Identifier: MIT

package admin

import "time"

// NodesRoute answers a GET with a list of Node, and a POST with forget=NAME by removing
// that node from the list. Without [nodes] both answers are 404.
const NodesRoute = "/nodes"

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
