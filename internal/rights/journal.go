// SPDX-License-Identifier: MIT

package rights

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"thumbd/internal/asuser"
	"thumbd/internal/share"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
)

// Nodes tells if a node can use the folder of a journal and the files of the other nodes
// in it.
type Nodes struct {
	// What is wrong, for example "user thumbd can't read 1 of 3 files in
	// /srv/shared/thumbd, for example /srv/shared/thumbd/nodes/n2"; "": nothing.
	What string
	// Group is the group of the nodes, and Cure the commands that give it the folder.
	Group string
	Cure  []string
}

// nodesGroup is the group of the nodes in the manual, of the same number on all of them.
const nodesGroup, makeGroup = "thumbd-nodes", "groupadd --gid 3000 thumbd-nodes"

// Journal looks at the folder of a journal with the rights of u. It changes nothing.
func Journal(folder string, u asuser.User) (Nodes, error) {
	return share.Do(share.Of(folder), func() (Nodes, error) { return lookNodes(folder, u) }, nil)
}

func lookNodes(folder string, u asuser.User) (Nodes, error) {
	fi, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return Nodes{
			What: folder + " is not there", Group: nodesGroup,
			Cure: []string{"mount the file system of the journal, or make the folder there:", makeGroup, shell.Line("install", "-d", "-m", "2770", "-g", nodesGroup, folder)},
		}, nil
	}
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return Nodes{}, err
	}
	n := Nodes{}
	n.Group, n.Cure = grouping(folder, fi)
	closed, err := u.Closed(folder, unix.R_OK|unix.W_OK|unix.X_OK)
	if err != nil {
		return Nodes{}, err
	}
	if len(closed) > 0 {
		s := Sight{Folder: folder, User: u.Name, Closed: closed}
		n.What = s.String()
		if above := entering(u.Name, folder, closed); len(above) > 0 {
			n.Cure = append(withACL(above...), n.Cure...)
		}
		return n, nil
	}
	if n.What, err = shutNodes(folder, u); err != nil || n.What != "" {
		return n, err
	}
	switch {
	case fi.Mode().Perm()&0o002 != 0:
		n.What = "every user of this machine can write " + folder + ", and delete purges of other nodes"
	case fi.Mode()&fs.ModeSetgid == 0 && !hasDefaultACL(folder):
		n.What = folder + " does not give its group to new files, so other nodes may not read those of this one"
	default:
		n.Cure = nil
	}
	return n, nil
}

// shutNodes returns the entries and reports in the folder of a journal that u can't use.
func shutNodes(folder string, u asuser.User) (what string, err error) {
	var folders, files []string
	for _, name := range []string{"journal", "nodes"} {
		path := filepath.Join(folder, name)
		list, err := (&walk{user: u, left: maxLooked}).list(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil && !errors.Is(err, fs.ErrPermission): // That is counted below.
			return "", err
		}
		folders = append(folders, path)
		for _, d := range list {
			if d.Type().IsRegular() && d.Name()[0] != '.' {
				files = append(files, filepath.Join(path, d.Name()))
			}
		}
	}
	shut, err := count(u, unix.R_OK|unix.W_OK|unix.X_OK, folders, nil)
	if err != nil {
		return "", err
	}
	if shut.Shut > 0 {
		return fmt.Sprintf("user %s can't write %s in %s, for example %s", u.Name, shut.text("folders"), folder, shut.shut[0]), nil
	}
	s := Sight{Folder: folder, User: u.Name}
	if s.Files, err = count(u, unix.R_OK, files, nil); err != nil || s.Files.Shut == 0 {
		return "", err
	}
	return s.String(), nil
}

// grouping returns the group of the nodes and the commands that give a folder to it. fi is
// nil if the folder is hidden.
func grouping(folder string, fi fs.FileInfo) (group string, cure []string) {
	if fi != nil {
		if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Gid != 0 {
			group = strconv.Itoa(int(st.Gid))
			if g, err := user.LookupGroupId(group); err == nil {
				group = g.Name
			}
		}
	}
	if group == "" {
		group, cure = nodesGroup, []string{makeGroup}
	}
	quoted := shell.Quote(folder)
	return group, append(cure,
		shell.Line("chgrp", "-R", group, folder),
		shell.Line("chmod", "-R", "u+rwX,g+rX,o=", folder),
		"find "+quoted+" -type d -exec chmod 2770 {} +")
}

// hasDefaultACL reports whether a folder has an ACL for new files.
func hasDefaultACL(folder string) bool {
	_, err := unix.Getxattr(folder, "system.posix_acl_default", nil)
	return err == nil
}

// JournalDropIn returns the commands that let thumbd.service, with these properties, use
// the folder of a journal as a member of a group; none if it has all of that. The
// properties are those of JournalProperties.
func JournalDropIn(is map[string]string, folder, group string) []string {
	var lines []string
	writes := strings.Fields(is["ReadWritePaths"] + " " + is["BindPaths"])
	if !slices.ContainsFunc(writes, func(path string) bool {
		path, _, _ = strings.Cut(strings.TrimLeft(path, "-+"), ":")
		return systemd.Within(folder, path)
	}) {
		lines = systemd.DropIn("", folder)
	}
	if !slices.Contains(strings.Fields(is["SupplementaryGroups"]+" "+is["Group"]), group) {
		if len(lines) == 0 {
			lines = []string{"[Service]"}
		}
		lines = append(lines, "SupplementaryGroups="+group)
	}
	if len(lines) == 0 {
		return nil
	}
	return []string{"systemctl edit thumbd.service\n" + strings.Join(lines, "\n")}
}

// JournalProperties are the properties of a unit that JournalDropIn needs.
var JournalProperties = []string{"LoadState", "ReadWritePaths", "BindPaths", "Group", "SupplementaryGroups"}
