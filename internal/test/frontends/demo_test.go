// SPDX-License-Identifier: MIT

package frontends

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
)

// demo builds the demo and returns a command that runs it with the built
// programs, its temp files below a folder of its own.
func demo(t *testing.T, port, originals string) (cmd *exec.Cmd, temp string) {
	t.Helper()
	p, err := kit.Programs()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../demo").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	temp = kit.Folder(t, nil)
	cmd = exec.Command(path)
	cmd.Env = append(os.Environ(), "PORT="+port, "ORIGINALS="+originals, "TMPDIR="+temp, "THUMBD_BUILD="+filepath.Dir(p.Thumbd))
	return cmd, temp
}

func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestDemo(t *testing.T) {
	const one = "originals/tests/orientation/1.jpg"
	cmd, temp := demo(t, "0", kit.Folder(t, map[string]string{
		"portrait.jpg": "originals/photos/dogs.jpg", "a folder/100% é.png": "originals/tests/made/alpha.png", "cut.jpg": "refused/cut-off.jpg",
		".hidden.jpg": one, ".folder/a.jpg": one, "notes.txt": "refused/text.jpg",
	}))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	// One that does not print is ended, and then the pipe is.
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	site := ""
	lines := bufio.NewScanner(stdout)
	for site == "" && lines.Scan() {
		site = strings.TrimSuffix(regexp.MustCompile(`http://127\.0\.0\.1:\d+/$`).FindString(strings.TrimSpace(lines.Text())), "/")
	}
	if site == "" {
		t.Fatal("it prints no address")
	}
	page := fetch(ctx, t, site+"/")
	images := regexp.MustCompile(`<img src="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(images) != 12 {
		t.Errorf("%d pictures, want 6 of each of the two originals that are whole", len(images))
	}
	for _, img := range images {
		fetch(ctx, t, site+img[1])
	}
	if n := strings.Count(page, "422 damaged"); n != 6 {
		t.Errorf("%d refusals of the original that is cut off, want 6", n)
	}
	if strings.Contains(page, "hidden") || strings.Contains(page, "notes") {
		t.Error("the page has what is hidden or no image")
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	// All of the pipe is read before Wait closes it.
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v", err)
	}
	empty(t, temp)
	if _, err := net.Dial("tcp", strings.TrimPrefix(site, "http://")); err == nil {
		t.Error("nginx still listens")
	}
}

func fetch(ctx context.Context, t *testing.T, url string) string {
	t.Helper()
	status, body, err := fetchText(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	if status != 200 {
		t.Errorf("%s: status %d", url, status)
	}
	return body
}

func TestDemoSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := strings.Cut(taken.Addr().String(), ":")
	originals := kit.Testdata(t, "originals")
	for name, tt := range map[string]struct {
		port, originals, want string
	}{
		"a port that is taken":   {port, originals, "demo: port " + port + " of 127.0.0.1 is taken: choose another one, with PORT=8081 make demo for example\n"},
		"no port":                {"http", originals, "demo: PORT: want a number up to 65535, have \"http\"\n"},
		"no folder":              {"0", "/nonexistent/x", "demo: ORIGINALS: stat /nonexistent/x: no such file or directory\n"},
		"a folder without image": {"0", kit.Testdata(t, "vectors"), "demo: " + kit.Testdata(t, "vectors") + " has no images\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, temp := demo(t, tt.port, tt.originals)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if err := cmd.Run(); err == nil {
				t.Error("it succeeds")
			}
			if got := stderr.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			empty(t, temp)
		})
	}
}
