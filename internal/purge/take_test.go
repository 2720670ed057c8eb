// SPDX-License-Identifier: MIT

package purge

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/publish"
	"thumbd/internal/recipe"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// siteOf returns a site of a scheme with the presets card (and card@2x) and small, in a
// folder of the test, and its tree.
func siteOf(t *testing.T, scheme thumb.Scheme) (*thumb.Site, *publish.Tree) {
	t.Helper()
	s := &thumb.Site{
		Route: route.Route{Name: "gallery", Prefix: "/t/"}, DocumentRoot: t.TempDir(), Scheme: scheme, Keys: [][]byte{[]byte("secret")},
		Formats: []thumb.Format{thumb.JPEG, thumb.PNG}, MaxWidth: 100, MaxHeight: 100,
		Presets: map[string]thumb.Preset{
			"card":  {Transform: thumb.Transform{Width: 20, Height: 20, Method: thumb.Crop}, DPR: []int{2}},
			"small": {Transform: thumb.Transform{Width: 10, Height: 10, Method: thumb.Fit}},
		},
	}
	tree := publish.New(s.DocumentRoot, s.Prefix, nil)
	t.Cleanup(tree.Close)
	return s, tree
}

func writeAll(t *testing.T, root string, names []string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// published returns the names of the files that nginx can serve, sorted.
func published(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		if d.IsDir() && d.Name() == ".thumbd" {
			return fs.SkipDir
		}
		if !d.IsDir() {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// takeAll takes the thumbnails of p, and returns the files that stay.
func takeAll(t *testing.T, s *thumb.Site, tree *publish.Tree, p *Purge) []string {
	t.Helper()
	bin, err := tree.NewBin()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Take(t.Context(), tree, bin); err != nil {
		t.Fatal(err)
	}
	stay := published(t, s.DocumentRoot)
	if err := bin.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	return stay
}

// signature is a signature, as names have it.
var signature = strings.Repeat("0", 28)

var inScheme = map[thumb.Scheme][]string{
	thumb.PresetScheme: {
		"/t/card/a/b.jpg", "/t/card/a.jpg", "/t/card@2x/a/b.jpg", "/t/small/a/b.jpg", "/t/small/ab.jpg",
	},
	thumb.Signed: {
		"/t/a/b.jpg/card_" + signature + ".jpg", "/t/a.jpg/card_" + signature + ".jpg", "/t/a/b.jpg/card@2x_" + signature + ".jpg",
		"/t/a/b.jpg/small_" + signature + ".jpg", "/t/ab.jpg/10x10_fit_" + signature + ".jpg",
	},
}

// A purge takes the thumbnails that its scope names, and no other file: neither a
// thumbnail of another original, folder or preset, nor a file that is no thumbnail.
func TestAPurgeTakesItsScope(t *testing.T) {
	const foreign = "/t/README"
	for _, scheme := range []thumb.Scheme{thumb.PresetScheme, thumb.Signed} {
		names := inScheme[scheme]
		for _, tt := range []struct {
			name  string
			scope Scope
			taken []int // of names
		}{
			{"an original", Scope{Originals: []string{"a/b.jpg"}}, []int{0, 2, 3}},
			{"two originals", Scope{Originals: []string{"a/b.jpg", "ab.jpg"}}, []int{0, 2, 3, 4}},
			{"an original without thumbnails", Scope{Originals: []string{"c.jpg"}}, nil},
			{"a folder", Scope{Under: "a"}, []int{0, 2, 3}},
			{"a folder with its slash", Scope{Under: "a/"}, []int{0, 2, 3}},
			{"a folder without thumbnails", Scope{Under: "c"}, nil},
			{"a preset, with its sizes", Scope{Preset: "card"}, []int{0, 1, 2}},
			{"another preset", Scope{Preset: "small"}, map[thumb.Scheme][]int{thumb.PresetScheme: {3, 4}, thumb.Signed: {3}}[scheme]},
		} {
			s, tree := siteOf(t, scheme)
			writeAll(t, s.DocumentRoot, append([]string{foreign}, names...))
			p, err := tt.scope.Of(s)
			if err != nil {
				t.Errorf("%v, %s: %v", scheme, tt.name, err)
				continue
			}
			want := []string{foreign}
			for i, name := range names {
				taken := slices.Contains(tt.taken, i)
				if !taken {
					want = append(want, name)
				}
				of, err := s.Published(name)
				if err != nil {
					t.Fatal(err)
				}
				// A render of it is kept from publishing exactly if its file is taken.
				if p.Covers(name, of) != taken {
					t.Errorf("%v, %s: covers %s: %v", scheme, tt.name, name, !taken)
				}
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, takeAll(t, s, tree, p)); diff != "" {
				t.Errorf("%v, %s: -want +got\n%s", scheme, tt.name, diff)
			}
		}
	}
}

// A purge of everything also takes the files that are no thumbnails, and all folders.
func TestAPurgeOfAll(t *testing.T) {
	s, tree := siteOf(t, thumb.PresetScheme)
	writeAll(t, s.DocumentRoot, append([]string{"/t/README"}, inScheme[thumb.PresetScheme]...))
	p, err := Scope{All: true}.Of(s)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Covers("/t/x", thumb.Thumb{}) {
		t.Error("a render of a name that nobody knows may still publish")
	}
	if left := takeAll(t, s, tree, p); left != nil {
		t.Errorf("%q stay", left)
	}
	entries, err := os.ReadDir(filepath.Join(s.DocumentRoot, "t"))
	if err != nil || len(entries) != 1 || entries[0].Name() != ".thumbd" {
		t.Errorf("%v, %v stay", entries, err)
	}
}

// A scope that is a mistake purges nothing, and its error names the mistake.
func TestScopesThatAreMistakes(t *testing.T) {
	s, _ := siteOf(t, thumb.PresetScheme)
	for _, tt := range []struct {
		scope Scope
		want  error
		text  string
	}{
		{Scope{}, ErrScope, "want originals, a folder, a preset or all"},
		{Scope{All: true, Under: "a"}, ErrScope, "want originals, a folder, a preset or all"},
		{Scope{Originals: []string{"a.jpg"}, Preset: "card"}, ErrScope, "want originals, a folder, a preset or all"},
		{Scope{Originals: []string{"a.jpg", "../b.jpg"}}, ErrScope, `"../b.jpg"`},
		{Scope{Originals: []string{""}}, ErrScope, `""`},
		{Scope{Under: "/a"}, ErrScope, `"/a"`},
		{Scope{Under: "/"}, ErrScope, `""`},
		{Scope{Under: ".thumbd"}, ErrScope, `".thumbd"`},
		{Scope{Preset: "crad"}, ErrNoPreset, `"crad"`},
		// NAME@Nx goes with its NAME, and is none of its own.
		{Scope{Preset: "card@2x"}, ErrNoPreset, `"card@2x"`},
	} {
		p, err := tt.scope.Of(s)
		if p != nil || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%+v: %v, %v; want %v with %s", tt.scope, p, err, tt.want, tt.text)
		}
	}
}

// A changed configuration takes the thumbnails that it would render differently, whether
// a whole folder is of them or single files are, and no other.
func TestAPurgeOfAChange(t *testing.T) {
	for _, scheme := range []thumb.Scheme{thumb.PresetScheme, thumb.Signed} {
		for _, tt := range []struct {
			name   string
			change func(*thumb.Site)
			taken  map[thumb.Scheme][]int // of names
		}{
			{"nothing", func(*thumb.Site) {}, nil},
			{"a limit", func(s *thumb.Site) { s.MaxWidth = 50 }, nil},
			{"a preset", func(s *thumb.Site) {
				s.Presets["card"] = thumb.Preset{Transform: thumb.Transform{Width: 21, Height: 20, Method: thumb.Crop}, DPR: []int{2}}
			}, map[thumb.Scheme][]int{thumb.PresetScheme: {0, 1, 2}, thumb.Signed: {0, 1, 2}}},
			{"a size of a preset", func(s *thumb.Site) {
				p := s.Presets["card"]
				p.DPR = nil
				s.Presets["card"] = p
			}, map[thumb.Scheme][]int{thumb.PresetScheme: {2}, thumb.Signed: {2}}},
			{"a preset that is gone", func(s *thumb.Site) { delete(s.Presets, "small") },
				map[thumb.Scheme][]int{thumb.PresetScheme: {3, 4}, thumb.Signed: {3}}},
			{"the quality of a format", func(s *thumb.Site) { s.Quality = map[thumb.Format]int{thumb.JPEG: 50} },
				map[thumb.Scheme][]int{thumb.PresetScheme: {0, 1, 2, 3, 4}, thumb.Signed: {0, 1, 2, 3, 4}}},
		} {
			s, tree := siteOf(t, scheme)
			// A PNG has no quality, so that folders are taken in part.
			png := strings.TrimSuffix(inScheme[scheme][4], ".jpg") + ".png"
			names := inScheme[scheme]
			stays := []string{"/t/README"}
			if tt.name == "the quality of a format" {
				stays = append(stays, png)
			}
			writeAll(t, s.DocumentRoot, append(stays, names...))
			before := recipe.Of(s, nil)
			now, _ := siteOf(t, scheme)
			now.DocumentRoot = s.DocumentRoot
			tt.change(now)
			p := Changed(now, recipe.NewChange([]recipe.Settings{before}, recipe.Of(now, nil)))
			want := slices.Clone(stays)
			for i, name := range names {
				if taken := slices.Contains(tt.taken[scheme], i); !taken {
					want = append(want, name)
				} else if !p.Covers(name, thumb.Thumb{}) {
					t.Errorf("%v, %s: a render of %s may still publish", scheme, tt.name, name)
				}
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, takeAll(t, now, tree, p)); diff != "" {
				t.Errorf("%v, %s: -want +got\n%s", scheme, tt.name, diff)
			}
		}
	}
}

// In WordPress' layout a file's name has its size and not its preset: a purge of a preset
// takes each size that the preset may give, of each original.
func TestAPurgeOfAPresetOfSizes(t *testing.T) {
	s, tree := siteOf(t, thumb.PresetScheme)
	s.Layout = thumb.WordPressLayout
	stay := []string{"/t/2024/a-20x20.jpg"}
	writeAll(t, s.DocumentRoot, append([]string{"/t/2024/a-10x10.jpg", "/t/b-10x7.jpg"}, stay...))
	p, err := Scope{Preset: "small"}.Of(s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stay, takeAll(t, s, tree, p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// The files of a place are the ones of its list and, in a folder with sizes, those that
// are found; a whole folder has no list.
func TestFilesOfAPlace(t *testing.T) {
	root := t.TempDir()
	s := &thumb.Site{Route: route.Route{Name: "wp", Prefix: "/uploads/"}, DocumentRoot: root, Scheme: thumb.InPlace, Layout: thumb.WordPressLayout}
	tree := publish.New(root, s.Prefix, nil)
	defer tree.Close()
	writeAll(t, root, []string{"/uploads/2024/a-300x200.jpg", "/uploads/2024/a-30x20.jpg", "/uploads/2024/b-300x200.jpg"})
	found := false
	for _, place := range s.OfOriginal("2024/a.jpg") {
		files, err := Files(tree, place)
		if err != nil {
			t.Fatal(err)
		}
		if place.Sizes == "" {
			if diff := cmp.Diff(place.Files, files); diff != "" {
				t.Errorf("%+v: -want +got\n%s", place, diff)
			}
			continue
		}
		found = true
		if !slices.Contains(files, "a-300x200.jpg") || !slices.Contains(files, "a-30x20.jpg") || slices.Contains(files, "b-300x200.jpg") {
			t.Errorf("%+v: %q", place, files)
		}
	}
	if !found {
		t.Error("no place has sizes: the test holds nothing")
	}
	if files, err := Files(tree, thumb.Place{Name: "/uploads/2024"}); files != nil || err != nil {
		t.Errorf("a whole folder: %q, %v", files, err)
	}
}

// A purge that is interrupted, or that can't read a folder, says so: the caller would
// otherwise promise that its thumbnails are gone.
func TestAPurgeThatFails(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, scope := range []Scope{{Originals: []string{"a/b.jpg"}}, {Preset: "card"}} {
		s, tree := siteOf(t, thumb.Signed)
		writeAll(t, s.DocumentRoot, inScheme[thumb.Signed])
		p, err := scope.Of(s)
		if err != nil {
			t.Fatal(err)
		}
		bin, err := tree.NewBin()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Take(ended, tree, bin); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: %v, want %v", scope, err, context.Canceled)
		}
		if err := bin.Delete(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// A link in the place of a folder leads to files of somebody else.
	s, tree := siteOf(t, thumb.PresetScheme)
	writeAll(t, s.DocumentRoot, []string{"/other/a.jpg"})
	if err := os.MkdirAll(filepath.Join(s.DocumentRoot, "t"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../other", filepath.Join(s.DocumentRoot, "t/card")); err != nil {
		t.Fatal(err)
	}
	p, err := Scope{Originals: []string{"a.jpg"}}.Of(s)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := tree.NewBin()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Take(t.Context(), tree, bin); err == nil || !strings.Contains(err.Error(), "card") {
		t.Errorf("through a link out of the tree: %v, want an error that names it", err)
	}
	if _, err := os.Stat(filepath.Join(s.DocumentRoot, "other/a.jpg")); err != nil {
		t.Errorf("a file outside of the tree was taken: %v", err)
	}
	if err := bin.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
}
