// SPDX-License-Identifier: MIT

package kit

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"thumbd/internal/test/rig"
	"thumbd/internal/test/store"
)

// Bucket starts a store with the bucket media, and returns options with one site of
// the signed scheme, below /NAME/. The site's originals are below photos/ in the bucket.
// lines follow in [site.NAME.s3].
func Bucket(t testing.TB, name, lines string) (*store.Store, rig.Options) {
	t.Helper()
	s := store.Start(t, "media")
	return s, BucketAt(t, s.Endpoint, name, lines)
}

// BucketAt returns the options of Bucket for a store at a URL.
func BucketAt(t testing.TB, endpoint, name, lines string) rig.Options {
	t.Helper()
	return rig.Options{
		Keys: map[string]string{"s3-access": store.AccessKey, "s3-secret": store.SecretKey + "\n"},
		TOML: fmt.Sprintf("[daemon]\nspool = %q\n", Folder(t, nil)+"/spool"),
		Sites: []rig.Site{{
			Name: name, Prefix: "/" + name + "/", Scheme: "signed", Originals: "s3://media/photos/", Key: name + Key,
			TOML: fmt.Sprintf("[site.%s.fetch]\nallow_addresses = [\"127.0.0.0/8\"]\n[site.%[1]s.s3]\nendpoint = %[2]q\nregion = %[3]q\n%[4]s\n", name, endpoint, store.Region, lines),
		}},
	}
}

// Chain gives the programs of a test these variables of AWS, for example
// AWS_PROFILE=reader, and no others. The programs do not ask EC2's metadata service for
// keys.
func Chain(t *testing.T, variables ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	for _, v := range append(variables, "HOME=/nonexistent", "AWS_EC2_METADATA_DISABLED=true") {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// BucketKeys are the lines of [site.NAME.s3] with the keys of the store.
const BucketKeys = "access_key = \"s3-access\"\nsecret_key = \"s3-secret\""
