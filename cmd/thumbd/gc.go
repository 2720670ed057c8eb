// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"thumbd/internal/config"
	"thumbd/internal/daemon"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/source"
	"thumbd/internal/tidy"
)

func gcCommand() *cobra.Command {
	var file string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "gc [SITE...]",
		Short: "Remove orphaned and stale thumbnails, and keep the budget",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := config.Load(file, os.Getenv("CREDENTIALS_DIRECTORY"))
			if err != nil {
				return usage{err}
			}
			sites, err := c.Choose(args...)
			if err != nil {
				return usage{fmt.Errorf("thumbd: %w in %s", err, file)}
			}
			return gc(cmd.Context(), cmd.OutOrStdout(), c, sites, dryRun)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the result, and remove nothing")
	return cmd
}

// gc tidies the sites' trees, one after the other, and prints a summary of each, also
// if it is interrupted.
func gc(ctx context.Context, w io.Writer, c *config.Config, sites []*config.Site, dryRun bool) error {
	var errs []error
	for _, s := range sites {
		from := source.New(c, s, nil)
		stopped := func() bool { return false }
		if d, ok := from.(originals.Distant); ok {
			stopped = context.AfterFunc(ctx, d.Stop)
		}
		site := tidySite(s, from)
		sum, err := tidy.Run(ctx, site, tidy.Options{Remove: !dryRun})
		stopped()
		from.Close()
		site.Tree.Close()
		errs = append(errs, err)
		if errors.Is(err, tidy.ErrRunning) {
			continue
		}
		if err := printSummary(w, s.Thumb.Name, sum, dryRun); err != nil {
			return err
		}
		if ctx.Err() != nil {
			fmt.Fprintf(w, "%s: interrupted before its end\n", s.Thumb.Name)
			break
		}
	}
	return errors.Join(errs...)
}

// tidySite opens the tree of a site with these originals. The caller closes both.
func tidySite(s *config.Site, from originals.Source) tidy.Site {
	t := tidy.Site{
		Thumb:    &s.Thumb,
		Lifetime: s.Lifetime(),
		Tree:     publish.New(s.Thumb.DocumentRoot, s.Thumb.Prefix, nil),
		Budget:   daemon.Budget(s.Cache),
	}
	t.Originals, _ = from.(originals.Teller)
	return t
}

func printSummary(w io.Writer, site string, sum tidy.Summary, dryRun bool) error {
	verb := "removed"
	if dryRun {
		verb = "would remove"
	}
	var all tidy.Count
	var parts []string
	for _, why := range tidy.Reasons {
		if n := sum.Removed[why]; n.Files > 0 {
			all.Files += n.Files
			all.Bytes += n.Bytes
			parts = append(parts, fmt.Sprintf("%d %s", n.Files, why))
		}
	}
	if len(parts) > 0 {
		parts = []string{" (" + strings.Join(parts, ", ") + ")"}
	}
	lines := []string{
		fmt.Sprintf("%s %s%s and %d empty folders", verb, countText(all), strings.Join(parts, ""), sum.Folders),
		"keeps " + countText(sum.Kept),
	}
	if sum.Clock != "" {
		lines = append(lines, "least recently used by "+sum.Clock)
	}
	if sum.Foreign > 0 {
		lines = append(lines, fmt.Sprintf("left %d files alone that are no thumbnails", sum.Foreign))
	}
	if sum.Left > 0 {
		lines = append(lines, fmt.Sprintf("left %d files and folders of others: %s", sum.Left, sum.LeftFirst))
	}
	if sum.Unknown > 0 {
		lines = append(lines, fmt.Sprintf("keeps %d of these because nobody knows whether their originals were deleted", sum.Unknown))
	}
	if sum.Orphans != "" {
		lines = append(lines, "removed no orphans: "+sum.Orphans)
	}
	if sum.Over {
		lines = append(lines, "is still over its budget")
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%s: %s\n", site, line); err != nil {
			return err
		}
	}
	return nil
}

func countText(c tidy.Count) string {
	return fmt.Sprintf("%d files of %s", c.Files, bytesText(c.Bytes))
}

// bytesText returns bytes for people.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n)/(1<<10), 0
	for value >= 1<<10 && unit < len(units)-1 {
		value /= 1 << 10
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
