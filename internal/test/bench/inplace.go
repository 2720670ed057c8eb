// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/route"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// acceptAVIF is Chromium's Accept for images.
const acceptAVIF = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"

// uploads is a site of the scheme inplace with the locations that thumbd init prints.
func uploads(originals string) rig.Site {
	s := &config.Site{Originals: originals, Thumb: thumb.Site{
		Route: route.Route{Name: "uploads", Prefix: "/uploads/"}, DocumentRoot: "DOCUMENT_ROOT", Scheme: thumb.InPlace, Negotiate: thumb.Variants(),
	}}
	return rig.Site{Name: "uploads", Prefix: "/uploads/", Scheme: "inplace", Originals: originals, Lines: rig.Lines(s)}
}

// inPlaceHits compares hits of a variant in place of its original with those of the same
// file in an nginx without thumbd, in turns; and the same for the original, which a
// client gets that accepts no variant.
func inPlaceHits(ctx context.Context, p rig.Programs) (f figure, err error) {
	folder, err := photographs()
	if err != nil {
		return f, err
	}
	with, err := rig.Start(ctx, rig.Options{Programs: p, Sites: []rig.Site{uploads(folder)}})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, with.Close()) }()
	const name = "/uploads/fig.jpg"
	if err := awaitVariant(ctx, with, name); err != nil {
		return f, err
	}
	bare := rig.Site{Name: "uploads", Prefix: "/uploads/"}
	plain, err := rig.Start(ctx, rig.Options{Plain: true, Sites: []rig.Site{bare}})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	for _, from := range []string{with.Root("uploads") + "/uploads", folder} {
		if err := copyTree(from, plain.Root("uploads")+"/uploads"); err != nil {
			return f, err
		}
	}
	variant, err := compareHits(ctx, [2]hitter{{plain, name + ".avif", ""}, {with, name, acceptAVIF}})
	if err != nil {
		return f, err
	}
	original, err := compareHits(ctx, [2]hitter{{plain, name, ""}, {with, name, ""}})
	return figure{value: quantile(variant.rates, 0.5), detail: variant.detail(), also: []aim{
		{"of nginx's processor time alone", quantile(variant.times, 0.5), 0.98, true},
		{"of an original, to a client that accepts no variant: " + original.detail(), quantile(original.rates, 0.5), 0.98, true},
		{"of nginx's processor time alone", quantile(original.times, 0.5), 0.98, true},
	}}, err
}

// hitter asks an nginx for one file.
type hitter struct {
	rig            *rig.Rig
	target, accept string
}

// spent returns the time that nginx's workers have spent on CPUs.
func (h hitter) spent() (sum time.Duration, err error) {
	workers, err := aid.Children(h.rig.NginxPID())
	for _, pid := range workers {
		sum += clockOf(pid)()
	}
	return sum, err
}

// hitRatios are the first hitter's time for a hit over the second's, in each round.
type hitRatios struct {
	rates []float64        // of the time until the client had the answers
	times []float64        // of nginx's processor time
	mean  [2]time.Duration // nginx's processor time for a hit
}

func (h hitRatios) detail() string {
	return fmt.Sprintf("median of %d rounds, half of them from %.3f to %.3f, by processor time from %.3f to %.3f; nginx takes %.1f µs, without thumbd %.1f µs",
		len(h.rates), quantile(h.rates, 0.25), quantile(h.rates, 0.75), quantile(h.times, 0.25), quantile(h.times, 0.75),
		float64(h.mean[1].Nanoseconds())/1e3, float64(h.mean[0].Nanoseconds())/1e3)
}

// compareHits has two hitters ask in turns.
func compareHits(ctx context.Context, hitters [2]hitter) (h hitRatios, err error) {
	// The rounds are so short that other programs slow both hitters alike.
	const rounds, requests = 600, 50
	for round := range rounds + 1 {
		var took, spent [2]time.Duration
		for i := range hitters {
			i = (i + round) % 2
			before, err := hitters[i].spent()
			if err != nil {
				return h, err
			}
			if took[i], err = hitters[i].repeat(ctx, requests); err != nil {
				return h, err
			}
			after, err := hitters[i].spent()
			if err != nil {
				return h, err
			}
			spent[i] = after - before
		}
		if round == 0 {
			continue // The kernel reads the files.
		}
		h.rates = append(h.rates, float64(took[0])/float64(took[1]))
		h.times = append(h.times, float64(spent[0])/float64(spent[1]))
		for i := range h.mean {
			h.mean[i] += spent[i] / (rounds * requests)
		}
	}
	return h, nil
}

// repeat asks n times, on one connection, and returns how long that took.
func (h hitter) repeat(ctx context.Context, n int) (took time.Duration, err error) {
	c, err := dial(ctx, "tcp", h.rig.Addr)
	if err != nil {
		return 0, err
	}
	defer c.conn.Close()
	c.accept = h.accept
	for range n {
		d, err := c.get(h.target)
		if err != nil {
			return 0, err
		}
		took += d
	}
	return took, ctx.Err()
}

// awaitVariant asks for an original until its variants are there.
func awaitVariant(ctx context.Context, r *rig.Rig, target string) error {
	resp, err := r.Get(ctx, target, "Accept: "+acceptAVIF)
	if err == nil && resp.Status != http.StatusOK {
		err = fmt.Errorf("%s: status %d", target, resp.Status)
	}
	for _, format := range []string{".avif", ".webp"} {
		for err == nil {
			if _, missing := os.Stat(r.Root("uploads") + target + format); missing == nil {
				break
			}
			time.Sleep(time.Millisecond)
			err = ctx.Err()
		}
	}
	return err
}

// inPlaceFirst compares the time to the first byte of the first answer, which is the
// original, with that of a later one: while nothing else is rendered, and, as a further
// aim, while the variants of the requests before are being made.
func inPlaceFirst(ctx context.Context, p rig.Programs) (f figure, err error) {
	idle, detail, err := firstBytes(ctx, p, true)
	if err != nil {
		return f, err
	}
	busy, also, err := firstBytes(ctx, p, false)
	return figure{value: idle, detail: detail, also: []aim{{"ms while the variants of the requests before are made: " + also, busy, 5, false}}}, err
}

// firstBytes returns by how many milliseconds a miss is later than a hit, p50. In turns
// it asks for an original that has no variant yet, and for one that has. If apart, no
// worker renders meanwhile.
func firstBytes(ctx context.Context, p rig.Programs, apart bool) (later float64, detail string, err error) {
	const rounds = 100
	folder, err := manyUploads(rounds + 1)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	r, err := rig.Start(ctx, rig.Options{Programs: p, Sites: []rig.Site{uploads(folder)}})
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	const hit = "/uploads/0.jpg"
	if err := awaitVariant(ctx, r, hit); err != nil {
		return 0, "", err
	}
	c, err := dial(ctx, "tcp", r.Addr)
	if err != nil {
		return 0, "", err
	}
	defer c.conn.Close()
	c.accept = acceptAVIF
	var misses, hits []time.Duration
	for i := range rounds {
		target := fmt.Sprintf("/uploads/%d.jpg", i+1)
		for name, want := range map[string]string{target: "image/jpeg", hit: "image/avif"} {
			took, got, err := c.exchange(name)
			if err == nil && got != want {
				err = fmt.Errorf("%s: %s, want %s", name, got, want)
			}
			if err != nil {
				return 0, "", err
			}
			if name == hit {
				hits = append(hits, took)
			} else {
				misses = append(misses, took)
			}
		}
		if apart {
			if err := awaitVariant(ctx, r, target); err != nil {
				return 0, "", err
			}
		}
	}
	a, b := milliseconds(quantile(misses, 0.5)), milliseconds(quantile(hits, 0.5))
	return a - b, fmt.Sprintf("p50 of %d: %.2f ms a miss, %.2f ms a hit; p90 %.2f and %.2f", rounds, a, b,
		milliseconds(quantile(misses, 0.9)), milliseconds(quantile(hits, 0.9))), nil
}

// manyUploads returns a folder with n photographs, which are one file.
func manyUploads(n int) (folder string, err error) {
	from, err := photographs()
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(filepath.Join(from, "sunset.jpg"))
	if err != nil {
		return "", err
	}
	folder, err = os.MkdirTemp("", "thumbd-bench-")
	if err == nil {
		err = os.Chmod(folder, 0o755) // nginx is another user.
	}
	for i := 0; err == nil && i < n; i++ {
		err = os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.jpg", i)), data, 0o644)
	}
	return folder, err
}
