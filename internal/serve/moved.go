// SPDX-License-Identifier: MIT

package serve

// movedError is that an original does not exist, and that the thumbnail which
// its URI named before has the URI uri now. It is errMoved.
type movedError struct {
	error
	uri string
}

func (e movedError) Is(target error) bool { return target == errMoved }

func (e movedError) Unwrap() error { return e.error }

// moved returns err. But if a's original does not exist, and a's URI is an old
// spelling, it returns errMoved with the URI of today.
func (a asked) moved(err error) error {
	if statusOf(err).reason != "no-original" {
		return err
	}
	now, ok := a.thumb.Moved()
	if !ok {
		return err
	}
	// An origin is asked when the client comes again.
	if exists, eerr := a.Originals.Exists(now.Original); eerr == nil && !exists {
		return err
	}
	return movedError{err, now.URI()}
}
