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

// Bucket is a Store in a bucket of an S3 store. It relies on no conditional PUT: the names
// of entries are random, and each node writes its own report alone.
type Bucket struct{ files *s3.Files }

// storeTime is the longest that one operation on a store takes. It is that of the gates
// of folders, too.
const storeTime = 10 * time.Second

// NewBucket returns the store below the prefix of o. Only public addresses are dialed,
// and those of allow. NewBucket sends no request.
func NewBucket(o s3.Options, allow []netip.Prefix) *Bucket {
	return &Bucket{s3.NewFiles(o, fetch.Options{
		Site: "journal", AllowAddresses: allow,
		ConnectTime: storeTime / 2, HeaderTime: storeTime, TotalTime: storeTime,
		Fetches: 4, OriginalBytes: MaxBytes,
	})}
}

// Make implements Store. A bucket has no folders.
func (*Bucket) Make(context.Context) error { return nil }

// attempts are the times that a write is tried. It costs a purge less than the
// administrator's next attempt.
const attempts = 3

// Put implements Store. The store's time is the Date of its answer. A store that fails or
// asks for fewer requests is asked again, within storeTime: the same bytes under the same
// name do no harm.
func (b *Bucket) Put(ctx context.Context, name string, data []byte) (now time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	pause := 250 * time.Millisecond
	for i := range attempts {
		now, err = b.files.Put(ctx, name, data)
		if i == attempts-1 || !errors.Is(err, fetch.ErrOrigin) && !errors.Is(err, fetch.ErrSlowDown) {
			break
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return now, err
		case <-timer.C:
		}
		// Later than the pause that fetch makes after the first SlowDown.
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
