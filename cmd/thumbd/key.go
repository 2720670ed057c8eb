// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"thumbd/internal/newsite"
)

// keyName is a name that a file of keys/ can have, for example gallery-2027.
var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func keyCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "key NAME",
		Short:   "Make a key with the owner and mode that thumbd needs",
		Example: "  thumbd key gallery-2027",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !keyName.MatchString(args[0]) {
				return usage{errors.New("thumbd: want a NAME of letters, digits, - and _, for example gallery-2027")}
			}
			path := filepath.Join(filepath.Dir(file), "keys", args[0]+".key")
			group, err := newsite.NewKey(path, "thumbd")
			if err != nil {
				return fmt.Errorf("key: %w", err)
			}
			reader := "only you can read it: let the daemon's user do so, too"
			if group != "" {
				reader = "root and the group " + group + " can read it"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s.\nIn %s: keys = [%q]\n", path, reader, file, args[0]+".key")
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}
