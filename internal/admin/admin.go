// SPDX-License-Identifier: MIT

// Package admin is the protocol of thumbd's socket for administrators: its
// routes, forms and JSON. The page thumbd-admin(7) describes it for applications.
// Package serve answers, and the commands ask through package client. It is HTTP over
// a unix socket; for example, this takes away the thumbnails of one original:
//
//	POST /purge
//	Content-Type: application/x-www-form-urlencoded
//
//	site=gallery&original=2024%2Fa.jpg
//
// A file has the routes of one topic, with their forms and their JSON: purge.go, warm.go,
// report.go, status.go, nodes.go.
package admin

import (
	"errors"
	"fmt"
)

// Socket is the path of thumbd-admin.socket.
const Socket = "/run/thumbd/admin.sock"

// ErrForm means that a form has an unknown field, a field twice, or a value that
// can't be parsed.
var ErrForm = errors.New("the form is not understood")

var (
	errTwice   = errors.New("more than once")
	errUnknown = errors.New("unknown")
	errLate    = errors.New("it must come before so many originals")
)

func fieldError(name string, cause error) error {
	return fmt.Errorf("%w: %s: %w", ErrForm, name, cause)
}
