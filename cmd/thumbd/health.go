// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/admin/client"
	"thumbd/internal/systemd"
)

// healthTime is the longest that a daemon at work takes to answer.
const healthTime = 10 * time.Second

func healthCommand() *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running thumbd if it can work: exit status 0, or 1 with the reason",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTime)
			defer cancel()
			if err := client.Dial(socket).Health(ctx); err != nil {
				return fmt.Errorf("health: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&socket, "socket", systemd.Socket, "thumbd's socket for nginx, a `PATH`")
	return cmd
}
