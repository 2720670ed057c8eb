// SPDX-License-Identifier: MIT

package rig

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/template"
)

// installedSocket is the path of thumbd's socket in the shipped files. Nothing else
// is replaced in them.
const installedSocket = "/run/thumbd/thumbd.sock"

// layOut writes all files that nginx and thumbd read into r.Dir. Every user can enter
// r.Dir, like the folders of an installation.
func (r *Rig) layOut() error {
	module, err := moduleRoot()
	if err != nil {
		return err
	}
	for _, dir := range []string{"conf.d", "snippets", "keys", "root"} {
		if err := os.Mkdir(filepath.Join(r.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(r.Dir, 0o755); err != nil {
		return err
	}
	upstream, err := os.ReadFile(filepath.Join(module, "nginx/conf.d/thumbd.conf"))
	if err != nil {
		return err
	}
	if n := bytes.Count(upstream, []byte(installedSocket)); n != 1 {
		return fmt.Errorf("nginx/conf.d/thumbd.conf: names %s %d times", installedSocket, n)
	}
	if err := os.CopyFS(filepath.Join(r.Dir, "snippets"), os.DirFS(filepath.Join(module, "nginx/snippets"))); err != nil {
		return err
	}
	nginx, err := r.nginxConf()
	if err != nil {
		return err
	}
	err = r.writeFiles(map[string][]byte{
		"conf.d/thumbd.conf": bytes.Replace(upstream, []byte(installedSocket), []byte(r.socketPath()), 1),
		"nginx.conf":         nginx,
		"thumbd.toml":        r.tomlFile(),
	})
	if err == nil && r.options.Nobody && os.Geteuid() == 0 {
		err = r.giveToNobody()
	}
	return err
}

// giveToNobody gives the user nobody the files that only thumbd reads or writes. Options.Nobody
// asks for this.
func (r *Rig) giveToNobody() error {
	cred, err := nobody()
	if err != nil {
		return err
	}
	paths := []string{filepath.Join(r.Dir, "root"), r.notify.path}
	for _, s := range r.options.Sites {
		if s.Key != "" {
			paths = append(paths, filepath.Join(r.Dir, "keys", s.Name+".key"))
		}
	}
	for name := range r.options.Keys {
		paths = append(paths, filepath.Join(r.Dir, "keys", name))
	}
	for _, path := range paths {
		if err := os.Chown(path, int(cred.Uid), int(cred.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// nobody returns the user and group of the least rights.
func nobody() (*syscall.Credential, error) {
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (r *Rig) writeFiles(files map[string][]byte) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.Dir, name), text, 0o644); err != nil {
			return err
		}
	}
	for name, text := range r.options.Keys {
		if err := os.WriteFile(filepath.Join(r.Dir, "keys", name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, s := range r.options.Sites {
		if s.Key == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(r.Dir, "keys", s.Name+".key"), []byte(s.Key), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rig) tomlFile() []byte {
	var b bytes.Buffer
	b.WriteString(r.options.TOML + "\n")
	for _, s := range r.options.Sites {
		fmt.Fprintf(&b, "\n[site.%s]\nprefix = %q\ndocument_root = %q\noriginals = %q\nscheme = %q\n",
			s.Name, s.Prefix, r.Root(s.Name), s.Originals, s.Scheme)
		if s.Key != "" {
			fmt.Fprintf(&b, "keys = [%q]\n", s.Name+".key")
		}
		if len(s.Hosts) > 0 {
			fmt.Fprintf(&b, "hosts = [\"%s\"]\n", strings.Join(s.Hosts, `", "`))
		}
		b.WriteString(s.TOML + "\n")
	}
	return b.Bytes()
}

// nginxTemplate includes the shipped files as the distributions' nginx.conf
// and the server block of thumbd(8) do.
var nginxTemplate = template.Must(template.New("nginx.conf").Parse(`{{with .User}}user {{.}};{{end}}
daemon           off;
worker_processes 2;
pid              {{.Dir}}/nginx.pid;
worker_rlimit_nofile {{.Files}};
events { worker_connections {{.WorkerConnections}}; }
http {
    include      /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log   off;
    sendfile     on;

    client_body_temp_path {{.Dir}}/temp-body;
    proxy_temp_path       {{.Dir}}/temp-proxy;
    fastcgi_temp_path     {{.Dir}}/temp-fastcgi;
    uwsgi_temp_path       {{.Dir}}/temp-uwsgi;
    scgi_temp_path        {{.Dir}}/temp-scgi;

    {{if not .Plain}}include conf.d/*.conf;{{end}}
    {{.HTTP}}
{{range .Servers}}
    server {
        listen      {{$.Addr}}{{if not .Hosts}} default_server{{end}};
        listen      unix:{{$.Front}}{{if not .Hosts}} default_server backlog=4096{{end}};
        server_name {{range .Hosts}}{{.}} {{else}}_{{end}};
        {{$.Server}}
{{range .Sites}}{{if .Lines}}
        {{.Lines}}
{{else}}
        location ^~ {{.Prefix}} {
            root      {{.Root}};
            {{if not $.Plain}}try_files {{.TryFiles}} @thumbd;{{end}}
            {{if .Protected}}include snippets/thumbd-auth.conf;{{else}}expires 30d;{{end}}
            {{.Location}}
        }
{{end}}{{end}}
        {{if not $.Plain}}include snippets/{{if $.Node}}thumbd-node.conf{{else}}thumbd.conf{{end}};{{end}}
    }
{{end}}
}
`))

// server is a server block of nginx: its sites have the same hosts.
type server struct {
	Hosts []string
	Sites []Site
}

func (r *Rig) nginxConf() ([]byte, error) {
	name, err := nginxUser()
	if err != nil {
		return nil, err
	}
	connections := r.options.WorkerConnections
	if connections == 0 {
		connections = 1024
	}
	var b bytes.Buffer
	err = nginxTemplate.Execute(&b, struct {
		User, Dir, Addr, Front, HTTP, Server string
		WorkerConnections, Files             int
		Plain, Node                          bool
		Servers                              []server
	}{name, r.Dir, r.Addr, r.frontPath(), r.options.HTTP, r.options.Server, connections, 2 * connections, r.options.Plain, r.options.Node, r.servers()})
	return b.Bytes(), err
}

// servers returns nginx's servers, the default server first. It exists even if there are
// no sites.
func (r *Rig) servers() []server {
	all := []server{{}}
	for _, s := range r.options.Sites {
		if s.Unserved {
			continue
		}
		if s.Root == "" {
			s.Root = r.Root(s.Name)
		}
		s.Lines = strings.ReplaceAll(s.Lines, "DOCUMENT_ROOT", s.Root)
		if s.TryFiles == "" {
			s.TryFiles = "$uri"
		}
		i := slices.IndexFunc(all, func(x server) bool { return slices.Equal(x.Hosts, s.Hosts) })
		if i < 0 {
			all = append(all, server{Hosts: s.Hosts})
			i = len(all) - 1
		}
		all[i].Sites = append(all[i].Sites, s)
	}
	return all
}

// nginxUser returns the user and group of nginx's workers. If root runs the test, it is
// nobody, so that a file with too few rights makes a test fail. If another user runs it,
// it is empty: nginx then runs as this user.
func nginxUser() (string, error) {
	if os.Geteuid() != 0 {
		return "", nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return "", err
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return "", err
	}
	return u.Username + " " + g.Name, nil
}
