// SPDX-License-Identifier: MIT

package originals

import (
	"context"
	"errors"
	"os"

	"thumbd/internal/share"
)

// ErrUnlisted means that a source lets thumbd read originals and not list them.
var ErrUnlisted = errors.New("no right to list the originals")

// Errors of a Distant source, beside [fs.ErrNotExist] (the other machine says that there is
// no such original) and ErrTooLarge.
var (
	// ErrOrigin means that the origin refuses connections, answers with an error
	// status, or does not speak its protocol.
	ErrOrigin = errors.New("the origin failed")
	// ErrSlow means that the origin exceeded a time limit or sent fewer bytes a
	// second than the site demands.
	ErrSlow = errors.New("the origin is too slow")
	// ErrForbidden means that the origin has an address, or redirects to a URL,
	// that the site does not allow.
	ErrForbidden = errors.New("the origin leads to where the site does not let it")
	// ErrType means that the answer is no picture of original_formats.
	ErrType = errors.New("the origin's answer begins as no format of original_formats")
	// ErrCredentials means that there are no credentials, or that a store refuses them, the
	// clock or the region.
	ErrCredentials = errors.New("no credentials that the store accepts")
	// ErrSlowDown means that a store asks for fewer requests.
	ErrSlowDown = errors.New("the store asks for fewer requests")
	// ErrUntold is an [fs.ErrNotExist] that may be a missing right as well.
	ErrUntold = errors.New("the store does not tell if there is no such original or no right to read it")
	// ErrBusy means that too many fetches wait, or that the fetches in flight fill
	// spool_bytes.
	ErrBusy = errors.New("too many originals are being fetched")
	// ErrSpool means that the spool's folder can't be read or written. Its text
	// has the path.
	ErrSpool = errors.New("the spool can't be used")
	// ErrStopped means that Stop was called.
	ErrStopped = errors.New("thumbd is stopping")
)

// Source is the originals of a site, wherever they are. Its methods are safe for
// concurrent use. A Source may have the abilities below: a caller that needs one asks
// for the interface, for example source.(Lister), and never for the type.
type Source interface {
	// Open opens the original of that name for reading from offset 0; the caller
	// closes it. It gives up when ctx is done.
	Open(ctx context.Context, name string) (*os.File, Info, error)
	// Ask returns the error that Open would return, without reading the original.
	Ask(name string) error
	// Path returns the original's name in log lines: its path or URL.
	Path(name string) string
	// Exists reports whether there is an original of that name, as far as this is
	// known without a request to another machine. With an error it is not known.
	Exists(name string) (bool, error)
	// Probe returns the error that keeps all originals from being opened.
	Probe() error
	// Close ends the Source, when nothing uses it any more.
	Close()
}

// Lister is a Source that can list its originals.
type Lister interface {
	// Walk calls f with the name of each original, and unread with the error of each
	// folder that is left out. It ends with the first error of f or with ctx's.
	Walk(ctx context.Context, f func(name string) error, unread func(error)) error
	// CanList returns the error with which every Walk would end.
	CanList() error
}

// Teller is a Source that tells the version of an original without opening it, and whether
// an original was deleted.
type Teller interface {
	// Device returns a number of the place of the originals, or ErrEmpty, or
	// ErrUnlisted, if nothing is told of any.
	Device() (uint64, error)
	// Stat returns the Info that Open would return.
	Stat(name string) (Info, error)
	// Deleted reports whether an original that Stat does not find was deleted for
	// certain.
	Deleted(name string) (bool, error)
}

// Distant is a Source on another machine: its originals are fetched into the spool,
// and its Probe sends a request.
type Distant interface {
	// Stop ends all fetches in flight, and later ones at once.
	Stop()
}

// Forgetter is a Source that keeps something of its originals: copies, failures, or
// fetches in flight.
type Forgetter interface {
	// Forget drops all that the Source keeps of the originals of f. An Open that begins
	// after Forget has returned gives the original as it is then. An Open that waits for a
	// fetch of before fetches anew.
	Forget(f Forgotten)
}

// Forgotten are the originals that a Forgetter forgets.
type Forgotten struct {
	// Covers reports whether an original is one of them.
	Covers func(name string) bool
	// Names, if not nil, has all of them, so that nothing else is looked at.
	Names []string
	// KeepCopies leaves the copies that are whole. The next Open of an original asks
	// whether its copy is still good, as every Open does.
	KeepCopies bool
}

// Gated is a Source whose files may be on a share that hangs.
type Gated interface {
	// Gate returns the gate through which operations on open originals go.
	Gate() *share.Gate
}

// Former is a Source that knows names in several Unicode normalizations.
type Former interface {
	// OtherForm returns the name of an original that differs from name in its
	// normalization alone, or "".
	OtherForm(name string) string
}

// Folder is a Dir as a Source, with all abilities but Distant and Forgetter.
type Folder struct{ *Dir }

// Open opens like Dir.Open, and waits at most for the gate's deadline.
func (f Folder) Open(_ context.Context, name string) (*os.File, Info, error) {
	return f.Dir.Open(name)
}

// CanList reads one name.
func (f Folder) CanList() error { return f.Probe() }

// Ask opens the original, and closes it.
func (f Folder) Ask(name string) error {
	file, _, err := f.Dir.Open(name)
	if err == nil {
		f.gate.Close(file)
	}
	return err
}
