// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"thumbd/internal/admin/client"
	"thumbd/internal/warm"
)

// infoFlags are the flags of thumbd info.
type infoFlags struct {
	file, admin string
	ndjson      bool
}

func infoCommand() *cobra.Command {
	var f infoFlags
	cmd := &cobra.Command{
		Use:   "info SITE ORIGINAL... | info --ndjson SITE [ORIGINAL...]",
		Short: "Print the descriptions of originals: size, format, colors and placeholders, in JSON",
		Example: "  thumbd info gallery animals/kitten.jpg\n" +
			"  thumbd info --ndjson gallery >gallery.ndjson",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0], args[1:]) },
	}
	configFlag(cmd, &f.file)
	adminFlag(cmd, &f.admin)
	cmd.Flags().BoolVar(&f.ndjson, "ndjson", false, "print a line with its name for each original (all originals)")
	return cmd
}

func (f *infoFlags) run(cmd *cobra.Command, site string, originals []string) error {
	if len(originals) == 0 && !f.ndjson {
		return asUsage(errors.New("want ORIGINAL, or --ndjson for all originals"))
	}
	o := warm.Options{Site: site, AtOnce: 1, Patience: warmPatience, Progress: failures{cmd}}
	if len(originals) == 0 {
		o.AtOnce = 2 * runtime.NumCPU()
	} else {
		o.List = strings.NewReader(strings.Join(originals, "\x00") + "\x00")
	}
	var writing sync.Mutex
	each := func(original string, file []byte) error {
		if f.ndjson && !utf8.ValidString(original) {
			return warm.Failure("the name is not UTF-8, so JSON can't have it")
		}
		if f.ndjson {
			file = named(original, file)
		}
		writing.Lock()
		defer writing.Unlock()
		_, err := cmd.OutOrStdout().Write(file)
		return err
	}
	return withThumbd(cmd, f.file, f.admin, site, func(ctx context.Context, c *client.Client) error {
		o.Client = c
		sum, err := warm.Describe(ctx, o, each)
		failed, _ := sum.Failures()
		switch {
		case errors.Is(err, warm.ErrRefused):
			return asUsage(err)
		case err != nil:
			return fmt.Errorf("info: %w", err)
		case failed > 0:
			return fmt.Errorf("info: %d originals could not be described", failed)
		case sum.Unread > 0:
			return fmt.Errorf("info: %d folders of originals could not be read: see thumbd's log", sum.Unread)
		}
		return nil
	})
}

// named returns the line of an original, the object of its file with the name before:
//
//	{"original":"animals/kitten.jpg","width":1600,"height":900,…}
func named(original string, file []byte) []byte {
	// A string always has JSON.
	name, _ := json.Marshal(original)
	return slices.Concat([]byte(`{"original":`), name, []byte(","), bytes.TrimPrefix(file, []byte("{")))
}

// failures is a warm.Progress that prints failures only: the successes are the output.
type failures struct{ cmd *cobra.Command }

func (failures) Begin(int) {}
func (failures) Done()     {}
func (failures) End()      {}

func (f failures) Failed(original, reason string, _ int) {
	fmt.Fprintf(f.cmd.ErrOrStderr(), "%q: %s\n", original, reason)
}
