// SPDX-License-Identifier: MIT

package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"
)

// told is the report of a node, or the reason why it can't be trusted.
type told struct {
	Report
	err error
}

// say writes this node's report, and tells the first of several errors.
func (n *Node) say(ctx context.Context) {
	err := n.report(ctx)
	n.mu.Lock()
	before := n.unsaid
	n.unsaid = err
	n.mu.Unlock()
	if err != nil && before == nil && ctx.Err() == nil {
		n.tell(Event{What: Unsaid, Err: err})
	}
}

// report writes this node's report.
func (n *Node) report(ctx context.Context) error {
	// The report is read before it is overwritten, to find another process with this name.
	last, err := n.ask(ctx, n.o.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && last.err == nil {
		n.compare(last.Instance)
	}
	data, err := n.keys.seal(nodes, n.o.Name, n.Self())
	if err != nil {
		return err
	}
	if err := n.put(ctx, nodes+n.o.Name, data); err != nil {
		return err
	}
	n.reported = time.Now()
	return nil
}

// compare notes that another process reports under this node's name, if the instance in
// the last report is not this process.
func (n *Node) compare(instance string) {
	// Before this process's first report, the file is from an earlier process of this node.
	if n.reported.IsZero() || instance == n.instance {
		return
	}
	n.mu.Lock()
	first := !n.isTaken()
	n.taken = time.Now()
	n.mu.Unlock()
	if first {
		n.tell(Event{What: Taken})
	}
}

// takenTime is the time for which this node's name counts as taken after the last report
// of another process.
const takenTime = 6 * reportTime

// isTaken reports whether another process reports under this node's name. n.mu is held.
func (n *Node) isTaken() bool { return !n.taken.IsZero() && time.Since(n.taken) < takenTime }

// Self returns this node's report.
func (n *Node) Self() Report {
	n.mu.Lock()
	defer n.mu.Unlock()
	applied := make(map[string]bool)
	r := Report{
		V: version, Instance: n.instance, At: n.clock().UTC(), Version: n.o.Version, Libvips: n.o.Libvips,
		Settings: n.o.Settings, Taken: n.isTaken(),
		Clock: int(-n.offset / time.Second),
	}
	if !n.read.IsZero() {
		r.Read = n.onStore(n.read).UTC()
	}
	for _, p := range n.trees {
		maps.Copy(applied, p.applied)
	}
	// If a process was killed, it may have noted an entry for one tree and not for the next.
	// Such an entry is not reported as applied.
	for _, p := range n.trees {
		r.Waits = max(r.Waits, len(n.failed)+len(p.waiting))
	}
	maps.DeleteFunc(applied, func(name string, _ bool) bool { return n.isNeeded(name) })
	names := slices.Sorted(maps.Keys(applied))
	if len(names) > 0 {
		r.Applied = names[len(names)-1]
	}
	r.Recent = names[max(len(names)-mostRecent, 0):]
	return r
}

// ask reads the report of one node. The error is the store's. If the report can't be
// trusted, told.err has the reason.
func (n *Node) ask(ctx context.Context, name string) (told, error) {
	data, err := n.o.Store.Get(ctx, nodes+name)
	var t told
	switch {
	case errors.Is(err, errFormat):
		t.err = err
	case err != nil:
		return t, err
	default:
		t.err = n.keys.open(nodes, name, data, &t.Report)
	}
	if t.err == nil && t.V != version {
		t.err = fmt.Errorf("%w: version %d", errFormat, t.V)
	}
	if t.err == nil {
		n.acknowledge(name, t.Report)
	}
	return t, nil
}

// Other is another node, with its last report.
type Other struct {
	Name string
	Report
	// Err is the reason why the report can't be trusted, or nil.
	Err error
}

// Others reads the reports of all other nodes, and returns them sorted by name. If the
// store can't list the nodes, it returns the nodes as they were last read, and the error.
func (n *Node) Others(ctx context.Context) ([]Other, error) {
	names, err := n.o.Store.List(ctx, nodes, "")
	if err != nil {
		return n.known(), fmt.Errorf("list the nodes: %w", err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == n.o.Name || !Name.MatchString(name) })
	found := n.askAll(ctx, names)
	if ctx.Err() != nil {
		// The reports that could not be read may be good.
		return n.known(), context.Cause(ctx)
	}
	n.mu.Lock()
	n.others = found
	n.mu.Unlock()
	return n.known(), nil
}

// askAll reads the reports of nodes, all at the same time: the slowest answer of the store
// is waited for once. Nodes without a report are left out.
func (n *Node) askAll(ctx context.Context, names []string) map[string]told {
	var mu sync.Mutex
	found := make(map[string]told)
	var asking sync.WaitGroup
	for _, name := range names {
		asking.Go(func() {
			t, err := n.ask(ctx, name)
			if errors.Is(err, fs.ErrNotExist) {
				return
			}
			if err != nil {
				// The error is this node's alone. The other nodes' reports may be good.
				t.err = fmt.Errorf("it can't be read: %w", err)
			}
			mu.Lock()
			defer mu.Unlock()
			found[name] = t
		})
	}
	asking.Wait()
	return found
}

// known returns the other nodes as Others last read them.
func (n *Node) known() []Other {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []Other
	for _, name := range slices.Sorted(maps.Keys(n.others)) {
		if t := n.others[name]; !n.isDropped(t) {
			all = append(all, Other{name, t.Report, t.err})
		}
	}
	return all
}

// isDropped reports whether a node has been silent for longer than Options.Keep and
// keepMargin. No purge waits for it, because it empties its trees before it serves again.
// If a node's report can't be trusted, the node is not dropped. n.mu is held.
func (n *Node) isDropped(t told) bool {
	return t.err == nil && n.clock().Sub(t.At) > n.o.Keep+keepMargin
}

// Forget removes the report of a node that has gone for good. Purges no longer wait for
// the node.
func (n *Node) Forget(ctx context.Context, name string) error {
	if !Name.MatchString(name) {
		return fmt.Errorf("%w: %q", ErrNoNode, name)
	}
	if _, err := n.o.Store.Get(ctx, nodes+name); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %q", ErrNoNode, name)
	}
	if err := n.o.Store.Delete(ctx, nodes+name); err != nil {
		return fmt.Errorf("forget %s: %w", name, err)
	}
	_, err := n.Others(ctx)
	return err
}

// Behind is a node that may not have applied a purge.
type Behind struct {
	Node string // its name, or "?" if the nodes can't be listed
	Why  string // a clause without its subject, for example "has not read the journal yet"
}

// String returns a line, for example "n3: has read the journal at
// 2026-11-29T01:15:30Z last".
func (b Behind) String() string { return b.Node + ": " + b.Why }

// Differs returns the differences between the node of r and this node, of which here is
// the report, if they change thumbnails or answers: for example "thumbd 1.2, not 1.3" or
// "other settings of site gallery".
func (r Report) Differs(here Report) []string {
	var all []string
	for _, v := range [][3]string{{"thumbd", r.Version, here.Version}, {"libvips", r.Libvips, here.Libvips}} {
		if v[1] != v[2] {
			all = append(all, fmt.Sprintf("%s %s, not %s", v[0], v[1], v[2]))
		}
	}
	sites := make(map[string]string)
	maps.Copy(sites, here.Settings)
	maps.Copy(sites, r.Settings)
	for _, name := range slices.Sorted(maps.Keys(sites)) {
		there, isThere := r.Settings[name]
		own, isHere := here.Settings[name]
		switch {
		case !isThere:
			all = append(all, "no site "+name)
		case !isHere:
			all = append(all, "a site "+name)
		case there != own:
			all = append(all, "other settings of site "+name)
		}
	}
	return all
}

// Await waits until all other nodes report that they have applied the entries with the
// given names, at most for limit, or a second if limit is less, also if the store is
// slower. It returns the nodes that have not reported so. If the reports can't be read, it
// returns all known nodes. With a limit of 0 it returns after one reading.
//
// If a node starts meanwhile, it reads the entries before it is ready. So Await lists the
// nodes once, and then reads only the reports of nodes that have not applied the entries.
// It is called once for each entry.
func (n *Node) Await(ctx context.Context, names []string, limit time.Duration) []Behind {
	defer n.answered(names)
	ctx, cancel := context.WithTimeoutCause(ctx, max(limit, lastAsk), errUnlisted)
	defer cancel()
	// A node may have joined since the nodes were last listed.
	behind := n.without(n.known(), names, errUnlisted)
	// A folder that hangs heeds no context, so another goroutine waits for it.
	results := make(chan []Behind)
	go n.follow(ctx, names, results)
	for {
		select {
		case behind = <-results:
			if len(behind) == 0 || limit <= 0 {
				return behind
			}
		case <-ctx.Done():
			return behind
		}
	}
}

// errUnlisted means that the nodes were not listed before the end of Await.
var errUnlisted = errors.New("the journal did not list them in time")

// follow sends the nodes that have not reported the entries as applied, again and again,
// until there is none or ctx is done.
func (n *Node) follow(ctx context.Context, names []string, results chan<- []Behind) {
	others, err := n.Others(ctx)
	for pause := firstAsk; ctx.Err() == nil; pause = min(2*pause, lastAsk) {
		behind := n.without(others, names, err)
		select {
		case results <- behind:
		case <-ctx.Done():
		}
		if len(behind) == 0 {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if err == nil {
			var gone bool
			if others, gone = n.askAgain(ctx, others, names); !gone {
				continue
			}
		}
		others, err = n.Others(ctx)
	}
}

// firstAsk and lastAsk are the least and the most time between two readings of a report
// for which a purge waits. lastAsk is also the least time that Await takes for the list of
// nodes.
const (
	firstAsk = 100 * time.Millisecond
	lastAsk  = time.Second
)

// askAgain reads the reports of the nodes that have not applied all of names. gone is true
// if a report does not exist: its node was forgotten, or the store is away. The caller then
// lists the nodes again to tell the two causes apart.
func (n *Node) askAgain(ctx context.Context, others []Other, names []string) (now []Other, gone bool) {
	var late []string
	for _, o := range others {
		if o.Err != nil || o.Taken || !n.hasApplied(o, names) {
			late = append(late, o.Name)
		}
	}
	found := n.askAll(ctx, late)
	if ctx.Err() != nil {
		return others, false
	}
	if len(found) < len(late) {
		return others, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range others {
		if t, ok := found[o.Name]; ok {
			o.Report, o.Err = t.Report, t.err
			n.others[o.Name] = t
		}
		now = append(now, o)
	}
	return now, false
}

// without returns the nodes that have not applied all of names. err is the error with
// which the nodes could not be listed, or nil.
func (n *Node) without(others []Other, names []string, err error) []Behind {
	var behind []Behind
	if err != nil {
		behind = append(behind, Behind{"?", fmt.Sprintf("there may be more nodes: %v", err)})
	}
	if n.State().Taken {
		behind = append(behind, Behind{n.o.Name, "another process reports under its name too"})
	}
	for _, o := range others {
		switch {
		case err != nil:
			behind = append(behind, Behind{o.Name, "its report can't be read"})
		case o.Err != nil:
			behind = append(behind, Behind{o.Name, "its report can't be trusted: " + o.Err.Error()})
		case o.Taken:
			behind = append(behind, Behind{o.Name, "another process reports under its name too"})
		case !n.hasApplied(o, names):
			behind = append(behind, Behind{o.Name, o.lastRead()})
		}
	}
	return behind
}

// hasApplied reports whether a node has reported the entries as applied, in its last report
// or, if this node has written the entries, in an earlier one.
func (n *Node) hasApplied(o Other, names []string) bool {
	applied := make(map[string]bool, len(o.Recent))
	for _, name := range o.Recent {
		applied[name] = true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return !slices.ContainsFunc(names, func(name string) bool { return !applied[name] && !n.acks[name][o.Name] })
}

// acknowledge notes which entries of this node another node reports as applied. Its later
// reports leave the entries out, and a purge of many parts may take longer.
func (n *Node) acknowledge(node string, r Report) {
	if r.Taken {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range r.Recent {
		if acks, ok := n.acks[name]; ok {
			acks[node] = true
		}
	}
}

// ackTime is the time for which the acknowledgments of an entry are kept if no Await ends
// it, because its purge has failed here: longer than a purge takes.
const ackTime = 24 * time.Hour

// expect has the acknowledgments of an entry noted, and forgets those of old entries.
func (n *Node) expect(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	end := stamp(n.clock().Add(-ackTime))
	maps.DeleteFunc(n.acks, func(name string, _ map[string]bool) bool { return name < end })
	n.acks[name] = make(map[string]bool)
}

// answered forgets the acknowledgments of entries whose purge is answered: a site may have
// a million purges a day.
func (n *Node) answered(names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range names {
		delete(n.acks, name)
	}
}

func (r Report) lastRead() string {
	switch {
	case r.Waits > 0:
		return fmt.Sprintf("could not apply %d entries of the journal yet; its log tells why", r.Waits)
	case r.Read.IsZero():
		return "has not read the journal yet"
	}
	return "has read the journal at " + r.Read.Format(time.RFC3339) + " last"
}

// State is the health of a node, for metrics and health checks.
type State struct {
	Lag     time.Duration     // since the journal was last read to its end
	Behind  bool              // Lag is over Options.Lag, or the journal was never read
	Entries map[string]uint64 // number of entries by What, for example "applied"
	Nodes   map[string]int    // number of nodes by their state, with this node
	Offset  time.Duration     // of the store's clock from this machine's
	Taken   bool              // another process reports under this node's name
	// Unread and Unwritten are the errors of the last reading and the last write, or nil.
	Unread, Unwritten error
}

// State returns the node's health. It sends the store no request.
func (n *Node) State() State {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := State{
		Entries: make(map[string]uint64), Nodes: map[string]int{Current: 0, Lagging: 0, Silent: 0},
		Offset: n.offset, Taken: n.isTaken(), Unread: n.unread, Unwritten: n.unsaid,
	}
	last := n.read
	if last.IsZero() {
		last = n.started
	}
	// The monotonic clock stands still while the machine is suspended.
	s.Lag = max(time.Since(last), time.Since(last.Round(0)))
	s.Behind = n.read.IsZero() || s.Lag > n.o.Lag
	for what, count := range n.counts {
		s.Entries[What(what).String()] = count
	}
	s.Nodes[n.stateOf(Report{At: n.clock(), Read: n.clock().Add(-s.Lag)}, nil)]++
	for _, t := range n.others {
		if !n.isDropped(t) {
			s.Nodes[n.stateOf(t.Report, t.err)]++
		}
	}
	return s
}

// The states of a node.
const (
	Current = "current" // the node reads the journal
	Lagging = "behind"  // it has not read the journal for Options.Lag
	Silent  = "silent"  // it does not report, or its report can't be trusted
)

// StateOf returns the state of another node.
func (n *Node) StateOf(o Other) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stateOf(o.Report, o.Err)
}

func (n *Node) stateOf(r Report, err error) string {
	now := n.clock()
	limit := max(n.o.Lag, 3*reportTime) + lookTime
	switch {
	case err != nil || now.Sub(r.At) > limit:
		return Silent
	case now.Sub(r.Read) > limit:
		return Lagging
	}
	return Current
}
