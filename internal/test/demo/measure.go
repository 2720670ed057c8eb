// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"thumbd/internal/route"
	"thumbd/internal/sign"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// maxOriginals keeps the page and the wait for it short.
const maxOriginals = 40

// variants are the thumbnails of each original.
var variants = []thumb.Transform{
	{Width: 480, Height: 320, Method: thumb.Crop, Format: thumb.JPEG},
	{Width: 320, Height: 240, Method: thumb.Fit, Format: thumb.WebP},
	{Height: 160, Method: thumb.Scale, Format: thumb.AVIF},
	{Width: 160, Height: 160, Method: thumb.Smart, Format: thumb.JPEG},
	{Width: 160, Height: 160, Method: thumb.Attention, Format: thumb.WebP},
	{Width: 96, Height: 96, Method: thumb.Crop, Format: thumb.PNG},
}

// gallery has the pictures of the page, and the addresses.
type gallery struct {
	folder string
	names  []string // of originals, below folder
	key    string   // that signs their URLs
	page   string   // the file to write
	out    io.Writer
}

// original is an original with its thumbnails.
type original struct {
	Name   string
	Bytes  int64
	Thumbs []measured
}

// measured is a thumbnail with its time and size.
type measured struct {
	URL       string // path, signed and escaped
	Transform thumb.Transform
	Status    int
	Reason    string // of a refusal, a word
	Bytes     int
	Miss, Hit time.Duration
}

// findOriginals returns the names of the images below folder, sorted, at most
// maxOriginals.
func findOriginals(folder string) ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case len(names) == maxOriginals:
			return fs.SkipAll
		case name != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular() && isImage(name):
			names = append(names, name)
		}
		return nil
	})
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%s has no images", folder)
	}
	return names, err
}

func isImage(name string) bool {
	return slices.Contains([]string{".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".heic", ".tif", ".tiff"},
		strings.ToLower(filepath.Ext(name)))
}

// measure asks for every thumbnail twice: nginx misses it, then has it.
func (g gallery) measure(ctx context.Context, r *rig.Rig) ([]original, error) {
	site := &thumb.Site{Route: route.Route{Prefix: "/thumbs/"}, Scheme: thumb.Signed}
	var originals []original
	for _, name := range g.names {
		info, err := os.Stat(filepath.Join(g.folder, name))
		if err != nil {
			return nil, err
		}
		o := original{Name: name, Bytes: info.Size()}
		for _, v := range variants {
			t := thumb.Thumb{Site: site, Original: name, Spec: v, Ext: v.Format.String()}
			t.Signature = sign.Sign(t, []byte(g.key))
			m := measured{URL: rig.Escape(t.URI()), Transform: v}
			if err := m.ask(ctx, r); err != nil {
				return nil, err
			}
			o.Thumbs = append(o.Thumbs, m)
		}
		originals = append(originals, o)
	}
	return originals, nil
}

func (m *measured) ask(ctx context.Context, r *rig.Rig) (err error) {
	if m.Miss, err = m.get(ctx, r); err != nil {
		return err
	}
	m.Hit, err = m.get(ctx, r)
	return err
}

func (m *measured) get(ctx context.Context, r *rig.Rig) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL(m.URL), nil)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	m.Status, m.Reason, m.Bytes = resp.StatusCode, resp.Header.Get("X-Thumbd-Reason"), len(body)
	return time.Since(start), err
}
