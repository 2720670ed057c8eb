// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/journal"
)

// Node is this machine as a node of a farm, which has its purges from the journal.
type Node struct {
	*journal.Node
	Wait time.Duration // how long a purge waits for the other nodes
}

// nodeReady answers /_thumbd/ready, by which a balancer decides whether clients may be
// led to this node.
func (h *Handler) nodeReady(w http.ResponseWriter) error {
	sites, err := h.keeper.Sites()
	if err != nil {
		return err
	}
	sites.Release()
	node := h.options.Node()
	if node == nil {
		return errNoService
	}
	if h.options.Health() != nil {
		// Without the cause, which may have paths: nginx has a location for this route.
		return errUnwell
	}
	if node.State().Behind {
		return errBehind
	}
	w.Header().Set("Cache-Control", "no-store")
	body(w, http.StatusOK, "ready")
	return nil
}

// purging is a POST /purge that is being answered.
type purging struct {
	handler *Handler
	node    *Node
	said    []string // numbers of files that were removed
	entries []string // of the journal
	wait    *time.Duration
	names   int // originals that were purged
}

// part purges what a part of the form says.
func (p *purging) part(ctx context.Context, form admin.Purge) error {
	whole := journal.Entry{
		Site: form.Site, Originals: form.Originals, Under: form.Under, Preset: form.Preset, All: form.All, Render: form.Render,
	}
	p.wait = form.Wait
	if p.node == nil || form.Here {
		return p.here(ctx, whole)
	}
	// Before another node hears of it.
	if err := p.handler.keeper.CheckPurge(form.Site, whole.Scope()); err != nil {
		return err
	}
	for _, e := range whole.Split() {
		name, err := p.node.Write(ctx, e)
		if err != nil {
			return err
		}
		p.entries = append(p.entries, name)
		err = p.here(ctx, e)
		p.node.Done(name, e, err == nil)
		if err != nil {
			return err
		}
		p.names += len(e.Originals)
	}
	return nil
}

// here purges on this node.
func (p *purging) here(ctx context.Context, e journal.Entry) error {
	removed, err := p.handler.keeper.Purge(ctx, e.Site, e.Scope(), e.Render)
	p.said = append(p.said, removed)
	return err
}

// nodesBehind is the answer to a purge if another node may still have purged thumbnails.
var nodesBehind = status{http.StatusAccepted, "nodes-behind"}

// await waits for the other nodes. It returns a line for each node that may still have
// purged thumbnails.
func (p *purging) await(ctx context.Context) (lines []string) {
	if len(p.entries) == 0 {
		return nil
	}
	wait := p.node.Wait
	if p.wait != nil {
		wait = *p.wait
	}
	for _, b := range p.node.Await(ctx, p.entries, wait) {
		lines = append(lines, b.String())
	}
	return lines
}

// explain adds to the error of a part what the parts before it have done: the number of
// originals that are purged here, and each node that may not have purged them yet.
func (p *purging) explain(ctx context.Context, err error) error {
	if p.names == 0 {
		return err
	}
	text := fmt.Sprintf("the first %d originals are purged on this node", p.names)
	if lines := p.await(ctx); len(lines) > 0 {
		text += "; other nodes may not have purged them yet:\n" + strings.Join(lines, "\n")
	}
	return fmt.Errorf("%w\n%s", err, text)
}

// answer waits for the other nodes. It names each node that may still have purged
// thumbnails.
func (p *purging) answer(ctx context.Context, w http.ResponseWriter) {
	lines := append([]string{"purged: " + strings.Join(p.said, " + ") + " thumbnails removed"}, p.await(ctx)...)
	code := http.StatusOK
	if len(lines) > 1 {
		code = nodesBehind.code
		w.Header().Set("X-Thumbd-Reason", nodesBehind.reason)
	}
	body(w, code, strings.Join(lines, "\n"))
}

// adminForget removes a node from the list of nodes.
func (h *Handler) adminForget(w http.ResponseWriter, r *http.Request) error {
	node := h.options.Node()
	if node == nil {
		return errNoService
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: %w", admin.ErrForm, err)
	}
	name := r.Form.Get("forget")
	if name == "" || len(r.Form) > 1 {
		return fmt.Errorf("%w: want forget=NAME alone", admin.ErrForm)
	}
	if name == node.Name() {
		return fmt.Errorf("%w: %s is this node", admin.ErrForm, name)
	}
	if err := node.Forget(r.Context(), name); err != nil {
		return err
	}
	h.options.Log.Info("node forgotten", "node", name)
	body(w, http.StatusOK, "forgotten: "+name)
	return nil
}

// adminNodes answers with all nodes.
func (h *Handler) adminNodes(w http.ResponseWriter, r *http.Request) error {
	node := h.options.Node()
	if node == nil {
		return errNoService
	}
	others, err := node.Others(r.Context())
	if err != nil {
		return err
	}
	self := node.Self()
	all := []admin.Node{nodeOf(node, journal.Other{Name: node.Name(), Report: self})}
	all[0].Here = true
	for _, o := range others {
		n := nodeOf(node, o)
		if o.Err == nil {
			n.Differs = o.Differs(self)
		}
		all = append(all, n)
	}
	return answerJSON(w, all)
}

func nodeOf(node *Node, o journal.Other) admin.Node {
	n := admin.Node{
		Name: o.Name, State: node.StateOf(o), At: o.At, Read: o.Read, Waits: o.Waits, Clock: o.Clock, Taken: o.Taken,
		Version: o.Version, Libvips: o.Libvips,
	}
	if o.Err != nil {
		n.Trouble = o.Err.Error()
	}
	return n
}
