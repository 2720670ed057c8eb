// SPDX-License-Identifier: MIT

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/s3"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/store"
)

// bucket returns the journal below thumbd/ of the bucket media of a store.
func bucket(t *testing.T, endpoint string) *Bucket {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return NewBucket(s3.Options{
		Bucket: "media", Prefix: "thumbd/", Endpoint: u, Region: store.Region, PathStyle: true,
		AccessKey: store.AccessKey, SecretKey: store.SecretKey,
	}, []netip.Prefix{netip.MustParsePrefix(store.Address + "/32")})
}

// stores are the kinds of stores. A function makes an empty store, and returns a function
// that opens it: for each node one Store.
var stores = map[string]func(t *testing.T) func() Store{
	"folder": func(t *testing.T) func() Store {
		top := t.TempDir()
		return func() Store { return NewFolder(top) }
	},
	"bucket": func(t *testing.T) func() Store {
		s := store.Start(t, "media")
		return func() Store { return bucket(t, s.Endpoint) }
	},
}

// onStores runs a test on a store of each kind.
func onStores(t *testing.T, test func(t *testing.T, open func() Store)) {
	t.Helper()
	for kind, start := range stores {
		t.Run(kind, func(t *testing.T) { test(t, start(t)) })
	}
}

func TestStore(t *testing.T) {
	onStores(t, func(t *testing.T, open func() Store) {
		s, ctx := open(), t.Context()
		if err := s.Make(ctx); err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{entries, nodes} {
			if names, err := s.List(ctx, folder, ""); err != nil || len(names) > 0 {
				t.Errorf("%s has %v, %v", folder, names, err)
			}
		}
		for _, name := range []string{"c", "a", "b"} {
			if now, err := s.Put(ctx, entries+name, []byte(name)); err != nil || time.Since(now) > time.Minute || time.Until(now) > time.Minute {
				t.Fatalf("%v, %v", now, err)
			}
		}
		if names, err := s.List(ctx, entries, "a"); err != nil || !slices.Equal(names, []string{"b", "c"}) {
			t.Errorf("%v, %v", names, err)
		}
		if names, err := s.List(ctx, entries, "c"); err != nil || len(names) > 0 {
			t.Errorf("%v, %v", names, err)
		}
		if data, err := s.Get(ctx, entries+"b"); string(data) != "b" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
		if _, err := s.Get(ctx, nodes+"b"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want %v", err, fs.ErrNotExist)
		}
		for range 2 {
			if err := s.Delete(ctx, entries+"b"); err != nil {
				t.Error(err)
			}
		}
		for data, want := range map[string]error{strings.Repeat("x", MaxBytes): nil, strings.Repeat("x", MaxBytes+1): errFormat, "": nil} {
			_, err := s.Put(ctx, entries+"large", []byte(data))
			got, gerr := s.Get(ctx, entries+"large")
			if err != nil || !errors.Is(gerr, want) || want == nil && string(got) != data {
				t.Errorf("%d bytes are %d bytes, %v, %v, want %v", len(data), len(got), err, gerr, want)
			}
		}
	})
}

// A list may have more names than one answer of a store.
func TestLongList(t *testing.T) {
	s := bucket(t, store.Start(t, "media").Endpoint)
	const most = 1003
	var writers sync.WaitGroup
	for first := range 8 {
		writers.Go(func() {
			for i := first; i < most; i += 8 {
				if _, err := s.Put(t.Context(), fmt.Sprintf("%s%04d", entries, i), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	for after, want := range map[string]int{"": most, "0001": most - 2} {
		if names, err := s.List(t.Context(), entries, after); err != nil || len(names) != want || !slices.IsSorted(names) {
			t.Errorf("after %q: %d names, want %d, %v", after, len(names), want, err)
		}
	}
}

// way is one node's connection to a store. A test can set a fault in it.
type way struct {
	*Bucket
	fault atomic.Pointer[http.HandlerFunc]
	asked atomic.Int64
}

// newWay returns a way to s without a fault.
func newWay(t *testing.T, s *store.Store) *way {
	w := new(way)
	w.Bucket = bucket(t, s.Through(func(rw http.ResponseWriter, r *http.Request, store http.Handler) {
		w.asked.Add(1)
		if fault := w.fault.Load(); fault != nil {
			(*fault)(rw, r)
			return
		}
		store.ServeHTTP(rw, r)
	}))
	return w
}

// set sets the fault, or none.
func (w *way) set(fault http.HandlerFunc) {
	if fault == nil {
		w.fault.Store(nil)
		return
	}
	w.fault.Store(&fault)
}

// faults are answers of a store with a fault.
var faults = map[string]http.HandlerFunc{
	"500":       func(w http.ResponseWriter, _ *http.Request) { store.Refuse(w, 500, "InternalError") },
	"slow down": func(w http.ResponseWriter, _ *http.Request) { store.Refuse(w, 503, "SlowDown") },
	"no right":  func(w http.ResponseWriter, _ *http.Request) { store.Refuse(w, 403, "AccessDenied") },
	"other key": func(w http.ResponseWriter, _ *http.Request) { store.Refuse(w, 403, "SignatureDoesNotMatch") },
	"no bucket": func(w http.ResponseWriter, _ *http.Request) { store.Refuse(w, 404, "NoSuchBucket") },
	"no key":    func(w http.ResponseWriter, _ *http.Request) { store.Refuse(w, 404, "NoSuchKey") },
	"cut off": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusOK)
		panic(http.ErrAbortHandler)
	},
	"closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"no list": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		fmt.Fprint(w, "<html>not a store</html>")
	},
	"a list that is cut": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>thumbd/journal/20261129T011530.123456Z-n1-k3x`)
	},
	"a list without an end": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		fmt.Fprint(w, `<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>`)
	},
}

// While the store has a fault, each operation returns an error without the secret key.
// Afterwards all operations succeed.
func TestFaults(t *testing.T) {
	s := store.Start(t, "media")
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWay(t, s), t.Context()
			mine := entries + strings.ReplaceAll(name, " ", "-")
			w.set(fault)
			_, put := w.Put(ctx, mine, []byte("x"))
			_, list := w.List(ctx, entries, "")
			for what, err := range map[string]error{"put": put, "list": list} {
				if err == nil || errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%s: got %v, want an error that tells the store's trouble", what, err)
				}
			}
			if name == "no right" && (!strings.Contains(put.Error(), "s3:PutObject") || !strings.Contains(list.Error(), "s3:ListBucket")) {
				t.Errorf("got %v and %v, want the rights that are missing", put, list)
			}
			if _, err := w.Get(ctx, mine); err == nil && !strings.Contains(name, "list") || errors.Is(err, fs.ErrNotExist) != (name == "no key") {
				t.Errorf("get: got %v", err)
			}
			w.set(nil)
			for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
				_, err := w.Put(ctx, mine, []byte("x"))
				if err == nil {
					break
				}
				if !errors.Is(err, originals.ErrSlowDown) || time.Now().After(end) {
					t.Fatalf("after the fault: %v", err)
				}
			}
			if data, err := w.Get(ctx, mine); string(data) != "x" || err != nil {
				t.Errorf("after the fault: got %q, %v", data, err)
			}
		})
	}
}

// A write succeeds although the store fails twice or asks for fewer requests once, also if
// the store has written the file all the same.
func TestWriteIsTriedAgain(t *testing.T) {
	s := store.Start(t, "media")
	for name, tt := range map[string]struct {
		fails int64
		done  bool
		fault http.HandlerFunc
	}{
		"500":       {2, false, faults["500"]},
		"slow down": {1, false, faults["slow down"]},
		"done":      {2, true, faults["closed"]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			b := bucket(t, s.Through(func(w http.ResponseWriter, r *http.Request, store http.Handler) {
				if asked.Add(1) > tt.fails {
					store.ServeHTTP(w, r)
					return
				}
				if tt.done {
					store.ServeHTTP(discard{w}, r)
				}
				tt.fault(w, r)
			}))
			file := entries + strings.ReplaceAll(name, " ", "-")
			if _, err := b.Put(t.Context(), file, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if data, err := b.Get(t.Context(), file); string(data) != "x" || err != nil {
				t.Errorf("got %q, %v", data, err)
			}
		})
	}
}

// discard loses an answer.
type discard struct{ http.ResponseWriter }

func (discard) Header() http.Header         { return make(http.Header) }
func (discard) WriteHeader(int)             {}
func (discard) Write(p []byte) (int, error) { return len(p), nil }

// shift changes the Date of an answer.
type shift struct {
	http.ResponseWriter
	by time.Duration
}

func (s shift) WriteHeader(status int) {
	if at, err := http.ParseTime(s.Header().Get("Date")); err == nil {
		s.Header().Set("Date", at.Add(s.by).UTC().Format(http.TimeFormat))
	}
	s.ResponseWriter.WriteHeader(status)
}

// quickly sets short times, for tests in real time.
func quickly(o *Options) { o.Poll = 50 * time.Millisecond }

// On a real store of each kind a purge reaches all nodes. A node that was killed has
// applied all entries when it has read the journal again.
func TestNodesOnAStore(t *testing.T) {
	onStores(t, func(t *testing.T, open func() Store) {
		a := join(t, open(), "n1", newTree("x", "y"), quickly)
		b := join(t, open(), "n2", newTree("x", "y"), quickly)
		<-a.Caught()
		<-b.Caught()
		if behind := a.purge(t, original("x"), time.Minute); behind != nil || !slices.Equal(b.tree.has(), []string{"y"}) {
			t.Errorf("behind: %v, left %v", behind, b.tree.has())
		}
		b.kill()
		if behind := a.purge(t, original("y"), 0); len(behind) != 1 || behind[0].Node != "n2" {
			t.Errorf("behind: %v, want n2", behind)
		}
		b = join(t, open(), "n2", b.tree, quickly)
		<-b.Caught()
		if left := append(a.tree.has(), b.tree.has()...); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	})
}

// The store's clock seems 4 minutes behind to one node and 4 minutes ahead to the other,
// and no purge is lost, whichever is the first.
func TestClocksOfAStore(t *testing.T) {
	s := store.Start(t, "media")
	at := func(by time.Duration) Store {
		return bucket(t, s.Through(func(w http.ResponseWriter, r *http.Request, store http.Handler) { store.ServeHTTP(shift{w, by}, r) }))
	}
	a := join(t, at(-4*time.Minute), "n1", newTree("x", "y", "z"), quickly)
	b := join(t, at(4*time.Minute), "n2", newTree("x", "y", "z"), quickly)
	<-a.Caught()
	<-b.Caught()
	if ahead := b.State().Offset - a.State().Offset; ahead < 7*time.Minute {
		t.Fatalf("the clocks are %v apart", ahead)
	}
	for i, m := range []*member{b, a, b} {
		name := string("xyz"[i])
		if behind := m.purge(t, original(name), time.Minute); behind != nil {
			t.Errorf("%s: behind: %v", m.Name(), behind)
		}
		for _, m := range []*member{a, b} {
			if slices.Contains(m.tree.has(), name) {
				t.Errorf("%s has %s", m.Name(), name)
			}
		}
	}
}

// While the store has a fault a node is behind and purges nothing. Then it catches up.
func TestNodeWithFaults(t *testing.T) {
	s := store.Start(t, "media")
	a := join(t, bucket(t, s.Endpoint), "n1", newTree(), quickly)
	<-a.Caught()
	for _, name := range []string{"500", "slow down", "cut off", "a list without an end"} {
		t.Run(name, func(t *testing.T) {
			w := newWay(t, s)
			b := join(t, w, "n2", newTree("x", "y"), func(o *Options) { o.Poll, o.Lag = 50*time.Millisecond, 200*time.Millisecond })
			<-b.Caught()
			w.set(faults[name])
			aid.Await(t, func() bool { return b.State().Behind && b.State().Unread != nil })
			if _, err := b.Write(t.Context(), original("y")); !errors.Is(err, ErrUnwritten) {
				t.Errorf("got %v, want %v", err, ErrUnwritten)
			}
			if behind := a.purge(t, original("x"), 0); len(behind) != 1 || behind[0].Node != "n2" {
				t.Errorf("behind: %v, want n2", behind)
			}
			w.set(nil)
			aid.Await(t, func() bool { return b.State().Unread == nil && !slices.Contains(b.tree.has(), "x") })
			if !slices.Equal(b.tree.has(), []string{"y"}) {
				t.Errorf("left %v, want y", b.tree.has())
			}
			b.stop()
			if err := a.Forget(t.Context(), "n2"); err != nil {
				t.Error(err)
			}
		})
	}
}

// A store that answers late delays a purge of all nodes, and loses nothing.
func TestNodesOnASlowStore(t *testing.T) {
	s := store.Start(t, "media")
	slow := s.Through(func(w http.ResponseWriter, r *http.Request, store http.Handler) {
		time.Sleep(200 * time.Millisecond)
		store.ServeHTTP(w, r)
	})
	a := join(t, bucket(t, slow), "n1", newTree("x", "y"), quickly)
	b := join(t, bucket(t, slow), "n2", newTree("x", "y"), quickly)
	<-a.Caught()
	<-b.Caught()
	if behind := a.purge(t, original("x"), time.Minute); behind != nil {
		t.Errorf("behind: %v", behind)
	}
	if left := b.tree.has(); !slices.Equal(left, []string{"y"}) {
		t.Errorf("left %v at the other node, want y", left)
	}
}
