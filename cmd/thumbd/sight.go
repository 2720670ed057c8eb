// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"thumbd/internal/asuser"
	"thumbd/internal/config"
	"thumbd/internal/daemon"
	"thumbd/internal/rights"
	"thumbd/internal/systemd"
)

// onlooker looks at folders as the service's user.
type onlooker struct {
	asuser.User
	Note string // why it is another user, or ""
	// cache is the folder that systemd makes when the service first starts; "" is none.
	cache string
}

// newOnlooker returns an onlooker with the rights of the service's user. If that user does
// not exist, or only root could take its rights, the onlooker has the rights of this
// process and a note.
func newOnlooker(ctx context.Context) (onlooker, error) {
	u, err := rights.Service(ctx)
	if err == nil {
		err = u.Do(func() error { return nil })
	}
	if err == nil {
		return onlooker{User: u, cache: systemd.Cache}, nil
	}
	cache := systemd.Cache
	if errors.Is(err, rights.ErrNoService) {
		cache = ""
	}
	self, serr := asuser.Self()
	note := fmt.Sprintf("folders are looked at as user %s: %v", self.Name, err)
	if errors.Is(err, asuser.ErrNotRoot) {
		note = fmt.Sprintf("folders are looked at as user %s, not as user %s: %v", self.Name, u.Name, err)
	}
	return onlooker{self, note, cache}, serr
}

// folders returns an error for each folder of c that the user can't use, and a warning
// for each that the user can read in part.
func (o onlooker) folders(c *config.Config) (wrong []error, warnings []string) {
	see := func(section string, s rights.Sight, err error) {
		switch text := section + ": " + s.String() + cureText(s.Cure()); {
		case err != nil || s.Sees(): // what is not there the probe tells
		case s.Blind():
			wrong = append(wrong, errors.New(text))
		default:
			warnings = append(warnings, text)
		}
	}
	for i := range c.Sites {
		s := &c.Sites[i]
		section := "site " + s.Thumb.Name
		if s.Local() {
			sight, err := rights.Originals(s.Originals, s.OriginalFormats, o.User)
			see(section, sight, err)
		}
		if err := o.tree(s.Thumb.DocumentRoot, s.Thumb.Prefix); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", section, err))
		}
	}
	for _, f := range c.Files {
		sight, err := rights.Look(f.Root, o.User, rights.All)
		see("files "+f.Name, sight, err)
	}
	return wrong, warnings
}

// journal returns an error if the user can't use the folder of a journal, or not read a file
// of another node in it, or if a bucket can't be listed, and a warning for each node whose
// report can't be trusted and for a unit that the folder is closed to.
func (o onlooker) journal(ctx context.Context, c *config.Nodes) (wrong []error, warnings []string) {
	if c.Local() {
		n, err := rights.Journal(c.Journal, o.User)
		if err != nil {
			return []error{fmt.Errorf("the journal %s: %w", c.Journal, err)}, nil
		}
		is, err := systemd.Properties(ctx, systemd.Service, rights.JournalProperties...)
		if err == nil && is["LoadState"] == "loaded" && n.Group != "" {
			n.Cure = append(n.Cure, rights.JournalDropIn(is, c.Journal, n.Group)...)
		}
		switch {
		case n.What != "":
			return []error{fmt.Errorf("the journal: %s%s", n.What, cureText(n.Cure))}, nil
		case len(n.Cure) > 0:
			warnings = append(warnings, fmt.Sprintf("the journal %s: %s can't write there%s", c.Journal, systemd.Service, cureText(n.Cure)))
		}
	}
	others, err := daemon.Nodes(ctx, c)
	switch {
	case daemon.IsKeyless(err):
		return nil, append(warnings, fmt.Sprintf("the journal %s: %v; %s", c.Journal, err, otherKeys))
	case err != nil && (!c.Local() || !errors.Is(err, fs.ErrNotExist)):
		return []error{fmt.Errorf("the journal %s: %w", c.Journal, err)}, warnings
	}
	for _, other := range others {
		if other.Err != nil {
			warnings = append(warnings, fmt.Sprintf("the journal %s: the report of node %s: %v; give all nodes the same keys and the same version of thumbd, "+
				"or, if that node is gone for good: thumbd status --nodes --forget %s", c.Journal, other.Name, other.Err, other.Name))
		}
	}
	return nil, warnings
}

// tree returns an error if the user can't write the tree of a site with that
// document_root and prefix, and can't make it.
func (o onlooker) tree(root, prefix string) error {
	at := existing(filepath.Join(root, prefix))
	if o.cache != "" && systemd.Within(root, o.cache) && existing(o.cache) != o.cache {
		return nil
	}
	closed, err := o.Closed(at, unix.R_OK|unix.W_OK|unix.X_OK)
	if err != nil || len(closed) == 0 {
		return err
	}
	if root = filepath.Clean(root); existing(root) == root {
		return fmt.Errorf("user %s can't write %s: closed to it: %s%s",
			o.Name, at, strings.Join(closed, ", "), cureText(rights.Writing(o.User, at, closed)))
	}
	cure, err := rights.Making(o.User, root, at)
	if err != nil {
		return err
	}
	return fmt.Errorf("user %s can't make %s: closed to it: %s%s", o.Name, root, strings.Join(closed, ", "), cureText(cure))
}

// cureText returns commands as the end of a message.
func cureText(commands []string) string {
	if len(commands) == 0 {
		return ""
	}
	return "; to mend it:\n\t" + strings.Join(commands, "\n\t")
}

// existing returns path, or the nearest folder above it that exists.
func existing(path string) string {
	for path != "/" {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}
