// SPDX-License-Identifier: MIT

package fetch

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/test/aid"
	"thumbd/internal/thumb"
)

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

// What can't be sent back, or may be good for two versions, is not relied on.
func TestValidatorsThatAreOfNoUse(t *testing.T) {
	now := time.Now().UTC().Format(http.TimeFormat)
	for _, tt := range []struct {
		name   string
		header string
		spared bool
	}{
		{"as usual", "ETag: \"1\"\r\n", true},
		{"bytes of no encoding", "ETag: \"\xe9\"\r\n", false},
		{"an ETag of any length", "ETag: \"" + strings.Repeat("1", maxETag) + "\"\r\n", false},
		{"a date that is none", "Last-Modified: yesterday\r\n", false},
		{"a change a second before", "Last-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\nDate: Sat, 01 Jan 2022 00:00:01 GMT\r\n", true},
		{"a change in the second of the answer", "Last-Modified: " + now + "\r\nDate: " + now + "\r\n", false},
		{"a change to come", "Last-Modified: Sun, 02 Jan 2022 00:00:00 GMT\r\nDate: Sat, 01 Jan 2022 00:00:00 GMT\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var spared atomic.Bool
			o := startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "" {
					spared.Store(true)
					w.WriteHeader(http.StatusNotModified)
					return
				}
				raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n"+tt.header+"\r\n"+version1())(w, r)
			})), nil)
			for range 2 {
				if got, _, err := open(t, o, "a.jpg"); err != nil || got != version1() {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
			if spared.Load() != tt.spared {
				t.Errorf("a conditional request: %v, want %v", spared.Load(), tt.spared)
			}
		})
	}
}

// Nobody gets from the spool what the origin has taken back or does not vouch
// for now.
func TestOriginTakesBack(t *testing.T) {
	s := &shop{body: version1(), etag: `"1"`}
	o := startOrigin(t, serveOn(t, s), nil)
	if _, _, err := open(t, o, "a.jpg"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		status int
		want   error
		files  int // in the spool
	}{{500, originals.ErrOrigin, 2}, {404, fs.ErrNotExist, 0}, {404, fs.ErrNotExist, 0}} {
		s.set(func(s *shop) { s.status = tt.status })
		o.memory = newMemory()
		if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, tt.want) {
			t.Errorf("status %d: %v, want %v", tt.status, err, tt.want)
		}
		if left := files(t, o.spool); len(left) != tt.files {
			t.Errorf("status %d: in the spool: %q", tt.status, left)
		}
	}
	if o.spool.stored != 0 {
		t.Errorf("%d bytes are counted", o.spool.stored)
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
		aid.Must(t, err)
		n, err := strconv.Atoi(u.Port())
		aid.Must(t, err)
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
	for _, lastModified := range []string{date, "", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"} {
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
		{"another site, with other formats", func(o *Options) { o.Site, o.Formats = "other", []thumb.Format{thumb.PNG} }, originals.ErrType},
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

// Forget drops the copies of the originals that it covers, whatever their names, and no
// other ones.
func TestForgetDropsCopies(t *testing.T) {
	base := serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(jpeg(100)) }))
	o := startOrigin(t, base+"media%2Fphotos/a%20b/", nil)
	names := []string{"a.jpg", "a b.jpg", "a+b.jpg", "a%20b.jpg", "a%2Fb.jpg", "100%.jpg", "ä/ö.jpg", "q?x=1&y.jpg", "h#1.jpg", "(1)!*.jpg", "\xff.jpg"}
	fill := func(names ...string) {
		for _, name := range names {
			if _, _, err := open(t, o, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, some := range map[string][]string{"a look at all": nil, "names": names} {
		fill(append(names, "kept.jpg")...)
		o.Forget(originals.Forgotten{Names: some, Covers: func(name string) bool { return name != "kept.jpg" }})
		// The kept one has its bytes and its record.
		if left := files(t, o.spool); len(left) != 2 {
			t.Errorf("%s: %q are left", what, left)
		}
	}
}

// If Forget keeps copies, the next Open asks if its copy is good, and the original is not
// sent again.
func TestForgetKeepsCopies(t *testing.T) {
	for _, names := range [][]string{nil, {"a.jpg"}} {
		for _, keep := range []bool{true, false} {
			s := &shop{body: version1(), etag: `"1"`}
			o := startOrigin(t, serveOn(t, s), nil)
			for range 2 {
				if got, _, err := open(t, o, "a.jpg"); got != version1() || err != nil {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				o.Forget(originals.Forgotten{Names: names, Covers: func(string) bool { return true }, KeepCopies: keep})
			}
			if sent, spared := s.counts(); keep != (sent == 1 && spared == 1) || !keep && sent != 2 {
				t.Errorf("names %q, copies kept %v: sent %d times, spared %d times", names, keep, sent, spared)
			}
		}
	}
}
