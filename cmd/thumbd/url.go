// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"thumbd/internal/config"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

func urlCommand() *cobra.Command {
	var file, format, preset, base string
	cmd := &cobra.Command{
		Use:   "url SITE ORIGINAL [SIZE METHOD[_OPTION...]]",
		Short: "Print a thumbnail's URL, signed where the site's scheme is",
		Example: "  thumbd url gallery animals/kitten.jpg 400x300 crop_q=70 --format webp\n" +
			"  thumbd url gallery animals/kitten.jpg --preset card@2x --base https://www.example",
		Args: cobra.RangeArgs(2, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			site, err := findSite(file, args[0])
			if err != nil {
				return err
			}
			w, err := wanted(site, args, preset)
			if err != nil {
				return err
			}
			w.Ext = format
			t, err := site.New(w)
			if err != nil {
				return usage{fmt.Errorf("thumbd: %w", err)}
			}
			if site.Scheme.HasKeys() {
				t.Signature = sign.Sign(t, site.Keys[0])
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSuffix(base, "/")+(&url.URL{Path: t.URI()}).EscapedPath())
			return err
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&format, "format", "", "the thumbnail's format, an extension (the original's own, else jpg)")
	cmd.Flags().StringVar(&preset, "preset", "", "a preset's `NAME`, or NAME@2x")
	cmd.Flags().StringVar(&base, "base", "", "what to print before the path, e.g. https://www.example")
	return cmd
}

// wanted returns what is asked for, where the site's scheme can name it.
func wanted(site *thumb.Site, args []string, preset string) (thumb.Wanted, error) {
	w := thumb.Wanted{Original: args[1], Preset: preset}
	presets := strings.Join(slices.Sorted(maps.Keys(site.Presets)), ", ")
	switch {
	case site.Scheme == thumb.PresetScheme && (preset == "" || len(args) != 2):
		return w, usage{fmt.Errorf("thumbd: site %s has the scheme preset: want --preset, one of %s, and no SIZE", site.Name, presets)}
	case site.Scheme == thumb.RestThumbnails && (preset != "" || len(args) != 4):
		return w, usage{fmt.Errorf("thumbd: site %s has the scheme restthumbnails: want SIZE and METHOD", site.Name)}
	case len(args) == 4 && preset == "":
		w.Size, w.Method = args[2], sortOptions(args[3])
	case len(args) != 2 || preset == "":
		return w, usage{errors.New("thumbd: want SIZE and METHOD, or --preset NAME")}
	}
	return w, nil
}

func findSite(file, name string) (*thumb.Site, error) {
	c, _, err := config.Load(file, os.Getenv("CREDENTIALS_DIRECTORY"))
	if err != nil {
		return nil, usage{err}
	}
	var names []string
	for i := range c.Sites {
		if c.Sites[i].Thumb.Name == name {
			return &c.Sites[i].Thumb, nil
		}
		names = append(names, c.Sites[i].Thumb.Name)
	}
	return nil, usage{fmt.Errorf("thumbd: no site %q in %s; it has %s", name, file, strings.Join(names, ", "))}
}

// sortOptions puts the options of METHOD_OPTION… into the order of URLs.
func sortOptions(method string) string {
	fields := strings.Split(method, "_")
	slices.Sort(fields[1:])
	return strings.Join(fields, "_")
}
