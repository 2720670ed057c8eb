// SPDX-License-Identifier: MIT

package serve

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// startServer starts a Server without sites and returns how to connect to it.
func startServer(t *testing.T) (s *Server, connect func() (net.Conn, error)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s = NewServer(New(Options{Log: log, Health: func() error { return nil }}), l, log)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// It ends with the test.
		_ = s.Serve()
	}()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return s, func() (net.Conn, error) { return net.Dial("unix", path) }
}

// exchange sends a request and reads its answer's status.
func exchange(c net.Conn) (int, error) {
	fmt.Fprint(c, "GET /_thumbd/health HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

func TestShutdownAnswersNewConnections(t *testing.T) {
	s, connect := startServer(t)
	fresh, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	// Accepted after fresh, which so has been accepted too.
	kept, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if status, err := exchange(kept); status != 200 {
		t.Fatalf("status %d, %v", status, err)
	}
	stopped := make(chan error)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	for {
		c, err := connect()
		if err != nil {
			break
		}
		c.Close()
	}
	if n, err := kept.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("a kept connection is not closed")
	}
	if status, err := exchange(fresh); status != 200 {
		t.Errorf("over a connection of before the stop: status %d, %v", status, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
