// SPDX-License-Identifier: MIT

package serve

import (
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	toldKept = 4096
	// tellPause is between two lines of the log about the same trouble.
	tellPause = time.Minute
)

// telling keeps trouble that every request meets from filling the log. Safe
// for concurrent use.
type telling struct {
	now func() time.Time

	mu   sync.Mutex
	told *lru.Cache[string, told]
}

// told is when something was told last, and how often it was left out since.
type told struct {
	at   time.Time
	more int
}

func newTelling() *telling {
	cache, err := lru.New[string, told](toldKept)
	if err != nil {
		panic(err) // The size is a constant above zero.
	}
	return &telling{now: time.Now, told: cache}
}

// due reports whether to log a fault, which is once a pause for each what, and how
// often it was left out before.
func (t *telling) due(what string, pause time.Duration) (more int, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	last, known := t.told.Get(what)
	if known && now.Sub(last.at) < pause {
		last.more++
		t.told.Add(what, last)
		return 0, false
	}
	t.told.Add(what, told{at: now})
	return last.more, true
}

// tellOtherForm tells, if a's original is missing, that there is one whose name
// differs in its Unicode normalisation alone.
func (h *Handler) tellOtherForm(a asked, err error) {
	folder, ok := a.Originals.(Folder)
	if !ok || err == nil || statusOf(err).reason != "no-original" {
		return
	}
	other := folder.OtherForm(a.thumb.Original)
	if other == "" {
		return
	}
	if more, due := h.telling.due("form "+a.Thumb.Name+" "+a.thumb.Original, tellPause); due {
		h.options.Log.Warn("no such original, but one whose name differs in its Unicode normalisation alone: rename it, or sign its name",
			"site", a.Thumb.Name, "original", strconv.QuoteToASCII(a.thumb.Original), "there", strconv.QuoteToASCII(other), "more", more)
	}
}
