// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/h2non/bimg"
	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/likeness"
	"thumbd/internal/thumb"
)

// allocations are the memory that nomemory.c shares with a process.
type allocations struct{ thread, fail, count, learn int64 }

// TestEachAllocationMayFail renders with one allocation of the project's own C failing:
// the first, then the second, and so on to the last. The process goes on, leaks nothing in
// libvips, and makes the same pictures afterwards. Each output is refused as an internal
// error that names memory, because nothing is known of the original; a file that one of
// the project's decoders has no memory for may be left to libvips, which makes a picture
// of it that looks the same.
func TestEachAllocationMayFail(t *testing.T) {
	control := os.Getenv("NOMEMORY")
	if control == "" {
		runWithoutMemory(t)
		return
	}
	f, err := os.OpenFile(control, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	memory, err := unix.Mmap(int(f.Fd()), 0, int(unsafe.Sizeof(allocations{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Munmap(memory); err != nil {
			t.Error(err)
		}
	}()
	a := (*allocations)(unsafe.Pointer(&memory[0]))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	started(t)
	// The runtime ends the process if there is no memory for a C string. Such an
	// allocation is left out.
	a.thread, a.learn = int64(unix.Gettid()), 1
	optional("a")
	a.thread, a.learn = 0, 0
	for name, c := range rendersWithoutMemory(t) {
		failEach(t, a, name, c)
	}
}

// failEach makes the outputs of c once for each allocation, which fails.
func failEach(t *testing.T, a *allocations, name string, c jobWithoutMemory) {
	t.Helper()
	without := func(n int64) ([][]byte, []wire.Result) {
		a.thread, a.fail, a.count = int64(unix.Gettid()), n, 0
		defer func() { a.thread = 0 }()
		return render(t, c.data, limits(), c.outputs...)
	}
	want, results := without(0)
	all, refused := a.count, 0
	for i, r := range results {
		if r.Failure != "" {
			t.Fatalf("%s: output %d, with all memory: %s: %s", name, i, r.Failure, r.Detail)
		}
	}
	for n := range all {
		files, results := without(n + 1)
		for i, r := range results {
			switch {
			case r.Failure == wire.Internal && strings.Contains(r.Detail, "memory"):
				refused++
			case r.Failure != "":
				t.Errorf("%s: output %d, without allocation %d of %d: %s: %s; want %s, and memory as its cause", name, i, n+1, all, r.Failure, r.Detail, wire.Internal)
			case !bytes.Equal(files[i], want[i]) && !looksLike(t, files[i], want[i], c.outputs[i].Format):
				t.Errorf("%s: output %d, without allocation %d of %d: another picture", name, i, n+1, all)
			}
		}
		files, _ = without(0)
		for i := range files {
			if !bytes.Equal(files[i], want[i]) {
				t.Errorf("%s: output %d, after allocation %d of %d had failed: another picture", name, i, n+1, all)
			}
		}
	}
	if refused == 0 {
		t.Errorf("%s: none of %d allocations was needed: does the test fail any?", name, all)
	}
	t.Logf("%s: %d allocations, %d outputs refused", name, all, refused)
	// Threads of libvips end in their own time, and their buffers with them.
	for end := time.Now().Add(time.Minute); bimg.VipsMemory().Allocations != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: libvips still holds %d pieces of memory", name, bimg.VipsMemory().Allocations)
		}
	}
}

func looksLike(t *testing.T, got, want []byte, f thumb.Format) bool {
	t.Helper()
	return likeness.SSIM(likeness.Luma(decode(t, got, f)), likeness.Luma(decode(t, want, f))) > 0.97
}

type jobWithoutMemory struct {
	data    []byte
	outputs []thumb.Transform
}

// rendersWithoutMemory are jobs that reach each file of the engine's C that allocates.
func rendersWithoutMemory(t *testing.T) map[string]jobWithoutMemory {
	t.Helper()
	of := func(f thumb.Format) []byte { return originalFile(t, photograph(300, 200), f) }
	to := func(formats ...thumb.Format) (outputs []thumb.Transform) {
		for _, f := range formats {
			outputs = append(outputs, thumb.Transform{Width: 60, Height: 50, Method: thumb.Crop, Format: f, Quality: 80})
		}
		return outputs
	}
	progressive, err := bimg.NewImage(of(thumb.JPEG)).Process(bimg.Options{Type: bimg.JPEG, Quality: 90, Interlace: true})
	if err != nil {
		t.Fatal(err)
	}
	clear := photograph(400, 300).(*image.NRGBA)
	clear.SetNRGBA(7, 7, color.NRGBA{1, 2, 3, 4})
	return map[string]jobWithoutMemory{
		"planes":             {of(thumb.JPEG), to(thumb.JPEG)},
		"planes at 8/8":      {of(thumb.JPEG), []thumb.Transform{{Width: 290, Method: thumb.Fit, Format: thumb.JPEG, Quality: 80}}},
		"progressive planes": {progressive, to(thumb.JPEG)},
		"turned planes":      {withEXIF(of(thumb.JPEG), exif{orientation: 6}), to(thumb.JPEG)},
		"quality":            {of(thumb.JPEG), []thumb.Transform{{Width: 60, Method: thumb.Fit, Format: thumb.JPEG, Quality: thumb.AutoQuality}}},
		"pixels":             {of(thumb.JPEG), to(thumb.WebP, thumb.PNG)},
		"alpha":              {originalFile(t, clear, thumb.PNG), to(thumb.PNG, thumb.JPEG)},
		"palette":            {originalFile(t, quadrants(200, 150), thumb.PNG), to(thumb.PNG)},
		"WebP":               {of(thumb.WebP), to(thumb.WebP, thumb.JPEG)},
		"GIF":                {of(thumb.GIF), to(thumb.GIF)},
		"animation":          {film(t, 0), []thumb.Transform{{Width: 50, Method: thumb.Fit, Format: thumb.WebP, Quality: 80}}},
		"TIFF":               {of(thumb.TIFF), to(thumb.PNG)},
		"seeking":            {of(thumb.PNG), []thumb.Transform{{Width: 60, Height: 60, Method: thumb.Attention, Format: thumb.JPEG, Quality: 80}}},
		"description":        {of(thumb.TIFF), []thumb.Transform{infoTransform()}},
	}
}

// runWithoutMemory runs the test again, in a process whose allocations can fail.
func runWithoutMemory(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	control := filepath.Join(dir, "control")
	source, err := os.ReadFile("nomemory.c")
	if err != nil {
		t.Fatal(err)
	}
	library := aid.Preload(t, string(source))
	if err := os.WriteFile(control, make([]byte, unsafe.Sizeof(allocations{})), 0o600); err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), "NOMEMORY="+control, "LD_PRELOAD="+library)
	out, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
