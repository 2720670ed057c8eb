// SPDX-License-Identifier: MIT

package keep

// What is the kind of an Event.
type What uint8

// Requested is a request for a thumbnail or a download that was answered, Asked
// one of auth_request. Rendered is a thumbnail that was made, Published one in
// the tree, Unpublished one that could only be sent; Looped a request that
// nginx came back with. Refused is a thumbnail that its original does not
// allow, Purged a purge.
const (
	Requested What = iota + 1
	Asked
	Rendered
	Published
	Unpublished
	Looped
	Refused
	Purged
)

// Event is something that is to be counted.
type Event struct {
	What What
	Site string // "" where no site was found
	// Outcome of Requested is published, original, sent or a reason of a refusal, of Asked
	// allowed or a reason, of Refused a reason.
	Outcome    string
	Bytes      int64 // Published
	Remembered bool  // Refused without a worker, as it was before
}
