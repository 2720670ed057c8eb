// SPDX-License-Identifier: MIT

package engine

import (
	"cmp"
	"embed"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// samples holds a small original of each format, with the format's name: a gradient
// made for this purpose. Together the samples have each property with a code path of
// its own in libvips: a color profile, alpha, 16 bits, a palette.
//
//go:embed samples
var samples embed.FS

// warm reads and writes every format. If a format works, warm adds it to e.read or
// e.write. It may fail, for example if libvips was built without it or if the decoder is a
// plug-in that is not installed.
func (e *Engine) warm() error {
	e.read = thumb.Formats()
	var read, write []thumb.Format
	for _, f := range thumb.ThumbnailFormats() {
		if e.try(thumb.JPEG, thumb.Transform{Method: thumb.Fit, Format: f}) == nil {
			write = append(write, f)
		}
	}
	for _, f := range e.read {
		if e.try(f, thumb.Transform{Method: warmMethods[f], Format: thumb.PNG}) == nil {
			read = append(read, f)
		}
	}
	e.read, e.write = read, write
	if len(read) == 0 || len(write) == 0 {
		return ErrNoFormats
	}
	transforms := slices.Clone(warmTransforms)
	for _, t := range thumb.Examples() {
		t.Method, t.Format = thumb.Crop, write[0]
		transforms = append(transforms, t)
	}
	for _, t := range transforms {
		if slices.Contains(write, t.Format) {
			if err := e.try(thumb.GIF, t); err != nil && slices.Contains(read, thumb.GIF) {
				return err
			}
		}
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
	thumb.SVG:  thumb.Fit,
	thumb.JXL:  thumb.Fit,
}

// warmTransforms, and the examples of all options, are made of the GIF, an animation, with
// its sample as the watermark. They have options that run code of their own together, for
// example a watermark in color on a gray picture, or with a method or a format.
var warmTransforms = []thumb.Transform{
	{Method: thumb.Pad, Format: thumb.GIF, Sharpen: 100, Watermark: thumb.Watermark{Name: "logo", Opacity: 50, Scale: 50}},
	{Method: thumb.Stretch, Format: thumb.WebP, Blur: 50, Enlarge: true},
	{
		Method: thumb.Pad, Format: thumb.JPEG, Blur: 2000, Gray: true, Background: thumb.NewColor(255, 0, 0),
		Watermark: thumb.Watermark{Name: "logo", Opacity: 50},
	},
	{Method: thumb.Pad, Format: thumb.AVIF, Gray: true, Watermark: thumb.Watermark{Name: "logo", Opacity: 50}},
}

// try renders the sample of one format as t.
func (e *Engine) try(from thumb.Format, t thumb.Transform) error {
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
	t.Width, t.Height, t.Quality = 20, 20, cmp.Or(t.Quality, 80)
	r := e.Render(wire.Job{
		Formats: []thumb.Format{from},
		Pixels:  1 << 20, Frames: 10, Width: 100, Height: 100, Bytes: 1 << 20,
		Watermarks: []string{"logo"}, Outputs: []thumb.Transform{t},
	}, Files{Original: in, Watermarks: []*os.File{in}, Outputs: []*os.File{out}})[0]
	if r.Failure != "" {
		return fmt.Errorf("%v to %v: %s", from, t.Format, r.Detail)
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
