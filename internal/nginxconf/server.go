// SPDX-License-Identifier: MIT

package nginxconf

import (
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Server is a server block of the http context.
type Server struct {
	*Block
	Names   []string // lower case, as written otherwise
	Listens []Listen
}

// Listen is an address that a server listens on.
type Listen struct {
	Network string // tcp, unix, or udp for QUIC
	Address string // host:port, for example 127.0.0.1:80; ":80" is any host; or a path
	TLS     bool
	Default bool // default_server
	Proxy   bool // proxy_protocol
}

// Servers returns all servers, in the order of the files.
func (c *Config) Servers() []*Server {
	var servers []*Server
	for _, http := range c.main.All("http") {
		for _, b := range http.All("server") {
			s := &Server{Block: b}
			for _, names := range b.All("server_name") {
				for _, name := range names.Args {
					s.Names = append(s.Names, strings.ToLower(name))
				}
			}
			for _, l := range b.All("listen") {
				s.Listens = append(s.Listens, newListen(l.Args))
			}
			if len(s.Listens) == 0 {
				s.Listens = []Listen{newListen([]string{defaultPort()})}
			}
			servers = append(servers, s)
		}
	}
	return servers
}

// defaultPort is that of a server without listen.
func defaultPort() string {
	if os.Geteuid() == 0 {
		return "80"
	}
	return "8000"
}

func newListen(args []string) Listen {
	l := Listen{
		Network: "tcp",
		TLS:     slices.Contains(args, "ssl"),
		Default: slices.Contains(args, "default_server"),
		Proxy:   slices.Contains(args, "proxy_protocol"),
	}
	if len(args) == 0 {
		return l
	}
	if slices.Contains(args, "quic") {
		l.Network = "udp"
	}
	address := args[0]
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		l.Network, l.Address = "unix", path
		return l
	}
	host, port, err := net.SplitHostPort(address)
	switch {
	case err == nil:
	case strings.Trim(address, "0123456789") == "":
		host, port = "", address
	default:
		host, port = strings.Trim(address, "[]"), "80"
	}
	if host == "*" || host == "0.0.0.0" {
		host = ""
	}
	l.Address = net.JoinHostPort(host, port)
	return l
}

// Pick returns the server among those that listen on an address that answers
// for host: ngx_http_find_virtual_server. It returns nil if none listens
// there.
func Pick(servers []*Server, at Listen, host string) *Server {
	var first, best *Server
	rank := 0
	for _, s := range servers {
		i := slices.IndexFunc(s.Listens, func(l Listen) bool { return l.Network == at.Network && l.Address == at.Address })
		if i < 0 {
			continue
		}
		if first == nil || s.Listens[i].Default {
			first = s
		}
		if r := s.Rank(host); r > rank {
			best, rank = s, r
		}
	}
	if best != nil {
		return best
	}
	return first
}

// Rank says how specifically the server's names mean host: 0 not at all, else
// the greater the more specific. Of equals nginx takes the first.
func (s *Server) Rank(host string) int {
	const exact, before, after = 4000, 2000, 1000 // wildcards by their length
	best := 0
	for _, name := range s.Names {
		switch {
		case name == host || strings.HasPrefix(name, ".") && name[1:] == host:
			return exact
		case strings.HasPrefix(name, "~"):
			if re, err := regexp.Compile("(?i)" + name[1:]); err == nil && re.MatchString(host) {
				best = max(best, 1)
			}
		case strings.HasPrefix(name, "*.") || strings.HasPrefix(name, "."):
			if suffix := strings.TrimPrefix(name, "*"); strings.HasSuffix(host, suffix) && len(host) > len(suffix) {
				best = max(best, before+len(suffix))
			}
		case strings.HasSuffix(name, ".*"):
			if prefix := strings.TrimSuffix(name, "*"); strings.HasPrefix(host, prefix) {
				best = max(best, after+len(prefix))
			}
		}
	}
	return best
}
