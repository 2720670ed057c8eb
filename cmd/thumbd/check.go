// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"thumbd/internal/config"
	"thumbd/internal/systemd"
)

func checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Test the configuration, as nginx -t",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			warn := func(m config.Mistake) { fmt.Fprintln(cmd.ErrOrStderr(), "warning:", m) }
			c, warnings, err := config.Load(file, os.Getenv("CREDENTIALS_DIRECTORY"))
			for _, w := range warnings {
				warn(w)
			}
			if err != nil {
				return usage{err}
			}
			warnStopTimeout(cmd, file, c)
			warnNetwork(cmd, file, c)
			// One worker is enough to ask what it can do.
			c.Workers = 1
			s, err := newService(cmd.Context(), c, reports{}, warn)
			if err != nil {
				return err
			}
			defer s.close()
			for _, m := range s.hello.Missing {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: the workers' sandbox is not complete:", m)
			}
			if err := errors.Join(append(s.probe(false), s.probeOrigins()...)...); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: the configuration is good\n", file)
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// unit is the service that the packages install.
const unit = "thumbd.service"

// warnStopTimeout warns where the service manager would not wait for what a
// stop finishes.
func warnStopTimeout(cmd *cobra.Command, file string, c *config.Config) {
	limit, err := systemd.StopTimeout(cmd.Context(), unit)
	if longest := c.QueueTime + 2*c.RenderTime; err == nil && limit > 0 && longest > limit {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: queue_time and two render_time are %v, and systemd kills %s after TimeoutStopSec=%v; "+
			"lower them, or raise that with systemctl edit %s\n", file, longest, unit, limit, unit)
	}
}

// warnNetwork warns where the service has no network to fetch originals over,
// whatever that of who runs check is.
func warnNetwork(cmd *cobra.Command, file string, c *config.Config) {
	remote := slices.IndexFunc(c.Sites, func(s config.Site) bool { return s.Fetch != nil })
	if remote < 0 {
		return
	}
	values, err := systemd.Properties(cmd.Context(), unit, append([]string{"LoadState"}, systemd.NetworkProperties...)...)
	if err != nil || values["LoadState"] != "loaded" {
		return
	}
	if in := systemd.NoNetwork(values); len(in) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: the originals of site %s are at a URL, and %s has no network (%s); to give it one:\n\t%s\n",
			file, c.Sites[remote].Thumb.Name, unit, strings.Join(in, ", "), strings.Join(systemd.NetworkDropIn, "\n\t"))
	}
}
