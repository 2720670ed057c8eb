// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"fmt"
	"image"
	"maps"
	"os"
	"slices"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"thumbd/internal/admin"
	"thumbd/internal/geometry"
	"thumbd/internal/originals"
	"thumbd/internal/render"
	"thumbd/internal/thumb"
)

// mostSizes is of how many originals the size is remembered.
const mostSizes = 32 << 10

// sizes knows the sizes of originals, as they are seen. A worker is asked once for each
// version of an original, even if clients ask for several thumbnails of it. Safe for
// concurrent use.
type sizes struct {
	known   *lru.Cache[render.Identity, image.Point]
	flights singleflight.Group
}

func newSizes() *sizes {
	known, err := lru.New[render.Identity, image.Point](mostSizes)
	if err != nil {
		panic(err) // The number is ours.
	}
	return &sizes{known: known}
}

// of returns the size of a's original. file is the open original.
func (s *sizes) of(ctx context.Context, renderer Renderer, a Request, file *os.File, info originals.Info) (image.Point, error) {
	key := a.identity(info)
	if size, ok := s.known.Get(key); ok {
		return size, nil
	}
	// The first caller reads its own open file, so this is no flight: that would outlive
	// the file. If the first caller is canceled, the others begin anew: see [flight.Group].
	// After a purge, a caller does not wait for a worker that was asked before it.
	size, err, _ := s.flights.Do(fmt.Sprintf("%#v %d", key, a.Purges()), func() (any, error) {
		if size, ok := s.known.Get(key); ok {
			return size, nil
		}
		picture, err := renderer.Render(ctx, render.Request{
			Original: file, Identity: key, Formats: a.OriginalFormats,
			Transform: thumb.MeasureTransform(), Protected: a.Access != nil,
			Background: a.company != nil, Wanted: a.wanted,
		})
		if err != nil {
			return image.Point{}, err
		}
		size := image.Pt(picture.Width, picture.Height)
		s.known.Add(key, size)
		return size, nil
	})
	return size.(image.Point), err
}

// resolve returns a as the thumbnail of a preset. a's URI names a size, and the preset
// gives this size for the original, the open file. If no preset does, the error is
// thumb.ErrUnknownPreset.
func (k *Keeper) resolve(ctx context.Context, renderer Renderer, a Request, file *os.File, info originals.Info) (Request, error) {
	if !a.thumb.Sized() {
		return a, nil
	}
	if of, ok := a.copyOf(a.thumb.Original); ok {
		return a, fmt.Errorf("%w: WordPress names the sizes after %s", thumb.ErrUnknownPreset, of)
	}
	size, err := k.sizes.of(ctx, renderer, a, file, info)
	if err != nil {
		return a, err
	}
	t, ok := geometry.Resolve(a.published(), size)
	if !ok {
		return a, fmt.Errorf("%w: none gives %s of an original of %dx%d", thumb.ErrUnknownPreset, a.thumb.Size, size.X, size.Y)
	}
	a.thumb, a.transform = t, t.Transform()
	return a, nil
}

// missingSizes returns the sizes of an original that WordPress' rule gives for the
// selected presets, with their variants, except a size if WordPress has made its file: for
// example a-300x200.jpg for a.jpg, and in the scheme inplace a-300x200.jpg.avif too. If
// WordPress made the original itself from another one, it has no sizes.
func (k *Keeper) missingSizes(ctx context.Context, sites *Sites, s *Site, selection admin.Selection, original string) ([]Request, error) {
	if _, ok := s.copyOf(original); ok {
		return nil, nil
	}
	measured, err := k.measure(ctx, sites, s, original)
	if err != nil {
		return nil, err
	}
	names := selection.Presets
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(s.Thumb.Presets))
	}
	var list []Request
	for _, name := range names {
		p := s.Thumb.Presets[name].Transform
		size, ok := geometry.WordPress(measured, image.Pt(p.Width, p.Height), p.Method != thumb.Fit)
		if !ok {
			continue
		}
		t, err := s.Thumb.New(thumb.Wanted{Original: original, Size: fmt.Sprintf("%dx%d", size.X, size.Y)})
		if err != nil || s.exists(strings.TrimPrefix(t.URI(), s.Thumb.Prefix)) {
			continue // A name that is too long, or a file of WordPress.
		}
		list = append(list, Request{Site: s, thumb: t, transform: t.Transform(), URI: t.URI(), Name: t.URI(), Inside: s.Thumb.Scheme == thumb.InPlace})
		if s.Thumb.Scheme != thumb.InPlace {
			continue
		}
		v, err := s.Thumb.New(thumb.Wanted{Original: strings.TrimPrefix(t.URI(), s.Thumb.Prefix)})
		if err == nil {
			list = append(list, s.ask(v)...)
		}
	}
	return unique(list), nil
}

// copyOf returns the upload of which WordPress has made a file by this name: a.jpg of
// a-scaled.jpg, if there is an a.jpg. WordPress names sizes after uploads alone, and it
// gives an upload that has such a name a number: a-scaled-1.jpg.
func (s *Site) copyOf(original string) (upload string, ok bool) {
	upload, ok = thumb.SizeOf(original)
	return upload, ok && s.exists(upload)
}

// exists reports whether there is an original of that name.
func (s *Site) exists(original string) bool {
	exists, err := s.Originals.Exists(original)
	return err == nil && exists
}

// measure returns the size of an original, as it is seen, after all that clients wait
// for.
func (k *Keeper) measure(ctx context.Context, sites *Sites, s *Site, original string) (image.Point, error) {
	file, info, err := s.Originals.Open(ctx, original)
	if err != nil {
		return image.Point{}, err
	}
	defer s.gate().Close(file)
	a := Request{Site: s, thumb: thumb.Thumb{Site: s.Thumb, Original: original}, company: render.NewCompany(1)}
	for {
		size, err := k.sizes.of(ctx, sites.renderer, a, file, info)
		if !noPlace(err) || ctx.Err() != nil {
			return size, err
		}
		pause(ctx, warmPause)
	}
}

// sized returns a with the thumbnail of a WordPress size, if a is for a variant of such a
// thumbnail, for example photo-300x200.jpg.webp.
func (a Request) sized() Request {
	if t := a.reading(a.thumb); t.Sized() {
		a.thumb = t
		a.transform = a.published().Transform()
	}
	return a
}

// AsSize returns the request for the picture of a size, if a's URI of the scheme
// inplace names one and is no original.
func (a Request) AsSize() (Request, bool) {
	if a.Thumb.Scheme != thumb.InPlace {
		return Request{}, false
	}
	t := a.reading(a.thumb)
	if !t.Sized() {
		return Request{}, false
	}
	return Request{Site: a.Site, thumb: t, transform: t.Transform(), URI: a.URI, Name: a.URI, Inside: true}, true
}
