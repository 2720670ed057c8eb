// SPDX-License-Identifier: MIT

package access

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// maxRevoked is the most bytes of a list.
const maxRevoked = 64 << 20

// revocations are the IDs of tokens that are good no more, and the file that
// they were read from. They are not changed once made.
type revocations struct {
	ids  map[string]struct{}
	info os.FileInfo // nil: no file
}

func (r *revocations) has(id string) bool {
	_, ok := r.ids[id]
	return ok
}

// readRevocations reads a list of IDs, one a line. Lines that are empty or
// begin with # have none.
func readRevocations(path string) (*revocations, error) {
	// A FIFO would block until somebody writes to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxRevoked {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", path, maxRevoked)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxRevoked+1))
	if err != nil {
		return nil, err
	}
	r := &revocations{ids: make(map[string]struct{}), info: info}
	for line := range bytes.Lines(b) {
		if id := strings.TrimSpace(string(line)); id != "" && id[0] != '#' {
			r.ids[id] = struct{}{}
		}
	}
	return r, nil
}

// Refresh reads the list of what is revoked again if it has changed, and has
// later checks use it. With an error the old list stays; the same error is
// returned once until a refresh succeeds.
func (g *Gate) Refresh() error {
	if g.Revoked == "" {
		return nil
	}
	err := g.refresh()
	if err == nil {
		g.reported = false
		return nil
	}
	if g.reported {
		return nil
	}
	g.reported = true
	return fmt.Errorf("revoked tokens, the list of before stays: %w", err)
}

func (g *Gate) refresh() error {
	info, err := os.Stat(g.Revoked)
	if err != nil {
		return err
	}
	if old := g.revoked.Load().info; old != nil && os.SameFile(old, info) && old.ModTime().Equal(info.ModTime()) && old.Size() == info.Size() {
		return nil
	}
	r, err := readRevocations(g.Revoked)
	if err != nil {
		return err
	}
	g.revoked.Store(r)
	return nil
}

// Run refreshes g at each tick until ctx is done, and reports what fails. It
// returns at once where nothing can be revoked.
func (g *Gate) Run(ctx context.Context, ticks <-chan time.Time, report func(error)) {
	if g.Revoked == "" {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			if err := g.Refresh(); err != nil {
				report(err)
			}
		}
	}
}
