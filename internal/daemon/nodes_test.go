// SPDX-License-Identifier: MIT

package daemon

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/config"
	"thumbd/internal/journal"
	"thumbd/internal/keep"
	"thumbd/internal/route"
	"thumbd/internal/serve"
	"thumbd/internal/tell"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

const nodeKey = "thumbd-test-key-0123456789abcdef"

// farm is gallery on the node n1.
const farm = gallery + `[nodes]
journal = "DIR/journal"
keys = ["nodes.key"]
name = "n1"
poll = "200ms"
settle = "0"
`

// newFarm returns a rig of a farm, not started.
func newFarm(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, farm)
	r.Write("keys/nodes.key", nodeKey)
	aid.Must(t, os.Mkdir(r.Path("journal"), 0o755))
	return r
}

// other returns another node of r's farm, which does not read.
func (r *rig) other(key string) *journal.Node {
	return journal.New(journal.Options{
		Store: journal.NewFolder(r.Path("journal")), Keys: [][]byte{[]byte(key)}, Name: "n2", Keep: time.Hour,
		Tell: func(journal.Event) {},
	})
}

// A node applies the purges of the others from its first answer on, and tells of purges
// that are not for it. Without [nodes] it is no node any more.
func TestNode(t *testing.T) {
	r := newFarm(t)
	other := r.other(nodeKey)
	aid.Must(t, os.MkdirAll(r.Path("root/thumbs/small"), 0o755))
	r.Write("root/thumbs/small/a.jpg", "purged while this node was away")
	aid.Must(t, journal.NewFolder(r.Path("journal")).Make(t.Context()))
	write := func(e journal.Entry, by *journal.Node) {
		t.Helper()
		name, err := by.Write(t.Context(), e)
		aid.Must(t, err)
		by.Done(name, e, true)
	}
	write(journal.Entry{Site: "gallery", Originals: []string{"a.jpg"}}, other)
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	r.want("/_thumbd/ready", "200")
	if _, err := os.Stat(r.Path("root/thumbs/small/a.jpg")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a thumbnail that was purged before the start: %v", err)
	}

	r.want("/thumbs/small/a.jpg", "200")
	write(journal.Entry{Site: "gallery", All: true}, other)
	aid.Await(t, func() bool {
		_, err := os.Stat(r.Path("root/thumbs/small/a.jpg"))
		return errors.Is(err, fs.ErrNotExist)
	})
	write(journal.Entry{Site: "elsewhere", All: true}, other)
	r.logged("level=WARN", "not for this one", "node=n1", "site=elsewhere", "entry=")
	write(journal.Entry{Site: "gallery", All: true}, r.other("another-key-0123456789abcdefghij"))
	r.logged("level=ERROR", "no key of this node has signed it", "node=n1")

	before := r.member.Load()
	r.reload(farm)
	if now := r.member.Load(); now == nil || now == before {
		t.Error("a reload has no node of its own")
	}
	<-before.ended
	r.want("/_thumbd/ready", "200")
	if s := r.state(); s.Journal == nil || s.Journal.Nodes[journal.Current] == 0 {
		t.Errorf("state %+v of a node", s)
	}
	r.reload(gallery)
	r.want("/_thumbd/ready", "404 no-service")
	if s := r.state(); s.Journal != nil {
		t.Error("the metrics have a node, and there is none")
	}
}

// The doctor is told of a journal that can't be read, the log when it can be read again,
// and nothing is purged meanwhile.
func TestNodeWithoutJournal(t *testing.T) {
	r := newFarm(t)
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	if got := r.troubles(); got != "" {
		t.Errorf("troubles %q of a good installation", got)
	}
	aid.Must(t, os.Rename(r.Path("journal"), r.Path("away")))
	if got, want := r.troubles(), "journal n1"; got != want {
		t.Errorf("troubles %q, want %q", got, want)
	}
	r.logged("level=ERROR", "the journal can't be read", "node=n1", r.Path("journal"))
	if _, err := r.admin.Purge(t.Context(), admin.Purge{Site: "gallery", All: true}); err == nil {
		t.Error("a purge that no other node hears of")
	}
	aid.Must(t, os.Rename(r.Path("away"), r.Path("journal")))
	r.logged("level=INFO", "the journal is read again", "node=n1")
	if got := r.troubles(); got != "" {
		t.Errorf("troubles %q after the journal has come back", got)
	}
	if _, err := r.admin.Purge(t.Context(), admin.Purge{Site: "gallery", All: true}); err != nil {
		t.Error(err)
	}
}

// The doctor tells a journal that can be read and not written from one that is away.
func TestNodeWithoutRight(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	r := newFarm(t)
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	aid.Must(t, os.Chmod(r.Path("journal/nodes"), 0o500))
	t.Cleanup(func() { _ = os.Chmod(r.Path("journal/nodes"), 0o700) })
	if got, want := r.troubles(), "journal-write n1"; got != want {
		t.Errorf("troubles %q, want %q", got, want)
	}
}

// A start waits for the journal, but not for ever: a purge may be missing then, and the
// node is not ready.
func TestStartWithoutJournal(t *testing.T) {
	where := t.TempDir() + "/none"
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon("")
		c := &config.Config{Nodes: &config.Nodes{
			Journal: where, Keys: [][]byte{[]byte(nodeKey)}, Name: "n1", Poll: time.Second, Lag: time.Minute, Keep: time.Hour,
		}}
		s := &Service{config: c}
		d.keeper.SetSites(keep.NewSites(nil, time.Minute, nil))
		m := d.newMember(s)
		if d.member.Load() != m {
			t.Error("purges pass the other nodes by until the journal was read")
		}
		d.begin(m)
		begun := time.Now()
		d.join(t.Context(), m)
		if waited := time.Since(begun); waited != catchTime {
			t.Errorf("waited %v, want %v", waited, catchTime)
		}
		if got := d.log.Count("not all purges of the other nodes are applied yet"); got != 1 {
			t.Errorf("told %d times", got)
		}
		if !m.State().Behind {
			t.Error("the node is ready")
		}
		// A daemon that is alone is no node.
		d.alone = true
		if d.newMember(s) != nil {
			t.Error("a thumbd warm is a node")
		}
		d.leave()
		if d.node() != nil {
			t.Error("a node after it has left")
		}
	})
}

// After a reload, the new node answers administrators as soon as it has read the journal,
// also if the thumbnails of another configuration are still being removed.
func TestNewNodeAnswers(t *testing.T) {
	where := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon("")
		c := &config.Config{Nodes: &config.Nodes{
			Journal: where, Keys: [][]byte{[]byte(nodeKey)}, Name: "n1", Poll: time.Second, Lag: time.Minute, Keep: time.Hour,
		}}
		old := d.newMember(&Service{config: c})
		d.begin(old)
		<-old.Caught()
		d.pause()
		m := d.newMember(&Service{config: c})
		if d.member.Load() != old {
			t.Error("the new node answers, and has read nothing")
		}
		d.begin(m)
		<-m.Caught()
		synctest.Wait()
		if d.member.Load() != m {
			t.Error("the new node does not answer")
		}
		d.leave()
	})
}

// A start that was interrupted waits for no journal.
func TestStopDuringTheWaitForTheJournal(t *testing.T) {
	r := newFarm(t)
	aid.Must(t, os.Remove(r.Path("journal")))
	r.run()
	r.logged("the journal can't be read")
	r.stop()
	aid.Must(t, <-r.ended)
	if r.log.Count("not all purges") > 0 {
		t.Error("it has waited")
	}
}

// An administrator reads what happened to the journal once for each kind and minute, with
// the node, the entry and the site.
func TestJournalIsTold(t *testing.T) {
	cause := errors.New("permission denied")
	for what, want := range map[journal.What]string{
		journal.Written:  "level=DEBUG msg=journal journal=/srv/journal node=n1 entry=e1 site=gallery err=\"permission denied\" what=written",
		journal.Applied:  "level=DEBUG msg=journal",
		journal.Skipped:  "level=WARN msg=\"a purge of another node is not for this one\"",
		journal.Refused:  "level=ERROR msg=\"an entry of the journal was not applied",
		journal.Unread:   "level=ERROR msg=\"the journal can't be read",
		journal.Read:     "level=INFO msg=\"the journal is read again\"",
		journal.Unsaid:   "level=ERROR msg=\"the journal can't be written",
		journal.Emptied:  "level=WARN msg=\"the tree was emptied",
		journal.Unkept:   "level=ERROR msg=\"the tree's journal.json can't be written",
		journal.Taken:    "level=ERROR msg=\"another process reports under the name of this node",
		journal.Untended: "level=ERROR msg=\"old files of the journal can't be deleted",
	} {
		synctest.Test(t, func(t *testing.T) {
			d, log := newDaemon(""), new(aid.Log)
			d.Daemon.log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			told := d.tellJournal(&config.Nodes{Journal: "/srv/journal", Name: "n1"})
			e := journal.Event{What: what, Entry: "e1", Site: "gallery", Err: cause}
			told(e)
			if text := log.String(); !strings.Contains(text, want) || !strings.Contains(text, `journal=/srv/journal node=n1 entry=e1 site=gallery err="permission denied"`) {
				t.Errorf("%v: log %s, want %s", what, text, want)
			}
			if !strings.Contains(want, "ERROR") {
				return
			}
			told(e)
			if n := log.Count("\n"); n != 1 {
				t.Errorf("%v: %d lines at once", what, n)
			}
			time.Sleep(tell.Pause)
			told(e)
			if n := log.Count("more=1"); n != 1 {
				t.Errorf("%v: log %s, want that one was left out", what, log)
			}
		})
	}
}

// An entry that this node can never apply is skipped. If it can't be applied now, it is
// tried again.
func TestEntriesOfOthers(t *testing.T) {
	b := keeptest.New(t, new(keeptest.Painter), serve.Judge, keeptest.WithPresets("card"))
	apply := trees{keeper: b.Keeper, sites: map[string]*keep.Site{"gallery": b.Site}, names: []string{"gallery"}}
	if !apply.Empty("gallery") {
		t.Error("a new tree is not empty")
	}
	b.BlockRoot()
	for name, tt := range map[string]struct {
		entry journal.Entry
		skip  bool
	}{
		"site":   {journal.Entry{Site: "elsewhere", All: true}, true},
		"preset": {journal.Entry{Site: "gallery", Preset: "hero"}, true},
		"scope":  {journal.Entry{Site: "gallery"}, true},
		"tree":   {journal.Entry{Site: "gallery", All: true}, false},
	} {
		if err := apply.Purge(t.Context(), tt.entry); err == nil || errors.Is(err, journal.ErrSkip) != tt.skip {
			t.Errorf("%s: %v, want an ErrSkip: %v", name, err, tt.skip)
		}
	}
	if apply.SetProgress("gallery", []byte("{}")) == nil {
		t.Error("progress in a tree that can't be written")
	}
	aid.Must(t, os.Remove(b.Dir+"/root"))
	aid.Must(t, apply.SetProgress("gallery", []byte("{}")))
	if data, err := apply.Progress("gallery"); err != nil || string(data) != "{}" {
		t.Errorf("progress %q, %v", data, err)
	}
	if !apply.Empty("gallery") {
		t.Error("a tree without thumbnails is not empty")
	}
	aid.Must(t, os.Mkdir(b.Dir+"/root/thumbs/a.jpg", 0o755))
	aid.Must(t, os.WriteFile(b.Dir+"/root/thumbs/a.jpg/card.jpg", nil, 0o644))
	if apply.Empty("gallery") {
		t.Error("a tree with a thumbnail is empty")
	}
}

// Nodes whose digests are equal answer a URI with the same thumbnail, and a folder or a
// name of theirs does not matter.
func TestDigests(t *testing.T) {
	site := func() *keep.Site {
		return &keep.Site{
			Thumb: &thumb.Site{
				Route: route.Route{Name: "gallery", Prefix: "/thumbs/"}, DocumentRoot: "/srv/n1", Scheme: thumb.Signed, Keys: [][]byte{[]byte(nodeKey)},
				Formats: []thumb.Format{thumb.JPEG}, MaxWidth: 100, MaxHeight: 100,
			},
			OriginalFormats: []thumb.Format{thumb.JPEG},
		}
	}
	digest := func(s *keep.Site) string { return digests([]*keep.Site{s})["gallery"] }
	want := digest(site())
	for name, tt := range map[string]struct {
		change func(*keep.Site)
		equal  bool
	}{
		"document_root":    {func(s *keep.Site) { s.Thumb.DocumentRoot = "/srv/n2" }, true},
		"keys":             {func(s *keep.Site) { s.Thumb.Keys = [][]byte{[]byte("another")} }, false},
		"hosts":            {func(s *keep.Site) { s.Thumb.Hosts = []string{"a.example"} }, false},
		"formats":          {func(s *keep.Site) { s.Thumb.Formats = nil }, false},
		"negotiate":        {func(s *keep.Site) { s.Thumb.Negotiate = []thumb.Format{thumb.WebP} }, false},
		"original_formats": {func(s *keep.Site) { s.OriginalFormats = nil }, false},
		"thumbnail_width":  {func(s *keep.Site) { s.Thumb.MaxWidth = 99 }, false},
		"a preset": {func(s *keep.Site) {
			s.Thumb.Presets = map[string]thumb.Preset{"card": {Transform: thumb.Transform{Width: 9, Height: 9, Method: thumb.Fit}}}
		}, false},
	} {
		s := site()
		tt.change(s)
		if got := digest(s); (got == want) != tt.equal {
			t.Errorf("%s: digests %s and %s, want equal: %v", name, want, got, tt.equal)
		}
	}
}

// The doctor reads the journal without being a node.
func TestOthersOfAJournal(t *testing.T) {
	r := newFarm(t)
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	all, err := Nodes(t.Context(), &config.Nodes{Journal: r.Path("journal"), Keys: [][]byte{[]byte(nodeKey)}, Name: "n2", Keep: time.Hour})
	if err != nil || len(all) != 1 || all[0].Name != "n1" {
		t.Errorf("nodes %+v, %v; want n1", all, err)
	}
	if _, err := os.Stat(r.Path("journal/nodes/n2")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a report of the doctor: %v", err)
	}
}
