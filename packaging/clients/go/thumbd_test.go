// SPDX-License-Identifier: MIT

package thumbd

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

type vector struct {
	Site, Original, Spec, Format, Alt, Sizes, Want string
	Width, Height                                  int
	Lazy, Priority, Placeholder                    bool
	Info                                           Info
	Prefix, Ext, Request, Path, Download, Order    string
	Expires                                        int64
}

type vectors struct {
	Key                              string
	Vectors                          []vector
	Sites                            map[string]*Site
	URLs, Srcsets, Pictures, Refused []vector
}

func read(t *testing.T, name string) vectors {
	t.Helper()
	b, err := os.ReadFile("../../../testdata/vectors/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestClients(t *testing.T) {
	v := read(t, "clients")
	check := func(x vector, got string, err error) {
		t.Helper()
		if err != nil || got != x.Want {
			t.Errorf("%+v: got %s, %v", x, got, err)
		}
	}
	for _, x := range v.URLs {
		got, err := v.Sites[x.Site].URL(x.Original, x.Spec, x.Format)
		check(x, got, err)
	}
	for _, x := range v.Srcsets {
		got, err := v.Sites[x.Site].Srcset(x.Original, x.Spec, x.Format, x.Width, x.Height)
		check(x, got, err)
	}
	options := func(x vector) Options {
		return Options{x.Width, x.Height, x.Alt, x.Sizes, x.Lazy, x.Priority, x.Info, x.Placeholder}
	}
	for _, x := range v.Pictures {
		got, err := v.Sites[x.Site].Picture(x.Original, x.Spec, options(x))
		check(x, got, err)
	}
	for _, x := range v.Refused {
		if got, err := v.Sites[x.Site].Picture(x.Original, x.Spec, options(x)); err == nil {
			t.Errorf("%+v: got %s", x, got)
		}
	}
}

// A URL with the signature of no key would be refused by thumbd alone.
func TestSitesThatCannotBe(t *testing.T) {
	for _, s := range []Site{{Scheme: "signed"}, {Scheme: "inplace", Key: "k"}, {Key: "k"}} {
		if got, err := s.URL("a.jpg", "9x9_crop", ""); !errors.Is(err, ErrThumbd) {
			t.Errorf("%+v: got %q, %v", s, got, err)
		}
	}
}

// decoded is a URL with its path decoded: the other vectors have one right encoding of
// many.
func decoded(t *testing.T, s string) string {
	t.Helper()
	path, query, _ := strings.Cut(s, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		t.Fatal(err)
	}
	return path + "?" + query
}

func TestSignatures(t *testing.T) {
	expect := func(got, want string) {
		t.Helper()
		if decoded(t, got) != decoded(t, want) {
			t.Errorf("got %s; want %s", got, want)
		}
	}
	v := read(t, "signed")
	for _, x := range v.Vectors {
		s := Site{Prefix: x.Prefix, Scheme: "signed", Key: v.Key + "\n", Presets: map[string]Preset{x.Spec: {}}}
		got, err := s.URL(x.Original, x.Spec, x.Ext)
		if err != nil {
			t.Error(err)
		}
		expect(got, x.Request)
	}
	v = read(t, "access")
	for _, x := range v.Vectors {
		expect(Access(v.Key, x.Path, time.Unix(x.Expires, 0)), x.Request)
	}
	v = read(t, "files")
	for _, x := range v.Vectors {
		if x.Order == "" {
			expect(Download(v.Key, x.Path, time.Unix(x.Expires, 0), x.Download), x.Request)
		}
	}
}
