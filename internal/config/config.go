// SPDX-License-Identifier: MIT

// Package config makes of the configuration file a checked, immutable Config,
// or tells every mistake in it, each with its line. It never writes to disk.
//
// It is larger than other packages because a file is checked as a whole: a section's rule
// may need another section, and all mistakes are told at once. A section of the
// configuration, for example [site.NAME.fetch], is a file of the package.
package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/share"
	"thumbd/internal/systemd"
	"thumbd/internal/thumb"
)

// maxFile is the most bytes of a configuration file.
const maxFile = 1 << 20

// Config is a configuration without mistakes, as thumbd.toml(5) describes it.
// It is not changed once made, so any number of goroutines may read it.
type Config struct {
	Workers       int           // renders at once, at least 1
	WorkerRenders int           // outputs after which a worker is replaced; 0: never
	WorkerMemory  int64         // bytes, RLIMIT_DATA of one worker
	IdleExit      time.Duration // without a request; 0: never
	LogLevel      slog.Level
	Accel         string // nginx, sendfile or direct
	// Metrics is the address of the socket for Prometheus, if systemd makes no sockets: an
	// IP address with a port, for example "127.0.0.1:9105", or the path of a unix socket
	// with its options. If it is "", there is no such socket.
	Metrics string
	Spool   string // absolute path of the folder for fetched originals

	OriginalBytes   int64
	OriginalPixels  int64 // width x height x frames
	OriginalFrames  int
	OriginalTime    time.Duration // longest wait for the file system of the originals
	ThumbnailWidth  int           // pixels, DPR included
	ThumbnailHeight int
	ThumbnailBytes  int64
	RenderTime      time.Duration // wall time of a job from hand-over, a retry included
	Queue           int           // outputs that may wait
	QueueTime       time.Duration // longest wait for a worker
	SpoolBytes      int64

	// Nodes is nil where this machine is the only one.
	Nodes *Nodes
	Sites []Site  // sorted by name
	Files []Files // sorted by name; at least one where there is no site

	files    []string         // the names
	places   map[string]place // of tables and values, by dotted key
	checksum string
}

// Site is one site of the configuration.
type Site struct {
	Thumb           thumb.Site
	Originals       string         // absolute path of the folder; "": see Distant
	OriginalFormats []thumb.Format // at least one
	// WatermarkImages are the absolute paths of the images of Thumb.Watermarks.
	WatermarkImages map[string]string
	Distant
	// Access is nil if the site is open.
	Access *access.Options
	Cache  Cache
	// Placeholder is the absolute path of a picture; "": there is none.
	Placeholder       string
	PlaceholderStatus int  // 200 or 404
	Watch             bool // follow changes of originals
	Wait              bool // scheme inplace: the first client waits for the variant
}

// Mistake is one thing that is wrong in a configuration file.
type Mistake struct {
	File string // as it was given to Parse, or Load has found it
	Line int    // from 1; 0: the file as a whole
	Key  string // dotted, as TOML writes it; empty where the syntax is wrong
	Text string // what is wrong, and often what to do about it
}

// Checksum returns a SHA-256 of the files that c was made of, in hexadecimal.
func (c *Config) Checksum() string { return c.checksum }

// Mistake returns a mistake in the value of a dotted key, for example
// "site.gallery.originals", if only the use of the value has shown it.
func (c *Config) Mistake(key string, err error) Mistake {
	r := reader{files: c.files, places: c.places}
	return r.at(key, err.Error())
}

// FileOf returns the name of the file that has a table, for example
// "/etc/thumbd/sites.d/gallery.toml" for "site.gallery".
func (c *Config) FileOf(key string) string { return c.files[c.places[key].file] }

// ErrNoSite is, by errors.Is, the Mistake of a text that has nothing to serve.
var ErrNoSite = errors.New("no [site.NAME] section; add one, e.g. [site.gallery]")

// Is reports whether target is ErrNoSite and m says it.
func (m Mistake) Is(target error) bool { return target == ErrNoSite && m.Text == ErrNoSite.Error() }

// Error returns m in one line, as "thumbd.toml:12: site.a.prefix: text".
func (m Mistake) Error() string {
	s := m.File
	if m.Line > 0 {
		s = fmt.Sprintf("%s:%d", s, m.Line)
	}
	if m.Key != "" {
		s += ": " + m.Key
	}
	return s + ": " + m.Text
}

// Environment is all that a configuration depends on beside its own text.
type Environment struct {
	// CPUs is the number of workers if workers = 0.
	CPUs int
	// Host is the name of this machine.
	Host string
	// Key returns the key of a name in the configuration: the content of a
	// file without one trailing newline.
	Key func(name string) ([]byte, error)
	// Resolve returns an absolute path with its links resolved. It is no error
	// that a part of it does not exist yet.
	Resolve func(path string) (string, error)
}

// Choose returns the sites with these names, or all sites if there are no names.
func (c *Config) Choose(names ...string) ([]*Site, error) {
	var sites []*Site
	for i := range c.Sites {
		if s := &c.Sites[i]; len(names) == 0 || slices.Contains(names, s.Thumb.Name) {
			sites = append(sites, s)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(sites, func(s *Site) bool { return s.Thumb.Name == name }) {
			return nil, fmt.Errorf("no site %q", name)
		}
	}
	return sites, nil
}

// Load reads the configuration file at path, the files of sites beside it, and the
// keys that they name. If a key's name is relative, it is looked up in the folder
// credentials ($CREDENTIALS_DIRECTORY, or ""), then in keys/ beside the file. Load returns
// the mistakes as Parse does.
func Load(path, credentials string) (*Config, []Mistake, error) {
	files, err := ReadFiles(path)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	return LoadFiles(files, credentials)
}

// LoadFiles is Load of files that are as ReadFiles returns them.
func LoadFiles(files []File, credentials string) (*Config, []Mistake, error) {
	store := keyStore{credentials: credentials, keys: filepath.Join(filepath.Dir(files[0].Name), "keys")}
	// Without a name, [nodes] must have one.
	host, _ := os.Hostname()
	return Parse(files, Environment{
		CPUs:    runtime.GOMAXPROCS(0),
		Host:    host,
		Key:     store.read,
		Resolve: resolve,
	})
}

// File is the name and the text of a configuration file.
type File struct {
	Name string
	Data []byte
}

// SitesFolder returns the folder of the files of sites for the configuration file at
// path: /etc/thumbd/sites.d for /etc/thumbd/thumbd.toml.
func SitesFolder(path string) string { return filepath.Join(filepath.Dir(path), "sites.d") }

// ReadFiles reads the configuration file at path, and then each *.toml in its folder
// of sites, sorted by name. A name that begins with a dot is an editor's own. If there
// is a file of a site, the one at path may be missing: it then counts as empty.
func ReadFiles(path string) ([]File, error) {
	data, missing := readFile(path)
	if missing != nil && !errors.Is(missing, fs.ErrNotExist) {
		return nil, missing
	}
	files := []File{{path, data}}
	entries, err := os.ReadDir(SitesFolder(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".toml") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := filepath.Join(SitesFolder(path), e.Name())
		data, err := readFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, File{name, data})
	}
	if len(files) == 1 && missing != nil {
		return nil, missing
	}
	return files, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %s", path, sizeText(maxFile))
	}
	return data, err
}

// Parse makes a Config of files: thumbd.toml first, then files that have only sites and
// sections of downloads. Messages have the names of the files.
// The error joins every mistake as a Mistake, in the order of files and lines; a mistake
// without a line comes last. If a file has mistakes in TOML's syntax, the error has only
// the first of them. If thumbd can work with a mistake, it is a warning. Warnings are also
// returned beside an error.
func Parse(files []File, env Environment) (*Config, []Mistake, error) {
	c := &Config{
		WorkerRenders:   1000,
		WorkerMemory:    1 << 30,
		IdleExit:        10 * time.Minute,
		LogLevel:        slog.LevelInfo,
		Accel:           "nginx",
		Spool:           systemd.Cache + "/spool",
		OriginalBytes:   64 << 20,
		OriginalPixels:  100_000_000,
		OriginalFrames:  200,
		OriginalTime:    share.DefaultTime,
		ThumbnailWidth:  4096,
		ThumbnailHeight: 4096,
		ThumbnailBytes:  32 << 20,
		RenderTime:      20 * time.Second,
		Queue:           256,
		QueueTime:       30 * time.Second,
		checksum:        checksum(files),
		SpoolBytes:      1 << 30,
	}
	r := reader{env: env, places: make(map[string]place), bad: make(map[string]bool)}
	r.config(c, files)
	c.files, c.places = r.files, r.places
	r.sort()
	if err := join(r.mistakes); err != nil {
		return nil, r.warnings, err
	}
	return c, r.warnings, nil
}

// checksum returns a SHA-256 of the files' texts. No text without mistakes has a NUL.
func checksum(files []File) string {
	var texts [][]byte
	for _, f := range files {
		texts = append(texts, f.Data)
	}
	return fmt.Sprintf("%x", sha256.Sum256(bytes.Join(texts, []byte{0})))
}

func (r *reader) config(c *Config, files []File) {
	for _, f := range files {
		r.files = append(r.files, f.Name)
	}
	var tops []table
	for i, f := range files {
		tops = append(tops, r.decode(i, string(f.Data)))
	}
	if len(r.mistakes) > 0 {
		return
	}
	top := tops[0]
	r.read(top, fields{"daemon": nil, "limits": nil, "nodes": nil, "site": nil, "files": nil})
	for _, site := range tops[1:] {
		r.readSiteFile(site)
	}
	if t, ok := r.table(top, "daemon"); ok {
		r.read(t, daemonFields(c))
	}
	if c.Workers == 0 {
		c.Workers = max(r.env.CPUs, 1)
	}
	if t, ok := r.table(top, "limits"); ok {
		r.read(t, limitsFields(c))
	}
	r.checkWaits(c)
	r.checkMetrics(c)
	r.sites(c, tops)
}

// readSiteFile notes the top-level keys that a file of a site must not have.
func (r *reader) readSiteFile(top table) {
	for _, name := range slices.Sorted(maps.Keys(top.values)) {
		known := fields{"site": nil, "files": nil}
		_, ok := known[name]
		if ok {
			continue
		}
		_, at := r.look(top.values[name])
		text := "unknown key" + guess(name, known)
		if name == "daemon" || name == "limits" || name == "nodes" {
			text = "is for all sites; write it into " + r.files[0]
		}
		r.mistakes = append(r.mistakes, Mistake{File: r.files[at.file], Line: at.line, Key: top.at(name), Text: text})
	}
}

func daemonFields(c *Config) fields {
	return fields{
		"workers":        whole(&c.Workers, 0, 4096),
		"worker_renders": whole(&c.WorkerRenders, 0, math.MaxInt32),
		// Go and libvips do not start in less than 150 MB.
		"worker_memory": size(&c.WorkerMemory, 160<<20, 1<<40),
		"idle_exit":     duration(&c.IdleExit, 0, 10_000*time.Hour),
		"log_level":     level(&c.LogLevel),
		"accel":         oneOf(&c.Accel, "nginx", "sendfile", "direct"),
		"spool":         folder(&c.Spool),
		"metrics":       text(&c.Metrics, checkMetrics),
	}
}

func limitsFields(c *Config) fields {
	return fields{
		"original_bytes":  size(&c.OriginalBytes, 1, 1<<40),
		"original_pixels": whole(&c.OriginalPixels, 1, 1<<40),
		"original_frames": whole(&c.OriginalFrames, 1, math.MaxInt32),
		"original_time":   duration(&c.OriginalTime, time.Millisecond, time.Hour),
		// WebP has no larger pictures.
		"thumbnail_width":  whole(&c.ThumbnailWidth, 1, 16383),
		"thumbnail_height": whole(&c.ThumbnailHeight, 1, 16383),
		"thumbnail_bytes":  size(&c.ThumbnailBytes, 1, 1<<40),
		"render_time":      duration(&c.RenderTime, time.Millisecond, time.Hour),
		"queue":            whole(&c.Queue, 1, math.MaxInt32),
		"queue_time":       duration(&c.QueueTime, time.Millisecond, time.Hour),
		"spool_bytes":      size(&c.SpoolBytes, 1, 1<<50),
	}
}

// ReadTimeout is proxy_read_timeout of nginx's snippets for requests that may need a
// render.
const ReadTimeout = 300 * time.Second

// checkWaits warns if nginx would not wait long enough for an answer.
func (r *reader) checkWaits(c *Config) {
	sum := c.LongestRender()
	if sum <= ReadTimeout {
		return
	}
	key := "limits.queue_time"
	if _, ok := r.places[key]; !ok {
		key = "limits.render_time"
	}
	r.warn(key, "queue_time and two render_time are %s, and nginx waits %s (proxy_read_timeout); lower one of them",
		durationText(sum), durationText(ReadTimeout))
}

// LongestRender returns the longest time after which a thumbnail is rendered if its
// original is at hand: the wait for a worker and two renders, because an output whose job
// has failed is rendered once more, alone. With queue_time = "30s" and
// render_time = "20s" it is 70 s.
func (c *Config) LongestRender() time.Duration { return c.QueueTime + 2*c.RenderTime }

// LongestAnswer returns the longest time after which a request for a thumbnail is answered:
// LongestRender, and the time that its original takes.
func (c *Config) LongestAnswer() time.Duration {
	fetching := time.Duration(0)
	for i := range c.Sites {
		if o := c.Sites[i].Fetch; o != nil {
			fetching = max(fetching, o.TotalTime)
		}
	}
	return fetching + c.LongestRender() + 2*c.OriginalTime
}

// FrontTimeout is proxy_read_timeout of snippets/thumbd-front.conf.
const FrontTimeout = 160 * time.Second

// checkFront warns if the front of several machines would take this one for dead while an
// original is slow.
func (r *reader) checkFront(c *Config) {
	longest := c.LongestAnswer()
	if c.Nodes == nil || longest < FrontTimeout {
		return
	}
	r.warn("nodes", "an answer may take %s (total_time, queue_time, two render_time and two original_time), and snippets/thumbd-front.conf of the front waits %s; "+
		"lower one of them, or raise proxy_read_timeout of the front", durationText(longest), durationText(FrontTimeout))
}

// checkMetrics accepts an address for the socket for Prometheus.
func checkMetrics(s string) error {
	if s == "" {
		return nil
	}
	if strings.HasPrefix(s, "/") {
		path, _, _ := strings.Cut(s, ",")
		return checkFolder(path)
	}
	if a, err := netip.ParseAddrPort(s); err != nil || a.Port() == 0 {
		return fmt.Errorf(`want an IP address with a port, "127.0.0.1:9105", or the path of a socket, "/run/thumbd/metrics.sock", have %q`, s)
	}
	return nil
}

// checkMetrics warns of an address that other machines reach.
func (r *reader) checkMetrics(c *Config) {
	a, err := netip.ParseAddrPort(c.Metrics)
	if err == nil && !a.Addr().Unmap().IsLoopback() {
		r.warn("daemon.metrics", "every machine that reaches %s reads the names of sites and their counters; use 127.0.0.1, or a firewall", c.Metrics)
	}
}

func join(mistakes []Mistake) error {
	var errs []error
	for _, m := range mistakes {
		errs = append(errs, m)
	}
	return errors.Join(errs...)
}
