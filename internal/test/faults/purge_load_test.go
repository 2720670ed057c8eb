// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// versions are originals and a preset that change all the time. What is of a
// version below one that was purged before a request began may not be the
// request's answer.
type versions struct {
	r         *rig.Rig
	originals string
	purged    [6]atomic.Int64 // of each original
	width     atomic.Int64    // of the preset
	missed    atomic.Int64    // requests that nginx had lost the file of
}

// name returns the name of original k, which is a link where k is odd: nothing
// but a purge tells that it leads elsewhere.
func (v *versions) name(k int) string { return fmt.Sprintf("d%d/%d.png", k%2, k) }

// replace puts a version of original k in place of the one before.
func (v *versions) replace(k, version int) error {
	path := filepath.Join(v.originals, v.name(k))
	if k%2 == 0 {
		return writeVersion(path, version)
	}
	file := fmt.Sprintf("%d-%d", k, version)
	if err := writeVersion(filepath.Join(v.originals, "d1", file), version); err != nil {
		return err
	}
	if err := os.Symlink(file, path+".new"); err != nil {
		return err
	}
	before, err := os.Readlink(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil || before == "" {
		return err
	}
	return os.Remove(filepath.Join(v.originals, "d1", before))
}

// writeVersion renames a version of an original over it. All have one mtime:
// it tells nothing.
func writeVersion(path string, version int) error {
	if err := os.WriteFile(path+".tmp", kit.Solid(kit.VersionColor(version)), 0o644); err != nil {
		return err
	}
	if err := os.Chtimes(path+".tmp", kit.Old, kit.Old); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// ask asks for one of an original's thumbnails and checks its versions.
func (v *versions) ask(ctx context.Context, n int) error {
	k := n % len(v.purged)
	uri := kit.Signed("/thumbs/", v.name(k), "20x20_crop", "png")
	preset := n%3 > 0
	switch n % 3 {
	case 1:
		uri = kit.Signed("/thumbs/", v.name(k), "s", "png")
	case 2:
		uri = "/p/s/" + v.name(k)
	}
	least, width := v.purged[k].Load(), v.width.Load()
	resp, err := v.r.Get(ctx, rig.Escape(uri))
	if err != nil {
		return err
	}
	if resp.Status == 404 && resp.Header.Get("X-Thumbd-Reason") == "" {
		// nginx has looked for the file, and did not find it any more when it
		// opened it.
		v.missed.Add(1)
		return nil
	}
	if resp.Status != 200 {
		return fmt.Errorf("%s: status %d, reason %q", uri, resp.Status, resp.Header.Get("X-Thumbd-Reason"))
	}
	version, w, err := kit.VersionOf(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", uri, err)
	}
	if int64(version) < least {
		return fmt.Errorf("%s: version %d, and %d was purged before", uri, version, least)
	}
	if preset && int64(w) < width {
		return fmt.Errorf("%s: %d pixels wide, and %d were purged before", uri, w, width)
	}
	return nil
}

// change replaces one original after the other and purges it in some way,
// until ctx is done.
func (v *versions) change(ctx context.Context, t *testing.T, l *kit.Load) (purges int) {
	for version := 2; ctx.Err() == nil; version++ {
		k := version % len(v.purged)
		if err := v.replace(k, version); err != nil {
			t.Error(err)
			return purges
		}
		form := url.Values{"site": {""}}
		switch version % 5 {
		case 0:
			form.Set("all", "1")
		case 1:
			form.Set("under", filepath.Dir(v.name(k)))
		case 2:
			form.Set("render", "1")
			form.Set("original", v.name(k))
		default:
			form.Set("original", v.name(k))
		}
		for _, site := range []string{"gallery", "p"} {
			form.Set("site", site)
			// What has begun is waited for.
			resp, err := v.r.Do(context.WithoutCancel(ctx), kit.Post(form))
			if err != nil || resp.Status != 200 {
				t.Errorf("purge: status %d, %v: %s", resp.Status, err, resp.Body)
				return purges
			}
			purges++
		}
		v.purged[k].Store(int64(version))
		// Between two purges there are hits, too.
		l.Await(version % 40)
	}
	return purges
}

// tidy runs gc again and again until ctx is done, and returns how often, and how
// often that has removed something: what is younger than 2 s stays.
func (v *versions) tidy(ctx context.Context, t *testing.T, l *kit.Load) (runs, removed int) {
	for ; ctx.Err() == nil; runs++ {
		out, err := kit.Thumbd(t, "gc", "-c", filepath.Join(v.r.Dir, "thumbd.toml"))
		if err != nil {
			t.Errorf("gc: %v\n%s", err, out)
			return runs, removed
		}
		if strings.Count(out, "removed 0 files") < 2 {
			removed++
		}
		l.Await(10)
	}
	return runs, removed
}

// Renders, hits, purges, gc and changes of presets all at once, through nginx:
// no client gets what was purged before it asked, and none gets an error.
func TestPurgesUnderLoad(t *testing.T) {
	t.Parallel()
	v := &versions{originals: kit.Folder(t, nil)}
	aid.Must(t, os.Mkdir(filepath.Join(v.originals, "d0"), 0o755), os.Mkdir(filepath.Join(v.originals, "d1"), 0o755))
	for k := range v.purged {
		aid.Must(t, v.replace(k, 1))
	}
	const preset = "[site.%s.preset.s]\nsize = \"20x20\"\nmethod = \"stretch\"\n"
	one, two := kit.Gallery(t, v.originals), rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: v.originals}
	const budget = "[site.%s.cache]\nmax_files = 4\n"
	one.TOML, two.TOML = fmt.Sprintf(preset+budget, "gallery", "gallery"), fmt.Sprintf(preset+budget, "p", "p")
	v.r = kit.Start(t, rig.Options{Sites: []rig.Site{one, two}})
	text := kit.Configuration(t, v.r)

	l := kit.StartLoad(t, 8, v.ask)
	duration := 8 * time.Second
	if *kit.Campaign {
		duration = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var changing sync.WaitGroup
	purges := 0
	changing.Go(func() { purges = v.change(ctx, t, l) })
	var runs, removed int
	changing.Go(func() { runs, removed = v.tidy(ctx, t, l) })
	reloads := 0
	for width := 21; ctx.Err() == nil; width++ {
		kit.Reload(t, v.r, strings.ReplaceAll(text, `"20x20"`, fmt.Sprintf(`"%dx%[1]d"`, width)))
		v.width.Store(int64(width))
		reloads++
	}
	changing.Wait()
	asked := l.End()
	kit.StopDaemon(t, v.r)
	t.Logf("%d requests, %d lost by nginx, %d purges, %d reloads, %d runs of gc, %d of which removed something, %d renders",
		asked, v.missed.Load(), purges, reloads, runs, removed, v.r.Log.Count("msg=rendered"))
	if n := v.r.Log.Count("level=ERROR"); n > 0 {
		t.Errorf("%d errors in the log", n)
	}
	kit.NoTempFiles(t, v.r, "gallery")
	kit.NoTempFiles(t, v.r, "p")
}
