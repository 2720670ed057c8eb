// SPDX-License-Identifier: MIT

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"thumbd/internal/admin"
)

// A list of originals that breaks off is never taken for a whole one.
func TestClientTellsWhatWentWrong(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"whole": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a%20b\nc%0Ad\n")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set(http.TrailerPrefix+admin.UnreadTrailer, "2")
		},
		"no trailer":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a\n") },
		"half a line": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a\nb") },
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a\n")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"refused": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such site", http.StatusNotFound) },
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{") },
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[r.FormValue("site")](w, r)
	}))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	defer server.Close()
	c := Dial(socket)
	list := func(site string) string {
		var names []string
		unread, err := c.EachOriginal(t.Context(), site, admin.Selection{}, func(name string) error {
			names = append(names, name)
			return nil
		})
		return fmt.Sprintf("%q %d %s", names, unread, class(err))
	}
	for site, want := range map[string]string{
		"whole":       `["a b" "c\nd"] 2 ok`,
		"no trailer":  `["a"] 0 no answer`,
		"half a line": `["a"] 0 no answer`,
		"broken off":  `["a"] 0 no answer`,
		"refused":     `[] 0 404 no such site`,
	} {
		if got := list(site); got != want {
			t.Errorf("%s: %s, want %s", site, got, want)
		}
	}
	_, err = c.Warm(t.Context(), "no JSON", admin.Selection{}, "")
	if got := class(err); got != "no answer" {
		t.Errorf("no JSON: %s", got)
	}
	full := errors.New("the disk is full")
	if _, err := c.EachOriginal(t.Context(), "whole", admin.Selection{}, func(string) error { return full }); !errors.Is(err, full) {
		t.Errorf("the callback's error became %v", err)
	}
}

func class(err error) string {
	if r, ok := errors.AsType[*Refused](err); ok {
		return fmt.Sprint(r.Code, " ", r.Text)
	}
	if _, ok := errors.AsType[*NoAnswer](err); ok {
		return "no answer"
	}
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// The error names the cure, and has the cause.
func TestNobodyListens(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	_, err := Dial(socket).Purge(t.Context(), admin.Purge{Site: "g", All: true})
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(err.Error(), ": is thumbd-admin.socket started?") {
		t.Error(err)
	}
	if there, err := Listens(socket); there || err != nil {
		t.Error(there, err)
	}
	denied := NewClient(func(context.Context) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: syscall.EACCES}
	})
	if _, err := denied.Report(t.Context()); !errors.Is(err, fs.ErrPermission) || !strings.HasSuffix(err.Error(), ": are you root or of the group thumbd-admin?") {
		t.Error(err)
	}
}
