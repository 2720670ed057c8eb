// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"thumbd/internal/test/rig"
)

// ahead makes the default presets of a tree in several ways.
type ahead struct {
	programs  rig.Programs
	folder    string // has all that follows, and the document root
	originals string
	toml      string
	paths     []string // of the originals; no two have the same base
	first     *made    // by the first way, in the first round
}

// way is one to make them all.
type way struct {
	name  string
	run   func(context.Context) error
	root  string          // where to
	again bool            // root has all of them
	spent []time.Duration // in each round
	bytes int64           // of the thumbnails
}

// The places of the ways.
const (
	atOnce = iota
	nothingLeft
	bySize
	byDaemon
	byPeer
)

// warm compares three ways to make a tree's thumbnails in all sizes, in turns: one run of
// thumbd warm without a daemon, one run of it for each size, and one run of
// vipsthumbnail(1) for each size.
func warm(ctx context.Context, p rig.Programs) (f figure, err error) {
	const rounds = 3
	err = withOriginals("jpg", func(folder string, originals []original) error {
		a, err := plant(p, folder, originals)
		if err != nil {
			return err
		}
		ways := a.ways()
		for range rounds {
			for _, w := range ways {
				if err := a.measure(ctx, w); err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
			}
		}
		f = a.figure(ways)
		return nil
	})
	return f, err
}

// plant makes a tree of so many originals that the programs' start counts for
// little: links to the same few, in folders.
func plant(p rig.Programs, folder string, originals []original) (*ahead, error) {
	const copies = 16
	a := &ahead{
		programs: p, folder: folder, originals: filepath.Join(folder, "tree"), toml: filepath.Join(folder, "thumbd.toml"),
	}
	for i := range copies {
		below := filepath.Join(a.originals, fmt.Sprint(i))
		if err := os.MkdirAll(below, 0o755); err != nil {
			return nil, err
		}
		for _, o := range originals {
			path := filepath.Join(below, fmt.Sprintf("%d-%s", i, o.name))
			if err := os.Link(o.file.Name(), path); err != nil {
				return nil, err
			}
			a.paths = append(a.paths, path)
		}
	}
	text := fmt.Sprintf("[site.gallery]\nprefix = %q\ndocument_root = %q\noriginals = %q\nscheme = \"preset\"\n",
		"/thumbs/", filepath.Join(folder, "root"), a.originals)
	return a, os.WriteFile(a.toml, []byte(text), 0o644)
}

// ways returns the ways. The first way is compared with the others.
func (a *ahead) ways() []*way {
	root := filepath.Join(a.folder, "root")
	all := []*way{
		atOnce:      {name: "thumbd warm, once for all sizes", root: root, run: a.atOnce},
		nothingLeft: {name: "the same again, with nothing left to make", root: root, run: a.nothingLeft, again: true},
		bySize:      {name: "thumbd warm, once for each size", root: root, run: a.bySize},
		byDaemon:    {name: "thumbd warm of a daemon, with its start", root: root, run: a.byDaemon},
		byPeer:      {name: "vipsthumbnail, once for each size", root: filepath.Join(a.folder, "vips"), run: a.byPeer},
	}
	if _, err := exec.LookPath(vipsthumbnailPath); err != nil {
		all = all[:byPeer]
	}
	return all
}

// measure notes the time of w. It fails if w's thumbnails differ from the first
// way's.
func (a *ahead) measure(ctx context.Context, w *way) error {
	if !w.again {
		if err := os.RemoveAll(w.root); err != nil {
			return err
		}
	}
	before := clock()
	if err := w.run(ctx); err != nil {
		return err
	}
	w.spent = append(w.spent, clock()-before)
	m, err := look(w.root)
	if err != nil {
		return err
	}
	w.bytes = m.bytes
	if a.first == nil {
		a.first = &m
	}
	return m.check(*a.first, len(a.paths)*len(squares()))
}

// thumbd runs thumbd warm with the arguments, without a daemon unless they name its
// socket, and returns its output.
func (a *ahead) thumbd(ctx context.Context, arguments ...string) (string, error) {
	all := append([]string{"warm", "-c", a.toml, "--admin", filepath.Join(a.folder, "none"), "gallery"}, arguments...)
	out, err := exec.CommandContext(ctx, a.programs.Thumbd, all...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("thumbd warm: %w: %s", err, lastLine(out))
	}
	return lastLine(out), nil
}

func (a *ahead) atOnce(ctx context.Context) error {
	_, err := a.thumbd(ctx)
	return err
}

func (a *ahead) bySize(ctx context.Context) error {
	for _, s := range squares() {
		if _, err := a.thumbd(ctx, "--preset", s.preset); err != nil {
			return err
		}
	}
	return nil
}

func (a *ahead) nothingLeft(ctx context.Context) error {
	said, err := a.thumbd(ctx)
	if err == nil && !strings.Contains(said, "made 0 thumbnails") {
		err = fmt.Errorf("made again what was there: %s", said)
	}
	return err
}

// byDaemon has one make them that is started for that, behind an nginx.
func (a *ahead) byDaemon(ctx context.Context) (err error) {
	r, err := rig.Start(ctx, rig.Options{Programs: a.programs, Sites: []rig.Site{
		{Name: "gallery", Prefix: "/thumbs/", Scheme: "preset", Originals: a.originals},
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if _, err := a.thumbd(ctx, "--admin", r.AdminPath()); err != nil {
		return err
	}
	if err := r.StopDaemon(); err != nil {
		return err
	}
	return os.Rename(r.Root("gallery"), filepath.Join(a.folder, "root"))
}

// byPeer has vipsthumbnail make them, encoded as thumbd does.
func (a *ahead) byPeer(ctx context.Context) error {
	for _, s := range squares() {
		to := filepath.Join(a.folder, "vips", s.preset)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		format := fmt.Sprintf("%s/%%s.jpg[Q=%d,optimize_coding,strip", to, defaultQuality)
		// As thumbd does from 400x400 pixels on.
		if s.side >= 500 {
			format += ",interlace"
		}
		cmd := exec.CommandContext(ctx, vipsthumbnailPath,
			append([]string{"--size", fmt.Sprintf("%dx%d>", s.side, s.side), "-o", format + "]"}, a.paths...)...)
		cmd.Env = append(os.Environ(), "VIPS_CONCURRENCY=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("vipsthumbnail: %w: %s", err, lastLine(out))
		}
	}
	return nil
}

// figure compares the times of the ways.
func (a *ahead) figure(ways []*way) figure {
	f := figure{detail: fmt.Sprintf("%d photographs of 2 to 24 megapixels, %d thumbnails; processor time, and the first's over the others', medians of %d rounds",
		len(a.paths), len(a.first.thumbnails), len(ways[atOnce].spent))}
	medians := make([]float64, len(ways))
	for i, w := range ways {
		f.detail += fmt.Sprintf("\n            %-42s %6.2f s, %.1f MB", w.name, quantile(slices.Clone(w.spent), 0.5).Seconds(), float64(w.bytes)/1e6)
		if i == atOnce || w.again {
			continue
		}
		var ratios []float64
		for round, d := range w.spent {
			ratios = append(ratios, float64(ways[atOnce].spent[round])/float64(d))
		}
		medians[i] = quantile(ratios, 0.5)
		f.detail += fmt.Sprintf(", %.2f, from %.2f to %.2f", medians[i], slices.Min(ratios), slices.Max(ratios))
	}
	f.value = medians[bySize]
	if len(ways) > byPeer {
		f.also = []aim{{"over vipsthumbnail's", medians[byPeer], 0.5, false}}
	} else {
		f.detail += "\n            vipsthumbnail is skipped: it is not installed"
	}
	return f
}
