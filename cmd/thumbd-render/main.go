// SPDX-License-Identifier: MIT

// Command thumbd-render is the worker: it renders the jobs that thumbd sends
// it over the socket that it inherits as descriptor 3, until that is closed.
// It is not meant to be run by hand.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"thumbd/internal/engine"
	"thumbd/internal/render/wire"
	"thumbd/internal/sandbox"
)

// socket is the worker's end of the socketpair.
const socket = 3

// garbage is the limit of garbage in Go's heap, in percent of the used memory there. The
// worker uses little: with Go's default, the first collection would come after 1,000
// renders.
const garbage = 20

// version is set by the linker to the release. If it is empty, the build information
// has the version.
var version string

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process globals. It returns 0 when the daemon has
// closed the socket, 1 when the worker can't go on, and 2 for wrong arguments.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("thumbd-render", flag.ContinueOnError)
	flags.SetOutput(stderr)
	memory := flags.Uint64("memory", 0, "most `bytes` of memory; 0: no limit")
	show := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "thumbd-render: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if *show {
		fmt.Fprintf(stdout, "thumbd-render %s, libvips %s\n", release(), engine.Version())
		return 0
	}
	if err := work(*memory, sandbox.Enter); err != nil {
		fmt.Fprintf(stderr, "thumbd-render: %v\n", err)
		return 1
	}
	return 0
}

// work makes the process ready, has enter shut it in, and serves jobs.
func work(memory uint64, enter func() (missing []string, err error)) error {
	if err := settleCode(); err != nil {
		return err
	}
	if err := limit(memory); err != nil {
		return err
	}
	offer()
	c, err := newConn(socket)
	if err != nil {
		return err
	}
	defer c.close()
	e, err := engine.Start()
	if err != nil {
		return err
	}
	missing, err := enter()
	if err != nil {
		return err
	}
	debug.SetGCPercent(garbage)
	// libvips can't be interrupted. If the daemon is gone, no other process would end a
	// stuck render.
	go c.watch(func() { os.Exit(0) })
	return c.serve(e, &wire.Hello{
		Version: wire.Version,
		Vips:    engine.Version(),
		Read:    e.Reads(),
		Write:   e.Writes(),
		Missing: append(missing, codeMissing()...),
	})
}

func release() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
