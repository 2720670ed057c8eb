// SPDX-License-Identifier: MIT

package thumbdurl

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

type vector struct {
	Prefix, Original, Spec, Ext, Request, Path, Download, Order string
	Expires                                                     int64
}

func read(t *testing.T, name string) (key []byte, vectors []vector) {
	t.Helper()
	b, err := os.ReadFile("../../../../testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Key     string
		Vectors []vector
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return []byte(v.Key), v.Vectors
}

// decoded is url with its path decoded: encodings differ.
func decoded(t *testing.T, s string) string {
	t.Helper()
	path, query, _ := strings.Cut(s, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		t.Fatal(err)
	}
	return path + "?" + query
}

func TestVectors(t *testing.T) {
	expect := func(got, want string) {
		t.Helper()
		if decoded(t, got) != decoded(t, want) {
			t.Errorf("got %s; want %s", got, want)
		}
	}
	key, vectors := read(t, "signed.json")
	for _, v := range vectors {
		expect(Thumbnail(key, v.Prefix+v.Original, v.Spec, v.Ext), v.Request)
	}
	key, vectors = read(t, "access.json")
	for _, v := range vectors {
		expect(Access(key, v.Path, time.Unix(v.Expires, 0)), v.Request)
	}
	key, vectors = read(t, "files.json")
	for _, v := range vectors {
		if v.Order == "" {
			expect(Download(key, v.Path, time.Unix(v.Expires, 0), v.Download), v.Request)
		}
	}
}
