// SPDX-License-Identifier: MIT

package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"
)

// progress is the part of the journal that was applied to a tree.
type progress struct {
	from    string          // all entries up to this stamp are applied
	applied map[string]bool // entries after from
	// waiting has the entries, also from before from, that this node can't read: it has no
	// key for them, or they are in another version of the format. A process with other keys
	// tries them again.
	waiting map[string]bool
	read    time.Time // when the journal was last read to its end, by the store's clock
	dirty   bool      // the record on the disk is out of date
	saved   time.Time // when the record was last written
}

// record is a progress in the tree's file .thumbd/journal.json.
type record struct {
	V       int       `json:"v"`
	Journal string    `json:"journal"` // Options.Where
	Read    time.Time `json:"read"`
	From    string    `json:"from"`
	Applied []string  `json:"applied"`
	Waiting []string  `json:"waiting,omitempty"`
}

// mostWaiting is the most entries that wait for another key. If a program without a key
// writes entries, they must not fill the memory.
const mostWaiting = 1000

// begin writes this node's first report, and reads the progress of its trees. A node may
// serve only after its report is written: the purges of other nodes then wait for it.
func (n *Node) begin(ctx context.Context) error {
	records, known := make(map[string]*record), false
	for _, site := range n.o.Trees.Sites() {
		r, err := n.recall(site)
		if err != nil {
			return err
		}
		records[site] = r
		known = known || r != nil && r.Journal == n.o.Where
	}
	err := n.enter(ctx, known)
	now := n.now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.unsaid = err; err != nil {
		return err
	}
	for site, r := range records {
		n.trees[site] = n.resume(site, r, now)
		for name := range n.trees[site].waiting {
			n.retry[name] = true
		}
	}
	if len(records) == 0 {
		// A node without sites has no tree, but other nodes wait for its reports.
		n.trees[noSite] = &progress{from: stamp(now.Add(-window)), applied: make(map[string]bool), waiting: make(map[string]bool), read: now}
	}
	return nil
}

// enter writes the first report. known means that a tree has a record of this journal. If
// the journal's folders are missing then, their file system is not mounted, and enter does
// not create them.
func (n *Node) enter(ctx context.Context, known bool) error {
	if !known {
		if err := n.o.Store.Make(ctx); err != nil {
			return fmt.Errorf("make the journal: %w", err)
		}
	}
	if err := n.report(ctx); err != nil {
		return fmt.Errorf("report to the journal: %w", err)
	}
	return nil
}

// noSite is the key in Node.trees of the progress of a node without sites. Such a node skips
// every entry, and reports the entry as applied.
const noSite = ""

// recall reads the record of a site's tree. It returns nil if the tree has no record, or
// is empty and its record is of another journal. If the record says nothing about this
// journal, and the tree is not empty, recall returns a record that is too old.
func (n *Node) recall(site string) (*record, error) {
	data, err := n.o.Trees.Progress(site)
	if err != nil || data == nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil || r.V != version {
		// The tree's progress is unknown, so it is treated as too old.
		return &record{V: version, Journal: n.o.Where}, nil //nolint:nilerr // the tree is emptied
	}
	switch {
	case r.Journal == n.o.Where:
		return &r, nil
	case n.o.Trees.Empty(site):
		return nil, nil
	}
	// The other journal may have entries that were never applied to the tree.
	return &record{V: version}, nil
}

// resume returns the progress of a tree with the record r. If r is nil, all of the journal
// is applied, unless the tree is empty.
func (n *Node) resume(site string, r *record, now time.Time) *progress {
	p := &progress{applied: make(map[string]bool), waiting: make(map[string]bool), read: now}
	switch {
	case r != nil:
		p.from, p.read, p.saved = r.From, r.Read, time.Now()
		for _, name := range r.Applied {
			p.applied[name] = true
		}
		for _, name := range r.Waiting {
			p.waiting[name] = true
		}
	case n.o.Trees.Empty(site):
		p.from = stamp(now.Add(-window))
	}
	return p
}

// emptyAway empties a tree if the journal was not read for it for longer than Options.Keep:
// entries may have been deleted before they were applied to it.
func (n *Node) emptyAway(ctx context.Context) error {
	now := n.now()
	n.mu.Lock()
	var away []string
	for site, p := range n.trees {
		if site != noSite && now.Sub(p.read) > n.o.Keep {
			away = append(away, site)
		}
	}
	n.mu.Unlock()
	for _, site := range away {
		if err := n.o.Trees.Purge(ctx, Entry{V: version, Site: site, All: true}); err != nil {
			return fmt.Errorf("empty the tree of %s: %w", site, err)
		}
		n.tell(Event{What: Emptied, Site: site})
		n.mu.Lock()
		p := n.trees[site]
		p.read, p.from, p.dirty = now, stamp(now.Add(-window)), true
		clear(p.applied)
		clear(p.waiting)
		n.mu.Unlock()
	}
	return nil
}

// errGone means that an entry was listed, but its file does not exist.
var errGone = errors.New("an entry that is listed is not there")

// get reads an entry. Its errors wrap errGone, errMAC or errFormat, or are the store's.
func (n *Node) get(ctx context.Context, name string) (Entry, error) {
	var e Entry
	data, err := n.o.Store.Get(ctx, entries+name)
	if errors.Is(err, fs.ErrNotExist) {
		return e, errGone
	}
	if err != nil {
		return e, err
	}
	if err := n.keys.open(entries, name, data, &e); err != nil {
		return e, err
	}
	return e.unescaped()
}

// from returns the name after which the list of entries begins: the oldest from of all
// trees.
func (n *Node) from() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	from := ""
	first := true
	for _, p := range n.trees {
		if first || p.from < from {
			from, first = p.from, false
		}
	}
	return from
}

// needs reports whether an entry must be read: a tree needs it, this process can read it,
// and Write is not at work on it.
func (n *Node) needs(name string) bool {
	if _, ok := timeOf(name); !ok {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.own[name] && !n.refused[name] && n.isNeeded(name)
}

// isNeeded reports whether a tree needs an entry. n.mu is held.
func (n *Node) isNeeded(name string) bool {
	for _, p := range n.trees {
		if p.needs(name) {
			return true
		}
	}
	return false
}

// needs reports whether the tree needs an entry.
func (p *progress) needs(name string) bool {
	return (name > p.from || p.waiting[name]) && !p.applied[name]
}

// refuse notes that this node can't read an entry. The trees still need the entry.
func (n *Node) refuse(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused[name] = true
	for _, p := range n.trees {
		if p.needs(name) && !p.waiting[name] && len(p.waiting) < mostWaiting {
			p.waiting[name], p.dirty = true, true
		}
	}
}

// again returns the entries that an earlier process could not read, perhaps because it had
// other keys. Listed entries are left out, because look reads these anyway.
func (n *Node) again(listed []string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.retry, func(name string, _ bool) bool {
		_, there := slices.BinarySearch(listed, name)
		return there || n.refused[name] || !n.isNeeded(name)
	})
	return slices.Sorted(maps.Keys(n.retry))
}

// drop notes that an entry was deleted.
func (n *Node) drop(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.trees {
		if p.waiting[name] {
			delete(p.waiting, name)
			p.dirty = true
		}
	}
}

// neededBy reports whether the tree of a site needs an entry. known is false if this node
// does not have the site.
func (n *Node) neededBy(name, site string) (needed, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, known := n.trees[site]
	return known && p.needs(name), known
}

// note notes that an entry was applied to the tree of its site. The other trees don't need
// it.
func (n *Node) note(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.failed, name)
	for _, p := range n.trees {
		if p.needs(name) {
			p.applied[name], p.dirty = true, true
		}
		delete(p.waiting, name)
	}
}

// fail notes that an entry must be tried again.
func (n *Node) fail(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed[name] = true
}

// dropFailed forgets the failed entries that are no longer listed: they were deleted, or
// again has them.
func (n *Node) dropFailed(listed []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.failed, func(name string, _ bool) bool {
		_, there := slices.BinarySearch(listed, name)
		return !there
	})
}

// advance moves the trees' from to the beginning of the window, but not past an entry that
// must be applied again after a crash (see unsettled). names are the listed entries. whole
// means that all of the journal was read, in a reading that began at start. advance returns
// true for the first whole reading.
func (n *Node) advance(start time.Time, names []string, whole bool) (first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range names {
		if _, ok := timeOf(name); ok {
			n.newest = max(n.newest, name)
		}
	}
	if !whole {
		return false
	}
	n.read = start
	for _, p := range n.trees {
		p.read = n.onStore(start)
	}
	select {
	case <-n.caught:
	default:
		close(n.caught)
		first = true
	}
	// If no entry comes for a long time, the list must still get shorter. New entries have
	// names near the store's time, so an older time is safe, too.
	bound := n.stored
	// If this node wrote an entry after the list, stored is later than the list. Another node
	// may have written an entry between the two.
	if listed := n.onStore(start); listed.Before(bound) {
		bound = listed
	}
	bound = bound.Add(-2 * window)
	if newest, ok := timeOf(n.newest); ok {
		// If one node's clock is ahead, its entries must not move the window past the entries
		// of other nodes.
		if now := n.onStore(start); now.Before(newest) {
			newest = now
		}
		if newest = newest.Add(-window); newest.After(bound) {
			bound = newest
		}
	}
	n.move(stamp(bound))
	return first
}

// move moves the trees' from to bound, or less far if an entry is unsettled. n.mu is held.
func (n *Node) move(bound string) {
	for name := range n.unsettled() {
		bound = min(bound, name[:stampBytes])
	}
	// Older entries have been deleted from the journal by now.
	end := stamp(n.clock().Add(-n.o.Keep - keepMargin))
	for _, p := range n.trees {
		maps.DeleteFunc(p.waiting, func(name string, _ bool) bool { return name <= end })
		if p.from >= bound {
			continue
		}
		p.from = bound
		maps.DeleteFunc(p.applied, func(name string, _ bool) bool { return name <= bound })
	}
	maps.DeleteFunc(n.refused, func(name string, _ bool) bool { return name <= bound && !n.isNeeded(name) })
}

// unsettled returns the entries that the next process must apply if this process is killed
// now. n.mu is held.
func (n *Node) unsettled() map[string]bool {
	all := make(map[string]bool)
	maps.Copy(all, n.own)
	maps.Copy(all, n.failed)
	for name := range n.settling {
		all[name] = true
	}
	return all
}

// save writes the records of trees that are out of date. If final is true, it writes all.
func (n *Node) save(final bool) {
	for _, site := range n.o.Trees.Sites() {
		data, ok := n.record(site, final)
		if !ok {
			continue
		}
		err := n.o.Trees.SetProgress(site, data)
		n.mu.Lock()
		p := n.trees[site]
		p.dirty, p.saved = p.dirty || err != nil, time.Now()
		n.mu.Unlock()
		if err != nil {
			n.tell(Event{What: Unkept, Site: site, Err: err})
		}
	}
}

// saveTime is the time between two writes of a record in which only the time has changed.
func (n *Node) saveTime() time.Duration { return max(time.Minute, n.o.Keep/1000) }

// record returns the JSON of a tree's record. ok is false if it need not be written now.
func (n *Node) record(site string, final bool) (data []byte, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.trees[site]
	if p == nil || !p.dirty && !final && time.Since(p.saved) < n.saveTime() {
		return nil, false
	}
	unsettled := n.unsettled()
	r := record{V: version, Journal: n.o.Where, Read: p.read.UTC(), From: p.from, Applied: []string{}}
	for _, name := range slices.Sorted(maps.Keys(p.applied)) {
		if !unsettled[name] {
			r.Applied = append(r.Applied, name)
		}
	}
	// An entry that waited for a key may be older than the window. If this process is killed
	// before it applies the entry a second time, the next process must find it among the
	// waiting entries.
	waiting := maps.Clone(p.waiting)
	for name := range unsettled {
		if name <= p.from && p.applied[name] {
			waiting[name] = true
		}
	}
	r.Waiting = slices.Sorted(maps.Keys(waiting))
	data, err := json.Marshal(r)
	p.dirty = false
	return data, err == nil
}
