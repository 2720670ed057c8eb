// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/admin"
	"thumbd/internal/admin/client"
)

// adminFlag adds the flag --admin.
func adminFlag(cmd *cobra.Command, socket *string) {
	cmd.Flags().StringVar(socket, "admin", admin.Socket, "`PATH` of thumbd's socket for administrators")
}

func purgeCommand() *cobra.Command {
	var socket string
	var p admin.Purge
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "purge SITE {ORIGINAL... | --under DIR | --preset NAME | --all}",
		Short: "Remove thumbnails: no client gets them after the command",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Site, p.Originals = args[0], args[1:]
			if cmd.Flags().Changed("wait") {
				p.Wait = &wait
			}
			said, err := client.Dial(socket).Purge(cmd.Context(), p)
			r, ok := errors.AsType[*client.Refused](err)
			switch {
			case ok && r.Code == http.StatusAccepted:
				// Its first line is that of a purge that all nodes have applied.
				return errors.Join(errors.New("not all nodes are known to have purged"), err)
			case ok && r.Code < http.StatusInternalServerError:
				return asUsage(err)
			}
			if err != nil {
				return fmt.Errorf("purge: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
			return err
		},
	}
	adminFlag(cmd, &socket)
	cmd.Flags().StringVar(&p.Under, "under", "", "remove the thumbnails of all originals below `DIR`, a folder of originals")
	cmd.Flags().StringVar(&p.Preset, "preset", "", "remove the thumbnails of the preset `NAME`")
	cmd.Flags().BoolVar(&p.All, "all", false, "remove all thumbnails of the site")
	cmd.Flags().BoolVar(&p.Here, "here", false, "purge on this node alone, not on the others of [nodes]")
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait at most this `TIME` for the other nodes, in place of wait of [nodes]")
	cmd.Flags().BoolVar(&p.Render, "render", false, "render the removed thumbnails again, in the background")
	return cmd
}
