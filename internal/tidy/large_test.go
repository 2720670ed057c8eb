// SPDX-License-Identifier: MIT

package tidy

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/publish"
	"thumbd/internal/thumb"
)

var campaign = flag.Bool("campaign", false, "with a million files, and kills by the hundred")

// heapBound is what a run may add to the heap, whatever the size of the tree:
// the histogram, a batch of entries, and what is about to be collected, of which
// there is more on a busy machine. A name and a stat of each of 20,000 files are
// 13 MiB.
const heapBound = 8 << 20

// siteEnv has the test binary run gc on the place that it names.
const siteEnv = "THUMBD_TIDY_TEST_PLACE"

func TestMain(m *testing.M) {
	if top := os.Getenv(siteEnv); top != "" {
		os.Exit(runAt(top))
	}
	os.Exit(m.Run())
}

// largeNow is after all times of use in a large place, and those after the
// present.
var largeNow = time.Unix(8_000_000_000, 0)

// largePlace has ten thumbnails of each of files/10 originals. Of a hundred
// files one has no original, one is stale; the others were used a minute one
// after the other.
func largePlace(t testing.TB, files int) *place {
	t.Helper()
	p := newPlace(t, thumb.Signed)
	for i := range files / 10 {
		original := fmt.Sprintf("%02d/%05d.jpg", i%100, i)
		if i%100 != 42 {
			p.original(original)
		}
		for j := range 10 {
			path := p.file(signed(original, j+1), largeNow.Add(-time.Duration(10*i+j)*time.Minute))
			if i%10 == 7 && j == 7 {
				p.must(os.Chtimes(path, largeNow, mtime.Add(time.Second)))
			}
		}
	}
	return p
}

func largeOptions() Options { return Options{Remove: true, Now: largeNow, clock: atime(0)} }

// A large tree is brought into its budget in memory that does not grow with it.
func TestLargeTreeInLittleMemory(t *testing.T) {
	files := 20_000
	if *campaign {
		files = 1_000_000
	}
	p := largePlace(t, files)
	p.Budget.Files = int64(files / 2)
	stop, peak := watchHeap()
	start := time.Now()
	sum := p.run(largeOptions())
	took := time.Since(start)
	stop()
	t.Logf("%d files in %v, %d KiB of heap", files, took, *peak>>10)
	if *peak > heapBound {
		t.Errorf("the heap grew by %d bytes, want at most %d", *peak, heapBound)
	}
	if sum.Kept.Files != p.Budget.Files || sum.Over || sum.Removed[Orphan].Files != int64(files/100) || sum.Removed[Stale].Files == 0 {
		t.Errorf("summary %+v", sum)
	}
	// A bucket may be as wide as 1/8192 of the oldest age; so may be the error.
	remain := p.list()
	if int64(len(remain)) != p.Budget.Files {
		t.Errorf("%d files remain, want %d", len(remain), p.Budget.Files)
	}
	oldest := largeNow
	for _, name := range remain {
		st := statOf(t, filepath.Join(p.Thumb.DocumentRoot, prefix, name))
		if used := largeNow.Add(-clock{now: largeNow}.age(st)); used.Before(oldest) {
			oldest = used
		}
	}
	spread := time.Duration(files) * time.Minute
	// The orphans and the stale ones, two in a hundred, do not count.
	if most := spread/2 + spread/50 + spread/8192; largeNow.Sub(oldest) > most {
		t.Errorf("one remains that was used %v ago, want at most %v", largeNow.Sub(oldest), most)
	}
}

// watchHeap looks at what lives on the heap until stop, and keeps by how much
// it was above what it is now.
func watchHeap() (stop func(), peak *int64) {
	var m runtime.MemStats
	live := func() int64 {
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	base := live()
	peak = new(int64)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			*peak = max(*peak, live()-base)
			// Not to take the processor from the run.
			<-time.After(time.Millisecond)
		}
	}()
	return func() {
		cancel()
		<-done
	}, peak
}

// runAt is a gc process on a place, as runs in TestKilledInTheMiddle are.
func runAt(top string) int {
	p := siteAt(top)
	p.Budget.Files = 100
	if _, err := Run(context.Background(), p, largeOptions()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Killed at any moment, and run again: what remains is what would have remained
// without a kill.
func TestKilledInTheMiddle(t *testing.T) {
	kills := 6
	if *campaign {
		kills = 300
	}
	var want []string
	random := rand.New(rand.NewPCG(3, 4))
	interrupted := 0
	for i := range kills + 1 {
		p := largePlace(t, 500)
		if i > 0 {
			for try := 0; try < 5; try++ {
				cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
				cmd.Env = append(os.Environ(), siteEnv+"="+p.top)
				p.must(cmd.Start())
				// The moment is what is tried here.
				<-time.After(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
				p.must(cmd.Process.Kill())
				if err := cmd.Wait(); err != nil {
					interrupted++
				}
			}
		}
		p.Budget.Files = 100
		p.run(largeOptions())
		got := p.list()
		if i == 0 {
			want = got
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("after kills (-want +got):\n%s", diff)
		}
		p.must(os.RemoveAll(p.top))
	}
	t.Logf("%d of %d runs were killed before their end", interrupted, 5*kills)
	if interrupted == 0 {
		t.Error("no run was killed in the middle")
	}
	if len(want) != 100 || strings.Contains(want[0], publish.OwnDir) {
		t.Errorf("%d remain, %q first", len(want), want[:1])
	}
}
