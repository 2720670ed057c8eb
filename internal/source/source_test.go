// SPDX-License-Identifier: MIT

package source

import (
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/fetch"
	"thumbd/internal/originals"
	"thumbd/internal/s3"
	"thumbd/internal/test/store"
)

// Commands ask a source for its abilities: a folder has those of files, an origin is
// fetched and can't be listed, a bucket is fetched and can. The properties of the site's
// configuration agree with them: a source that is not distant is local.
func TestAbilities(t *testing.T) {
	base := &url.URL{Scheme: "https", Host: "origin.example", Path: "/media/"}
	in := func(bucket s3.Options) *config.Site {
		return &config.Site{Distant: config.Distant{Fetch: &fetch.Options{Base: base, Lifetime: time.Hour}, S3: &bucket}}
	}
	for name, test := range map[string]struct {
		site *config.Site
		want []bool // lists, tells, has a gate, knows forms, is distant
	}{
		"folder":                {&config.Site{Originals: t.TempDir()}, []bool{true, true, true, true, false}},
		"origin":                {&config.Site{Distant: config.Distant{Fetch: &fetch.Options{Base: base, Lifetime: time.Hour}}}, []bool{false, false, false, false, true}},
		"bucket of AWS's chain": {in(s3.Options{Bucket: "media", Chain: true}), []bool{true, true, false, false, true}},
		"bucket":                {in(s3.Options{Bucket: "media"}), []bool{true, true, false, false, true}},
	} {
		s := New(&config.Config{}, test.site, nil)
		has := []bool{is[originals.Lister](s), is[originals.Teller](s), is[originals.Gated](s), is[originals.Former](s), is[originals.Distant](s)}
		s.Close()
		if !slices.Equal(has, test.want) {
			t.Errorf("%s has %v, want %v", name, has, test.want)
		}
		distant := is[originals.Distant](s)
		if site := test.site; site.Local() == distant || (site.Lifetime() > 0) != distant || (site.URL() != "") != distant {
			t.Errorf("%s: distant %v, local %v, lifetime %v, URL %q", name, distant, site.Local(), site.Lifetime(), site.URL())
		}
		if chain := name == "bucket of AWS's chain"; test.site.Chain() != chain {
			t.Errorf("%s: keys of AWS's chain %v, want %v", name, !chain, chain)
		}
	}
}

func is[T any](s originals.Source) bool {
	_, ok := s.(T)
	return ok
}

// The journal in a bucket has the keys of AWS's chain, too.
func TestJournalOfTheChain(t *testing.T) {
	gateway := store.Start(t, "media")
	endpoint, err := url.Parse(gateway.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": store.SecretKey, "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent",
	} {
		t.Setenv(name, value)
	}
	j := Journal(&config.Nodes{
		S3:             &s3.Options{Bucket: "media", Prefix: "thumbd/", Endpoint: endpoint, Region: store.Region, PathStyle: true, Chain: true},
		AllowAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	if _, err := j.Put(t.Context(), "entry", []byte("a")); err != nil {
		t.Error(err)
	}
}
