// SPDX-License-Identifier: MIT

package fetch

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/originals"
)

// silent answers nothing until the test ends or the client goes away.
func silent(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// raw answers with what is not made by net/http, and hangs up.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		// An error is the client's going away.
		_, _ = io.WriteString(conn, answer)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	// An error is the client's going away.
	_, _ = z.Write(jpeg(10 << 20))
	_ = z.Close()
}

// drip sends a byte at a time for ever.
func drip(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write(jpeg(1 << 16))
	for r.Context().Err() == nil {
		_, _ = w.Write([]byte{0})
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Millisecond)
	}
}

func TestWhatOriginsDo(t *testing.T) {
	brief := 50 * time.Millisecond
	for _, tt := range []struct {
		name   string
		origin http.HandlerFunc
		change func(*Origin)
		want   error
	}{
		{"it has none", status(404), nil, fs.ErrNotExist},
		{"it has one no more", status(410), nil, fs.ErrNotExist},
		{"it forbids", status(403), nil, originals.ErrOrigin},
		{"it wants a password", status(401), nil, originals.ErrOrigin},
		{"it fails", status(500), nil, originals.ErrOrigin},
		{"it is overloaded", status(503), nil, originals.ErrOrigin},
		{"it sends nothing", status(204), nil, originals.ErrOrigin},
		{"it sends a part", status(206), nil, originals.ErrOrigin},
		{"it says that nothing has changed, unasked", status(304), nil, originals.ErrOrigin},
		{"it redirects nowhere", status(302), nil, originals.ErrOrigin},
		{"it redirects for ever", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}, nil, originals.ErrOrigin},
		{"it is no web server", raw("SSH-2.0-OpenSSH_9.2\r\n"), nil, originals.ErrOrigin},
		{"it hangs up", raw(""), nil, originals.ErrOrigin},
		{"it sends a header without end", raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-More: and more\r\n", 10_000)), nil, originals.ErrOrigin},
		{"it sends less than it said", raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + string(jpeg(999))), nil, originals.ErrOrigin},
		{"it breaks off between chunks", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + string(jpeg(100)) + "\r\n"), nil, originals.ErrOrigin},
		{"it sends a length that is none", raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + string(jpeg(100))), nil, originals.ErrOrigin},
		{"it says two lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Length: 99\r\n\r\n" + string(jpeg(100))), nil, originals.ErrOrigin},
		{"it says that it is too large", raw("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + string(jpeg(100))), nil, originals.ErrTooLarge},
		{"it is too large and does not say so", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(jpeg(1 << 19))
			_, _ = w.Write(make([]byte, 1<<19+1))
		}, nil, originals.ErrTooLarge},
		{"it sends without end", func(w http.ResponseWriter, _ *http.Request) {
			for b, err := jpeg(1<<16), error(nil); err == nil; {
				_, err = w.Write(b)
			}
		}, nil, originals.ErrTooLarge},
		{"it sends what was compressed", bomb, nil, originals.ErrOrigin},
		{"it sends a page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = io.WriteString(w, "<!doctype html><title>Log in</title>")
		}, nil, originals.ErrType},
		{"it sends another format", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "\x89PNG\r\n\x1a\n and so on")
		}, nil, originals.ErrType},
		{"it sends an empty file", status(200), nil, originals.ErrType},
		{"it never answers", silentBefore, func(o *Origin) { o.options.HeaderTime = brief }, originals.ErrSlow},
		{"it never sends the body", silent, func(o *Origin) { o.window = brief }, originals.ErrSlow},
		{"it stops in the middle", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(jpeg(1 << 16))
			silent(w, r)
		}, func(o *Origin) { o.window = brief }, originals.ErrSlow},
		{"it drips", drip, func(o *Origin) { o.window, o.options.Rate = brief, 1<<20 }, originals.ErrSlow},
		{"it drips fast enough, and for ever", drip, func(o *Origin) { o.options.TotalTime = brief }, originals.ErrSlow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := startOrigin(t, serveOn(t, tt.origin), nil)
			if tt.change != nil {
				tt.change(o)
				o.client = o.newClient(new(net.Resolver))
			}
			if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if left := files(t, o.spool); len(left) > 0 {
				t.Errorf("in the spool: %q", left)
			}
			if o.spool.coming != 0 || o.spool.stored != 0 {
				t.Errorf("counted: %d stored, %d coming", o.spool.stored, o.spool.coming)
			}
		})
	}
}

func silentBefore(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestOriginsThatCanNotBeReached(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.2:0")
	refusing := "http://" + l.Addr().String() + "/"
	l.Close()
	secure := httptest.NewUnstartedServer(status(200))
	secure.Listener.Close()
	secure.Listener = listen(t, "tcp4", "127.0.0.2:0")
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	mute := listen(t, "tcp4", "127.0.0.2:0")
	for _, tt := range []struct {
		name, base string
		want       error
	}{
		{"nobody listens", refusing, originals.ErrOrigin},
		{"a certificate of nobody that is known", secure.URL + "/", originals.ErrOrigin},
		{"plain HTTP to TLS", strings.Replace(secure.URL, "https", "http", 1) + "/", originals.ErrOrigin},
		{"a name that does not exist", "http://does-not-exist.invalid/", originals.ErrOrigin},
		{"a TLS that nobody speaks", "https://" + mute.Addr().String() + "/", originals.ErrSlow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := startWith(t, tt.base, func(o *Options) { o.ConnectTime = 2 * time.Second },
				&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, errors.New("no name server")
				}})
			if errors.Is(tt.want, originals.ErrSlow) {
				o.options.ConnectTime = 50 * time.Millisecond
				o.client = o.newClient(new(net.Resolver))
			}
			if _, _, err := open(t, o, "a.jpg"); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			// That a TLS server says what it is missing is an answer.
			if err := o.Probe(); !errors.Is(err, tt.want) && tt.name != "plain HTTP to TLS" {
				t.Errorf("Probe: got %v, want %v", err, tt.want)
			}
		})
	}
}

// An administrator who sees it knows what to do.
func TestMissingNetworkIsTold(t *testing.T) {
	noServer := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, syscall.ENETUNREACH
	}}
	if err := startWith(t, "http://origin.test/", nil, noServer).Probe(); err == nil || !strings.Contains(err.Error(), "drop-in") {
		t.Errorf("got %v", err)
	}
	o := startOrigin(t, "http://origin.test/", nil)
	for err, told := range map[error]bool{
		syscall.EAFNOSUPPORT: true, syscall.ENETUNREACH: true, syscall.EPERM: true,
		syscall.ECONNREFUSED: false, &net.DNSError{IsNotFound: true}: false,
	} {
		if got := strings.Contains(o.explain(t.Context(), err).Error(), "drop-in"); got != told {
			t.Errorf("%v: told %v", err, got)
		}
	}
}

func TestProbe(t *testing.T) {
	for code, good := range map[int]bool{200: true, 403: true, 404: true, 501: true, 500: false, 503: false} {
		o := startOrigin(t, serveOn(t, status(code)), nil)
		if err := o.Probe(); (err == nil) != good {
			t.Errorf("status %d: %v", code, err)
		}
	}
	o := startOrigin(t, serveOn(t, http.HandlerFunc(silentBefore)), func(o *Options) {
		o.HeaderTime, o.TotalTime = time.Hour, time.Hour
	})
	o.asking = 50 * time.Millisecond
	if err := o.Probe(); !errors.Is(err, originals.ErrSlow) {
		t.Errorf("no answer: %v", err)
	}
}

func TestAsk(t *testing.T) {
	for _, tt := range []struct {
		name   string
		origin http.HandlerFunc
		want   error
	}{
		{"it is there", func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				w.WriteHeader(http.StatusMethodNotAllowed)
			}
			_, _ = w.Write(jpeg(100))
		}, nil},
		{"it is gone", status(404), fs.ErrNotExist},
		{"the origin fails", status(500), originals.ErrOrigin},
		{"it is too large", raw("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n"), originals.ErrTooLarge},
	} {
		o := startOrigin(t, serveOn(t, tt.origin), nil)
		if err := o.Ask("a.jpg"); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if left := files(t, o.spool); len(left) > 0 {
			t.Errorf("%s: in the spool: %q", tt.name, left)
		}
	}
}
