// SPDX-License-Identifier: MIT

package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// Trees are the trees of a node's sites, to which entries are applied.
type Trees interface {
	// Sites returns the names of the sites. Every call returns the same names.
	Sites() []string
	// Purge applies an entry to the tree of its site. If a later attempt would fail as
	// well, the error wraps ErrSkip.
	Purge(ctx context.Context, e Entry) error
	// Empty reports whether a site's tree has no thumbnails.
	Empty(site string) bool
	// Progress returns the data of the last SetProgress for a site's tree, or nil if
	// SetProgress was never called.
	Progress(site string) ([]byte, error)
	SetProgress(site string, data []byte) error
}

// Options are the parameters of New.
type Options struct {
	Store Store
	Where string   // the journal as in the configuration, for example "s3://media/thumbd/"
	Keys  [][]byte // the first key signs, all keys verify
	Name  string   // of this node, for example "thumbs1"
	Trees Trees
	// Version, Libvips and Settings are copied into each Report.
	Version, Libvips string
	Settings         map[string]string
	Poll             time.Duration // between two readings of the journal
	Settle           time.Duration // until an entry is applied a second time; 0: never
	Lag              time.Duration // a node is behind if its last reading is older
	Keep             time.Duration // how long entries are kept
	Tell             func(Event)   // called from any goroutine
}

// What is the kind of an Event.
type What int

// The kinds of events. The kinds up to Refused are counted: see State.Entries.
const (
	Written  What = iota // an entry of this node
	Applied              // an entry of another node
	Skipped              // an entry that this node can never apply; Err has the reason
	Refused              // an entry without a valid mac, or of an unknown format
	Unread               // the journal could not be read to its end, or an entry not be applied
	Read                 // after Unread, the journal was read and applied again
	Unsaid               // this node's report could not be written
	Emptied              // a site's tree was emptied: this node was away for longer than keep, or had another journal
	Unkept               // the progress of a tree could not be written
	Taken                // another process reports under this node's name
	Untended             // old entries could not be deleted
)

// String returns the label of the counter, for example "applied".
func (w What) String() string {
	return [...]string{"written", "applied", "skipped", "refused", "unread", "read", "unsaid", "emptied", "unkept", "taken", "untended"}[w]
}

// Event is something that happened to a journal or to one of its entries.
type Event struct {
	What  What
	Entry string // the entry's name, or "" if the event is not about an entry
	Site  string // the site's name, or ""
	Err   error
}

// Node is one member of a farm. New returns a Node, and Run reads the journal for it. Its
// methods are safe for concurrent use.
type Node struct {
	o        Options
	keys     keyring
	instance string
	caught   chan struct{} // closed after the first reading of the journal to its end
	wake     chan struct{} // has an element if settling has changed since Run last read it
	refresh  chan chan struct{}

	// Only the goroutine of Run uses these fields.
	begun    bool      // begin has succeeded
	reported time.Time // when this node's report was last written
	looked   time.Time // when the reports of all nodes were last read
	tended   time.Time // when old entries were last deleted

	mu       sync.Mutex
	offset   time.Duration // of the store's clock from this machine's
	trees    map[string]*progress
	own      map[string]bool // entries between Write and Done
	failed   map[string]bool // entries that were read and could not be applied yet
	refused  map[string]bool // entries that this process can't read, with its keys
	retry    map[string]bool // entries that an earlier process could not read
	stored   time.Time       // the store's time of its last answer
	settling map[string]settling
	newest   string    // the newest entry in all lists so far
	read     time.Time // when the last complete reading began
	started  time.Time // when New was called
	taken    time.Time // when another process was last seen to report under this node's name
	unread   error     // of the last reading
	unsaid   error     // of the last write
	counts   [Refused + 1]uint64
	others   map[string]told            // by the node's name
	acks     map[string]map[string]bool // for each entry between Write and Await, the nodes that have applied it
}

// settling is an entry that is to be applied a second time, at due.
type settling struct {
	entry Entry
	due   time.Time
}

// New returns a Node. It does not use the store: Run does. The store is closed some time
// after the Node's last use, when nothing refers to the Node any more.
func New(o Options) *Node {
	n := &Node{
		o: o, keys: o.Keys, instance: rand.Text(), caught: make(chan struct{}), wake: make(chan struct{}, 1), refresh: make(chan chan struct{}), started: time.Now(),
		trees: make(map[string]*progress), own: make(map[string]bool), failed: make(map[string]bool),
		refused: make(map[string]bool), retry: make(map[string]bool), settling: make(map[string]settling), others: make(map[string]told),
		acks: make(map[string]map[string]bool),
	}
	// A reload replaces the node while requests use it. They all refer to it, so that no
	// count of them is needed.
	runtime.AddCleanup(n, func(s Store) { go s.Close() }, o.Store)
	return n
}

// Name returns the node's name.
func (n *Node) Name() string { return n.o.Name }

// Caught returns a channel that is closed after the first reading of the journal to its
// end.
func (n *Node) Caught() <-chan struct{} { return n.caught }

const (
	// window is how far before the newest entry a reading begins. Clocks differ and writes
	// take time, so an entry may appear after an entry with a later time in its name.
	window = 10 * time.Minute
	// writeTime is the longest time from the time in an entry's name to the end of its
	// write. A slower write is repeated under a new name.
	writeTime = time.Minute
	// reportTime is the least time between two reports of an idle node: see idleTime.
	reportTime = 10 * time.Second
	// lookTime is the time between two readings of the reports of all nodes.
	lookTime = 30 * time.Second
	// tendTime is the time between two deletions of old entries.
	tendTime = time.Hour
)

// Run reads the journal until ctx is done. It is called once.
func (n *Node) Run(ctx context.Context) {
	next := time.Now()
	var asked chan struct{} // closed to end a call of Refresh
	for {
		if !time.Now().Before(next) {
			next = time.Now().Add(n.pause())
			n.tellRead(ctx, n.look(ctx))
			n.attend(ctx)
		}
		if asked != nil {
			if n.begun {
				n.say(ctx)
			}
			close(asked)
			asked = nil
		}
		timer := time.NewTimer(time.Until(n.due(next)))
		select {
		case <-ctx.Done():
			timer.Stop()
			n.save(true)
			return
		case <-timer.C:
			next = time.Now()
		case <-n.wake:
			timer.Stop()
		case asked = <-n.refresh:
			timer.Stop()
			next = time.Now()
		}
	}
}

// Refresh has Run read the journal and write this node's report at once, and waits for
// both, or until ctx is done. State then has the errors of this moment.
func (n *Node) Refresh(ctx context.Context) {
	done := make(chan struct{})
	select {
	case n.refresh <- done:
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// due returns the time of Run's next work: next, or earlier if an entry is due to be
// applied a second time.
func (n *Node) due(next time.Time) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.settling {
		// If the second time has failed, the entry waits for the next reading.
		if s.due.Before(next) && time.Now().Before(s.due) {
			next = s.due
		}
	}
	return next
}

// tellRead tells the first of several equal errors of look, and their end.
func (n *Node) tellRead(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	n.mu.Lock()
	before := n.unread
	n.unread = err
	n.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		n.tell(Event{What: Unread, Err: err})
	case err == nil && before != nil:
		n.tell(Event{What: Read})
	}
}

// attend reads the reports of all nodes and deletes old entries, if it is time.
func (n *Node) attend(ctx context.Context) {
	n.mu.Lock()
	idle := n.unread == nil
	n.mu.Unlock()
	if !idle || ctx.Err() != nil {
		return
	}
	if time.Since(n.looked) >= lookTime {
		n.looked = time.Now()
		// If the store fails, the next reading of the journal tells so.
		_, _ = n.Others(ctx)
	}
	if time.Since(n.tended) >= tendTime {
		n.tended = time.Now()
		if err := n.tend(ctx); err != nil && ctx.Err() == nil {
			n.tell(Event{What: Untended, Err: err})
		}
	}
}

// keepMargin is added to Options.Keep before an entry is deleted, because clocks differ.
const keepMargin = time.Hour

// tend deletes the entries and reports that are older than Options.Keep and keepMargin.
func (n *Node) tend(ctx context.Context) error {
	names, err := n.o.Store.List(ctx, entries, "")
	if err != nil {
		return err
	}
	var errs []error
	end := stamp(n.now().Add(-n.o.Keep - keepMargin))
	for _, name := range names {
		if _, ok := timeOf(name); !ok {
			continue
		}
		if name > end || ctx.Err() != nil {
			break
		}
		errs = append(errs, n.o.Store.Delete(ctx, entries+name))
	}
	n.mu.Lock()
	var silent []string
	for name, r := range n.others {
		if n.isDropped(r) {
			silent = append(silent, name)
		}
	}
	n.mu.Unlock()
	for _, name := range silent {
		errs = append(errs, n.o.Store.Delete(ctx, nodes+name))
	}
	if s, ok := n.o.Store.(interface{ sweep() error }); ok {
		errs = append(errs, s.sweep())
	}
	return errors.Join(errs...)
}

// look reads the journal to its end, and applies the entries that are new to this node.
func (n *Node) look(ctx context.Context) error {
	start := time.Now()
	// This comes first because it needs no journal, and the store may be away.
	errs := []error{n.settle(ctx)}
	if !n.begun {
		if err := n.begin(ctx); err != nil {
			return err
		}
		n.begun = true
	}
	if err := n.emptyAway(ctx); err != nil {
		return err
	}
	names, err := n.o.Store.List(ctx, entries, n.from())
	if err != nil {
		return fmt.Errorf("list the journal: %w", err)
	}
	n.dropFailed(names)
	batch := 0
	for _, name := range n.again(names) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		batch++
		if err := n.take(ctx, name); errors.Is(err, errGone) {
			n.drop(name)
		} else if err != nil {
			errs = append(errs, err)
		}
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !n.needs(name) {
			continue
		}
		batch++
		if err := n.take(ctx, name); err != nil {
			errs = append(errs, err)
		}
	}
	err = errors.Join(errs...)
	first := n.advance(start, names, err == nil)
	n.save(false)
	if batch > 0 || first || time.Since(n.reported) >= n.idleTime() {
		n.say(ctx)
	}
	return err
}

// pause returns the time to the next reading of the journal: Options.Poll, give or take a
// twentieth. If two nodes with one name read and wrote at the same moments, neither would
// see the other's report.
func (n *Node) pause() time.Duration { return n.o.Poll - n.o.Poll/20 + mathrand.N(n.o.Poll/10) }

// idleTime is the time between two reports of a node that applies no entry. A report costs
// two requests to the store.
func (n *Node) idleTime() time.Duration { return min(max(n.o.Lag/3, reportTime), 2*reportTime) }

// take reads one entry and applies it, if a tree needs it.
func (n *Node) take(ctx context.Context, name string) error {
	e, err := n.get(ctx, name)
	switch {
	case errors.Is(err, errGone):
		// In a folder, a name may be listed a moment before its file can be opened. If the
		// next list has the name, too, the entry is read then.
		return err
	case errors.Is(err, errMAC), errors.Is(err, errFormat):
		// After a reload, the configuration may have the entry's key.
		n.refuse(name)
		n.tell(Event{What: Refused, Entry: name, Err: err})
		return nil
	case err != nil:
		n.fail(name)
		return fmt.Errorf("read the journal: %w", err)
	}
	needed, known := n.neededBy(name, e.Site)
	if !known {
		n.tell(Event{What: Skipped, Entry: name, Site: e.Site, Err: fmt.Errorf("%w: no such site", ErrSkip)})
	}
	if !known || !needed {
		n.note(name)
		return nil
	}
	return n.apply(ctx, name, e)
}

// apply purges the thumbnails that an entry names.
func (n *Node) apply(ctx context.Context, name string, e Entry) error {
	err := n.o.Trees.Purge(ctx, e)
	switch {
	case err == nil:
		n.note(name)
		n.settleLater(name, e)
		n.tell(Event{What: Applied, Entry: name, Site: e.Site})
	case errors.Is(err, ErrSkip):
		n.note(name)
		n.tell(Event{What: Skipped, Entry: name, Site: e.Site, Err: err})
	default:
		n.fail(name)
		return fmt.Errorf("apply %s of the journal: %w", name, err)
	}
	return nil
}

// settle applies entries the second time, if they are due.
func (n *Node) settle(ctx context.Context) error {
	n.mu.Lock()
	due := make(map[string]Entry)
	for name, s := range n.settling {
		if !time.Now().Before(s.due) {
			due[name] = s.entry
		}
	}
	n.mu.Unlock()
	var errs []error
	for name, e := range due {
		if err := n.o.Trees.Purge(ctx, e); err != nil && !errors.Is(err, ErrSkip) {
			errs = append(errs, fmt.Errorf("apply %s of the journal once more: %w", name, err))
			continue
		}
		n.mu.Lock()
		delete(n.settling, name)
		for _, p := range n.trees {
			p.dirty = true
		}
		n.mu.Unlock()
	}
	return errors.Join(errs...)
}

// settleLater has settle apply an entry a second time after Options.Settle.
func (n *Node) settleLater(name string, e Entry) {
	if n.o.Settle == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settling[name] = settling{e, time.Now().Add(n.o.Settle)}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Write writes e, a part from Split, to the journal and returns the entry's name. The
// caller then purges this node's own tree, and calls Done with the name. The error wraps
// ErrUnwritten.
func (n *Node) Write(ctx context.Context, e Entry) (name string, err error) {
	defer func() {
		n.mu.Lock()
		n.unsaid = err
		n.mu.Unlock()
	}()
	e = e.escaped()
	for {
		named := n.now()
		name = newName(named, n.o.Name)
		data, err := n.keys.seal(entries, name, e)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrUnwritten, err)
		}
		n.mu.Lock()
		n.own[name] = true
		n.mu.Unlock()
		if err = n.put(ctx, entries+name, data); err == nil && n.now().Sub(named) <= writeTime {
			n.expect(name)
			n.tell(Event{What: Written, Entry: name, Site: e.Site})
			return name, nil
		}
		// If the entry is in the store all the same, look applies it like an entry of
		// another node.
		n.Done(name, e, false)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrUnwritten, err)
		}
	}
}

// Done ends the work on an entry that Write has written. If purged is false, because the
// purge has failed on this node, the node tries it again by itself.
func (n *Node) Done(name string, e Entry, purged bool) {
	if purged {
		n.note(name)
		n.settleLater(name, e)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.own, name)
}

// put writes a file, and notes the store's time from the answer.
func (n *Node) put(ctx context.Context, name string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	before := time.Now()
	now, err := n.o.Store.Put(ctx, name, data)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.offset, n.stored = offset(now, before, time.Now()), now
	return nil
}

// exact is the precision of a store's time: HTTP has whole seconds.
const exact = 2 * time.Second

// offset returns the difference of the store's clock from this machine's. now is a time of
// the store's clock; before and after are times of this machine around it. Within the
// precision of now, the difference is 0.
func offset(now, before, after time.Time) time.Duration {
	switch {
	case now.Before(before.Add(-exact)):
		return now.Sub(before)
	case now.After(after.Add(exact)):
		return now.Sub(after)
	}
	return 0
}

// now returns the present time by the store's clock.
func (n *Node) now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.clock()
}

// clock is like now. n.mu is held.
func (n *Node) clock() time.Time { return n.onStore(time.Now()) }

// onStore converts a time of this machine to the store's clock. It drops the monotonic
// time, which stands still while the machine is suspended. n.mu is held.
func (n *Node) onStore(at time.Time) time.Time { return at.Round(0).Add(n.offset) }

// tell counts an event and passes it to Options.Tell.
func (n *Node) tell(e Event) {
	n.mu.Lock()
	if int(e.What) < len(n.counts) {
		n.counts[e.What]++
	}
	n.mu.Unlock()
	n.o.Tell(e)
}
