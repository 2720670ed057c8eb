// SPDX-License-Identifier: MIT

package serve

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/keep"
	"thumbd/internal/test/keeptest"
)

// oneListener accepts one connection.
type oneListener struct {
	conn   chan net.Conn
	closed chan struct{}
	close  func()
}

func (l oneListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l oneListener) Close() error   { l.close(); return nil }
func (l oneListener) Addr() net.Addr { return &net.UnixAddr{Name: "one", Net: "unix"} }

// front serves one connection, until the test ends, in a bubble of package synctest.
// requests counts what net/http's server has answered.
type front struct {
	net.Conn
	in       *bufio.Reader
	server   *Server
	requests atomic.Int32
}

func newFront(t *testing.T, b *bench, asked bool) *front {
	t.Helper()
	ours, theirs := net.Pipe()
	closed := make(chan struct{})
	l := oneListener{make(chan net.Conn, 1), closed, sync.OnceFunc(func() { close(closed) })}
	l.conn <- theirs
	f := &front{Conn: ours, in: bufio.NewReader(ours)}
	log := slog.New(slog.DiscardHandler)
	f.server = NewServer(b.Handler, l, log)
	if asked {
		f.server = NewFrontServer(b.Handler, l, log)
	}
	// In a bubble, ReadTimeout otherwise ends in the same moment.
	f.server.http.WriteTimeout = 2 * time.Minute
	handler := f.server.http.Handler
	f.server.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		handler.ServeHTTP(w, r)
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// It ends with the test.
		_ = f.server.Serve()
	}()
	t.Cleanup(func() {
		if err := errors.Join(ours.Close(), f.server.Close()); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return f
}

// ask sends text when the server waits for it, and returns the status of its answer.
func (f *front) ask(text []byte) (int, error) {
	synctest.Wait()
	if _, err := f.Write(text); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(f.in, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func (f *front) expect(t *testing.T, what string, text []byte, status, requests int) {
	t.Helper()
	got, err := f.ask(text)
	if err != nil || got != status || int(f.requests.Load()) != requests {
		t.Errorf("%s: %d, %v, and %d requests seen by the server; want %d and %d", what, got, err, f.requests.Load(), status, requests)
	}
}

var healthText = []byte("GET /_thumbd/health HTTP/1.1\r\nHost: a.example\r\n\r\n")

// goodQuestion is allowed by a bench that is guarded.
func goodQuestion() []byte {
	return questionText("/thumbs/a.jpg" + signedQuery("/thumbs/a.jpg", clock.Add(time.Hour), accessKey))
}

func TestAllowedQuestionsPassTheServer(t *testing.T) {
	synctest.Test(t, allowedQuestionsPassTheServer)
}

func allowedQuestionsPassTheServer(t *testing.T) {
	f := newFront(t, guarded(t, &keeptest.Painter{}), true)
	good := goodQuestion()
	f.expect(t, "first on its connection", good, 204, 1)
	f.expect(t, "second", good, 204, 1)
	f.expect(t, "third", good, 204, 1)
	f.expect(t, "another request", healthText, 200, 2)
	f.expect(t, "after it", good, 204, 2)
	f.expect(t, "refused", questionText("/thumbs/a.jpg"), 401, 3)
	f.expect(t, "after a refusal", good, 204, 3)
	f.expect(t, "longer than the server's buffer", questionText("/thumbs/a.jpg", "Cookie", strings.Repeat("x", 8<<10)), 401, 4)
	f.expect(t, "after it", good, 204, 4)
}

// conversation returns all that a server answers to parts, which follow a first request.
func conversation(t *testing.T, asked bool, parts ...[]byte) (answers string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t, guarded(t, &keeptest.Painter{}), asked)
		if status, err := f.ask(healthText); status != 200 {
			t.Fatal(status, err)
		}
		done := make(chan []byte)
		go func() {
			// The server ends the connection, in the midst of a request after a time.
			all, _ := io.ReadAll(f.in)
			done <- all
		}()
		for _, part := range parts {
			synctest.Wait()
			if _, err := f.Write(part); err != nil {
				break // The server has closed the connection.
			}
		}
		answers = regexp.MustCompile(`Date: .*`).ReplaceAllString(string(<-done), "Date")
	})
	return answers
}

func expectSame(t *testing.T, name string, parts ...[]byte) {
	t.Helper()
	want, got := conversation(t, false, parts...), conversation(t, true, parts...)
	if got != want {
		t.Errorf("%s:\n%q\nwant\n%q", name, got, want)
	}
}

// Whatever arrives, the answers are those of net/http's server.
func TestQuestionsAreAnsweredAsByTheServer(t *testing.T) {
	good, refused := goodQuestion(), questionText("/thumbs/a.jpg")
	long := questionText("/thumbs/a.jpg"+signedQuery("/thumbs/a.jpg", clock.Add(time.Hour), accessKey), "Cookie", "x")
	long = bytes.Replace(long, []byte("x\r\n\r\n"), []byte(strings.Repeat("x", 4096-len(long)+1)+"\r\n\r\n"), 1)
	head := func(length int) []byte {
		return fmt.Appendf(nil, "POST /_thumbd/health HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", length)
	}
	for name, parts := range map[string][][]byte{
		"one":                         {good},
		"several":                     {good, refused, good, healthText, good},
		"two at once":                 {append(bytes.Clone(good), good...)},
		"in two parts":                {good[:40], good[40:]},
		"in two parts, after another": {good, good[:40], good[40:]},
		"behind the beginning of another request":  {append(bytes.Clone(healthText), 'G'), good},
		"behind the first line of another request": {append(bytes.Clone(healthText), "GET / HTTP/1.1\r\n"...), good},
		"behind an empty line":                     {append(bytes.Clone(healthText), "\r\n"...), good},
		"as a body":                                {head(len(good)), good},
		"as a body that is not all":                {head(len(good) + 99), good},
		"in front of a body":                       {append(head(9), good...)},
		"behind a body":                            {append(head(4), "\r\n\r\n"...), good},
		"as a body, behind another request":        {append(bytes.Clone(healthText), head(len(good))...), good},
		"as a body that is asked for":              {bytes.Replace(head(len(good)), []byte("Host"), []byte("Expect: 100-continue\r\nHost"), 1), good},
		"behind a body and line breaks":            {append(head(4), "body\r\n\r\n"...), good, good},
		"as long as the server's buffer":           {long, good},
		"as long as the server's buffer, and more": {append(bytes.Clone(long), good...), good},
		"as chunks":                                {[]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), good},
		"of HTTP/1.0":                              {bytes.Replace(good, []byte("HTTP/1.1"), []byte("HTTP/1.0"), 1)},
		"the last":                                 {bytes.Replace(good, []byte("Host"), []byte("Connection: close\r\nHost"), 1), good},
	} {
		expectSame(t, name, parts...)
	}
}

// FuzzQuestion compares the answers to text with those of net/http's server.
func FuzzQuestion(f *testing.F) {
	good := goodQuestion()
	f.Add(good)
	f.Add(healthText)
	f.Add(append(bytes.Clone(good), good...))
	f.Add(bytes.Replace(good, []byte("Host"), []byte("Cookie: thumbd=x\r\nHost"), 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		expectSame(t, "text, then a question", text, good)
		expectSame(t, "a question, then text", good, text)
	})
}

// A connection with a question now and then stays, however long, and ends if none comes or
// if nobody takes an answer.
func TestQuestionsKeepTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) { s.Access = newGate(t, access.Proofs...) })
		good := goodQuestion()
		f := newFront(t, b, true)
		f.expect(t, "first", good, 204, 1)
		for range 20 {
			time.Sleep(time.Minute)
			f.expect(t, "a minute later", good, 204, 1)
		}
		for range 3 {
			time.Sleep(renewTime / 4)
			f.expect(t, "a moment later", good, 204, 1)
		}
		last := time.Now()
		if _, err := f.in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if kept := time.Since(last); kept > idleTime || kept < idleTime-renewTime {
			t.Errorf("a silent connection was kept for %v", kept)
		}

		f = newFront(t, b, true)
		f.expect(t, "first", good, 204, 1)
		f.expect(t, "second", good, 204, 1)
		f.expect(t, "another request, which ends the deadlines of the second", healthText, 200, 2)
		if _, err := f.Write(good); err != nil {
			t.Fatal(err)
		}
		// The server waits for someone to take the answer, and closes the connection.
		time.Sleep(idleTime + time.Second)
		if _, err := f.in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}

func TestShutdownEndsConnectionsOfQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFront(t, guarded(t, &keeptest.Painter{}), true)
		good := goodQuestion()
		f.expect(t, "first", good, 204, 1)
		f.expect(t, "second", good, 204, 1)
		if err := f.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := f.in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}

// askingConn has one question more than answers, and keeps the answer.
type askingConn struct {
	net.Conn
	asks     []byte
	answered int
	asked    bool
}

func (c *askingConn) Read(p []byte) (int, error) {
	if c.asked {
		return 0, io.EOF
	}
	c.asked = true
	return copy(p, c.asks), nil
}

func (c *askingConn) Write(p []byte) (int, error) {
	c.answered++
	return len(p), nil
}

func (c *askingConn) SetDeadline(time.Time) error { return nil }

// nginx asks about every hit of a protected site, often the same.
func TestAnAllowedQuestionAllocatesNothing(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) { s.Access = newGate(t, access.Proofs...) })
	b.Level.Set(slog.LevelInfo)
	token, err := b.Site.Access.NewToken("id", "", clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{goodQuestion(), questionText("/thumbs/a.jpg", "Cookie", "thumbd="+token)} {
		nginx := &askingConn{asks: text}
		c := &askedConn{Conn: nginx, handler: b.Handler, idle: true, ended: true}
		p := make([]byte, 4096)
		n := testing.AllocsPerRun(100, func() {
			nginx.asked = false
			if _, err := c.Read(p); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		})
		if n != 0 || nginx.answered != 101 {
			t.Errorf("%v allocations, %d answers", n, nginx.answered)
		}
	}
}
