// SPDX-License-Identifier: MIT

// Package nodes tests several thumbds that purge together through a journal: the built
// programs, each behind an nginx and with a tree of its own.
//
// It is larger than other packages because all tests have the same farm, with a journal in
// a folder and in a bucket, and differ in the fault alone.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
	"thumbd/internal/test/store"
)

func TestMain(m *testing.M) { kit.Main(m) }

// farm is a number of nodes with one folder of originals and one journal.
type farm struct {
	t         *testing.T
	originals string
	place     place
	journal   string     // place.url()
	nodes     []*rig.Rig // n1, n2, …
}

const groupKey = "the key of all nodes 0123456789"

// newFarm starts a farm with a journal in a folder. lines are of [nodes].
func newFarm(t *testing.T, size int, lines ...string) *farm {
	t.Helper()
	return newFarmIn(t, "folder", size, lines...)
}

// newFarmIn starts a farm with a journal of a kind.
func newFarmIn(t *testing.T, kind string, size int, lines ...string) *farm {
	t.Helper()
	return newFarmWith(t, kind, size, func(int, *rig.Options) {}, lines...)
}

// newFarmWith starts a farm with a journal of a kind. change may alter the options of each
// node.
func newFarmWith(t *testing.T, kind string, size int, change func(node int, o *rig.Options), lines ...string) *farm {
	t.Helper()
	const jpg = "originals/tests/orientation/1.jpg"
	f := &farm{t: t, originals: kit.Folder(t, map[string]string{"a.jpg": jpg, "b.jpg": jpg, "c.jpg": jpg}), place: newPlace(t, kind)}
	f.journal = f.place.url()
	for i := range size {
		o := rig.Options{
			Sites: []rig.Site{kit.Gallery(t, f.originals)}, Keys: keys(),
			TOML: "[daemon]\nidle_exit = \"0\"\n" + f.table(i, lines...),
		}
		change(i, &o)
		f.nodes = append(f.nodes, kit.Start(t, o))
	}
	return f
}

// keys are the files of keys of every node.
func keys() map[string]string {
	return map[string]string{"nodes.key": groupKey, "s3-access": store.AccessKey, "s3-secret": store.SecretKey}
}

// table returns [nodes] of a node. lines replace what it has of itself.
func (f *farm) table(i int, lines ...string) string {
	text := fmt.Sprintf("[nodes]\njournal = %q\nkeys = [\"nodes.key\"]\nname = \"n%d\"\n", f.journal, i+1)
	// A busy machine takes its time.
	for _, line := range []string{`poll = "200ms"`, `settle = "0"`, `wait = "1m"`} {
		key, _, _ := strings.Cut(line, "=")
		if !slices.ContainsFunc(lines, func(other string) bool { return strings.HasPrefix(other, key) }) {
			text += line + "\n"
		}
	}
	text += strings.Join(lines, "\n") + "\n"
	if f.place != nil {
		text += f.place.section(i)
	}
	return text
}

// waitFor is the form of a purge that waits for a time.
func waitFor(limit string) url.Values { return url.Values{"wait": {limit}} }

func uri(name string) string { return kit.Signed("/thumbs/", name, "20x20_crop", "jpg") }

// fill has all nodes make a thumbnail.
func (f *farm) fill(names ...string) {
	f.t.Helper()
	for _, r := range f.nodes {
		for _, name := range names {
			kit.Picture(f.t, kit.Get(f.t, r, rig.Escape(uri(name))), "jpeg", 20, 20)
		}
	}
}

// has reports whether a node's tree has a thumbnail of an original.
func has(r *rig.Rig, name string) bool {
	_, err := os.Stat(r.File("gallery", uri(name)))
	return err == nil
}

// expectGone checks that nodes have no thumbnail of an original.
func (f *farm) expectGone(name string, nodes ...*rig.Rig) {
	f.t.Helper()
	for i, r := range nodes {
		if has(r, name) {
			f.t.Errorf("the thumbnail of %s is still there, at node %d of the list", name, i)
		}
	}
}

// cuts returns the number of ways that must be cut until the journal is away for all.
func (f *farm) cuts() int {
	if _, ok := f.place.(*folder); ok {
		return 1
	}
	return len(f.nodes)
}

// purge runs thumbd purge at a node.
func (f *farm) purge(r *rig.Rig, args ...string) (out string, code int) {
	f.t.Helper()
	out, err := kit.Thumbd(f.t, append([]string{"purge", "--admin", r.AdminPath(), "gallery"}, args...)...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out, exit.ExitCode()
	}
	aid.Must(f.t, err)
	return out, 0
}

// post sends a purge of an original to the socket for administrators.
func (f *farm) post(r *rig.Rig, original string, more url.Values) rig.Response {
	f.t.Helper()
	form := url.Values{"site": {"gallery"}, "original": {original}}
	for name, values := range more {
		form[name] = values
	}
	return kit.Do(f.t, r, kit.Post(form))
}

// waitReady waits until a node says that clients may be led to it.
func (f *farm) waitReady(r *rig.Rig) {
	f.t.Helper()
	f.waitStatus(r, 200, "")
}

func (f *farm) waitStatus(r *rig.Rig, status int, reason string) {
	f.t.Helper()
	for end := time.Now().Add(aid.Patience); ; time.Sleep(10 * time.Millisecond) {
		resp := f.ready(r)
		if resp.Status == status && resp.Header.Get("X-Thumbd-Reason") == reason {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("ready is %d %q, want %d %q", resp.Status, resp.Body, status, reason)
		}
	}
}

func (f *farm) ready(r *rig.Rig) rig.Response {
	f.t.Helper()
	return kit.Do(f.t, r, rig.Request{Target: "/_thumbd/ready", Direct: true})
}

// A purge that has exited with 0 is one of all nodes, whatever it is of.
func TestPurgeOfAllNodes(t *testing.T) { onJournals(t, testPurgeOfAllNodes) }

func testPurgeOfAllNodes(t *testing.T, kind string) {
	t.Helper()
	f := newFarmIn(t, kind, 3)
	for _, tt := range []struct {
		args []string
		gone []string
	}{
		{[]string{"a.jpg"}, []string{"a.jpg"}},
		{[]string{"a.jpg", "c.jpg"}, []string{"a.jpg", "c.jpg"}},
		{[]string{"--all"}, []string{"a.jpg", "b.jpg", "c.jpg"}},
	} {
		f.fill("a.jpg", "b.jpg", "c.jpg")
		out, code := f.purge(f.nodes[0], tt.args...)
		if want := fmt.Sprintf("purged: %d thumbnails removed\n", len(tt.gone)); code != 0 || out != want {
			t.Errorf("purge %q: exit status %d, %q, want %q", tt.args, code, out, want)
		}
		for _, name := range []string{"a.jpg", "b.jpg", "c.jpg"} {
			if gone := strings.Contains(strings.Join(tt.gone, " "), name); gone {
				f.expectGone(name, f.nodes...)
			} else if !has(f.nodes[2], name) {
				t.Errorf("purge %q: %s has gone too", tt.args, name)
			}
		}
	}
	if out, code := f.purge(f.nodes[1], "--preset", "none"); code != 2 || !strings.Contains(out, "no such preset") {
		t.Errorf("exit status %d, %q", code, out)
	}
	if n := f.place.entries(); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
	f.checkStatus()
}

// checkStatus checks how a node tells of the others.
func (f *farm) checkStatus() {
	f.t.Helper()
	out, err := kit.Thumbd(f.t, "status", "--nodes", "--admin", f.nodes[0].AdminPath())
	if err != nil || !regexp.MustCompile(`(?m)^n1 .*: current \(this node\)\nn2 .*: current\nn3 .*: current$`).MatchString(out) {
		f.t.Errorf("status --nodes: %v\n%s", err, out)
	}
	metrics := string(kit.Do(f.t, f.nodes[1], rig.Request{Target: "/metrics", Admin: true}).Body)
	for _, line := range []string{`thumbd_journal_entries_total{result="applied"} 3`, `thumbd_journal_entries_total{result="refused"} 0`, `thumbd_journal_lag_seconds `, `thumbd_nodes{state="silent"} 0`} {
		if !strings.Contains(metrics, line) {
			f.t.Errorf("no %s in the metrics", line)
		}
	}
}

// outage takes the last node out of the farm, or the store away from all nodes.
type outage struct {
	bucket bool // takes a journal in a bucket
	away   bool // no purge is possible meanwhile
	begin  func(f *farm, last *rig.Rig)
	end    func(f *farm, last *rig.Rig)
}

var outages = map[string]outage{
	"killed": {begin: func(_ *farm, last *rig.Rig) { last.KillDaemon() }, end: startDaemon},
	"down":   {begin: func(f *farm, last *rig.Rig) { kit.StopDaemon(f.t, last) }, end: startDaemon},
	"cut off": {
		bucket: true,
		begin: func(f *farm, last *rig.Rig) {
			f.place.cut(len(f.nodes) - 1)
			f.waitStatus(last, 503, "behind")
		},
		end: func(f *farm, _ *rig.Rig) { f.place.mend(len(f.nodes) - 1) },
	},
	"the journal is away": {
		away: true,
		begin: func(f *farm, _ *rig.Rig) {
			for i := range f.cuts() {
				f.place.cut(i)
			}
		},
		end: func(f *farm, _ *rig.Rig) {
			for i := range f.cuts() {
				f.place.mend(i)
			}
		},
	},
}

func startDaemon(f *farm, last *rig.Rig) { aid.Must(f.t, last.StartDaemon(f.t.Context())) }

// While clients ask all nodes for a thumbnail, its original is replaced again and again. Once
// a purge has exited with 0, no node answers with an earlier version. A node that is out is
// named, and answers with no earlier version once it is ready.
func TestPurgeOfAllNodesUnderLoad(t *testing.T) { onJournals(t, testPurgeOfAllNodesUnderLoad) }

func testPurgeOfAllNodesUnderLoad(t *testing.T, kind string) {
	t.Helper()
	for name, out := range outages {
		if out.bucket && kind != "bucket" {
			continue
		}
		t.Run(name, func(t *testing.T) { newFarmIn(t, kind, 3, `lag = "1s"`).purgeUnderLoad(kit.Times(10, 100), out) })
	}
}

// A store that is slow for all nodes makes purges slow, and no answer wrong.
func TestPurgesUnderLoadOnASlowStore(t *testing.T) {
	f := newFarmIn(t, "bucket", 3)
	for i := range f.nodes {
		f.place.(*bucket).way(i).delay.Store(int64(100 * time.Millisecond))
	}
	f.purgeUnderLoad(6, outages["killed"])
}

// purgeUnderLoad replaces and purges an original so many times, at the first two nodes in
// turn. In the middle it has an outage.
func (f *farm) purgeUnderLoad(times int, o outage) {
	t := f.t
	t.Helper()
	uri := kit.Signed("/thumbs/", "v.png", "20x20_crop", "png")
	put := func(version int) {
		path := filepath.Join(f.originals, "v.png")
		kit.Put(t, path+".new", kit.Solid(kit.VersionColor(version)))
		aid.Must(t, os.Rename(path+".new", path))
	}
	put(0)
	var purged atomic.Int64 // version
	var out atomic.Bool     // the last node, which a balancer sends nothing until it is ready
	load := kit.StartLoad(t, 6, func(ctx context.Context, n int) error {
		node, least := n%len(f.nodes), purged.Load()
		if out.Load() {
			node = n % (len(f.nodes) - 1)
		}
		resp, err := f.nodes[node].Do(ctx, rig.Request{Target: rig.Escape(uri)})
		if node == len(f.nodes)-1 && out.Load() {
			return nil // The outage began meanwhile.
		}
		if err != nil || resp.Status == 404 {
			// nginx answers 404 if the purge comes between its look and its open.
			return err
		}
		version, _, err := kit.VersionOf(resp.Body)
		if err == nil && int64(version) < least {
			err = fmt.Errorf("version %d of node %d, and %d was purged", version, node+1, least)
		}
		return err
	})
	last := f.nodes[len(f.nodes)-1]
	for version := 1; version <= times; version++ {
		node := f.nodes[version%2]
		if version == times/2 {
			out.Store(!o.away)
			o.begin(f, last)
			put(version)
			said, code := f.purge(node, "--wait", "1s", "v.png")
			if code == 0 || !o.away && (code != 1 || !strings.Contains(said, "\nn3: ")) {
				t.Fatalf("in the outage: exit status %d, %q", code, said)
			}
			// The answer names n3, and the other node too if that took more than a second.
			if !o.away && !strings.Contains(said, "\nn1: ") && !strings.Contains(said, "\nn2: ") {
				purged.Store(int64(version))
			}
			load.Await(12)
			o.end(f, last)
			for _, r := range f.nodes {
				f.waitReady(r)
			}
			out.Store(false)
			load.Await(12) // before a purge that the last node takes part in
		}
		put(version)
		if said, code := f.purge(node, "v.png"); code != 0 {
			t.Fatalf("exit status %d, %q", code, said)
		}
		purged.Store(int64(version))
		load.Await(12)
	}
	load.End()
}

// A purge that goes on with here=1, or does not wait, says so.
func TestPurgeHere(t *testing.T) { onJournals(t, testPurgeHere) }

func testPurgeHere(t *testing.T, kind string) {
	t.Helper()
	// No node looks into the journal by chance before the answer.
	f := newFarmIn(t, kind, 2, `poll = "1m"`, `lag = "2m"`)
	f.fill("a.jpg", "b.jpg")
	if out, code := f.purge(f.nodes[0], "--here", "a.jpg"); code != 0 || has(f.nodes[0], "a.jpg") || !has(f.nodes[1], "a.jpg") {
		t.Errorf("--here: exit status %d, %q; at n2: %v", code, out, has(f.nodes[1], "a.jpg"))
	}
	resp := f.post(f.nodes[0], "b.jpg", waitFor("0"))
	kit.Expect(t, resp, 202, "nodes-behind")
	if !regexp.MustCompile(`^purged: 1 thumbnails removed\nn2: has read the journal at \S+ last\n$`).Match(resp.Body) {
		t.Errorf("wait=0: %q", resp.Body)
	}
	kit.Expect(t, f.post(f.nodes[0], "b.jpg", waitFor("-1s")), 400, "form")
	if out, code := f.purge(f.nodes[0], "--wait", "0", "b.jpg"); code != 1 || !strings.Contains(out, "\nn2: has read the journal at ") {
		t.Errorf("--wait 0: exit status %d, %q", code, out)
	}
}

// A node that was down, killed or cut off is named, and has none of what was purged once
// it is ready.
func TestNodeComesBack(t *testing.T) { onJournals(t, testNodeComesBack) }

func testNodeComesBack(t *testing.T, kind string) {
	t.Helper()
	for _, how := range []string{"down", "killed", "cut off"} {
		t.Run(how, func(t *testing.T) {
			f := newFarmIn(t, kind, 2, `lag = "1s"`)
			n1, n2 := f.nodes[0], f.nodes[1]
			f.fill("a.jpg", "b.jpg", "c.jpg")
			switch how {
			case "down":
				kit.StopDaemon(t, n2)
			case "killed":
				n2.KillDaemon()
			case "cut off":
				// A folder is away for all of the farm, and so is the bucket here.
				for i := range f.cuts() {
					f.place.cut(i)
				}
				f.waitStatus(n2, 503, "behind")
				kit.Expect(t, f.post(n1, "a.jpg", nil), 503, "journal")
				if !has(n1, "a.jpg") {
					t.Error("something was purged without the journal")
				}
				kit.StopDaemon(t, n2)
				for i := range f.cuts() {
					f.place.mend(i)
				}
				f.waitReady(n1)
			}
			resp := f.post(n1, "a.jpg", waitFor("200ms"))
			kit.Expect(t, resp, 202, "nodes-behind")
			if !strings.Contains(string(resp.Body), "\nn2: ") {
				t.Errorf("body %q, want a line of n2", resp.Body)
			}
			kit.Expect(t, f.post(n1, "b.jpg", waitFor("0")), 202, "nodes-behind")
			f.expectGone("a.jpg", n1)
			if !has(n2, "a.jpg") {
				t.Fatal("the tree of n2 has nothing to lose")
			}
			aid.Must(t, n2.StartDaemon(t.Context()))
			f.waitReady(n2)
			f.expectGone("a.jpg", n2)
			f.expectGone("b.jpg", n2)
			if !has(n2, "c.jpg") {
				t.Error("n2 has lost more than was purged")
			}
			if out, code := f.purge(n1, "c.jpg"); code != 0 {
				t.Errorf("exit status %d, %q", code, out)
			}
			f.expectGone("c.jpg", n2)
		})
	}
}

// While the journal can't be written, nothing is purged.
func TestJournalIsAway(t *testing.T) { onJournals(t, testJournalIsAway) }

func testJournalIsAway(t *testing.T, kind string) {
	t.Helper()
	f := newFarmIn(t, kind, 1)
	r := f.nodes[0]
	f.fill("a.jpg")
	if kind == "folder" {
		aid.Must(t, os.RemoveAll(filepath.Join(f.journal, "journal")))
	} else {
		f.place.cut(0)
	}
	resp := f.post(r, "a.jpg", nil)
	kit.Expect(t, resp, 503, "journal")
	if !has(r, "a.jpg") {
		t.Error("it was purged all the same")
	}
	if out, code := f.purge(r, "a.jpg"); code != 1 || !strings.Contains(out, "purge again") {
		t.Errorf("exit status %d, %q", code, out)
	}
	// Hits and misses go on.
	f.fill("a.jpg", "b.jpg")
	kit.StopDaemon(t, r)
	if _, err := os.Stat(filepath.Join(f.journal, "journal")); err == nil {
		t.Error("the folder was made anew")
	}
}

// A machine that becomes a node by a reload purges nothing that the other nodes do not
// hear of, also before it has read the journal.
func TestBecomesANode(t *testing.T) { onJournals(t, testBecomesANode) }

func testBecomesANode(t *testing.T, kind string) {
	t.Helper()
	f := &farm{t: t, place: newPlace(t, kind)}
	f.journal = f.place.url()
	f.place.cut(0)
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg"}))},
		Keys:  keys(),
	})
	f.nodes = []*rig.Rig{r}
	f.fill("a.jpg")
	kit.Configure(t, r, kit.Configuration(t, r)+f.table(0))
	kit.HangUp(t, r)
	kit.WaitLog(t, r, 1, "the journal can't be read")
	kit.Expect(t, f.post(r, "a.jpg", nil), 503, "journal")
	if !has(r, "a.jpg") {
		t.Error("it was purged all the same")
	}
	f.place.mend(0)
	f.waitReady(r)
	kit.Expect(t, f.post(r, "a.jpg", nil), 200, "")
}

// A second daemon on a tree is refused, and told of the first, which serves on.
func TestTreeOfTwoDaemons(t *testing.T) {
	f := newFarm(t, 1)
	r := f.nodes[0]
	f.fill("a.jpg")
	out, err := kit.Thumbd(t, "serve", "-c", kit.ConfigFile(r), "--listen", filepath.Join(t.TempDir(), "second.sock"))
	exit, ok := errors.AsType[*exec.ExitError](err)
	if want := fmt.Sprintf("another thumbd (process %d on ", r.DaemonPID()); !ok || exit.ExitCode() != 1 || !strings.Contains(out, want) {
		t.Errorf("%v, %q, want exit status 1 and %q", err, out, want)
	}
	f.fill("b.jpg")
	r.KillDaemon()
	aid.Must(t, r.StartDaemon(t.Context()))
	f.fill("c.jpg")
}

// A node that is forgotten is waited for no more.
func TestForget(t *testing.T) { onJournals(t, testForget) }

func testForget(t *testing.T, kind string) {
	t.Helper()
	f := newFarmIn(t, kind, 2)
	kit.StopDaemon(t, f.nodes[1])
	kit.Expect(t, f.post(f.nodes[0], "a.jpg", waitFor("0")), 202, "nodes-behind")
	for _, tt := range []struct {
		name string
		code int
	}{{"n2", 0}, {"n2", 2}, {"n1", 2}} {
		out, err := kit.Thumbd(t, "status", "--nodes", "--forget", tt.name, "--admin", f.nodes[0].AdminPath())
		exit, _ := errors.AsType[*exec.ExitError](err)
		if code := exit != nil && exit.ExitCode() == 2; code != (tt.code == 2) {
			t.Errorf("forget %s: %v, %q", tt.name, err, out)
		}
	}
	kit.Expect(t, f.post(f.nodes[0], "a.jpg", nil), 200, "")
}

// A node that serves downloads alone holds up no purge.
func TestNodeOfDownloads(t *testing.T) {
	f := newFarm(t, 1)
	o := kit.Downloads(t, kit.Documents(t))
	o.Sites = nil
	o.Keys["nodes.key"] = groupKey
	o.TOML += "[daemon]\nidle_exit = \"0\"\n" + f.table(1)
	n2 := kit.Start(t, o)
	f.waitReady(n2)
	f.fill("a.jpg")
	kit.Expect(t, f.post(f.nodes[0], "a.jpg", nil), 200, "")
}

// Without [nodes] there is nothing of all this.
func TestOneMachine(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg"})
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}})
	f := &farm{t: t, nodes: []*rig.Rig{r}}
	f.fill("a.jpg")
	kit.Expect(t, f.ready(r), 404, "no-service")
	kit.Expect(t, kit.Do(t, r, rig.Request{Target: "/nodes", Admin: true}), 404, "no-service")
	kit.Expect(t, f.post(r, "a.jpg", nil), 200, "")
	if metrics := string(kit.Do(t, r, rig.Request{Target: "/metrics", Admin: true}).Body); strings.Contains(metrics, "journal") || strings.Contains(metrics, "nodes") {
		t.Error("the metrics have a journal")
	}
	if out, err := kit.Thumbd(t, "status", "--nodes", "--admin", r.AdminPath()); err == nil || !strings.Contains(out, "no [nodes]") {
		t.Errorf("status --nodes: %v, %q", err, out)
	}
	if _, err := os.Stat(filepath.Join(r.Root("gallery"), "thumbs/.thumbd/journal.json")); err == nil {
		t.Error("the tree has a journal.json")
	}
}
