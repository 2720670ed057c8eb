// SPDX-License-Identifier: MIT

package fetch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/thumb"
)

// silent answers nothing until the test ends or the client goes away.
func silent(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// raw answers with what is not made by net/http, and hangs up.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		// An error is the client's going away.
		_, _ = io.WriteString(conn, answer)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	// An error is the client's going away.
	_, _ = z.Write(jpeg(10 << 20))
	_ = z.Close()
}

// drip sends a byte at a time for ever.
func drip(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write(jpeg(1 << 16))
	for r.Context().Err() == nil {
		_, _ = w.Write([]byte{0})
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Millisecond)
	}
}

func TestWhatOriginsDo(t *testing.T) {
	brief := 50 * time.Millisecond
	for _, tt := range []struct {
		name   string
		origin http.HandlerFunc
		change func(*Origin)
		want   error
	}{
		{"it has none", status(404), nil, fs.ErrNotExist},
		{"it has one no more", status(410), nil, fs.ErrNotExist},
		{"it forbids", status(403), nil, ErrOrigin},
		{"it wants a password", status(401), nil, ErrOrigin},
		{"it fails", status(500), nil, ErrOrigin},
		{"it is overloaded", status(503), nil, ErrOrigin},
		{"it sends nothing", status(204), nil, ErrOrigin},
		{"it sends a part", status(206), nil, ErrOrigin},
		{"it says that nothing has changed, unasked", status(304), nil, ErrOrigin},
		{"it redirects nowhere", status(302), nil, ErrOrigin},
		{"it redirects for ever", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}, nil, ErrOrigin},
		{"it is no web server", raw("SSH-2.0-OpenSSH_9.2\r\n"), nil, ErrOrigin},
		{"it hangs up", raw(""), nil, ErrOrigin},
		{"it sends a header without end", raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-More: and more\r\n", 10_000)), nil, ErrOrigin},
		{"it sends less than it said", raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + string(jpeg(999))), nil, ErrOrigin},
		{"it breaks off between chunks", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + string(jpeg(100)) + "\r\n"), nil, ErrOrigin},
		{"it sends a length that is none", raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + string(jpeg(100))), nil, ErrOrigin},
		{"it says two lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Length: 99\r\n\r\n" + string(jpeg(100))), nil, ErrOrigin},
		{"it says that it is too large", raw("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + string(jpeg(100))), nil, originals.ErrTooLarge},
		{"it is too large and does not say so", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(jpeg(1 << 19))
			_, _ = w.Write(make([]byte, 1<<19+1))
		}, nil, originals.ErrTooLarge},
		{"it sends without end", func(w http.ResponseWriter, _ *http.Request) {
			for b, err := jpeg(1<<16), error(nil); err == nil; {
				_, err = w.Write(b)
			}
		}, nil, originals.ErrTooLarge},
		{"it sends what was compressed", bomb, nil, ErrOrigin},
		{"it sends a page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = io.WriteString(w, "<!doctype html><title>Log in</title>")
		}, nil, ErrType},
		{"it sends another format", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "\x89PNG\r\n\x1a\n and so on")
		}, nil, ErrType},
		{"it sends an empty file", status(200), nil, ErrType},
		{"it never answers", silentBefore, func(o *Origin) { o.options.HeaderTime = brief }, ErrSlow},
		{"it never sends the body", silent, func(o *Origin) { o.window = brief }, ErrSlow},
		{"it stops in the middle", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(jpeg(1 << 16))
			silent(w, r)
		}, func(o *Origin) { o.window = brief }, ErrSlow},
		{"it drips", drip, func(o *Origin) { o.window, o.options.Rate = brief, 1<<20 }, ErrSlow},
		{"it drips fast enough, and for ever", drip, func(o *Origin) { o.options.TotalTime = brief }, ErrSlow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := startOrigin(t, serveOn(t, tt.origin), nil)
			if tt.change != nil {
				tt.change(o)
				o.client = o.newClient(new(net.Resolver))
			}
			if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if left := files(t, o.spool); len(left) > 0 {
				t.Errorf("in the spool: %q", left)
			}
			if o.spool.coming != 0 || o.spool.stored != 0 {
				t.Errorf("counted: %d stored, %d coming", o.spool.stored, o.spool.coming)
			}
		})
	}
}

func silentBefore(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestOriginsThatCanNotBeReached(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.2:0")
	refusing := "http://" + l.Addr().String() + "/"
	l.Close()
	secure := httptest.NewUnstartedServer(status(200))
	secure.Listener.Close()
	secure.Listener = listen(t, "tcp4", "127.0.0.2:0")
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	mute := listen(t, "tcp4", "127.0.0.2:0")
	for _, tt := range []struct {
		name, base string
		want       error
	}{
		{"nobody listens", refusing, ErrOrigin},
		{"a certificate of nobody that is known", secure.URL + "/", ErrOrigin},
		{"plain HTTP to TLS", strings.Replace(secure.URL, "https", "http", 1) + "/", ErrOrigin},
		{"a name that does not exist", "http://does-not-exist.invalid/", ErrOrigin},
		{"a TLS that nobody speaks", "https://" + mute.Addr().String() + "/", ErrSlow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := startWith(t, tt.base, func(o *Options) { o.ConnectTime = 2 * time.Second },
				&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, errors.New("no name server")
				}})
			if errors.Is(tt.want, ErrSlow) {
				o.options.ConnectTime = 50 * time.Millisecond
				o.client = o.newClient(new(net.Resolver))
			}
			if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			// That a TLS server says what it is missing is an answer.
			if err := o.Probe(); !errors.Is(err, tt.want) && tt.name != "plain HTTP to TLS" {
				t.Errorf("Probe: got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	for code, good := range map[int]bool{200: true, 403: true, 404: true, 500: false, 503: false} {
		o := startOrigin(t, serveOn(t, status(code)), nil)
		if err := o.Probe(); (err == nil) != good {
			t.Errorf("status %d: %v", code, err)
		}
	}
}

func TestNamesAreEncoded(t *testing.T) {
	var asked atomic.Value
	base := serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.RequestURI)
		_, _ = w.Write(jpeg(100))
	}))
	o := startOrigin(t, base+"me%20dia/", nil)
	for name, want := range map[string]string{
		"a.jpg":           "/me%20dia/a.jpg",
		"b/c d.jpg":       "/me%20dia/b/c%20d.jpg",
		"50%.jpg":         "/me%20dia/50%25.jpg",
		"%2e%2e/x.jpg":    "/me%20dia/%252e%252e/x.jpg",
		"what?.jpg":       "/me%20dia/what%3F.jpg",
		"a#b.jpg":         "/me%20dia/a%23b.jpg",
		"a+b&c=d;e@f.jpg": "/me%20dia/a%2Bb%26c%3Dd%3Be%40f.jpg",
		`a\b.jpg`:         "/me%20dia/a%5Cb.jpg",
		"é\xff\r\n.jpg":   "/me%20dia/%C3%A9%FF%0D%0A.jpg",
		"http://x.jpg":    "",
		"a/../b.jpg":      "",
		"./a.jpg":         "",
		"/a.jpg":          "",
	} {
		asked.Store("")
		_, _, err := open(t, o, name)
		if got := asked.Load(); got != want || (err == nil) == (want == "") {
			t.Errorf("%q: asked for %q, %v, want %q", name, got, err, want)
		}
		if want == "" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got, want := o.Path("c d.jpg"), base+"me%20dia/c%20d.jpg"; got != want {
		t.Errorf("Path: %q, want %q", got, want)
	}
}

// shop is an origin with one original, which it keeps as nginx does.
type shop struct {
	mu           sync.Mutex
	body         string
	etag         string
	lastModified string
	status       int // instead of it
	sent, spared int
	headers      http.Header // of the last request
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headers = r.Header.Clone()
	for name, value := range map[string]string{"ETag": s.etag, "Last-Modified": s.lastModified} {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	matches := s.etag != "" && r.Header.Get("If-None-Match") == s.etag ||
		r.Header.Get("If-None-Match") == "" && s.lastModified != "" && r.Header.Get("If-Modified-Since") == s.lastModified
	switch {
	case s.status != 0:
		w.WriteHeader(s.status)
	case matches:
		s.spared++
		w.WriteHeader(http.StatusNotModified)
	default:
		s.sent++
		_, _ = io.WriteString(w, s.body)
	}
}

func (s *shop) set(change func(*shop)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *shop) counts() (sent, spared int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.spared
}

func version1() string { return string(jpeg(1000)) }
func version2() string { return string(jpeg(999)) + "\x01" }

func TestRevalidation(t *testing.T) {
	for _, tt := range []struct {
		name               string
		etag, lastModified string
		spared             int // of three
	}{
		{"both", `"1"`, "Sat, 01 Jan 2022 00:00:00 GMT", 2},
		{"an ETag", `W/"1"`, "", 2},
		{"a Last-Modified", "", "Sat, 01 Jan 2022 00:00:00 GMT", 2},
		{"neither", "", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &shop{body: version1(), etag: tt.etag, lastModified: tt.lastModified}
			o := startOrigin(t, serveOn(t, s), nil)
			var mtimes []time.Time
			for range 3 {
				got, mtime, err := open(t, o, "a.jpg")
				if err != nil || got != version1() {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				mtimes = append(mtimes, mtime)
			}
			if sent, spared := s.counts(); sent != 3-tt.spared || spared != tt.spared {
				t.Errorf("%d sent and %d spared, want %d spared of 3", sent, spared, tt.spared)
			}
			if mtimes[0] != mtimes[1] || mtimes[1] != mtimes[2] {
				t.Errorf("mtimes differ: %v", mtimes)
			}
			s.set(func(s *shop) {
				s.body = version2()
				if s.etag != "" {
					s.etag = `"2"`
				} else if s.lastModified != "" {
					s.lastModified = "Sun, 02 Jan 2022 00:00:00 GMT"
				}
			})
			got, mtime, err := open(t, o, "a.jpg")
			if err != nil || got != version2() || mtime.Equal(mtimes[0]) {
				t.Errorf("after a change: %d bytes of %v, %v", len(got), mtime, err)
			}
			if n := len(files(t, o.spool)); n != 2 {
				t.Errorf("%d files in the spool, want a record and its bytes", n)
			}
		})
	}
}

// Who comes after asks no more of the origin than who was there before, and
// gets nothing from the spool that the origin has taken back.
func TestOriginTakesBack(t *testing.T) {
	s := &shop{body: version1(), etag: `"1"`}
	o := startOrigin(t, serveOn(t, s), nil)
	if _, _, err := open(t, o, "a.jpg"); err != nil {
		t.Fatal(err)
	}
	for code, want := range map[int]error{404: fs.ErrNotExist, 500: ErrOrigin} {
		s.set(func(s *shop) { s.status = code })
		o.memory = newMemory()
		if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, want) {
			t.Errorf("status %d: %v, want %v", code, err, want)
		}
	}
	s.set(func(s *shop) { s.status = 0 })
	o.memory = newMemory()
	if _, _, err := open(t, o, "a.jpg"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestWhatIsAsked(t *testing.T) {
	s := &shop{body: version1(), etag: `"1"`, lastModified: "Sat, 01 Jan 2022 00:00:00 GMT"}
	base := serveOn(t, s)
	redirecting := serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, base+"a.jpg", http.StatusFound)
	}))
	o := startOrigin(t, redirecting, func(o *Options) {
		u, err := url.Parse(base)
		must(t, err)
		n, err := strconv.Atoi(u.Port())
		must(t, err)
		o.AllowPorts = []int{n}
	})
	for range 2 {
		if _, _, err := open(t, o, "a.jpg"); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"Accept-Encoding": "identity", "User-Agent": "thumbd", "Referer": "", "Cookie": "", "Range": "", "Authorization": "",
		"If-None-Match": `"1"`, "If-Modified-Since": "Sat, 01 Jan 2022 00:00:00 GMT",
	} {
		if got := s.headers.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestMtime(t *testing.T) {
	const date = "Sat, 01 Jan 2022 00:00:00 GMT"
	mtime := func(body, lastModified string) time.Time {
		o := startOrigin(t, serveOn(t, &shop{body: body, lastModified: lastModified}), nil)
		_, at, err := open(t, o, "a.jpg")
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if got := mtime(version1(), date).Truncate(time.Second).Format(http.TimeFormat); got != date {
		t.Errorf("seconds of %s, want %s", got, date)
	}
	for _, lastModified := range []string{date, "", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT"} {
		one, again, two := mtime(version1(), lastModified), mtime(version1(), lastModified), mtime(version2(), lastModified)
		if !one.Equal(again) {
			t.Errorf("Last-Modified %q: %v and %v for the same content", lastModified, one, again)
		}
		if one.Equal(two) {
			t.Errorf("Last-Modified %q: %v for two contents", lastModified, one)
		}
		if !one.Before(time.Now()) || one.Before(time.Unix(1, 0)) {
			t.Errorf("Last-Modified %q: %v", lastModified, one)
		}
	}
}

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
	waitFor(t, func() bool { return o.flights.waiters() == clients })
	close(goOn)
	clientsDone.Wait()
	if n := len(asked); n != 0 {
		t.Errorf("the origin was asked %d times more", n)
	}
}

// waiters returns how many wait for all flights.
func (f *flights) waiters() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, fl := range f.current {
		n += fl.waiters
	}
	return n
}

// waitFor returns when what is to come has come.
func waitFor(t *testing.T, come func() bool) {
	t.Helper()
	for begin := time.Now(); !come(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("it does not come")
		}
	}
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
	waitFor(t, func() bool { return o.flights.waiters() == 2 })
	cancels[0]()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	select {
	case <-ended:
		t.Error("the fetch ended with the first")
	default:
	}
	cancels[1]()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("the last: %v", err)
	}
	<-ended
	o.flights.wait()
	if left := files(t, o.spool); len(left) > 0 {
		t.Errorf("in the spool: %q", left)
	}
}

func TestRefusalsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		start := time.Now()
		time.Sleep(time.Second)
		m.answered()
		m.add("gone", start, fmt.Errorf("a: %w", fs.ErrNotExist))
		m.add("late", start, fmt.Errorf("b: %w", ErrSlow))
		m.add("left", start, context.Canceled)
		m.add("busy", start, ErrBusy)
		expect := func(key string, want error) {
			t.Helper()
			if got := m.get(key); !errors.Is(got, want) {
				t.Errorf("%s: %v, want %v", key, got, want)
			}
		}
		expect("gone", fs.ErrNotExist)
		expect("late", ErrSlow)
		for _, key := range []string{"left", "busy", "other"} {
			expect(key, nil)
		}
		time.Sleep(troubleTime)
		expect("late", nil)
		expect("gone", fs.ErrNotExist)
		time.Sleep(refusalTime)
		expect("gone", nil)

		// Nothing was heard since this began.
		dial := fmt.Errorf("%w: %w", ErrOrigin, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
		for _, err := range []error{dial, fmt.Errorf("c: %w", ErrSlow)} {
			m.add("one", time.Now(), err)
			expect("other", err)
			m.answered()
			expect("other", nil)
			m.add("one", time.Now().Add(1), err)
			expect("other", err)
			time.Sleep(troubleTime)
			expect("other", nil)
		}
		m.add("one", time.Now(), fmt.Errorf("%w: %w", ErrOrigin, io.EOF))
		expect("one", ErrOrigin)
		expect("other", nil)
	})
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
			if _, _, err := open(t, o, strconv.Itoa(i)+".jpg"); !errors.Is(err, ErrSlow) {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("the origin was asked %d times, want once", n)
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
	waitFor(t, func() bool { return o.waiting.Load() == 3 && now.Load() == 2 })
	if _, _, err := open(t, o, "one-too-many.jpg"); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
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

// What is in the spool is for whoever fetched it, under the limits that it was
// fetched with.
func TestSpooledOriginalsKeepToLimits(t *testing.T) {
	s := &shop{body: version1(), etag: `"1"`}
	base := serveOn(t, s)
	first := startOrigin(t, base, nil)
	if _, _, err := open(t, first, "a.jpg"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Options)
		want   error
	}{
		{"the same", func(*Options) {}, nil},
		{"another site, with other formats", func(o *Options) { o.Site, o.Formats = "other", []thumb.Format{thumb.PNG} }, ErrType},
		{"a lower limit since", func(o *Options) { o.OriginalBytes = 999 }, originals.ErrTooLarge},
	} {
		options := testOptions(t, base)
		tt.change(&options)
		o := New(options, first.spool)
		if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		o.Close()
	}
}

func TestExistsAsFarAsKnown(t *testing.T) {
	o := startOrigin(t, serveOn(t, status(404)), nil)
	if _, err := o.Exists("a.jpg"); err == nil {
		t.Error("known without having been asked for")
	}
	if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if exists, err := o.Exists("a.jpg"); exists || err != nil {
		t.Errorf("what is gone: %v, %v", exists, err)
	}
}

// What the log says has no secrets of the origin's.
func TestErrorsDoNotTellSignedRedirects(t *testing.T) {
	o := startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/b.jpg?X-Signature=secret", http.StatusFound)
	})), nil)
	_, _, err := open(t, o, "a.jpg")
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestSignatures(t *testing.T) {
	all := []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF, thumb.HEIC, thumb.TIFF, thumb.SVG, thumb.JXL}
	for _, tt := range []struct {
		head    string
		formats []thumb.Format
	}{
		{"\xff\xd8\xff\xdb", []thumb.Format{thumb.JPEG}},
		{"\x89PNG\r\n\x1a\n", []thumb.Format{thumb.PNG}},
		{"GIF89a", []thumb.Format{thumb.GIF}},
		{"RIFF\x00\x00\x00\x00WEBPVP8 ", []thumb.Format{thumb.WebP}},
		{"\x00\x00\x00\x1cftypavif", []thumb.Format{thumb.AVIF, thumb.HEIC}},
		{"\x00\x00\x00\x1cftypmif1", []thumb.Format{thumb.AVIF, thumb.HEIC}},
		{"II*\x00", []thumb.Format{thumb.TIFF}},
		{"MM\x00*", []thumb.Format{thumb.TIFF}},
		{"\xff\x0a", []thumb.Format{thumb.JXL}},
		{"\x00\x00\x00\x0cJXL \r\n\x87\n", []thumb.Format{thumb.JXL}},
		{"\xef\xbb\xbf\n <svg", []thumb.Format{thumb.SVG}},
		{"<?xml ", []thumb.Format{thumb.SVG}},
		{"%PDF-1.7", nil}, {"\x7fELF", nil}, {"BM", nil}, {"", nil}, {"\xff\xd8", nil}, {"{}", nil}, {"\x00\x00\x00\x1c", nil},
	} {
		for _, f := range all {
			want := bytes.Contains([]byte(fmt.Sprint(tt.formats)), []byte(f.String()))
			if got := beginsAs([]byte(tt.head), []thumb.Format{f}); got != want {
				t.Errorf("%q as %v: %v, want %v", tt.head, f, got, want)
			}
		}
		if got := beginsAs([]byte(tt.head), all); got != (tt.formats != nil) {
			t.Errorf("%q as any: %v", tt.head, got)
		}
	}
}
