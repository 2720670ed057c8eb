// SPDX-License-Identifier: MIT

package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

// Trees are the trees of a node's sites, to which entries are applied.
type Trees interface {
	// Sites returns the names of the sites. They do not change.
	Sites() []string
	// Purge applies an entry of one of the sites. The error wraps ErrSkip if it could not
	// be applied later either.
	Purge(ctx context.Context, e Entry) error
	// Empty reports whether a site's tree has no thumbnails.
	Empty(site string) bool
	// Progress returns the data of the last SetProgress for a site's tree, nil if there
	// was none.
	Progress(site string) ([]byte, error)
	SetProgress(site string, data []byte) error
}

// Options are those of a Node.
type Options struct {
	Store Store
	Where string   // the journal, as the configuration names it
	Keys  [][]byte // the first signs, all verify
	Name  string   // of this node
	Trees Trees
	// Version, Libvips and Settings are those of a Report.
	Version, Libvips string
	Settings         map[string]string
	Poll             time.Duration // between two looks into the journal
	Settle           time.Duration // an entry is applied once more after it; 0: once
	Lag              time.Duration // a node that has not read for so long is behind
	Keep             time.Duration // how long entries are kept
	Tell             func(Event)   // is called from any goroutine
}

// What happened to a journal or to one of its entries.
type What int

// The events. Those up to Refused are counted: see State.Entries.
const (
	Written  What = iota // an entry of this node
	Applied              // an entry of another node
	Skipped              // an entry that is not for this node, or Err tells why
	Refused              // an entry without a valid mac, or of an unknown format
	Unread               // the journal could not be read to its end, or not be applied
	Read                 // it was read again
	Unsaid               // this node's report could not be written
	Emptied              // the tree of a site, as this node was away for longer than keep
	Unkept               // the progress of a tree could not be written
	Taken                // another process reports under this node's name
	Untended             // old entries could not be deleted
)

// String is the label of the counter of What.
func (w What) String() string {
	return [...]string{"written", "applied", "skipped", "refused", "unread", "read", "unsaid", "emptied", "unkept", "taken", "untended"}[w]
}

// Event tells what happened.
type Event struct {
	What  What
	Entry string // the entry's name, if it is of one
	Site  string
	Err   error
}

// Node is one member of a farm. New makes one, and Run is its life. Its methods are
// safe for concurrent use.
type Node struct {
	o        Options
	keys     keyring
	instance string
	caught   chan struct{} // closed when the journal was read to its end once
	wake     chan struct{} // has an element if Run must look at settling anew
	refresh  chan chan struct{}

	// Of Run alone.
	begun    bool
	reported time.Time
	looked   time.Time // when the reports of all nodes were read
	tended   time.Time

	mu       sync.Mutex
	offset   time.Duration // of the store's clock from this machine's
	trees    map[string]*progress
	own      map[string]bool // entries that Write has written and Done has not got
	failed   map[string]bool // entries that were read and could not be applied yet
	refused  map[string]bool // entries that this process can't read, with its keys
	retry    map[string]bool // entries that an earlier process could not read
	stored   time.Time       // the store's time of its last answer
	settling map[string]settling
	newest   string    // entry that was listed
	read     time.Time // when the last look that was complete began
	started  time.Time // when New was called
	taken    time.Time // when a report of another process had this node's name last
	unread   error     // of the last look
	unsaid   error     // of the last write
	counts   [Refused + 1]uint64
	others   map[string]told
}

// settling is an entry that is applied once more.
type settling struct {
	entry Entry
	due   time.Time
}

// New returns a Node that has read nothing yet.
func New(o Options) *Node {
	return &Node{
		o: o, keys: o.Keys, instance: rand.Text(), caught: make(chan struct{}), wake: make(chan struct{}, 1), refresh: make(chan chan struct{}), started: time.Now(),
		trees: make(map[string]*progress), own: make(map[string]bool), failed: make(map[string]bool),
		refused: make(map[string]bool), retry: make(map[string]bool), settling: make(map[string]settling), others: make(map[string]told),
	}
}

// Name returns the node's name.
func (n *Node) Name() string { return n.o.Name }

// Caught is closed when the journal was read to its end for the first time.
func (n *Node) Caught() <-chan struct{} { return n.caught }

const (
	// window is how far before the newest entry a node looks for entries that came
	// later: of clocks that differ and of writes that took their time.
	window = 10 * time.Minute
	// writeTime is the longest that a write takes from the time in the entry's name.
	writeTime = time.Minute
	// reportTime is between two reports at least if nothing is applied: see idleTime.
	reportTime = 10 * time.Second
	// lookTime is between two looks at the reports of all nodes.
	lookTime = 30 * time.Second
	// tendTime is between two deletions of old entries.
	tendTime = time.Hour
)

// Run reads the journal until ctx is done. It is called once.
func (n *Node) Run(ctx context.Context) {
	next := time.Now()
	var asked chan struct{} // by Refresh
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

// Refresh has Run read the journal and write this node's report at once. It returns when
// that is done, or ctx is: State then tells the errors of this moment.
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

// due returns when to look the next time: at next, or when an entry has settled.
func (n *Node) due(next time.Time) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.settling {
		// One that has failed waits for the next look.
		if s.due.Before(next) && time.Now().Before(s.due) {
			next = s.due
		}
	}
	return next
}

// tellRead tells of the first of many errors, and of their end.
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

// attend does the work that no request waits for.
func (n *Node) attend(ctx context.Context) {
	n.mu.Lock()
	idle := n.unread == nil
	n.mu.Unlock()
	if !idle || ctx.Err() != nil {
		return
	}
	if time.Since(n.looked) >= lookTime {
		n.looked = time.Now()
		// An error is that of the next look into the journal too.
		_, _ = n.Others(ctx)
	}
	if time.Since(n.tended) >= tendTime {
		n.tended = time.Now()
		if err := n.tend(ctx); err != nil && ctx.Err() == nil {
			n.tell(Event{What: Untended, Err: err})
		}
	}
}

// keepMargin is how much later than Options.Keep entries are deleted: clocks differ.
const keepMargin = time.Hour

// tend deletes entries and reports that nobody needs any more.
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

// look reads the journal to its end, and applies what it has not.
func (n *Node) look(ctx context.Context) error {
	start := time.Now()
	// First: it needs the trees alone, and the journal may be away.
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

// pause returns the time to the next look at the journal: poll, give or take a twentieth.
// Two nodes of one name that looked at the same moments would not see each other's report.
func (n *Node) pause() time.Duration { return n.o.Poll - n.o.Poll/20 + mathrand.N(n.o.Poll/10) }

// idleTime is between two reports if nothing is applied. A report costs two requests to a
// store.
func (n *Node) idleTime() time.Duration { return min(max(n.o.Lag/3, reportTime), 2*reportTime) }

// take applies one entry.
func (n *Node) take(ctx context.Context, name string) error {
	e, err := n.get(ctx, name)
	switch {
	case errors.Is(err, errGone):
		// If it is listed again, it was not deleted: a name may be in a folder a moment
		// before its file is.
		return err
	case errors.Is(err, errMAC), errors.Is(err, errFormat):
		// After a reload there may be a key for it.
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

// apply purges what an entry says.
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

// settle applies once more the entries for which it is time.
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

// Write writes e, which Split has returned, to the journal. After that the caller purges
// here what e says, and calls Done with the name of the entry. The error wraps
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
			n.tell(Event{What: Written, Entry: name, Site: e.Site})
			return name, nil
		}
		// If it is there all the same, it is applied as another node's.
		n.Done(name, e, false)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrUnwritten, err)
		}
	}
}

// Done ends the work on an entry that Write has written. If its purge has failed here,
// the node tries it again by itself.
func (n *Node) Done(name string, e Entry, purged bool) {
	if purged {
		n.note(name)
		n.settleLater(name, e)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.own, name)
}

// put writes a file, and learns the store's time.
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

// exact is how exact the time of an answer is: HTTP has whole seconds.
const exact = 2 * time.Second

// offset returns how far the store's clock, which said now between two times of this
// machine's, is from this machine's.
func offset(now, before, after time.Time) time.Duration {
	switch {
	case now.Before(before.Add(-exact)):
		return now.Sub(before)
	case now.After(after.Add(exact)):
		return now.Sub(after)
	}
	return 0
}

// now returns the store's time.
func (n *Node) now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.clock()
}

// clock is now. n.mu is held.
func (n *Node) clock() time.Time { return n.onStore(time.Now()) }

// onStore returns a time of this machine as the store's clock has it. The monotonic time
// is left out: it stands still while the machine is suspended. n.mu is held.
func (n *Node) onStore(at time.Time) time.Time { return at.Round(0).Add(n.offset) }

// tell counts an event and passes it on.
func (n *Node) tell(e Event) {
	n.mu.Lock()
	if int(e.What) < len(n.counts) {
		n.counts[e.What]++
	}
	n.mu.Unlock()
	n.o.Tell(e)
}
