// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"thumbd/internal/config"
	"thumbd/internal/daemon"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
)

func checkCommand() *cobra.Command {
	var file string
	var reload bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Test the configuration, as nginx -t does",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reload {
				return loadable(cmd.Context(), file)
			}
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
			warnMetrics(cmd, file, c)
			warnReadable(cmd, file, c)
			// One worker is enough to tell its abilities.
			c.Workers = 1
			s, err := daemon.NewService(cmd.Context(), c, versionText(), daemon.Reports{}, warn)
			if err != nil {
				return err
			}
			defer s.Close()
			s.SetGates(daemon.Reports{})
			for _, m := range s.Missing() {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: the workers' sandbox is not complete:", m)
			}
			if err := errors.Join(append(s.Probe(false), warnOrigins(cmd, file, s.ProbeOrigins())...)...); err != nil {
				return err
			}
			if err := checkRights(cmd, file, c); err != nil {
				return err
			}
			for _, site := range s.Sites() {
				if presets := site.ChangedPresets(); presets != nil {
					fmt.Fprintf(cmd.OutOrStdout(), "note: %s: site %s: the next reload purges the thumbnails of presets that were removed, renamed or changed: %s\n",
						file, site.Thumb.Name, strings.Join(presets, ", "))
				}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: the configuration is good\n", file)
			return err
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&reload, "reload", false, "test only the things that a reload depends on: no folders, no warnings")
	return cmd
}

// checkRights looks at the folders as the service's user.
func checkRights(cmd *cobra.Command, file string, c *config.Config) error {
	o, err := newOnlooker(cmd.Context())
	if err != nil {
		return err
	}
	if o.Note != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "note: %s: %s\n", file, o.Note)
	}
	wrong, warnings := o.folders(c)
	if c.Nodes != nil {
		shut, doubts := o.journal(cmd.Context(), c.Nodes)
		wrong, warnings = append(wrong, shut...), append(warnings, doubts...)
	}
	for _, w := range warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: %s\n", file, w)
	}
	return errors.Join(wrong...)
}

// loadable returns an error if the daemon would refuse the configuration. It tests no
// folder of originals or thumbnails.
func loadable(ctx context.Context, file string) error {
	c, _, err := config.Load(file, os.Getenv("CREDENTIALS_DIRECTORY"))
	if err != nil {
		return usage{err}
	}
	c.Workers = 1
	s, err := daemon.NewService(ctx, c, versionText(), daemon.Reports{}, func(config.Mistake) {})
	if err == nil {
		s.Close()
	}
	return err
}

// warnStopTimeout warns if the service manager would not wait for the renders that a
// stop finishes.
func warnStopTimeout(cmd *cobra.Command, file string, c *config.Config) {
	limit, err := systemd.StopTimeout(cmd.Context(), systemd.Service)
	if longest := c.LongestRender(); err == nil && limit > 0 && longest > limit {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: queue_time and two render_time are %v, and systemd kills %s after TimeoutStopSec=%v; "+
			"lower them, or raise that with systemctl edit %s\n", file, longest, systemd.Service, limit, systemd.Service)
	}
}

// warnReadable warns if every user of the machine can read the published thumbnails of a
// protected site. If only nginx's group may enter their folder, no other user can read
// them, with any modes of the files.
func warnReadable(cmd *cobra.Command, file string, c *config.Config) {
	for _, s := range c.Sites {
		tree := filepath.Join(s.Thumb.DocumentRoot, s.Thumb.Prefix)
		if s.Access == nil || !canEnter(tree) {
			continue
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: site %s is protected, and every user of this machine can read its thumbnails; "+
			"to share them with nginx alone (its group is www-data or nginx):\n\tchgrp www-data %[3]s && chmod 0750 %[3]s\n",
			file, s.Thumb.Name, shell.Quote(tree))
	}
}

// canEnter reports whether every user may enter the existing folder at an absolute path
// and all folders above it.
func canEnter(path string) bool {
	for {
		fi, err := os.Stat(path)
		if err != nil || fi.Mode()&0o001 == 0 {
			return false
		}
		if path == "/" {
			return true
		}
		path = filepath.Dir(path)
	}
}

// otherKeys follows the error of a store for which this command has no keys.
const otherKeys = "this command has another environment than " + systemd.Service + ", for which thumbd doctor knows"

// warnOrigins warns of the sources that can't be listed or for which this command has no
// keys, and returns the other errors of ProbeOrigins.
func warnOrigins(cmd *cobra.Command, file string, errs []error) []error {
	return slices.DeleteFunc(errs, func(err error) bool {
		switch {
		case daemon.IsUnlisted(err):
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: %v; warm needs a list of names on its standard input, and gc goes by lifetime alone\n", file, err)
		case daemon.IsKeyless(err):
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: %v; %s\n", file, err, otherKeys)
		default:
			return false
		}
		return true
	})
}

// warnNetwork warns if the service has no network to fetch originals or to reach the
// journal over, also if the user of check has one.
func warnNetwork(cmd *cobra.Command, file string, c *config.Config) {
	remote := c.Remote()
	if remote == "" {
		return
	}
	values, err := systemd.Properties(cmd.Context(), systemd.Service, append([]string{"LoadState"}, systemd.NetworkProperties...)...)
	if err != nil || values["LoadState"] != "loaded" {
		return
	}
	if in := systemd.NoNetwork(values); len(in) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: %s, and %s has no network (%s); to give it one:\n\t%s\n",
			file, remote, systemd.Service, strings.Join(in, ", "), strings.Join(systemd.NetworkDropIn, "\n\t"))
	}
}

// warnMetrics warns of metrics in [daemon] if systemd makes the sockets: the service then
// does not listen on that address.
func warnMetrics(cmd *cobra.Command, file string, c *config.Config) {
	values, err := systemd.Properties(cmd.Context(), systemd.Service, "LoadState")
	if c.Metrics == "" || err != nil || values["LoadState"] != "loaded" {
		return
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s: metrics is for thumbd serve --listen, and %s takes its sockets from systemd; for Prometheus:\n"+
		"\tsystemctl enable %s && systemctl restart %s\n", file, systemd.Service, systemd.MetricsUnit, systemd.Service)
}
