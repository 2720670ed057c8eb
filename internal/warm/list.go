// SPDX-License-Identifier: MIT

package warm

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
)

// list is a list of originals in a deleted temp file, with one percent-encoded
// name in each line. So a long list takes no memory, and its length is known.
type list struct {
	file  *os.File
	lines *bufio.Writer
	count int
}

func newList() (*list, error) {
	f, err := os.CreateTemp("", "thumbd-warm-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return &list{file: f, lines: bufio.NewWriter(f)}, nil
}

func (l *list) close() { l.file.Close() }

// add adds a name.
func (l *list) add(name string) error {
	l.count++
	_, err := l.lines.WriteString(url.PathEscape(name) + "\n")
	return err
}

// clear empties the list.
func (l *list) clear() error {
	l.count = 0
	l.lines.Reset(l.file)
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return l.file.Truncate(0)
}

// each calls f with each name, until f returns an error. No name is added after
// this call.
func (l *list) each(f func(name string) error) error {
	if err := l.lines.Flush(); err != nil {
		return err
	}
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return eachLine(l.file, func(line string) error {
		name, err := url.PathUnescape(line)
		if err != nil {
			return err
		}
		return f(name)
	})
}

// readList adds a name for each line of r, until ctx is done.
func readList(ctx context.Context, r io.Reader, names *list) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan string)
	end := make(chan error, 1)
	// If ctx is done, readList does not wait for this goroutine: nothing ends a
	// Read of a terminal.
	go func() {
		end <- eachLine(r, func(line string) error {
			select {
			case lines <- line:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	for {
		select {
		case line := <-lines:
			if err := names.add(line); err != nil {
				return err
			}
		case err := <-end:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// eachLine calls f with each line of r that is not empty. If a NUL stands before the
// first newline, as in the output of find -print0, NUL ends the lines.
func eachLine(r io.Reader, f func(string) error) error {
	lines := bufio.NewReader(r)
	line, end, err := firstLine(lines)
	for ; ; line, err = lines.ReadString(end) {
		if line = strings.TrimSuffix(line, string(end)); line != "" && (err == nil || errors.Is(err, io.EOF)) {
			if err := f(line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// firstLine reads up to the first newline or NUL. The other lines end with the same byte.
func firstLine(r *bufio.Reader) (line string, end byte, err error) {
	var b []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			return string(b), '\n', err
		}
		if b = append(b, c); c == '\n' || c == 0 {
			return string(b), c, nil
		}
	}
}
