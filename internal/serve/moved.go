// SPDX-License-Identifier: MIT

package serve

import "thumbd/internal/keep"

// movedError says that an original does not exist, but that its URI named another
// thumbnail in earlier builds: that thumbnail has the URI uri now. errors.Is finds
// errMoved in it.
type movedError struct {
	error
	uri string
}

func (e movedError) Is(target error) bool { return target == errMoved }

func (e movedError) Unwrap() error { return e.error }

// moved returns err. But if a's original does not exist, and a's URI is an old
// spelling, it returns errMoved with the URI of today.
func moved(a keep.Request, err error) error {
	if !Judge(err).NoOriginal {
		return err
	}
	if uri, ok := a.Moved(); ok {
		return movedError{err, uri}
	}
	return err
}
