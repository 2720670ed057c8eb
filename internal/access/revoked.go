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

// maxRevoked is the maximum size of a list, in bytes.
const maxRevoked = 64 << 20

// revocations are the IDs of revoked tokens, and the version of the file with the list.
// They are immutable.
type revocations struct {
	ids  map[string]struct{}
	info os.FileInfo // nil: no file
}

func (r *revocations) has(id string) bool {
	_, ok := r.ids[id]
	return ok
}

// readRevocations reads a list of IDs, one in each line. Empty lines and lines
// that begin with # are skipped.
func readRevocations(path string) (*revocations, error) {
	// Opening a FIFO would block until another process writes to it.
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

// Refresh reads the list of revoked tokens again if its file has changed. With an
// error the old list stays in use; the same error is returned only once until a
// refresh succeeds.
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

// Run calls Refresh at each tick until ctx is done, and reports errors. It returns
// at once if the site has no list.
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
