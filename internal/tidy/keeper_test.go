// SPDX-License-Identifier: MIT

package tidy

import (
	"testing"
	"time"

	"thumbd/internal/thumb"
)

func TestKeeperRunsWhenThereIsLittleFree(t *testing.T) {
	type end struct {
		site string
		sum  Summary
		err  error
	}
	for name, tt := range map[string]struct {
		free  int64
		pause time.Duration
		runs  int // of three times
	}{
		"enough free":    {1, 0, 0},
		"no budget":      {0, 0, 0},
		"little free":    {1 << 60, 0, 3},
		"again too soon": {1 << 60, time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, thumb.Signed)
			p.original("a.jpg")
			p.Budget.Free = tt.free
			var ends []end
			k := NewKeeper([]Site{p.Site}, func(site string, sum Summary, err error) { ends = append(ends, end{site, sum, err}) })
			k.pause = tt.pause
			k.how.Now = time.Now().Add(time.Hour)
			defer k.Close()
			k.Published("gallery") // nothing is there
			for range 3 {
				p.file(signed("a.jpg", 10), time.Now())
				k.Published("gallery")
				k.Published("other")
				k.running.Wait()
			}
			for _, e := range ends {
				if e.site != "gallery" || e.err != nil || e.sum.Removed[Unused].Files != 1 {
					t.Errorf("%+v", e)
				}
			}
			if runs := len(ends); runs != tt.runs {
				t.Errorf("%d runs, want %d", runs, tt.runs)
			}
		})
	}
}

// A Keeper that is closed begins nothing.
func TestKeeperClosed(t *testing.T) {
	p := newPlace(t, thumb.Signed)
	p.original("a.jpg")
	p.file(signed("a.jpg", 10), time.Now())
	p.Budget.Free = 1 << 60
	k := NewKeeper([]Site{p.Site}, func(string, Summary, error) { t.Error("it ran") })
	k.Close()
	k.Published("gallery")
	k.Close()
	if k.Busy() {
		t.Error("it runs")
	}
}
