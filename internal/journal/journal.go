// SPDX-License-Identifier: MIT

// Package journal tells every node of a farm of each purge. The journal is a set of
// small files in a store that all nodes reach, for example a folder:
//
//	journal/20261129T011530.123456Z-n1-k3x7q2m4tz   an Entry: one purge, written by n1
//	nodes/n1                                        a Report: the entries n1 has applied
//
// Each file has two lines: JSON, and the mac of the JSON. The mac is the first 21 bytes, in
// base64url, of HMAC-SHA256 over "journal" or "nodes", a line feed, the file's name
// without its folder, a line feed, and the first line without its line feed. An example of
// a first line:
//
//	{"v":1,"site":"gallery","originals":["animals/kitten.jpg"]}
//
// Every node lists the entries again and again, beginning some minutes before the newest
// entry, and applies the entries that are new to it. Their order does not matter, and
// neither does a repetition: a purge removes the thumbnails that exist at that moment.
//
// It is larger than other packages because a node may forget an entry, or count it as
// applied everywhere, only by the rules of the format (times in names) and of the stores
// (their clock, complete lists). Format, stores (folder.go, bucket.go) and node are files:
// node.go has the loop, progress.go the entries that each tree has, nodes.go the reports.
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

// MaxBytes is the size of the largest file in a journal.
const MaxBytes = 1 << 20

// version is the version of the format.
const version = 1

// Errors of this package.
var (
	// ErrUnwritten means that the store did not say that it has an entry, so this node has
	// not applied it. If the store has the entry all the same, every node applies it soon.
	ErrUnwritten = errors.New("the journal can't be written, so this purge is not certain: purge again")
	// ErrSkip means that this node can never apply a purge, for example because it does
	// not have the site.
	ErrSkip = errors.New("not for this node")
	// ErrNoNode means that no node has the name in the request.
	ErrNoNode = errors.New("there is no such node")

	errMAC    = errors.New("no key of this node has signed it")
	errFormat = errors.New("not in the format of this version")
)

// Entry is a purge of one site. Exactly one of Originals, Under, Preset and All is
// set. For example, {"v":1,"site":"gallery","under":"animals"} purges a folder.
type Entry struct {
	V         int      `json:"v"`
	Site      string   `json:"site"`
	Originals []string `json:"originals,omitempty"`
	Under     string   `json:"under,omitempty"`
	Preset    string   `json:"preset,omitempty"`
	All       bool     `json:"all,omitempty"`
	Render    bool     `json:"render,omitempty"`
	// Escaped is true if Originals and Under are percent-encoded, because one of these
	// names is not UTF-8.
	Escaped bool `json:"escaped,omitempty"`
}

// Scope returns the thumbnails of e's site that e purges.
func (e Entry) Scope() purge.Scope {
	return purge.Scope{All: e.All, Originals: e.Originals, Under: e.Under, Preset: e.Preset}
}

// namesBytes is the most bytes that the names in one entry take in JSON.
const namesBytes = MaxBytes - 64<<10

// Split returns e in parts, so that no part's file is larger than MaxBytes.
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
		// A part of the entry without an odd name is not percent-encoded.
		return quotes + unicode*len(name)
	case odd:
		return quotes + percent*len(name)
	}
	return quotes + len(name)
}

// isOdd reports whether e has a name that is not UTF-8, which JSON can't hold.
func (e Entry) isOdd() bool {
	return !utf8.ValidString(e.Under) || slices.ContainsFunc(e.Originals, func(name string) bool { return !utf8.ValidString(name) })
}

// escaped returns e as it is written to a file.
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

// keyring has the keys that all nodes share. The first key signs, all keys verify.
type keyring [][]byte

// seal returns the bytes of a new file: v in JSON, and the mac. The folder is, for
// example, "journal/".
func (k keyring) seal(folder, name string, v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	data := fmt.Appendf(nil, "%s\n%s\n", line, purpose(folder).Proof(name, string(line), k[0]))
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%d bytes: a file of the journal has at most %d", len(data), MaxBytes)
	}
	return data, nil
}

// open verifies the mac of a file, and decodes its JSON into v.
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

// purpose returns the first part of the signed text, for example "journal" for the folder
// "journal/": an entry's mac is not valid for a report.
func purpose(folder string) sign.Purpose { return sign.Purpose(strings.TrimSuffix(folder, "/")) }

const (
	// stampLayout is the time in the name of an entry.
	stampLayout = "20060102T150405.000000Z"
	stampBytes  = len(stampLayout)
	randomBytes = 10
)

// Name is the rule for names of nodes, for example "thumbs1": the first label of a host's
// name.
var Name = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

var entryName = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[a-z0-9-]+-[a-z0-9]+$`)

// stamp returns the beginning of the name of an entry that is written at a time, for
// example 20261129T011530.123456Z.
func stamp(at time.Time) string { return at.UTC().Format(stampLayout) }

// newName returns a name for an entry of a node.
func newName(at time.Time, node string) string {
	return stamp(at) + "-" + node + "-" + strings.ToLower(rand.Text()[:randomBytes])
}

// timeOf returns the time in the name of an entry. ok is false if the name is not that of
// an entry.
func timeOf(name string) (at time.Time, ok bool) {
	if !entryName.MatchString(name) {
		return time.Time{}, false
	}
	at, err := time.Parse(stampLayout, name[:stampBytes])
	return at, err == nil
}

// Report is a node's last message about itself, in the file nodes/NAME.
type Report struct {
	V        int       `json:"v"`
	Instance string    `json:"instance"` // a random text, different for each process
	At       time.Time `json:"at"`       // time of this report, by the store's clock
	Read     time.Time `json:"read"`     // when the node last read the journal to its end
	Applied  string    `json:"applied"`  // the newest entry that the node has applied
	Waits    int       `json:"waits"`    // number of entries that it could not apply yet
	// Taken is true if another process reports under the same name. The Report then says
	// nothing about that process.
	Taken bool `json:"taken,omitempty"`
	// Clock is the number of seconds by which the node's clock is ahead of the store's.
	Clock   int    `json:"clock,omitempty"`
	Version string `json:"version"`
	Libvips string `json:"libvips"`
	// Settings has a digest of each site's settings, by the site's name.
	Settings map[string]string `json:"settings"`
	// Recent has the names of the newest entries that the node has applied.
	Recent []string `json:"recent,omitempty"`
}

// mostRecent is the most entries that a Report names.
const mostRecent = 2000
