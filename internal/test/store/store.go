// SPDX-License-Identifier: MIT

// Package store runs a real S3 store, versitygw, over a folder of a test.
package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The keys and the region of every store.
const (
	AccessKey = "store-access"
	SecretKey = "store-secret-0123456789"
	Region    = "eu-test-1"
)

// Address is the address of every store of this process, without a port: one of loopback
// that no other process of tests uses.
var Address = fmt.Sprintf("127.%d.%d.2", 1+os.Getpid()/256%250, os.Getpid()%256)

// Store is a store that runs until its test ends.
type Store struct {
	Endpoint string // its URL, without a path
	t        testing.TB
}

// program returns the path of versitygw, which make builds.
func program(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		path := filepath.Join(dir, "build/tools/versitygw")
		if _, err := os.Stat(path); err == nil {
			return path
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("there is no versitygw: make build/tools/versitygw")
	return ""
}

// Start starts a store with one empty bucket.
func Start(t testing.TB, bucket string) *Store {
	t.Helper()
	return start(t, bucket, "http")
}

// StartTLS starts a store that speaks TLS, with a certificate and key in these files, and
// has its buckets below a domain, too, for example https://media.s3.test.
func StartTLS(t testing.TB, bucket, domain, certificate, key string) *Store {
	t.Helper()
	return start(t, bucket, "https", "--virtual-domain", domain, "--cert", certificate, "--key", key)
}

func start(t testing.TB, bucket, scheme string, flags ...string) *Store {
	t.Helper()
	path := program(t)
	top := t.TempDir()
	for _, name := range []string{"data", "meta", "iam"} {
		if err := os.Mkdir(filepath.Join(top, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	address := net.JoinHostPort(Address, freePort(t))
	var out bytes.Buffer
	args := slices.Concat([]string{"--quiet", "--access", AccessKey, "--secret", SecretKey, "--region", Region, "--port", address, "--iam-dir", filepath.Join(top, "iam")},
		flags, []string{"posix", "--sidecar", filepath.Join(top, "meta"), filepath.Join(top, "data")})
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"HOME=" + top}
	cmd.Stdout, cmd.Stderr = &out, &out
	// It ends with the test, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failed = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	s := &Store{Endpoint: scheme + "://" + address, t: t}
	for {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			c.Close()
			break
		}
		select {
		case <-ended:
			t.Fatalf("versitygw: %v\n%s", failed, out.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.do(http.MethodPut, "/"+bucket, nil, nil)
	return s
}

// Through returns the endpoint of a server in front of s. It calls h for each request; h
// passes the request on to the store, or answers as a store with a fault does.
func (s *Store) Through(h func(w http.ResponseWriter, r *http.Request, store http.Handler)) (endpoint string) {
	s.t.Helper()
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		s.t.Fatal(err)
	}
	store := &httputil.ReverseProxy{
		// The host is signed.
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	return Serve(s.t, func(w http.ResponseWriter, r *http.Request) { h(w, r, store) })
}

// Serve serves a store of the test's own, for faults, until the test ends.
func Serve(t testing.TB, h http.HandlerFunc) (endpoint string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", Address+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// Refuse answers as a store that refuses, with an error code of S3.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>of %s</Message><Region>eu-real-1</Region></Error>`, code, SecretKey)
}

// freePort returns a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", Address+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Put writes an object, for example "media/photos/a.jpg", and returns its ETag.
func (s *Store) Put(key string, data []byte) (etag string) {
	s.t.Helper()
	return s.do(http.MethodPut, "/"+key, nil, data).Get("ETag")
}

// Delete removes an object.
func (s *Store) Delete(key string) {
	s.t.Helper()
	s.do(http.MethodDelete, "/"+key, nil, nil)
}

// List returns the keys of a bucket, at most 1000, that begin with a prefix.
func (s *Store) List(bucket, prefix string) (keys []string) {
	s.t.Helper()
	var list struct{ Contents []struct{ Key string } }
	_, body := s.answer(http.MethodGet, "/"+bucket, url.Values{"list-type": {"2"}, "prefix": {prefix}}, nil)
	if err := xml.Unmarshal(body, &list); err != nil {
		s.t.Fatal(err)
	}
	for _, c := range list.Contents {
		keys = append(keys, c.Key)
	}
	return keys
}

// Publish lets everybody read the objects of a bucket, and nobody list them.
func (s *Store) Publish(bucket string) {
	s.t.Helper()
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::%s/*"]}]}`, bucket)
	s.do(http.MethodPut, "/"+bucket, url.Values{"policy": {""}}, []byte(policy))
}

// do sends one request, signed as the owner's, and returns the answer's header.
func (s *Store) do(method, path string, query url.Values, data []byte) http.Header {
	s.t.Helper()
	header, _ := s.answer(method, path, query, data)
	return header
}

// answer sends one request as do does.
func (s *Store) answer(method, path string, query url.Values, data []byte) (http.Header, []byte) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.Endpoint, bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	r.URL.Path = path
	r.URL.RawPath = strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(path), "+", "%20"), "%2F", "/")
	r.URL.RawQuery = query.Encode()
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	who := aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}
	if err := signer.SignHTTP(ctx, who, r, hash, "s3", Region, time.Now()); err != nil {
		s.t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		s.t.Fatalf("%s %s: status %d, %v\n%s", method, path, resp.StatusCode, err, body)
	}
	return resp.Header, body
}
