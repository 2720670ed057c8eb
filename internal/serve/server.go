// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// sendTime is the longest that an answer takes to send.
	sendTime = time.Minute
	// silentTime is how long a connection may go without a request before a
	// stop takes no notice of it. nginx sends one as soon as it has connected.
	silentTime = 5 * time.Second
	// idleTime is the longest that a connection is kept without a request. It is above
	// keepalive_timeout of nginx's upstream, 60 s, so that nginx closes connections and
	// never finds one closed under it.
	idleTime = 2 * time.Minute
)

// Server answers on one listener, and loses no request when it stops.
type Server struct {
	http     *http.Server
	listener net.Listener
	served   chan struct{}  // closed when Serve has returned
	fresh    sync.WaitGroup // connections neither written to nor closed
}

// NewServer returns a Server of h on l.
func NewServer(h http.Handler, l net.Listener, log *slog.Logger) *Server {
	s := &Server{served: make(chan struct{}), http: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 30 * time.Second,
		ReadTimeout:       time.Minute,
		// A request that is rendered gets more: see Handler.ServeHTTP.
		WriteTimeout: sendTime,
		IdleTimeout:  idleTime,
		// nginx sends no more than its own large_client_header_buffers.
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		// OPTIONS * is answered as any other method.
		DisableGeneralOptionsHandler: true,
	}}
	s.listener = freshListener{l, &s.fresh}
	return s
}

// Limits of a server for Prometheus.
const (
	scrapes       = 8                // connections at once; more wait
	scrapeRead    = 5 * time.Second  // for the request
	scrapeTime    = 20 * time.Second // for the answer
	scrapeHeaders = 8 << 10          // bytes
)

// NewScrapeServer returns a Server of h on l for Prometheus. A connection has one
// request, so that clients that stay silent hold up others for seconds alone.
func NewScrapeServer(h http.Handler, l net.Listener, log *slog.Logger) *Server {
	s := NewServer(h, newFewListener(l, scrapes), log)
	s.http.ReadHeaderTimeout, s.http.ReadTimeout = scrapeRead, scrapeRead
	s.http.WriteTimeout = scrapeTime
	s.http.MaxHeaderBytes = scrapeHeaders
	s.http.SetKeepAlivesEnabled(false)
	return s
}

// Serve answers until Shutdown or Close is called or the listener fails, and
// returns why. It is called once.
func (s *Server) Serve() error {
	defer close(s.served)
	return s.http.Serve(s.listener)
}

// Shutdown takes no more connections and returns when all requests have been
// answered, or ctx's error. It may be called again. Serve must have been
// called, or be about to be.
//
// A request that comes now over a kept connection is lost: nginx asks again. Over a
// new connection nginx does not, and [http.Server.Shutdown] drops requests that it
// reads from new connections, so Shutdown has to wait until there are none.
func (s *Server) Shutdown(ctx context.Context) error {
	// An error means that the listener is closed already.
	_ = s.listener.Close()
	s.http.SetKeepAlivesEnabled(false)
	<-s.served
	answered := make(chan struct{})
	go func() {
		// Close ends it, at the latest.
		s.fresh.Wait()
		close(answered)
	}()
	silent := time.NewTimer(silentTime)
	defer silent.Stop()
	select {
	case <-answered:
	case <-silent.C:
	case <-ctx.Done():
	}
	return s.http.Shutdown(ctx)
}

// Close closes the listener and all connections.
func (s *Server) Close() error { return s.http.Close() }

// fewListener accepts a connection when fewer than cap(places) are open.
type fewListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  sync.Once
}

func newFewListener(l net.Listener, places int) *fewListener {
	return &fewListener{Listener: l, places: make(chan struct{}, places), closed: make(chan struct{})}
}

func (l *fewListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &fewConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *fewListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// fewConn gives up its place when it is closed.
type fewConn struct {
	net.Conn
	leave func()
}

func (c *fewConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// freshListener counts the connections that are fresh.
type freshListener struct {
	net.Listener
	fresh *sync.WaitGroup
}

func (l freshListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.fresh.Add(1)
	return &freshConn{Conn: c, used: sync.OnceFunc(l.fresh.Done)}, nil
}

// freshConn calls used once it is no longer fresh.
type freshConn struct {
	net.Conn
	used func()
}

func (c *freshConn) Write(b []byte) (int, error) {
	c.used()
	return c.Conn.Write(b)
}

func (c *freshConn) Close() error {
	c.used()
	return c.Conn.Close()
}
