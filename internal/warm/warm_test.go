// SPDX-License-Identifier: MIT

package warm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/admin"
	"thumbd/internal/admin/client"
)

// script answers as thumbd does, and has trouble where it is told to.
type script struct {
	mu    sync.Mutex
	asked []string // originals, "" for none
	// answer of an original at so many times of asking, from 1 on; nil: made.
	answer func(original string, time int) (admin.Warmed, int)
	list   func(time int, w http.ResponseWriter)
	lists  int
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	original := r.FormValue("original")
	if r.URL.Path == "/originals" {
		s.lists++
		s.list(s.lists, w)
		return
	}
	s.asked = append(s.asked, original)
	answer, code := admin.Warmed{Made: 1}, http.StatusOK
	if s.answer != nil && original != "" {
		n := 0
		for _, name := range s.asked {
			if name == original {
				n++
			}
		}
		answer, code = s.answer(original, n)
	}
	if code == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}

// seen is a Progress that remembers.
type seen struct {
	total, done int
	failed      []string
	ended       bool
}

func (s *seen) Begin(total int) { s.total = total }
func (s *seen) Done()           { s.done++ }
func (s *seen) End()            { s.ended = true }
func (s *seen) Failed(original, reason string, thumbnails int) {
	s.failed = append(s.failed, fmt.Sprintf("%s %s %d", original, reason, thumbnails))
}

// options are those of a Run of a list against s.
func options(t *testing.T, s http.Handler, list ...string) (Options, *seen) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	p := &seen{}
	return Options{
		Client: client.NewClient(func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		}),
		Site: "g", List: strings.NewReader(strings.Join(list, "\n")), AtOnce: 3, Patience: time.Minute, Progress: p,
	}, p
}

func TestEachOriginalIsAskedForOnce(t *testing.T) {
	s := &script{}
	names := []string{"a", "b c+d", "100%", "d/e\\f", "x"}
	o, p := options(t, s, append(names, "", "")...)
	sum, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.asked)
	slices.Sort(names)
	if diff := cmp.Diff(append([]string{""}, names...), s.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Summary{Originals: 5, Made: 5, Failed: map[string]int{}}, sum); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if p.total != 5 || p.done != 5 || !p.ended {
		t.Errorf("progress: %+v", p)
	}
}

// What thumbd could not answer is asked again, and what was made counts once.
func TestThumbdThatEndsIsAskedAgain(t *testing.T) {
	stopped := admin.Warmed{Made: 2, There: 1, Failed: []admin.Failure{{Name: "n", Reason: admin.Shutdown}}}
	for name, first := range map[string]struct {
		answer admin.Warmed
		code   int
		want   Summary
	}{
		"killed":          {code: 0, want: Summary{Originals: 1, Made: 1, There: 3}},
		"without a place": {code: http.StatusServiceUnavailable, want: Summary{Originals: 1, Made: 1, There: 3}},
		"stopped":         {answer: stopped, code: http.StatusOK, want: Summary{Originals: 1, Made: 3, There: 1}},
	} {
		s := &script{answer: func(_ string, time int) (admin.Warmed, int) {
			if time < 3 && first.code != http.StatusOK || time < 2 {
				return first.answer, first.code
			}
			return admin.Warmed{Made: 1, There: 3}, http.StatusOK
		}}
		o, _ := options(t, s, "a")
		sum, err := Run(t.Context(), o)
		first.want.Failed = map[string]int{}
		if diff := cmp.Diff(first.want, sum); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestFailuresAreTold(t *testing.T) {
	s := &script{answer: func(original string, _ int) (admin.Warmed, int) {
		failed := []admin.Failure{{Name: "x", Reason: "damaged"}, {Name: "y", Reason: "damaged"}, {Name: "z", Reason: "deadline"}}
		if original == "b" {
			failed = []admin.Failure{{Name: "b", Reason: "no-original"}}
		}
		return admin.Warmed{There: 1, Failed: failed, Skipped: original == "b"}, http.StatusOK
	}}
	o, p := options(t, s, "a", "b")
	o.AtOnce = 1
	sum, err := Run(t.Context(), o)
	want := Summary{Originals: 2, Skipped: 1, There: 2, Failed: map[string]int{"damaged": 2, "deadline": 1, "no-original": 1}}
	if diff := cmp.Diff(want, sum); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if n, why := sum.Failures(); n != 4 || why != "2 damaged, 1 deadline, 1 no-original" {
		t.Errorf("%d failures: %s", n, why)
	}
	if diff := cmp.Diff([]string{"a damaged 2", "a deadline 1", "b no-original 1"}, p.failed); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// Where thumbd refuses, or has an error of its own, the rest is not asked for.
func TestRunEndsWithThumbdsOwnTrouble(t *testing.T) {
	for code, want := range map[int]error{http.StatusNotFound: ErrRefused, http.StatusBadRequest: ErrRefused, http.StatusInternalServerError: nil} {
		s := &script{answer: func(original string, _ int) (admin.Warmed, int) {
			if original == "b" {
				return admin.Warmed{}, code
			}
			return admin.Warmed{Made: 1}, http.StatusOK
		}}
		o, p := options(t, s, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")
		o.AtOnce = 1
		sum, err := Run(t.Context(), o)
		if err == nil || want != nil && !errors.Is(err, want) || errors.Is(err, errAway) {
			t.Errorf("%d: got %v, want %v", code, err, want)
		}
		if sum.Made != 1 || len(s.asked) > 4 || !p.ended {
			t.Errorf("%d: %+v after %q", code, sum, s.asked)
		}
	}
}

// Nothing is rendered for a disk that is full.
func TestRunEndsWhereTheDiskTakesNothing(t *testing.T) {
	s := &script{answer: func(string, int) (admin.Warmed, int) {
		return admin.Warmed{Made: 1, Full: true, Failed: []admin.Failure{{Name: "x", Reason: "unpublished"}}}, http.StatusOK
	}}
	o, p := options(t, s, "a", "b", "c", "d", "e", "f")
	o.AtOnce = 1
	sum, err := Run(t.Context(), o)
	want := Summary{Originals: 1, Made: 1, Failed: map[string]int{"unpublished": 1}}
	if diff := cmp.Diff(want, sum); diff != "" || !errors.Is(err, ErrFull) || !p.ended {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestListOfAllIsReadAgainUntilItIsWhole(t *testing.T) {
	s := &script{list: func(time int, w http.ResponseWriter) {
		_, _ = io.WriteString(w, "a%20b\nc%0Ad\n")
		if time == 1 {
			// As thumbd says that it is not whole.
			_, _ = io.WriteString(w, strings.Repeat("deleted/meanwhile\n", 1000))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "e\n")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set(http.TrailerPrefix+admin.UnreadTrailer, "2")
	}}
	o, p := options(t, s)
	o.List = nil
	sum, err := Run(t.Context(), o)
	slices.Sort(s.asked)
	if diff := cmp.Diff([]string{"", "a b", "c\nd", "e"}, s.asked); diff != "" || err != nil {
		t.Errorf("%v, asked (-want +got):\n%s", err, diff)
	}
	if sum.Unread != 2 || p.total != 3 || s.lists != 2 {
		t.Errorf("%+v, %+v, %d lists", sum, p, s.lists)
	}
}

func TestRunIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	s := &script{answer: func(original string, _ int) (admin.Warmed, int) {
		if original == "b" {
			cancel(why)
		}
		return admin.Warmed{Made: 1}, http.StatusOK
	}}
	o, p := options(t, s, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
	o.AtOnce = 1
	sum, err := Run(ctx, o)
	if !errors.Is(err, why) || sum.Originals > 4 || !p.ended {
		t.Errorf("%v, %+v, %+v", err, sum, p)
	}
}

// Whoever types the list is not waited for either.
func TestRunIsInterruptedWhileItReads(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	o, _ := options(t, &script{})
	r, w := io.Pipe()
	// Closing a pipe has no errors.
	defer func() { _ = w.Close() }()
	o.List = r
	go func() {
		_, _ = w.Write([]byte("a\n"))
		cancel(why)
	}()
	if sum, err := Run(ctx, o); !errors.Is(err, why) || sum.Originals > 0 {
		t.Errorf("%v, %+v", err, sum)
	}
}

// thumbd is not waited for for ever.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{Options: Options{Patience: time.Minute}}
		start, n := time.Now(), 0
		err := r.insist(t.Context(), func() error {
			n++
			return fmt.Errorf("%w: no", errAway)
		})
		took := time.Since(start)
		if !errors.Is(err, errAway) || took < time.Minute || took > time.Minute+time.Second || n < 100 {
			t.Errorf("%v after %v and %d times", err, took, n)
		}
	})
}

// What is told in the end is why, not what else is wrong.
func TestReasonThatDoesNotPass(t *testing.T) {
	s := &script{answer: func(string, int) (admin.Warmed, int) {
		return admin.Warmed{Failed: []admin.Failure{{Name: "x", Reason: "damaged"}, {Name: "y", Reason: admin.Shutdown}}}, http.StatusOK
	}}
	o, _ := options(t, s, "a")
	o.Patience = 0
	if _, err := Run(t.Context(), o); !errors.Is(err, errAway) || !strings.Contains(err.Error(), admin.Shutdown) {
		t.Error(err)
	}
}

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		l := NewProgress(&b, false, "g")
		l.Begin(200)
		for n := range 200 {
			time.Sleep(100 * time.Millisecond)
			if n == 30 {
				l.Failed("a\x1b\nb.jpg", "damaged", 3)
			}
			if n == 199 {
				// Nothing for long, as with a large original.
				time.Sleep(80 * time.Second)
			}
			l.Done()
		}
		l.End()
		want := `g: 20 of 200 originals, 10/s, 18s left
"a\x1b\nb.jpg": damaged (3 thumbnails)
g: 40 of 200 originals, 10/s, 16s left
g: 60 of 200 originals, 10/s, 14s left
g: 80 of 200 originals, 10/s, 12s left
g: 100 of 200 originals, 10/s, 10s left
g: 120 of 200 originals, 10/s, 8s left
g: 140 of 200 originals, 10/s, 6s left
g: 160 of 200 originals, 10/s, 4s left
g: 180 of 200 originals, 10/s, 2s left
g: 200 of 200 originals, 2.0/s, 0s left
`
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// Many originals a second make few lines, and few make one every half minute.
func TestLinesAreNeitherManyNorFew(t *testing.T) {
	for every, want := range map[time.Duration]int{time.Microsecond: 0, 10 * time.Second: 2000/3 + 1} {
		synctest.Test(t, func(t *testing.T) {
			var b strings.Builder
			l := NewProgress(&b, false, "g")
			l.Begin(2000)
			for range 2000 {
				time.Sleep(every)
				l.Done()
			}
			if n := strings.Count(b.String(), "\n"); n < want || n > want+10 {
				t.Errorf("one each %v: %d lines, want about %d", every, n, want)
			}
		})
	}
}
