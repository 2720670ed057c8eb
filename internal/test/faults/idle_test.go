// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

func TestIdleExit(t *testing.T) {
	r := kit.Start(t, rig.Options{
		Sites:   []rig.Site{kit.Gallery(t, kit.JPGs(t))},
		TOML:    "[daemon]\nidle_exit = \"200ms\"",
		Stopped: true,
	})
	for n := range 3 {
		if err := r.StartDaemon(t.Context()); err != nil {
			t.Fatal(err)
		}
		kit.Picture(t, kit.Get(t, r, kit.Target("a.jpg", fmt.Sprintf("%dx20_crop", 20+n), "jpg")), "jpeg", 20+n, 20)
		<-r.DaemonDone()
		if got, want := told(r, r.DaemonPID()), "STOPPING=1"; got[len(got)-1] != want {
			t.Errorf("told %q, want %s at the end", got, want)
		}
		// It is gone, with success.
		kit.StopDaemon(t, r)
	}
}

// Requests of administrators start thumbd as those of nginx do, and do not hold
// up its exit.
func TestAdministratorsDoNotHoldUpTheIdleExit(t *testing.T) {
	r := kit.Start(t, rig.Options{
		Sites:   []rig.Site{kit.Gallery(t, kit.JPGs(t))},
		TOML:    "[daemon]\nidle_exit = \"200ms\"",
		Stopped: true,
	})
	end := hold(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	// As one who looks all the time.
	for r.Notified.Count("STOPPING=1") < 2 {
		resp, err := r.Do(ctx, rig.Request{Target: "/readyz", Admin: true})
		if err != nil || resp.Status != 200 || string(resp.Body) != "ready\n" {
			t.Fatalf("status %d, %v: %s", resp.Status, err, resp.Body)
		}
	}
	if starts := end(); starts < 2 {
		t.Errorf("%d starts", starts)
	}
}

// hold has thumbd started whenever somebody waits for it, until end is called
// or the test ends, and returns how often it was.
func hold(t *testing.T, r *rig.Rig) (end func() (starts int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	wait := r.Hold(ctx)
	end = sync.OnceValue(func() int {
		cancel()
		starts, err := wait()
		if err != nil {
			t.Error(err)
		}
		return starts
	})
	t.Cleanup(func() { end() })
	return end
}

// A thumbd that is asked for something again and again is not idle, and one
// whose socket nobody else holds may not go.
func TestNoIdleExit(t *testing.T) {
	const idle = "[daemon]\nidle_exit = \"60ms\""
	t.Run("while a render runs", func(t *testing.T) {
		path := aid.NewGate(t, filepath.Join(t.TempDir(), "gate"))
		r := kit.Start(t, rig.Options{
			Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: idle, Env: append(kit.Faulty(t, kit.Gate, path), "WATCHDOG_USEC=60000"),
			Stopped: true,
		})
		ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
		defer cancel()
		running := kit.Ask(ctx, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
		// Without it thumbd may have ended before nginx has connected.
		if err := errors.Join(r.AwaitClient(ctx), r.StartDaemon(ctx)); err != nil {
			t.Fatal(err)
		}
		held := aid.AtGate(t, path)
		// Five beats, at each of which it looks whether it is idle.
		kit.WaitNotified(t, r, kit.Count(r, "WATCHDOG=1")+5, "WATCHDOG=1")
		held.Close()
		kit.Picture(t, (<-running).Response, "jpeg", 20, 20)
		<-r.DaemonDone()
	})
	t.Run("while originals are watched", func(t *testing.T) {
		site := kit.Gallery(t, kit.JPGs(t))
		site.TOML = "watch = true"
		r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, TOML: idle, Env: []string{"WATCHDOG_USEC=60000"}})
		kit.WaitNotified(t, r, 10, "WATCHDOG=1")
		// It would have ended by itself.
		kit.Picture(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg")), "jpeg", 20, 20)
		if n := r.Notified.Count("STOPPING=1"); n > 0 {
			t.Error("it has stopped")
		}
	})
	t.Run("without somebody who holds the socket", func(t *testing.T) {
		r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: idle, Stopped: true})
		p, err := kit.Programs()
		if err != nil {
			t.Fatal(err)
		}
		socket := filepath.Join(r.Dir, "notify.sock")
		cmd := exec.CommandContext(t.Context(), p.Thumbd, "serve", "-c", kit.ConfigFile(r), "--listen", filepath.Join(r.Dir, "own.sock"))
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=60000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
		defer cancel()
		if err := r.Notified.Wait(ctx, 10, fmt.Sprintf("pid=%d WATCHDOG=1", cmd.Process.Pid)); err != nil {
			t.Error(err)
		}
		if n := r.Notified.Count("STOPPING=1"); n > 0 {
			t.Error("it has stopped")
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// No request is lost that comes while thumbd makes up its mind to go: it is
// answered by the one that goes, or by the next.
func TestIdleExitRaces(t *testing.T) {
	const rigs = 4
	for i := range rigs {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			o := rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}}
			raceIdleExit(t, o, kit.Times(240, 20_000)/rigs, func(r *rig.Rig, n int) {
				text, w, h := kit.Spec(n)
				resp := kit.Get(t, r, kit.Target("a.jpg", text, "jpg"))
				kit.Picture(t, resp, "jpeg", w, h)
			})
		})
	}
	t.Run("hits of a protected site", func(t *testing.T) {
		t.Parallel()
		hit := kit.Signed("/thumbs/", "photos/dogs.jpg", "60x60_crop", "jpg")
		target := rig.Escape(hit) + kit.Proof(kit.AccessKey, "access", hit, kit.Expires(time.Hour))
		raceIdleExit(t, kit.Protected(t, rig.Options{}), kit.Times(60, 5_000), func(r *rig.Rig, n int) {
			if n == 0 {
				kit.Put(t, r.File("gallery", hit), []byte("a hit"))
			}
			if resp := kit.Get(t, r, target); resp.Status != 200 {
				t.Errorf("request %d: %d", n, resp.Status)
			}
		})
	})
}

// raceIdleExit calls ask races times, each time about when the daemon exits.
func raceIdleExit(t *testing.T, o rig.Options, races int, ask func(r *rig.Rig, n int)) {
	t.Helper()
	const idle = 30 * time.Millisecond
	o.TOML = fmt.Sprintf("[daemon]\nworkers = 1\nidle_exit = %q", idle)
	o.Env, o.Stopped = kit.Faulty(t, kit.Sound, ""), true
	r := kit.Start(t, o)
	moments := kit.Random(t)
	end := hold(t, r)
	// It looks every 10 ms, and then needs a few to go, or many on a busy machine: each
	// request comes a bit earlier if the daemon was gone, and later if it was there.
	pause, exits := idle+10*time.Millisecond, 0
	for n := range races {
		ask(r, n)
		if now := r.Notified.Count("STOPPING=1"); now > exits {
			pause, exits = pause-2*time.Millisecond, now
		} else {
			pause += 2 * time.Millisecond
		}
		<-time.After(pause - 10*time.Millisecond + time.Duration(moments.Int64N(int64(20*time.Millisecond))))
	}
	starts := end()
	// Otherwise there was nothing to race with. How often it had gone is a
	// matter of the machine.
	if starts < 2 || starts >= races {
		t.Errorf("%d starts for %d requests: no race", starts, races)
	}
	t.Logf("%d starts for %d requests", starts, races)
	kit.NoTempFiles(t, r, "gallery")
}
