// SPDX-License-Identifier: MIT

// Package nginxconf is nginx's effective configuration: which server and
// location answer a request, and which directives hold there.
//
// The files are parsed by F5's own parser. The meaning of the directives is taken
// from nginx's source: each function here names the one of nginx that it repeats.
//
// It is larger than other packages because nginx's rules for servers, locations and
// inherited directives lean on each other: a file for each rule.
package nginxconf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"
)

// Config is the configuration that an nginx prints with -T and -V. It is not changed
// once loaded, so any number of goroutines may read it.
type Config struct {
	Version string // as nginx -v prints it, 1.22.1 say
	Prefix  string // of relative paths: -p, or as it was built
	File    string // nginx.conf
	Files   []string
	main    *Block
	user    string // as it was built
	pid     string
	log     string // of errors, as it was built or -e says
}

// ErrRefused is a configuration that nginx itself does not take.
var ErrRefused = errors.New("nginx refuses its configuration")

// Load asks the nginx that command starts, a program and its flags, for its
// configuration. If nginx refuses it, the error is ErrRefused with nginx's message.
// A Config beside an error has the directives of the files that can be read.
func Load(ctx context.Context, command []string) (*Config, error) {
	built, err := exec.CommandContext(ctx, command[0], "-V").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s -V: %w", command[0], err)
	}
	dump := exec.CommandContext(ctx, command[0], append(slices.Clone(command[1:]), "-T")...)
	var said bytes.Buffer
	dump.Stderr = &said
	out, err := dump.Output()
	if err != nil {
		refused := fmt.Errorf("%w: %s", ErrRefused, complaint(said.String(), err))
		c := describe(string(built), command[1:])
		if c.parse(onDisk) != nil {
			return nil, refused
		}
		return c, refused
	}
	return Read(string(built), out, command[1:])
}

// Read returns the configuration of an nginx that prints built with -V and dump with
// -T, and is started with these flags, for example -c /etc/nginx/nginx.conf.
func Read(built string, dump []byte, flags []string) (*Config, error) {
	c := describe(built, flags)
	return c, c.parse(split(dump))
}

// Parse returns the directives of a file without includes, as the children of a Block.
func Parse(text []byte) (*Block, error) {
	c := &Config{File: "/nginx.conf"}
	if err := c.parse(dumped{c.File: text}); err != nil {
		return nil, err
	}
	return c.main, nil
}

// complaint returns the part of nginx's messages that tells the mistake.
func complaint(said string, err error) string {
	var lines []string
	for line := range strings.Lines(said) {
		if strings.Contains(line, "[emerg]") || strings.Contains(line, "[alert]") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) == 0 {
		return err.Error()
	}
	return strings.Join(lines, "; ")
}

// describe reads the output of nginx -V, and the flags of its start.
func describe(built string, flags []string) *Config {
	c := &Config{
		Version: firstMatch(built, `nginx version: \S*?/(\S+)`),
		Prefix:  firstMatch(built, `--prefix=(\S+)`),
		File:    firstMatch(built, `--conf-path=(\S+)`),
		pid:     firstMatch(built, `--pid-path=(\S+)`),
		user:    firstMatch(built, `--user=(\S+)`),
		log:     firstMatch(built, `--error-log-path=(\S+)`),
	}
	for i, flag := range flags[:max(len(flags)-1, 0)] {
		switch flag {
		case "-p":
			c.Prefix = flags[i+1]
		case "-c":
			c.File = flags[i+1]
		case "-e":
			c.log = flags[i+1]
		}
	}
	if !filepath.IsAbs(c.File) {
		c.File = filepath.Join(c.Prefix, c.File)
	}
	return c
}

func firstMatch(text, pattern string) string {
	if m := regexp.MustCompile(pattern).FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// source reads configuration files: from the disk, or from the output of nginx -T.
type source interface {
	open(path string) (io.ReadCloser, error)
	glob(pattern string) ([]string, error)
}

// dumped has the files that nginx -T has printed, by path.
type dumped map[string][]byte

// split reads the output of nginx -T: each file below a line with its path.
func split(out []byte) dumped {
	files := make(dumped)
	name := ""
	for line := range bytes.Lines(out) {
		if m := marker.FindSubmatch(line); m != nil {
			name = string(m[1])
			continue
		}
		files[name] = append(files[name], line...)
	}
	return files
}

var marker = regexp.MustCompile(`^# configuration file (/.*):\n?$`)

func (d dumped) open(path string) (io.ReadCloser, error) {
	text, ok := d[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

func (d dumped) glob(pattern string) ([]string, error) {
	var names []string
	for name := range d {
		if ok, err := filepath.Match(pattern, name); err != nil {
			return nil, err
		} else if ok {
			names = append(names, name)
		}
	}
	return names, nil
}

type disk struct{}

var onDisk disk

func (disk) open(path string) (io.ReadCloser, error) { return os.Open(path) }
func (disk) glob(pattern string) ([]string, error)   { return filepath.Glob(pattern) }

// parse reads c.File and all that it includes.
func (c *Config) parse(from source) error {
	payload, err := crossplane.Parse(c.File, &crossplane.ParseOptions{
		Open:           from.open,
		Glob:           from.glob,
		CombineConfigs: true,
		// nginx has checked them, or tells the mistake. A module that the parser
		// does not know is no mistake.
		SkipDirectiveContextCheck: true,
		SkipDirectiveArgsCheck:    true,
	})
	if err != nil {
		return fmt.Errorf("parse nginx's configuration: %w", err)
	}
	if len(payload.Config) == 0 {
		return fmt.Errorf("parse nginx's configuration: %s is empty", c.File)
	}
	c.main = &Block{File: c.File}
	c.main.add(payload.Config[0].Parsed)
	c.Files = c.main.files(nil)
	return nil
}

// User returns the user and the group of nginx's workers; the group is empty
// if it is the user's own.
func (c *Config) User() (user, group string) {
	b := c.main.First("user")
	switch {
	case b == nil:
		return c.user, ""
	case len(b.Args) > 1:
		return b.Args[0], b.Args[1]
	}
	return b.Arg(0), ""
}

// PIDFile returns the file with the process ID of the running nginx.
func (c *Config) PIDFile() string {
	if b := c.main.First("pid"); b != nil {
		return c.Abs(b.Arg(0))
	}
	return c.Abs(c.pid)
}

// ErrorLog returns the file of errors in b, or "" if they go elsewhere.
func (c *Config) ErrorLog(b *Block) string {
	logs := b.Effective("error_log")
	path := c.log
	if len(logs) > 0 {
		path = logs[len(logs)-1].Arg(0)
	}
	if path == "" || path == "stderr" || strings.Contains(path, ":") {
		return ""
	}
	return c.Abs(path)
}

// Abs returns a path of the configuration as an absolute one.
func (c *Config) Abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Prefix, path)
}

// WorkerConnections returns worker_connections, and the place of the directive.
func (c *Config) WorkerConnections() (n int, where string) {
	if events := c.main.First("events"); events != nil {
		if b := events.First("worker_connections"); b != nil {
			if _, err := fmt.Sscan(b.Arg(0), &n); err == nil {
				return n, b.Where()
			}
		}
		return 512, events.Where()
	}
	return 512, c.File
}

// HTTP returns the http blocks, of which nginx takes one.
func (c *Config) HTTP() []*Block { return c.main.All("http") }

// Upstream returns the upstream of that name, or nil.
func (c *Config) Upstream(name string) *Block {
	for _, http := range c.main.All("http") {
		for _, u := range http.All("upstream") {
			if u.Arg(0) == name {
				return u
			}
		}
	}
	return nil
}
