// SPDX-License-Identifier: MIT

// Package s3 is the originals of a site in a bucket of an S3 store: package fetch with
// signed requests, the store's errors, and lists of keys. It also keeps small files in a
// bucket, for package journal.
//
// It is larger than other packages because originals, lists and files share one signature
// and one translation of the store's errors. Each is a file.
package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"thumbd/internal/fetch"
	"thumbd/internal/originals"
)

// Options are the options of a Bucket.
type Options struct {
	Bucket    string
	Prefix    string   // of the keys: "" or ends in /
	Endpoint  *url.URL // of the store, without a path; nil: AWS
	Region    string
	PathStyle bool // the bucket is in the path of URLs, not in the host
	// AccessKey and SecretKey sign the requests; both empty: they are not signed.
	AccessKey, SecretKey string
	// Chain says that the keys are found by AWS's chain, with this Profile. Keys is then
	// package chain's.
	Chain   bool
	Profile string
	// Keys gives the keys in place of AccessKey and SecretKey, unless it is nil.
	Keys          Keys
	RequesterPays bool // the account of the keys pays for requests
}

// ErrNoKeys means that Keys has none, so no request was sent. It is an
// originals.ErrCredentials.
var ErrNoKeys = fmt.Errorf("%w: there are none", originals.ErrCredentials)

// Keys gives the keys that sign requests, if they may end or be replaced. Its methods are
// safe for concurrent use.
type Keys interface {
	// Keys returns the keys as they are now. It may wait, until ctx ends. Its error names
	// no secret.
	Keys(ctx context.Context) (aws.Credentials, error)
	// Refused says that the store has refused the keys.
	Refused()
	Stop()  // ends the waiting of Keys
	Close() // after Stop, when nobody calls Keys any more
}

// URL returns the URL of the key Prefix.
func (o Options) URL() *url.URL {
	u := url.URL{Scheme: "https", Host: "s3." + o.Region + ".amazonaws.com"}
	if strings.HasPrefix(o.Region, "cn-") {
		u.Host += ".cn"
	}
	if o.Endpoint != nil {
		u.Scheme, u.Host = o.Endpoint.Scheme, o.Endpoint.Host
	}
	u.Path = "/"
	if o.PathStyle {
		u.Path += o.Bucket + "/"
	} else {
		u.Host = o.Bucket + "." + u.Host
	}
	u.Path += o.Prefix
	if escaped := escapePath(u.Path); escaped != u.EscapedPath() {
		u.RawPath = escaped
	}
	return &u
}

// escapePath escapes a path for a signature: every byte except unreserved bytes and the
// slash.
func escapePath(path string) string {
	return strings.ReplaceAll(escape(path), "%2F", "/")
}

// escape escapes every byte that is not unreserved: "a b+c" is a%20b%2Bc.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// Bucket is the originals of a site in a bucket: an origin that can be listed. Its
// methods are safe for concurrent use.
type Bucket struct {
	*fetch.Origin
	options Options
	dialect *dialect
	pages   pages
}

// New returns the originals in the bucket of o as a source. They are fetched into spool
// with the options how, but with the Base and Dialect of o. New sends no request. The
// caller calls Close.
func New(o Options, how fetch.Options, spool *fetch.Spool) *Bucket {
	d := newDialect(o)
	how.Base, how.Dialect = o.URL(), d
	return &Bucket{Origin: fetch.New(how, spool), options: o, dialect: d}
}

// Stop ends all requests in flight, as fetch.Origin's.
func (b *Bucket) Stop() {
	b.Origin.Stop()
	if b.options.Keys != nil {
		b.options.Keys.Stop()
	}
}

// Close closes as fetch.Origin's, and the Keys of the options.
func (b *Bucket) Close() {
	b.Origin.Close()
	if b.options.Keys != nil {
		b.options.Keys.Close()
	}
}

// Forget implements originals.Forgetter. Beside the originals, it drops all lists of keys.
func (b *Bucket) Forget(f originals.Forgotten) {
	b.pages.forget()
	b.Origin.Forget(f)
}

// Path returns the URL of the original of that name as the configuration writes it,
// for the log: s3://media/photos/a.jpg.
func (b *Bucket) Path(name string) string {
	return "s3://" + b.options.Bucket + "/" + b.options.Prefix + name
}

// maxKey is the longest key of a store, in bytes.
const maxKey = 1024

// Open opens as fetch.Origin's. No object has a name that is longer than keys can be.
func (b *Bucket) Open(ctx context.Context, name string) (*os.File, originals.Info, error) {
	if err := b.check(name); err != nil {
		return nil, originals.Info{}, err
	}
	return b.Origin.Open(ctx, name)
}

// Ask returns the error that Open would return, as far as the header of the answer
// tells.
func (b *Bucket) Ask(name string) error {
	if err := b.check(name); err != nil {
		return err
	}
	return b.Origin.Ask(name)
}

func (b *Bucket) check(name string) error {
	if n := len(b.options.Prefix) + len(name); n > maxKey {
		return fmt.Errorf("original %q: %w: a key of %d bytes, and %d are the most", name, fs.ErrNotExist, n, maxKey)
	}
	return nil
}

// dialect makes and signs the requests to a store, and reads its errors.
type dialect struct {
	options Options
	signer  *v4.Signer
	now     func() time.Time
}

func newDialect(o Options) *dialect {
	plain := func(s *v4.SignerOptions) {
		// The path is escaped already, and its slashes are the keys' own.
		s.DisableURIPathEscaping = true
	}
	return &dialect{options: o, signer: v4.NewSigner(plain), now: time.Now}
}

// noContent is the SHA-256 of no bytes.
const noContent = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// Sign implements fetch.Dialect.
func (d *dialect) Sign(r *http.Request) error {
	if d.options.RequesterPays {
		r.Header.Set("X-Amz-Request-Payer", "requester")
	}
	who := aws.Credentials{AccessKeyID: d.options.AccessKey, SecretAccessKey: d.options.SecretKey}
	if d.options.Keys != nil {
		keys, err := d.options.Keys.Keys(r.Context())
		switch {
		case r.Context().Err() != nil:
			return context.Cause(r.Context())
		case err != nil:
			return fmt.Errorf("%w: %w", ErrNoKeys, err)
		}
		who = keys
	}
	if who.AccessKeyID == "" {
		return nil
	}
	content, err := contentSum(r)
	if err != nil {
		return err
	}
	r.Header.Set("X-Amz-Content-Sha256", content)
	// Not signed: the proxies of some stores rewrite it.
	encoding := r.Header["Accept-Encoding"]
	r.Header.Del("Accept-Encoding")
	defer func() { r.Header["Accept-Encoding"] = encoding }()
	if err := d.signer.SignHTTP(r.Context(), who, r, content, "s3", d.options.Region, d.now()); err != nil {
		return fmt.Errorf("%w: the request can't be signed: %w", originals.ErrCredentials, err)
	}
	return nil
}

// contentSum returns the SHA-256 of a request's body.
func contentSum(r *http.Request) (string, error) {
	if r.GetBody == nil {
		return noContent, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return "", err
	}
	defer body.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, body); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Version implements fetch.Dialect: the version of an original is made of its ETag, so
// that a list tells the version too.
func (d *dialect) Version(h http.Header) (time.Time, bool) { return fetch.ETagVersion(h.Get("ETag")) }

// answer is the body of an error answer. Its message is not read: it may quote the
// request.
type answer struct {
	XMLName    xml.Name `xml:"Error"`
	Code       string
	Region     string
	ServerTime string
}

// misfits are the codes of a store's error, with any status, if it does not accept the
// keys, the clock or the region of thumbd.
var misfits = map[string]bool{
	"AuthorizationHeaderMalformed": true, "AuthorizationQueryParametersError": true, "ExpiredToken": true,
	"IllegalLocationConstraintException": true, "InvalidAccessKeyId": true, "InvalidToken": true,
	"PermanentRedirect": true, "RequestTimeTooSkewed": true, "SignatureDoesNotMatch": true, "TokenRefreshRequired": true,
}

// ended has the codes of errors that new keys may cure: the next request then looks up the
// keys of AWS's chain again.
var ended = map[string]bool{
	"ExpiredToken": true, "InvalidAccessKeyId": true, "InvalidToken": true, "SignatureDoesNotMatch": true, "TokenRefreshRequired": true,
}

// Refusal implements fetch.Dialect.
func (d *dialect) Refusal(status int, h http.Header, body []byte) error {
	var a answer
	if err := xml.Unmarshal(body, &a); err != nil {
		a = answer{}
	}
	if d.options.Keys != nil && ended[a.Code] {
		d.options.Keys.Refused()
	}
	text := strings.TrimSpace(fmt.Sprintf("status %d %s", status, fetch.Word(a.Code)))
	switch {
	case status == http.StatusForbidden && a.Code == "AccessDenied":
		return fmt.Errorf("%w: %w: %s", fs.ErrNotExist, originals.ErrUntold, text)
	case a.Code == "RequestTimeTooSkewed":
		return fmt.Errorf("%w: %s%s", originals.ErrCredentials, text, d.clockText(h))
	case status == http.StatusMovedPermanently, status == http.StatusTemporaryRedirect,
		a.Code == "AuthorizationHeaderMalformed", a.Code == "PermanentRedirect":
		return fmt.Errorf("%w: %s%s", originals.ErrCredentials, text, d.regionText(h, a))
	case status == http.StatusForbidden, status == http.StatusUnauthorized, misfits[a.Code]:
		return fmt.Errorf("%w: %s", originals.ErrCredentials, text)
	case a.Code == "NoSuchBucket":
		return fmt.Errorf("%w: %s: there is no bucket %s", originals.ErrOrigin, text, d.options.Bucket)
	case status == http.StatusNotFound && (a.Code == "" || a.Code == "NoSuchKey"), status == http.StatusGone:
		return fmt.Errorf("%w: %s", fs.ErrNotExist, text)
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests, a.Code == "SlowDown":
		return fetch.SlowDown(h, text)
	}
	return fmt.Errorf("%w: %s", originals.ErrOrigin, text)
}

// clockText tells how far the clocks are apart.
func (d *dialect) clockText(h http.Header) string {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return ": the clocks differ too much"
	}
	return fmt.Sprintf(": this machine's clock is %v from the store's", d.now().Sub(at).Round(time.Second))
}

// regionText tells the region that the store names.
func (d *dialect) regionText(h http.Header, a answer) string {
	region := h.Get("X-Amz-Bucket-Region")
	if region == "" {
		region = a.Region
	}
	if region == "" {
		return fmt.Sprintf(": region = %q or endpoint is not the bucket's", d.options.Region)
	}
	return fmt.Sprintf(": region = %q, and the bucket is in %q", d.options.Region, fetch.Word(region))
}
