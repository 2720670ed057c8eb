// SPDX-License-Identifier: MIT

package rig

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Request is sent as it is: no byte of Target is escaped, cleaned or refused.
type Request struct {
	Method string // "": GET
	Target string
	Host   string   // "": localhost
	Header []string // lines, "Name: value"
	Body   string
	Direct bool // to thumbd's socket, not by way of nginx
	Admin  bool // to its socket for administrators
	// Metrics: to its socket for Prometheus.
	Metrics bool
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Get sends a GET of target with header lines. See Do.
func (r *Rig) Get(ctx context.Context, target string, header ...string) (Response, error) {
	return r.Do(ctx, Request{Target: target, Header: header})
}

// Do sends one request, to nginx unless it says otherwise, over a connection of its own.
func (r *Rig) Do(ctx context.Context, q Request) (_ Response, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s %q: %w", q.method(), q.Target, err)
		}
	}()
	socket := r.frontPath()
	if q.Direct {
		socket = r.socketPath()
	}
	if q.Admin {
		socket = r.AdminPath()
	}
	if q.Metrics {
		socket = r.metricsPath()
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return Response{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write(q.bytes()); err != nil {
		return Response{}, err
	}
	// The method tells whether a body follows the header.
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: q.method()})
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, err
}

func (q Request) method() string {
	if q.Method == "" {
		return http.MethodGet
	}
	return q.Method
}

func (q Request) bytes() []byte {
	host := q.Host
	if host == "" {
		host = "localhost"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", q.method(), q.Target, host)
	if q.Body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(q.Body))
	}
	for _, line := range q.Header {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n" + q.Body)
	return b.Bytes()
}

// Escape returns a decoded URI as a request target that nginx decodes to it.
func Escape(uri string) string {
	const plain = "/-._~@=+&,:!$'()*;"
	var b strings.Builder
	for i := range len(uri) {
		c := uri[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte(plain, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
