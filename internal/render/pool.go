// SPDX-License-Identifier: MIT

package render

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"thumbd/internal/render/wire"
)

// Pause between two starts of a worker that failed: the first, and the most.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

// Pool renders in worker processes while Run runs. Its methods are safe for
// concurrent use.
type Pool struct {
	options  Options
	queue    *queue
	refusals *refusals
	// warm hands each new worker to the place that needs one. There is always
	// one more worker than places, so that a replacement is there at once.
	warm   chan *worker
	first  chan struct{} // closed once hello or failed is set
	once   sync.Once
	hello  wire.Hello
	failed error
	// starting is why the last worker did not start, or nil.
	starting atomic.Pointer[error]
	placed   atomic.Int64
	mu       sync.Mutex
	running  map[*worker]time.Time // since when each has its job
	alive    map[*worker]bool      // that guard looks at
}

// New returns a Pool that has started nothing yet.
func New(o Options) *Pool {
	if o.Report == nil {
		o.Report = func(Event) {}
	}
	if o.Finished == nil {
		o.Finished = func(Times) {}
	}
	o.Look = cmp.Or(o.Look, lookTime)
	o.Threads = cmp.Or(o.Threads, mostThreads())
	o.IdleCPU = cmp.Or(o.IdleCPU, idleCPU)
	refusals := newRefusals()
	return &Pool{
		options: o, queue: newQueue(o.Queue, refusals.strikes), refusals: refusals,
		warm: make(chan *worker), first: make(chan struct{}),
		running: make(map[*worker]time.Time), alive: make(map[*worker]bool),
	}
}

// Run keeps the workers until ctx is done. Then it refuses the waiting outputs with
// ErrShutdown, lets running jobs finish, and returns when all workers are gone.
func (p *Pool) Run(ctx context.Context) {
	var places, starter sync.WaitGroup
	starting, stop := context.WithCancel(context.WithoutCancel(ctx))
	starter.Go(func() { p.start(starting) })
	starter.Go(func() { p.guard(starting.Done()) })
	for range p.options.Workers {
		places.Go(func() { p.place(ctx) })
	}
	<-ctx.Done()
	p.queue.close()
	// The starter outlives the places: a job that crashes now still gets its
	// retry.
	places.Wait()
	stop()
	starter.Wait()
}

// Hello waits for the first worker and returns its abilities, or the error if it could
// not start.
func (p *Pool) Hello(ctx context.Context) (wire.Hello, error) {
	select {
	case <-ctx.Done():
		return wire.Hello{}, ctx.Err()
	case <-p.first:
		return p.hello, p.failed
	}
}

// State returns the present state of the pool.
func (p *Pool) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return State{Workers: int(p.placed.Load()), Running: len(p.running), Queued: p.queue.len()}
}

// StartError returns why workers do not start, or nil while they do.
func (p *Pool) StartError() error {
	if err := p.starting.Load(); err != nil {
		return *err
	}
	return nil
}

// Alive returns nil if jobs are handed out, otherwise an error that names the cause. It
// waits for the same locks as the jobs.
func (p *Pool) Alive() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue.len()
	// At its deadline a job's worker is killed. This takes the kernel a while.
	limit := p.options.RenderTime + time.Minute
	for w, since := range p.running {
		if time.Since(since) > limit {
			return fmt.Errorf("the job of worker %d runs since %s, past its deadline", w.pid(), time.Since(since).Round(time.Second))
		}
	}
	return nil
}

// start keeps one warm worker at hand until ctx is done.
func (p *Pool) start(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		w, err := startWorker(ctx, p.options)
		p.once.Do(func() {
			if err == nil {
				p.hello = w.hello
			}
			p.failed = err
			close(p.first)
		})
		p.starting.Store(&err)
		if err != nil {
			if ctx.Err() == nil {
				p.options.Report(Event{Text: "worker did not start", Err: err})
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, mostPause)
			continue
		}
		pause = firstPause
		p.mu.Lock()
		p.alive[w] = true
		p.mu.Unlock()
		p.options.Report(Event{Text: "worker started", PID: w.pid()})
		select {
		case p.warm <- w:
		case <-ctx.Done():
			w.kill()
		}
	}
}

// place has one worker after the other do jobs, until ctx is done.
func (p *Pool) place(ctx context.Context) {
	var w *worker
	for {
		if w == nil {
			select {
			case <-ctx.Done():
				return
			case w = <-p.warm:
				p.placed.Add(1)
			}
		}
		outputs, err := p.queue.next(ctx, w)
		switch {
		case err != nil:
			p.drop(w, end{})
			return
		case outputs == nil:
			why := end{"died", "died while idle"}
			if condemned := w.condemned.Load(); condemned != nil {
				why = *condemned
			}
			p.drop(w, why)
			w = nil
		default:
			original := outputs[0].Identity
			p.begin(w)
			if w = p.job(w, outputs); w != nil {
				p.rest(w)
			}
			p.queue.release(original)
		}
	}
}

// begin notes that w has a job, until rest or drop.
func (p *Pool) begin(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[w] = time.Now()
}

// rest notes that w is idle from now on. From now on, its processor time counts as work
// without a job.
func (p *Pool) rest(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, w)
	w.idleSince = time.Time{}
}

// fresh waits for another worker for the same job until deadline; nil if there is
// none.
func (p *Pool) fresh(deadline time.Time) *worker {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		select {
		case w := <-p.warm:
			p.placed.Add(1)
			p.begin(w)
			// It may have died while it was the spare.
			why := w.unfit()
			if why.detail == "" {
				return w
			}
			p.drop(w, why)
		case <-timer.C:
			return nil
		}
	}
}

// end is why a worker is not used any more: a word, and for people.
type end struct{ reason, detail string }

// drop kills w and reports why, unless there is no detail.
func (p *Pool) drop(w *worker, why end) {
	p.placed.Add(-1)
	p.rest(w)
	w.kill()
	if why.detail != "" {
		p.options.Report(Event{Text: "worker replaced", PID: w.pid(), Reason: why.reason, Detail: why.detail})
	}
}

// Render makes one output. If other outputs of the same original wait, they are made
// together. If ctx is done, the output is taken out of the queue; but if its render has
// begun, it is finished. Errors are this package's.
func (p *Pool) Render(ctx context.Context, r Request) (*Picture, error) {
	o := &output{Request: r, done: make(chan struct{}), queued: time.Now()}
	// First: if Forget comes after it, no refusal of o is remembered.
	p.refusals.begin(o)
	defer p.refusals.end(o)
	if err := p.refusals.get(r); err != nil {
		return nil, err
	}
	if err := p.queue.add(o); err != nil {
		return nil, err
	}
	timer := time.NewTimer(p.options.QueueTime)
	defer timer.Stop()
	gone, wanted := ctx.Done(), r.Wanted
	for {
		select {
		case <-o.done:
			return o.picture, o.err
		case <-gone:
			if p.queue.abandon(o) {
				return nil, ctx.Err()
			}
			gone = nil
		case <-wanted:
			p.queue.hurry(o)
			// A client that has come now waits no longer than others.
			timer.Reset(p.options.QueueTime)
			wanted = nil
		case <-timer.C:
			if p.queue.withdraw(o) {
				return nil, ErrQueueTime
			}
			// It runs; should it be queued again, it waits anew.
			timer.Reset(p.options.QueueTime)
		}
	}
}

// Forget drops the remembered refusals of the originals of a site that covers reports true
// for, for example after an administrator has purged them. A Render that begins after
// Forget has returned asks a worker, also if an earlier Render is refused in between.
func (p *Pool) Forget(site string, covers func(name string) bool) { p.refusals.forget(site, covers) }
