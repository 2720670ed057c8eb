// SPDX-License-Identifier: MIT

package clinic

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/store"
)

// Doctor and check on a bucket: a wrong key, a wrong region, no right to list.
func TestDoctorOnBucket(t *testing.T) {
	s, o := kit.Bucket(t, "cloud", kit.BucketKeys)
	s.Put("media/photos/a.jpg", []byte("\xff\xd8\xff"))
	r := kit.Start(t, o)
	for _, f := range kit.Examine(t, r).Findings {
		t.Errorf("at first: %+v", f)
	}
	check(t, r, 0, "good")
	well := kit.Configuration(t, r)

	key := filepath.Join(r.Dir, "keys/s3-secret")
	aid.Must(t, os.WriteFile(key, []byte("another"), 0o600))
	kit.Reload(t, r, well)
	kit.WantFinding(t, kit.Examine(t, r), "bucket-refused", "secret_key")
	check(t, r, 1, "SignatureDoesNotMatch")
	aid.Must(t, os.WriteFile(key, []byte(store.SecretKey), 0o600))

	kit.Reload(t, r, strings.Replace(well, store.Region, "us-west-7", 1))
	kit.WantFinding(t, kit.Examine(t, r), "bucket-refused", "region")
	check(t, r, 1, "us-west-7")
}

func TestDoctorOnBucketWithoutTheRightToList(t *testing.T) {
	s, o := kit.Bucket(t, "cloud", `credentials = "none"`)
	s.Put("media/photos/a.jpg", []byte("\xff\xd8\xff"))
	s.Publish("media")
	r := kit.Start(t, o)
	kit.WantFinding(t, kit.Examine(t, r), "bucket-unlisted", "s3:ListBucket")
	check(t, r, 0, "good")
	check(t, r, 0, "s3:ListBucket")
}

// The daemon has no keys: doctor names the drop-in. check has an environment of its own,
// and warns.
func TestDoctorOnBucketWithoutKeys(t *testing.T) {
	s, o := kit.Bucket(t, "cloud", "credentials = \"aws\"")
	s.Put("media/photos/a.jpg", []byte("\xff\xd8\xff"))
	kit.Chain(t, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/")
	r := kit.Start(t, o)
	kit.WantFinding(t, kit.Examine(t, r), "bucket-refused", "aws-credentials.conf")
	check(t, r, 0, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
}
