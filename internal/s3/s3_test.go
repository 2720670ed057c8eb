// SPDX-License-Identifier: MIT

package s3

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/fetch"
	"thumbd/internal/originals"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/store"
	"thumbd/internal/thumb"
)

// jpeg returns bytes that begin as a JPEG and differ for other text.
func jpeg(text string) []byte { return []byte("\xff\xd8\xff\xe0" + text) }

// open returns the bucket media of a store, below photos/.
func open(t *testing.T, endpoint string, change func(*Options)) *Bucket {
	t.Helper()
	return openWith(t, endpoint, change, nil)
}

// openWith is like open, with other limits of the fetch.
func openWith(t *testing.T, endpoint string, change func(*Options), limit func(*fetch.Options)) *Bucket {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Bucket: "media", Prefix: "photos/", Endpoint: u, Region: store.Region, PathStyle: true,
		AccessKey: store.AccessKey, SecretKey: store.SecretKey,
	}
	if change != nil {
		change(&o)
	}
	spool := fetch.NewSpool(filepath.Join(t.TempDir(), "spool"), 10<<20)
	how := fetch.Options{
		Site: "test", Formats: []thumb.Format{thumb.JPEG}, AllowAddresses: []netip.Prefix{netip.MustParsePrefix(store.Address + "/32")},
		ConnectTime: aid.Patience, HeaderTime: aid.Patience, TotalTime: aid.Patience, Rate: 1, Fetches: 4, Queue: 100, OriginalBytes: 1 << 20,
	}
	if limit != nil {
		limit(&how)
	}
	b := New(o, how, spool)
	t.Cleanup(func() {
		b.Close()
		spool.Close()
	})
	return b
}

// read returns an original's content.
func read(t *testing.T, b *Bucket, name string) (string, error) {
	t.Helper()
	f, _, err := b.Open(t.Context(), name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), nil
}

// odd are names that a signature or a list can get wrong.
var odd = []string{
	"a.jpg", "a b.jpg", "a+b.jpg", "a%20b.jpg", "a%2Fb.jpg", "100%.jpg", "ä/ö.jpg", "日本/写真.jpg", "q?x=1&y.jpg", "h#1.jpg",
	"it's (1)!*.jpg", "a=b,c;d@e:f$.jpg", "tilde~_-.jpg", `quote".jpg`, "<&>.jpg", "e\u0301.jpg", "\u00e9.jpg",
}

// Every name is read and listed as it was written, in the encoding of the store.
func TestOddKeys(t *testing.T) {
	s := store.Start(t, "media")
	want := make(map[string]string)
	for _, name := range odd {
		want[name] = s.Put("media/photos/"+name, jpeg(name))
	}
	s.Put("media/others/a.jpg", jpeg("others"))
	b := open(t, s.Endpoint, nil)
	got := make(map[string]string)
	err := b.Walk(t.Context(), func(name string) error {
		got[name] = want[name]
		return nil
	}, nil)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("listed, -want +got: %v\n%s", err, diff)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if data, err := read(t, b, name); data != string(jpeg(name)) {
			t.Errorf("%s: got %q, %v", name, data, err)
		}
		listed, err := b.Stat(name)
		f, opened, oerr := b.Open(t.Context(), name)
		if err != nil || oerr != nil {
			t.Errorf("%s: %v, %v", name, err, oerr)
			continue
		}
		f.Close()
		if version, _ := fetch.ETagVersion(want[name]); !opened.Mtime.Equal(version) || listed.Version() != opened.Version() {
			t.Errorf("%s: opened %v, listed %v, and the ETag %s is %v", name, opened.Version(), listed.Version(), want[name], version)
		}
	}
}

// Another content has another version; the same content again does not.
func TestVersionIsOfTheETag(t *testing.T) {
	s := store.Start(t, "media")
	b := open(t, s.Endpoint, nil)
	var versions []time.Time
	for _, text := range []string{"one", "two", "one"} {
		s.Put("media/photos/a.jpg", jpeg(text))
		f, info, err := b.Open(t.Context(), "a.jpg")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		versions = append(versions, info.Mtime)
	}
	if !versions[0].Equal(versions[2]) || versions[0].Equal(versions[1]) {
		t.Errorf("one, two, one have the versions %v", versions)
	}
}

func TestMissing(t *testing.T) {
	s := store.Start(t, "media")
	b := open(t, s.Endpoint, nil)
	for _, name := range []string{"none.jpg", strings.Repeat("long/", 300) + "a.jpg"} {
		if _, err := read(t, b, name); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, originals.ErrUntold) {
			t.Errorf("%.20s: got %v, want that there is none", name, err)
		}
	}
	if exists, err := b.Exists("none.jpg"); exists || err != nil {
		t.Errorf("got %v, %v for one that is known not to be there", exists, err)
	}
}

// Wrong keys, another region, a bucket that is not there: each is told by Open and by
// Probe, and no secret is in the text.
func TestRefused(t *testing.T) {
	s := store.Start(t, "media")
	s.Put("media/photos/a.jpg", jpeg("a"))
	for name, test := range map[string]struct {
		change func(*Options)
		want   error
		text   string
	}{
		"access key": {func(o *Options) { o.AccessKey = "another" }, originals.ErrCredentials, "InvalidAccessKeyId"},
		"secret key": {func(o *Options) { o.SecretKey = "another-secret-key" }, originals.ErrCredentials, "SignatureDoesNotMatch"},
		"region":     {func(o *Options) { o.Region = "us-west-7" }, originals.ErrCredentials, `"us-west-7"`},
		"bucket":     {func(o *Options) { o.Bucket = "nothere" }, originals.ErrOrigin, "nothere"},
	} {
		b := open(t, s.Endpoint, test.change)
		_, err := read(t, b, "a.jpg")
		for _, err := range []error{err, b.Probe(), b.Ask("a.jpg"), b.CanList()} {
			if !errors.Is(err, test.want) || !strings.Contains(fmt.Sprint(err), test.text) {
				t.Errorf("%s: got %v, want %v with %s", name, err, test.want, test.text)
			}
			for _, secret := range []string{b.options.SecretKey, b.options.AccessKey, "Signature="} {
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("%s: %q is in the text: %v", name, secret, err)
				}
			}
		}
	}
}

// The clock of this machine is wrong: the text says by how much.
func TestClock(t *testing.T) {
	s := store.Start(t, "media")
	s.Put("media/photos/a.jpg", jpeg("a"))
	b := open(t, s.Endpoint, nil)
	b.dialect.now = func() time.Time { return time.Now().Add(time.Hour) }
	if _, err := read(t, b, "a.jpg"); !errors.Is(err, originals.ErrCredentials) || !strings.Contains(err.Error(), "clock is 1h0m") {
		t.Errorf("got %v, want the difference of the clocks", err)
	}
}

// A bucket that everybody may read and nobody may list is read without keys. What is
// missing and what is forbidden are the same there.
func TestPublicBucket(t *testing.T) {
	s := store.Start(t, "media")
	s.Put("media/photos/a.jpg", jpeg("a"))
	s.Publish("media")
	b := open(t, s.Endpoint, func(o *Options) { o.AccessKey, o.SecretKey = "", "" })
	if data, err := read(t, b, "a.jpg"); data != string(jpeg("a")) {
		t.Errorf("got %q, %v", data, err)
	}
	if err := b.Probe(); err != nil {
		t.Errorf("probe: %v", err)
	}
	if err := b.CanList(); !errors.Is(err, originals.ErrUnlisted) {
		t.Errorf("list: got %v, want that there is no right", err)
	}
	if _, err := b.Deleted("b.jpg"); !errors.Is(err, originals.ErrUnlisted) {
		t.Errorf("deleted: got %v, want that it is not known", err)
	}
}

// Forget drops all that lists have told, also a list of before that arrives later.
func TestForgetDropsLists(t *testing.T) {
	s := store.Start(t, "media")
	b := open(t, s.Endpoint, nil)
	s.Put("media/photos/a.jpg", jpeg("older"))
	before, err := b.Stat("a.jpg")
	aid.Must(t, err)
	late, err := b.list(t.Context(), query{most: pageKeys})
	aid.Must(t, err)
	s.Put("media/photos/a.jpg", jpeg("newer"))
	b.Forget(originals.Forgotten{Covers: func(string) bool { return true }})
	b.pages.keep(late)
	if now, err := b.Stat("a.jpg"); err != nil || now.Mtime.Equal(before.Mtime) {
		t.Errorf("got %v, %v; want the new version", now, err)
	}
}
