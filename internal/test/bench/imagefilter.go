// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// filterModules are the paths of nginx's image_filter in distributions.
var filterModules = []string{
	"/usr/lib/nginx/modules/ngx_http_image_filter_module.so",
	"/usr/lib64/nginx/modules/ngx_http_image_filter_module.so",
}

const filterConf = `load_module %s;
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {}
http {
	access_log off;
	client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
	server {
		listen unix:%s/nginx.sock;
		location ~ ^/([0-9]+)/([0-9]+)/(.+)$ {
			alias %s/$3;
			image_filter resize $1 $2;
			image_filter_jpeg_quality %d;
			image_filter_buffer 256m;
		}
	}
}
`

// imageFilter is nginx's own, of originals in folder, in a process that is
// master and worker in one.
func imageFilter(ctx context.Context, folder string) (*peer, error) {
	at := slices.IndexFunc(filterModules, func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	})
	if at < 0 {
		return nil, errors.New("the module is not installed")
	}
	nginx, err := lookUp("nginx")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "thumbd-bench-nginx-")
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, filterConf, filterModules[at], dir, folder, defaultQuality), 0o644); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-c", conf, "-e", filepath.Join(dir, "error.log"))
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialWhenThere(ctx, filepath.Join(dir, "nginx.sock"))
	}}
	return &peer{
		name: "image_filter", spent: clockOf(cmd.Process.Pid),
		close: func() error {
			transport.CloseIdleConnections()
			return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait(), os.RemoveAll(dir))
		},
		make: func(o original, box image.Point) error {
			return fetchPicture(ctx, transport, fmt.Sprintf("http://nginx/%d/%d/%s", box.X, box.Y, url.PathEscape(o.name)))
		},
	}, nil
}

// lookUp finds a program that may not be on an ordinary user's path.
func lookUp(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// dialWhenThere connects to a socket that a program is about to make.
func dialWhenThere(ctx context.Context, path string) (net.Conn, error) {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err == nil || !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ECONNREFUSED) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func fetchPicture(ctx context.Context, transport http.RoundTripper, target string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	r, err := transport.RoundTrip(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "image/") {
		return fmt.Errorf("%s: %s", target, r.Status)
	}
	return nil
}
