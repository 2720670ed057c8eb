// SPDX-License-Identifier: MIT

package fetch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"thumbd/internal/originals"
	"thumbd/internal/test/aid"
)

func TestRedirectsAreCounted(t *testing.T) {
	base := serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// As many as the name says.
		var left int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d.jpg", &left); err == nil && left > 0 {
			http.Redirect(w, r, strconv.Itoa(left-1)+".jpg", http.StatusMovedPermanently)
			return
		}
		_, _ = w.Write(jpeg(100))
	}))
	for limit, names := range map[int]map[string]error{
		3: {"0.jpg": nil, "1.jpg": nil, "3.jpg": nil, "4.jpg": originals.ErrOrigin},
		0: {"0.jpg": nil, "1.jpg": originals.ErrOrigin},
	} {
		o := startOrigin(t, base, func(o *Options) { o.Redirects = limit })
		for name, want := range names {
			if _, _, err := open(t, o, name); !errors.Is(err, want) {
				t.Errorf("at most %d, %s: %v, want %v", limit, name, err, want)
			}
		}
	}
}

// Connections to hosts that redirects have led to do not pile up.
func TestIdleConnectionsAreBounded(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.2:0")
	var connections atomic.Int64
	port := l.Addr().(*net.TCPAddr).Port
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, ok := strings.CutPrefix(r.URL.Path, "/at/"); ok {
			http.Redirect(w, r, fmt.Sprintf("http://%s.test:%d/a.jpg", n, port), http.StatusFound)
			return
		}
		_, _ = w.Write(jpeg(100))
	}), ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			connections.Add(1)
		case http.StateClosed:
			connections.Add(-1)
		}
	}}}
	s.Start()
	t.Cleanup(s.Close)
	o := startWith(t, fmt.Sprintf("http://127.0.0.2:%d/at/", port), func(o *Options) {
		o.Fetches, o.Redirects, o.AllowHosts = 1, 1, []string{"*"}
	}, names(t, func(string, int) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.2")} }))
	o.client.Transport.(transport).IdleConnTimeout = 0
	for i := range 20 {
		if _, _, err := open(t, o, strconv.Itoa(1+i)); err != nil {
			t.Fatal(err)
		}
	}
	aid.Await(t, func() bool { return connections.Load() <= 2 })
}

// What began under TLS does not end without.
func TestRedirectsBetweenSchemes(t *testing.T) {
	picture := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(jpeg(100)) }
	var plain, secure string
	mux := http.NewServeMux()
	mux.HandleFunc("/a.jpg", picture)
	mux.HandleFunc("/to-plain.jpg", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain+"a.jpg", http.StatusFound)
	})
	mux.HandleFunc("/to-secure.jpg", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, secure+"a.jpg", http.StatusFound)
	})
	plain = serveOn(t, mux)
	server := httptest.NewUnstartedServer(mux)
	aid.Must(t, server.Listener.Close())
	server.Listener = listen(t, "tcp4", "127.0.0.2:0")
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	t.Cleanup(server.Close)
	secure = server.URL + "/"
	for _, tt := range []struct {
		base, name string
		want       error
	}{
		{secure, "a.jpg", nil},
		{secure, "to-secure.jpg", nil},
		{plain, "to-secure.jpg", nil},
		{plain, "to-plain.jpg", nil},
		{secure, "to-plain.jpg", originals.ErrForbidden},
	} {
		o := startOrigin(t, tt.base, func(o *Options) {
			for _, url := range []string{plain, secure} {
				n, err := strconv.Atoi(strings.TrimSuffix(url[strings.LastIndex(url, ":")+1:], "/"))
				aid.Must(t, err)
				o.AllowPorts = append(o.AllowPorts, n)
			}
		})
		// Its certificate is that of no authority; for 127.0.0.1 it is good.
		roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		o.client.Transport.(transport).TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
		if _, _, err := open(t, o, tt.name); !errors.Is(err, tt.want) {
			t.Errorf("%s%s: %v, want %v", tt.base, tt.name, err, tt.want)
		}
	}
}
