// SPDX-License-Identifier: MIT

package sign_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thumbd/internal/route"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

type vectors struct {
	Key       string
	SecretKey string `json:"secret_key"`
	Vectors   []vector
	Bytes     []vector // Original and Signed in base64
	Refused   []struct {
		Request string
		Status  int
		Why     string
	}
}

type vector struct {
	Prefix, Original, Spec, Ext, Signed, Signature, Request string

	Size, Method, Secret string // restthumbnails
}

func read(t *testing.T, name string) vectors {
	t.Helper()
	b, err := os.ReadFile("../../testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	for _, x := range v.Bytes {
		x.Original, x.Signed = decode(t, x.Original), decode(t, x.Signed)
		v.Vectors = append(v.Vectors, x)
	}
	return v
}

func decode(t *testing.T, s string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func site(scheme thumb.Scheme, prefix, key string) *thumb.Site {
	return &thumb.Site{
		Route: route.Route{Prefix: prefix}, Scheme: scheme, Keys: [][]byte{[]byte("another key, that is not the first"), []byte(key)},
		DocumentRoot: "/var/cache/thumbd/gallery", MaxWidth: 4096, MaxHeight: 4096,
		Formats: []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF},
		Presets: map[string]thumb.Preset{"card": {DPR: []int{2}, Transform: thumb.Transform{Width: 400, Height: 300, Method: thumb.Crop}}},
	}
}

// parse leads a request through the stages before the disk and returns the
// first error.
func parse(sites []*thumb.Site, request string) (thumb.Thumb, error) {
	uri, err := thumb.Normalize(request)
	if err != nil {
		return thumb.Thumb{}, err
	}
	s, ok := route.Find(sites, func(s *thumb.Site) *route.Route { return &s.Route }, "", uri)
	if !ok {
		return thumb.Thumb{}, thumb.ErrNoSite
	}
	t, err := s.Parse(uri)
	if err != nil {
		return thumb.Thumb{}, err
	}
	return t, sign.Verify(t)
}

// statuses are those of serve, for what can come before the disk.
var statuses = map[error]int{
	thumb.ErrNoSite: 404, thumb.ErrName: 404, thumb.ErrUnknownPreset: 404, thumb.ErrNoOriginal: 404,
	thumb.ErrExtension: 400, thumb.ErrMalformed: 400, thumb.ErrTooLarge: 400, thumb.ErrEscape: 400,
	thumb.ErrNoSignature: 401, sign.ErrSignature: 401,
}

func statusOf(err error) int {
	for sentinel, status := range statuses {
		if errors.Is(err, sentinel) {
			return status
		}
	}
	return 0
}

func check(t *testing.T, v vectors, sites []*thumb.Site) {
	t.Helper()
	for _, x := range v.Vectors {
		got, err := parse(sites, x.Request)
		if err != nil || got.Original != x.Original {
			t.Errorf("%s: original %q, %v", x.Request, got.Original, err)
			continue
		}
		if text := got.SignedText(); x.Signed != "" && text != x.Signed {
			t.Errorf("%s: signed %q; want %q", x.Request, text, x.Signed)
		}
		if want := x.Signature + x.Secret; sign.Sign(got, got.Site.Keys[1]) != want {
			t.Errorf("%s: signature %q; want %q", x.Request, sign.Sign(got, got.Site.Keys[1]), want)
		}
	}
	for _, x := range v.Refused {
		if _, err := parse(sites, x.Request); statusOf(err) != x.Status {
			t.Errorf("%s: %v; want %d: %s", x.Request, err, x.Status, x.Why)
		}
	}
	if len(v.Vectors) < 10 || len(v.Refused) < 10 {
		t.Errorf("%d vectors and %d negatives: is the file whole?", len(v.Vectors), len(v.Refused))
	}
}

func TestVectorsSigned(t *testing.T) {
	v := read(t, "signed.json")
	prefixes := map[string]bool{}
	for _, x := range v.Vectors {
		prefixes[x.Prefix] = true
	}
	delete(prefixes, "")
	var sites []*thumb.Site
	for _, prefix := range slices.Sorted(maps.Keys(prefixes)) {
		sites = append(sites, site(thumb.Signed, prefix, v.Key))
	}
	check(t, v, sites)
}

func TestVectorsRestThumbnails(t *testing.T) {
	v := read(t, "restthumbnails.json")
	check(t, v, []*thumb.Site{site(thumb.RestThumbnails, "/thumbnails/", v.SecretKey)})
}

// TestNewWritesTheVectors holds that what thumbd url prints are the vectors.
func TestNewWritesTheVectors(t *testing.T) {
	for _, x := range read(t, "signed.json").Vectors {
		s := site(thumb.Signed, x.Prefix, "")
		w := thumb.Wanted{Original: x.Original, Ext: x.Ext}
		var ok bool
		if w.Size, w.Method, ok = strings.Cut(x.Spec, "_"); !ok {
			w.Size, w.Preset = "", x.Spec
		}
		got, err := s.New(w)
		if err != nil {
			t.Errorf("New(%+v): %v", w, err)
			continue
		}
		got.Signature = x.Signature
		want, err := url.PathUnescape(x.Request)
		if err != nil || got.URI() != want {
			t.Errorf("New(%+v).URI() = %q; want %q", w, got.URI(), want)
		}
	}
}

func TestVerifyWantsTheWholeSignature(t *testing.T) {
	s := site(thumb.Signed, "/t/", "key")
	s.Keys = s.Keys[1:]
	good, err := s.New(thumb.Wanted{Original: "a", Size: "1x1", Method: "fit"})
	if err != nil {
		t.Fatal(err)
	}
	good.Signature = sign.Sign(good, s.Keys[0])
	if err := sign.Verify(good); err != nil {
		t.Fatal(err)
	}
	for i := range good.Signature {
		bad := good
		flipped := []byte(bad.Signature)
		flipped[i] ^= 1
		bad.Signature = string(flipped)
		if err := sign.Verify(bad); !errors.Is(err, sign.ErrSignature) {
			t.Errorf("%s for %s: %v", bad.Signature, good.Signature, err)
		}
	}
	for _, text := range []string{"", good.Signature[1:], good.Signature + "A"} {
		bad := good
		bad.Signature = text
		if err := sign.Verify(bad); !errors.Is(err, sign.ErrSignature) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPresetSchemeHasNothingToVerify(t *testing.T) {
	s := site(thumb.PresetScheme, "/p/", "")
	got, err := s.New(thumb.Wanted{Original: "a.png", Preset: "card"})
	if err != nil || sign.Sign(got, nil) != "" || sign.Verify(got) != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// nginx asks about every hit of a protected site.
func TestACheckOfAQueryAllocatesNothing(t *testing.T) {
	keys := [][]byte{[]byte("0123456789abcdef-new"), []byte("0123456789abcdef-old")}
	const uri = "/thumbs/a photo.jpg/400x300_crop_.jpg"
	now := time.Unix(1_700_000_000, 0)
	query := sign.Access.Sign(uri, sign.Query{Expires: now.Add(time.Hour)}, keys[1])
	v := sign.Access.Verifier(keys)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := v.Verify(uri, query, now); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each check", n)
	}
}

// A Verifier that several requests use at once mixes up nothing of theirs.
func TestAVerifierIsForMany(t *testing.T) {
	key := []byte("0123456789abcdef")
	v := sign.Access.Verifier([][]byte{key})
	now := time.Unix(1_700_000_000, 0)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			uri := fmt.Sprint("/thumbs/", strings.Repeat("a", i), ".jpg")
			good := sign.Access.Sign(uri, sign.Query{Expires: now.Add(time.Hour)}, key)
			for range 200 {
				if _, err := v.Verify(uri, good, now); err != nil {
					t.Errorf("%s: %v", uri, err)
				}
				if _, err := v.Verify(uri+"x", good, now); !errors.Is(err, sign.ErrProof) {
					t.Errorf("%sx: %v, want %v", uri, err, sign.ErrProof)
				}
			}
		})
	}
	all.Wait()
}
