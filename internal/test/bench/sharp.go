// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sharpFiles are sharp's version, with the checksums of all that comes with it,
// and the program that calls it.
//
//go:embed sharp
var sharpFiles embed.FS

// installSharp returns the folder of sharp in the user's cache. npm installs it if
// it is not there.
func installSharp(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "thumbd-bench", "sharp")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	stale := false
	for _, name := range []string{"package.json", "package-lock.json", "thumbnails.js"} {
		data, err := sharpFiles.ReadFile("sharp/" + name)
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, name)
		if there, _ := os.ReadFile(path); string(there) != string(data) {
			stale = true
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return "", err
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "sharp")); err == nil && !stale {
		return dir, nil
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, lastLine(out))
	}
	return dir, nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// sharpProcess is the npm package in one node process, with one thread and
// without a cache.
type sharpProcess struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies *bufio.Reader
}

// startSharp returns sharp once its library is loaded. The caller closes it.
func startSharp(ctx context.Context) (*sharpProcess, error) {
	dir, err := installSharp(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "node", "thumbnails.js")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &sharpProcess{cmd, in, bufio.NewReader(out)}
	if err := reply(s.replies); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *sharpProcess) close() error { return errors.Join(s.in.Close(), s.cmd.Wait()) }

// ask makes one thumbnail, in one of the modes that thumbnails.js names.
func (s *sharpProcess) ask(mode string, box image.Point, o original) error {
	if _, err := fmt.Fprintf(s.in, "%s %d %d %d %s\n", mode, box.X, box.Y, defaultQuality, o.file.Name()); err != nil {
		return err
	}
	return reply(s.replies)
}

// peer makes thumbnails in a mode. It is closed with s.
func (s *sharpProcess) peer(mode string) *peer {
	return &peer{name: "sharp", spent: clockOf(s.cmd.Process.Pid), make: func(o original, box image.Point) error {
		return s.ask(mode, box, o)
	}}
}

// sharp makes JPEGs.
func sharp(ctx context.Context) (*peer, error) {
	s, err := startSharp(ctx)
	if err != nil {
		return nil, err
	}
	p := s.peer("jpeg")
	p.close = s.close
	return p, nil
}

// reply returns the error that a line tells.
func reply(r *bufio.Reader) error {
	line, err := r.ReadString('\n')
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if line = strings.TrimSpace(line); err == nil && line != "" {
		return errors.New(line)
	}
	return err
}
