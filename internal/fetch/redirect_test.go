// SPDX-License-Identifier: MIT

package fetch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
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
		3: {"0.jpg": nil, "1.jpg": nil, "3.jpg": nil, "4.jpg": ErrOrigin},
		0: {"0.jpg": nil, "1.jpg": ErrOrigin},
	} {
		o := startOrigin(t, base, func(o *Options) { o.Redirects = limit })
		for name, want := range names {
			if _, _, err := open(t, o, name); !errors.Is(err, want) {
				t.Errorf("at most %d, %s: %v, want %v", limit, name, err, want)
			}
		}
	}
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
	must(t, server.Listener.Close())
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
		{secure, "to-plain.jpg", ErrForbidden},
	} {
		o := startOrigin(t, tt.base, func(o *Options) {
			for _, url := range []string{plain, secure} {
				n, err := strconv.Atoi(strings.TrimSuffix(url[strings.LastIndex(url, ":")+1:], "/"))
				must(t, err)
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
