// SPDX-License-Identifier: MIT

// Package farm tests several machines, each with thumbd behind a real nginx, and the
// nginx in front of them, with the shipped files. It is one package, because all its tests
// need the machines and the front that it builds.
package farm

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
	"thumbd/nginx"
)

func TestMain(m *testing.M) { kit.Main(m) }

// farm is a front and the machines behind it.
type farm struct {
	front *rig.Rig
	nodes []*rig.Rig
}

// startFarm starts n machines that have the options, and a front with a location for
// the site.
func startFarm(t *testing.T, n int, o rig.Options) *farm {
	t.Helper()
	return startFarmWith(t, n, o, "include snippets/thumbd-front.conf;")
}

// startFarmWith is as above, with these lines in the front's location.
func startFarmWith(t *testing.T, n int, o rig.Options, lines string) *farm {
	t.Helper()
	f := &farm{nodes: make([]*rig.Rig, n)}
	o.Node = true
	for i := range f.nodes {
		f.nodes[i] = kit.Start(t, o)
	}
	f.front = kit.Start(t, rig.Front(f.nodes, o.Sites[0], lines))
	return f
}

// rendered returns how many thumbnails each machine has rendered. The machines are
// stopped for it.
func (f *farm) rendered(t *testing.T) []int {
	t.Helper()
	counts := make([]int, len(f.nodes))
	for i, n := range f.nodes {
		kit.StopDaemon(t, n)
		counts[i] = strings.Count(n.Log.String(), "msg=rendered")
	}
	return counts
}

// pictures makes n originals of one small picture, and returns their folder and
// their names.
func pictures(t *testing.T, n int) (dir string, names []string) {
	t.Helper()
	files := make(map[string]string)
	for i := range n {
		files[fmt.Sprintf("%d.jpg", i)] = "originals/tests/orientation/1.jpg"
	}
	return kit.Folder(t, files), slices.Sorted(maps.Keys(files))
}

// 200 clients ask the front for one thumbnail: it is rendered once in the farm. All
// thumbnails of an original are of one machine, and every machine has some.
func TestFarmRendersOnce(t *testing.T) {
	dir, names := pictures(t, 40)
	f := startFarm(t, 3, rig.Options{Sites: []rig.Site{kit.Gallery(t, dir)}})
	var clients sync.WaitGroup
	for range 200 {
		clients.Go(func() {
			if got := kit.Get(t, f.front, kit.Target("0.jpg", "30x30_crop", "jpg")); got.Status != 200 {
				t.Errorf("status %d", got.Status)
			}
		})
	}
	clients.Wait()
	for _, name := range names {
		for _, spec := range []string{"40x40_crop", "50x50_fit"} {
			kit.Expect(t, kit.Get(t, f.front, kit.Target(name, spec, "jpg")), 200, "")
		}
	}
	sum := 0
	for i, n := range f.rendered(t) {
		if sum += n; n == 0 {
			t.Errorf("machine %d has rendered nothing", i)
		}
	}
	if sum != 2*len(names)+1 {
		t.Errorf("%d thumbnails were rendered, want %d", sum, 2*len(names)+1)
	}
	for _, name := range names {
		var at []int
		for i, n := range f.nodes {
			if _, err := os.Stat(filepath.Join(n.Root("gallery"), "thumbs", name)); err == nil {
				at = append(at, i)
			}
		}
		if len(at) != 1 {
			t.Errorf("the thumbnails of %s are at the machines %v", name, at)
		}
	}
}

// A machine fails while clients ask for hits and misses: no request fails.
func TestFarmWithoutAMachine(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop func(t *testing.T, n *rig.Rig)
	}{
		{"thumbd is killed", func(t *testing.T, n *rig.Rig) {
			n.KillDaemon()
			aid.Must(t, n.CloseSocket())
		}},
		{"nginx is killed", func(t *testing.T, n *rig.Rig) { aid.Must(t, n.StopNginx()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, names := pictures(t, 20)
			g := kit.Gallery(t, dir)
			f := startFarm(t, 3, rig.Options{Sites: []rig.Site{g}})
			load := kit.StartLoad(t, 4, func(ctx context.Context, n int) error {
				return kit.MissAndHit(ctx, f.front, names[n%len(names)], n)
			})
			load.Await(60)
			tt.stop(t, f.nodes[1])
			load.Await(120)
			load.End()
		})
	}
}

// leader returns a function that has the front lead clients to all machines but one, or to
// all (-1), as thumbd-nodes(7) says.
func (f *farm) leader(t *testing.T) func(without int) {
	t.Helper()
	path := filepath.Join(f.front.Dir, "nginx.conf")
	text, err := os.ReadFile(path)
	aid.Must(t, err)
	pid := f.front.NginxPID()
	workers := func() []string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
		aid.Must(t, err)
		return strings.Fields(string(b))
	}
	return func(without int) {
		t.Helper()
		mark, conf := fmt.Sprintf("/without/%d", without), string(text)
		if without >= 0 {
			conf = strings.Replace(conf, fmt.Sprintf("server %s max_fails=2 fail_timeout=5s;", f.nodes[without].Addr), "", 1)
		}
		conf = strings.Replace(conf, "location ^~ /thumbs/", "location = "+mark+" { return 204; } location ^~ /thumbs/", 1)
		// The signal would end an nginx that has not read its configuration yet.
		kit.Expect(t, kit.Get(t, f.front, mark), 404, "")
		kit.Put(t, path, []byte(conf))
		old := workers()
		aid.Must(t, syscall.Kill(pid, syscall.SIGHUP))
		// A worker of before may accept for a moment beside the new ones.
		ended := func() bool {
			return !slices.ContainsFunc(workers(), func(pid string) bool { return slices.Contains(old, pid) })
		}
		for end := time.Now().Add(aid.Patience); kit.Get(t, f.front, mark).Status != 204 || !ended(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the front has not reloaded")
			}
		}
	}
}

// A machine is added and another one removed while clients ask for hits and misses, as
// thumbd-nodes(7) says: no request fails.
func TestFarmGrowsAndShrinks(t *testing.T) {
	dir, names := pictures(t, 20)
	f := startFarm(t, 3, rig.Options{Sites: []rig.Site{kit.Gallery(t, dir)}})
	lead := f.leader(t)
	lead(2)
	load := kit.StartLoad(t, 4, func(ctx context.Context, n int) error {
		return kit.MissAndHit(ctx, f.front, names[n%len(names)], n)
	})
	load.Await(60)
	lead(0) // with machine 2
	load.Await(60)
	aid.Must(t, f.nodes[0].StopNginx())
	kit.StopDaemon(t, f.nodes[0])
	load.Await(120)
	load.End()
	for i, n := range f.rendered(t) {
		if n == 0 {
			t.Errorf("machine %d has rendered nothing", i)
		}
	}
}

// A machine that is added renders its share of the originals anew, and when a machine is
// removed, the others render its share anew. Nothing else is rendered twice.
func TestFarmRendersTheShareAnew(t *testing.T) {
	dir, names := pictures(t, 40)
	f := startFarm(t, 3, rig.Options{Sites: []rig.Site{kit.Gallery(t, dir)}})
	lead := f.leader(t)
	all := func() {
		for _, name := range names {
			kit.Expect(t, kit.Get(t, f.front, kit.Target(name, "30x30_crop", "jpg")), 200, "")
		}
	}
	has := func(i int, name string) bool {
		_, err := os.Stat(filepath.Join(f.nodes[i].Root("gallery"), "thumbs", name))
		return err == nil
	}
	lead(2)
	all()
	lead(-1)
	all()
	// The share of machine 0 that did not move to machine 2 moves when 0 goes.
	share, moves := 0, 0
	for _, name := range names {
		switch {
		case has(2, name):
			share++
		case has(0, name):
			moves++
		}
	}
	if share == 0 || share == len(names) {
		t.Errorf("the new machine has rendered %d of %d thumbnails", share, len(names))
	}
	lead(0)
	all()
	all()
	sum := 0
	for _, n := range f.rendered(t) {
		sum += n
	}
	if want := len(names) + share + moves; sum != want {
		t.Errorf("%d thumbnails were rendered, want %d, %d of the new machine's share and %d of the removed one's", sum, want, share, moves)
	}
}

// A protected thumbnail, published or not, is answered by another machine if the
// thumbd of its own is dead. A bad proof stays a bad proof.
func TestFarmProtectedWithoutAMachine(t *testing.T) {
	f := startFarm(t, 2, kit.Protected(t, rig.Options{}))
	const original = "tests/orientation/1.jpg"
	uri := kit.Target(original, "30x30_crop", "jpg")
	good := uri + kit.Proof(kit.AccessKey, "access", uri, kit.Expires(time.Hour))
	bad := uri + kit.Proof(kit.AccessKey, "access", kit.Target(original, "31x31_crop", "jpg"), kit.Expires(time.Hour))
	kit.Expect(t, kit.Get(t, f.front, good), 200, "")
	for _, n := range f.nodes {
		kit.StopDaemon(t, n)
		aid.Must(t, n.CloseSocket())
		kit.Expect(t, kit.Get(t, n, good), 429, "dead")
		kit.Expect(t, kit.Get(t, n, uri), 429, "dead")
		if n == f.nodes[0] {
			for range 4 {
				kit.Expect(t, kit.Get(t, f.front, good), 200, "")
				kit.Expect(t, kit.Get(t, f.front, bad), 403, "signature")
				kit.Expect(t, kit.Get(t, f.front, uri), 401, "no-proof")
			}
		}
	}
	if got := kit.Get(t, f.front, good); got.Status < 400 {
		t.Errorf("without any thumbd the status is %d", got.Status)
	}
}

// A server's own page for 500 comes before the node's: the protected location repeats the
// line, as thumbd-node.conf says.
func TestNodeWithAPageOfItsOwn(t *testing.T) {
	o := kit.Protected(t, rig.Options{Node: true, Server: "error_page 500 502 503 504 /50x.html;"})
	o.Sites[0].Location += "error_page 500 = @thumbd_unguarded;"
	r := kit.Start(t, o)
	kit.StopDaemon(t, r)
	aid.Must(t, r.CloseSocket())
	kit.Expect(t, kit.Get(t, r, kit.Target("tests/orientation/1.jpg", "30x30_crop", "jpg")), 429, "dead")
}

// With proxy_intercept_errors, nginx replaces an application's page for 500, unless the
// application's location is as thumbd-node.conf says.
func TestNodeWithAnApplication(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the application's page", http.StatusInternalServerError)
	}))
	defer app.Close()
	location := func(name, line string) string {
		return fmt.Sprintf("location = /%s { %s proxy_pass %s; }\n", name, line, app.URL)
	}
	r := kit.Start(t, rig.Options{
		Node: true, Sites: []rig.Site{kit.Gallery(t, kit.Folder(t, nil))},
		Server: location("plain", "") + location("replaced", "proxy_intercept_errors on;") +
			location("own", "proxy_intercept_errors on; error_page 404 /404.html;"),
	})
	for name, own := range map[string]bool{"plain": true, "replaced": false, "own": true} {
		got := kit.Get(t, r, "/"+name)
		if kit.Expect(t, got, 500, ""); strings.Contains(string(got.Body), "the application's page") != own {
			t.Errorf("%s: %q", name, got.Body)
		}
	}
}

// A balancer asks nginx on a machine if clients may be led there.
func TestNodeIsReady(t *testing.T) {
	journal := t.TempDir()
	r := kit.Start(t, rig.Options{
		Node: true, Sites: []rig.Site{kit.Gallery(t, kit.Folder(t, nil))}, Keys: map[string]string{"nodes.key": "the key of all nodes 0123456789"},
		TOML: fmt.Sprintf("[nodes]\njournal = %q\nkeys = [\"nodes.key\"]\nname = \"n1\"\npoll = \"200ms\"\nlag = \"2s\"\n", journal),
	})
	ready := func() rig.Response { return kit.Get(t, r, "/_thumbd/ready") }
	// A node whose processor is busy can be behind for a while.
	await := func(status int, reason string) {
		t.Helper()
		resp := ready()
		for end := time.Now().Add(aid.Patience); resp.Status != status && time.Now().Before(end); resp = ready() {
			time.Sleep(10 * time.Millisecond)
		}
		kit.Expect(t, resp, status, reason)
	}
	await(200, "")
	kit.Expect(t, kit.Do(t, r, rig.Request{Method: "POST", Target: "/_thumbd/ready"}), 405, "method")
	for _, other := range []string{"/_thumbd/health", "/_thumbd/auth", "/_thumbd/ready/x"} {
		kit.Expect(t, kit.Get(t, r, other), 404, "")
	}
	aid.Must(t, os.Rename(journal, journal+".away"))
	await(503, "behind")
	aid.Must(t, os.Rename(journal+".away", journal))
	kit.StopDaemon(t, r)
	aid.Must(t, r.CloseSocket())
	kit.Expect(t, ready(), 429, "dead")
}

// The origin of the originals is away: misses are answered 502 as often as one asks,
// and the front takes no machine for dead, so that no hit fails.
func TestFarmWithoutAnOrigin(t *testing.T) {
	origin, url := kit.StartOrigin(t, "127.0.0.1:0")
	f := startFarm(t, 2, rig.Options{Sites: []rig.Site{kit.Remote("gallery", url)}})
	hits := []string{"tests/orientation/1.jpg", "tests/orientation/2.jpg", "tests/orientation/3.jpg", "tests/orientation/4.jpg"}
	uri := func(original string, n int) string {
		return kit.RemoteTarget("gallery", original, fmt.Sprintf("%dx30_crop", 20+n), "jpg")
	}
	for _, name := range hits {
		kit.Expect(t, kit.Get(t, f.front, uri(name, 0)), 200, "")
	}
	aid.Must(t, origin.StopNginx())
	for n := 1; n < 12; n++ {
		for _, name := range hits {
			kit.Expect(t, kit.Get(t, f.front, uri("not/fetched/"+name, n)), 502, "origin")
			kit.Expect(t, kit.Get(t, f.front, uri(name, 0)), 200, "")
		}
	}
}

// A machine that answers nothing any more, as one whose cable is out, is given up
// after the front's timeout.
func TestFarmWithAMachineThatHangs(t *testing.T) {
	dir, names := pictures(t, 8)
	snippet, err := nginx.Files.ReadFile("snippets/thumbd-front.conf")
	aid.Must(t, err)
	const timeout = "proxy_read_timeout    160s;"
	if strings.Count(string(snippet), timeout) != 1 {
		t.Fatal("the snippet has another timeout")
	}
	f := startFarmWith(t, 2, rig.Options{Sites: []rig.Site{kit.Gallery(t, dir)}}, strings.Replace(string(snippet), timeout, "proxy_read_timeout 5s;", 1))
	for _, name := range names {
		kit.Expect(t, kit.Get(t, f.front, kit.Target(name, "30x30_crop", "jpg")), 200, "")
	}
	aid.Must(t, f.nodes[0].SignalNginx(syscall.SIGSTOP))
	defer func() { aid.Must(t, f.nodes[0].SignalNginx(syscall.SIGCONT)) }()
	var clients sync.WaitGroup
	for _, name := range names {
		clients.Go(func() {
			if got := kit.Get(t, f.front, kit.Target(name, "30x30_crop", "jpg")); got.Status != 200 {
				t.Errorf("%s: status %d", name, got.Status)
			}
		})
	}
	clients.Wait()
}

// A machine is cut off: nothing that is sent to it is answered, and it accepts no
// connection. The requests that it has at that moment wait, and no other request does.
func TestFarmWithAMachineThatIsCutOff(t *testing.T) {
	dir, names := pictures(t, 40)
	g := kit.Gallery(t, dir)
	f := &farm{nodes: []*rig.Rig{kit.Start(t, rig.Options{Node: true, Sites: []rig.Site{g}}), kit.Start(t, rig.Options{Node: true, Sites: []rig.Site{g}})}}
	w := newWire(t, f.nodes[0].Addr)
	o := rig.Front(f.nodes, g, "include snippets/thumbd-front.conf;")
	o.HTTP = strings.Replace(o.HTTP, f.nodes[0].Addr, w.from.Addr().String(), 1)
	f.front = kit.Start(t, o)
	// all asks for the thumbnails of all names at once.
	all := func(names []string) *sync.WaitGroup {
		var clients sync.WaitGroup
		for _, name := range names {
			clients.Go(func() {
				if got := kit.Get(t, f.front, kit.Target(name, "30x30_crop", "jpg")); got.Status != 200 {
					t.Errorf("%s: status %d", name, got.Status)
				}
			})
		}
		return &clients
	}
	all(names).Wait()
	of := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, err := os.Stat(filepath.Join(f.nodes[0].Root("gallery"), "thumbs", name))
		return err != nil
	})
	const inFlight = 3
	if len(of) < 2*inFlight {
		t.Fatalf("the machine has the thumbnails of %q alone", of)
	}
	w.hold()
	waiting := all(of[:inFlight])
	w.await(inFlight)
	w.cut()
	for range 3 {
		all(names).Wait()
	}
	if got := w.held(); got != inFlight {
		t.Errorf("%d requests wait for the machine, of which %d were there when it was cut off", got, inFlight)
	}
	w.close()
	waiting.Wait()
}

// wire is the way from the front to a machine.
type wire struct {
	t    *testing.T
	from *net.TCPListener
	to   string

	accepting sync.WaitGroup
	mu        sync.Mutex
	holds     bool
	conns     []net.Conn
	waits     map[net.Conn]bool // a request was read and nothing answered
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	aid.Must(t, err)
	w := &wire{t: t, from: l.(*net.TCPListener), to: to, waits: make(map[net.Conn]bool)}
	t.Cleanup(w.close)
	w.accepting.Go(func() {
		for {
			front, err := w.from.Accept()
			if err != nil {
				return
			}
			machine, err := net.Dial("tcp", w.to)
			if err != nil {
				front.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, front, machine)
			w.mu.Unlock()
			go w.carry(front, front, machine)
			go w.carry(front, machine, front)
		}
	})
	return w
}

// carry takes bytes of a connection of the front in one direction. It carries no more of
// them once w holds.
func (w *wire) carry(front, from, to net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		w.mu.Lock()
		holds := w.holds
		if n > 0 {
			w.waits[front] = from == front
		}
		w.mu.Unlock()
		switch {
		case holds && err == nil:
		case holds:
			return
		case err != nil:
			// One of them has closed the connection, and the other one is to see it.
			to.Close()
			return
		default:
			if _, err := to.Write(b[:n]); err != nil {
				from.Close()
			}
		}
	}
}

// hold ends the carrying of bytes.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holds = true
	clear(w.waits)
}

// held returns the number of requests that wait.
func (w *wire) held() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, waits := range w.waits {
		if waits {
			n++
		}
	}
	return n
}

// await waits until so many requests wait.
func (w *wire) await(n int) {
	w.t.Helper()
	for end := time.Now().Add(aid.Patience); w.held() < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%d requests wait, want %d", w.held(), n)
		}
	}
}

// cut has the kernel answer no new connection: nobody accepts, and the queue is full.
func (w *wire) cut() {
	w.t.Helper()
	aid.Must(w.t, w.from.SetDeadline(time.Unix(1, 0)))
	w.accepting.Wait()
	raw, err := w.from.SyscallConn()
	aid.Must(w.t, err)
	aid.Must(w.t, raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }), err)
	last, err := net.Dial("tcp", w.from.Addr().String())
	aid.Must(w.t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, last)
}

// close ends all connections.
func (w *wire) close() {
	// It is closed again when the test ends.
	_ = w.from.Close()
	w.accepting.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
}

// One machine more takes at most 1.5/(n+1) of the originals from the n others, and
// none moves between these; one machine less moves only its own.
func TestFrontMovesFewOriginals(t *testing.T) {
	dir := kit.Folder(t, nil)
	var lines, servers []string
	for i := range 4 {
		at := fmt.Sprintf("unix:%s/%d.sock", dir, i)
		servers = append(servers, "server "+at+";")
		lines = append(lines, fmt.Sprintf("server { listen %s; return 200 %d; }", at, i))
	}
	locations := ""
	for _, n := range []int{3, 4} {
		lines = append(lines, fmt.Sprintf("upstream of%d { hash $thumbd_original consistent; %s }", n, strings.Join(servers[:n], " ")))
		locations += fmt.Sprintf("location ^~ /of%d/ { set $thumbd_scheme preset; set $thumbd_prefix /of%[1]d/; include snippets/thumbd-front.conf; proxy_pass http://of%[1]d; }\n", n)
	}
	r := kit.Start(t, rig.Options{Plain: true, HTTP: strings.Join(lines, "\n"), Server: locations})
	const originals = 1000
	moved := 0
	for i := range originals {
		var at [2]string
		for j, n := range []int{3, 4} {
			got := kit.Get(t, r, fmt.Sprintf("/of%d/card/folder/%d.jpg", n, i))
			kit.Expect(t, got, 200, "")
			at[j] = string(got.Body)
		}
		switch {
		case at[1] == "3":
			moved++
		case at[0] != at[1]:
			t.Errorf("original %d moves from machine %s to machine %s", i, at[0], at[1])
		}
	}
	if moved == 0 || moved > originals*15/40 {
		t.Errorf("the new machine takes %d of %d originals", moved, originals)
	}
}

// frontKeys are URIs and the text by which the front chooses a machine.
var frontKeys = []struct{ scheme, prefix, uri, want string }{
	{"signed", "/thumbs/", "/thumbs/a/b.jpg/400x300_crop_c2lnbmF0dXJl.webp", "a/b.jpg"},
	{"signed", "/t/", "/t/a/b.jpg/card-320w_c2lnbmF0dXJl.webp", "a/b.jpg"},
	{"signed", "/t/", "/t/a/b.jpg/info_c2lnbmF0dXJl.json", "a/b.jpg"},
	{"signed", "/t/", "/t/a%20b%3F%0Ac.jpg/card_c2lnbmF0dXJl.webp", "a b?\nc.jpg"},
	{"signed", "/media/thumbs/", "/media/thumbs/a.jpg/card_c2lnbmF0dXJl.webp", "a.jpg"},
	{"signed", "/t.s/", "/t.s/x.jpg", "/t.s/x.jpg"},
	{"restthumbnails", "/t/", "/t/a/b.jpg/400x300/crop/secret.jpg", "a/b.jpg"},
	{"preset", "/t/", "/t/card/a/b.jpg", "a/b"},
	{"preset", "/t/", "/t/card@2x/a/b.JPG.webp", "a/b"},
	{"preset", "/t/", "/t/card-320w/a/b.png.avif", "a/b"},
	{"preset", "/t/", "/t/card/50/a/b.png", "a/b"},
	{"preset", "/t/", "/t/info/a/b.jpg.json", "a/b"},
	{"preset", "/t/", "/t/card/a/b.tif.webp", "a/b.tif"},
	{"preset", "/t/", "/t/card/a/b.tif", "a/b.tif"},
	{"preset", "/t/", "/t/card/a/b", "a/b"},
	{"preset", "/t/", "/t/card/.jpg", ".jpg"},
	{"preset", "/t/", "/t/card", "/t/card"},
	{"liip", "/media/cache/", "/media/cache/small/a/b.jpg", "a/b"},
	{"liip", "/media/cache/", "/media/cache/resolve/small/a/b.jpg", "a/b"},
	{"liip", "/t/", "/t/small/a/b.jpg", "a/b"},
	{"drupal", "/t/", "/t/small/public/a/b.jpg", "a/b"},
	{"drupal", "/t/", "/t/info/a/b.jpg.json", "a/b"},
	{"drupal", "/s/files/styles/", "/s/files/styles/small/public/a/b.jpg", "a/b"},
	{"drupal", "/s/files/styles/", "/s/files/styles/small/public/a/b.jpg.webp?itok=x", "a/b"},
	{"wordpress", "/u/", "/u/2024/05/a.jpg", "2024/05/a"},
	{"wordpress", "/u/", "/u/2024/05/a-300x200.jpg", "2024/05/a"},
	{"wordpress", "/u/", "/u/2024/05/a-scaled.jpg", "2024/05/a"},
	{"wordpress", "/u/", "/u/2024/05/a-1-300x200.jpeg", "2024/05/a-1"},
	{"inplace", "/u/", "/u/2024/05/a.jpg", "/u/2024/05/a.jpg"},
	{"files", "/d/", "/d/report.pdf", "/d/report.pdf"},
}

// frontSites are sites of each scheme and layout, by the scheme's name at the front.
var frontSites = func() map[string]*thumb.Site {
	box := thumb.Transform{Width: 40, Height: 30, Method: thumb.Fit}
	all := make(map[string]*thumb.Site)
	for name, s := range map[string]thumb.Site{
		"signed": {Scheme: thumb.Signed}, "preset": {Scheme: thumb.PresetScheme},
		"liip":   {Scheme: thumb.PresetScheme, Layout: thumb.LiipLayout},
		"drupal": {Scheme: thumb.PresetScheme, Layout: thumb.DrupalLayout},
	} {
		s.Name, s.Prefix, s.DocumentRoot, s.MaxWidth, s.MaxHeight = name, "/t/", "/srv", 4096, 4096
		s.Formats = thumb.ThumbnailFormats()
		s.Presets = map[string]thumb.Preset{
			"card":         {Transform: box, DPR: []int{2}, Widths: []int{20, 60}, Formats: s.Formats},
			thumb.InfoName: {Transform: thumb.Transform{Info: true}},
		}
		all[name] = &s
	}
	return all
}()

// uris returns the URIs of an original's thumbnails, in each format and of each
// preset, and of its description.
func uris(t *testing.T, s *thumb.Site, original string) (all []string) {
	t.Helper()
	for _, preset := range s.PresetNames() {
		for _, f := range s.Formats {
			ext := f.String()
			if preset == thumb.InfoName {
				ext = thumb.JSON.String()
			}
			got, err := s.New(thumb.Wanted{Original: original, Preset: preset, Ext: ext})
			if err != nil {
				t.Fatalf("%s, %s of %s: %v", s.Name, preset, original, err)
			}
			all = append(all, got.URI())
		}
	}
	return all
}

// The front's snippet knows the originals of the URIs of each scheme and layout.
func TestFrontKnowsOriginals(t *testing.T) {
	var o rig.Options
	o.Plain = true
	host := func(scheme, prefix string) string {
		return scheme + strings.NewReplacer("/", "-", ".", "").Replace(prefix) + "test"
	}
	add := func(scheme, prefix string) {
		o.Sites = append(o.Sites, rig.Site{Name: host(scheme, prefix), Hosts: []string{host(scheme, prefix)}, Lines: fmt.Sprintf(
			"location ^~ %s { set $thumbd_scheme %s; set $thumbd_prefix %[1]s; include snippets/thumbd-front.conf; return 200 $thumbd_original; }", prefix, scheme)})
	}
	added := make(map[string]bool)
	for _, k := range frontKeys {
		if h := host(k.scheme, k.prefix); !added[h] {
			added[h] = true
			add(k.scheme, k.prefix)
		}
	}
	r := kit.Start(t, o)
	ask := func(scheme, prefix, target string) string {
		got := kit.Do(t, r, rig.Request{Target: target, Host: host(scheme, prefix)})
		kit.Expect(t, got, 200, "")
		return string(got.Body)
	}
	for _, k := range frontKeys {
		if got := ask(k.scheme, k.prefix, k.uri); got != k.want {
			t.Errorf("%s, %s: the original is %q, want %q", k.scheme, k.uri, got, k.want)
		}
	}
	for scheme, s := range frontSites {
		for _, f := range thumb.Formats() {
			all := uris(t, s, "a/b."+f.String())
			want := ask(scheme, "/t/", all[0])
			for _, uri := range all {
				if got := ask(scheme, "/t/", uri); got != want || !strings.HasPrefix(got, "a/b") {
					t.Errorf("%s: the original of %s is %q, that of %s is %q", scheme, uri, got, all[0], want)
				}
			}
		}
	}
}
