// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"fmt"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/nginxconf"
)

// files looks for the two locations of each section of downloads.
func (v *visit) files(context.Context) string {
	if v.conf == nil || v.config == nil {
		return v.skip("it takes both configurations")
	}
	if v.config.Accel != "nginx" {
		return v.skip("another server has them: accel is %s", v.config.Accel)
	}
	for i := range v.config.Files {
		v.section(&v.config.Files[i])
		v.filesOpen(&v.config.Files[i])
	}
	return fmt.Sprintf("%d sections of files", len(v.config.Files))
}

func (v *visit) section(f *config.Files) {
	name := "files " + f.Name
	var found bool
	for _, server := range v.conf.Servers() {
		asked := server.Exact(f.Prefix)
		if asked == nil {
			continue
		}
		found = true
		if t := asked.First("try_files"); t == nil || !leads(server, t.Arg(len(t.Args)-1)) {
			v.find("files-location", name+", "+asked.Where(), "it does not ask thumbd for each request",
				"in that location write: try_files /_thumbd/none @thumbd;", reloadNginx)
		}
		if server.Named("@thumbd") == nil {
			v.find("snippet-missing", name+", "+server.Where(), "the server block has no location @thumbd", "in that server block write: include snippets/thumbd.conf;", reloadNginx)
		}
		v.internal(f, server)
	}
	if !found {
		v.find("files-location", name, "no server block of nginx has a location for "+f.Prefix,
			"in the server block write:", "location ^~ "+quoted(f.Prefix)+" {", "    try_files /_thumbd/none @thumbd;", "}", reloadNginx)
	}
}

// internal checks the location from which nginx sends the files.
func (v *visit) internal(f *config.Files, server *nginxconf.Server) {
	name := "files " + f.Name
	cure := []string{"in the server block write:", "location ^~ " + quoted(f.Internal) + " {", "    alias   " + quoted(f.Root+"/") + ";",
		"    include snippets/thumbd-files.conf;", "}", reloadNginx}
	l := server.Exact(f.Internal)
	switch {
	case l == nil:
		v.find("files-location", name+", "+server.Where(), "the server block has no location for "+f.Internal, cure...)
		return
	case l.First("internal") == nil:
		v.find("files-open", name+", "+l.Where(), "the location is not internal: everybody can have the files", cure...)
	default:
		v.compareIncluded(l.Block, "snippets/thumbd-files.conf")
	}
	alias := ""
	if b := l.First("alias"); b != nil {
		alias = b.Arg(0)
	}
	if !strings.HasSuffix(alias, "/") || resolved(v.conf.Abs(alias)) != resolved(f.Root) {
		v.find("files-location", name+", "+l.Where(), "its alias is not "+f.Root+"/", cure...)
	}
}
