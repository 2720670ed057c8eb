// SPDX-License-Identifier: MIT

package tidy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/recipe"
	"thumbd/internal/root"
	"thumbd/internal/thumb"
)

// What goes and what stays is the same in every scheme.
func TestWhatGoesAndWhatStays(t *testing.T) {
	for name, tt := range map[string]struct {
		scheme  thumb.Scheme
		factors []int
		layout  thumb.Layout
		names   func(original string) []string
		foreign []string
	}{
		"signed": {scheme: thumb.Signed, names: func(o string) []string {
			return []string{o + "/400x300_crop_" + signature + ".jpg", o + "/x300_fit_q=70_" + signature + ".jpg.webp", o + "/icon_" + signature + ".png.avif"}
		}, foreign: []string{"a.jpg/400x300_crop.jpg", "a.jpg/nothing_" + signature + ".jpg", "a.jpg/1x1_fit_" + signature + ".svg"}},
		"preset": {scheme: thumb.PresetScheme, names: func(o string) []string {
			return []string{"icon/" + o, "small/" + o + ".webp", "xlarge/" + o + ".avif"}
		}, foreign: []string{"nothing/a.jpg", "icon/a.txt", "a.jpg"}},
		"preset with factors": {scheme: thumb.PresetScheme, factors: []int{100, 75}, names: func(o string) []string {
			return []string{"icon/100/" + o, "small/75/" + o + ".webp"}
		}, foreign: []string{"icon/50/a.jpg", "icon/a.jpg"}},
		"drupal": {scheme: thumb.PresetScheme, layout: thumb.DrupalLayout, names: func(o string) []string {
			return []string{"icon/public/" + o, "small/public/" + o + ".webp", "xlarge/public/" + o + ".avif"}
		}, foreign: []string{"icon/a.jpg", "icon/private/a.jpg"}},
		"liip": {scheme: thumb.PresetScheme, layout: thumb.LiipLayout, names: func(o string) []string {
			return []string{"icon/" + o, "small/" + o + ".webp"}
		}, foreign: []string{"resolve/icon/a.jpg"}},
		"restthumbnails": {scheme: thumb.RestThumbnails, names: func(o string) []string {
			return []string{o + "/100x100/crop/" + secret + ".jpg", o + "/500x0/scale/" + secret + ".JPG.webp"}
		}, foreign: []string{"a.jpg/100x100/pad/" + secret + ".jpg"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, tt.scheme)
			p.Thumb.Layout, p.Thumb.Factors, p.Thumb.Negotiate = tt.layout, tt.factors, []thumb.Format{thumb.AVIF, thumb.WebP}
			var stay []string
			thumbnails := func(original string) (files int64) {
				for _, name := range tt.names(original) {
					p.file(name, time.Now())
					files++
				}
				return files
			}
			for _, original := range []string{"a.jpg", "b/c.jpg"} {
				p.original(original)
				thumbnails(original)
				stay = append(stay, tt.names(original)...)
			}
			orphans := thumbnails("deleted.jpg") + thumbnails("no/such.jpg")
			stale := thumbnails("changed.jpg")
			p.write(p.original("changed.jpg"))
			for _, name := range append(tt.foreign, "README", "b/.htaccess", ".well-known/x/y") {
				p.file(name, time.Now())
				stay = append(stay, name)
			}
			p.must(os.Symlink("README", p.file("link.jpg", time.Now())+".link"))
			p.must(os.MkdirAll(filepath.Join(p.Thumb.DocumentRoot, prefix, "empty/very"), 0o755))
			p.file(publish.OwnDir+"/DEAD", time.Now())
			stay = append(stay, "link.jpg", "link.jpg.link")

			before := p.list()
			dry := p.run(Options{})
			if diff := cmp.Diff(before, p.list()); diff != "" {
				t.Errorf("a dry run removed something:\n%s", diff)
			}
			sum := p.run(Options{Remove: true})
			if diff := cmp.Diff(dry, sum); diff != "" {
				t.Errorf("the dry run said otherwise (-dry +real):\n%s", diff)
			}
			got := p.list()
			slices.Sort(got)
			slices.Sort(stay)
			if diff := cmp.Diff(stay, got); diff != "" {
				t.Errorf("what remains (-want +got):\n%s", diff)
			}
			removed := map[string]int64{}
			for why, c := range sum.Removed {
				removed[why] = c.Files
			}
			if diff := cmp.Diff(map[string]int64{Temp: 1, Orphan: orphans, Stale: stale}, removed); diff != "" {
				t.Errorf("removed (-want +got):\n%s", diff)
			}
			if want := int64(2 * len(tt.names(""))); sum.Kept.Files != want {
				t.Errorf("kept %d thumbnails, want %d", sum.Kept.Files, want)
			}
			if sum.Folders == 0 || sum.Foreign == 0 || sum.Unknown != 0 || sum.Orphans != "" || sum.Over {
				t.Errorf("summary %+v", sum)
			}
		})
	}
}

// In a tree that tells how it was made, a thumbnail is stale unless its time is
// that of its original's version and its recipe.
func TestStaleBySizeAndRecipe(t *testing.T) {
	p := newPlace(t, thumb.PresetScheme)
	p.original("a.jpg")
	settings := recipe.Of(p.Thumb, nil).Stamped()
	data, err := json.Marshal([]recipe.Settings{settings})
	p.must(err)
	p.must(p.Tree.SetSettings(data))
	info, err := p.Originals.Stat("a.jpg")
	p.must(err)
	larger := info.Version()
	larger.Size++
	for name, at := range map[string]time.Time{
		"icon/a.jpg":   settings.Mtime(prefix+"icon/a.jpg", info.Version()),
		"small/a.jpg":  settings.Mtime(prefix+"small/a.jpg", larger),
		"medium/a.jpg": settings.Mtime(prefix+"icon/a.jpg", info.Version()),
		"large/a.jpg":  info.Mtime,
	} {
		p.must(os.Chtimes(p.file(name, time.Now()), time.Now(), at))
	}
	sum, err := Run(t.Context(), p.Site, Options{Remove: true})
	if err != nil || sum.Removed[Stale].Files != 3 || sum.Kept.Files != 1 {
		t.Errorf("removed %v, kept %d, %v; want all but icon/a.jpg", sum.Removed, sum.Kept.Files, err)
	}
}

// In the scheme preset one picture could once be had under 33 names of files.
func TestOldSpellingsGo(t *testing.T) {
	p := newPlace(t, thumb.PresetScheme)
	p.original("a.jpg")
	for _, name := range []string{"a.jpg", "a.jpg.jpg", "a.jpg.JPG", "a.jpg.jpeg", "a.jpg.jPe.webp"} {
		p.file("small/"+name, time.Now())
	}
	if sum := p.run(Options{Remove: true}); sum.Removed[Orphan].Files != 4 {
		t.Errorf("summary %+v", sum)
	}
	if diff := cmp.Diff([]string{"small/a.jpg"}, p.list()); diff != "" {
		t.Errorf("what remains (-want +got):\n%s", diff)
	}
}

// A disk that is not there must not cost the thumbnails of what is on it.
func TestOriginalsThatMayBeElsewhere(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(p *place)
		all    bool // whether no orphan at all is removed
	}{
		"no folder": {func(p *place) { p.must(os.Rename(filepath.Join(p.top, "media"), filepath.Join(p.top, "away"))) }, true},
		"an empty folder": {func(p *place) {
			p.must(os.RemoveAll(filepath.Join(p.top, "media")))
			p.must(os.Mkdir(filepath.Join(p.top, "media"), 0o755))
		}, true},
		"an empty folder below": {func(p *place) {
			p.must(os.RemoveAll(filepath.Join(p.top, "media/disk")))
			p.must(os.Mkdir(filepath.Join(p.top, "media/disk"), 0o755))
		}, false},
		"a link that leads nowhere": {func(p *place) {
			p.must(os.RemoveAll(filepath.Join(p.top, "media/disk")))
			p.must(os.Symlink("unplugged", filepath.Join(p.top, "media/disk")))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, thumb.Signed)
			p.original("disk/a.jpg")
			p.file(signed("disk/a.jpg", 10), time.Now())
			p.run(Options{Remove: true})
			tt.change(p)
			sum := p.run(Options{Remove: true})
			if got := p.list(); len(got) != 1 {
				t.Errorf("%v remain, want the thumbnail", got)
			}
			if sum.Unknown != 1 || (sum.Orphans != "") != tt.all {
				t.Errorf("unknown %d, orphans %q", sum.Unknown, sum.Orphans)
			}
		})
	}
}

// Another device in place of the one with the originals is not believed before
// most of them are found there.
func TestOriginalsOnAnotherDevice(t *testing.T) {
	p := newPlace(t, thumb.Signed)
	for _, name := range []string{"a.jpg", "b.jpg", "c.jpg"} {
		p.original(name)
		p.file(signed(name, 10), time.Now())
	}
	p.file(signed("deleted.jpg", 10), time.Now())
	p.file(stateName, time.Now())
	state := filepath.Join(p.Thumb.DocumentRoot, prefix, stateName)
	p.must(os.WriteFile(state, fmt.Appendf(nil, `{"devices": {%q: 1, "another": 2}}`, machine()), 0o600))
	media := filepath.Join(p.top, "media")
	p.must(os.Rename(filepath.Join(media, "a.jpg"), filepath.Join(p.top, "a")))
	p.must(os.Rename(filepath.Join(media, "b.jpg"), filepath.Join(p.top, "b")))
	for range 2 {
		if sum := p.run(Options{Remove: true}); sum.Orphans == "" || len(p.list()) != 4 {
			t.Errorf("most are missing: %q, %v remain, want 4", sum.Orphans, p.list())
		}
	}
	p.must(os.Rename(filepath.Join(p.top, "a"), filepath.Join(media, "a.jpg")))
	p.must(os.Rename(filepath.Join(p.top, "b"), filepath.Join(media, "b.jpg")))
	if sum := p.run(Options{}); sum.Orphans == "" {
		t.Error("a dry run took the device")
	}
	if sum := p.run(Options{Remove: true}); sum.Orphans == "" || len(p.list()) != 4 {
		t.Errorf("most are there, for the first time: %q, %v remain, want 4", sum.Orphans, p.list())
	}
	if sum := p.run(Options{Remove: true}); sum.Orphans != "" || len(p.list()) != 3 {
		t.Errorf("the device is known: %q, %v remain, want 3", sum.Orphans, p.list())
	}
}

// A share has another device number on each machine, and each remembers its own: orphans
// go with the first run of a machine.
func TestDevicesOfMachines(t *testing.T) {
	p := newPlace(t, thumb.Signed)
	p.file(signed("deleted.jpg", 10), time.Now())
	p.file(stateName, time.Now())
	state := filepath.Join(p.Thumb.DocumentRoot, prefix, stateName)
	p.must(os.WriteFile(state, []byte(`{"devices": {"another": 2}}`), 0o600))
	if sum := p.run(Options{Remove: true}); sum.Orphans != "" || sum.Removed[Orphan].Files != 1 {
		t.Errorf("orphans are kept: %+v", sum)
	}
	data, err := os.ReadFile(state)
	p.must(err)
	if !strings.Contains(string(data), `"another":2`) || !strings.Contains(string(data), fmt.Sprintf("%q:", machine())) {
		t.Errorf("the devices of both machines are not in %s", data)
	}
}

// Files of another user are left, told and no failure; the other files are tidied.
func TestFilesOfOthers(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may do everything; see TestErrorsOfOthers")
	}
	p := newPlace(t, thumb.Signed)
	p.file(signed("closed/deleted.jpg", 10), time.Now())
	p.file(signed("kept/deleted.jpg", 10), time.Now())
	p.file(signed("deleted.jpg", 10), time.Now())
	dir := filepath.Join(p.Thumb.DocumentRoot, prefix)
	for name, mode := range map[string]os.FileMode{"closed": 0, "kept/deleted.jpg": 0o555} {
		p.must(os.Chmod(filepath.Join(dir, name), mode))
		t.Cleanup(func() { p.must(os.Chmod(filepath.Join(dir, name), 0o755)) })
	}
	sum := p.run(Options{Remove: true})
	if sum.Left < 2 || !strings.Contains(sum.LeftFirst, "permission denied") || sum.Removed[Orphan].Files != 1 {
		t.Errorf("got %+v", sum)
	}
}

// The errors of files of others don't fail a run; the error of a disk does.
func TestErrorsOfOthers(t *testing.T) {
	for _, err := range []error{syscall.ESTALE, syscall.EACCES, syscall.EPERM} {
		var tr trouble
		tr.add(&os.PathError{Op: "stat", Path: "icon/a.jpg", Err: err})
		if tr.error() != nil || tr.left != 1 || !strings.Contains(tr.leftFirst, "icon/a.jpg") {
			t.Errorf("%v: got %+v", err, tr)
		}
	}
	var tr trouble
	tr.add(&os.PathError{Op: "stat", Path: "icon/a.jpg", Err: syscall.EIO})
	if tr.error() == nil || tr.left != 0 {
		t.Errorf("EIO: got %+v", tr)
	}
}

// asked is a bucket that notes the originals it is asked for.
type asked struct {
	originals.Teller
	names []string
}

func (a *asked) Stop() {}
func (a *asked) Stat(name string) (originals.Info, error) {
	a.names = append(a.names, name)
	return a.Teller.Stat(name)
}

// A bucket is asked for originals in the order of names, so that few lists tell of all.
func TestOrderOfABucket(t *testing.T) {
	p := newPlace(t, thumb.PresetScheme)
	var want []string
	for i := range 2000 {
		name := fmt.Sprintf("%04d.jpg", i)
		p.file("icon/"+name, time.Now())
		want = append(want, name)
	}
	local := p.Originals
	a := &asked{Teller: local}
	p.Originals = a
	t.Cleanup(func() { p.Originals = local })
	p.run(Options{})
	if diff := cmp.Diff(want, a.names); diff != "" {
		t.Errorf("asked, -want +got:\n%s", diff)
	}
}

// Names come in their order, all of them and once, also of a folder that is larger than
// one answer.
func TestInOrder(t *testing.T) {
	const files = 2*root.Batch + 10
	dir := t.TempDir()
	var want []string
	for i := range files {
		want = append(want, fmt.Sprintf("%04d", i))
		if err := os.WriteFile(filepath.Join(dir, want[i]), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, most := range []int{1, 7, files - 1, files, files + 1} {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		next := inOrder(f, most)
		for err == nil {
			var entries []fs.DirEntry
			entries, err = next(0)
			if len(entries) > most {
				t.Fatalf("%d entries at once, want %d at most", len(entries), most)
			}
			for _, e := range entries {
				got = append(got, e.Name())
			}
		}
		f.Close()
		if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, io.EOF) {
			t.Errorf("%d at once: %v, -want +got:\n%s", most, err, diff)
		}
	}
}

func TestUnreadableOriginals(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything; see TestGCWithoutRights")
	}
	p := newPlace(t, thumb.Signed)
	p.original("private/a.jpg")
	p.file(signed("private/a.jpg", 10), time.Now())
	p.file(signed("private/deleted.jpg", 10), time.Now())
	dir := filepath.Join(p.top, "media/private")
	p.must(os.Chmod(dir, 0))
	defer func() { p.must(os.Chmod(dir, 0o755)) }()
	if sum := p.run(Options{Remove: true}); sum.Unknown != 2 || len(p.list()) != 2 {
		t.Errorf("unknown %d, %v remain, want 2", sum.Unknown, p.list())
	}
}

// The order is that of the last use.
func TestTheBudgetKeepsWhatWasUsedLast(t *testing.T) {
	const files = 200
	now := time.Now().Add(1000 * time.Hour)
	for name, tt := range map[string]struct {
		budget func(each int64) Budget
		keep   int
	}{
		"files":           {func(int64) Budget { return Budget{Files: 60} }, 60},
		"bytes":           {func(each int64) Budget { return Budget{Bytes: 70*each + each/2} }, 70},
		"files and bytes": {func(each int64) Budget { return Budget{Files: 60, Bytes: 50 * each} }, 50},
		"enough":          {func(each int64) Budget { return Budget{Files: files, Bytes: files * each} }, files},
		"nothing fits":    {func(int64) Budget { return Budget{Bytes: 1} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, thumb.PresetScheme)
			var each int64
			for i := range files {
				// Neither the order of names nor that of their making.
				n := i * 77 % files
				name := string(rune('a'+n%7)) + "/" + string(rune('a'+n/26)) + string(rune('a'+n%26)) + ".jpg"
				p.original(name)
				path := p.file("icon/"+name, now.Add(-time.Duration(n+1)*time.Hour))
				var st unix.Stat_t
				p.must(unix.Stat(path, &st))
				each = st.Blocks * 512
			}
			p.Budget = tt.budget(each)
			o := Options{Remove: true, Now: now, clock: atime(0)}
			dry := p.run(Options{Now: now, clock: atime(0)})
			sum := p.run(o)
			if diff := cmp.Diff(dry, sum); diff != "" {
				t.Errorf("the dry run said otherwise (-dry +real):\n%s", diff)
			}
			want := Count{int64(tt.keep), int64(tt.keep) * each}
			if sum.Kept != want || sum.Removed[Unused].Files != int64(files-tt.keep) || sum.Over {
				t.Errorf("kept %v, removed %v, over %v; want %v", sum.Kept, sum.Removed, sum.Over, want)
			}
			got := p.list()
			got = slices.DeleteFunc(got, func(n string) bool { return n[len(n)-1] == '/' })
			if len(got) != tt.keep {
				t.Fatalf("%d files remain, want %d", len(got), tt.keep)
			}
			for _, name := range got {
				var st unix.Stat_t
				p.must(unix.Stat(filepath.Join(p.Thumb.DocumentRoot, prefix, name), &st))
				if age := now.Sub(time.Unix(st.Atim.Unix())); age > time.Duration(tt.keep)*time.Hour+time.Second {
					t.Errorf("%s remains, which was used %v ago", name, age)
				}
			}
			if again := p.run(o); len(again.Removed) > 0 {
				t.Errorf("the second run removed %v", again.Removed)
			}
		})
	}
}

// Of originals that are on another machine, thumbnails live for a time.
func TestLifetime(t *testing.T) {
	p := newPlace(t, thumb.PresetScheme)
	local := p.Originals
	p.Originals, p.Lifetime = nil, time.Hour
	t.Cleanup(func() { p.Originals = local })
	p.file("icon/a.jpg", time.Now())
	published := time.Unix(statOf(t, filepath.Join(p.Thumb.DocumentRoot, prefix, "icon/a.jpg")).Ctim.Unix())
	for after, want := range map[time.Duration]int64{time.Hour: 0, time.Hour + time.Second: 1} {
		sum := p.run(Options{Now: published.Add(after)})
		if got := sum.Removed[Stale].Files; got != want || sum.Unknown != 0 || sum.Orphans != "" {
			t.Errorf("after %v: %d are stale, %d unknown, %q; want %d, 0 and none", after, got, sum.Unknown, sum.Orphans, want)
		}
	}
}

// teller tells of no original.
type teller struct {
	originals.Teller
	err error
}

func (t teller) Device() (uint64, error)             { return 0, t.err }
func (t teller) Stat(string) (originals.Info, error) { return originals.Info{}, t.err }
func (t teller) Deleted(string) (bool, error)        { return false, t.err }

// A store that does not let thumbd list it is as an origin. One that is away now makes
// nothing stale.
func TestLifetimeOfUnlistedOriginals(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want int64
	}{"unlisted": {originals.ErrUnlisted, 1}, "away": {errors.New("away"), 0}} {
		p := newPlace(t, thumb.PresetScheme)
		local := p.Originals
		p.Originals, p.Lifetime = teller{err: tt.err}, time.Hour
		t.Cleanup(func() { p.Originals = local })
		p.file("icon/a.jpg", time.Now())
		sum := p.run(Options{Now: time.Now().Add(2 * time.Hour)})
		if got := sum.Removed[Stale].Files; got != tt.want || sum.Orphans == "" {
			t.Errorf("%s: %d are stale, want %d; %+v", name, got, tt.want, sum)
		}
	}
}

func TestMaxAgeCountsFromPublishing(t *testing.T) {
	p := newPlace(t, thumb.Signed)
	p.original("a.jpg")
	p.file(signed("a.jpg", 10), time.Now())
	p.Budget.Age = 24 * time.Hour
	o := Options{Remove: true, Now: time.Now().Add(24*time.Hour - time.Minute)}
	if sum := p.run(o); len(sum.Removed) > 0 {
		t.Errorf("before its time: %v", sum.Removed)
	}
	o.Now = time.Now().Add(24*time.Hour + time.Minute)
	if sum := p.run(o); sum.Removed[Age].Files != 1 || sum.Folders != 1 {
		t.Errorf("after its time: %+v", sum)
	}
}

func TestTheFileSystemIsKeptFree(t *testing.T) {
	p := newPlace(t, thumb.Signed)
	p.original("a.jpg")
	p.file(signed("a.jpg", 10), time.Now())
	p.Budget.Free = 1
	o := Options{Remove: true, Now: time.Now().Add(time.Hour)}
	if sum := p.run(o); len(sum.Removed) > 0 || sum.Over {
		t.Errorf("there is enough: %+v", sum)
	}
	p.Budget.Free = 1 << 60
	if sum := p.run(Options{Remove: true}); len(sum.Removed) > 0 || !sum.Over {
		t.Errorf("it was just published: %+v", sum)
	}
	if sum := p.run(o); sum.Removed[Unused].Files != 1 || !sum.Over {
		t.Errorf("there is never enough: %+v", sum)
	}
}

// A file that was replaced, or read, since it was looked at stays.
func TestTakeAwayLeavesWhatIsNew(t *testing.T) {
	for name, change := range map[string]func(p *place, path string){
		"published": func(p *place, path string) {
			p.must(os.Rename(p.file(".thumbd/NEW", time.Now()), path))
		},
		"read": func(p *place, path string) { p.must(os.Chtimes(path, time.Now(), mtime)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, thumb.Signed)
			path := p.file(signed("a.jpg", 10), time.Now().Add(-time.Hour))
			r := p.opened()
			e := entry{name: signed("a.jpg", 10)}
			p.must(unix.Lstat(path, &e.stat))
			change(p, path)
			if removed, err := r.takeAway(e); removed || err != nil {
				t.Errorf("removed %v, %v", removed, err)
			}
			if diff := cmp.Diff([]string{e.name}, p.list()); diff != "" {
				t.Errorf("what remains (-want +got):\n%s", diff)
			}
			p.must(unix.Lstat(path, &e.stat))
			if removed, err := r.takeAway(e); !removed || err != nil {
				t.Errorf("as it was: removed %v, %v", removed, err)
			}
		})
	}
}

// Whoever publishes over what is stale finds his file there.
func TestNothingPublishedIsLost(t *testing.T) {
	p := newPlace(t, thumb.Signed)
	p.original("a.jpg")
	name := signed("a.jpg", 10)
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := Run(ctx, p.Site, Options{Remove: true}); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	path := filepath.Join(p.Thumb.DocumentRoot, prefix, name)
	publish := func(mtime time.Time) {
		fresh := filepath.Join(p.top, "fresh")
		p.write(fresh)
		p.must(os.Chtimes(fresh, time.Now(), mtime))
		err := os.Rename(fresh, path)
		for isGone(err) {
			p.must(os.MkdirAll(filepath.Dir(path), 0o755))
			err = os.Rename(fresh, path)
		}
		p.must(err)
	}
	for range 500 {
		publish(mtime.Add(time.Hour))
		publish(mtime)
	}
	stop()
	wg.Wait()
	if diff := cmp.Diff([]string{name}, p.list()); diff != "" {
		t.Errorf("what was published last (-want +got):\n%s", diff)
	}
}

func TestInterrupted(t *testing.T) {
	p := newPlace(t, thumb.Signed)
	for i := range 100 {
		p.file(signed("deleted.jpg", i+1), time.Now())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sum, err := Run(ctx, p.Site, Options{Remove: true})
	if !errors.Is(err, context.Canceled) || len(sum.Removed) > 0 {
		t.Errorf("told to stop before it began: %+v, %v", sum, err)
	}
	totals, err := ReadTotals(p.Thumb.DocumentRoot, prefix)
	if err != nil || totals.Runs != 1 || totals.Failed != 1 {
		t.Errorf("totals %+v, %v", totals, err)
	}
	sum = p.run(Options{Remove: true})
	if sum.Removed[Orphan].Files != 100 {
		t.Errorf("the next run: %+v", sum)
	}
	totals, err = ReadTotals(p.Thumb.DocumentRoot, prefix)
	want := Totals{Runs: 2, Failed: 1, Removed: sum.Removed, Folders: 1}
	if diff := cmp.Diff(want, totals, cmpopts.IgnoreFields(Totals{}, "End")); err != nil || diff != "" {
		t.Errorf("totals, %v (-want +got):\n%s", err, diff)
	}
}

func TestOneRunATree(t *testing.T) {
	p := newPlace(t, thumb.Signed)
	p.file(signed("deleted.jpg", 10), time.Now())
	unlock, err := p.opened().lock()
	p.must(err)
	if _, err := Run(t.Context(), p.Site, Options{Remove: true}); !errors.Is(err, ErrRunning) {
		t.Errorf("beside another: %v, want ErrRunning", err)
	}
	if sum := p.run(Options{}); sum.Removed[Orphan].Files != 1 {
		t.Errorf("a dry run beside another: %+v", sum)
	}
	unlock()
	p.run(Options{Remove: true})
}

func TestNoTree(t *testing.T) {
	p := newPlace(t, thumb.Signed)
	if sum := p.run(Options{Remove: true}); len(sum.Removed) > 0 {
		t.Errorf("%+v", sum)
	}
	if _, err := os.Stat(p.Thumb.DocumentRoot); !isGone(err) {
		t.Errorf("made: %v", err)
	}
}

// opened is a run at the moment when it goes over the tree.
func (p *place) opened() *run {
	p.Helper()
	dir := filepath.Join(p.Thumb.DocumentRoot, prefix)
	p.must(os.MkdirAll(filepath.Join(dir, publish.OwnDir), 0o700))
	r, err := os.OpenRoot(dir)
	p.must(err)
	p.Cleanup(func() { r.Close() })
	return &run{Site: p.Site, Options: Options{Remove: true, Now: time.Now()}, root: r, sum: Summary{Removed: make(map[string]Count)}}
}

// A purge may take a folder away that is being read.
func TestAFolderThatGoesIsNoTrouble(t *testing.T) {
	p := newPlace(t, thumb.PresetScheme)
	p.file("icon/a.jpg", mtime)
	top, err := os.OpenRoot(filepath.Join(p.Thumb.DocumentRoot, prefix))
	p.must(err)
	defer top.Close()
	r := &run{Options: Options{Remove: true}, root: top}
	p.must(r.walk(t.Context(), func(entry) bool {
		p.must(os.RemoveAll(filepath.Join(top.Name(), "icon")))
		return true
	}))
	p.must(r.trouble.error())
}
