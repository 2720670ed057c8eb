// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/store"
)

// Originals in a bucket: misses, missing originals, warm, and gc by a list alone.
func TestBucket(t *testing.T) {
	s, o := kit.Bucket(t, "cloud", kit.BucketKeys)
	photo, err := os.ReadFile(filepath.Join(kit.Testdata(t, "originals"), "photos/dogs.jpg"))
	kit.Must(t, err)
	names := []string{"a b+c.jpg", "ä/100%.jpg", "deleted.jpg", "replaced.jpg"}
	for _, name := range names {
		s.Put("media/photos/"+name, photo)
	}
	r := kit.Start(t, o)
	for _, name := range names {
		kit.Picture(t, kit.Get(t, r, kit.RemoteTarget("cloud", name, "30x20_crop", "jpg")), "jpeg", 30, 20)
	}
	kit.Expect(t, kit.Get(t, r, kit.RemoteTarget("cloud", "none.jpg", "30x20_crop", "jpg")), 404, "no-original")

	// Nothing has changed.
	if out := gc(t, r); !strings.Contains(out, "removed 0 files") || !strings.Contains(out, "keeps 4 files") {
		t.Errorf("gc of what is fresh: %s", out)
	}
	s.Delete("media/photos/deleted.jpg")
	other, err := os.ReadFile(filepath.Join(kit.Testdata(t, "originals"), "photos/fig.jpg"))
	kit.Must(t, err)
	s.Put("media/photos/replaced.jpg", other)
	if out := gc(t, r); !strings.Contains(out, "1 orphan, 1 stale") {
		t.Errorf("gc: %s", out)
	}
	left := kit.Thumbnails(t, r, "cloud")
	if len(left) != 2 || slices.ContainsFunc(left, func(name string) bool { return strings.Contains(name, "deleted") || strings.Contains(name, "replaced") }) {
		t.Errorf("gc left %q", left)
	}
	kit.Warm(t, kit.WarmCommand(t, r, true, "cloud", "--spec", "30x20_crop", "--since", "1h"), 0, "3 originals", "made 1 thumbnails")
	kit.StopDaemon(t, r)
	if text := r.Log.String(); strings.Contains(text, store.SecretKey) || strings.Contains(text, "Signature=") {
		t.Error("a secret is in the log")
	}
}

// The store refuses the key: one reason, and hits go on.
func TestBucketRefusesKeys(t *testing.T) {
	s, o := kit.Bucket(t, "cloud", kit.BucketKeys)
	o.Keys["s3-secret"] = "another-secret-0123"
	photo, err := os.ReadFile(filepath.Join(kit.Testdata(t, "originals"), "photos/dogs.jpg"))
	kit.Must(t, err)
	s.Put("media/photos/a.jpg", photo)
	r := kit.Start(t, o)
	kit.Expect(t, kit.Get(t, r, kit.RemoteTarget("cloud", "a.jpg", "30x20_crop", "jpg")), 502, "origin-credentials")
	kit.StopDaemon(t, r)
	for _, text := range []string{"SignatureDoesNotMatch", "origin-credentials"} {
		if r.Log.Count(text) == 0 {
			t.Errorf("%s is not in the log", text)
		}
	}
	if r.Log.Count("another-secret-0123") > 0 {
		t.Error("the secret is in the log")
	}
}

// A bucket that may be read and not listed, as AWS has it: a missing original is 404, the
// log says that it may be a missing right, once for the site, and gc removes nothing as an
// orphan.
func TestBucketWithoutTheRightToList(t *testing.T) {
	photo, err := os.ReadFile(filepath.Join(kit.Testdata(t, "originals"), "photos/dogs.jpg"))
	kit.Must(t, err)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	kit.Must(t, err)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/media/photos/a.jpg" {
			w.Header().Set("ETag", `"1"`)
			_, _ = w.Write(photo)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<Error><Code>AccessDenied</Code></Error>`)
	})}}
	s.Start()
	t.Cleanup(s.Close)
	r := kit.Start(t, kit.BucketAt(t, s.URL, "cloud", `credentials = "none"`))
	kit.Picture(t, kit.Get(t, r, kit.RemoteTarget("cloud", "a.jpg", "30x20_crop", "jpg")), "jpeg", 30, 20)
	for i := range 3 {
		resp := kit.Get(t, r, kit.RemoteTarget("cloud", fmt.Sprintf("none%d.jpg", i), "30x20_crop", "jpg"))
		kit.Expect(t, resp, 404, "no-original")
	}
	kit.StopDaemon(t, r)
	if n := r.Log.Count("does not tell"); n != 1 {
		t.Errorf("%d lines say that the store does not tell, want 1", n)
	}
	if out := gc(t, r); !strings.Contains(out, "removed 0 files") || !strings.Contains(out, "s3:ListBucket") {
		t.Errorf("gc: %s", out)
	}
}
