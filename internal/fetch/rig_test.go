// SPDX-License-Identifier: MIT

package fetch

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/thumb"
)

// proxied counts connections to the proxy that the environment names.
var proxied atomic.Int64

func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		proxied.Add(1)
		_, _ = w.Write(jpeg(100))
	}))
	for _, name := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		if err := os.Setenv(name, proxy.URL); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	proxy.Close()
	os.Exit(code)
}

// jpeg returns n bytes that begin as a JPEG.
func jpeg(n int) []byte {
	b := make([]byte, n)
	copy(b, "\xff\xd8\xff\xe0")
	return b
}

// listen listens on an address of loopback until the test ends.
func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// serveOn serves h on 127.0.0.2, which tests allow, and returns its URL.
func serveOn(t *testing.T, h http.Handler) string {
	t.Helper()
	return serveAt(t, "127.0.0.2:0", h)
}

// serveAt serves h on an address of IPv4 and returns its URL.
func serveAt(t *testing.T, address string, h http.Handler) string {
	t.Helper()
	l := listen(t, "tcp4", address)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// testOptions are those of originals at base, on an address that is allowed.
func testOptions(t *testing.T, base string) Options {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Site: "test", Base: u, Formats: []thumb.Format{thumb.JPEG}, AllowAddresses: prefixes("127.0.0.2/32"),
		Redirects: 3, ConnectTime: aid.Patience, HeaderTime: aid.Patience, TotalTime: aid.Patience, Rate: 1,
		Fetches: 4, Queue: 100, OriginalBytes: 1 << 20,
	}
}

// startOrigin returns an Origin with a spool of its own.
func startOrigin(t *testing.T, base string, change func(*Options)) *Origin {
	t.Helper()
	return startWith(t, base, change, new(net.Resolver))
}

func startWith(t *testing.T, base string, change func(*Options), resolver *net.Resolver) *Origin {
	t.Helper()
	options := testOptions(t, base)
	if change != nil {
		change(&options)
	}
	spool := NewSpool(filepath.Join(t.TempDir(), "spool"), 10<<20)
	o := newOrigin(options, spool, resolver)
	t.Cleanup(func() {
		o.Close()
		spool.Close()
	})
	return o
}

// open fetches an original and returns its bytes and mtime.
func open(t *testing.T, o *Origin, name string) (string, time.Time, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	f, info, err := o.Open(ctx, name)
	if err != nil {
		return "", time.Time{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != info.Size {
		t.Errorf("%d bytes, and Size is %d", len(b), info.Size)
	}
	return string(b), info.Mtime, nil
}

// files returns the names of what is in the spool.
func files(t *testing.T, s *Spool) []string {
	t.Helper()
	entries, err := os.ReadDir(s.dir.Path())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// names is a name server on loopback: it answers the nth question for a name,
// from 0, with what the function returns.
func names(t *testing.T, answer func(name string, n int) []netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		asked := make(map[string]int)
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			// An error is that of a client that has gone.
			_, _ = conn.WriteTo(reply(b[:n], asked, answer), from)
		}
	}()
	t.Cleanup(func() {
		aid.Must(t, conn.Close())
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp4", conn.LocalAddr().String())
	}}
}

// reply answers one question (RFC 1035, section 4).
func reply(question []byte, asked map[string]int, answer func(name string, n int) []netip.Addr) []byte {
	var labels []string
	at := 12
	for question[at] != 0 {
		n := int(question[at])
		labels = append(labels, string(question[at+1:at+1+n]))
		at += 1 + n
	}
	end := at + 5
	kind := binary.BigEndian.Uint16(question[at+1:])
	name := strings.Join(labels, ".")
	id := fmt.Sprintf("%s %d", name, kind)
	addresses := answer(name, asked[id])
	asked[id]++

	b := append([]byte(nil), question[:end]...)
	b[2], b[3] = 0x84, 0x00 // an authoritative answer, no error
	var records []byte
	count := 0
	for _, a := range addresses {
		if a.Is4() != (kind == 1) || kind != 1 && kind != 28 {
			continue
		}
		raw := a.AsSlice()
		records = append(records, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(raw)))
		records = append(records, raw...)
		count++
	}
	binary.BigEndian.PutUint16(b[6:], uint16(count))
	binary.BigEndian.PutUint16(b[8:], 0)
	binary.BigEndian.PutUint16(b[10:], 0)
	return append(b, records...)
}
