// SPDX-License-Identifier: MIT

package tidy

import (
	"context"
	"path/filepath"
	"sync"
	"time"
)

// keeperPause is the least time between two runs of a Keeper for one site.
const keeperPause = 10 * time.Minute

// Keeper runs gc on a tree when its file system has less free space than
// Budget.Free. Its methods are safe for concurrent use.
type Keeper struct {
	sites map[string]Site
	done  func(site string, sum Summary, err error)
	pause time.Duration
	how   Options

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	busy    bool
	next    map[string]time.Time // when the next run may begin
}

// NewKeeper returns a Keeper of the sites with a Budget.Free. It calls done
// after each run. The caller closes the sites, after the Keeper.
func NewKeeper(sites []Site, done func(site string, sum Summary, err error)) *Keeper {
	k := &Keeper{sites: make(map[string]Site), done: done, pause: keeperPause, how: Options{Remove: true}, next: make(map[string]time.Time)}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	for _, s := range sites {
		if s.Budget.Free > 0 {
			k.sites[s.Thumb.Name] = s
		}
	}
	return k
}

// Published tells the Keeper that a thumbnail of the site was published, or was
// not for lack of space. It does not wait: a run goes on in the background, one
// at a time, and for each site at most once in ten minutes.
func (k *Keeper) Published(site string) {
	s, ok := k.sites[site]
	if !ok {
		return
	}
	free, err := Free(filepath.Join(s.Thumb.DocumentRoot, s.Thumb.Prefix))
	// Without a tree there is nothing to tidy.
	if err != nil || free >= s.Budget.Free {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy || k.ctx.Err() != nil || time.Now().Before(k.next[site]) {
		return
	}
	k.busy = true
	k.running.Go(func() { k.run(s) })
}

func (k *Keeper) run(s Site) {
	sum, err := Run(k.ctx, s, k.how)
	k.mu.Lock()
	k.busy = false
	k.next[s.Thumb.Name] = time.Now().Add(k.pause)
	k.mu.Unlock()
	k.done(s.Thumb.Name, sum, err)
}

// Busy reports whether a run is in progress.
func (k *Keeper) Busy() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.busy
}

// Close ends a run that is in progress, and waits for it.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.cancel()
	k.mu.Unlock()
	k.running.Wait()
}
