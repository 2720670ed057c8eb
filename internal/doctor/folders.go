// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
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

	"thumbd/internal/admin"
	"thumbd/internal/asuser"
	"thumbd/internal/config"
	"thumbd/internal/rights"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
	"thumbd/internal/watch"
)

// troubles are the findings of the kinds of admin.Trouble.
var troubles = map[string]string{
	"originals":   "originals-unreadable",
	"watch":       "originals-unwatched",
	"share":       "originals-slow",
	"origin":      "origin-unreachable",
	"credentials": "bucket-refused",
	"keys":        "bucket-refused",
	"list":        "bucket-unlisted",
	"spool":       "spool-unwritable",
	"tree":        "tree-unwritable",
	"shared":      "tree-shared",
	"watermark":   "watermark-unreadable",
	"placeholder": "placeholder-unreadable",
	"files":       "files-unreadable",

	"journal":       "journal-unreadable",
	"journal-write": "journal-unwritable",
}

// folders tells the troubles of the daemon with its folders. The daemon has tried
// them as its user and under its unit's restrictions.
func (v *visit) folders(context.Context) string {
	if v.host == nil || v.config == nil || v.host.Checksum == "" {
		v.watchable()
		v.readable()
		return v.skip("no daemon at work to ask")
	}
	for _, t := range v.host.Troubles {
		cure := v.cureFolder
		switch t.Kind {
		case "origin":
			cure = v.cureOrigin
		case "credentials":
			cure = v.cureCredentials
		case "keys":
			cure = v.cureKeys
		case "list":
			cure = v.cureList
		case "share":
			cure = v.cureShare
		case "watch":
			cure = v.cureWatch
		case "shared":
			cure = v.cureShared
		case "journal", "journal-write":
			cure = v.cureJournal
		}
		text := t.Text
		if s, err := v.look(t.Kind, t.Name); err == nil && !s.Sees() {
			text += "; " + s.String()
		}
		v.find(troubles[t.Kind], t.Name, text, cure(t)...)
	}
	v.readable()
	if len(v.host.Troubles) > 0 {
		return fmt.Sprintf("the daemon, as user %s, has met %d that it can't use", v.host.User, len(v.host.Troubles))
	}
	return fmt.Sprintf("the daemon, as user %s, reads originals and writes trees", v.host.User)
}

// user returns the user of the daemon that answers, or else of its unit.
func (v *visit) user() (asuser.User, error) {
	if v.managed {
		// User= can be a number.
		u, err := rights.OfUnit(v.service)
		if v.host == nil || err == nil && v.host.User == u.Name {
			return u, err
		}
	}
	if v.host == nil {
		return asuser.User{}, rights.ErrNoService
	}
	return asuser.Lookup(v.host.User, "")
}

// readable tests, with the rights of the daemon's user, the contents of the folders that
// the daemon reads. If the daemon has reported a trouble already, it is left out.
func (v *visit) readable() {
	if v.config == nil {
		return
	}
	for i := range v.config.Sites {
		v.sight("originals", v.config.Sites[i].Thumb.Name, "share")
	}
	for i := range v.config.Files {
		v.sight("files", v.config.Files[i].Name)
	}
}

// look tests, with the rights of the daemon's user, the originals of a site or the files
// of a section. kind is a kind of admin.Trouble.
func (v *visit) look(kind, name string) (rights.Sight, error) {
	u, err := v.user()
	if err != nil {
		return rights.Sight{}, err
	}
	i := slices.IndexFunc(v.config.Sites, func(s config.Site) bool { return s.Thumb.Name == name && s.Local() })
	if kind == "originals" && i >= 0 {
		return rights.Originals(v.config.Sites[i].Originals, v.config.Sites[i].OriginalFormats, u)
	}
	i = slices.IndexFunc(v.config.Files, func(f config.Files) bool { return f.Name == name })
	if kind == "files" && i >= 0 {
		return rights.Look(v.config.Files[i].Root, u, rights.All)
	}
	return rights.Sight{}, fs.ErrNotExist
}

// sight finds the parts of a folder that can't be read, unless the daemon has reported a
// trouble with the folder, of the same kind or one of others. Only root can take another
// user's rights.
func (v *visit) sight(kind, name string, others ...string) {
	met := func(t admin.Trouble) bool {
		return t.Name == name && (t.Kind == kind || slices.Contains(others, t.Kind))
	}
	if v.host != nil && slices.ContainsFunc(v.host.Troubles, met) {
		return
	}
	s, err := v.look(kind, name)
	switch {
	case err != nil || s.Sees():
	case s.Blind():
		v.find(troubles[kind], name, s.String(), s.Cure()...)
	default:
		v.find("partly-unreadable", name, s.String(), s.Cure()...)
	}
}

// watchable looks, if the daemon can't be asked, whether the limit of inotify lets
// originals be watched. The limit is of each user, so this one is of doctor's own.
func (v *visit) watchable() {
	if v.config == nil {
		return
	}
	for i := range v.config.Sites {
		s := &v.config.Sites[i]
		if !s.Watch {
			continue
		}
		if err := watch.Check(s.Originals); errors.Is(err, watch.ErrLimit) {
			v.find("originals-unwatched", s.Thumb.Name, err.Error(), v.cureWatch(admin.Trouble{Text: err.Error()})...)
		}
	}
}

// cureOrigin returns the commands to try if the unit is not the cause.
func (v *visit) cureOrigin(t admin.Trouble) []string {
	if v.has("network-missing") {
		return systemd.NetworkDropIn
	}
	cure := []string{v.restart(), "see [site." + t.Name + ".fetch] in thumbd.toml(5)", "thumbd doctor"}
	i := slices.IndexFunc(v.config.Sites, func(s config.Site) bool { return s.Thumb.Name == t.Name })
	if i >= 0 && !v.config.Sites[i].Local() {
		cure = append([]string{shell.Line("curl", "-sSI", v.config.Sites[i].URL())}, cure...)
	}
	return cure
}

// cureCredentials returns the commands for a store that refuses thumbd.
func (v *visit) cureCredentials(t admin.Trouble) []string {
	see := "see [site." + t.Name + ".s3] in thumbd.toml(5)"
	if strings.Contains(t.Text, "clock") {
		return []string{"timedatectl set-ntp true", "thumbd doctor"}
	}
	if strings.Contains(t.Text, "region") {
		return []string{"write the bucket's region into [site." + t.Name + ".s3]", see, v.reload(), "thumbd doctor"}
	}
	if slices.ContainsFunc(v.config.Sites, func(s config.Site) bool { return s.Thumb.Name == t.Name && s.Chain() }) {
		return v.cureKeys(t)
	}
	return []string{"write the store's key into the files that access_key and secret_key name", see, v.reload(), "thumbd doctor"}
}

// cureKeys returns the commands for a store whose keys are AWS's chain's.
func (v *visit) cureKeys(admin.Trouble) []string {
	return []string{
		"see /usr/share/doc/thumbd/examples/systemd/aws-credentials.conf, and AWS CREDENTIALS in thumbd.toml(5)",
		"systemctl daemon-reload", v.restart(), "thumbd doctor",
	}
}

// cureList returns the commands for a bucket that can be read and not listed.
func (v *visit) cureList(t admin.Trouble) []string {
	return []string{"give the key of site " + t.Name + " the right s3:ListBucket on the bucket", "thumbd doctor"}
}

// cureWatch returns the commands that raise the limit of inotify.
func (v *visit) cureWatch(t admin.Trouble) []string {
	if !strings.Contains(t.Text, "fs.inotify.") {
		return []string{v.restart(), "thumbd doctor"}
	}
	const limits = "/etc/sysctl.d/60-thumbd.conf"
	return []string{
		`printf 'fs.inotify.max_user_watches = 1048576\nfs.inotify.max_user_instances = 1024\n' > ` + limits,
		"sysctl -p " + limits, v.restart(),
	}
}

// cureShare returns the commands for a share that hangs. It does not touch it.
func (v *visit) cureShare(t admin.Trouble) []string {
	i := slices.IndexFunc(v.config.Sites, func(s config.Site) bool { return s.Thumb.Name == t.Name })
	if i < 0 {
		return []string{"findmnt -o TARGET,SOURCE,FSTYPE"}
	}
	return []string{
		shell.Line("timeout", "5", "ls", v.config.Sites[i].Originals), "findmnt -o TARGET,SOURCE,FSTYPE",
		"bring the server of that mount back, or unmount it with umount -f",
		"after umount -l: " + v.restart(), "thumbd doctor",
	}
}

// cureFolder finds the cause, the rights of the daemon's user or its unit, and returns the
// cure.
func (v *visit) cureFolder(t admin.Trouble) []string {
	var path, read, write string
	section := "site." + t.Name
	if i := slices.IndexFunc(v.config.Sites, func(s config.Site) bool { return s.Thumb.Name == t.Name }); i >= 0 {
		s := v.config.Sites[i]
		path, read = s.Originals, s.Originals
		if t.Kind == "tree" {
			path, read, write = existing(filepath.Join(s.Thumb.DocumentRoot, s.Thumb.Prefix)), "", s.Thumb.DocumentRoot
		}
	}
	if i := slices.IndexFunc(v.config.Files, func(f config.Files) bool { return f.Name == t.Name }); i >= 0 && t.Kind == "files" {
		section, path, read = "files."+t.Name, v.config.Files[i].Root, v.config.Files[i].Root
	}
	if t.Kind == "spool" {
		path, write = existing(v.config.Spool), v.config.Spool
	}
	if t.Kind == "watermark" || t.Kind == "placeholder" || path == "" {
		return []string{"let user " + v.host.User + " read the image that it names", v.restart()}
	}
	if _, err := os.Stat(read + write); errors.Is(err, fs.ErrNotExist) {
		if write == "" {
			return []string{shell.Line("install", "-d", read), "or write where it is into " + v.config.FileOf(section), v.restart()}
		}
		return v.withDropIn([]string{rights.Make(v.host.User, write)}, read, write)
	}
	if write == "" {
		s, err := v.look(t.Kind, t.Name)
		if err != nil {
			return []string{"let user " + v.host.User + " read " + path}
		}
		return v.withDropIn(s.Cure(), read, "")
	}
	if fi, err := os.Stat(path); err == nil && !fi.IsDir() {
		return v.withDropIn([]string{shell.Line("mv", path, path+".away")}, read, write)
	}
	u, err := v.user()
	if err != nil {
		return []string{"let user " + v.host.User + " write " + path}
	}
	closed, err := u.Closed(path, unix.R_OK|unix.W_OK|unix.X_OK)
	if err != nil {
		return []string{"let user " + v.host.User + " write " + path}
	}
	return v.withDropIn(rights.Writing(u, path, closed), read, write)
}

// withDropIn adds the commands of a drop-in, if the unit needs a drop-in to read or write
// these folders.
func (v *visit) withDropIn(commands []string, read, write string) []string {
	lines := systemd.DropIn(read, write)
	if !v.managed || len(lines) == 0 {
		return append(commands, v.restart())
	}
	return append(commands, "systemctl edit "+systemd.Service+"\n"+strings.Join(lines, "\n"), v.restart())
}

// space looks whether the trees' file systems have room.
func (v *visit) space(context.Context) string {
	if v.config == nil {
		return v.skip("no configuration to look at")
	}
	var said []string
	for _, s := range v.config.Sites {
		dir := existing(s.Thumb.DocumentRoot)
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return v.skip("%s: %v", dir, err)
		}
		said = append(said, fmt.Sprintf("%s: %d MiB free", s.Thumb.Name, bytesFree(st)>>20))
		v.room(dir, st)
	}
	return strings.Join(said, ", ")
}

func bytesFree(st unix.Statfs_t) int64 { return int64(st.Bavail) * st.Bsize }

// room looks at the state of the file system of dir.
func (v *visit) room(dir string, st unix.Statfs_t) {
	free, share := bytesFree(st), percent(st.Bavail, st.Blocks)
	cure := []string{shell.Line("df", "-h", dir), shell.Line("df", "-i", dir), "make room there, or move document_root"}
	switch {
	case free < v.config.ThumbnailBytes:
		v.find("disk-full", dir, fmt.Sprintf("%d KiB are free, less than the largest thumbnail: thumbnails are made anew for each request", free>>10), cure...)
	case st.Files > 0 && st.Ffree == 0:
		v.find("disk-full", dir, "no inode is free: thumbnails are made anew for each request", cure...)
	case share < lowShare:
		v.find("disk-low", dir, fmt.Sprintf("%d %% of its space is free, %d MiB", share, free>>20), cure...)
	case st.Files > 0 && percent(st.Ffree, st.Files) < lowShare:
		v.find("disk-low", dir, fmt.Sprintf("%d %% of its inodes are free, %d", percent(st.Ffree, st.Files), st.Ffree), cure...)
	}
}

// lowShare, in percent, is when a disk that fills up is to be looked at.
const lowShare = 5

func percent(part, whole uint64) uint64 {
	if whole == 0 {
		return 100
	}
	return part * 100 / whole
}

// groupOf returns the name of a file's group.
func groupOf(fi os.FileInfo) string {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return "?"
	}
	return groupName(int(st.Gid))
}

func groupName(gid int) string {
	id := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
