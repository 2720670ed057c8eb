// SPDX-License-Identifier: MIT

package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"thumbd/internal/fetch"
	"thumbd/internal/originals"
)

// Files are small objects below the prefix of a bucket, which thumbd itself writes. Its
// methods are safe for concurrent use. They wait as long as the limits of a fetch say.
type Files struct{ bucket *Bucket }

// NewFiles returns the objects below the prefix of o. The requests have the limits and
// addresses of how. NewFiles sends no request.
func NewFiles(o Options, how fetch.Options) *Files { return &Files{New(o, how, nil)} }

// Path returns the URL of an object as the configuration writes it, for the log:
// s3://media/thumbd/nodes/n1.
func (f *Files) Path(name string) string { return f.bucket.Path(name) }

// Close closes connections and the keys of the options. No other method is called after
// it.
func (f *Files) Close() {
	f.bucket.Stop()
	f.bucket.Close()
}

// Put writes an object: a reader gets the whole new object or the old one. Put returns the
// store's time, in whole seconds.
func (f *Files) Put(ctx context.Context, name string, data []byte) (now time.Time, err error) {
	answer, err := f.call(ctx, fetch.Call{Method: http.MethodPut, Body: data}, name, "s3:PutObject")
	if err != nil {
		return now, err
	}
	if now, err = http.ParseTime(answer.Header.Get("Date")); err != nil {
		return now, fmt.Errorf("%s %s: %w: its answer has no Date", http.MethodPut, f.Path(name), originals.ErrOrigin)
	}
	return now, nil
}

// Get returns an object of at most most bytes. The error wraps fs.ErrNotExist if there is
// none.
func (f *Files) Get(ctx context.Context, name string, most int64) ([]byte, error) {
	answer, err := f.call(ctx, fetch.Call{Method: http.MethodGet, Most: most}, name, "s3:GetObject")
	return answer.Body, err
}

// Delete removes an object. That there is none is no error.
func (f *Files) Delete(ctx context.Context, name string) error {
	_, err := f.call(ctx, fetch.Call{Method: http.MethodDelete}, name, "s3:DeleteObject")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// maxAnswer is the most bytes of an answer that nobody reads.
const maxAnswer = 64 << 10

// call sends the request c for an object. right is the right that it needs.
func (f *Files) call(ctx context.Context, c fetch.Call, name, right string) (fetch.Answer, error) {
	u := *f.bucket.Base()
	u.Path += name
	u.RawPath = escapePath(u.Path)
	c.URL, c.Most = &u, max(c.Most, maxAnswer)
	answer, err := f.bucket.Call(ctx, c)
	switch {
	case errors.Is(err, originals.ErrUntold):
		// Who may list gets 404 for an object that is not there.
		err = fmt.Errorf("%w: status 403 AccessDenied: no right %s", originals.ErrCredentials, right)
	case c.Method == http.MethodPut && errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: nothing can be written there", originals.ErrOrigin)
	}
	if err != nil {
		return answer, fmt.Errorf("%s %s: %w", c.Method, f.Path(name), err)
	}
	return answer, nil
}

// List returns the names in a folder, for example "nodes/", that come after a name, sorted
// and without the folder. An object that was there when List was called is among them.
func (f *Files) List(ctx context.Context, folder, after string) ([]string, error) {
	var names []string
	for {
		p, err := f.bucket.list(ctx, query{below: folder, after: folder + after, most: pageKeys})
		switch {
		case errors.Is(err, originals.ErrUnlisted):
			return nil, fmt.Errorf("list %s: %w: status 403 AccessDenied: no right s3:ListBucket", f.Path(folder), originals.ErrCredentials)
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%w: %s", originals.ErrOrigin, err.Error())
		case err != nil:
			return nil, err
		}
		for _, o := range p.objects {
			if name := o.name[len(folder):]; name != "" {
				names = append(names, name)
			}
		}
		if p.end {
			return names, nil
		}
		after = p.last()[len(folder):]
	}
}
