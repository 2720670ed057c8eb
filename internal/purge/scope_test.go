// SPDX-License-Identifier: MIT

package purge

import (
	"fmt"
	"runtime"
	"testing"

	"thumbd/internal/thumb"
)

// A purge holds the names of its originals, and not those of all files that
// each can have in each preset.
func TestAPurgeHoldsNamesAlone(t *testing.T) {
	site := &thumb.Site{
		Name: "p", Prefix: "/thumbs/", DocumentRoot: "/var/cache/thumbd/p", Scheme: thumb.PresetScheme,
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
