// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"thumbd/internal/config"
	"thumbd/internal/daemon"
	"thumbd/internal/info"
	"thumbd/internal/markup"
	"thumbd/internal/originals"
	"thumbd/internal/render"
	"thumbd/internal/source"
	"thumbd/internal/thumb"
)

// pictureFlags are the flags of thumbd picture.
type pictureFlags struct {
	file, size string
	json       bool
	wanted     markup.Wanted
}

func pictureCommand() *cobra.Command {
	var f pictureFlags
	cmd := &cobra.Command{
		Use:   "picture SITE ORIGINAL PRESET",
		Short: "Print the picture element of a preset, with its widths and formats",
		Example: "  thumbd picture gallery animals/kitten.jpg hero --alt 'A kitten' --sizes '(min-width: 60em) 50vw, 100vw'\n" +
			"  thumbd picture gallery animals/kitten.jpg hero --lazy --placeholder\n" +
			"  thumbd picture gallery animals/kitten.jpg hero --original-size 4000x3000 --json",
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := f.picture(cmd.Context(), args)
			if err != nil {
				return err
			}
			text := p.HTML()
			if f.json {
				b, err := json.Marshal(p)
				if err != nil {
					return err
				}
				text = string(b) + "\n"
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	configFlag(cmd, &f.file)
	flags := cmd.Flags()
	flags.StringVar(&f.wanted.Alt, "alt", "", "the `TEXT` in place of the picture")
	flags.StringVar(&f.wanted.Sizes, "sizes", "", "the width of the picture in pages, as `SIZES` in HTML, e.g. 50vw (100vw, or its own width)")
	flags.BoolVar(&f.wanted.Lazy, "lazy", false, "load the picture when it comes near to the window")
	flags.BoolVar(&f.wanted.Priority, "priority", false, "load the picture before others")
	flags.StringVar(&f.wanted.Base, "base", "", "the `URL` to print before each path, e.g. https://www.example")
	flags.StringVar(&f.size, "original-size", "", "`WIDTHxHEIGHT` of the original as it is seen (a worker reads it)")
	flags.BoolVar(&f.wanted.Placeholder, "placeholder", false, "show a tiny picture until the picture is there")
	flags.BoolVar(&f.json, "json", false, "print the parts as JSON")
	return cmd
}

func (f *pictureFlags) picture(ctx context.Context, args []string) (markup.Picture, error) {
	c, _, err := config.Load(f.file, os.Getenv("CREDENTIALS_DIRECTORY"))
	if err != nil {
		return markup.Picture{}, usage{err}
	}
	i := slices.IndexFunc(c.Sites, func(x config.Site) bool { return x.Thumb.Name == args[0] })
	if i < 0 {
		return markup.Picture{}, usage{fmt.Errorf("thumbd: no site %q in %s; it has %s", args[0], f.file, strings.Join(names(c), ", "))}
	}
	site := &c.Sites[i]
	if _, ok := site.Thumb.Presets[args[2]]; !ok {
		return markup.Picture{}, usage{fmt.Errorf("thumbd: site %s has no preset %q; it has %s", args[0], args[2], presetList(site))}
	}
	f.wanted.Original, f.wanted.Preset = args[1], args[2]
	if err := f.look(ctx, c, site); err != nil {
		return markup.Picture{}, err
	}
	p, err := markup.New(&site.Thumb, f.wanted)
	if err != nil {
		return markup.Picture{}, usage{fmt.Errorf("thumbd: %w", err)}
	}
	return p, nil
}

// look reads the original's size and placeholder, unless flags have given them or the
// element does not need them.
func (f *pictureFlags) look(ctx context.Context, c *config.Config, site *config.Site) (err error) {
	if f.size != "" {
		if f.wanted.Size, err = parseOriginalSize(f.size); err != nil || !f.wanted.Placeholder {
			return err
		}
	}
	if !f.wanted.Placeholder {
		p, err := read(ctx, c, site, f.wanted.Original, thumb.MeasureTransform())
		f.wanted.Size = image.Pt(p.Width, p.Height)
		return err
	}
	t := thumb.InfoPreset().Transform
	t.Format = thumb.JSON
	p, err := read(ctx, c, site, f.wanted.Original, t)
	if err != nil {
		return err
	}
	defer p.File.Close()
	file, err := io.ReadAll(io.NewSectionReader(p.File, 0, info.MaxBytes))
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	i, err := info.Parse(file)
	if err != nil {
		return fmt.Errorf("picture: the description of %q: %w", f.wanted.Original, err)
	}
	f.wanted.ThumbHash = i.ThumbHash
	if f.size == "" {
		f.wanted.Size = image.Pt(i.Width, i.Height)
	}
	return nil
}

func presetList(site *config.Site) string {
	if len(site.Thumb.Presets) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(site.Thumb.Presets)), ", ")
}

func parseOriginalSize(text string) (image.Point, error) {
	w, h, _ := strings.Cut(text, "x")
	width, err := strconv.Atoi(w)
	height, herr := strconv.Atoi(h)
	if err != nil || herr != nil || width < 1 || height < 1 || width > 1<<24 || height > 1<<24 {
		return image.Point{}, usage{fmt.Errorf("thumbd: --original-size %q: want WIDTHxHEIGHT, e.g. 4000x3000", text)}
	}
	return image.Pt(width, height), nil
}

// read has a worker read an original's size as it is seen, or its description, and returns
// the result. Only a worker parses originals. If the result has no picture, the error is
// not nil.
func read(ctx context.Context, c *config.Config, site *config.Site, original string, t thumb.Transform) (render.Picture, error) {
	from := source.New(c, site, nil)
	defer from.Close()
	if _, ok := from.(originals.Distant); ok {
		return render.Picture{}, usage{fmt.Errorf("thumbd: the originals of site %s are on another server; want --original-size, e.g. 4000x3000, and no --placeholder", site.Thumb.Name)}
	}
	file, _, err := from.Open(ctx, original)
	if err != nil {
		return render.Picture{}, fmt.Errorf("picture: %w", err)
	}
	defer file.Close()
	program, err := daemon.WorkerProgram()
	if err != nil {
		return render.Picture{}, fmt.Errorf("picture: %w", err)
	}
	o := daemon.PoolOptions(c, program, daemon.Reports{})
	o.Workers = 1
	o.Report = func(render.Event) {}
	pool := render.New(o)
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pool.Run(running)
	}()
	defer func() {
		stop()
		<-done
	}()
	// Render would wait queue_time for a worker that does not start.
	if _, err := pool.Hello(ctx); err != nil {
		return render.Picture{}, fmt.Errorf("picture: %w", err)
	}
	p, err := pool.Render(ctx, render.Request{
		Original: file, Identity: render.Identity{Site: site.Thumb.Name, Name: original}, Formats: site.OriginalFormats, Protected: site.Access != nil,
		Transform: t,
	})
	if err != nil {
		return render.Picture{}, fmt.Errorf("picture: %q: %w", original, err)
	}
	return *p, nil
}
