// SPDX-License-Identifier: MIT

package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFormsAreReadAsTheyWereWritten(t *testing.T) {
	odd := "a b&c=d+e%2f/ü\n.jpg"
	for _, want := range []Purge{
		{Site: "g", Originals: []string{odd, "", odd}},
		{Site: "g", Under: odd, Render: true},
		{Site: "g", Preset: "small"},
		{Site: "g", All: true},
	} {
		var got []Purge
		err := ReadPurge(strings.NewReader(want.Form()), func(p Purge) error {
			got = append(got, p)
			return nil
		})
		if diff := cmp.Diff([]Purge{want}, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", want.Form(), err, diff)
		}
	}
	want := Selection{
		Presets: []string{"a", "b@2x"}, Specs: []string{"300x200_crop,q=70"}, Formats: []string{"webp"},
		Since: time.Date(2026, 1, 31, 18, 0, 0, 5, time.UTC),
	}
	form, err := url.ParseQuery(want.Form("g", odd))
	if err != nil {
		t.Fatal(err)
	}
	site, original, got, err := ParseSelection(form)
	if diff := cmp.Diff(want, got); diff != "" || err != nil || site != "g" || original != odd {
		t.Errorf("%s, %q: %v (-want +got):\n%s", site, original, err, diff)
	}
}

func TestFormsWithMistakesAreRefused(t *testing.T) {
	many := strings.Repeat("original=a.jpg&", PurgeNames)
	for _, form := range []string{
		"site=g&site=h&all=1", "sight=g", "all=perhaps", "site=%zz", many, "site=g&" + many + "all=1",
		"original=" + strings.Repeat("a", MaxField),
	} {
		if err := ReadPurge(strings.NewReader(form), func(Purge) error { return nil }); !errors.Is(err, ErrForm) {
			t.Errorf("%.40s: %v", form, err)
		}
	}
	for _, form := range []string{"site=g&site=h", "since=today", "since=" + url.QueryEscape("2026-01-31T18:00:00Z") + "&since=", "all=1", "original=a&original=b"} {
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := ParseSelection(values); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// A list of originals that breaks off is never taken for a whole one.
func TestClientTellsWhatWentWrong(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"whole": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a%20b\nc%0Ad\n")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set(http.TrailerPrefix+UnreadTrailer, "2")
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
		unread, err := c.EachOriginal(t.Context(), site, Selection{}, func(name string) error {
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
	_, err = c.Warm(t.Context(), "no JSON", Selection{}, "")
	if got := class(err); got != "no answer" {
		t.Errorf("no JSON: %s", got)
	}
	full := errors.New("the disk is full")
	if _, err := c.EachOriginal(t.Context(), "whole", Selection{}, func(string) error { return full }); !errors.Is(err, full) {
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
	_, err := Dial(socket).Purge(t.Context(), Purge{Site: "g", All: true})
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
