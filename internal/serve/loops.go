// SPDX-License-Identifier: MIT

package serve

import (
	lru "github.com/hashicorp/golang-lru/v2"
)

const redirectsKept = 4096

// loops remembers which request was redirected to which thumbnail. The same
// request for the same thumbnail again is nginx saying that it did not find
// it, and would go on to say so until it gives up. Safe for concurrent use.
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

// add notes that request id is answered with a redirect to uri, after so many
// purges. A request without an id can't be followed.
func (l *loops) add(id, uri string, purges uint64) {
	if id != "" {
		l.redirected.Add(redirect{id, uri}, purges)
	}
}

// get reports whether request id was redirected to uri before, and after how
// many purges.
func (l *loops) get(id, uri string) (purges uint64, ok bool) {
	return l.redirected.Get(redirect{id, uri})
}
