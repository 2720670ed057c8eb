// SPDX-License-Identifier: MIT

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// vectors are a file of testdata/vectors.
type vectors struct {
	Key       string `json:"key"`
	SecretKey string `json:"secret_key"`
	Vectors   []vector
	Bytes     []vector // original and signed in base64
	Equal     []vector
	Refused   []struct {
		Request string
		Status  int
		Nginx   int // what nginx answers itself, 0 where it asks thumbd
		Why     string
	}
}

type vector struct{ Original, Ext, Request, Why string }

func readVectors(t *testing.T, name string) vectors {
	t.Helper()
	b, err := os.ReadFile(kit.Testdata(t, "vectors/"+name))
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	for _, x := range v.Bytes {
		name, err := base64.StdEncoding.DecodeString(x.Original)
		if err != nil {
			t.Fatal(err)
		}
		x.Original = string(name)
		v.Vectors = append(v.Vectors, x)
	}
	return v
}

// originals makes all originals of the vectors.
func (v vectors) originals(t *testing.T) string {
	t.Helper()
	picture, err := os.ReadFile(kit.Testdata(t, "originals/tests/orientation/1.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	dir := kit.Folder(t, nil)
	for _, x := range v.Vectors {
		kit.Put(t, filepath.Join(dir, x.Original), picture)
	}
	return dir
}

func (v vectors) check(t *testing.T, r *rig.Rig) {
	t.Helper()
	for _, x := range append(v.Vectors, v.Equal...) {
		if resp := kit.Get(t, r, x.Request); resp.Status != 200 {
			t.Errorf("%s %s: status %d, reason %q, want 200", x.Request, x.Why, resp.Status, resp.Header.Get("X-Thumbd-Reason"))
		}
	}
	kit.StopDaemon(t, r)
	if got, most := r.Log.Count("rendered"), len(v.Vectors); got == 0 || got > most {
		t.Errorf("%d renders of %d thumbnails", got, most)
	}
	if err := r.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, x := range v.Refused {
		want := x.Status
		if x.Nginx != 0 {
			want = x.Nginx
		}
		resp := kit.Get(t, r, x.Request)
		if asked := resp.Header.Get("X-Thumbd-Reason") != ""; resp.Status != want || asked != (x.Nginx == 0) {
			t.Errorf("%s: status %d, reason %q, want %d: %s", x.Request, resp.Status, resp.Header.Get("X-Thumbd-Reason"), want, x.Why)
		}
	}
}

func TestVectorsSigned(t *testing.T) {
	v := readVectors(t, "signed.json")
	dir := v.originals(t)
	var sites []rig.Site
	for name, prefix := range map[string]string{"gallery": "/thumbs/", "short": "/t/", "long": "/a/b/"} {
		preset := "[site.NAME.preset.card]\nsize = \"400x300\"\nmethod = \"crop\"\ndpr = [2]\n"
		sites = append(sites, rig.Site{
			Name: name, Prefix: prefix, Scheme: "signed", Key: v.Key, Originals: dir,
			TOML: strings.Replace(preset, "NAME", name, 1),
		})
	}
	v.check(t, kit.Start(t, rig.Options{Sites: sites, Server: "location / { try_files $uri @thumbd; }"}))
}

func TestVectorsRestThumbnails(t *testing.T) {
	v := readVectors(t, "restthumbnails.json")
	site := rig.Site{Name: "old", Prefix: "/thumbnails/", Scheme: "restthumbnails", Key: v.SecretKey, Originals: v.originals(t)}
	v.check(t, kit.Start(t, rig.Options{Sites: []rig.Site{site}}))
}
