// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/journal"
	"thumbd/internal/keep"
	"thumbd/internal/purge"
	"thumbd/internal/serve"
	"thumbd/internal/source"
	"thumbd/internal/tell"
)

// member is this machine as a node of a farm.
type member struct {
	serve.Node
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{} // closed when Run has returned
}

// stop ends Run, which begin has started. It may be called again.
func (m *member) stop() {
	m.cancel()
	<-m.ended
}

// catchTime is the longest that a start waits until all purges of other nodes are
// applied.
const catchTime = 30 * time.Second

// node is serve.Options.Node.
func (d *Daemon) node() *serve.Node {
	if m := d.member.Load(); m != nil {
		return &m.Node
	}
	return nil
}

// pause has the node apply no more entries. Its purges are written, and it counts as
// ready for a while.
func (d *Daemon) pause() {
	if m := d.member.Load(); m != nil {
		m.stop()
	}
}

// leave ends the life of the node.
func (d *Daemon) leave() {
	d.pause()
	d.member.Store(nil)
}

// begin puts m to work once the sites are those of its service, and has it answer
// administrators as soon as it has caught up. m is nil without [nodes].
func (d *Daemon) begin(m *member) {
	if m == nil {
		return
	}
	old := d.member.Load()
	go func() {
		defer close(m.ended)
		m.Run(m.ctx)
	}()
	go func() {
		select {
		case <-m.Caught():
			d.member.CompareAndSwap(old, m)
		case <-m.ended:
		}
	}()
}

// join waits until m has applied the purges of the other nodes, for a while.
func (d *Daemon) join(ctx context.Context, m *member) {
	if m == nil {
		d.leave()
		return
	}
	limit := time.NewTimer(catchTime)
	defer limit.Stop()
	select {
	case <-m.Caught():
	case <-limit.C:
		d.log.Warn("not all purges of the other nodes are applied yet; /_thumbd/ready says 503 until they are", "node", m.Name())
	case <-ctx.Done():
	}
	d.member.Store(m)
}

// newMember returns a node for the sites of s, or nil if the configuration has none. Where
// this machine is no node yet it is one at once: no purge of the new sites may pass the
// other nodes by.
func (d *Daemon) newMember(s *Service) *member {
	if s.config.Nodes == nil || d.alone {
		return nil
	}
	c := s.config.Nodes
	n := journal.New(journal.Options{
		Store: source.Journal(c), Where: c.Journal, Keys: c.Keys, Name: c.Name, Trees: d.trees(s),
		Version: d.version, Libvips: s.hello.Vips, Settings: digests(s.sites),
		Poll: c.Poll, Settle: c.Settle, Lag: c.Lag, Keep: c.Keep, Tell: d.tellJournal(c),
	})
	m := &member{Node: serve.Node{Node: n, Wait: c.Wait}, ended: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	d.member.CompareAndSwap(nil, m)
	return m
}

// Nodes returns the other nodes of a journal, as their reports have them. It writes nothing.
func Nodes(ctx context.Context, c *config.Nodes) ([]journal.Other, error) {
	n := journal.New(journal.Options{Store: source.Journal(c), Keys: c.Keys, Name: c.Name, Keep: c.Keep})
	return n.Others(ctx)
}

// digests returns a digest of the settings of each site that decide the answer for a URI:
// nodes whose digests differ answer one URI with different thumbnails, or some of them with
// 403 or 404. A digest tells as much of a site's keys as a signed URI does.
func digests(sites []*keep.Site) map[string]string {
	all := make(map[string]string)
	for _, site := range sites {
		t := site.Thumb
		text, err := json.Marshal([]any{
			site.Recipe(), t.Hosts, t.Formats, t.Negotiate, t.MaxWidth, t.MaxHeight, site.OriginalFormats, t.Keys,
		})
		if err != nil {
			continue
		}
		sum := sha256.Sum256(text)
		all[t.Name] = base64.RawURLEncoding.EncodeToString(sum[:12])
	}
	return all
}

// tellJournal returns the function that logs the events of a journal.
func (d *Daemon) tellJournal(c *config.Nodes) func(journal.Event) {
	lines := tell.NewLines()
	return func(e journal.Event) {
		at := []any{"journal", c.Journal, "node", c.Name}
		if e.Entry != "" {
			at = append(at, "entry", e.Entry)
		}
		if e.Site != "" {
			at = append(at, "site", e.Site)
		}
		if e.Err != nil {
			at = append(at, "err", e.Err)
		}
		if text, ok := troubles[e.What]; ok {
			if more, due := lines.Due(e.What.String(), tell.Pause); due {
				d.log.Error(text, append(at, "more", more)...)
			}
			return
		}
		switch e.What {
		case journal.Read:
			d.log.Info("the journal is read again", at...)
		case journal.Emptied:
			d.log.Warn("the tree was emptied: this node was away for longer than keep, or the tree is of another journal", at...)
		case journal.Skipped:
			d.log.Warn("a purge of another node is not for this one", at...)
		default:
			d.log.Debug("journal", append(at, "what", e.What.String())...)
		}
	}
}

// troubles are the events that an administrator must act on.
var troubles = map[journal.What]string{
	journal.Refused:  "an entry of the journal was not applied: no key of this node has signed it, or its format is of another version",
	journal.Unread:   "the journal can't be read, or its purges can't be applied; this node is not ready if that lasts",
	journal.Unsaid:   "the journal can't be written, so the other nodes don't hear of this one, and purges here are refused",
	journal.Unkept:   "the tree's journal.json can't be written; purges are applied again after the next start",
	journal.Taken:    "another process reports under the name of this node: give each node a name of its own",
	journal.Untended: "old files of the journal can't be deleted",
}

// trees are the trees of a service, to which a journal is applied.
type trees struct {
	keeper *keep.Keeper
	sites  map[string]*keep.Site
	names  []string
}

func (d *Daemon) trees(s *Service) trees {
	t := trees{keeper: d.keeper, sites: make(map[string]*keep.Site)}
	for _, site := range s.sites {
		t.sites[site.Thumb.Name] = site
		t.names = append(t.names, site.Thumb.Name)
	}
	return t
}

// Sites implements journal.Trees.
func (t trees) Sites() []string { return t.names }

// Purge implements journal.Trees.
func (t trees) Purge(ctx context.Context, e journal.Entry) error {
	_, err := t.keeper.Purge(ctx, e.Site, e.Scope(), e.Render)
	if errors.Is(err, keep.ErrNoSuchSite) || errors.Is(err, purge.ErrNoPreset) || errors.Is(err, purge.ErrScope) {
		return fmt.Errorf("%w: %w", journal.ErrSkip, err)
	}
	return err
}

// Empty implements journal.Trees.
func (t trees) Empty(site string) bool {
	return t.sites[site].Tree.Walk(context.Background(), nil, func(string) error { return fs.SkipAll }) == nil
}

// Progress implements journal.Trees.
func (t trees) Progress(site string) ([]byte, error) { return t.sites[site].Tree.Journal() }

// SetProgress implements journal.Trees.
func (t trees) SetProgress(site string, data []byte) error {
	return t.sites[site].Tree.SetJournal(data)
}
