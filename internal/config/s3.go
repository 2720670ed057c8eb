// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"thumbd/internal/s3"
)

// store is [site.NAME.s3] while it is read.
type store struct {
	s3.Options
	credentials          string
	accessKey, secretKey string // names of files
}

var (
	bucketPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{1,61})[a-z0-9]$`)
	regionPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// bucketURL takes the URL of a bucket, for example that of example, and returns its parts.
func bucketURL(s, example string) (bucket, prefix string, err error) {
	bucket, prefix, ok := strings.Cut(strings.TrimPrefix(s, "s3://"), "/")
	switch {
	case !bucketPattern.MatchString(bucket) || !ok:
		return "", "", fmt.Errorf(`want a bucket and a prefix of keys such as %q, have %q`, example, s)
	case prefix != "" && !strings.HasSuffix(prefix, "/"):
		return "", "", fmt.Errorf("want a URL that ends with /, have %q", s)
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(prefix, "/"), "/") {
		if prefix != "" && (segment == "" || segment == "." || segment == "..") {
			return "", "", fmt.Errorf("%q has a segment that is empty or %s, which no original's URL can have", s, `"." or ".."`)
		}
	}
	return bucket, prefix, nil
}

// newStore returns the defaults of [site.NAME.s3].
func newStore(bucket, prefix string) *store {
	return &store{Options: s3.Options{Bucket: bucket, Prefix: prefix, Region: "us-east-1"}, credentials: "files"}
}

// setBucket takes the URL of a bucket.
func (d *draft) setBucket(s string) error {
	bucket, prefix, err := bucketURL(s, "s3://media/photos/")
	if err != nil {
		return err
	}
	d.store, d.Fetch = newStore(bucket, prefix), fetchDefaults(nil)
	return nil
}

// s3 reads [site.NAME.s3] of a site with originals in a bucket.
func (r *reader) s3(d *draft, t table) {
	o := d.store
	r.read(t, storeFields(o))
	r.completeStore(t, o, d.table.at("originals"))
	d.S3, d.Fetch.Base = &o.Options, o.URL()
}

// completeStore completes o, which was read from t. key is that of the bucket's URL.
func (r *reader) completeStore(t table, o *store, key string) {
	if !t.has("path_style") {
		o.PathStyle = o.Endpoint != nil
	}
	if !o.PathStyle && strings.Contains(o.Bucket, ".") {
		r.mistake(key, "no certificate is for a host below another with the dots of %s; write path_style = true into [%s]", o.Bucket, t.key)
	}
	r.storeKeys(t, o)
}

func storeFields(o *store) fields {
	return fields{
		"endpoint":       o.setEndpoint,
		"region":         text(&o.Region, checkRegion),
		"path_style":     truth(&o.PathStyle),
		"credentials":    oneOf(&o.credentials, "files", "aws", "none"),
		"access_key":     keyFile(&o.accessKey),
		"secret_key":     keyFile(&o.secretKey),
		"profile":        text(&o.Profile, checkProfile),
		"requester_pays": truth(&o.RequesterPays),
	}
}

// storeKeys reads the keys of a store.
func (r *reader) storeKeys(t table, o *store) {
	names := []struct {
		key, file string
		dst       *string
	}{{"access_key", o.accessKey, &o.AccessKey}, {"secret_key", o.secretKey, &o.SecretKey}}
	if o.credentials == "none" && o.RequesterPays {
		r.mistake(t.at("requester_pays"), `takes keys, and credentials is "none"; remove one of them`)
	}
	o.Chain = o.credentials == "aws"
	if o.Profile != "" && !o.Chain && !r.bad[t.at("credentials")] {
		r.mistake(t.at("profile"), `is for credentials = "aws", and that is %q; remove one of them`, o.credentials)
	}
	for _, n := range names {
		switch {
		case r.bad[t.at("credentials")] || r.bad[t.at(n.key)]:
		case o.credentials != "files" && t.has(n.key):
			r.mistake(t.at(n.key), `is for credentials = "files", and that is %q; remove one of them`, o.credentials)
		case o.credentials != "files":
		case n.file == "":
			r.mistake(t.at(n.key), `missing; e.g. %s = "s3-%s", the name of a file in keys/; or credentials = "none" for a bucket that everybody may read`,
				n.key, strings.TrimSuffix(n.key, "_key"))
		default:
			content, err := r.env.Key(n.file)
			*n.dst = string(content)
			switch {
			case err != nil:
				// Its remedy makes a key that the store does not know.
				text := strings.TrimSuffix(err.Error(), "; "+keyRemedy)
				r.mistake(t.at(n.key), "%s; write the key that the store has given you into it", text)
			case !isStoreKey(*n.dst):
				r.mistake(t.at(n.key), "%s has no key of a store: want one line of letters, digits and punctuation", n.file)
			}
		}
	}
}

// isStoreKey reports whether a key can be a store's: such a key never has a space.
func isStoreKey(s string) bool {
	return s != "" && len(s) <= 1024 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func keyFile(dst *string) setter {
	return func(v any) (err error) {
		*dst, err = keyName(v)
		return err
	}
}

// checkProfile takes the name of a profile of AWS; "" is the one of the environment.
func checkProfile(s string) error {
	if len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == ']' || r > '~' }) {
		return fmt.Errorf(`want the name of a profile of AWS such as "thumbd", have %q`, s)
	}
	return nil
}

func checkRegion(s string) error {
	if !regionPattern.MatchString(s) {
		return fmt.Errorf(`want the name of a region such as "eu-central-1", have %q`, s)
	}
	return nil
}

// setEndpoint takes the URL of a store; "" is AWS.
func (o *store) setEndpoint(v any) error {
	s, ok := v.(string)
	if ok && s == "" {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case !ok || err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf(`want the URL of a store such as "https://s3.example:9000", have %s`, have(v))
	case u.User != nil:
		return errors.New("has a user's name, which is not sent; remove it")
	case strings.Trim(u.Path, "/") != "" || strings.ContainsAny(s, "?#"):
		return fmt.Errorf("want the URL of a store alone, without a bucket or a path, have %q", s)
	}
	o.Endpoint = &url.URL{Scheme: u.Scheme, Host: u.Host}
	return nil
}
