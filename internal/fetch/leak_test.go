// SPDX-License-Identifier: MIT

package fetch

import (
	"context"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"thumbd/internal/test/aid"
)

// Whoever goes away, and whenever: no descriptor, goroutine or file is left,
// and nothing is counted as coming.
func TestNothingLeaks(t *testing.T) {
	// Which would close files that nobody has closed.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	t.Run("canceled", cancelMany)
	// Of the server too, which is gone.
	aid.Await(t, func() bool { return runtime.NumGoroutine() <= goroutines && descriptors(t) <= files })
}

func cancelMany(t *testing.T) {
	o := startOrigin(t, serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/late") {
			<-r.Context().Done()
			return
		}
		_, _ = w.Write(jpeg(1 << 16))
		_ = http.NewResponseController(w).Flush()
		if strings.HasPrefix(r.URL.Path, "/half") {
			<-r.Context().Done()
		}
	})), func(o *Options) { o.HeaderTime, o.TotalTime = time.Hour, time.Hour })
	o.window = time.Hour
	var waiting sync.WaitGroup
	for i := range 200 {
		waiting.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*time.Millisecond)
			defer cancel()
			name := []string{"late", "half", "good"}[i%3] + strconv.Itoa(i%10) + ".jpg"
			if f, _, err := o.Open(ctx, name); err == nil {
				f.Close()
			}
		})
	}
	waiting.Wait()
	o.flights.Wait()
	for _, name := range files(t, o.spool) {
		if key, _, isContent := strings.Cut(name, "."); isContent {
			if _, err := o.spool.record(key); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	flights, _ := o.flights.Callers()
	if o.spool.coming != 0 || len(o.turns) != 0 || o.waiting.Load() != 0 || flights != 0 {
		t.Errorf("%d bytes are coming, %d have a turn, %d wait for one, %d are fetched",
			o.spool.coming, len(o.turns), o.waiting.Load(), flights)
	}
}

// descriptors returns how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}
