// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/render"
	"thumbd/internal/thumb"
)

// BenchmarkSides renders for open sites alone, and for open and protected ones
// by turns, with clients that wait for one thumbnail each. It tells processor
// time of workers for each, their starts included:
//
//	go test -run - -bench Sides -benchtime 200x ./cmd/thumbd-render
func BenchmarkSides(b *testing.B) {
	for _, workers := range []int{1, 2} {
		for _, clients := range []int{1, 8} {
			for _, turns := range []bool{false, true} {
				b.Run(fmt.Sprintf("workers=%d/clients=%d/turns=%v", workers, clients, turns), func(b *testing.B) {
					benchmarkSides(b, workers, clients, turns)
				})
			}
		}
	}
}

func benchmarkSides(b *testing.B, workers, clients int, turns bool) {
	program := filepath.Join(b.TempDir(), "thumbd-render")
	if err := os.Symlink(os.Args[0], program); err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(b.TempDir(), "photo.jpg")
	if err := os.WriteFile(name, photo(b), 0o600); err != nil {
		b.Fatal(err)
	}
	p := render.New(render.Options{
		Program: program, Workers: workers, WorkerMemory: 1 << 30, StartTime: time.Minute, RenderTime: time.Minute,
		Queue: 100, QueueTime: time.Minute,
		Limits: render.Limits{OriginalPixels: 1 << 26, OriginalFrames: 1, ThumbnailWidth: 1000, ThumbnailHeight: 1000, ThumbnailBytes: 1 << 22},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	if _, err := p.Hello(ctx); err != nil {
		b.Fatal(err)
	}
	before := processorTime(b)
	b.ResetTimer()
	next := make(chan int)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := range next {
				renderSide(b, p, name, i, turns && i%2 == 1)
			}
		})
	}
	for i := range b.N {
		next <- i
	}
	close(next)
	all.Wait()
	b.StopTimer()
	cancel()
	<-done
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

func renderSide(b *testing.B, p *render.Pool, name string, i int, protected bool) {
	f, err := os.Open(name)
	if err != nil {
		b.Error(err)
		return
	}
	defer f.Close()
	picture, err := p.Render(context.Background(), render.Request{
		Original: f, Identity: render.Identity{Name: fmt.Sprint(i)}, Formats: []thumb.Format{thumb.JPEG}, Protected: protected,
		Transform: thumb.Transform{Width: 400, Height: 300, Method: thumb.Fit, Format: thumb.JPEG, Quality: 82},
	})
	if err != nil {
		b.Error(err)
		return
	}
	picture.File.Close()
}

// processorTime returns that of all processes that were waited for.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
