// SPDX-License-Identifier: MIT

package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/admin"
	"thumbd/internal/asuser"
)

// The daemon's troubles are findings, each with the cure of its kind.
func TestTroubles(t *testing.T) {
	for name, tt := range map[string]struct {
		trouble admin.Trouble
		managed bool
		want    string
		part    string
	}{
		"originals that are closed":     {trouble: admin.Trouble{Kind: "originals", Name: "gallery", Text: "permission denied"}, want: "originals-unreadable", part: "restart thumbd"},
		"no folder of originals":        {trouble: admin.Trouble{Kind: "originals", Name: "gone", Text: "no such file"}, want: "originals-unreadable", part: "install -d DIR/none"},
		"a folder that is not watched":  {trouble: admin.Trouble{Kind: "watch", Name: "gallery", Text: "limit: raise fs.inotify.max_user_watches"}, want: "originals-unwatched", part: "sysctl -p /etc/sysctl.d/60-thumbd.conf"},
		"a watch that ended":            {trouble: admin.Trouble{Kind: "watch", Name: "gallery", Text: "unmounted"}, want: "originals-unwatched", part: "restart thumbd"},
		"a share that hangs":            {trouble: admin.Trouble{Kind: "share", Name: "gallery", Text: "no answer"}, want: "originals-slow", part: "timeout 5 ls DIR/originals"},
		"a share that nobody knows":     {trouble: admin.Trouble{Kind: "share", Name: "other", Text: "no answer"}, want: "originals-slow", part: "findmnt"},
		"an origin that is away":        {trouble: admin.Trouble{Kind: "origin", Name: "far", Text: "refused"}, want: "origin-unreachable", part: "curl -sSI http://origin.example/"},
		"a clock that is wrong":         {trouble: admin.Trouble{Kind: "credentials", Name: "far", Text: "the clock differs"}, want: "bucket-refused", part: "timedatectl set-ntp true"},
		"another region":                {trouble: admin.Trouble{Kind: "credentials", Name: "far", Text: "the region is eu-1"}, want: "bucket-refused", part: "write the bucket's region into [site.far.s3]"},
		"a wrong key of a bucket":       {trouble: admin.Trouble{Kind: "credentials", Name: "far", Text: "403"}, want: "bucket-refused", part: "access_key and secret_key"},
		"a bucket that can't be listed": {trouble: admin.Trouble{Kind: "list", Name: "far", Text: "403"}, want: "bucket-unlisted", part: "s3:ListBucket"},
		"a tree that is a file":         {trouble: admin.Trouble{Kind: "tree", Name: "small", Text: "not a directory"}, want: "tree-unwritable", part: "mv DIR/root/small/small DIR/root/small/small.away"},
		"a tree that is closed":         {trouble: admin.Trouble{Kind: "tree", Name: "news", Text: "permission denied"}, want: "tree-unwritable", part: "restart thumbd"},
		"no document root":              {trouble: admin.Trouble{Kind: "tree", Name: "gallery", Text: "no such file"}, want: "tree-unwritable", part: "install -d"},
		"a document root of a unit":     {trouble: admin.Trouble{Kind: "tree", Name: "gallery", Text: "read-only"}, managed: true, want: "tree-unwritable", part: "systemctl edit thumbd.service\n[Service]\n"},
		"no spool":                      {trouble: admin.Trouble{Kind: "spool", Text: "no such file"}, want: "spool-unwritable", part: "DIR/spool"},
		"no watermark":                  {trouble: admin.Trouble{Kind: "watermark", Name: "gallery", Text: "no such file"}, want: "watermark-unreadable", part: "read the image that it names"},
		"no placeholder":                {trouble: admin.Trouble{Kind: "placeholder", Name: "gallery", Text: "no such file"}, want: "placeholder-unreadable", part: "read the image that it names"},
		"no folder of downloads":        {trouble: admin.Trouble{Kind: "files", Name: "lost", Text: "no such file"}, want: "files-unreadable", part: "install -d DIR/lost"},
	} {
		t.Run(name, func(t *testing.T) {
			in := install(t)
			in.toml = "[daemon]\nspool = \"" + in.dir + "/spool\"\n" + in.toml + strings.ReplaceAll(`
[site.far]
prefix = "/far/"
scheme = "preset"
originals = "http://origin.example/"
document_root = "DIR/root/far"
[site.far.preset.icon]
size = "9x9"
method = "crop"
[site.gone]
prefix = "/gone/"
scheme = "preset"
originals = "DIR/none"
document_root = "DIR/root/gone"
[site.gone.preset.icon]
size = "9x9"
method = "crop"
[files.lost]
prefix = "/lost/"
root = "DIR/lost"
internal = "/_lost/"
scheme = "open"
`, "DIR", in.dir)
			for _, dir := range []string{"root/small", "root/news"} {
				if err := os.MkdirAll(filepath.Join(in.dir, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(in.dir, "root/small/small"), "")
			v := in.sound(t)
			v.booted, v.managed = tt.managed, tt.managed
			v.host = &admin.Report{Checksum: v.config.Checksum(), User: self(t).Name, Troubles: []admin.Trouble{tt.trouble}}
			for _, s := range []string{"gone", "far"} {
				if s != tt.trouble.Name {
					// It is met as well, so that the visit does not look for itself.
					v.host.Troubles = append(v.host.Troubles, admin.Trouble{Kind: "share", Name: s})
				}
			}
			v.folders(t.Context())
			i := slices.IndexFunc(v.result.Findings, func(f Finding) bool { return f.Name == tt.want && f.Where == tt.trouble.Name })
			if i < 0 {
				t.Fatalf("no %s in %+v", tt.want, v.result.Findings)
			}
			f := v.result.Findings[i]
			if !strings.HasPrefix(f.What, tt.trouble.Text) {
				t.Errorf("cause %q, want the daemon's %q", f.What, tt.trouble.Text)
			}
			if part := strings.ReplaceAll(tt.part, "DIR", in.dir); !strings.Contains(strings.Join(f.Cure, "\n"), part) {
				t.Errorf("no %q in the cure %q", part, f.Cure)
			}
		})
	}
}

// Each kind of trouble has a finding, and each finding a gravity.
func TestTroublesHaveNames(t *testing.T) {
	for kind, name := range troubles {
		if _, ok := names[name]; !ok {
			t.Errorf("trouble %s: no finding %s", kind, name)
		}
	}
}

// An ordinary user's folders without rights are found before a daemon runs.
func TestFoldersWithoutADaemon(t *testing.T) {
	v := install(t).sound(t)
	v.folders(t.Context())
	v.wants(t, "")
	if v.now.Status != Skipped {
		t.Errorf("the check is %s, want it skipped", v.now.Status)
	}
}

func TestRoom(t *testing.T) {
	const gib = 1 << 30
	for name, tt := range map[string]struct {
		free, blocks, inodes, allInodes uint64
		want                            []string
		part                            string
	}{
		"half is free":                {free: 50 * gib, blocks: 100 * gib, inodes: 50, allInodes: 100},
		"less than a thumbnail":       {free: 64 << 10, blocks: 100 * gib, inodes: 50, allInodes: 100, want: []string{"disk-full"}, part: "64 KiB are free"},
		"a small part":                {free: 4 * gib, blocks: 100 * gib, inodes: 50, allInodes: 100, want: []string{"disk-low"}, part: "4 % of its space"},
		"the least part":              {free: 5 * gib, blocks: 100 * gib, inodes: 50, allInodes: 100},
		"no inode":                    {free: 50 * gib, blocks: 100 * gib, inodes: 0, allInodes: 100, want: []string{"disk-full"}, part: "no inode"},
		"few inodes":                  {free: 50 * gib, blocks: 100 * gib, inodes: 4, allInodes: 100, want: []string{"disk-low"}, part: "4 % of its inodes"},
		"a file system without those": {free: 50 * gib, blocks: 100 * gib},
	} {
		t.Run(name, func(t *testing.T) {
			v := install(t).sound(t)
			v.room("/srv", unix.Statfs_t{Bsize: 1, Bavail: tt.free, Blocks: tt.blocks, Ffree: tt.inodes, Files: tt.allInodes})
			v.wants(t, tt.part, tt.want...)
		})
	}
}

func TestPercent(t *testing.T) {
	for _, tt := range [][3]uint64{{1, 2, 50}, {0, 7, 0}, {7, 7, 100}, {0, 0, 100}} {
		if got := percent(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%d of %d: %d %%, want %d", tt[0], tt[1], got, tt[2])
		}
	}
}

// nginx's workers must enter each folder above a tree.
func TestFoldersThatNginxCanNotEnter(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to look as another user")
	}
	in := install(t)
	for dir := in.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	v := in.sound(t)
	v.worker = asuser.User{UID: 65534, GID: 65534, Name: "nobody"}
	v.nginxRights(t.Context())
	v.wants(t, "")
	if err := os.Chmod(filepath.Join(in.dir, "letters"), 0o750); err != nil {
		t.Fatal(err)
	}
	v.nginxRights(t.Context())
	v.wants(t, "chmod o+x "+filepath.Join(in.dir, "letters"), "nginx-cannot-read")
}

func TestPathsAsFarAsTheyExist(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("disk", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, existing, resolved string }{
		{"disk", "disk", "disk"}, {"disk/a/b", "disk", "disk/a/b"}, {"link", "link", "disk"}, {"link/a", "link", "disk/a"}, {"none/../disk", "disk", "disk"},
	} {
		path := filepath.Join(dir, tt.path)
		if got, want := existing(path), filepath.Join(dir, tt.existing); got != want {
			t.Errorf("existing %s: %s, want %s", tt.path, got, want)
		}
		if got, want := resolved(path), filepath.Join(dir, tt.resolved); got != want {
			t.Errorf("resolved %s: %s, want %s", tt.path, got, want)
		}
	}
}
