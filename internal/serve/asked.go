// SPDX-License-Identifier: MIT

package serve

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// NewFrontServer returns a Server of h on l for nginx. It answers the questions of
// auth_request over kept connections by itself: nginx asks one for each hit of a protected
// site, and [http.Server] would take two thirds of the time of an answer.
func NewFrontServer(h *Handler, l net.Listener, log *slog.Logger) *Server {
	s := NewServer(h, l, log)
	s.listener = askedListener{s.listener, h}
	s.http.ConnState = func(c net.Conn, state http.ConnState) {
		// At the end of a connection, the server may still be in Read: if it has read the
		// rest of a body past an answer, it reads on in the background.
		if c, ok := c.(*askedConn); ok && state != http.StateClosed {
			c.idle, c.renewed = state == http.StateIdle, time.Time{}
		}
	}
	return s
}

// askedListener accepts each connection as an askedConn.
type askedListener struct {
	net.Listener
	handler *Handler
}

func (l askedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &askedConn{Conn: c, handler: l.handler}, nil
}

// askedConn is a connection of an [http.Server] that answers allowed questions in Read.
// The server sees none of them, and goes on waiting for its next request. It sees
// everything else: other requests, questions that are refused or unusual, parts of
// questions, and the first request of a connection.
//
// The server calls Read and ConnState one after the other, from its goroutines, except
// ConnState for a closed connection.
type askedConn struct {
	net.Conn
	handler *Handler
	// idle is true from the end of the server's last request to the next byte of it.
	idle bool
	// ended is true if the last bytes for the server were the end of a header.
	ended bool
	// buffer is the length of the server's whole buffer.
	buffer  int
	answer  []byte    // memory for answers
	renewed time.Time // of the deadlines, by renew
}

// Read reads bytes for the server. Read answers a question only between two requests, if
// the server has no bytes of the next request: the server then reads into all of its
// buffer, and its last bytes were the end of a request.
func (c *askedConn) Read(p []byte) (int, error) {
	// Nothing is buffered at first.
	c.buffer = max(c.buffer, len(p))
	between := c.idle && c.ended && len(p) == c.buffer
	for {
		n, err := c.Conn.Read(p)
		if between && err == nil {
			if c.answer = c.handler.permit(c.answer[:0], p[:n]); len(c.answer) > 0 {
				c.renew()
				if _, err := c.Write(c.answer); err != nil {
					return 0, err
				}
				continue
			}
		}
		if n > 0 {
			c.idle, c.ended = false, bytes.HasSuffix(p[:n], headerEnd)
		}
		return n, err
	}
}

// renewTime is the time after which an answer sets the deadlines anew. Each answer would
// take a timer's time; the connection now ends between idleTime-renewTime and idleTime
// after the last one, which still is above nginx's keepalive_timeout.
const renewTime = 30 * time.Second

// renew sets the deadlines for sending an answer and for the next request. The server sets
// its own when it has read a request.
func (c *askedConn) renew() {
	now := time.Now()
	if now.Sub(c.renewed) < renewTime {
		return
	}
	c.renewed = now
	// An error is that the connection is closed, as Write then returns.
	_ = c.SetDeadline(now.Add(idleTime))
}
