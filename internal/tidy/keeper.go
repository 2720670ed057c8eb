// SPDX-License-Identifier: MIT

package tidy

import (
	"context"
	"path/filepath"
	"sync"
	"time"
)

// keeperPause is from the end of one run of a Keeper to the next, of a site.
const keeperPause = 10 * time.Minute

// Keeper tidies a tree when there is less of its file system free than its
// budget says. Its methods are safe for concurrent use.
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

// NewKeeper returns a Keeper of those sites that have Budget.Free. done is
// called after each run. The sites stay the caller's, who closes the Keeper
// before them.
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

// Published has the tree of the site of that name looked at, something having
// been published there, or not for lack of space. It does not wait: a run goes
// on in the background, one at a time, and of a site once in ten minutes.
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

// Busy reports whether a run goes on.
func (k *Keeper) Busy() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.busy
}

// Close ends what runs, and waits for it.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.cancel()
	k.mu.Unlock()
	k.running.Wait()
}
