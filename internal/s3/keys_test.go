// SPDX-License-Identifier: MIT

package s3

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"thumbd/internal/originals"
	"thumbd/internal/test/store"
)

// keys gives its keys or its error, and counts.
type keys struct {
	aws.Credentials
	err     error
	refused int
	closed  int
}

func (k *keys) Keys(context.Context) (aws.Credentials, error) { return k.Credentials, k.err }
func (k *keys) Refused()                                      { k.refused++ }
func (k *keys) Stop()                                         { k.closed++ }
func (k *keys) Close()                                        { k.closed++ }

// Keys that may end sign requests with their token. If the store refuses them, they are
// told, and not for what is missing or forbidden.
func TestKeys(t *testing.T) {
	k := &keys{Credentials: aws.Credentials{AccessKeyID: "temporary", SecretAccessKey: "hush", SessionToken: "token"}}
	code, status := "NoSuchKey", 404
	headers := make(chan http.Header, 1)
	b := open(t, store.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		store.Refuse(w, status, code)
	}), func(o *Options) { o.Keys = k })
	ask := func(want error) {
		t.Helper()
		if err := b.Ask("a.jpg"); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", code, err, want)
		}
		h := <-headers
		if !strings.Contains(h.Get("Authorization"), "Credential=temporary/") || h.Get("X-Amz-Security-Token") != "token" || !strings.Contains(h.Get("Authorization"), "x-amz-security-token") {
			t.Errorf("the headers are %v", h)
		}
	}
	ask(fs.ErrNotExist)
	code, status = "AccessDenied", 403
	ask(originals.ErrUntold)
	if k.refused != 0 {
		t.Errorf("told %d times that they are refused, want none", k.refused)
	}
	for i, c := range []string{"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"} {
		code = c
		ask(originals.ErrCredentials)
		if k.refused != i+1 {
			t.Errorf("%s: told %d times, want %d", c, k.refused, i+1)
		}
	}
	k.err = errors.New("none today")
	if err := b.Ask("a.jpg"); !errors.Is(err, ErrNoKeys) || !errors.Is(err, originals.ErrCredentials) || !strings.Contains(err.Error(), "none today") {
		t.Errorf("without keys: got %v, want %v", err, ErrNoKeys)
	}
	b.Stop()
	b.Close()
	if k.closed != 2 {
		t.Errorf("%d of Stop and Close were called, want both", k.closed)
	}
}
