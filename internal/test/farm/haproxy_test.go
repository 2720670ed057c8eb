// SPDX-License-Identifier: MIT

package farm

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// TestHAProxyAsksMachines has HAProxy, with the example's file, in front of three machines.
// It leads clients to no machine that is not ready: one whose thumbd is dead, and one
// whose nginx hangs, although the kernel of that accepts connections.
func TestHAProxyAsksMachines(t *testing.T) {
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Fatalf("%v: make test installs it", err)
	}
	dir, names := pictures(t, 20)
	site := rig.Site{Name: "gallery", Prefix: "/thumbs/", Scheme: "preset", Originals: dir}
	site.TOML = "[site.gallery.preset.one]\nsize = \"30x30\"\nmethod = \"crop\"\ndpr = [2, 3]\n"
	file, err := os.ReadFile("../../../packaging/examples/haproxy/haproxy.cfg")
	aid.Must(t, err)
	journal := t.TempDir()
	conf := string(file)
	var nodes []*rig.Rig
	for i := range 3 {
		n := kit.Start(t, rig.Options{
			Node: true, Sites: []rig.Site{site}, Keys: map[string]string{"nodes.key": "the key of all nodes 0123456789"},
			TOML: fmt.Sprintf("[nodes]\njournal = %q\nkeys = [\"nodes.key\"]\nname = \"n%d\"\npoll = \"200ms\"\n", journal, i+1),
		})
		nodes = append(nodes, n)
		conf = replace(t, conf, fmt.Sprintf("10.0.0.1%d:80", i+1), n.Addr)
	}
	// The file has the line for another scheme in a comment.
	signed := filepath.Join(t.TempDir(), "haproxy.cfg")
	kit.Put(t, signed, []byte(replace(t, conf, "#     http-request ", "http-request ")))
	kit.Run(t, "haproxy", "-c", "-f", signed)
	address := kit.FreePort(t)
	conf = replace(t, conf, "*:80", address)
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	kit.Put(t, path, []byte(conf))
	kit.Background(t, exec.Command("haproxy", "-db", "-f", path))

	get := func(preset, name string) int {
		resp, err := http.Get("http://" + address + "/thumbs/" + preset + "/" + name)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	// await waits until the front answers 200 for all names.
	await := func(preset string) {
		t.Helper()
		for _, name := range names {
			for end := time.Now().Add(aid.Patience); get(preset, name) != 200; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s of %s: status %d", preset, name, get(preset, name))
				}
			}
		}
	}
	await("one")
	for _, name := range names {
		if got := get("one@2x", name); got != 200 {
			t.Errorf("%s: status %d", name, got)
		}
		var at []int
		for i, n := range nodes {
			for _, preset := range []string{"one", "one@2x"} {
				if _, err := os.Stat(n.File("gallery", "/thumbs/"+preset+"/"+name)); err == nil {
					at = append(at, i)
				}
			}
		}
		if len(at) != 2 || at[0] != at[1] {
			t.Errorf("the two thumbnails of %s are at the machines %v", name, at)
		}
	}

	kit.StopDaemon(t, nodes[0])
	aid.Must(t, nodes[0].CloseSocket())
	await("one@3x")
	aid.Must(t, nodes[1].SignalNginx(syscall.SIGSTOP))
	defer func() { aid.Must(t, nodes[1].SignalNginx(syscall.SIGCONT)) }()
	var clients sync.WaitGroup
	for _, name := range names {
		clients.Go(func() {
			if got := get("one", name); got != 200 {
				t.Errorf("with a machine that hangs, %s: status %d", name, got)
			}
		})
	}
	clients.Wait()
}

// replace replaces a text that is in conf once.
func replace(t *testing.T, conf, from, to string) string {
	t.Helper()
	if strings.Count(conf, from) != 1 {
		t.Fatalf("%s is in the file %d times", from, strings.Count(conf, from))
	}
	return strings.Replace(conf, from, to, 1)
}
