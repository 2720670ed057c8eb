// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"thumbd/internal/doctor"
)

func doctorCommand() *cobra.Command {
	var file, nginx, admin string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the whole installation, and print mistakes and the commands to type",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			command := strings.Fields(nginx)
			if len(command) == 0 {
				return usage{errors.New("thumbd: want --nginx with a program; see thumbd --help")}
			}
			r := doctor.Run(cmd.Context(), doctor.Options{File: file, Nginx: command, Version: versionText(), Admin: admin})
			write := func() error { return r.WriteText(cmd.OutOrStdout()) }
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				write = func() error { return e.Encode(r) }
			}
			if err := write(); err != nil {
				return err
			}
			switch {
			case r.Has("configuration"):
				return usage{errors.New("thumbd: the configuration has mistakes")}
			case !r.Well:
				return errors.New("something is wrong")
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&nginx, "nginx", nginxProgram(), "the nginx to ask, a `COMMAND` with its flags")
	adminFlag(cmd, &admin)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// nginxProgram looks for nginx also in folders that an ordinary user's PATH lacks.
func nginxProgram() string {
	const sbin = "/usr/sbin/nginx"
	if _, err := os.Stat(sbin); err == nil {
		return sbin
	}
	return "nginx"
}
