// SPDX-License-Identifier: MIT

package tidy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"thumbd/internal/publish"
	"thumbd/internal/whole"
)

// state is the content of .thumbd/gc.json: one run writes it for the next run
// and for the daemon's metrics.
type state struct {
	Totals
	// Devices are the device numbers of the originals at the last runs, by the name of
	// the machine: a share has another number on each. seen is the present one; 0 if not
	// known.
	Devices map[string]uint64 `json:"devices,omitempty"`
	seen    uint64
}

// Totals are the sums over all runs on a tree since its state was first kept.
type Totals struct {
	Runs    int64            `json:"runs"`
	Failed  int64            `json:"failed"` // of Runs, interrupted ones too
	Removed map[string]Count `json:"removed,omitempty"`
	Folders int64            `json:"folders"`
	// Of the last run.
	End     int64 `json:"end"` // seconds since 1970
	Kept    Count `json:"kept"`
	Foreign int64 `json:"foreign"`
	Unknown int64 `json:"unknown"`
	Over    bool  `json:"over,omitempty"`
}

// ReadTotals returns the totals of the tree of a document root and prefix,
// including runs of other processes. They are zero if nothing is known.
func ReadTotals(documentRoot, prefix string) (Totals, error) {
	data, err := os.ReadFile(filepath.Join(documentRoot, prefix, stateName))
	if isGone(err) {
		return Totals{}, nil
	}
	if err != nil {
		return Totals{}, err
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return Totals{}, fmt.Errorf("%s%s: %w", prefix, stateName, err)
	}
	return s.Totals, nil
}

// readState returns the state that the last run has written. A state that can't
// be read counts as none.
func (r *run) readState() state {
	var s state
	data, err := r.root.ReadFile(stateName)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil && !isGone(err) {
		s = state{}
		r.trouble.add(fmt.Errorf("%s: %w", stateName, err))
	}
	return s
}

// report adds this run to the state of the tree.
func (r *run) report(good bool) error {
	r.settle()
	s := &r.state
	s.Runs++
	if !good {
		s.Failed++
	}
	if s.Removed == nil {
		s.Removed = make(map[string]Count)
	}
	for why, c := range r.sum.Removed {
		n := s.Removed[why]
		s.Removed[why] = Count{n.Files + c.Files, n.Bytes + c.Bytes}
	}
	s.Folders += r.sum.Folders
	s.End = r.Now.Unix()
	s.Kept, s.Foreign, s.Unknown, s.Over = r.sum.Kept, r.sum.Foreign, r.sum.Unknown, r.sum.Over
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := whole.MakeIn(r.root, asideName, whole.Content{Data: data, Mode: 0o600, Lasting: true}); err != nil {
		return err
	}
	if err := r.own(asideName); err != nil {
		return err
	}
	return whole.ReplaceIn(r.root, asideName, stateName)
}

// lock keeps other runs away until unlock, and removes the file that a killed
// run has left aside.
func (r *run) lock() (unlock func(), err error) {
	err = r.root.Mkdir(publish.OwnDir, 0o700)
	if err == nil {
		err = r.own(publish.OwnDir)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	f, err := r.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if err = r.own(lockName); err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrRunning
	}
	if err == nil {
		if err = r.root.Remove(asideName); isGone(err) {
			err = nil
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// own changes the owner of a file that root has made to the owner of the tree,
// because the daemon uses it too.
func (r *run) own(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	fi, err := r.root.Lstat(".")
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return r.root.Lchown(name, int(st.Uid), int(st.Gid))
}
