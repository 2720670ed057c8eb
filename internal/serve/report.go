// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"
)

// peerKey is where a request's context has the user ID of who has connected.
type peerKey struct{}

// withPeer adds to a connection's context who the kernel says has made it,
// SO_PEERCRED of unix(7). Nothing is added where it does not say.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if fresh, ok := c.(*freshConn); ok {
		c = fresh.Conn
	}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *unix.Ucred
	err = raw.Control(func(fd uintptr) {
		peer, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil || peer == nil {
		return ctx
	}
	return withUser(ctx, int(peer.Uid))
}

func withUser(ctx context.Context, uid int) context.Context {
	return context.WithValue(ctx, peerKey{}, uid)
}

// isOwner reports whether root or our own user asks, and not nginx for a
// client.
func isOwner(r *http.Request) bool {
	uid, ok := r.Context().Value(peerKey{}).(int)
	return ok && (uid == 0 || uid == os.Geteuid())
}

// report answers with what Options.Report says, in JSON.
func (h *Handler) report(w http.ResponseWriter, r *http.Request) error {
	if !isOwner(r) || h.options.Report == nil {
		return errNoService
	}
	return answerJSON(w, h.options.Report())
}
