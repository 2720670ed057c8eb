// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// load writes a configuration of one site with the keys, and loads it.
func load(t *testing.T, folder, keys string) (*Config, error) {
	t.Helper()
	file := filepath.Join(folder, "etc/thumbd.toml")
	write(t, file, site("a", "keys = "+keys), 0o644)
	c, _, err := Load(file, filepath.Join(folder, "credentials"))
	return c, err
}

func TestLoadReadsKeys(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "credentials/both.key"), "that of the credentials\n", 0o400)
	write(t, filepath.Join(folder, "etc/keys/both.key"), "that of the configuration", 0o600)
	write(t, filepath.Join(folder, "etc/keys/sub/beside.key"), "beside the configuration\n\n", 0o640)
	write(t, filepath.Join(folder, "absolute.key"), "by its absolute name\r\n", 0o600)
	c, err := load(t, folder, fmt.Sprintf("[\"both.key\", \"sub/beside.key\", %q]", filepath.Join(folder, "absolute.key")))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"that of the credentials", "beside the configuration\n", "by its absolute name\r"}
	var got []string
	for _, key := range c.Sites[0].Thumb.Keys {
		got = append(got, string(key))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
	if c.Workers < 1 {
		t.Errorf("got %d workers, want at least 1", c.Workers)
	}
}

func TestLoadWithoutCredentials(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "thumbd.toml")
	write(t, file, site("a"), 0o644)
	write(t, filepath.Join(folder, "keys/a.key"), string(keyA), 0o600)
	t.Chdir(folder)
	// In the working directory there is one that is not meant.
	write(t, filepath.Join(folder, "a.key"), "short", 0o600)
	if _, _, err := Load(file, ""); err != nil {
		t.Error(err)
	}
	if _, _, err := Load("thumbd.toml", ""); err != nil {
		t.Errorf("by a relative name: %v", err)
	}
}

func TestLoadRefusesKeys(t *testing.T) {
	folder := t.TempDir()
	keys := filepath.Join(folder, "etc/keys")
	write(t, filepath.Join(keys, "open.key"), string(keyA), 0o644)
	write(t, filepath.Join(keys, "writable.key"), string(keyA), 0o602)
	write(t, filepath.Join(keys, "large.key"), strings.Repeat("k", 64<<10+1), 0o600)
	write(t, filepath.Join(keys, "newline.key"), "\n", 0o600)
	if err := os.Mkdir(filepath.Join(keys, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(keys, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", filepath.Join(keys, "loop")); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, want string }{
		{"loop", "open KEYS/loop: too many levels of symbolic links"},
		{"open.key", "KEYS/open.key can be used by every user; chmod o= KEYS/open.key"},
		{"writable.key", "KEYS/writable.key can be used by every user; chmod o= KEYS/writable.key"},
		{"large.key", "KEYS/large.key is larger than 64KiB; make one with: openssl rand -base64 32"},
		{"newline.key", "newline.key is empty; make one with: openssl rand -base64 32"},
		{"folder", "KEYS/folder is no regular file; name a file with the key in it"},
		{"fifo", "KEYS/fifo is no regular file; name a file with the key in it"},
		{"none.key", "open KEYS/none.key: no such file or directory; make one with: openssl rand -base64 32"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, folder, fmt.Sprintf("[%q]", tt.name))
			if err == nil {
				t.Fatal("accepted")
			}
			want := filepath.Join(folder, "etc/thumbd.toml") + ":6: site.a.keys: " + strings.ReplaceAll(tt.want, "KEYS", keys)
			if d := cmp.Diff(want, err.Error()); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// Root reads what nobody may: the file is one that no user can open.
func TestReadKeyTellsWhoShouldRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unreadable.key")
	write(t, path, string(keyA), 0)
	_, err := readKey(path)
	if os.Geteuid() == 0 {
		if err != nil {
			t.Errorf("as root: %v", err)
		}
		return
	}
	want := "open " + path + ": permission denied; let the daemon's user read it"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLoadRefusesFiles(t *testing.T) {
	folder := t.TempDir()
	large := filepath.Join(folder, "large.toml")
	write(t, large, strings.Repeat("#", 1<<20+1), 0o644)
	none := filepath.Join(folder, "none.toml")
	for path, want := range map[string]string{
		large: "configuration: " + large + " is larger than 1MiB",
		none:  "configuration: open " + none + ": no such file or directory",
	} {
		if _, _, err := Load(path, ""); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestLoadFollowsLinks(t *testing.T) {
	folder := t.TempDir()
	tree := filepath.Join(folder, "published/a")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(folder, "link")
	if err := os.Symlink("published", link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "thumbd.toml")
	write(t, file, site("a", `scheme = "preset"`, "keys",
		fmt.Sprintf("document_root = %q", link), fmt.Sprintf("originals = %q", tree)), 0o644)
	_, _, err := Load(file, "")
	want := fmt.Sprintf("%s:4: site.a.originals: %s and the tree, %[2]s, contain each other; keep thumbnails and originals in separate folders", file, tree)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestResolve(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"link": "real", "absolute": filepath.Join(root, "real"), "dangling": "later/on",
		"chain": "real/../dangling", "loop": "pool", "pool": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ name, path, want string }{
		{"what exists", "real", "real"},
		{"what does not exist", "none/at/all", "none/at/all"},
		{"a link", "link", "real"},
		{"an absolute link", "absolute", "real"},
		{"below a link", "link/new/tree", "real/new/tree"},
		{"a link to what does not exist", "dangling/tree", "later/on/tree"},
		{"a link to a link to what does not exist", "chain/tree", "later/on/tree"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := resolve(filepath.Join(root, tt.path))
			if want := filepath.Join(root, tt.want); got != want || err != nil {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
	if got, err := resolve(filepath.Join(root, "loop/tree")); err == nil {
		t.Errorf("a loop: got %s, want an error", got)
	}
	if got, err := resolve("/"); got != "/" || err != nil {
		t.Errorf("the root: got %s, %v", got, err)
	}
}

// A signature of one site is good for another one with the key if the same text
// can be signed for both.
func TestKeysGoodForTwoSites(t *testing.T) {
	env := testEnvironment()
	env.Key = func(name string) ([]byte, error) { return []byte("0123456789abcdef-" + name), nil }
	one := func(name, prefix, scheme, key, access string) string {
		return fmt.Sprintf("[site.%s]\nprefix = %q\nhosts = [\"%[1]s.example\"]\ndocument_root = \"/cache/%[1]s\"\noriginals = \"/media/%[1]s\"\nscheme = %[3]q\nkeys = [%[4]q]\n"+
			"[site.%[1]s.access]\nproofs = [\"signature\"]\nkeys = [%[5]q]\n", name, prefix, scheme, key, access)
	}
	const signed, rest = "signed", "restthumbnails"
	for name, tt := range map[string]struct{ text, want string }{
		"overlapping prefixes":        {one("a", "/t/", signed, "1", "3") + one("b", "/t/p/", signed, "1", "4"), "site.b.keys: 1 is a key of site.a (line 1) too, which has an overlapping prefix"},
		"the inner prefix first":      {one("a", "/t/p/", signed, "1", "3") + one("b", "/t/", signed, "1", "4"), "site.b.keys: 1 is a key of site.a (line 1) too, which has an overlapping prefix"},
		"access, overlapping":         {one("a", "/t/", signed, "1", "3") + one("b", "/t/p/", signed, "2", "3"), "site.b.access.keys: 3 is a key of site.a (line 1) too, which has an overlapping prefix"},
		"restthumbnails, apart":       {one("a", "/t/", rest, "1", "3") + one("b", "/u/", rest, "1", "4"), "site.b.keys: 1 is a key of site.a (line 1) too, which is of the scheme restthumbnails too"},
		"prefixes apart":              {text: one("a", "/t/", signed, "1", "3") + one("b", "/u/", signed, "1", "3")},
		"a prefix that only begins":   {text: one("a", "/t/", signed, "1", "3") + one("b", "/tt/", signed, "1", "3")},
		"two schemes, prefixes apart": {text: one("a", "/t/", signed, "1", "3") + one("b", "/u/", rest, "1", "3")},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Parse([]File{{"thumbd.toml", []byte(tt.text)}}, env)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || strings.Count(got, "\n") > 0 {
				t.Errorf("%s, want %q", got, tt.want)
			}
		})
	}
}

// chmod is no cure for a secret of a container, whose mount is read-only.
func TestReadKeyOfAReadOnlyMount(t *testing.T) {
	// The thread, with the mount, ends with this goroutine.
	runtime.LockOSThread()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.key"), string(keyA), 0o444)
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Skip("only root can mount: ", err)
	}
	for _, flags := range []uintptr{unix.MS_BIND, unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY} {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Skip("only root can mount: ", err)
		}
		if err := unix.Mount(dir, dir, "", flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	_, err := readKey(filepath.Join(dir, "a.key"))
	if err == nil || !strings.Contains(err.Error(), "mount it with mode=0400") || strings.Contains(err.Error(), "chmod") {
		t.Errorf("%v, want how to mount it", err)
	}
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Error(err)
	}
}
