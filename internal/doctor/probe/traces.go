// SPDX-License-Identifier: MIT

package probe

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

// foresee notes the files and folders that will be made.
func (p *Probe) foresee() {
	names := []string{p.name()}
	for _, t := range p.thumb.Siblings() {
		name := nameIn(t.URI(), p.negotiated())
		if _, err := os.Lstat(path.Join(p.Site.Thumb.DocumentRoot, name)); errors.Is(err, fs.ErrNotExist) {
			p.siblings = append(p.siblings, name)
			names = append(names, name)
		}
	}
	for _, name := range names {
		var missing []string
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			_, err := os.Lstat(path.Join(p.Site.Thumb.DocumentRoot, dir))
			if errors.Is(err, fs.ErrNotExist) && !slices.Contains(p.folders, dir) {
				missing = append([]string{dir}, missing...)
			}
		}
		p.folders = append(p.folders, missing...)
	}
}

// siblingTime is how long to wait for thumbnails that are made in the background.
const siblingTime = 20 * time.Second

// Clean removes the published files, and the folders that were made for them. Root
// does so in a tree that another user may write to, so Clean follows nothing out of
// the tree.
func (p *Probe) Clean(ctx context.Context) error {
	r, err := os.OpenRoot(p.Site.Thumb.DocumentRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	var errs []error
	published := p.Published()
	for _, name := range append([]string{p.name()}, p.siblings...) {
		if published && name != p.name() {
			await(ctx, r, name)
		}
		if err := r.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, dir := range slices.Backward(p.folders) {
		// If the folder is not empty, other files are there now.
		_ = r.Remove(dir)
	}
	return errors.Join(errs...)
}

// await returns when name is there, or is not for siblingTime.
func await(ctx context.Context, r *os.Root, name string) {
	ctx, cancel := context.WithTimeout(ctx, siblingTime)
	defer cancel()
	tick := time.NewTicker(siblingTime / 1000)
	defer tick.Stop()
	for {
		if _, err := r.Lstat(name); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
