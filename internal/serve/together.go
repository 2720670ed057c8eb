// SPDX-License-Identifier: MIT

package serve

import (
	"context"

	"thumbd/internal/render"
	"thumbd/internal/sign"
)

// siblings returns the thumbnails that are to be made together with a, under
// the names that the first key gives them.
func (a asked) siblings() []asked {
	var list []asked
	for _, t := range a.thumb.Siblings() {
		if a.Thumb.Scheme.HasKeys() {
			t.Signature = sign.Sign(t, a.Thumb.Keys[0])
		}
		s := asked{Site: a.Site, thumb: t, transform: t.Transform(), uri: t.URI()}
		s.name = s.uri
		if a.name != a.uri {
			f := a.transform.Format
			s.name, s.transform = s.uri+"."+f.String(), t.WithFormat(f)
		}
		if a.Thumb.CheckName(s.name) == nil {
			list = append(list, s)
		}
	}
	return list
}

// bring has a's siblings made in the background, in one job as far as they are
// not there yet. Its caller is a user of sites.
func (h *Handler) bring(sites *Sites, a asked) {
	siblings := a.siblings()
	company := render.NewCompany(len(siblings))
	for _, s := range siblings {
		s.company = company
		sites.users.Add(1)
		began := h.flights.start(s.key(), func(ctx context.Context, wanted <-chan struct{}) (outcome, error) {
			s.wanted = wanted
			defer sites.users.Done()
			defer company.Leave()
			out, _, err := h.make(ctx, sites.renderer, s)
			return out, err
		})
		if !began {
			company.Leave()
			sites.users.Done()
		}
	}
}
