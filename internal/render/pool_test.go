// SPDX-License-Identifier: MIT

package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/render/wire"
	"thumbd/internal/test/aid"
	"thumbd/internal/thumb"
)

// bench is a pool of fake workers with what a test needs around it.
type bench struct {
	*Pool
	t      *testing.T
	dir    string
	stop   context.CancelFunc
	done   chan struct{}
	mu     sync.Mutex
	events []Event
}

// short is the RenderTime of tests whose workers hang. Within it a worker can
// start, also on a busy machine.
const short = 4 * time.Second

func newBench(t *testing.T, change func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), done: make(chan struct{})}
	o := Options{
		Program: fake(t), Workers: 1, WorkerMemory: 1 << 30, StartTime: time.Minute,
		RenderTime: time.Minute, Queue: 16, QueueTime: time.Minute,
		Limits: Limits{OriginalPixels: 1000, OriginalFrames: 10, ThumbnailWidth: 100, ThumbnailHeight: 100, ThumbnailBytes: 1 << 20},
		Report: func(e Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.events = append(b.events, e)
		},
	}
	if change != nil {
		change(&o)
	}
	b.Pool = New(o)
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() {
		defer close(b.done)
		b.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-b.done })
	if _, err := b.Hello(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// hanging returns the change for an order: a worker that hangs is not waited for
// longer than need be.
func hanging(order string) func(*Options) {
	return func(o *Options) {
		if strings.HasPrefix(order, "hang") {
			o.RenderTime = short
		}
	}
}

// request is for an output of an original that tells the worker what to do.
func (b *bench) request(order string, width int) Request {
	b.t.Helper()
	path := filepath.Join(b.dir, order)
	if !exists(path) {
		if err := os.WriteFile(path, []byte(order), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { f.Close() })
	return Request{
		Original: f, Identity: Identity{Site: "s", Name: order}, Formats: []thumb.Format{thumb.JPEG},
		Transform: thumb.Transform{Width: width, Method: thumb.Scale, Format: thumb.JPEG},
	}
}

// render returns the process that made the picture and how many were made in
// the same job.
func (b *bench) render(order string, width int) (pid, company int, err error) {
	b.t.Helper()
	p, err := b.Render(context.Background(), b.request(order, width))
	if err != nil {
		return 0, 0, err
	}
	defer p.File.Close()
	text, err := io.ReadAll(io.NewSectionReader(p.File, 0, 100))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &pid, &company); err != nil {
		b.t.Fatal(err)
	}
	if want := fmt.Sprintf("%d %d %s", pid, company, order); string(text) != want {
		b.t.Errorf("a picture of %q; want %q", text, want)
	}
	if p.Width != width {
		b.t.Errorf("a picture %d wide; want %d", p.Width, width)
	}
	return pid, company, nil
}

// refuse renders what can't be.
func (b *bench) refuse(order string) {
	b.t.Helper()
	if _, _, err := b.render(order, 7); err == nil {
		b.t.Errorf("%s: a picture", order)
	}
}

// background renders and sends the error.
func (b *bench) background(ctx context.Context, r Request) <-chan error {
	done := make(chan error, 1)
	go func() {
		p, err := b.Render(ctx, r)
		if err == nil {
			p.File.Close()
		}
		done <- err
	}()
	return done
}

// block has the only worker busy until the function that it returns is called.
func (b *bench) block() (release func() error) {
	b.t.Helper()
	done := b.background(context.Background(), b.request("wait", 1))
	path := filepath.Join(b.dir, "wait")
	aid.Await(b.t, func() bool { return exists(path + ".running") })
	return func() error {
		if err := os.WriteFile(path+".go", nil, 0o600); err != nil {
			b.t.Fatal(err)
		}
		return <-done
	}
}

func (b *bench) awaitQueued(n int) {
	b.t.Helper()
	aid.Await(b.t, func() bool { return b.State().Queued == n })
}

func TestRenderMakesPictures(t *testing.T) {
	b := newBench(t, nil)
	first, _, err := b.render("plain", 7)
	if err != nil {
		t.Fatal(err)
	}
	if second, _, err := b.render("plain", 8); err != nil || second != first {
		t.Errorf("the second picture is of worker %d, %v; want %d", second, err, first)
	}
}

func TestRenderReadsTheOriginalFromItsStart(t *testing.T) {
	b := newBench(t, nil)
	if _, _, err := b.render("crash once", 7); err != nil {
		t.Errorf("a render that crashed once: %v", err)
	}
}

func TestFailures(t *testing.T) {
	b := newBench(t, nil)
	for _, tt := range []struct {
		order string
		first error
		again error // remembered; nil: tried again
	}{
		{"damaged", ErrDamaged, ErrDamaged},
		{"unsupported", ErrUnsupported, ErrUnsupported},
		{"too-many-pixels", ErrTooManyPixels, ErrTooManyPixels},
		{"thumbnail-too-large", ErrThumbnailTooLarge, ErrThumbnailTooLarge},
		{"too many bytes", ErrThumbnailBytes, ErrThumbnailBytes},
		{"internal", ErrInternal, nil},
		{"watermark", ErrWatermark, nil},
		{"crash", ErrCrashed, ErrQuarantined},
		{"another id", ErrCrashed, ErrQuarantined},
		{"wrong size", ErrCrashed, ErrQuarantined},
		{"no original", ErrCrashed, ErrQuarantined},
		{"two results", ErrCrashed, ErrQuarantined},
		{"empty", ErrCrashed, ErrQuarantined},
		{"garbage", ErrCrashed, ErrQuarantined},
		{"long", ErrCrashed, ErrQuarantined},
		{"descriptors", ErrCrashed, ErrQuarantined},
		{"stderr", ErrCrashed, ErrQuarantined},
	} {
		if _, _, err := b.render(tt.order, 7); !errors.Is(err, tt.first) {
			t.Errorf("%s: %v; want %v", tt.order, err, tt.first)
		}
		_, _, err := b.render(tt.order, 7)
		refusal, refused := errors.AsType[*Refusal](err)
		if tt.again != nil && (!errors.Is(err, tt.again) || !refused || !refusal.Remembered) {
			t.Errorf("%s again: %v; want %v, remembered", tt.order, err, tt.again)
		}
		if _, _, err := b.render("plain", 7); err != nil {
			t.Errorf("after %s: %v", tt.order, err)
		}
	}
}

func TestRefusalsOfOneThumbnailLeaveTheOthers(t *testing.T) {
	b := newBench(t, func(o *Options) { o.RenderTime = short })
	if _, _, err := b.render("hang over 13", 13); !errors.Is(err, ErrDeadline) {
		t.Errorf("%v; want %v", err, ErrDeadline)
	}
	if _, _, err := b.render("hang over 13", 12); err != nil {
		t.Errorf("another size of an original that passed its deadline: %v", err)
	}
	if _, _, err := b.render("frames over 13", 13); !errors.Is(err, ErrTooManyFrames) {
		t.Errorf("%v; want %v", err, ErrTooManyFrames)
	}
	if _, _, err := b.render("frames over 13", 12); err != nil {
		t.Errorf("another thumbnail of an animation that is over the limits: %v", err)
	}
}

func TestRefusalsEnd(t *testing.T) {
	b := newBench(t, nil)
	b.refuse("damaged")
	b.refusals.now = func() time.Time { return time.Now().Add(refusalTime) }
	_, _, err := b.render("damaged", 7)
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Remembered {
		t.Errorf("%v; want a refusal that is not remembered", err)
	}
}

// Forget drops refusals and strikes of the originals that it names, and no others.
func TestForget(t *testing.T) {
	b := newBench(t, nil)
	isRemembered := func(order string) bool {
		_, _, err := b.render(order, 7)
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok {
			t.Fatalf("%s: %v; want a refusal", order, err)
		}
		return refusal.Remembered
	}
	all := []string{"damaged", "unsupported", "crash", "thumbnail-too-large"}
	for _, tt := range []struct {
		site  string
		names []string
	}{{"s", nil}, {"s", all[:1]}, {"s", all[2:]}, {"another", all}} {
		for _, order := range all {
			b.refuse(order)
		}
		b.Forget(tt.site, func(name string) bool { return slices.Contains(tt.names, name) })
		if got, want := b.refusals.strikes(b.request("crash", 7).Identity) == 0, tt.site == "s" && slices.Contains(tt.names, "crash"); got != want {
			t.Errorf("after %v of the site %s, no strikes: %v, want %v", tt.names, tt.site, got, want)
		}
		for _, order := range all {
			if got, want := isRemembered(order), tt.site != "s" || !slices.Contains(tt.names, order); got != want {
				t.Errorf("%s after %v of the site %s is remembered: %v, want %v", order, tt.names, tt.site, got, want)
			}
		}
	}
}

// A job that began before Forget leaves no refusal behind it.
func TestForgetDuringAJob(t *testing.T) {
	b := newBench(t, nil)
	r := b.request("wait and refuse", 7)
	before := b.background(t.Context(), r)
	path := filepath.Join(b.dir, "wait and refuse")
	aid.Await(t, func() bool { return exists(path + ".running") })
	b.Forget("s", func(name string) bool { return name == "wait and refuse" })
	aid.Must(t, os.WriteFile(path+".go", nil, 0o600))
	if err := <-before; !errors.Is(err, ErrDamaged) {
		t.Errorf("%v; want %v", err, ErrDamaged)
	}
	for i, want := range []bool{false, true} {
		_, _, err := b.render("wait and refuse", 7)
		if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Remembered != want {
			t.Errorf("%v in render %d after Forget; want a refusal, remembered: %v", err, i, want)
		}
	}
	if n := len(b.refusals.waited); n > 0 {
		t.Errorf("%d outputs are kept in memory", n)
	}
}

// A Render that looks for a refusal just before Forget leaves none behind it.
func TestForgetAtTheBeginOfARender(t *testing.T) {
	b := newBench(t, nil)
	b.refuse("damaged")
	forget := sync.OnceFunc(func() { b.Forget("s", func(name string) bool { return name == "damaged" }) })
	b.refusals.now = func() time.Time {
		forget()
		return time.Now().Add(refusalTime)
	}
	for i := range 2 {
		_, _, err := b.render("damaged", 7)
		if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Remembered {
			t.Errorf("%v in render %d; want a refusal that is not remembered", err, i)
		}
	}
}

func TestWaitingOutputsOfAnOriginalAreOneJob(t *testing.T) {
	b := newBench(t, nil)
	release := b.block()
	var done []<-chan error
	for width := range 3 {
		done = append(done, b.background(context.Background(), b.request("plain", width+1)))
	}
	b.awaitQueued(3)
	company := make(chan int, 1)
	go func() {
		_, n, err := b.render("plain", 4)
		if err != nil {
			t.Error(err)
		}
		company <- n
	}()
	b.awaitQueued(4)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if n := <-company; n != 4 {
		t.Errorf("made in a job of %d; want 4", n)
	}
	for _, d := range done {
		if err := <-d; err != nil {
			t.Error(err)
		}
	}
}

// TestCompanyIsOneJob has background outputs wait for each other, though the
// only worker is idle, and not for the one that leaves.
func TestCompanyIsOneJob(t *testing.T) {
	b := newBench(t, nil)
	company := NewCompany(4)
	made := make(chan int, 3)
	for i := range 3 {
		r := b.request("plain", i+1)
		r.Background, r.Company = true, company
		go func() {
			p, err := b.Render(context.Background(), r)
			if err != nil {
				t.Error(err)
				made <- 0
				return
			}
			defer p.File.Close()
			var pid, n int
			if _, err := fmt.Fscan(io.NewSectionReader(p.File, 0, 100), &pid, &n); err != nil {
				t.Error(err)
			}
			made <- n
		}()
		b.awaitQueued(i + 1)
	}
	// A client's goes by.
	if _, n, err := b.render("wait not", 7); n != 1 || err != nil {
		t.Errorf("another original's: %d in the job, %v", n, err)
	}
	if n := b.State().Queued; n != 3 {
		t.Errorf("%d queued, want 3", n)
	}
	company.Leave()
	for range 3 {
		if n := <-made; n != 3 {
			t.Errorf("%d in the job, want 3", n)
		}
	}
}

// TestWatermarksOfAJob has each output get the image of its own watermark.
func TestWatermarksOfAJob(t *testing.T) {
	b := newBench(t, nil)
	release := b.block()
	marks := []string{"red", "", "blue", "red"}
	var pictures [4]string
	var done sync.WaitGroup
	for i, mark := range marks {
		r := b.request("plain", i+1)
		if mark != "" {
			r.Transform.Watermark = thumb.Watermark{Name: mark}
			r.Watermark = b.request(" marked "+mark, 1).Original
		}
		done.Go(func() {
			p, err := b.Render(context.Background(), r)
			if err != nil {
				t.Error(err)
				return
			}
			defer p.File.Close()
			text, _ := io.ReadAll(io.NewSectionReader(p.File, 0, 100))
			_, pictures[i], _ = strings.Cut(string(text), " ")
		})
		b.awaitQueued(i + 1)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	done.Wait()
	for i, mark := range marks {
		want := "4 plain"
		if mark != "" {
			want += " marked " + mark
		}
		if pictures[i] != want {
			t.Errorf("output %d: %q, want %q", i, pictures[i], want)
		}
	}
}

func TestOutputsOfAFailedJobAreTriedAlone(t *testing.T) {
	for order, want := range map[string]error{"crash over 13": ErrCrashed, "hang over 13": ErrDeadline} {
		b := newBench(t, hanging(order))
		release := b.block()
		good := b.background(context.Background(), b.request(order, 12))
		b.awaitQueued(1)
		bad := b.background(context.Background(), b.request(order, 13))
		b.awaitQueued(2)
		if err := release(); err != nil {
			t.Error(err)
		}
		if err := <-good; err != nil {
			t.Errorf("%s: the good one: %v", order, err)
		}
		if err := <-bad; !errors.Is(err, want) {
			t.Errorf("%s: the bad one: %v; want %v", order, err, want)
		}
	}
}

// One original over which workers hang or crash costs two of them, whatever the
// number of its outputs, and a request of somebody else comes before the second.
// Outputs that never ran are refused for the same reason.
func TestOneOriginalCostsTwoWorkers(t *testing.T) {
	for order, want := range map[string]struct{ ran, others error }{
		"hang":  {ErrDeadline, ErrDeadline},
		"crash": {ErrCrashed, ErrQuarantined},
	} {
		for _, many := range []int{1, wire.MaxOutputs + 8} {
			t.Run(fmt.Sprint(order, many), func(t *testing.T) {
				b := newBench(t, func(o *Options) {
					hanging(order)(o)
					o.Queue = 2 * many
				})
				release := b.block()
				var ends []<-chan error
				for width := 1; width <= many; width++ {
					ends = append(ends, b.background(context.Background(), b.request(order, width)))
				}
				b.awaitQueued(many)
				other := b.background(context.Background(), b.request("plain", 2))
				b.awaitQueued(many + 1)
				if err := release(); err != nil {
					t.Fatal(err)
				}
				if err := <-other; err != nil {
					t.Errorf("somebody else's: %v", err)
				}
				for _, end := range ends {
					if err := <-end; !errors.Is(err, want.ran) && !errors.Is(err, want.others) {
						t.Errorf("%v, want %v or %v", err, want.ran, want.others)
					}
				}
				for width := many + 1; width < many+4; width++ {
					if _, _, err := b.render(order, width); !errors.Is(err, want.others) {
						t.Errorf("later: %v, want %v", err, want.others)
					}
				}
				// The only place for a worker ends one before it goes on.
				if _, _, err := b.render("plain", 3); err != nil {
					t.Error(err)
				}
				if got := b.replaced(); got != mostStrikes {
					t.Errorf("%d workers ended, want %d", got, mostStrikes)
				}
			})
		}
	}
}

// TestAClientMovesItsOutputToTheForeground has a client come for the last of
// two in the background, which waits for company besides.
func TestAClientMovesItsOutputToTheForeground(t *testing.T) {
	b := newBench(t, nil)
	release := b.block()
	wanted := make(chan struct{})
	first, last := b.request("first", 1), b.request("last", 2)
	first.Background, last.Background = true, true
	last.Company, last.Wanted = NewCompany(2), wanted
	var waiting []<-chan error
	for i, r := range []Request{first, last} {
		waiting = append(waiting, b.background(context.Background(), r))
		b.awaitQueued(i + 1)
	}
	close(wanted)
	aid.Await(t, func() bool {
		job := b.queue.take(&seat{side: neither})
		b.queue.again(job)
		return len(job) > 0 && job[0].Identity == last.Identity
	})
	if err := release(); err != nil {
		t.Error(err)
	}
	for _, done := range waiting {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestQueueFull(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Queue = 1 })
	release := b.block()
	waiting := b.background(context.Background(), b.request("plain", 1))
	b.awaitQueued(1)
	if _, _, err := b.render("other", 1); !errors.Is(err, ErrQueueFull) {
		t.Errorf("one too many: %v; want %v", err, ErrQueueFull)
	}
	if err := errors.Join(release(), <-waiting); err != nil {
		t.Error(err)
	}
}

func TestQueueTime(t *testing.T) {
	b := newBench(t, func(o *Options) { o.QueueTime = 50 * time.Millisecond })
	release := b.block()
	if _, _, err := b.render("plain", 1); !errors.Is(err, ErrQueueTime) {
		t.Errorf("one that waited: %v; want %v", err, ErrQueueTime)
	}
	if err := release(); err != nil {
		t.Errorf("the one that ran meanwhile: %v", err)
	}
}

func TestNobodyWaits(t *testing.T) {
	b := newBench(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	release := b.block()
	queued := b.background(ctx, b.request("plain", 1))
	b.awaitQueued(1)
	cancel()
	if err := <-queued; !errors.Is(err, context.Canceled) {
		t.Errorf("a queued one: %v; want %v", err, context.Canceled)
	}
	b.awaitQueued(0)
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestARunningOneIsFinishedThoughNobodyWaits(t *testing.T) {
	b := newBench(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := b.background(ctx, b.request("wait", 1))
	path := filepath.Join(b.dir, "wait")
	aid.Await(t, func() bool { return exists(path + ".running") })
	cancel()
	if err := os.WriteFile(path+".go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("%v; want its picture", err)
	}
}

func TestStopFinishesWhatRuns(t *testing.T) {
	b := newBench(t, nil)
	release := b.block()
	queued := b.background(context.Background(), b.request("plain", 1))
	b.awaitQueued(1)
	b.stop()
	if err := <-queued; !errors.Is(err, ErrShutdown) {
		t.Errorf("a queued one: %v; want %v", err, ErrShutdown)
	}
	if _, _, err := b.render("late", 1); !errors.Is(err, ErrShutdown) {
		t.Errorf("a late one: %v; want %v", err, ErrShutdown)
	}
	if err := release(); err != nil {
		t.Errorf("the running one: %v", err)
	}
	<-b.done
}

func TestWorkersAreReplaced(t *testing.T) {
	b := newBench(t, func(o *Options) { o.WorkerRenders = 2 * unseen })
	var pids []int
	for i := range 4 {
		pid, _, err := b.render("plain", i+1)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if pids[0] != pids[1] || pids[1] == pids[2] || pids[2] != pids[3] {
		t.Errorf("workers %v; want another one after two outputs", pids)
	}
}

func TestAWorkerIsReplacedAfterADamagedOriginal(t *testing.T) {
	b := newBench(t, nil)
	first, _, err := b.render("plain", 1)
	if err != nil {
		t.Fatal(err)
	}
	b.refuse("damaged")
	if second, _, err := b.render("plain", 2); err != nil || second == first {
		t.Errorf("worker %d, %v; want another than %d", second, err, first)
	}
}

// A worker gives way to nginx, and a terminal's signals are not for it.
func TestAWorkersPriorityAndGroup(t *testing.T) {
	b := newBench(t, nil)
	pid, _, err := b.render("plain", 1)
	if err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}
	for _, path := range threads {
		thread, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			t.Fatal(err)
		}
		// The system call's own result is 20 less the nice value.
		if got, err := syscall.Getpriority(syscall.PRIO_PROCESS, thread); err != nil || 20-got != workerNice {
			t.Errorf("thread %d: nice %d, %v; want %d", thread, 20-got, err, workerNice)
		}
	}
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process group %d, %v; want its own, %d", group, err, pid)
	}
}

func TestADeadIdleWorkerCostsNothing(t *testing.T) {
	b := newBench(t, nil)
	pid, _, err := b.render("plain", 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	aid.Await(t, func() bool { return syscall.Kill(pid, 0) != nil })
	if again, _, err := b.render("plain", 2); err != nil || again == pid {
		t.Errorf("worker %d, %v; want another than %d", again, err, pid)
	}
	if b.reported("crashed") {
		t.Error("it counts as a crash")
	}
}

func TestADistrustedWorkerIsReplaced(t *testing.T) {
	b := newBench(t, nil)
	p, err := b.Render(context.Background(), b.request("plain", 1))
	if err != nil {
		t.Fatal(err)
	}
	p.Distrust()
	p.File.Close()
	if _, _, err := b.render("plain", 2); err != nil {
		t.Error(err)
	}
	if !b.reported("another picture") {
		t.Errorf("no word of it in %+v", b.events)
	}
}

func TestAWorkerThatSpeaksUnaskedIsReplaced(t *testing.T) {
	b := newBench(t, nil)
	first, _, err := b.render("twice", 1)
	if err != nil {
		t.Fatal(err)
	}
	if second, _, err := b.render("plain", 2); err != nil || second == first {
		t.Errorf("worker %d, %v; want another than %d", second, err, first)
	}
}

func TestLastWordsReachTheLog(t *testing.T) {
	b := newBench(t, nil)
	b.refuse("stderr")
	if !b.reported("the worker's last words") {
		t.Errorf("no last words in %+v", b.events)
	}
}

// replaced returns how many workers have been replaced.
func (b *bench) replaced() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, e := range b.events {
		if e.Text == "worker replaced" {
			n++
		}
	}
	return n
}

func (b *bench) reported(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if strings.Contains(e.Detail, text) {
			return true
		}
	}
	return false
}

func TestAMissingProgramIsAnError(t *testing.T) {
	p := New(Options{Program: filepath.Join(t.TempDir(), "none"), Workers: 1, StartTime: time.Minute})
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { p.Run(ctx) })
	defer done.Wait()
	defer stop()
	if _, err := p.Hello(ctx); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v; want %v", err, os.ErrNotExist)
	}
}

// If a start is interrupted, its error is that of a deadline: the worker has not ended, so
// nobody waits for its exit status before it is killed.
func TestAnInterruptedStart(t *testing.T) {
	ours, theirs, err := socketpair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &worker{conn: ours}
	if err := w.greet(ctx, time.Hour); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

// If a job runs on although its worker should have been killed, Alive tells.
func TestAJobPastItsDeadlineIsNotAlive(t *testing.T) {
	const renderTime = time.Second
	p := New(Options{RenderTime: renderTime})
	w := &worker{cmd: &exec.Cmd{Process: &os.Process{Pid: 1}}}
	p.begin(w)
	if err := p.Alive(); err != nil {
		t.Errorf("a job that has begun: %v", err)
	}
	for w := range p.running {
		p.running[w] = time.Now().Add(-renderTime - 2*time.Minute)
	}
	if err := p.Alive(); err == nil {
		t.Error("a job long past its deadline is alive")
	}
	p.rest(w)
	if err := p.Alive(); err != nil {
		t.Errorf("when it has ended: %v", err)
	}
}

// A worker that is gone is gone, whoever has its standard error now.
func TestWhatAWorkerLeavesHoldsNobodyUp(t *testing.T) {
	b := newBench(t, nil)
	const order = "leaves a child"
	t.Cleanup(func() {
		children, err := filepath.Glob(filepath.Join(b.dir, order+".child*"))
		if err != nil || len(children) == 0 {
			t.Errorf("no child was left: %v", err)
		}
		for _, path := range children {
			_, text, _ := strings.Cut(path, ".child")
			pid, err := strconv.Atoi(text)
			if err == nil {
				err = syscall.Kill(pid, syscall.SIGKILL)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	if _, _, err := b.render(order, 7); !errors.Is(err, ErrCrashed) {
		t.Errorf("got %v, want %v", err, ErrCrashed)
	}
	if _, _, err := b.render("plain", 7); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
