// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/config"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// probe is a thumbnail that is not there yet.
type probe struct {
	site     *config.Site
	thumb    thumb.Thumb
	patience time.Duration
	provable bool        // query and header prove the access
	query    string      // of a protected site
	header   http.Header // likewise, and what is to be negotiated
	siblings []string    // that will be published with it, below the document root
	folders  []string    // that will be made for all of them, the deepest last
}

// newProbes returns attempts with the first of the originals for which there
// is a thumbnail that is missing.
func newProbes(s *config.Site, originals []string) []*probe {
	var all []*probe
	for _, name := range originals {
		for _, t := range candidates(s, name) {
			p := &probe{site: s, thumb: t}
			if p.published() {
				continue
			}
			p.prove()
			p.foresee()
			all = append(all, p)
			break
		}
		if len(all) == maxTried {
			break
		}
	}
	return all
}

// candidates returns thumbnails of an original, the better ones first.
func candidates(s *config.Site, original string) []thumb.Thumb {
	var wanted []thumb.Wanted
	ext := thumb.JPEG.String()
	if !slices.Contains(s.Thumb.Formats, thumb.JPEG) {
		ext = s.Thumb.Formats[0].String()
	}
	switch s.Thumb.Scheme {
	case thumb.Signed:
		wanted = []thumb.Wanted{{Original: original, Size: "16x16", Method: "fit_v=doctor" + rand.Text()[:12], Ext: ext}}
	case thumb.RestThumbnails:
		for side := 16; side < 64; side++ {
			wanted = append(wanted, thumb.Wanted{Original: original, Size: fmt.Sprintf("%dx16", side), Method: "crop", Ext: ext})
		}
	case thumb.PresetScheme:
		for _, name := range presetsOf(&s.Thumb) {
			wanted = append(wanted, thumb.Wanted{Original: original, Preset: name})
		}
	}
	var all []thumb.Thumb
	for _, w := range wanted {
		t, err := s.Thumb.New(w)
		if err != nil {
			continue
		}
		if s.Thumb.Scheme.HasKeys() {
			t.Signature = sign.Sign(t, s.Thumb.Keys[0])
		}
		all = append(all, t)
	}
	return all
}

// presetsOf returns the presets' names as URIs have them: those that bring no
// others first, and of these the smallest.
func presetsOf(s *thumb.Site) []string {
	names := slices.Collect(maps.Keys(s.Presets))
	cost := func(name string) int {
		w, h := s.Presets[name].Transform.Box()
		if slices.Contains(s.Together, name) || w+h == 0 {
			return w + h + 1<<20
		}
		return w + h
	}
	slices.SortFunc(names, func(a, b string) int { return cost(a) - cost(b) })
	if len(s.Factors) > 0 {
		for i := range names {
			names[i] += fmt.Sprintf("/%d", s.Factors[0])
		}
	}
	return names
}

// name returns what is published, below the document root.
func (p *probe) name() string {
	return nameIn(p.thumb.URI(), p.negotiated())
}

func nameIn(uri string, f thumb.Format) string {
	if f != 0 {
		uri += "." + f.String()
	}
	return strings.TrimPrefix(uri, "/")
}

// negotiated returns the format that is negotiated, 0 for none: the maps of
// conf.d/thumbd.conf.
func (p *probe) negotiated() thumb.Format {
	f := p.thumb.Spec.Format
	if len(p.site.Negotiate) == 0 || f != thumb.JPEG && f != thumb.PNG && f != thumb.GIF {
		return 0
	}
	return thumb.WebP
}

func (p *probe) file() string { return path.Join(p.site.Thumb.DocumentRoot, p.name()) }

func (p *probe) published() bool {
	_, err := os.Lstat(p.file())
	return err == nil
}

// line returns the URI as it is asked for, without the proof.
func (p *probe) line() string { return (&url.URL{Path: p.thumb.URI()}).EscapedPath() }

// prove makes what proves the access for some minutes.
func (p *probe) prove() {
	p.header, p.provable = make(http.Header), true
	if p.negotiated() != 0 {
		p.header.Set("Accept", "image/webp")
	}
	if p.site.Access == nil {
		return
	}
	g := &access.Gate{Options: *p.site.Access}
	expires := time.Now().Add(10 * time.Minute)
	if g.Accepts(access.Signature) && len(g.Keys) > 0 {
		p.query = sign.Access.Sign(p.thumb.URI(), sign.Query{Expires: expires}, g.Keys[0])
		return
	}
	token, err := g.NewToken(rand.Text(), "", expires)
	if err != nil {
		p.provable = false
		return
	}
	p.header.Set("Authorization", "Bearer "+token)
}

// foresee notes what will be made that is not there.
func (p *probe) foresee() {
	names := []string{p.name()}
	for _, t := range p.thumb.Siblings() {
		name := nameIn(t.URI(), p.negotiated())
		if _, err := os.Lstat(path.Join(p.site.Thumb.DocumentRoot, name)); errors.Is(err, fs.ErrNotExist) {
			p.siblings = append(p.siblings, name)
			names = append(names, name)
		}
	}
	for _, name := range names {
		var missing []string
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			_, err := os.Lstat(path.Join(p.site.Thumb.DocumentRoot, dir))
			if errors.Is(err, fs.ErrNotExist) && !slices.Contains(p.folders, dir) {
				missing = append([]string{dir}, missing...)
			}
		}
		p.folders = append(p.folders, missing...)
	}
}

// siblingTime is how long to wait for what is made in the background.
const siblingTime = 20 * time.Second

// clean removes what was published, and the folders that were made for it. It
// is root that does so in a tree that somebody else may write to, so nothing
// leads out of that.
func (p *probe) clean(ctx context.Context) error {
	r, err := os.OpenRoot(p.site.Thumb.DocumentRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	var errs []error
	published := p.published()
	for _, name := range append([]string{p.name()}, p.siblings...) {
		if published && name != p.name() {
			await(ctx, r, name)
		}
		if err := r.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, dir := range slices.Backward(p.folders) {
		// One that is not empty has something of somebody else's now.
		_ = r.Remove(dir)
	}
	return errors.Join(errs...)
}

// await returns when name is there, or is not for siblingTime.
func await(ctx context.Context, r *os.Root, name string) {
	ctx, cancel := context.WithTimeout(ctx, siblingTime)
	defer cancel()
	tick := time.NewTicker(siblingTime / 1000)
	defer tick.Stop()
	for {
		if _, err := r.Lstat(name); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// answer is what nginx says.
type answer struct {
	status int
	header http.Header
	err    error
}

// get asks for the thumbnail, with what proves the access or without.
func (p *probe) get(ctx context.Context, r route, proof bool) answer {
	u := url.URL{Scheme: "http", Host: r.host, Path: p.thumb.URI()}
	if r.listen.TLS {
		u.Scheme = "https"
	}
	if proof {
		u.RawQuery = p.query
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{err: err}
	}
	q.Header.Set("User-Agent", "thumbd-doctor")
	if proof {
		maps.Copy(q.Header, p.header)
	}
	client := http.Client{
		Timeout:       p.patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives:  true,
			DisableCompression: true,
			// It is this machine, by whatever name its certificate is.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: r.host},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, r.listen.Network, r.address())
			},
		},
	}
	resp, err := client.Do(q)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return answer{resp.StatusCode, resp.Header, err}
}

// address returns where to connect to on this machine.
func (r route) address() string {
	if r.listen.Network == "unix" {
		return r.listen.Address
	}
	host, port, err := net.SplitHostPort(r.listen.Address)
	if err != nil {
		return r.listen.Address
	}
	switch host {
	case "":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
