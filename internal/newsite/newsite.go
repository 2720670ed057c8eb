// SPDX-License-Identifier: MIT

// Package newsite adds a site with a fresh key to a configuration, as a file of its
// own, or leaves everything as it was.
package newsite

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
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

	"github.com/BurntSushi/toml"

	"thumbd/internal/config"
	"thumbd/internal/thumb"
	"thumbd/internal/whole"
)

// Errors of Add. If it returns one of them, it has changed no file.
var (
	// ErrExists means that the configuration has a site of this name.
	ErrExists = errors.New("it is there already")
	// ErrMistakes means that with the new site the configuration would have mistakes.
	ErrMistakes = errors.New("the configuration would have mistakes")
)

// Site is the site to add: the keys of thumbd.toml(5).
type Site struct {
	Name         string   `toml:"-"`
	Prefix       string   `toml:"prefix"`
	Hosts        []string `toml:"hosts,omitempty"`
	DocumentRoot string   `toml:"document_root"`
	Originals    string   `toml:"originals"`
	Scheme       string   `toml:"scheme"`
	Layout       string   `toml:"layout,omitempty"`
	Keys         []string `toml:"keys,omitempty"`
	// Protected adds an access section with a key of its own, for signed queries.
	Protected bool `toml:"-"`
	// AllowAddresses are the addresses of an origin outside the Internet, for the section
	// fetch, for example 10.1.0.0/16.
	AllowAddresses []string `toml:"-"`
	// S3 is the section s3, if Originals is a bucket.
	S3 S3 `toml:"-"`
	// Quality has the quality of formats, for example of "jpg".
	Quality map[string]int `toml:"-"`
	Presets []Preset       `toml:"-"`
}

// S3 is the section s3 of a site if its originals are in a bucket.
type S3 struct {
	Endpoint    string `toml:"endpoint,omitempty"`
	Region      string `toml:"region,omitempty"`
	Credentials string `toml:"credentials,omitempty"`
	AccessKey   string `toml:"access_key,omitempty"`
	SecretKey   string `toml:"secret_key,omitempty"`
}

// Preset is a preset of the site: the keys of thumbd.toml(5).
type Preset struct {
	Name       string   `toml:"-"`
	Size       string   `toml:"size"`
	Method     string   `toml:"method"`
	Formats    []string `toml:"formats,omitempty"`
	Enlarge    bool     `toml:"enlarge,omitempty"`
	Uncovered  string   `toml:"uncovered,omitempty"`
	Gravity    string   `toml:"gravity,omitempty"`
	Background string   `toml:"background,omitempty"`
	Gray       bool     `toml:"gray,omitempty"`
	Quality    int      `toml:"quality,omitzero"`
	Frames     int      `toml:"frames,omitzero"`
}

// Added has the files and keys that were made for a site.
type Added struct {
	File string       // of the site, for example /etc/thumbd/sites.d/gallery.toml
	Site *config.Site // as the whole configuration has it
	Key  string       // the key's file; "": the scheme has none
	// AccessKey is the file of the key for access; "": the site is open.
	AccessKey string
	// Group may read the key; empty: there is no such group, or it could not be
	// given to it.
	Group string
}

// Add adds s to the configuration at file, as a file of its own in the folder of sites
// beside it, and makes its key in the folder keys beside it, for the group alone. The
// file of the site appears whole, and only if the result has no mistakes.
func Add(file string, s Site, group string) (_ Added, err error) {
	files, err := config.ReadFiles(file)
	if errors.Is(err, fs.ErrNotExist) {
		files, err = []config.File{{Name: file}}, nil
	}
	if err != nil {
		return Added{}, err
	}
	c, _, err := config.LoadFiles(files, "")
	if err == nil && taken(c, s.Name) {
		return Added{}, fmt.Errorf("%s: %s: %w", file, s.Name, ErrExists)
	}
	added := Added{File: filepath.Join(config.SitesFolder(file), s.Name+".toml")}
	var scheme thumb.Scheme
	if err := scheme.UnmarshalText([]byte(s.Scheme)); err != nil {
		return Added{}, fmt.Errorf("%w: scheme: %w", ErrMistakes, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, added.removeKeys())
		}
	}()
	if err := added.makeKeys(file, &s, scheme, group); err != nil {
		return added, err
	}
	text, err := s.text()
	if err != nil {
		return added, err
	}
	files = append(files, config.File{Name: added.File, Data: text})
	slices.SortFunc(files[1:], func(a, b config.File) int { return strings.Compare(a.Name, b.Name) })
	if c, _, err = config.LoadFiles(files, ""); err != nil {
		return added, fmt.Errorf("%w:\n%w", ErrMistakes, err)
	}
	i := slices.IndexFunc(c.Sites, func(x config.Site) bool { return x.Thumb.Name == s.Name })
	added.Site = &c.Sites[i]
	err = place(added.File, text, file)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %w", ErrExists, err)
	}
	return added, err
}

// makeKeys makes the missing keys of s beside the configuration file, and notes the new
// keys in a.
func (a *Added) makeKeys(file string, s *Site, scheme thumb.Scheme, group string) error {
	path := func(name string) string { return filepath.Join(filepath.Dir(file), "keys", name) }
	if scheme.HasKeys() {
		s.Keys = []string{s.Name + ".key"}
		given, err := NewKey(path(s.Keys[0]), group)
		if err != nil {
			return err
		}
		a.Key, a.Group = path(s.Keys[0]), given
	}
	if s.Protected {
		given, err := NewKey(path(s.accessKey()), group)
		if err != nil {
			return err
		}
		a.AccessKey, a.Group = path(s.accessKey()), given
	}
	return nil
}

func (a *Added) removeKeys() error {
	var errs []error
	for _, path := range []string{a.Key, a.AccessKey} {
		if path != "" {
			errs = append(errs, os.Remove(path))
		}
	}
	return errors.Join(errs...)
}

// accessKey is the name of the key for access, for example "gallery-access.key".
func (s *Site) accessKey() string { return s.Name + "-access.key" }

func taken(c *config.Config, name string) bool {
	return slices.ContainsFunc(c.Sites, func(s config.Site) bool { return s.Thumb.Name == name }) ||
		slices.ContainsFunc(c.Files, func(f config.Files) bool { return f.Name == name })
}

// text returns the text of the file of s.
func (s Site) text() ([]byte, error) {
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "[%s]\n", toml.Key{"site", s.Name})
	err := toml.NewEncoder(b).Encode(s)
	if s.Protected {
		fmt.Fprintf(b, "\n[%s]\nproofs = [\"signature\"]\nkeys = [%q]\n", toml.Key{"site", s.Name, "access"}, s.accessKey())
	}
	if len(s.AllowAddresses) > 0 {
		fmt.Fprintf(b, "\n[%s]\nallow_addresses = [\"%s\"]\n", toml.Key{"site", s.Name, "fetch"}, strings.Join(s.AllowAddresses, `", "`))
	}
	if strings.HasPrefix(s.Originals, "s3://") {
		if s.S3.Credentials == "" {
			s.S3.AccessKey, s.S3.SecretKey = "s3-access", "s3-secret"
		}
		fmt.Fprintf(b, "\n[%s]\n", toml.Key{"site", s.Name, "s3"})
		err = errors.Join(err, toml.NewEncoder(b).Encode(s.S3))
	}
	if len(s.Quality) > 0 {
		fmt.Fprintf(b, "\n[%s]\n", toml.Key{"site", s.Name, "quality"})
		err = errors.Join(err, toml.NewEncoder(b).Encode(s.Quality))
	}
	for _, p := range s.Presets {
		fmt.Fprintf(b, "\n[%s]\n", toml.Key{"site", s.Name, "preset", p.Name})
		err = errors.Join(err, toml.NewEncoder(b).Encode(p))
	}
	return b.Bytes(), err
}

// keyBytes is the number of random bytes in a key.
const keyBytes = 32

// NewKey writes a new key to path, in a folder keys, and returns the group that may read
// it. It is an error if the file exists.
func NewKey(path, group string) (string, error) {
	// Package config refuses a name that leads out of the folder, but it would read the
	// name only after the key is written.
	if filepath.Base(filepath.Dir(path)) != "keys" {
		return "", fmt.Errorf("%w: a site's name is no path", ErrMistakes)
	}
	gid := -1
	if g, err := user.LookupGroup(group); err == nil && os.Geteuid() == 0 {
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return "", err
		}
	}
	if err := makeFolder(filepath.Dir(path), 0o750, gid); err != nil {
		return "", err
	}
	random := make([]byte, keyBytes)
	// It never fails: crypto/rand.
	_, _ = rand.Read(random)
	_, err := whole.Make(path, whole.Content{Data: []byte(hex.EncodeToString(random) + "\n"), Mode: 0o600, Lasting: true})
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%w; remove it, if no URL is signed with it any more", err)
	}
	if err != nil || gid < 0 {
		return "", err
	}
	err = os.Chown(path, 0, gid)
	if err == nil {
		err = os.Chmod(path, 0o640)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return group, nil
}

// makeFolder makes a folder as the packages do, with any umask, if it is missing. A gid of
// -1 is the process's.
func makeFolder(path string, mode os.FileMode, gid int) error {
	err := os.Mkdir(path, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil && gid >= 0 {
		err = os.Chown(path, 0, gid)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	return err
}

// place makes a file with a text, at once, and its folder. The file has no secret: its
// owner and mode are taken from the file like, or are root and 0644. If the file exists,
// it stays, and the error is fs.ErrExist.
func place(file string, text []byte, like string) (err error) {
	if err := makeFolder(filepath.Dir(file), 0o755, -1); err != nil {
		return err
	}
	temp := file + ".new-" + rand.Text()
	if _, err := whole.Make(temp, whole.Content{Data: text, Mode: 0o600, Lasting: true}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(temp)) }()
	mode := os.FileMode(0o644)
	switch fi, err := os.Stat(like); {
	case err == nil:
		mode = fi.Mode().Perm()
		if st, ok := fi.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
			if err := os.Chown(temp, int(st.Uid), int(st.Gid)); err != nil {
				return err
			}
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// With any umask.
	if err := os.Chmod(temp, mode); err != nil {
		return err
	}
	// A rename would replace the file of an administrator who was faster.
	return os.Link(temp, file)
}
