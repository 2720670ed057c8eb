// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"thumbd/internal/admin/client"
	"thumbd/internal/root"
	"thumbd/internal/serve"
	"thumbd/internal/shell"
)

// Alone is a thumbd of one site in this process. Only this process can reach its
// handler for administrators.
type Alone struct {
	*Daemon
	server *serve.Server
	conns  *pipes
}

// StartAlone starts an Alone of the site. The caller stops it.
func StartAlone(ctx context.Context, o Options, site string) (*Alone, error) {
	d := New(o)
	d.only, d.alone = site, true
	if err := d.load(ctx); err != nil {
		d.close()
		return nil, err
	}
	in := &Alone{Daemon: d, conns: newPipes()}
	in.server = serve.NewServer(d.handler.Admin(), in.conns, d.log)
	go func() {
		// Its error is that of a listener that Stop has closed.
		_ = in.server.Serve()
	}()
	return in, nil
}

// ErrWanted means that a daemon was started and wants to publish into the tree.
var ErrWanted = errors.New("another thumbd has been started")

// lookPause is between two looks for another thumbd.
const lookPause = 200 * time.Millisecond

// UntilWanted returns a context that ends with parent, or because of ErrWanted.
// The caller cancels it.
func (in *Alone) UntilWanted(parent context.Context) (ctx context.Context, cancel func()) {
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
					end(ErrWanted)
				}
			}
		}
	}()
	return ctx, func() { end(nil) }
}

// Client asks the handler for administrators.
func (in *Alone) Client() *client.Client { return client.NewClient(in.conns.dial) }

// Stop ends it as a daemon is stopped.
func (in *Alone) Stop() { in.Daemon.stop([]*serve.Server{in.server}) }

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
	return fmt.Errorf("%s belongs to %s and no thumbd runs that could publish there: start it, or run this command as that user: runuser -u %s -- thumbd …", tree, name, shell.Quote(name))
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
