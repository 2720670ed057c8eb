// SPDX-License-Identifier: MIT

package files

import (
	"encoding/json"
	"errors"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/route"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

type vectors struct {
	Key, Secret  string
	Now, Timeout int64
	Prefix       string
	Vectors      []struct {
		Path, Request, Download, Query, Signature, Order string
		Expires                                          int64
		Hextime, Token, Digest, URI                      string
	}
	Refused []struct {
		Request, Reason, Why, URI, Digest string
		Status                            int
	}
}

func readVectors(t *testing.T, name string) vectors {
	t.Helper()
	b, err := os.ReadFile("../../testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Vectors) < 10 || len(v.Refused) < 20 {
		t.Fatal("the vectors are not whole")
	}
	return v
}

// authorize splits a request line's URI as serve does.
func authorize(s *Section, raw string) (Download, error) {
	uri, err := thumb.Normalize(raw)
	if err != nil || !strings.HasPrefix(uri, s.Prefix) {
		return Download{}, errors.Join(ErrNone, err)
	}
	_, query, _ := strings.Cut(raw, "?")
	return s.Authorize(uri, query)
}

func TestVectorsSigned(t *testing.T) {
	v := readVectors(t, "files.json")
	s := New(Options{
		Route: route.Route{Prefix: v.Prefix}, Root: "/nowhere", Scheme: Signed, Keys: [][]byte{[]byte(v.Key)},
		Now: func() time.Time { return time.Unix(v.Now, 0) },
	})
	for _, x := range v.Vectors {
		want := Download{Path: strings.TrimPrefix(x.Path, v.Prefix), SaveAs: x.Download}
		got, err := authorize(s, x.Request)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", x.Request, got, err, want)
		}
		// Encodings differ between signers, in what they leave as it is.
		if uri, query, err := s.URI(want, time.Unix(x.Expires, 0)); err != nil || uri != x.Path {
			t.Errorf("URI(%+v) = %q, %v", want, uri, err)
		} else if _, err := s.Authorize(uri, query); err != nil {
			t.Errorf("URI(%+v) is refused: %s: %v", want, query, err)
		}
	}
	reasons := map[string]error{
		"no-proof": sign.ErrNoProof, "query": sign.ErrQuery, "signature": sign.ErrProof, "expired": sign.ErrExpired, "no-file": ErrNone,
	}
	for _, x := range v.Refused {
		if _, err := authorize(s, x.Request); !errors.Is(err, reasons[x.Reason]) {
			t.Errorf("%s: %v; want %s: %s", x.Request, err, x.Reason, x.Why)
		}
	}
}

func TestVectorsAuthToken(t *testing.T) {
	v := readVectors(t, "authtoken.json")
	section := func(digest string) *Section {
		var d sign.Digest
		if err := d.UnmarshalText([]byte(digest)); err != nil {
			t.Fatal(err)
		}
		return New(Options{
			Route: route.Route{Prefix: "/documents/"}, Root: "/nowhere", Scheme: AuthToken, Keys: [][]byte{[]byte("a newer secret"), []byte(v.Secret)},
			Digest: d, Timeout: time.Duration(v.Timeout) * time.Second, Now: func() time.Time { return time.Unix(v.Now, 0) },
		})
	}
	for _, x := range v.Vectors {
		got, err := authorize(section(x.Digest), "/documents"+x.URI)
		if want := (Download{Path: x.Path}); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", x.URI, got, err, want)
		}
	}
	for _, x := range v.Refused {
		want := ErrNone
		if x.Status == 410 {
			want = ErrGone
		}
		if d, err := authorize(section(x.Digest), "/documents"+x.URI); !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v; want %d: %s", x.URI, d, err, x.Status, x.Why)
		}
	}
	s := section("sha1")
	uri, query, err := s.URI(Download{Path: "a b.txt"}, time.Time{})
	if err != nil || query != "" {
		t.Errorf("URI: %q, %v", query, err)
	}
	if _, err := s.Authorize(uri, ""); err != nil {
		t.Errorf("%s: %v", uri, err)
	}
}

// tree is a root with what can be in one, beside a secret.
func tree(t *testing.T) *Section {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"root/a.txt": "a", "root/sub/b.txt": "b", "root/.hidden": "x", "root/.git/config": "x", "root/sub/.env": "x", "secret": "s", "root/empty": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"out": "../secret", "absolute": filepath.Join(dir, "secret"), "up": "..", "inside": "a.txt", "subs": "sub", "self": ".", "loop": "loop", "dangling": "none", "etc": "/etc",
	} {
		if err := os.Symlink(to, filepath.Join(dir, "root", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "root/fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := New(Options{Route: route.Route{Name: "documents", Prefix: "/d/"}, Root: filepath.Join(dir, "root"), Scheme: Open})
	t.Cleanup(s.Close)
	return s
}

func TestOnlyRegularFilesBelowTheRoot(t *testing.T) {
	s := tree(t)
	for _, name := range []string{"a.txt", "sub/b.txt", "empty"} {
		d, err := s.Authorize("/d/"+name, "?")
		if err == nil {
			err = s.Find(d)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f, err := s.Open(d)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f.Close()
	}
	for _, name := range []string{
		"", "sub", "sub/", "none", "sub/none", "a.txt/", "a.txt/b", ".", "..", "../secret", "sub/../../secret", "/a.txt", "sub//b.txt", "./a.txt",
		".hidden", ".git/config", "sub/.env", "out", "absolute", "up/secret", "inside", "subs/b.txt", "self/a.txt", "loop", "loop/a", "dangling", "etc/passwd", "fifo",
		strings.Repeat("n", 255), strings.Repeat("n", 256), strings.Repeat("n/", 2040) + "n", strings.Repeat("n/", 3000) + "n", "a.txt\x00", "\x00",
	} {
		d, err := s.Authorize("/d/"+name, "")
		if err == nil {
			err = s.Find(d)
		}
		if !errors.Is(err, ErrNone) {
			t.Errorf("%.40q: %v", name, err)
		}
		// What Authorize stops does not open either.
		if f, err := s.Open(Download{Path: name}); err == nil {
			t.Errorf("%.40q: opened", name)
			f.Close()
		}
	}
}

func TestRootThatIsNotThere(t *testing.T) {
	s := New(Options{Route: route.Route{Prefix: "/d/"}, Root: filepath.Join(t.TempDir(), "none"), Scheme: Open})
	defer s.Close()
	for _, err := range []error{s.Find(Download{Path: "a"}), s.Probe()} {
		if !errors.Is(err, ErrUnreadable) || errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), s.Root) {
			t.Errorf("%v", err)
		}
	}
}

func TestDisposition(t *testing.T) {
	attachment, inline := New(Options{Attachment: true}), New(Options{})
	for _, tt := range []struct {
		s    *Section
		d    Download
		want string
	}{
		{attachment, Download{Path: "sub/report.pdf"}, `attachment; filename="report.pdf"`},
		{inline, Download{Path: "report.pdf"}, `inline; filename="report.pdf"`},
		{inline, Download{Path: "a", SaveAs: "b c.pdf"}, `attachment; filename="b c.pdf"`},
		{attachment, Download{Path: `the "final" one.pdf`}, `attachment; filename="the \"final\" one.pdf"; filename*=UTF-8''the%20%22final%22%20one.pdf`},
		{attachment, Download{Path: "été.pdf"}, `attachment; filename="_t_.pdf"; filename*=UTF-8''%C3%A9t%C3%A9.pdf`},
		{attachment, Download{Path: "写真 1.jpg"}, `attachment; filename="__ 1.jpg"; filename*=UTF-8''%E5%86%99%E7%9C%9F%201.jpg`},
		{attachment, Download{Path: "100%.pdf"}, `attachment; filename="100_.pdf"; filename*=UTF-8''100%25.pdf`},
		{attachment, Download{Path: "a;b=c,d+e.pdf"}, `attachment; filename="a;b=c,d+e.pdf"`},
		{attachment, Download{Path: "line\nbreak"}, "attachment"},
		{attachment, Download{Path: "latin-1 \xe9"}, "attachment"},
		{attachment, Download{Path: `back\slash`}, "attachment"},
	} {
		got := tt.s.Disposition(tt.d)
		if got != tt.want {
			t.Errorf("%+v: %s; want %s", tt.d, got, tt.want)
		}
		if _, params, err := mime.ParseMediaType(got); err != nil {
			t.Errorf("%s: %v", got, err)
		} else if strings.Contains(got, "filename*") && params["filename"] != tt.d.Path {
			t.Errorf("%s: parsed as %q", got, params["filename"])
		}
	}
}
