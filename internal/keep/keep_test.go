// SPDX-License-Identifier: MIT

package keep_test

import (
	"context"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"io/fs"
	"net/url"
	"os"
	"sync/atomic"
	"testing"

	"thumbd/internal/keep"
	"thumbd/internal/serve"
	"thumbd/internal/test/keeptest"
)

// bench is a keeptest.Bench whose errors are told as serve tells them.
type bench struct {
	*keeptest.Bench
	unpublished atomic.Pointer[os.File] // of a request's outcome
}

func newBench(t *testing.T, renderer keep.Renderer, change func(*keep.Site)) *bench {
	t.Helper()
	return &bench{Bench: keeptest.New(t, renderer, serve.Judge, change)}
}

// get makes the thumbnail of a URI as a request does.
func (b *bench) get(uri string) error { return b.getUntil(b.T.Context(), uri) }

// mustGet is get for a thumbnail that can be made.
func (b *bench) mustGet(uri string) {
	b.T.Helper()
	if err := b.get(uri); err != nil {
		b.T.Errorf("%s: %v", uri, err)
	}
}

// getUntil is get for a client that leaves when ctx is done.
func (b *bench) getUntil(ctx context.Context, uri string) error {
	sites, err := b.Sites()
	if err != nil {
		return err
	}
	defer sites.Release()
	_, err = b.picture(ctx, sites, uri)
	return err
}

// picture makes the thumbnail of a URI and returns it, or nil if a purge took it away
// meanwhile.
func (b *bench) picture(ctx context.Context, sites *keep.Sites, uri string) (image.Image, error) {
	decoded, err := url.PathUnescape(uri)
	if err != nil {
		return nil, err
	}
	site, _, err := sites.Find("", decoded)
	if err != nil {
		return nil, err
	}
	request, err := site.Request(decoded, 0)
	if err != nil {
		return nil, err
	}
	out, release, err := b.Make(ctx, sites, request)
	defer release()
	if err != nil {
		return nil, err
	}
	f := out.Unpublished
	b.unpublished.Store(f)
	if f == nil {
		if f, err = request.Open(); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
	}
	return jpeg.Decode(io.NewSectionReader(f, 0, 1<<20))
}
