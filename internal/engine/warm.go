// SPDX-License-Identifier: MIT

package engine

import (
	"embed"
	"fmt"
	"os"

	"github.com/h2non/bimg"
	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// samples holds a small original of each format, named for it: a gradient made
// for the purpose. Between them they have what takes a path of its own in the
// library: a color profile, alpha, 16 bits, a palette.
//
//go:embed samples
var samples embed.FS

// warm reads and writes every format that libvips was built for, and keeps in
// read and write those with which it succeeds: a decoder can be a plugin that
// is not installed.
func (e *Engine) warm() error {
	var read, write []thumb.Format
	for f := thumb.JPEG; f <= thumb.TIFF; f++ {
		if bimg.VipsIsTypeSupported(built[f]) {
			e.read = append(e.read, f)
		}
	}
	for f := thumb.JPEG; f.Thumbnail(); f++ {
		if bimg.VipsIsTypeSupportedSave(built[f]) && e.try(thumb.JPEG, thumb.Fit, f) == nil {
			write = append(write, f)
		}
	}
	for _, f := range e.read {
		if e.try(f, warmMethods[f], thumb.PNG) == nil {
			read = append(read, f)
		}
	}
	e.read, e.write = read, write
	if len(read) == 0 || len(write) == 0 {
		return ErrNoFormats
	}
	return nil
}

// warmMethods has each method that runs code of its own at least once.
var warmMethods = map[thumb.Format]thumb.Method{
	thumb.JPEG: thumb.Attention,
	thumb.PNG:  thumb.Smart,
	thumb.WebP: thumb.Crop,
	thumb.AVIF: thumb.Fit,
	thumb.GIF:  thumb.Fit,
	thumb.HEIC: thumb.Fit,
	thumb.TIFF: thumb.Attention,
}

// try renders the sample of one format as a thumbnail of another.
func (e *Engine) try(from thumb.Format, m thumb.Method, to thumb.Format) error {
	data, err := samples.ReadFile("samples/sample." + from.String())
	if err != nil {
		return err
	}
	in, err := memoryFile(data)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := memoryFile(nil)
	if err != nil {
		return err
	}
	defer out.Close()
	r := e.Render(in, wire.Job{
		Formats: []thumb.Format{from},
		Pixels:  1 << 20, Frames: 10, Width: 100, Height: 100, Bytes: 1 << 20,
		Outputs: []thumb.Transform{{Width: 20, Height: 20, Method: m, Quality: 80, Format: to}},
	}, []*os.File{out})[0]
	if r.Failure != "" {
		return fmt.Errorf("%v to %v: %s", from, to, r.Detail)
	}
	return nil
}

func memoryFile(data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("warm-up", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "warm-up")
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
