// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"thumbd/internal/daemon"
	"thumbd/internal/systemd"
)

func serveCommand() *cobra.Command {
	var file, listen, admin string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer nginx, on systemd's socket or that of --listen",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if admin != "" && listen == "" {
				return asUsage(errors.New("--admin needs --listen: without it both sockets are systemd's"))
			}
			// Files are published with modes of their own; this is for all others.
			syscall.Umask(0o022)
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			defer signal.Stop(reload)
			level := new(slog.LevelVar)
			d := daemon.New(daemon.Options{File: file, Version: versionText(), Log: newLogger(cmd.ErrOrStderr(), level), Level: level})
			if listen == "" {
				return d.RunActivated(cmd.Context(), reload)
			}
			sockets, err := listenOn(listen, admin)
			if err != nil {
				return err
			}
			return d.Run(cmd.Context(), sockets, reload)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&listen, "listen", "", "socket to make, `PATH[,mode=0660][,group=NAME]`; without it systemd's")
	cmd.Flags().StringVar(&admin, "admin", "", "socket to make for administrators, `PATH[,mode=0660][,group=NAME]`; with --listen")
	return cmd
}

// newLogger returns a logger that writes to w. w must be the process's stderr.
func newLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	if systemd.IsJournal(os.Stderr) {
		return slog.New(systemd.NewJournalHandler(w, level))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// listenOn makes the sockets of the flags --listen and --admin. If a flag is "", its
// socket is not made.
func listenOn(listen, admin string) (sockets systemd.Sockets, err error) {
	if sockets.Front, err = systemd.Listen("--listen", listen); err == nil && admin != "" {
		sockets.Admin, err = systemd.Listen("--admin", admin)
	}
	if err != nil {
		sockets.Close()
		return sockets, usage{fmt.Errorf("thumbd: %w", err)}
	}
	return sockets, nil
}
