// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"fmt"
	"image"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"thumbd/internal/rig"
)

const upright = "originals/tests/orientation/1.jpg"

// warmSites are two sites on the same originals, one of the signed scheme with
// WebP negotiated and one of the preset scheme.
func warmSites(t *testing.T, originals string) []rig.Site {
	t.Helper()
	g := gallery(t, originals)
	g.TryFiles = "$uri$thumbd_webp"
	g.TOML = `negotiate = ["webp"]
[site.gallery.preset.s]
size = "20x20"
method = "crop"
dpr = [2]
[site.gallery.preset.l]
size = "30x40"
method = "pad"
`
	return []rig.Site{g, {Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals, TOML: "factors = [100, 50]\n" +
		"[site.p.preset.s]\nsize = \"20x20\"\nmethod = \"crop\"\nformats = [\"webp\"]"}}
}

// warmed returns what thumbd warm makes of an original of the gallery.
func warmed(original string, specs ...string) []string {
	var all []string
	for _, spec := range specs {
		uri := signed("/thumbs/", original, spec, "jpg")
		all = append(all, uri, uri+".webp")
	}
	return all
}

// warmCommand is thumbd warm of a site, through the running thumbd or without.
func warmCommand(t *testing.T, r *rig.Rig, running bool, args ...string) *exec.Cmd {
	t.Helper()
	p, err := programs()
	must(t, err)
	admin := r.AdminPath()
	if !running {
		admin = filepath.Join(r.Dir, "nobody.sock")
	}
	return exec.CommandContext(t.Context(), p.Thumbd, append([]string{"warm", "-c", filepath.Join(r.Dir, "thumbd.toml"), "--admin", admin}, args...)...)
}

// warm runs thumbd warm, checks its exit code and the words that it says, and
// returns all of them.
func warm(t *testing.T, cmd *exec.Cmd, code int, words ...string) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%v: exit code %d, %v, want %d:\n%s", cmd.Args[6:], got, err, code, out)
	}
	for _, w := range words {
		if !strings.Contains(string(out), w) {
			t.Errorf("%v: no %q in\n%s", cmd.Args[6:], w, out)
		}
	}
	return string(out)
}

// sizes are those of the presets of warmSites.
var sizes = map[string]image.Point{"s": {X: 20, Y: 20}, "s@2x": {X: 40, Y: 40}, "l": {X: 30, Y: 40}}

// What is made ahead of time is what pages ask for, and is served while thumbd
// is stopped.
func TestWarm(t *testing.T) {
	for name, running := range map[string]bool{"through the running thumbd": true, "where none runs": false} {
		t.Run(name, func(t *testing.T) {
			originals := folder(t, map[string]string{
				"a.jpg": upright, "d/e/b.JPG": upright, "d/100% ä.jpg": upright, ".hidden/a.jpg": upright, "d/.a.jpg": upright, "a.jpg.bak": upright,
			})
			put(t, filepath.Join(originals, "notes.txt"), []byte("no picture"))
			must(t, os.Symlink("a.jpg", filepath.Join(originals, "link.jpg")), os.Symlink("d", filepath.Join(originals, "folder")))
			r := start(t, rig.Options{Sites: warmSites(t, originals), Stopped: !running})
			names := []string{"a.jpg", "d/100% ä.jpg", "d/e/b.JPG", "link.jpg"}

			var want []string
			for _, name := range names {
				want = append(want, warmed(name, "s", "s@2x", "l")...)
			}
			slices.Sort(want)
			warm(t, warmCommand(t, r, running, "gallery"), 0, "gallery: 4 originals, made 24 thumbnails, 0 were there\n")
			if diff := cmp.Diff(want, thumbnails(t, r, "gallery")); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			warm(t, warmCommand(t, r, running, "gallery", "--preset", "s", "--preset", "l"), 0, "4 originals, made 0 thumbnails, 16 were there\n")

			want = nil
			for _, name := range names {
				want = append(want, "/p/s/100/"+name, "/p/s/50/"+name)
			}
			slices.Sort(want)
			warm(t, warmCommand(t, r, running, "p"), 0, "p: 4 originals, made 8 thumbnails, 0 were there\n")
			if diff := cmp.Diff(want, thumbnails(t, r, "p")); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}

			if running {
				stopDaemon(t, r)
			}
			for _, name := range names {
				for spec, size := range sizes {
					uri := rig.Escape(signed("/thumbs/", name, spec, "jpg"))
					picture(t, get(t, r, uri), "jpeg", size.X, size.Y)
					picture(t, get(t, r, uri, "Accept: image/webp"), "webp", size.X, size.Y)
				}
				picture(t, get(t, r, rig.Escape("/p/s/50/"+name)), "jpeg", 10, 10)
			}
			noTempFiles(t, r, "gallery")
		})
	}
}

// What is to be made can be said.
func TestWarmSelection(t *testing.T) {
	originals := folder(t, map[string]string{"a.jpg": upright, "d/b.jpg": upright, "old.jpg": upright})
	long := time.Now().Add(-48 * time.Hour)
	must(t, os.Chtimes(filepath.Join(originals, "old.jpg"), long, long))
	r := start(t, rig.Options{Sites: warmSites(t, originals)})
	list := filepath.Join(r.Dir, "list")
	must(t, os.WriteFile(list, []byte("d/b.jpg\n\n./a.jpg\n"+originals+"/old.jpg"), 0o644))
	none := []string{}
	for _, tt := range []struct {
		args []string
		in   string
		code int
		say  string
		want []string
	}{
		{[]string{"gallery", "--from", list, "--preset", "s"}, "", 0, "3 originals, made 6 thumbnails",
			slices.Concat(warmed("a.jpg", "s"), warmed("d/b.jpg", "s"), warmed("old.jpg", "s"))},
		{[]string{"gallery", "--from", list, "--preset", "s", "--since", "1d"}, "", 0, "made 4 thumbnails, 0 were there, left out 1 older originals",
			slices.Concat(warmed("a.jpg", "s"), warmed("d/b.jpg", "s"))},
		{[]string{"gallery", "--preset", "l", "--since", time.Now().Add(-time.Hour).Format(time.RFC3339)}, "", 0, "2 originals, made 4 thumbnails",
			slices.Concat(warmed("a.jpg", "l"), warmed("d/b.jpg", "l"))},
		{[]string{"gallery", "--from", "-", "--spec", "20x20_crop_q=70_blur=2", "--spec", "x30_fit"}, "a.jpg\n", 0, "made 4 thumbnails",
			warmed("a.jpg", "20x20_crop_blur=2_q=70", "x30_fit")},
		{[]string{"gallery", "--from", "-", "--preset", "s", "--format", "png", "--format", "avif"}, "a.jpg\n", 0, "made 3 thumbnails",
			[]string{signed("/thumbs/", "a.jpg", "s", "png"), signed("/thumbs/", "a.jpg", "s", "png") + ".webp", signed("/thumbs/", "a.jpg", "s", "avif")}},
		{[]string{"p", "--preset", "s/50", "--format", "webp", "--from", "-"}, "d/b.jpg\n", 0, "made 1 thumbnails", []string{"/p/s/50/d/b.jpg.webp"}},
		{[]string{"gallery", "--from", "-"}, "none.jpg\n", 1, "6 failed (6 no-original)", none},
		{[]string{"gallery", "--from", "-"}, "../a.jpg\n", 1, "1 failed (1 bad-name)", none},
		{[]string{"gallery", "--from", "-"}, "", 0, "0 originals, made 0 thumbnails", none},
		{[]string{"gallery", "--preset", "xl"}, "", 2, `the preset is unknown: "xl"`, none},
		{[]string{"gallery", "--spec", "20x20_squeeze"}, "", 2, "malformed", none},
		{[]string{"gallery", "--spec", "9999x_fit"}, "", 2, "over the site's limit", none},
		{[]string{"gallery", "--format", "bmp"}, "", 2, `none of the site's formats: "bmp"`, none},
		{[]string{"p", "--spec", "20x20_crop"}, "", 2, "has the scheme preset, which makes presets alone", none},
		{[]string{"p", "--format", "png"}, "", 2, `none of the site's formats: "png"`, none},
		{[]string{"galery"}, "", 2, `there is no such site: "galery"`, none},
		{[]string{"gallery", "--since", "yesterday"}, "", 2, `--since "yesterday": want a time such as`, none},
		{[]string{"gallery", "--from", list + "s"}, "", 2, "no such file", none},
		{[]string{"gallery", "p"}, "", 2, "accepts 1 arg", none},
	} {
		cmd := warmCommand(t, r, true, tt.args...)
		cmd.Stdin = strings.NewReader(tt.in)
		warm(t, cmd, tt.code, tt.say)
		got := append(thumbnails(t, r, "gallery"), thumbnails(t, r, "p")...)
		slices.Sort(tt.want)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v: published (-want +got):\n%s", tt.args, diff)
		}
		for site, folders := range map[string]string{"gallery": "/thumbs/*", "p": "/p/*"} {
			all, err := filepath.Glob(r.File(site, folders))
			must(t, err)
			for _, path := range all {
				must(t, os.RemoveAll(path))
			}
		}
	}
}

// What can't be made is told with why, and the rest is made.
func TestWarmFailures(t *testing.T) {
	originals := folder(t, map[string]string{"a.jpg": upright, "d/b.jpg": upright})
	whole, err := os.ReadFile(testdata(t, upright))
	must(t, err)
	put(t, filepath.Join(originals, "cut.jpg"), whole[:len(whole)/2])
	put(t, filepath.Join(originals, "d/text.png"), []byte("no picture"))
	must(t, os.Mkdir(filepath.Join(originals, "lost+found"), 0))
	r := start(t, rig.Options{Programs: publicPrograms(t), Sites: warmSites(t, originals), Nobody: true})
	words := []string{
		"gallery: 4 originals, made 12 thumbnails, 0 were there, 12 failed (6 damaged, 6 unsupported)\n",
		`"cut.jpg": damaged (6 thumbnails)`, `"d/text.png": unsupported (6 thumbnails)`,
		"12 thumbnails could not be made",
		"1 folders of originals could not be read",
	}
	warm(t, warmCommand(t, r, true, "gallery"), 1, words...)
	if n := r.Log.Count("a folder of originals is left out", "lost+found", "permission denied"); n != 1 {
		t.Errorf("%d lines of a folder that can't be read, want 1", n)
	}
	if got := len(thumbnails(t, r, "gallery")); got != 12 {
		t.Errorf("%d thumbnails, want 12", got)
	}
}

// many makes originals and returns them with what thumbd warm makes of them.
func many(t *testing.T, n int) (originals string, want []string) {
	t.Helper()
	files := make(map[string]string)
	for i := range n {
		files[fmt.Sprintf("d%d/%d.jpg", i%7, i)] = upright
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		want = append(want, warmed(name, "s", "s@2x", "l")...)
	}
	slices.Sort(want)
	return folder(t, files), want
}

// version is what a file was when it was published.
type version struct {
	Inode uint64
	Ctime syscall.Timespec
}

// kept returns what is published of the gallery.
func kept(t *testing.T, r *rig.Rig) map[string]version {
	t.Helper()
	all := make(map[string]version)
	for _, name := range thumbnails(t, r, "gallery") {
		var st unix.Stat_t
		must(t, unix.Stat(r.File("gallery", name), &st))
		all[name] = version{st.Ino, syscall.Timespec(st.Ctim)}
	}
	return all
}

// awaitThumbnails waits until so many of the gallery are there.
func awaitThumbnails(t *testing.T, r *rig.Rig, n int) {
	t.Helper()
	must(t, os.MkdirAll(r.Root("gallery"), 0o755))
	end := time.Now().Add(patience)
	for len(thumbnails(t, r, "gallery")) < n {
		if time.Now().After(end) {
			t.Fatalf("no %d thumbnails", n)
		}
		time.Sleep(time.Millisecond)
	}
}

// However thumbd warm ends, the same command goes on: nothing is made twice and
// nothing is missing.
func TestWarmGoesOn(t *testing.T) {
	originals, want := many(t, 60)
	for name, tt := range map[string]struct {
		running bool
		signal  syscall.Signal
	}{
		"killed, through the running thumbd":      {true, syscall.SIGKILL},
		"killed, where none runs":                 {false, syscall.SIGKILL},
		"interrupted, through the running thumbd": {true, syscall.SIGINT},
		"interrupted, where none runs":            {false, syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, rig.Options{Sites: warmSites(t, originals), Stopped: !tt.running})
			var before map[string]version
			for _, part := range []int{3, 2} {
				cmd := warmCommand(t, r, tt.running, "gallery")
				ended, out := background(t, cmd)
				awaitThumbnails(t, r, len(want)/part)
				must(t, cmd.Process.Signal(tt.signal))
				<-ended
				if tt.signal == syscall.SIGINT && (cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "not finished: the same command goes on")) {
					t.Errorf("exit code %d:\n%s", cmd.ProcessState.ExitCode(), out)
				}
				if tt.running {
					// What was in work is published.
					restart(t, r)
				}
				after := kept(t, r)
				wantKept(t, before, after)
				before = after
			}
			if len(before) == len(want) {
				t.Fatal("it had ended before")
			}
			out := warm(t, warmCommand(t, r, tt.running, "gallery"), 0)
			if rest := fmt.Sprintf("60 originals, made %d thumbnails, %d were there\n", len(want)-len(before), len(before)); !strings.Contains(out, rest) {
				t.Errorf("no %q in\n%s", rest, out)
			}
			wantKept(t, before, kept(t, r))
			if diff := cmp.Diff(want, thumbnails(t, r, "gallery")); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			noTempFiles(t, r, "gallery")
		})
	}
}

// wantKept checks that what was published before was not published again.
func wantKept(t *testing.T, before, after map[string]version) {
	t.Helper()
	for name, v := range before {
		if after[name] != v {
			t.Errorf("made twice, or gone: %s", name)
		}
	}
}

// restart stops thumbd, in order, and starts it again.
func restart(t *testing.T, r *rig.Rig) {
	t.Helper()
	stopDaemon(t, r)
	must(t, r.StartDaemon(t.Context()))
}

// A thumbd that ends meanwhile, in order or not, and is started again, costs
// thumbd warm nothing but time.
func TestWarmOutlivesThumbd(t *testing.T) {
	originals, want := many(t, 60)
	r := start(t, rig.Options{Sites: warmSites(t, originals)})
	cmd := warmCommand(t, r, true, "gallery")
	ended, out := background(t, cmd)
	awaitThumbnails(t, r, len(want)/4)
	r.KillDaemon()
	before := kept(t, r)
	must(t, r.StartDaemon(t.Context()))
	awaitThumbnails(t, r, len(want)/2)
	must(t, r.SignalDaemon(syscall.SIGHUP))
	awaitThumbnails(t, r, len(want)*3/4)
	restart(t, r)
	<-ended
	if cmd.ProcessState.ExitCode() != 0 || !strings.Contains(out.String(), "gallery: 60 originals") || strings.Contains(out.String(), "failed") {
		t.Errorf("exit code %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
	wantKept(t, before, kept(t, r))
	if diff := cmp.Diff(want, thumbnails(t, r, "gallery")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// Who publishes without the running thumbd must not, as that could purge what
// is then published once more.
func TestWarmGivesWayToThumbd(t *testing.T) {
	originals, want := many(t, 160)
	r := start(t, rig.Options{Sites: warmSites(t, originals), Stopped: true})
	cmd := warmCommand(t, r, false, "gallery")
	ended, out := background(t, cmd)
	awaitThumbnails(t, r, len(want)/8)
	warm(t, warmCommand(t, r, false, "gallery"), 1, "the tree is held")
	other := warmCommand(t, r, false, "p", "--from", "-")
	other.Stdin = strings.NewReader("d0/0.jpg\n")
	warm(t, other, 0, "p: 1 originals, made 2 thumbnails")
	must(t, r.StartDaemon(t.Context()))
	<-ended
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "another thumbd has been started") {
		t.Errorf("exit code %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
	warm(t, warmCommand(t, r, false, "gallery"), 1, "name its socket for administrators with --admin")
	restart(t, r)
	warm(t, warmCommand(t, r, true, "gallery"), 0)
	if diff := cmp.Diff(want, thumbnails(t, r, "gallery")); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// A daemon that finds its tree held goes on to try.
func TestDaemonWaitsForItsTree(t *testing.T) {
	r := start(t, rig.Options{Sites: warmSites(t, folder(t, map[string]string{"a.jpg": upright})), Stopped: true})
	lock := r.File("gallery", "/thumbs/.thumbd/hold.lock")
	put(t, lock, nil)
	must(t, os.Chmod(filepath.Dir(lock), 0o700))
	f, err := os.OpenFile(lock, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	must(t, r.StartDaemon(t.Context()))
	uri := target("a.jpg", "20x20_crop", "jpg")
	expect(t, get(t, r, uri), 503, "held")
	if resp := health(t, r); resp.Status != 503 || !strings.Contains(string(resp.Body), "a thumbd warm holds a tree") {
		t.Errorf("health: %d %q", resp.Status, resp.Body)
	}
	waitLog(t, r, 1, "not loaded", "the tree is held by a thumbd warm")
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_UN), r.SignalDaemon(syscall.SIGHUP))
	waitLog(t, r, 1, "msg=loaded")
	for resp := get(t, r, uri); resp.Status == 503; resp = get(t, r, uri) {
	}
	picture(t, get(t, r, uri), "jpeg", 20, 20)
}

// What is made of an original ahead of time does not wait for that of it which
// a client waits for already.
func TestWarmDoesNotWaitForWhatIsInWork(t *testing.T) {
	path := newGate(t)
	originals := folder(t, map[string]string{"a.jpg": upright})
	r := start(t, rig.Options{Sites: warmSites(t, originals), Env: faulty(t, gate, path), TOML: "[daemon]\nworkers = 2"})
	reply := ask(t.Context(), r, "/p/s/100/a.jpg")
	first := atGate(t, path)
	ended, out := background(t, warmCommand(t, r, true, "p"))
	busy := regexp.MustCompile(`(?m)^thumbd_workers{.*state="rendering".*} 2$`)
	for begun := time.Now(); !busy.Match(do(t, r, rig.Request{Target: "/metrics", Admin: true}).Body); {
		if time.Since(begun) > patience {
			t.Fatal("the others do not go to a worker")
		}
	}
	first.Close()
	expect(t, (<-reply).Response, 200, "")
	// Whoever comes to the gate now goes on too.
	for open := true; open; {
		if f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			f.Close()
		}
		select {
		case <-ended:
			open = false
		case <-time.After(time.Millisecond):
		}
	}
	if !strings.Contains(out.String(), "made 1 thumbnails, 1 were there") {
		t.Error(out)
	}
}

// root makes nothing in the tree of another user, who could not change it.
func TestWarmAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		skip(t, "root alone can be in the place of another user")
	}
	r := start(t, rig.Options{Programs: publicPrograms(t), Sites: warmSites(t, folder(t, map[string]string{"a.jpg": upright})), Nobody: true})
	stopDaemon(t, r)
	warm(t, warmCommand(t, r, false, "gallery"), 1, "belongs to nobody", "runuser -u nobody -- thumbd warm")
	if got := thumbnails(t, r, "gallery"); len(got) > 0 {
		t.Errorf("made all the same: %v", got)
	}
}

// Nobody can list the originals at a URL, but they can be named.
func TestWarmRemoteOriginals(t *testing.T) {
	_, url := startOrigin(t, "")
	toml, _ := daemonWithSpool(t)
	site := remote("away", url, "[site.away.preset.s]\nsize = \"20x20\"\nmethod = \"crop\"\ndpr = [2, 3]")
	r := start(t, rig.Options{TOML: toml, Sites: []rig.Site{site}})
	warm(t, warmCommand(t, r, true, "away"), 2, "where nobody can list them")
	cmd := warmCommand(t, r, true, "away", "--from", "-")
	cmd.Stdin = strings.NewReader("photos/dogs.jpg\nphotos/none.jpg\n")
	warm(t, cmd, 1, "made 3 thumbnails, 0 were there, 3 failed (3 no-original)")
	cmd = warmCommand(t, r, true, "away", "--since", "1d", "--from", "-")
	cmd.Stdin = strings.NewReader("photos/dogs.jpg\n")
	warm(t, cmd, 2, "not known before they are fetched")
}

// On a terminal there is a bar.
func TestWarmOnATerminal(t *testing.T) {
	needPrograms(t, "script")
	originals, _ := many(t, 20)
	r := start(t, rig.Options{Sites: warmSites(t, originals)})
	cmd := warmCommand(t, r, true, "gallery")
	script := exec.CommandContext(t.Context(), "script", "-qec", "stty cols 100; "+strings.Join(quoted(cmd.Args), " "), "/dev/null")
	out, err := script.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("█")) || !bytes.Contains(out, []byte("/20, ")) || !bytes.Contains(out, []byte("originals/s) [")) {
		t.Errorf("%v, no bar in\n%q", err, out)
	}
	if !bytes.Contains(out, []byte("gallery: 20 originals, made 120 thumbnails")) {
		t.Errorf("no summary in\n%q", out)
	}
}

func quoted(args []string) []string {
	var all []string
	for _, a := range args {
		all = append(all, strconv.Quote(a))
	}
	return all
}
