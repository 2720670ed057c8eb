// SPDX-License-Identifier: MIT

package journal

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"thumbd/internal/fetch"
	"thumbd/internal/originals"
	"thumbd/internal/s3"
)

// Bucket is a Store in a bucket of an S3 store. It needs no conditional PUT: the names of
// entries are random, and only the node itself writes its report.
type Bucket struct{ files *s3.Files }

// storeTime is the longest that one operation on a bucket or a folder takes, or one page
// of a list.
const storeTime = 10 * time.Second

// NewBucket returns the store below the prefix of o, for example thumbd/. It dials only
// public addresses and the addresses in allow. NewBucket sends no request.
func NewBucket(o s3.Options, allow []netip.Prefix) *Bucket {
	return &Bucket{s3.NewFiles(o, fetch.Options{
		Site: "journal", AllowAddresses: allow,
		ConnectTime: storeTime / 2, HeaderTime: storeTime, TotalTime: storeTime,
		Fetches: 4, OriginalBytes: MaxBytes,
	})}
}

// Make implements Store. A bucket has no folders.
func (*Bucket) Make(context.Context) error { return nil }

// Close implements Store.
func (b *Bucket) Close() { b.files.Close() }

// attempts is how often a write is tried. If the store fails once, thumbd tries again,
// so that the administrator need not.
const attempts = 3

// Put implements Store. The store's time is the Date of its answer. If the store fails or
// asks for fewer requests, Put tries again, within storeTime: writing the same bytes under
// the same name twice does no harm.
func (b *Bucket) Put(ctx context.Context, name string, data []byte) (now time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	pause := 250 * time.Millisecond
	for i := range attempts {
		now, err = b.files.Put(ctx, name, data)
		if i == attempts-1 || !errors.Is(err, originals.ErrOrigin) && !errors.Is(err, originals.ErrSlowDown) {
			break
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return now, err
		case <-timer.C:
		}
		// Longer than the pause of package fetch after the first SlowDown.
		pause = 1250 * time.Millisecond
	}
	return now, err
}

// Get implements Store.
func (b *Bucket) Get(ctx context.Context, name string) ([]byte, error) {
	data, err := b.files.Get(ctx, name, MaxBytes)
	if errors.Is(err, originals.ErrTooLarge) {
		return nil, fmt.Errorf("%w: over %d bytes", errFormat, MaxBytes)
	}
	return data, err
}

// List implements Store.
func (b *Bucket) List(ctx context.Context, folder, after string) ([]string, error) {
	return b.files.List(ctx, folder, after)
}

// Delete implements Store.
func (b *Bucket) Delete(ctx context.Context, name string) error { return b.files.Delete(ctx, name) }
