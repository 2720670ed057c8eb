// SPDX-License-Identifier: MIT

package serve

import (
	lru "github.com/hashicorp/golang-lru/v2"
)

const redirectsKept = 4096

// loops remembers the requests that were redirected to a thumbnail. If the same
// request asks for the same thumbnail again, nginx did not find the file, and would ask
// again until it gives up. Safe for concurrent use.
type loops struct {
	redirected *lru.Cache[redirect, uint64]
}

type redirect struct{ id, uri string }

func newLoops() *loops {
	cache, err := lru.New[redirect, uint64](redirectsKept)
	if err != nil {
		panic(err) // The size is a constant above zero.
	}
	return &loops{redirected: cache}
}

// add notes that request id is answered with a redirect to uri. purges is the number of
// purges so far. If the request has no id, it can't be followed.
func (l *loops) add(id, uri string, purges uint64) {
	if id != "" {
		l.redirected.Add(redirect{id, uri}, purges)
	}
}

// get reports whether request id was redirected to uri before, and the number of purges
// at that time.
func (l *loops) get(id, uri string) (purges uint64, ok bool) {
	return l.redirected.Get(redirect{id, uri})
}
