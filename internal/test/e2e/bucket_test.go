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
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/store"
)

// Originals in a bucket: misses, missing originals, warm, and gc by a list alone.
func TestBucket(t *testing.T) {
	s, o := kit.Bucket(t, "cloud", kit.BucketKeys)
	photo, err := os.ReadFile(filepath.Join(kit.Testdata(t, "originals"), "photos/dogs.jpg"))
	aid.Must(t, err)
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
	aid.Must(t, err)
	s.Put("media/photos/replaced.jpg", other)
	if out := gc(t, r); !strings.Contains(out, "1 orphan, 1 stale") {
		t.Errorf("gc: %s", out)
	}
	left := kit.Thumbnails(t, r, "cloud")
	if len(left) != 2 || slices.ContainsFunc(left, func(name string) bool { return strings.Contains(name, "deleted") || strings.Contains(name, "replaced") }) {
		t.Errorf("gc left %q", left)
	}
	// As of a folder that is not watched, a miss finds what was replaced while thumbd was
	// stopped.
	kit.StopDaemon(t, r)
	s.Put("media/photos/"+names[0], other)
	aid.Must(t, r.StartDaemon(t.Context()))
	old := r.File("cloud", kit.SignedWith("cloud"+kit.Key, "/cloud/"+names[0], "30x20_crop", "jpg"))
	if _, err := os.Stat(old); err != nil {
		t.Error(err)
	}
	kit.Picture(t, kit.Get(t, r, kit.RemoteTarget("cloud", names[0], "31x20_crop", "jpg")), "jpeg", 31, 20)
	if _, err := os.Stat(old); err == nil {
		t.Error("a miss has left a thumbnail of the earlier object")
	}
	kit.Warm(t, kit.WarmCommand(t, r, true, "cloud", "--spec", "30x20_crop", "--since", "1h"), 0, "3 originals", "made 2 thumbnails")
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
	aid.Must(t, err)
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
	aid.Must(t, err)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	aid.Must(t, err)
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

// agent answers as the agent of a container that gives the store's keys, and counts.
func agent(t *testing.T, asked *atomic.Int64, refuse *atomic.Bool) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if refuse.Load() {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "not with %s", store.SecretKey)
			return
		}
		fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Expiration":%q}`,
			store.AccessKey, store.SecretKey, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// The keys of a bucket are AWS's chain's, of the daemon and of gc: from the environment, a
// profile or a container.
func TestBucketOfTheChain(t *testing.T) {
	photo, err := os.ReadFile(filepath.Join(kit.Testdata(t, "originals"), "photos/dogs.jpg"))
	aid.Must(t, err)
	var asked atomic.Int64
	profiles := filepath.Join(kit.Folder(t, nil), "credentials")
	aid.Must(t, os.WriteFile(profiles, fmt.Appendf(nil, "[reader]\naws_access_key_id = %s\naws_secret_access_key = %s\n", store.AccessKey, store.SecretKey), 0o644))
	for name, test := range map[string]struct {
		lines string
		env   []string
	}{
		"environment": {"", []string{"AWS_ACCESS_KEY_ID=" + store.AccessKey, "AWS_SECRET_ACCESS_KEY=" + store.SecretKey}},
		"profile":     {"profile = \"reader\"\n", []string{"AWS_SHARED_CREDENTIALS_FILE=" + profiles}},
		"container":   {"", []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + agent(t, &asked, new(atomic.Bool))}},
	} {
		t.Run(name, func(t *testing.T) {
			s, o := kit.Bucket(t, "cloud", "credentials = \"aws\"\n"+test.lines)
			kit.Chain(t, test.env...)
			s.Put("media/photos/a.jpg", photo)
			s.Put("media/photos/b.jpg", photo)
			r := kit.Start(t, o)
			for _, original := range []string{"a.jpg", "b.jpg"} {
				kit.Picture(t, kit.Get(t, r, kit.RemoteTarget("cloud", original, "30x20_crop", "jpg")), "jpeg", 30, 20)
			}
			if n := asked.Load(); name == "container" && n != 1 {
				t.Errorf("the container was asked %d times for two originals, want 1", n)
			}
			s.Delete("media/photos/b.jpg")
			if out := gc(t, r); !strings.Contains(out, "1 orphan") {
				t.Errorf("gc: %s", out)
			}
			kit.StopDaemon(t, r)
			if r.Log.Count(store.SecretKey) > 0 {
				t.Error("the secret is in the log")
			}
		})
	}
}

// No provider gives keys: 502, a line in the log that names the provider and the cure, and
// no secret in it. Sites without the chain start none.
func TestBucketWithoutKeys(t *testing.T) {
	var asked atomic.Int64
	var refuse atomic.Bool
	refuse.Store(true)
	url := agent(t, &asked, &refuse)
	kit.Chain(t, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+url)
	photo, err := os.ReadFile(filepath.Join(kit.Testdata(t, "originals"), "photos/dogs.jpg"))
	aid.Must(t, err)
	s, o := kit.Bucket(t, "cloud", kit.BucketKeys)
	s.Put("media/photos/a.jpg", photo)
	r := kit.Start(t, o)
	kit.Picture(t, kit.Get(t, r, kit.RemoteTarget("cloud", "a.jpg", "30x20_crop", "jpg")), "jpeg", 30, 20)
	kit.StopDaemon(t, r)
	if n := asked.Load(); n > 0 {
		t.Errorf("a site with its own keys has asked the chain %d times", n)
	}

	o = kit.BucketAt(t, s.Endpoint, "cloud", `credentials = "aws"`)
	r = kit.Start(t, o)
	kit.Expect(t, kit.Get(t, r, kit.RemoteTarget("cloud", "a.jpg", "30x20_crop", "jpg")), 502, "origin-credentials")
	for _, text := range []string{"the container", "status 403", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		kit.WaitLog(t, r, 1, text)
	}
	// The next request that asks again, after a pause, has them.
	refuse.Store(false)
	for end := time.Now().Add(aid.Patience); ; time.Sleep(100 * time.Millisecond) {
		resp := kit.Get(t, r, kit.RemoteTarget("cloud", "a.jpg", "30x20_crop", "jpg"))
		if resp.Status == http.StatusOK {
			kit.Picture(t, resp, "jpeg", 30, 20)
			break
		}
		kit.Expect(t, resp, 502, "origin-credentials")
		if time.Now().After(end) {
			t.Fatal("the credentials have not been asked for again")
		}
	}
	kit.StopDaemon(t, r)
	if r.Log.Count(store.SecretKey) > 0 {
		t.Error("the secret is in the log")
	}
}
