// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/metrics"
	"thumbd/internal/root"
	"thumbd/internal/serve"
	"thumbd/internal/shell"
)

// inside is a thumbd of one site in this process, whose handler for
// administrators nobody else can reach.
type inside struct {
	*daemon
	server *serve.Server
	conns  *pipes
}

// startInside starts an inside, which the caller stops. It tells its warnings and
// errors.
func startInside(ctx context.Context, file, site string, told io.Writer) (*inside, error) {
	d := &daemon{file: file, only: site, alone: true, log: newLogger(told, slog.LevelWarn)}
	d.metrics = metrics.New(d.state)
	d.newHandler()
	if err := d.load(ctx); err != nil {
		d.close()
		return nil, err
	}
	in := &inside{daemon: d, conns: newPipes()}
	in.server = serve.NewServer(d.handler.Admin(), in.conns, d.log)
	go func() {
		// Its error is that of a listener that stop has closed.
		_ = in.server.Serve()
	}()
	return in, nil
}

// errWanted is that a thumbd has come which is to publish instead.
var errWanted = errors.New("another thumbd has been started")

// lookPause is between two looks for another thumbd.
const lookPause = 200 * time.Millisecond

// untilWanted returns a context that ends with parent, or because of errWanted.
// The caller cancels it.
func (in *inside) untilWanted(parent context.Context) (ctx context.Context, cancel func()) {
	ctx, end := context.WithCancelCause(parent)
	tree := in.service.Load().sites[0].Tree
	go func() {
		tick := time.NewTicker(lookPause)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if tree.Wanted() {
					end(errWanted)
				}
			}
		}
	}()
	return ctx, func() { end(nil) }
}

// client asks the handler for administrators.
func (in *inside) client() *admin.Client { return admin.NewClient(in.conns.dial) }

func (in *inside) stop() { in.daemon.stop([]*serve.Server{in.server}) }

// checkOwner returns an error if root would publish into the tree of another user. That
// user could not change root's files.
func checkOwner(tree string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	fi, err := os.Stat(tree)
	for errors.Is(err, fs.ErrNotExist) && tree != "/" {
		tree = filepath.Dir(tree)
		fi, err = os.Stat(tree)
	}
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	name := root.UserName(int(st.Uid))
	return fmt.Errorf("%s belongs to %s and no thumbd runs that could publish there: start it, or run this as that user: runuser -u %s -- thumbd warm", tree, name, shell.Quote(name))
}

// pipes is a net.Listener for its dial alone.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	close sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept returns the other end of a dial, or net.ErrClosed.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dial. It may be called again.
func (p *pipes) Close() error {
	p.close.Do(func() { close(p.done) })
	return nil
}

// Addr returns an address that says nothing.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "inside", Net: "unix"} }
