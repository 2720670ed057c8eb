// SPDX-License-Identifier: MIT

// Package journal tells every node of a farm of each purge. The journal is a set of
// small files in a store that all nodes reach, for example a folder:
//
//	journal/20261129T011530.123456Z-n1-k3x7q2m4tz   an Entry: what was purged
//	nodes/n1                                        a Report: what n1 has applied
//
// Each file has two lines: JSON, and the mac of it. The mac is the first 21 bytes, in
// base64url, of HMAC-SHA256 over "journal" or "nodes", a line feed, the file's name
// without its folder, a line feed, and the first line without its line feed.
//
// A node lists the entries again and again, from a while before the newest one, and
// applies each that it has not. Entries can be applied in any order and any number of
// times: a purge removes what is there.
package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"thumbd/internal/purge"
	"thumbd/internal/sign"
)

// Folders of the store.
const (
	entries = "journal/"
	nodes   = "nodes/"
)

// MaxBytes is the most that a file of the journal has.
const MaxBytes = 1 << 20

// version is that of the format.
const version = 1

// Errors of this package.
var (
	// ErrUnwritten means that an entry could not be written: nothing was purged.
	ErrUnwritten = errors.New("the journal can't be written, so nothing was purged")
	// ErrSkip wraps the error of a purge that this node can never apply, for example
	// of a site that it does not have.
	ErrSkip = errors.New("not for this node")
	// ErrNoNode means that no node has that name.
	ErrNoNode = errors.New("there is no such node")

	errMAC    = errors.New("no key of this node has signed it")
	errFormat = errors.New("not in the format of this version")
)

// Entry is a purge of one site. Exactly one of Originals, Under, Preset and All is
// set.
type Entry struct {
	V         int      `json:"v"`
	Site      string   `json:"site"`
	Originals []string `json:"originals,omitempty"`
	Under     string   `json:"under,omitempty"`
	Preset    string   `json:"preset,omitempty"`
	All       bool     `json:"all,omitempty"`
	Render    bool     `json:"render,omitempty"`
	// Escaped: Originals and Under are percent-encoded, as one of them is not UTF-8.
	Escaped bool `json:"escaped,omitempty"`
}

// Scope returns what e purges of its site.
func (e Entry) Scope() purge.Scope {
	return purge.Scope{All: e.All, Originals: e.Originals, Under: e.Under, Preset: e.Preset}
}

// namesBytes is the most bytes of the names in one entry, as JSON has them.
const namesBytes = MaxBytes - 64<<10

// Split returns e in as many parts as MaxBytes demands.
func (e Entry) Split() []Entry {
	var parts []Entry
	odd := e.isOdd()
	first, size := 0, 0
	for i, name := range e.Originals {
		n := writtenBytes(name, odd)
		if size+n > namesBytes && i > first {
			part := e
			part.Originals = e.Originals[first:i]
			parts = append(parts, part)
			first, size = i, 0
		}
		size += n
	}
	e.Originals = e.Originals[first:]
	return append(parts, e)
}

// writtenBytes returns the most bytes that a name takes in an entry.
func writtenBytes(name string, odd bool) int {
	const quotes, percent, unicode = 3, 3, 6 // "", and %2F and \u003c for a byte
	switch {
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) }):
		// In a part without an odd name, too.
		return quotes + unicode*len(name)
	case odd:
		return quotes + percent*len(name)
	}
	return quotes + len(name)
}

// isOdd reports whether JSON can't have e as it is.
func (e Entry) isOdd() bool {
	return !utf8.ValidString(e.Under) || slices.ContainsFunc(e.Originals, func(name string) bool { return !utf8.ValidString(name) })
}

// escaped returns e as it is written.
func (e Entry) escaped() Entry {
	e.V = version
	if !e.isOdd() {
		return e
	}
	e.Escaped, e.Under = true, url.PathEscape(e.Under)
	names := make([]string, len(e.Originals))
	for i, name := range e.Originals {
		names[i] = url.PathEscape(name)
	}
	e.Originals = names
	return e
}

// unescaped undoes escaped.
func (e Entry) unescaped() (Entry, error) {
	if e.V != version {
		return e, fmt.Errorf("%w: version %d", errFormat, e.V)
	}
	if !e.Escaped {
		return e, nil
	}
	var err, bad error
	if e.Under, err = url.PathUnescape(e.Under); err != nil {
		bad = err
	}
	for i, name := range e.Originals {
		if e.Originals[i], err = url.PathUnescape(name); err != nil {
			bad = err
		}
	}
	if bad != nil {
		return e, fmt.Errorf("%w: %w", errFormat, bad)
	}
	e.Escaped = false
	return e, nil
}

// keyring are the keys of the group. The first one signs, all verify.
type keyring [][]byte

// seal returns the file of that name in a folder, for example "journal/".
func (k keyring) seal(folder, name string, v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	data := fmt.Appendf(nil, "%s\n%s\n", line, purpose(folder).Proof(name, string(line), k[0]))
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%d bytes, and %d are the most", len(data), MaxBytes)
	}
	return data, nil
}

// open decodes a file, unless nobody with a key has written it under that name.
func (k keyring) open(folder, name string, data []byte, v any) error {
	line, rest, ok := bytes.Cut(data, []byte("\n"))
	mac := bytes.TrimSuffix(rest, []byte("\n"))
	if !ok || !purpose(folder).Proves(name, string(line), string(mac), k) {
		return errMAC
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: %w", errFormat, err)
	}
	return nil
}

// purpose returns that of the files in a folder: "journal" for "journal/". What is
// signed is the purpose, the file's name and its first line.
func purpose(folder string) sign.Purpose { return sign.Purpose(strings.TrimSuffix(folder, "/")) }

const (
	// stampLayout is the time in the name of an entry.
	stampLayout = "20060102T150405.000000Z"
	stampBytes  = len(stampLayout)
	randomBytes = 10
)

// Name is the rule for names of nodes: the first label of a host's name.
var Name = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

var entryName = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[a-z0-9-]+-[a-z0-9]+$`)

// stamp returns the beginning of the names of entries of a time.
func stamp(at time.Time) string { return at.UTC().Format(stampLayout) }

// newName returns a name for an entry of a node.
func newName(at time.Time, node string) string {
	return stamp(at) + "-" + node + "-" + strings.ToLower(rand.Text()[:randomBytes])
}

// timeOf returns the time in the name of an entry. It is not ok if no entry has such a
// name.
func timeOf(name string) (at time.Time, ok bool) {
	if !entryName.MatchString(name) {
		return time.Time{}, false
	}
	at, err := time.Parse(stampLayout, name[:stampBytes])
	return at, err == nil
}

// Report is what a node has said about itself last, in nodes/NAME.
type Report struct {
	V        int       `json:"v"`
	Instance string    `json:"instance"` // of the process, made at random
	At       time.Time `json:"at"`       // when this was written, by the store's clock
	Read     time.Time `json:"read"`     // when the node has read the journal to its end
	Applied  string    `json:"applied"`  // the newest entry that the node has applied
	Waits    int       `json:"waits"`    // entries that it has read and could not apply yet
	// Taken: another process reports under this name, so this says nothing of that one.
	Taken bool `json:"taken,omitempty"`
	// Clock is by how many seconds the node's clock is ahead of the store's.
	Clock   int    `json:"clock,omitempty"`
	Version string `json:"version"`
	Libvips string `json:"libvips"`
	// Settings has a digest of the settings of each site.
	Settings map[string]string `json:"settings"`
	// Recent are the newest entries that the node has applied, by name.
	Recent []string `json:"recent,omitempty"`
}

// mostRecent is the most entries that a Report names.
const mostRecent = 2000
