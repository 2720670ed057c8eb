// SPDX-License-Identifier: MIT

package fetch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/test/aid"
)

func TestOneFetchForAllWhoWait(t *testing.T) {
	const clients = 50
	asked, goOn := make(chan struct{}, clients), make(chan struct{})
	o := startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-goOn
		_, _ = w.Write(jpeg(1000))
	})), nil)
	var clientsDone sync.WaitGroup
	for range clients {
		clientsDone.Go(func() {
			if got, _, err := open(t, o, "a.jpg"); err != nil || len(got) != 1000 {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	<-asked
	aid.Await(t, func() bool { return o.callers() == clients })
	close(goOn)
	clientsDone.Wait()
	if n := len(asked); n != 0 {
		t.Errorf("the origin was asked %d times more", n)
	}
}

// callers returns how many wait for all flights.
func (o *Origin) callers() int {
	_, n := o.flights.Callers()
	return n
}

// The last who goes away ends the fetch, and one who goes before does not.
func TestFetchEndsWithTheLastWaiter(t *testing.T) {
	asked, ended := make(chan struct{}, 2), make(chan struct{})
	o := startOrigin(t, serveOn(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		close(ended)
	})), nil)
	var cancels []context.CancelFunc
	errs := make(chan error, 2)
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		cancels = append(cancels, cancel)
		go func() {
			_, _, err := o.Open(ctx, "a.jpg")
			errs <- err
		}()
	}
	<-asked
	aid.Await(t, func() bool { return o.callers() == 2 })
	cancels[0]()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	if n := o.callers(); n != 1 {
		t.Errorf("%d wait for the fetch, want the last", n)
	}
	cancels[1]()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("the last: %v", err)
	}
	<-ended
	o.flights.Wait()
	if left := files(t, o.spool); len(left) > 0 {
		t.Errorf("in the spool: %q", left)
	}
}

// Forget ends a fetch in progress, so that its callers wait for the new one alone.
func TestForgetEndsAFetch(t *testing.T) {
	asked, end := make(chan struct{}), make(chan struct{})
	var requests atomic.Int64
	o := startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			close(asked)
			select {
			case <-r.Context().Done():
			case <-end:
			}
			return
		}
		_, _ = w.Write(jpeg(1000))
	})), nil)
	defer close(end)
	got := make(chan string, 1)
	go func() {
		data, _, err := open(t, o, "a.jpg")
		if err != nil {
			t.Error(err)
		}
		got <- data
	}()
	<-asked
	o.Forget(originals.Forgotten{Covers: func(string) bool { return true }})
	if n := len(<-got); n != 1000 || requests.Load() != 2 {
		t.Errorf("%d bytes after %d requests", n, requests.Load())
	}
}

// If an original is purged again and again, requests for it end all the same.
func TestPurgedAgainAndAgain(t *testing.T) {
	var o *Origin
	o = startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		o.Forget(originals.Forgotten{Names: []string{"a.jpg"}, Covers: func(name string) bool { return name == "a.jpg" }})
		_, _ = w.Write(jpeg(1000))
	})), func(o *Options) { o.TotalTime = time.Second })
	if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, originals.ErrSlow) {
		t.Errorf("got %v, want %v", err, originals.ErrSlow)
	}
}

// add notes the error of a fetch of the original with this key, begun at start.
func (m *memory) add(key string, start time.Time, err error) {
	_ = m.note(&run{of: original{key: key}, start: start}, err)
}

func TestRefusalsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		start := time.Now()
		time.Sleep(time.Second)
		m.answered()
		m.add("gone", start, fmt.Errorf("a: %w", fs.ErrNotExist))
		m.add("late", start, fmt.Errorf("b: %w", originals.ErrSlow))
		m.add("left", start, context.Canceled)
		m.add("busy", start, originals.ErrBusy)
		expect := func(key string, want error) {
			t.Helper()
			if got := m.get(key); !errors.Is(got, want) {
				t.Errorf("%s: %v, want %v", key, got, want)
			}
		}
		expect("gone", fs.ErrNotExist)
		expect("late", originals.ErrSlow)
		for _, key := range []string{"left", "busy", "other"} {
			expect(key, nil)
		}
		time.Sleep(troubleTime)
		expect("late", nil)
		expect("gone", fs.ErrNotExist)
		time.Sleep(refusalTime)
		expect("gone", nil)

		dial := fmt.Errorf("%w: %w", originals.ErrOrigin, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
		m.add("one", time.Now(), dial)
		expect("other", dial)
		m.answered()
		expect("other", nil)
		m.add("one", time.Now().Add(1), dial)
		expect("other", dial)
		time.Sleep(troubleTime)
		expect("other", nil)
		m.add("one", time.Now(), fmt.Errorf("%w: %w", originals.ErrOrigin, io.EOF))
		expect("one", originals.ErrOrigin)
		expect("other", nil)
	})
}

// TestRefusalsOfOriginsAreBounded has more originals refused than are remembered.
func TestRefusalsOfOriginsAreBounded(t *testing.T) {
	const most = 4096 // SECURITY.md says so.
	m := newMemory()
	for i := range most + 100 {
		m.add(strconv.Itoa(i), time.Now(), fs.ErrNotExist)
	}
	if n := m.refusals.Len(); n != most {
		t.Errorf("%d refusals are remembered, want %d", n, most)
	}
	if m.get(strconv.Itoa(most+99)) == nil {
		t.Error("the last one is forgotten")
	}
}

// One original that is late is late alone, however often; with two of which
// nothing was heard, nor of another meanwhile, it is the origin.
func TestLateOriginals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		fail := func(key string) {
			t.Helper()
			time.Sleep(time.Second)
			start := time.Now()
			time.Sleep(10 * time.Second)
			m.add(key, start, originals.ErrSlow)
		}
		expect := func(what string, want error) {
			t.Helper()
			if got := m.get("other"); !errors.Is(got, want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		fail("one")
		expect("the first", nil)
		fail("one")
		expect("the same again", nil)
		m.answered()
		fail("two")
		expect("another, after an answer", nil)
		fail("one")
		expect("both since the answer", originals.ErrSlow)
		time.Sleep(troubleTime)
		expect("later", nil)
		fail("three")
		expect("still nothing", originals.ErrSlow)
		m.answered()
		expect("an answer", nil)
		fail("three")
		expect("the first since the answer", nil)
	})
}

// Whoever asks for others meanwhile is served.
func TestOneOriginalThatHangs(t *testing.T) {
	o := startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangs.jpg" {
			<-r.Context().Done()
			return
		}
		_, _ = w.Write(jpeg(100))
	})), func(o *Options) { o.HeaderTime = 100 * time.Millisecond })
	for range 2 {
		if _, _, err := open(t, o, "hangs.jpg"); !errors.Is(err, originals.ErrSlow) {
			t.Error(err)
		}
		if _, _, err := open(t, o, "other.jpg"); err != nil {
			t.Error(err)
		}
	}
}

// An origin that does not answer keeps nobody waiting but those who came
// first.
func TestSilentOriginIsRemembered(t *testing.T) {
	var asked atomic.Int64
	o := startOrigin(t, serveOn(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
	})), func(o *Options) { o.HeaderTime, o.Fetches = 100*time.Millisecond, 1 })
	var waiting sync.WaitGroup
	for i := range 20 {
		waiting.Go(func() {
			if _, _, err := open(t, o, strconv.Itoa(i)+".jpg"); !errors.Is(err, originals.ErrSlow) {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	if n := asked.Load(); n != 2 {
		t.Errorf("the origin was asked %d times, want twice", n)
	}
}

func TestNotTooManyAtOnce(t *testing.T) {
	var now, most atomic.Int64
	goOn := make(chan struct{})
	o := startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		<-goOn
		now.Add(-1)
		_, _ = w.Write(jpeg(100))
	})), func(o *Options) { o.Fetches, o.Queue = 2, 3 })
	var waiting sync.WaitGroup
	for i := range 5 {
		waiting.Go(func() {
			if _, _, err := open(t, o, strconv.Itoa(i)+".jpg"); err != nil {
				t.Error(err)
			}
		})
	}
	aid.Await(t, func() bool { return o.waiting.Load() == 3 && now.Load() == 2 })
	if _, _, err := open(t, o, "one-too-many.jpg"); !errors.Is(err, originals.ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	if n, _ := o.flights.Callers(); n != 5 {
		t.Errorf("%d fetches in flight, want 5", n)
	}
	close(goOn)
	waiting.Wait()
	if n := most.Load(); n != 2 {
		t.Errorf("%d at once, want 2", n)
	}
}

// A connection that the origin has closed meanwhile is no trouble.
func TestKeptConnectionThatIsClosed(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.2:0")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + string(jpeg(100))))
			}
			conn.Close()
		}
	}()
	o := startOrigin(t, "http://"+l.Addr().String()+"/", nil)
	for i := range 20 {
		if _, _, err := open(t, o, strconv.Itoa(i)+".jpg"); err != nil {
			t.Fatal(err)
		}
	}
}

// The time that a store asks for counts if it is longer than ours.
func TestRetryAfterIsKept(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	now := start
	m := newMemory()
	m.now = func() time.Time { return now }
	m.add("a", start, SlowDown(http.Header{"Retry-After": {"7"}}, "status 503"))
	for after, want := range map[time.Duration]bool{0: true, 6 * time.Second: true, 7 * time.Second: false} {
		now = start.Add(after)
		if err := m.slowed(); (err != nil) != want {
			t.Errorf("after %v: got %v, want an error: %v", after, err, want)
		}
	}
}
