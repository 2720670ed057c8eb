// SPDX-License-Identifier: MIT

package purge

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/publish"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// A purge holds the names of its originals, and not those of all files that
// each can have in each preset.
func TestAPurgeHoldsNamesAlone(t *testing.T) {
	site := &thumb.Site{
		Route: route.Route{Name: "p", Prefix: "/thumbs/"}, DocumentRoot: "/var/cache/thumbd/p", Scheme: thumb.PresetScheme,
		Formats: []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF},
		Presets: thumb.DefaultPresets(), MaxWidth: 4096, MaxHeight: 4096,
	}
	const n, limit = 100_000, 32 << 20
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("2026/11/gallery-%05d/photograph-%06d.jpg", i/50, i)
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	p, err := Scope{Originals: names}.Of(site)
	if err != nil {
		t.Fatal(err)
	}
	held := heap() - before
	t.Logf("%d originals: %d KiB held", n, held>>10)
	if held > limit {
		t.Errorf("%d MiB are held, want at most %d", held>>20, limit>>20)
	}
	runtime.KeepAlive(p)
}

// A purge of originals of a folder takes their sizes and variants, and those of no
// other one. The folder is read once for all of them: 5,000 reads of 5,000 names
// would take minutes.
func TestAPurgeOfManyOriginalsWithSizes(t *testing.T) {
	const n = 5000
	root := t.TempDir()
	folder := filepath.Join(root, "uploads/2024")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"2024/none.jpg", "none/a.jpg"}
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		write(fmt.Sprintf("%d-300x200.jpg", i))
		names = append(names, fmt.Sprintf("2024/%d.jpg", i))
	}
	for _, name := range []string{"0.jpg.webp", "0-300x200.jpg.avif", "0-scaled.jpg"} {
		write(name)
	}
	stay := []string{"0-300x200.png", "0-x-300x200.jpg", "a-300x200.jpg", "a.jpg.webp"}
	for _, name := range stay {
		write(name)
	}
	site := &thumb.Site{Route: route.Route{Name: "wp", Prefix: "/uploads/"}, DocumentRoot: root, Scheme: thumb.InPlace, Layout: thumb.WordPressLayout}
	p, err := Scope{Originals: names}.Of(site)
	if err != nil {
		t.Fatal(err)
	}
	tree := publish.New(root, site.Prefix, nil)
	defer tree.Close()
	bin, err := tree.NewBin()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Take(t.Context(), tree, bin); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff(stay, left); diff != "" {
		t.Errorf("left: -want +got\n%s", diff)
	}
}
