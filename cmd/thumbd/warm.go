// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"thumbd/internal/admin"
	"thumbd/internal/admin/client"
	"thumbd/internal/config"
	"thumbd/internal/daemon"
	"thumbd/internal/shell"
	"thumbd/internal/warm"
)

// warmPatience is how long thumbd warm waits for a thumbd that does not answer,
// as it is started again.
const warmPatience = time.Minute

// warmFlags are the flags of thumbd warm.
type warmFlags struct {
	file, admin, from, since string
	selection                admin.Selection
}

func warmCommand() *cobra.Command {
	var f warmFlags
	cmd := &cobra.Command{
		Use:   "warm SITE",
		Short: "Make the missing thumbnails ahead of time",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	configFlag(cmd, &f.file)
	flags := cmd.Flags()
	adminFlag(cmd, &f.admin)
	flags.StringArrayVar(&f.selection.Presets, "preset", nil, "a preset's `NAME`, or NAME@2x; may be repeated (all presets)")
	flags.StringArrayVar(&f.selection.Specs, "spec", nil, "`SIZE_METHOD` and options, as in URLs; may be repeated")
	flags.StringArrayVar(&f.selection.Formats, "format", nil, "an extension `EXT`; may be repeated (the original's own, else jpg)")
	flags.StringVar(&f.from, "from", "", "a file with an original in each line, `LIST` or - (all originals)")
	flags.StringVar(&f.since, "since", "", "only originals changed at `TIME` or later: 2026-01-31, \"2026-01-31 18:00\", or 36h and 7d ago")
	return cmd
}

// run warms the site.
func (f *warmFlags) run(cmd *cobra.Command, site string) error {
	var err error
	if f.selection.Since, err = parseSince(f.since, time.Now()); err != nil {
		return asUsage(err)
	}
	for i, spec := range f.selection.Specs {
		if size, method, ok := strings.Cut(spec, "_"); ok {
			f.selection.Specs[i] = size + "_" + sortOptions(method)
		}
	}
	list, err := f.open(cmd.InOrStdin())
	if err != nil {
		return asUsage(err)
	}
	if list != nil {
		defer list.Close()
	}
	o := warm.Options{
		Site: site, Selection: f.selection, List: list, AtOnce: 2 * runtime.NumCPU(),
		Patience: warmPatience, Progress: progressOn(cmd.ErrOrStderr(), site),
	}
	return withThumbd(cmd, f.file, f.admin, site, func(ctx context.Context, c *client.Client) error {
		o.Client = c
		sum, err := warm.Run(ctx, o)
		told := tellWarmed(cmd.OutOrStdout(), site, sum, err)
		if errors.Is(err, warm.ErrRefused) {
			return asUsage(err)
		}
		return errors.Join(told, err)
	})
}

// withThumbd calls do with a thumbd that makes thumbnails of a site: the one that listens
// at socket, or if none listens one of this process. Its context ends when a thumbd is
// started that is to make them instead.
func withThumbd(cmd *cobra.Command, file, socket, site string, do func(ctx context.Context, c *client.Client) error) error {
	there, err := client.Listens(socket)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", cmd.Name(), err)
	case there:
		return do(cmd.Context(), client.Dial(socket))
	}
	alone, err := daemon.StartAlone(cmd.Context(), daemon.Options{
		File: file, Version: versionText(), Log: newLogger(cmd.ErrOrStderr(), slog.LevelWarn),
	}, site)
	if err != nil {
		return err
	}
	defer alone.Stop()
	ctx, cancel := alone.UntilWanted(cmd.Context())
	defer cancel()
	return do(ctx, alone.Client())
}

// open returns the list of originals, nil for all.
func (f *warmFlags) open(stdin io.Reader) (io.ReadCloser, error) {
	switch f.from {
	case "":
		return nil, nil
	case "-":
		return io.NopCloser(stdin), nil
	}
	return os.Open(f.from)
}

// tellWarmed prints the numbers of made thumbnails, if any were begun, and returns an
// error if some are missing.
func tellWarmed(w io.Writer, site string, sum warm.Summary, cause error) error {
	if cause != nil && sum.Originals == 0 && sum.Made == 0 {
		return nil
	}
	failed, why := sum.Failures()
	line := fmt.Sprintf("%s: %d originals, made %d thumbnails, %d were there", site, sum.Originals, sum.Made, sum.There)
	if sum.Skipped > 0 {
		line += fmt.Sprintf(", left out %d older originals", sum.Skipped)
	}
	if sum.None > 0 {
		line += fmt.Sprintf(", %d variants are not to be had", sum.None)
	}
	if failed > 0 {
		line += fmt.Sprintf(", %d failed (%s)", failed, why)
	}
	if cause != nil {
		line += "; not finished: the same command goes on"
	}
	if _, err := fmt.Fprintln(w, line); err != nil {
		return err
	}
	var errs []error
	if failed > 0 {
		errs = append(errs, fmt.Errorf("warm: %d thumbnails could not be made", failed))
	}
	if sum.Unread > 0 {
		errs = append(errs, fmt.Errorf("warm: %d folders of originals could not be read: see thumbd's log", sum.Unread))
	}
	return errors.Join(errs...)
}

// parseSince returns the time that is meant, zero for "".
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	ago, err := config.ParseAge(text)
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("--since %q: want a time such as 2026-01-31, \"2026-01-31 18:00\", 2026-01-31T18:00:00Z, 36h or 7d", text)
	}
	return now.Add(-ago), nil
}

// progressOn shows the progress on w. On a terminal that takes the characters
// that move its cursor.
func progressOn(w io.Writer, site string) warm.Progress {
	if clean, ok := w.(shell.Writer); ok {
		if f, ok := clean.To.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return warm.NewProgress(f, true, site)
		}
	}
	return warm.NewProgress(w, false, site)
}
