// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/h2non/bimg"

	"thumbd/internal/thumb"
)

// Engine is libvips, started. An Engine makes one thumbnail at a time.
type Engine struct {
	read, write []thumb.Format
}

// ErrNoFormats says that the installed libvips can read or write nothing.
var ErrNoFormats = errors.New("libvips reads or writes none of the formats")

// Start sets libvips up, and reads and writes each format once to find the ones
// that work. libvips loads, allocates and compiles things at their first use, for
// example plug-ins; after Start it needs no file system. There is one Engine in a
// process.
func Start() (*Engine, error) {
	// No cache: if a result is needed again, nginx has the file.
	bimg.VipsCacheSetMax(0)
	bimg.VipsCacheSetMaxMem(0)
	settings()
	e := &Engine{}
	if err := e.warm(); err != nil {
		return nil, fmt.Errorf("start libvips %s: %w", Version(), err)
	}
	return e, nil
}

// Version returns the version of the libvips that runs. A package that was built with
// another one, on an older Debian for example, runs with it too; bimg tells the version
// of the headers that it was compiled with.
func Version() string { return runningVersion() }

// Reads returns the formats of originals that the installed libvips reads.
func (e *Engine) Reads() []thumb.Format { return slices.Clone(e.read) }

// Writes returns the formats of thumbnails that the installed libvips writes.
func (e *Engine) Writes() []thumb.Format { return slices.Clone(e.write) }
