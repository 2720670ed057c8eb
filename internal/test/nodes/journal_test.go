// SPDX-License-Identifier: MIT

package nodes

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/store"
)

// kinds are the kinds of journals.
var kinds = []string{"folder", "bucket"}

// onJournals runs a test on a journal of each kind.
func onJournals(t *testing.T, test func(t *testing.T, kind string)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) { test(t, kind) })
	}
}

// place is the place of a farm's journal.
type place interface {
	// url is the value of journal, and section the section that a node has after [nodes].
	url() string
	section(node int) string
	// cut cuts the way of a node to the journal, and mends it.
	cut(node int)
	mend(node int)
	entries() int
}

func newPlace(t *testing.T, kind string) place {
	t.Helper()
	if kind == "folder" {
		return &folder{t, t.TempDir()}
	}
	return &bucket{t: t, store: store.Start(t, "media"), ways: make(map[int]*way)}
}

// folder is a journal in a folder. All nodes have the same way to it.
type folder struct {
	t    *testing.T
	path string
}

func (f *folder) url() string        { return f.path }
func (f *folder) section(int) string { return "" }
func (f *folder) cut(int)            { aid.Must(f.t, os.Rename(f.path, f.path+".away")) }
func (f *folder) mend(int)           { aid.Must(f.t, os.Rename(f.path+".away", f.path)) }

func (f *folder) entries() int {
	names, err := os.ReadDir(filepath.Join(f.path, "journal"))
	aid.Must(f.t, err)
	return len(names)
}

// bucket is a journal in a bucket of a real store. Each node has a way of its own.
type bucket struct {
	t     *testing.T
	store *store.Store
	ways  map[int]*way
}

// way is the way of a node to the store.
type way struct {
	endpoint string
	fault    atomic.Pointer[http.HandlerFunc]
	delay    atomic.Int64           // of each request, in nanoseconds
	written  atomic.Pointer[func()] // is called when an entry was written, before the answer
}

func (b *bucket) url() string { return "s3://media/thumbd/" }

func (b *bucket) section(node int) string {
	return fmt.Sprintf("[nodes.s3]\nendpoint = %q\nregion = %q\naccess_key = \"s3-access\"\nsecret_key = \"s3-secret\"\nallow_addresses = [%q]\n",
		b.way(node).endpoint, store.Region, store.Address)
}

func (b *bucket) way(node int) *way {
	w := b.ways[node]
	if w == nil {
		w = new(way)
		b.ways[node] = w
		w.endpoint = b.store.Through(func(rw http.ResponseWriter, r *http.Request, store http.Handler) {
			if fault := w.fault.Load(); fault != nil {
				(*fault)(rw, r)
				return
			}
			time.Sleep(time.Duration(w.delay.Load()))
			store.ServeHTTP(rw, r)
			if written := w.written.Load(); written != nil && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/journal/") {
				(*written)()
			}
		})
	}
	return w
}

// set sets the fault of a node's way, or none.
func (b *bucket) set(node int, fault http.HandlerFunc) {
	if fault == nil {
		b.way(node).fault.Store(nil)
		return
	}
	b.way(node).fault.Store(&fault)
}

func (b *bucket) cut(node int) {
	b.set(node, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

func (b *bucket) mend(node int) { b.set(node, nil) }

func (b *bucket) entries() int { return len(b.store.List("media", "thumbd/journal/")) }

// A node that is cut off from the store while the others are not is named, and has none of
// the purged thumbnails once it is ready again. It serves on meanwhile.
func TestNodeIsCutOff(t *testing.T) {
	f := newFarmIn(t, "bucket", 2, `lag = "1s"`)
	n1, n2 := f.nodes[0], f.nodes[1]
	f.fill("a.jpg", "b.jpg")
	f.place.cut(1)
	f.waitStatus(n2, 503, "behind")
	resp := f.post(n1, "a.jpg", waitFor("200ms"))
	kit.Expect(t, resp, 202, "nodes-behind")
	if !strings.Contains(string(resp.Body), "\nn2: ") {
		t.Errorf("body %q, want a line of n2", resp.Body)
	}
	kit.Expect(t, f.post(n2, "b.jpg", nil), 503, "journal")
	if !has(n2, "a.jpg") || !has(n2, "b.jpg") {
		t.Error("n2 has purged something while it was cut off")
	}
	kit.Picture(t, kit.Get(t, n2, uri("c.jpg")), "jpeg", 20, 20)
	f.place.mend(1)
	f.waitReady(n2)
	f.expectGone("a.jpg", n1, n2)
	if !has(n2, "b.jpg") || !has(n2, "c.jpg") {
		t.Error("n2 has lost more than was purged")
	}
}

// A store that hangs holds up a purge for seconds, and nothing else. The purge is refused.
func TestStoreHangs(t *testing.T) {
	f := newFarmIn(t, "bucket", 1, `lag = "1s"`)
	n1 := f.nodes[0]
	f.fill("a.jpg")
	end := make(chan struct{})
	defer close(end)
	f.place.(*bucket).set(0, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})
	kit.Expect(t, f.post(n1, "a.jpg", nil), 503, "journal")
	f.waitStatus(n1, 503, "behind")
	if !has(n1, "a.jpg") {
		t.Error("it was purged all the same")
	}
	kit.Picture(t, kit.Get(t, n1, uri("b.jpg")), "jpeg", 20, 20)
	f.place.mend(0)
	f.waitReady(n1)
	kit.Expect(t, f.post(n1, "a.jpg", nil), 200, "")
	f.expectGone("a.jpg", n1)
	if log := n1.Log.String(); strings.Contains(log, store.SecretKey) || strings.Contains(log, "Signature=") {
		t.Error("the log has a secret")
	}
}

// A node that is killed when it has written an entry and purged nothing applies its own
// entry after the start.
func TestKilledAfterTheEntry(t *testing.T) {
	f := newFarmIn(t, "bucket", 2)
	n1, n2 := f.nodes[0], f.nodes[1]
	f.fill("a.jpg", "b.jpg")
	kill := n1.KillDaemon
	f.place.(*bucket).way(0).written.Store(&kill)
	if out, code := f.purge(n1, "a.jpg"); code == 0 {
		t.Errorf("exit status 0, %q", out)
	}
	f.place.(*bucket).way(0).written.Store(nil)
	if !has(n1, "a.jpg") {
		t.Fatal("it was purged before n1 was killed")
	}
	aid.Must(t, n1.StartDaemon(t.Context()))
	f.waitReady(n1)
	f.expectGone("a.jpg", n1)
	if !has(n1, "b.jpg") {
		t.Error("n1 has lost more than was purged")
	}
	// The answer to the next purge is of all entries.
	kit.Expect(t, f.post(n1, "b.jpg", nil), 200, "")
	f.expectGone("a.jpg", n2)
	f.expectGone("b.jpg", n1, n2)
}

// thumbd check asks the store for the journal.
func TestCheckOfABucket(t *testing.T) {
	f := newFarmIn(t, "bucket", 1)
	file := kit.ConfigFile(f.nodes[0])
	if out, err := kit.Thumbd(t, "check", "-c", file); err != nil {
		t.Errorf("%v, %s", err, out)
	}
	f.place.(*bucket).set(0, func(w http.ResponseWriter, _ *http.Request) { store.Refuse(w, 403, "SignatureDoesNotMatch") })
	out, err := kit.Thumbd(t, "check", "-c", file)
	if err == nil || !strings.Contains(out, "the journal s3://media/thumbd/: ") || !strings.Contains(out, "SignatureDoesNotMatch") || strings.Contains(out, store.SecretKey) {
		t.Errorf("%v, %s", err, out)
	}
}

// The keys of the journal come from AWS's chain, which gives this command none: the unit may
// have others, so that is a warning.
func TestCheckOfABucketWithoutKeys(t *testing.T) {
	f := newFarmIn(t, "bucket", 1)
	file := kit.ConfigFile(f.nodes[0])
	text, err := os.ReadFile(file)
	aid.Must(t, err)
	const keys = "access_key = \"s3-access\"\nsecret_key = \"s3-secret\""
	if !strings.Contains(string(text), keys) {
		t.Fatalf("%s has no %s", file, keys)
	}
	kit.Put(t, file, []byte(strings.Replace(string(text), keys, `credentials = "aws"`, 1)))
	kit.Chain(t)
	out, err := kit.Thumbd(t, "check", "-c", file)
	if err != nil || strings.Count(out, "warning: ") != 1 || !strings.Contains(out, "the journal s3://media/thumbd/: ") || !strings.Contains(out, "another environment than thumbd.service") {
		t.Errorf("%v, %s", err, out)
	}
}
