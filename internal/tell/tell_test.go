// SPDX-License-Identifier: MIT

package tell

import (
	"strconv"
	"testing"
	"time"
)

func TestRememberedLinesAreBounded(t *testing.T) {
	l := NewLines()
	for i := range kept + 100 {
		l.Due(strconv.Itoa(i), time.Hour)
	}
	if n := l.told.Len(); n != kept {
		t.Errorf("%d lines are remembered, want %d", n, kept)
	}
	if _, due := l.Due(strconv.Itoa(kept+99), time.Hour); due {
		t.Error("the last one is forgotten")
	}
}
