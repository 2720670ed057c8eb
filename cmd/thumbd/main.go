// SPDX-License-Identifier: MIT

// Command thumbd makes thumbnails for nginx.
//
// Each command is a file of its own, with its flags and its printing. They are one
// package because Go links one package main into a program.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"thumbd/internal/daemon"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
)

// defaultConfig is the path of the packages' configuration.
const defaultConfig = "/etc/thumbd/thumbd.toml"

// Exit codes of thumbd(8).
const (
	exitOK      = 0
	exitRuntime = 1
	exitUsage   = 2
)

// errUsage marks errors of the command line and the configuration.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process's globals. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	// The output has file names of uploaders.
	stdout, stderr = shell.Writer{To: stdout}, shell.Writer{To: stderr}
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage), errors.Is(err, daemon.ErrConfiguration):
		printError(stderr, message(err))
		return exitUsage
	}
	printError(stderr, fmt.Sprint("thumbd: ", err))
	return exitRuntime
}

// printError prints why thumbd ends, with a priority for the journal.
func printError(stderr io.Writer, text string) {
	text += "\n"
	if systemd.IsJournal(os.Stderr) {
		text = systemd.Prioritized(slog.LevelError, text)
	}
	fmt.Fprint(stderr, text)
}

// usage wraps an error of the command line or the configuration. Its text is printed
// without a change.
type usage struct{ error }

func (u usage) Is(target error) bool { return target == errUsage }
func (u usage) Unwrap() error        { return u.error }

func message(err error) string {
	if u, ok := errors.AsType[usage](err); ok {
		return u.Error()
	}
	return err.Error()
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "thumbd",
		Short:         "Thumbnails for nginx",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage{errors.New("thumbd: no command; see thumbd --help")}
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serveCommand(), checkCommand(), doctorCommand(), initCommand(), keyCommand(), urlCommand(), pictureCommand(), infoCommand(), warmCommand(), purgeCommand(), gcCommand(), healthCommand(), statusCommand(), verifyCommand(), versionCommand())
	for _, c := range append(root.Commands(), root) {
		args := c.Args
		c.Args = func(cmd *cobra.Command, given []string) error { return asUsage(args(cmd, given)) }
		c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asUsage(err) })
	}
	return root
}

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usage{fmt.Errorf("thumbd: %w; see thumbd --help", err)}
}

func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", defaultConfig, "configuration `FILE`")
}
