// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"sync"

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
	h.begin(sites, a.siblings())
}

// begin has thumbnails of one original made in the background. The function
// that it returns waits until they are. Its caller is a user of sites.
func (h *Handler) begin(sites *Sites, list []asked) (wait func()) {
	company := render.NewCompany(len(list))
	var running sync.WaitGroup
	for _, a := range list {
		a.company = company
		running.Add(1)
		sites.users.Add(1)
		leave := func() {
			company.Leave()
			sites.users.Done()
			running.Done()
		}
		began := h.flights.start(a, func(ctx context.Context, wanted <-chan struct{}) (outcome, error) {
			a.wanted = wanted
			defer leave()
			out, _, err := h.make(ctx, sites.renderer, a)
			return out, err
		})
		if !began {
			leave()
		}
	}
	return running.Wait
}
