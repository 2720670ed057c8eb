// SPDX-License-Identifier: MIT

package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/fetch"
	"thumbd/internal/originals"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/store"
)

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		want   error
		text   string
	}{
		{404, "NoSuchKey", fs.ErrNotExist, "status 404"},
		{404, "", fs.ErrNotExist, "status 404"},
		{404, "NoSuchBucket", originals.ErrOrigin, "there is no bucket media"},
		{404, "XElse", originals.ErrOrigin, "XElse"},
		{403, "AccessDenied", originals.ErrUntold, "does not tell"},
		{403, "SignatureDoesNotMatch", originals.ErrCredentials, "SignatureDoesNotMatch"},
		{403, "InvalidAccessKeyId", originals.ErrCredentials, "InvalidAccessKeyId"},
		{403, "RequestTimeTooSkewed", originals.ErrCredentials, "clock"},
		{403, "AccountProblem", originals.ErrCredentials, "AccountProblem"},
		{403, "AllAccessDisabled", originals.ErrCredentials, "AllAccessDisabled"},
		{403, "InvalidObjectState", originals.ErrCredentials, "InvalidObjectState"},
		{403, "", originals.ErrCredentials, "status 403"},
		{400, "ExpiredToken", originals.ErrCredentials, "ExpiredToken"},
		{400, "AuthorizationHeaderMalformed", originals.ErrCredentials, `the bucket is in "eu-real-1"`},
		{301, "PermanentRedirect", originals.ErrCredentials, `the bucket is in "eu-real-1"`},
		{307, "TemporaryRedirect", originals.ErrCredentials, `the bucket is in "eu-real-1"`},
		{400, "InvalidRequest", originals.ErrOrigin, "InvalidRequest"},
		{500, "InternalError", originals.ErrOrigin, "InternalError"},
		{503, "SlowDown", originals.ErrSlowDown, "SlowDown"},
		{503, "ServiceUnavailable", originals.ErrSlowDown, "ServiceUnavailable"},
		{429, "", originals.ErrSlowDown, "status 429"},
		{403, "Odd\nstore-secret", originals.ErrCredentials, "a code of 16 bytes"},
	} {
		b := open(t, store.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			if test.status/100 == 3 {
				w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			}
			store.Refuse(w, test.status, test.code)
		}), nil)
		_, err := read(t, b, "a.jpg")
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d %q: got %v, want %v with %s", test.status, test.code, err, test.want, test.text)
		}
		if lerr := b.CanList(); lerr == nil {
			t.Errorf("%d %q: a list is no error", test.status, test.code)
		}
		if exists, err := b.Exists("a.jpg"); test.code == "AccessDenied" && err == nil {
			t.Errorf("%s: it counts as known that there is one: %v", test.code, exists)
		}
	}
}

// Everything that a store can do to a body ends in an error of the origin.
func TestBodies(t *testing.T) {
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(jpeg("cut off"))
	}
	b := open(t, store.Serve(t, cut), nil)
	if _, err := read(t, b, "a.jpg"); !errors.Is(err, originals.ErrOrigin) {
		t.Errorf("cut off: got %v, want %v", err, originals.ErrOrigin)
	}
	if err := b.CanList(); !errors.Is(err, originals.ErrOrigin) {
		t.Errorf("cut off list: got %v, want %v", err, originals.ErrOrigin)
	}
}

// While a store asks for fewer requests, none is sent, of no original and no list.
func TestSlowDown(t *testing.T) {
	var asked atomic.Int64
	b := open(t, store.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		store.Refuse(w, 503, "SlowDown")
	}), nil)
	for i := range 20 {
		if _, err := read(t, b, fmt.Sprintf("%d.jpg", i)); !errors.Is(err, originals.ErrSlowDown) {
			t.Fatalf("got %v, want %v", err, originals.ErrSlowDown)
		}
		if err := b.CanList(); !errors.Is(err, originals.ErrSlowDown) {
			t.Fatalf("list: got %v, want %v", err, originals.ErrSlowDown)
		}
	}
	// A busy machine may be in the loop for longer than the first pause.
	if n := asked.Load(); n > 10 {
		t.Errorf("%d requests were sent, of 40", n)
	}
}

// A key that no store can have is missing without a question: stores answer it with other
// errors.
func TestLongKeys(t *testing.T) {
	b := open(t, store.Serve(t, func(w http.ResponseWriter, _ *http.Request) { store.Refuse(w, 400, "KeyTooLongError") }), nil)
	name := strings.Repeat("long/", 300) + "a.jpg"
	_, err := read(t, b, name)
	for _, err := range []error{err, b.Ask(name)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want %v", err, fs.ErrNotExist)
		}
	}
}

func TestPagesAreBounded(t *testing.T) {
	var p pages
	for range 2 * mostPages {
		p.keep(new(page))
	}
	if n := len(p.list); n != mostPages {
		t.Errorf("%d pages are kept, want %d", n, mostPages)
	}
}

// An endpoint on a private address is not dialed unless the site allows it.
func TestGuard(t *testing.T) {
	var asked atomic.Int64
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })}}
	s.Start()
	defer s.Close()
	b := open(t, s.URL, nil)
	_, err = read(t, b, "a.jpg")
	for _, err := range []error{err, b.Probe(), b.CanList()} {
		if !errors.Is(err, originals.ErrForbidden) {
			t.Errorf("got %v, want %v", err, originals.ErrForbidden)
		}
	}
	if asked.Load() > 0 {
		t.Error("it was asked")
	}
}

// Requests without keys are not signed, and the one who pays is named.
func TestHeaders(t *testing.T) {
	got := make(chan http.Header, 1)
	endpoint := store.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		store.Refuse(w, 404, "NoSuchKey")
	})
	for _, signed := range []bool{true, false} {
		b := open(t, endpoint, func(o *Options) {
			if o.RequesterPays = signed; !signed {
				o.AccessKey, o.SecretKey = "", ""
			}
		})
		_, _ = read(t, b, "a.jpg")
		h := <-got
		if has := strings.Contains(h.Get("Authorization"), "x-amz-request-payer"); has != signed || (h.Get("Authorization") != "") != signed {
			t.Errorf("signed %v: the headers are %v", signed, h)
		}
		if strings.Contains(h.Get("Authorization"), "accept-encoding") || h.Get("Accept-Encoding") != "identity" {
			t.Errorf("signed %v: Accept-Encoding is signed, or missing: %v", signed, h)
		}
	}
}

func TestURL(t *testing.T) {
	for want, o := range map[string]Options{
		"https://media.s3.eu-central-1.amazonaws.com/my%20photos/": {Bucket: "media", Prefix: "my photos/", Region: "eu-central-1"},
		"https://s3.eu-central-1.amazonaws.com/me.dia/":            {Bucket: "me.dia", Region: "eu-central-1", PathStyle: true},
		"https://media.s3.cn-north-1.amazonaws.com.cn/%C3%A4%2B/":  {Bucket: "media", Prefix: "ä+/", Region: "cn-north-1"},
	} {
		if got := o.URL().String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// list answers as ListObjectsV2 does, of keys below photos/, a page of most at a time.
func list(keys []string, most int, asked *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		q := r.URL.Query()
		var page []string
		more := false
		for _, key := range keys {
			if key = "photos/" + key; key <= q.Get("start-after") || !strings.HasPrefix(key, q.Get("prefix")) {
				continue
			}
			if len(page) == most {
				more = true
				break
			}
			page = append(page, key)
		}
		fmt.Fprintf(w, `<ListBucketResult><IsTruncated>%v</IsTruncated><EncodingType>url</EncodingType>`, more)
		for _, key := range page {
			fmt.Fprintf(w, `<Contents><Key>%s</Key><ETag>&quot;e&quot;</ETag><Size>4</Size><LastModified>2020-01-02T03:04:05.678Z</LastModified></Contents>`, escape(key))
		}
		fmt.Fprint(w, `</ListBucketResult>`)
	}
}

// A list of a thousand originals tells of them all.
func TestListsAreFew(t *testing.T) {
	var keys []string
	for i := range 2500 {
		keys = append(keys, fmt.Sprintf("%05d.jpg", 2*i))
	}
	var asked atomic.Int64
	b := open(t, store.Serve(t, list(keys, 1000, &asked)), nil)
	for i := range 5000 {
		name := fmt.Sprintf("%05d.jpg", i)
		info, err := b.Stat(name)
		gone, derr := b.Deleted(name)
		if there := i%2 == 0; (err == nil) != there || gone == there || derr != nil || there && info.Size != 4 {
			t.Fatalf("%s: %v, deleted %v, %v", name, err, gone, derr)
		}
	}
	if n := asked.Load(); n > 4 {
		t.Errorf("%d lists were asked for, want 3 or 4", n)
	}
	var got []string
	if err := b.Walk(t.Context(), func(name string) error { got = append(got, name); return nil }, nil); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(keys, got); diff != "" {
		t.Errorf("walked, -want +got:\n%s", diff)
	}
}

// Nothing counts as deleted because of a list that is cut off, broken, out of order, of
// another bucket's or refused.
func TestBadLists(t *testing.T) {
	const entry = `<Contents><Key>%s</Key><ETag>"e"</ETag><Size>4</Size><LastModified>2020-01-02T03:04:05Z</LastModified></Contents>`
	for name, body := range map[string]string{
		"cut off":               `<ListBucketResult><IsTruncated>false</IsTruncated>`,
		"no XML":                `hello`,
		"another document":      `<html><body>login</body></html>`,
		"more and nothing":      `<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>`,
		"order":                 `<ListBucketResult><IsTruncated>false</IsTruncated>` + fmt.Sprintf(entry, "photos/b.jpg") + fmt.Sprintf(entry, "photos/a.jpg") + `</ListBucketResult>`,
		"other keys":            `<ListBucketResult><IsTruncated>false</IsTruncated>` + fmt.Sprintf(entry, "others/z.jpg") + `</ListBucketResult>`,
		"escapes":               `<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>` + fmt.Sprintf(entry, "photos/%zz.jpg") + `</ListBucketResult>`,
		"empty answer":          ``,
		"more that comes again": `<ListBucketResult><IsTruncated>true</IsTruncated>` + fmt.Sprintf(entry, "photos/b.jpg") + `</ListBucketResult>`,
		"no end":                `<ListBucketResult>` + fmt.Sprintf(entry, "photos/x.jpg") + `</ListBucketResult>`,
	} {
		b := open(t, store.Serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }), nil)
		if gone, err := b.Deleted("x.jpg"); gone || err == nil {
			t.Errorf("%s: deleted is %v, %v", name, gone, err)
		}
		if _, err := b.Device(); err == nil && !strings.HasPrefix(name, "more that") {
			t.Errorf("%s: the place is known", name)
		}
		if err := b.Walk(t.Context(), func(string) error { return nil }, nil); err == nil {
			t.Errorf("%s: a walk has no error", name)
		}
	}
}

// A list of a folder with a key of another folder is an error.
func TestListOfAnotherFolder(t *testing.T) {
	for _, key := range []string{"photos/z", "photos/journal", "photos/nodes/a-long-name"} {
		b := open(t, store.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>%s</Key><ETag>"e"</ETag></Contents></ListBucketResult>`, key)
		}), nil)
		f := &Files{b}
		if names, err := f.List(t.Context(), "journal/", ""); !errors.Is(err, originals.ErrOrigin) {
			t.Errorf("%s: got %q, %v", key, names, err)
		}
	}
}

// After a list that failed, the next thousand originals don't wait for one more each.
func TestFailedListIsRemembered(t *testing.T) {
	var asked atomic.Int64
	b := open(t, store.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		store.Refuse(w, 500, "InternalError")
	}), nil)
	for i := range 100 {
		if gone, err := b.Deleted(fmt.Sprintf("%d.jpg", i)); gone || err == nil {
			t.Fatal(gone, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d lists were asked for, want 1", n)
	}
}

// A bucket without an object below the prefix is as a folder on which nothing is mounted.
func TestEmptyBucket(t *testing.T) {
	s := store.Start(t, "media")
	s.Put("media/others/a.jpg", jpeg("others"))
	b := open(t, s.Endpoint, nil)
	if _, err := b.Device(); !errors.Is(err, originals.ErrEmpty) {
		t.Errorf("got %v, want %v", err, originals.ErrEmpty)
	}
	s.Put("media/photos/a.jpg", jpeg("a"))
	if _, err := b.Device(); err != nil {
		t.Error(err)
	}
	if info, err := b.Stat("a.jpg"); err != nil || time.Since(info.Written()) > time.Hour {
		t.Errorf("written %v, %v", info.Written(), err)
	}
}

// A store whose disk goes away while a tree is tidied lists nothing: no original counts
// as deleted for that.
func TestStoreWithoutItsDisk(t *testing.T) {
	var keys []string
	for i := range 2500 {
		keys = append(keys, fmt.Sprintf("%05d.jpg", i))
	}
	var asked atomic.Int64
	var away atomic.Bool
	whole, nothing := list(keys, 1000, &asked), list(nil, 1000, &asked)
	b := open(t, store.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			nothing(w, r)
			return
		}
		whole(w, r)
	}), nil)
	if _, err := b.Device(); err != nil {
		t.Fatal(err)
	}
	away.Store(true)
	for _, name := range keys[1000:] {
		if gone, _ := b.Deleted(name); gone {
			t.Fatalf("%s counts as deleted", name)
		}
	}
}

// Stop ends a list for which a store lets wait.
func TestStopEndsAList(t *testing.T) {
	waits, end := make(chan struct{}), make(chan struct{})
	b := open(t, store.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(waits)
		select {
		case <-r.Context().Done():
		case <-end:
		}
	}), nil)
	defer close(end)
	ended := make(chan error)
	go func() {
		_, err := b.Stat("a.jpg")
		ended <- err
	}()
	<-waits
	b.Stop()
	if err := <-ended; !errors.Is(err, originals.ErrStopped) {
		t.Errorf("got %v, want %v", err, originals.ErrStopped)
	}
}

// An original that the store always refuses as one too many waits longer than the others,
// which are sent.
func TestOneSlowOriginal(t *testing.T) {
	b := open(t, store.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/bad.jpg") {
			store.Refuse(w, 503, "SlowDown")
			return
		}
		w.Header().Set("ETag", `"e"`)
		_, _ = w.Write(jpeg("good"))
	}), nil)
	if _, err := read(t, b, "bad.jpg"); !errors.Is(err, originals.ErrSlowDown) {
		t.Fatalf("got %v, want %v", err, originals.ErrSlowDown)
	}
	for deadline := time.Now().Add(aid.Patience); ; {
		if !time.Now().Before(deadline) {
			t.Fatal("no other original is sent")
		}
		_, bad := read(t, b, "bad.jpg")
		_, err := read(t, b, "good.jpg")
		if bad == nil {
			t.Fatal("the bad one is sent")
		}
		if err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A store says for how long it wants no requests.
func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "3600": 30 * time.Second, "": 0, "-5": 0, "99999999999999999999": 0, "soon": 0,
	} {
		h := http.Header{"Retry-After": {header}}
		err := newDialect(Options{}).Refusal(503, h, nil)
		if got := fetch.After(err); got != want || !errors.Is(err, originals.ErrSlowDown) {
			t.Errorf("%q: got %v and %v, want %v", header, got, err, want)
		}
	}
}

// A store whose answer comes too late, or stops in the middle, is too slow.
func TestSlowStore(t *testing.T) {
	end := make(chan struct{})
	for name, begin := range map[string]func(http.ResponseWriter){
		"silent": func(http.ResponseWriter) {},
		"stops": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(jpeg("begins"))
			_ = http.NewResponseController(w).Flush()
		},
	} {
		endpoint := store.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			select {
			case <-end:
			case <-r.Context().Done():
			}
		})
		b := openWith(t, endpoint, nil, func(o *fetch.Options) { o.TotalTime = 200 * time.Millisecond })
		_, err := read(t, b, "a.jpg")
		for _, err := range []error{err, b.CanList()} {
			if !errors.Is(err, originals.ErrSlow) {
				t.Errorf("%s: got %v, want %v", name, err, originals.ErrSlow)
			}
		}
	}
	close(end)
}
