// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"os"
	"strconv"

	"thumbd/internal/flight"
	"thumbd/internal/originals"
	"thumbd/internal/render"
	"thumbd/internal/sign"
	"thumbd/internal/tell"
	"thumbd/internal/thumb"
)

// Request is a request for a thumbnail that may be answered.
type Request struct {
	*Site
	URI  string // decoded, as nginx's $uri
	Name string // of the published file: URI and the negotiated suffix
	// Unseen is true if nginx can't look for the published file, as the suffix of its
	// negotiated format makes the name too long: thumbd sends it.
	Unseen bool
	// Inside is true if nginx finds the published file in the internal location of the
	// tree: it belongs to a URI of the scheme inplace that is no original.
	Inside    bool
	thumb     thumb.Thumb
	transform thumb.Transform
	company   *render.Company // of a sibling in the background, else nil
	wanted    <-chan struct{} // closed once a client waits for such a sibling
}

// Request returns the request for a decoded URI of the site. variant is the format
// that nginx has negotiated, or 0. Errors are from packages thumb and sign.
func (s *Site) Request(uri string, variant thumb.Format) (Request, error) {
	t, err := s.Thumb.Parse(uri)
	if err != nil {
		return Request{Site: s}, err
	}
	if err := sign.Verify(t); err != nil {
		return Request{Site: s}, err
	}
	a := Request{Site: s, thumb: t, transform: t.Transform(), URI: uri, Name: uri}
	if s.Thumb.Negotiates(uri, variant) {
		if name := uri + "." + variant.String(); s.Thumb.CheckName(name) == nil {
			a.Name, a.transform = name, t.WithFormat(variant)
		} else {
			a.Unseen = true
		}
	}
	return a, s.Thumb.CheckName(a.Name)
}

// IsVariant reports whether the thumbnail has another format than its URI says.
func (a Request) IsVariant() bool { return a.Name != a.URI }

// MediaType returns that of the thumbnail, for example image/webp.
func (a Request) MediaType() string { return a.transform.Format.MediaType() }

// Open opens the published thumbnail.
func (a Request) Open() (*os.File, error) { return a.Tree.Open(a.Name) }

// Purges returns a number that changes with every purge of the site's tree.
func (a Request) Purges() uint64 { return a.ledger.Count() }

// Moved returns the URI of today if a's URI is an old spelling, unless the original
// of that URI is known not to exist.
func (a Request) Moved() (uri string, ok bool) {
	now, ok := a.thumb.Moved()
	if !ok {
		return "", false
	}
	// An origin is asked when the client comes again.
	if exists, err := a.Originals.Exists(now.Original); err == nil && !exists {
		return "", false
	}
	return now.URI(), true
}

// published returns a's thumb with the format that is published.
func (a Request) published() thumb.Thumb {
	t := a.thumb
	t.Spec.Format = a.transform.Format
	return t
}

// flights has each thumbnail made once for any number of requests. [Sites] counts its
// flights as users, so that no site is closed before their end.
type flights = flight.Group[Request, Outcome]

// makeFunc makes a thumbnail.
type makeFunc = flight.Func[Outcome]

func newFlights() *flights {
	key := func(a Request) string { return a.Thumb.Name + a.Name }
	return flight.New(context.Background(), key, Outcome.close)
}

// Make publishes a thumbnail, once for all waiting clients, and then its siblings in the
// background. If ctx is done, the client leaves, and the work goes on for the others. The
// caller calls release after the use of the outcome.
func (k *Keeper) Make(ctx context.Context, sites *Sites, a Request) (out Outcome, release func(), err error) {
	return k.flights.Do(ctx, a, func() makeFunc {
		sites.users.Add(1)
		return func(ctx context.Context, _ <-chan struct{}) (Outcome, error) {
			defer sites.users.Done()
			out, err := k.make(ctx, sites.renderer, a)
			if out.rendered {
				k.bring(sites, a)
			}
			return out, err
		}
	})
}

// TellOtherForm logs a hint if a's original is missing and another name differs in its
// Unicode normalization alone.
func (k *Keeper) TellOtherForm(a Request, err error) {
	former, ok := a.Originals.(originals.Former)
	if !ok || err == nil || !k.options.Judge(err).NoOriginal {
		return
	}
	other := former.OtherForm(a.thumb.Original)
	if other == "" {
		return
	}
	if more, due := k.lines.Due("form "+a.Thumb.Name+" "+a.thumb.Original, tell.Pause); due {
		k.options.Log.Warn("no such original, but another name differs in its Unicode normalization alone: rename that file, or sign its name",
			"site", a.Thumb.Name, "original", strconv.QuoteToASCII(a.thumb.Original), "there", strconv.QuoteToASCII(other), "more", more)
	}
}
