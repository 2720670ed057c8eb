// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"thumbd/internal/purge"
	"thumbd/internal/recipe"
	"thumbd/internal/share"
	"thumbd/internal/thumb"
)

// Prepare reads from each tree the settings with which its thumbnails were made, and writes
// the present settings there. It is called once, before SetSites. If a tree has no settings,
// its thumbnails count as made with the present ones.
func (sites *Sites) Prepare() error {
	var errs []error
	for _, s := range sites.all {
		if err := s.prepare(); err != nil {
			errs = append(errs, fmt.Errorf("site %s: %w", s.Thumb.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Site) prepare() error {
	data, err := s.Tree.Settings()
	if err == nil && data != nil {
		if err = json.Unmarshal(data, &s.made); err != nil {
			s.made = nil
		}
	}
	s.settings = s.Recipe()
	if len(s.made) == 0 {
		if s.isEmpty() {
			s.settings = s.settings.Stamped()
		}
		s.made = []recipe.Settings{s.settings}
		s.change = recipe.NewChange(s.made, s.settings)
		return errors.Join(err, s.keep(s.made))
	}
	s.settings = s.settings.After(s.made[len(s.made)-1])
	s.change = recipe.NewChange(s.made, s.settings)
	if recipe.Equal(s.made[len(s.made)-1], s.settings) {
		return err
	}
	// All of them, until nothing is left that the others have made: a thumbd
	// that is killed meanwhile leaves some of each.
	return errors.Join(err, s.keep(append(slices.Clip(s.made), s.settings)))
}

// Recipe returns the settings on which the site's pictures depend, by the present images of
// its watermarks.
func (s *Site) Recipe() recipe.Settings { return recipe.Of(s.Thumb, s.marks()) }

// ChangedPresets returns the presets that have made thumbnails of the tree and that
// the site has no more or renders differently. The tree is only read.
func (s *Site) ChangedPresets() []string {
	var made []recipe.Settings
	if data, err := s.Tree.Settings(); err != nil || json.Unmarshal(data, &made) != nil {
		return nil
	}
	return recipe.NewChange(made, recipe.Of(s.Thumb, nil)).Presets()
}

// isEmpty reports whether nothing is published in the site's tree.
func (s *Site) isEmpty() bool {
	return s.Tree.Walk(context.Background(), nil, func(string) error { return fs.SkipAll }) == nil
}

// keep notes that list has made the tree.
func (s *Site) keep(list []recipe.Settings) error {
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return s.Tree.SetSettings(data)
}

// marks returns the checksums of the watermarks' images. An image that can't be read
// now keeps its former one.
func (s *Site) marks() map[string]string {
	marks := make(map[string]string)
	for name := range s.Watermarks {
		if len(s.made) > 0 {
			marks[name] = s.made[len(s.made)-1].Mark(name)
		}
		if sum, err := share.Do(s.gate(), func() (string, error) { return s.sumOf(name) }, nil); err == nil {
			marks[name] = sum
		}
	}
	return marks
}

// sumOf returns the checksum of a watermark's image.
func (s *Site) sumOf(name string) (string, error) {
	mark, err := s.openWatermark(name)
	if err != nil {
		return "", err
	}
	defer mark.close()
	hash := sha256.New()
	_, err = io.Copy(hash, mark.file)
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)), err
}

// supersede has the renders of old publish nothing that sites make otherwise.
// The function that it returns is called when old has no users any more.
func supersede(old, sites *Sites) (forget func()) {
	if old == nil {
		return func() {}
	}
	for _, before := range old.all {
		for _, now := range sites.all {
			if now.ledger != before.ledger {
				continue
			}
			change := recipe.NewChange([]recipe.Settings{before.settings}, now.settings)
			if change.Any() {
				before.ledger.Supersede(before.Thumb, func(name string, _ thumb.Thumb) bool { return change.Of(name) })
			}
		}
	}
	return func() {
		for _, s := range old.all {
			s.ledger.Forget(s.Thumb)
		}
	}
}

// Follow purges, in the trees of the sites in use, the thumbnails that were made with
// other settings than theirs. An error leaves the rest to the next start. In the
// background it deletes the files that an earlier thumbd has purged and not deleted.
// Sites that were not prepared are left alone.
func (k *Keeper) Follow(ctx context.Context) error {
	sites, err := k.sites.acquire()
	if err != nil {
		return err
	}
	defer sites.users.Done()
	var errs []error
	for _, s := range sites.all {
		if err := k.follow(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("site %s: %w", s.Thumb.Name, err))
		}
		k.purges.start(func() {
			defer k.Busy()()
			k.tellUndeleted(s, s.Tree.DeleteBins(k.purges.deleting))
		})
	}
	return errors.Join(errs...)
}

func (k *Keeper) follow(ctx context.Context, s *Site) error {
	if len(s.made) == 0 || len(s.made) == 1 && recipe.Equal(s.made[0], s.settings) {
		return nil
	}
	change := recipe.NewChange(s.made, s.settings)
	if change.Any() {
		var removed removals
		start := time.Now()
		if err := k.purge(ctx, s, purge.Changed(s.Thumb, change), false, &removed); err != nil {
			return err
		}
		k.options.Log.Info("purged thumbnails of an earlier configuration", "site", s.Thumb.Name, "removed", removed.String(),
			"presets_changed", change.Presets(), "ms", time.Since(start).Milliseconds())
	}
	s.made = []recipe.Settings{s.settings}
	return s.keep(s.made)
}
