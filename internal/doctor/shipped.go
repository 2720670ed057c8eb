// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"thumbd/internal/nginxconf"
	"thumbd/internal/shell"
	"thumbd/nginx"
)

// installedShare is the folder of nginx's files in the packages.
const installedShare = "/usr/share/thumbd/nginx"

// share returns the folder with the files of this program's version: for
// /usr/local/bin/thumbd in /usr/local/share/thumbd/nginx.
func share() string {
	if own, err := os.Executable(); err == nil {
		dir := filepath.Join(filepath.Dir(own), "../share/thumbd/nginx")
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return installedShare
}

// shipped returns the directives of a file that this version comes with, for example
// snippets/thumbd.conf.
func shipped(name string) *nginxconf.Block {
	text, err := nginx.Files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	b, err := nginxconf.Parse(text)
	if err != nil {
		panic(err)
	}
	return b
}

// compareShipped compares nginx's http block, and each server block with the
// location @thumbd or @thumbd_inplace, with the files of this version.
func (v *visit) compareShipped() {
	for _, http := range v.conf.HTTP() {
		v.compareBlocks(http, "conf.d/thumbd.conf")
	}
	for _, server := range v.conf.Servers() {
		switch {
		case server.Named("@thumbd_dead") != nil:
			v.compareBlocks(server.Block, "snippets/thumbd-node.conf")
		case server.Named("@thumbd") != nil:
			v.compareBlocks(server.Block, "snippets/thumbd.conf")
		}
		if server.Named("@thumbd_inplace") != nil {
			v.compareBlocks(server.Block, "snippets/thumbd-inplace.conf")
		}
	}
}

// compareBlocks compares b with a file that comes with thumbd. It finds the directives
// that b lacks, and the directives that b adds in one of the file's blocks. The upstream
// is not compared: its socket may be elsewhere.
func (v *visit) compareBlocks(b *nginxconf.Block, name string) {
	for _, want := range shipped(name).Children {
		have := b.Find(want)
		switch {
		case want.Name == "upstream":
		case have == nil:
			v.outdated(b, name, fmt.Sprintf("there is no %q", want.Text()))
		default:
			if missing := have.Lacks(want); missing != nil {
				v.outdated(have, name, fmt.Sprintf("%q lacks %q", want.Text(), missing.Text()))
			} else if more := want.Lacks(have); more != nil {
				v.outdated(more, name, fmt.Sprintf("%q has %q besides", want.Text(), more.Text()))
			}
		}
	}
}

// compareIncluded finds a directive of a file that comes with thumbd and that b
// does not have. More directives in b are the administrator's.
func (v *visit) compareIncluded(b *nginxconf.Block, name string) {
	if missing := b.Lacks(shipped(name)); missing != nil {
		v.outdated(included(b, name), name, fmt.Sprintf("there is no %q", missing.Text()))
	}
}

// included returns a directive within b that is from a file of that name, or b.
func included(b *nginxconf.Block, name string) *nginxconf.Block {
	for _, child := range b.Children {
		if strings.HasSuffix(child.File, "/"+name) {
			return child
		}
	}
	return b
}

// outdated reports that nginx has an edited file of thumbd's, or the file of another
// version.
func (v *visit) outdated(at *nginxconf.Block, name, what string) {
	v.find("snippet-edited", at.Where(), "nginx's part of thumbd is edited, or of another version: "+what, renew(at, name)...)
}

// renew returns the commands that give nginx the file of this version, if at is a
// directive of the present file.
func renew(at *nginxconf.Block, name string) []string {
	line := "include " + quoted(filepath.Join(share(), name)) + ";"
	switch {
	case strings.HasPrefix(at.File, share()+"/"):
		return []string{"apt install --reinstall thumbd", reloadNginx}
	case strings.HasSuffix(at.File, "/"+name):
		return []string{
			shell.Line("cp", "-p", at.File, at.File+".edited"),
			"echo " + shell.Quote(line) + " > " + shell.Quote(at.File),
			reloadNginx,
		}
	}
	return []string{"in that file write, in place of thumbd's part: " + line, reloadNginx}
}
