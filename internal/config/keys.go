// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/sys/unix"

	"thumbd/internal/share"
	"thumbd/internal/shell"
	"thumbd/internal/thumb"
)

// Bytes of a key: fewer than shortKey can be guessed.
const (
	shortKey = 16
	longKey  = 64 << 10
)

const keyRemedy = "make one with: openssl rand -base64 32"

// keyName accepts the name of a key's file.
func keyName(v any) (string, error) {
	s, ok := v.(string)
	if !ok || strings.ContainsFunc(s, unicode.IsControl) || !filepath.IsAbs(s) && !filepath.IsLocal(s) || s == "." {
		return "", fmt.Errorf(`want the name of a file in keys/ or an absolute path, have %s`, have(v))
	}
	return s, nil
}

// checkKeys reads the keys of a site.
func (r *reader) checkKeys(d *draft) {
	key := d.table.at("keys")
	scheme := d.Thumb.Scheme
	switch {
	case r.bad[key]:
		return
	case (scheme == thumb.PresetScheme || scheme == thumb.InPlace) && len(d.keys) > 0:
		r.mistake(key, "URLs of the scheme %v are not signed; remove it", scheme)
		return
	case scheme.HasKeys() && !d.table.has("keys"):
		r.missing(d.table, "keys", `["`+d.Thumb.Name+`.key"]`)
	case scheme.HasKeys() && len(d.keys) == 0:
		r.mistake(key, "is empty; URLs of the scheme %v are signed: name a key", scheme)
	}
	for _, name := range d.keys {
		content, err := r.env.Key(name)
		switch {
		case err != nil:
			r.mistake(key, "%v", err)
		case len(content) == 0:
			r.mistake(key, "%s is empty; %s", name, keyRemedy)
		case len(content) < shortKey && scheme == thumb.RestThumbnails:
			r.warn(key, "%s is %d bytes long, and under %d can be guessed; change it with the next change of URLs", name, len(content), shortKey)
		case len(content) < shortKey && scheme == thumb.Signed:
			r.mistake(key, "%s is %d bytes long, and under %d can be guessed; %s", name, len(content), shortKey, keyRemedy)
		}
		// One for each name: compareKeys goes by their places.
		d.Thumb.Keys = append(d.Thumb.Keys, content)
	}
}

// compareKeys notes a key that makes the URLs of one site good for another, and
// why: "has an overlapping prefix".
func (r *reader) compareKeys(a, b *claim, why string) {
	for i, x := range b.keys {
		for _, y := range a.keys {
			if len(x) > 0 && bytes.Equal(x, y) {
				r.mistake(b.table.at("keys"), "%s is a key of %s too, which %s; each needs its own", b.names[i], r.ref(a.table), why)
			}
		}
	}
}

// keyStore finds keys by name, in credentials before keys.
type keyStore struct{ credentials, keys string }

func (s keyStore) read(name string) ([]byte, error) {
	if filepath.IsAbs(name) {
		return readKey(name)
	}
	if s.credentials != "" {
		key, err := readKey(filepath.Join(s.credentials, name))
		if !errors.Is(err, fs.ErrNotExist) {
			return key, err
		}
	}
	return readKey(filepath.Join(s.keys, name))
}

// readKey returns the content of a file without one trailing newline.
func readKey(path string) ([]byte, error) {
	// A FIFO would block until another process writes to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w; %s", err, keyRemedy)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w; let the daemon's user read it", err)
	case err != nil:
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file; name a file with the key in it", path)
	case info.Mode()&0o007 != 0 && isReadOnly(f):
		return nil, fmt.Errorf("%s can be used by every user, and its mount is read-only; mount it with mode=0400 and the daemon's uid, here %d (a secret of podman: uid=%[2]d,gid=%[2]d,mode=0400; of compose: the owner and mode of its file)", path, os.Geteuid())
	case info.Mode()&0o007 != 0:
		return nil, fmt.Errorf("%s can be used by every user; chmod o= %s", path, shell.Quote(path))
	case info.Size() > longKey:
		return nil, fmt.Errorf("%s is larger than %s; %s", path, sizeText(longKey), keyRemedy)
	}
	b, err := io.ReadAll(io.LimitReader(f, longKey))
	return bytes.TrimSuffix(b, []byte("\n")), err
}

// isReadOnly reports whether f is on a read-only mount. The modes there can't be changed,
// because they are set by the mount.
func isReadOnly(f *os.File) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &st) == nil && st.Flags&unix.ST_RDONLY != 0
}

// resolve returns path with its links resolved, as far as it exists. If path is
// on a share that hangs, its error is that of share.Do.
func resolve(path string) (string, error) {
	return share.Do(share.Of(path), func() (string, error) { return follow(path) }, nil)
}

func follow(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || path == "/" {
		return resolved, err
	}
	parent, err := follow(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	path = filepath.Join(parent, filepath.Base(path))
	if target, err := os.Readlink(path); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(parent, target)
		}
		return follow(target)
	}
	return path, nil
}
