// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"thumbd/internal/info"
	"thumbd/internal/thumb"
)

// Describe returns the description of an original, the file of package info. It is
// published like a thumbnail: one that is there and fresh is read, another is made
// after all that clients wait for. The original's name may be a path below the site's
// originals too. With "" for the original Describe only checks that the site has
// descriptions. Errors are those of Warm, and those of the original.
func (k *Keeper) Describe(ctx context.Context, site, original string) ([]byte, error) {
	defer k.Busy()()
	sites, s, err := k.siteNamed(site)
	if err != nil {
		return nil, err
	}
	defer sites.users.Done()
	if !s.Thumb.HasInfo() {
		return nil, fmt.Errorf("%w: the site %s describes no originals; set info = true in its section", ErrSelection, site)
	}
	if original == "" {
		return nil, nil
	}
	t, err := s.Thumb.New(thumb.Wanted{Original: s.original(original), Preset: thumb.InfoName})
	if err != nil {
		return nil, err
	}
	list := s.ask(t)
	for {
		var file []byte
		var err error
		k.background(ctx, sites, list, func(a Request, out Outcome, failed error) {
			file, err = out.read(a, failed)
		})
		if ctx.Err() != nil || !noPlace(err) && !errors.Is(err, errPurgedSince) {
			return file, err
		}
		pause(ctx, warmPause)
	}
}

// errPurgedSince means that a published file was removed before it was read.
var errPurgedSince = errors.New("purged before it was read")

// read returns the file of an outcome of a, a description, unless making it has failed.
func (o Outcome) read(a Request, failed error) ([]byte, error) {
	if failed != nil {
		return nil, failed
	}
	if o.Unpublished != nil {
		// Others read the same open file.
		return io.ReadAll(io.NewSectionReader(o.Unpublished, 0, min(o.Size, info.MaxBytes)))
	}
	f, err := a.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errPurgedSince
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, info.MaxBytes))
}
