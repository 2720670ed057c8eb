// SPDX-License-Identifier: MIT

package guards

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// ward is a site or a section of downloads in the tests about who may read what:
// nginx chooses the location by address and server block, thumbd the ward by host
// and prefix.
type ward struct {
	name   string
	prefix string
	hosts  []string
	// guarded wards need a proof: a token with the ward's own key and name, or a
	// signed query for downloads.
	guarded   bool
	downloads bool
	width     int // of its originals: tells whose picture an answer is
}

// Names below a ward's prefix: a file that nginx finds in the tree, and two that
// thumbd has to make. They are good names below /t/ and below /t/medium/ alike.
var (
	hitNames  = []string{"medium/hit.jpg", "medium/medium/hit.jpg"}
	missNames = []string{"medium/miss.jpg", "medium/medium/miss.jpg"}
)

const report = "report.txt" // of a section of downloads

// stronghold is an installation with wards.
type stronghold struct {
	*rig.Rig
	wards   []ward
	clients map[string]*http.Client // HTTP/2, by address
}

func (w ward) key() string    { return "a secret of " + w.name + ", 0123456789abcdef" }
func (w ward) secret() string { return "secret of " + w.name + ".\n" }

// token is a proof for w.
func (w ward) token(t testing.TB) string {
	return kit.JWT(t, "HS256", kit.Claims(w.name, time.Hour), kit.SecretSigner(w.key()))
}

// newStronghold starts an installation, with the files that nginx alone serves. In the
// text of nginx's server blocks, {NAME} is the folder of a ward's downloads.
func newStronghold(t testing.TB, wards []ward, servers string) *stronghold {
	t.Helper()
	o := rig.Options{Keys: make(map[string]string), HTTP: servers}
	for i := range wards {
		w := &wards[i]
		w.width = 24 + 8*i
		from := w.originals(t)
		if w.downloads {
			w.addSection(&o, from)
			o.HTTP = strings.ReplaceAll(o.HTTP, "{"+w.name+"}", from)
			continue
		}
		s := rig.Site{Name: w.name, Prefix: w.prefix, Hosts: w.hosts, Scheme: "preset", Originals: from, Unserved: true}
		if w.guarded {
			s.TOML = fmt.Sprintf("[site.%s.access]\nproofs = [\"token\", \"token-query\"]\ntoken_keys = [%q]\n", w.name, w.name+".token")
			o.Keys[w.name+".token"] = w.key()
		}
		o.Sites = append(o.Sites, s)
	}
	k := &stronghold{Rig: kit.Start(t, o), wards: wards, clients: make(map[string]*http.Client)}
	for _, w := range wards {
		if w.downloads {
			continue
		}
		for _, name := range hitNames {
			kit.Put(t, k.File(w.name, w.prefix+name), []byte(w.secret()))
		}
	}
	return k
}

// addSection adds w as a section of downloads from a folder.
func (w ward) addSection(o *rig.Options, root string) {
	o.TOML += fmt.Sprintf("[files.%s]\nprefix = %q\nhosts = [\"%s\"]\nroot = %q\ninternal = \"/_%[1]s/\"\n", w.name, w.prefix, strings.Join(w.hosts, `", "`), root)
	if !w.guarded {
		o.TOML += "scheme = \"open\"\n"
		return
	}
	o.TOML += fmt.Sprintf("scheme = \"signed\"\nkeys = [%q]\n", w.name+".files")
	o.Keys[w.name+".files"] = w.key()
}

// originals makes the folder of w's originals, or of its downloads.
func (w ward) originals(t testing.TB) string {
	t.Helper()
	dir := kit.Folder(t, nil)
	if w.downloads {
		kit.Put(t, filepath.Join(dir, report), []byte(w.secret()))
		return dir
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w.width, 16)), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range missNames {
		kit.Put(t, filepath.Join(dir, strings.TrimPrefix(name, "medium/")), b.Bytes())
	}
	return dir
}

// question is a request, and the wards that it has a proof for.
type question struct {
	address string // of nginx, "unix:PATH" or host:port
	host    string
	line    string // the host of an absolute request line; "": a plain one
	target  string
	proofs  []ward
	query   bool // the token is in the query
	h2      bool
}

func (q question) String() string {
	names := make([]string, 0, len(q.proofs))
	for _, w := range q.proofs {
		names = append(names, w.name)
	}
	return fmt.Sprintf("%s: Host %q, line %q, %s, proofs of %q, in the query %v, HTTP/2 %v", filepath.Base(q.address), q.host, q.line, q.target, names, q.query, q.h2)
}

// withProofs returns the target and the cookies with q's proofs.
func (q question) withProofs(t testing.TB) (target string, cookies []string) {
	t.Helper()
	target = q.target
	for _, w := range q.proofs {
		switch {
		case w.downloads:
			target = strings.Split(target, "?")[0]
			target += kit.Proof(w.key(), "file", w.prefix+report, kit.Expires(time.Hour))
		case q.query:
			target += "?token=" + w.token(t)
		default:
			cookies = append(cookies, "thumbd="+w.token(t))
		}
	}
	return target, cookies
}

// ask sends q. An answer that is no HTTP is an error.
func (k *stronghold) ask(t testing.TB, q question) rig.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	target, cookies := q.withProofs(t)
	if q.h2 {
		return k.askHTTP2(ctx, t, q, target, cookies)
	}
	if q.line != "" {
		target = "http://" + q.line + target
	}
	conn, err := dialFront(ctx, q.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", target, q.host)
	for _, c := range cookies {
		text += "Cookie: " + c + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%v: %v", q, err)
	}
	return read(t, q, resp)
}

// dialFront connects to nginx, once it listens.
func dialFront(ctx context.Context, address string) (net.Conn, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	for {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil || !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ECONNREFUSED) {
			return conn, err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (k *stronghold) askHTTP2(ctx context.Context, t testing.TB, q question, target string, cookies []string) rig.Response {
	t.Helper()
	client := k.clients[q.address]
	if client == nil {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialFront(ctx, q.address)
		}}
		t.Cleanup(transport.CloseIdleConnections)
		client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		k.clients[q.address] = client
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = q.host
	for _, c := range cookies {
		req.Header.Add("Cookie", c)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%v: %v", q, err)
	}
	return read(t, q, resp)
}

func read(t testing.TB, q question, resp *http.Response) rig.Response {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%v: %v", q, err)
	}
	return rig.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}
}

// proves reports whether q may read w.
func (q question) proves(w ward) bool {
	for _, x := range q.proofs {
		if x.name == w.name {
			return true
		}
	}
	return !w.guarded
}

// owner returns the ward whose file or picture an answer is, or nil.
func (k *stronghold) owner(body []byte) *ward {
	c, err := jpeg.DecodeConfig(bytes.NewReader(body))
	for i, w := range k.wards {
		if bytes.Contains(body, []byte(w.secret())) || err == nil && c.Width == w.width {
			return &k.wards[i]
		}
	}
	return nil
}

// try asks, and checks that the answer has nothing, and that thumbd has published
// nothing, for which q has no proof. It returns whose byte the answer is. What was
// published is removed again.
func (k *stronghold) try(t testing.TB, q question) (*ward, rig.Response) {
	t.Helper()
	resp := k.ask(t, q)
	owner := k.owner(resp.Body)
	if owner != nil && !q.proves(*owner) {
		t.Errorf("%v: %d with what is of %s", q, resp.Status, owner.name)
	}
	for _, w := range k.wards {
		for _, name := range missNames {
			if w.downloads {
				continue
			}
			err := os.Remove(k.File(w.name, w.prefix+name))
			if err == nil && !q.proves(w) {
				t.Errorf("%v: %d, and %s is published in the tree of %s", q, resp.Status, name, w.name)
			}
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	return owner, resp
}
