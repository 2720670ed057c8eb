// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"sync"

	"thumbd/internal/render"
	"thumbd/internal/sign"
)

// siblings returns the thumbnails that are to be made together with a, under
// the names that the first key gives them.
func (a Request) siblings() []Request {
	var list []Request
	for _, t := range a.thumb.Siblings() {
		if a.Thumb.Scheme.HasKeys() {
			t.Signature = sign.Sign(t, a.Thumb.Keys[0])
		}
		s := Request{Site: a.Site, thumb: t, transform: t.Transform(), URI: t.URI()}
		s.Name = s.URI
		if a.Name != a.URI {
			f := a.transform.Format
			if t.Spec.Format != a.thumb.Spec.Format {
				continue
			}
			s.Name, s.transform = s.URI+"."+f.String(), t.WithFormat(f)
		}
		if a.Thumb.CheckName(s.Name) == nil {
			list = append(list, s)
		}
	}
	return list
}

// bring has a's siblings made in the background. Its caller is a user of sites.
func (k *Keeper) bring(sites *Sites, a Request) {
	list := a.siblings()
	sites.users.Add(1)
	go func() {
		defer sites.users.Done()
		k.background(context.Background(), sites, list, func(Request, Outcome, error) {})
	}()
}

// background makes the missing thumbnails of one original, in one job and after all
// thumbnails that clients wait for. It calls ended with the result of each, from any
// goroutine, and returns after the last result. If ctx is done, it returns soon. Its
// caller is a user of sites.
func (k *Keeper) background(ctx context.Context, sites *Sites, list []Request, ended func(Request, Outcome, error)) {
	company := render.NewCompany(len(list))
	var running sync.WaitGroup
	for _, a := range list {
		a.company = company
		running.Go(func() {
			out, release, err := k.accompany(ctx, sites, a)
			defer release()
			ended(a, out, err)
		})
	}
	running.Wait()
}

// accompany returns the outcome of a. a is made in its company. But if a flight makes it
// already, the company does not wait for it, and it does not count as rendered here.
func (k *Keeper) accompany(ctx context.Context, sites *Sites, a Request) (out Outcome, release func(), err error) {
	leave := sync.OnceFunc(a.company.Leave)
	began := false
	begin := func() makeFunc {
		began = true
		sites.users.Add(1)
		return func(ctx context.Context, wanted <-chan struct{}) (Outcome, error) {
			defer sites.users.Done()
			defer leave()
			a := a
			a.wanted = wanted
			return k.make(ctx, sites.renderer, a)
		}
	}
	out, release, err = k.flights.Accompany(ctx, a, begin, func() {
		if !began {
			leave()
		}
	})
	out.rendered = out.rendered && began
	return out, release, err
}
