// SPDX-License-Identifier: MIT

package clinic

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/doctor"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// clinic is an installation with a site of each kind.
func clinic(t *testing.T) rig.Options {
	o := kit.Downloads(t, kit.Documents(t))
	// A front without a location.
	o.HTTP += `limit_req_zone $binary_remote_addr zone=misses:1m rate=100r/s;
map "" $thumbd_original { default ""; }
upstream machines { hash $thumbd_original consistent; server 127.0.0.1:9; }
`
	o.Keys["tokens.key"] = "a key of tokens, 0123456789abcdef"
	o.Sites = append(o.Sites,
		rig.Site{Name: "news", Prefix: "/news/", Scheme: "signed", Originals: kit.JPGs(t), Key: kit.Key + "-news",
			TOML:     fmt.Sprintf("negotiate = [\"avif\", \"webp\"]\n[site.news.watermark.logo]\nimage = %q", filepath.Join(kit.JPGs(t), "a.jpg")),
			TryFiles: "$uri$thumbd_variant", Location: "add_header Vary Accept always;"},
		rig.Site{Name: "small", Prefix: "/small/", Scheme: "preset", Originals: kit.JPGs(t), Hosts: []string{"small.example", "*.b.example"},
			TOML: fmt.Sprintf("placeholder = %q\n", filepath.Join(kit.JPGs(t), "b.jpg")) + "render_together = [\"icon\", \"icon@2x\"]\n[site.small.preset.icon]\nsize = \"16x16\"\nmethod = \"crop\"\ndpr = [2]\n[site.small.preset.wide]\nsize = \"64x16\"\nmethod = \"crop\""},
		rig.Site{Name: "old", Prefix: "/old/", Scheme: "restthumbnails", Originals: kit.JPGs(t), Key: kit.Key + "-old"})
	return o
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	r := kit.Start(t, clinic(t))
	before := kit.InTrees(t, r)
	found := kit.Examine(t, r)
	for _, f := range found.Findings {
		t.Errorf("%+v", f)
	}
	for _, c := range found.Checks {
		if c.Status != doctor.OK && c.Name != "systemd" && c.Name != "hardening" && c.Name != "backlog" {
			t.Errorf("%+v", c)
		}
	}
	if after := kit.InTrees(t, r); !slices.Equal(before, after) {
		t.Errorf("left behind: %q, before %q", after, before)
	}
	for _, site := range []string{"gallery", "news", "small", "old"} {
		kit.WaitLog(t, r, 1, "msg=rendered", "site="+site)
	}
}

// A right configuration may be written in other ways than the manual's.
func TestDoctorAcceptsOtherWays(t *testing.T) {
	const usual = "location ^~ /thumbs/ { root ROOT; try_files $uri @thumbd; } "
	for name, server := range map[string]string{
		"an alias of the whole path":     "location ^~ /thumbs/ { alias ROOT/thumbs/; try_files $uri @thumbd; }",
		"an own location before @thumbd": "location ^~ /thumbs/ { root ROOT; try_files $uri @mine; } location @mine { try_files /_none @thumbd; }",
		"no Last-Modified":               `location ^~ /thumbs/ { root ROOT; try_files $uri @thumbd; etag off; if_modified_since off; add_header Last-Modified ""; }`,
		"a redirect to another name":     `server_name a.example www.a.example; if ($host != "www.a.example") { return 301 http://www.a.example$request_uri; } ` + usual,
		"a redirect to https": "listen 127.0.0.1:TLS ssl; ssl_certificate CERT; ssl_certificate_key KEY; " +
			`if ($scheme != "https") { return 301 https://$host$request_uri; } ` + usual,
	} {
		t.Run(name, func(t *testing.T) {
			root := kit.Folder(t, nil)
			_, port, _ := strings.Cut(kit.FreePort(t), ":")
			cert, key := certificate(t, t.TempDir())
			server := strings.NewReplacer("ROOT", root, "127.0.0.1:TLS", "127.0.0.1:"+port, "CERT", cert, "KEY", key).Replace(server)
			r := kit.Start(t, rig.Options{
				TOML: fmt.Sprintf("[site.gallery]\nprefix = \"/thumbs/\"\nscheme = \"preset\"\noriginals = %q\ndocument_root = %q\n", kit.JPGs(t), root),
				HTTP: "server { listen " + kit.FreePort(t) + "; " + server + " include snippets/thumbd.conf; }",
			})
			for _, f := range kit.Examine(t, r).Findings {
				t.Errorf("%+v", f)
			}
		})
	}
}

// disease is one thing that is made wrong in a healthy installation, in a way
// that can be undone.
type disease struct {
	file     string // below the rig's folder; "": nginx.conf
	old, new string // texts in it
	change   func(t *testing.T, r *rig.Rig) (undo func())
	flags    []string
	want     string
	cure     string
	log      string // a part of the line of nginx's error log
	// kept says that nginx may still have a connection to the daemon, so that some
	// thumbnails are answered.
	kept bool
}

// diseases are what the doctor must find, each in an installation in which all
// else is right.
func diseases() map[string]disease {
	const location = "location ^~ /thumbs/ {"
	return map[string]disease{
		"no nginx":                        {flags: []string{"--nginx", "/nonexistent/nginx"}, want: "nginx-missing", cure: "apt install nginx"},
		"nonsense in nginx.conf":          {old: "events {", new: "nonsense; events {", want: "nginx-configuration", cure: "nginx -t"},
		"conf.d not included":             {old: "include conf.d/*.conf;", want: "upstream-missing", cure: "include"},
		"few connections":                 {old: "worker_connections 1024", new: "worker_connections 64", want: "worker-connections", cure: "worker_connections 1024;"},
		"nginx not started":               {old: "/nginx.pid;", new: "/none.pid;", want: "nginx-not-running", cure: "start nginx"},
		"another prefix":                  {old: location, new: "location ^~ /thumb/ {", want: "location-missing", cure: "location ^~ /thumbs/ {"},
		"a regular expression":            {old: location, new: `location ~* \.(jpe?g|png)$ { } location /thumbs/ {`, want: "location-regexp", cure: location},
		"a location within the site":      {old: location, new: "location ^~ /thumbs/animals/ { } " + location, want: "location-taken", cure: "another prefix"},
		"no ^~":                           {old: location, new: "location /thumbs/ {", want: "caret-missing", cure: location},
		"no snippet":                      {old: "include snippets/thumbd.conf;", want: "snippet-missing", cure: "include snippets/thumbd.conf;"},
		"an edited snippet":               {file: "snippets/thumbd.conf", old: "proxy_set_header X-Request-Id     $request_id;", want: "snippet-edited", cure: "/snippets/thumbd.conf.edited\necho 'include /usr/share/thumbd/nginx/snippets/thumbd.conf;' > /"},
		"a limit that says dead":          {old: "include snippets/thumbd.conf;", new: "limit_req zone=misses burst=5; limit_req_status 429; include snippets/thumbd-node.conf;", want: "front-429", cure: "limit_req_status 503;"},
		"a front that takes 502 for dead": {old: "server_name small.example", new: "location /front/ { proxy_next_upstream error http_502; proxy_pass http://machines; } server_name small.example", want: "front-502", cure: "proxy_next_upstream error timeout http_429;"},
		"an old snippet of a node":        {old: "include snippets/thumbd.conf;", new: "location @thumbd_dead { return 429; } include snippets/thumbd.conf;", want: "snippet-edited", cure: "include"},
		"more in a snippet":               {file: "snippets/thumbd.conf", old: "proxy_bind off;", new: "proxy_bind off; proxy_limit_rate 1k;", want: "snippet-edited", cure: "echo 'include /usr/share/thumbd/nginx/snippets/thumbd.conf;' > /"},
		"an old auth snippet":             {file: "snippets/thumbd-auth.conf", old: "expires    off;", want: "snippet-edited", cure: "echo 'include /usr/share/thumbd/nginx/snippets/thumbd-auth.conf;' > /"},
		"an old files snippet":            {file: "snippets/thumbd-files.conf", old: "disable_symlinks on from=$document_root;", want: "snippet-edited", cure: "echo 'include /usr/share/thumbd/nginx/snippets/thumbd-files.conf;' > /"},
		"an old map":                      {file: "conf.d/thumbd.conf", old: "map $uri $thumbd_webp {\n    volatile;", new: "map $uri $thumbd_webp {", want: "snippet-edited", cure: "echo 'include /usr/share/thumbd/nginx/conf.d/thumbd.conf;' > /"},
		"another root":                    {old: "/root/gallery;", new: "/root;", want: "root-wrong", cure: "/root/gallery;"},
		"alias":                           {old: location + "\n            root ", new: location + "\n            alias ", want: "root-wrong", cure: "/root/gallery;"},
		"no try_files":                    {old: "try_files $uri @thumbd;", want: "try-files", cure: "try_files $uri @thumbd;"},
		"try_files without thumbd":        {old: "try_files $uri @thumbd;", new: "try_files $uri =404;", want: "try-files", cure: "try_files $uri @thumbd;"},
		"no negotiation in nginx":         {old: "try_files $uri$thumbd_variant ", new: "try_files $uri ", want: "negotiation", cure: "try_files $uri$thumbd_variant @thumbd;"},
		"negotiation in nginx alone":      {old: "try_files $uri @thumbd;", new: "try_files $uri$thumbd_webp @thumbd;", want: "negotiation", cure: "try_files $uri @thumbd;"},
		"no media type of AVIF":           {old: "include      /etc/nginx/mime.types;", new: "types { image/jpeg jpg; image/png png; image/webp webp; image/gif gif; }", want: "mime-types", cure: "image/avif avif;"},
		"a named location to nowhere":     {old: "try_files $uri @thumbd;", new: "try_files $uri @snippet;", want: "try-files", cure: "try_files $uri @thumbd;"},
		"no Vary":                         {old: "add_header Vary Accept always;", want: "vary-missing", cure: "add_header Vary Accept always;"},
		"open_file_cache":                 {old: "sendfile     on;", new: "sendfile on; open_file_cache max=100;", want: "open-file-cache", cure: "open_file_cache off;"},
		"gzip of images":                  {old: "sendfile     on;", new: "sendfile on; gzip on; gzip_types text/css image/jpeg;", want: "gzip-images", cure: "gzip off;"},
		"a protected site not checked":    {old: "include snippets/thumbd-auth.conf;", want: "auth-missing", cure: "include snippets/thumbd-auth.conf;"},
		"no marker kept":                  {file: "snippets/thumbd-auth.conf", old: "auth_request_set $thumbd_proof $upstream_http_x_thumbd_proof;", want: "snippet-outdated", cure: "echo 'include /usr/share/thumbd/nginx/snippets/thumbd"},
		"no marker sent":                  {file: "snippets/thumbd.conf", old: "proxy_set_header X-Thumbd-Proof   $thumbd_proof;", want: "snippet-outdated", cure: "echo 'include /usr/share/thumbd/nginx/snippets/thumbd"},
		"a protected tree as an alias":    {old: location, new: "location ^~ /all/ { alias root/gallery/thumbs/; } " + location, want: "tree-open", cure: "remove that location"},
		"a protected tree below a root":   {old: location, new: "location ^~ /gallery/ { root root; } " + location, want: "tree-open", cure: "location ^~ /gallery/thumbs/ { return 404; }"},
		"a protected tree elsewhere":      {old: "server_name small.example", new: "root root/gallery; server_name small.example", want: "tree-open", cure: "include snippets/thumbd-auth.conf;"},
		"a protected tree by its suffix":  {old: location, new: `location ~ \.png$ { root root/gallery; } location ^~ /none/ { root root/gallery; } location /thumbs/ {`, want: "tree-open", cure: "include snippets/thumbd-auth.conf;"},
		"downloads by another location":   {old: location, new: "location ^~ /files/ { alias /; } " + location, want: "files-open", cure: "location ^~ /files/tmp/"},
		"another rule lets in":            {old: "include snippets/thumbd-auth.conf;", new: "include snippets/thumbd-auth.conf; satisfy any;", want: "auth-missing", cure: "satisfy all;"},
		"an open site checked":            {old: "location ^~ /old/ {", new: "location ^~ /old/ { auth_request /_thumbd/auth;", want: "auth-needless", cure: "[site.old.access]"},
		"everybody denied":                {old: "location ^~ /old/ {", new: "location ^~ /old/ { deny all;", want: "location-denied", cure: "allow all;"},
		"everybody denied around it":      {old: "sendfile     on;", new: "sendfile on; deny all;", want: "location-denied", cure: "allow all;"},
		"a password":                      {old: "location ^~ /old/ {", new: "location ^~ /old/ { auth_basic closed;", want: "location-password", cure: "auth_basic off;"},
		"links that nginx does not follow": {old: "location ^~ /old/ {", new: "location ^~ /old/ { disable_symlinks on;", change: linkedTree,
			want: "symlinks-disabled", cure: "disable_symlinks off;"},
		"a name that is no host":          {old: "server_name small.example", new: "server_name www.example small.example", want: "host-missing", cure: `"www.example"`},
		"another host":                    {old: "server_name small.example", new: "server_name large.example", want: "host-elsewhere", cure: "server_name of that server block: small.example"},
		"a server block without the site": {old: "location ^~ /small/ {", new: "location ^~ /large/ {", want: "location-missing", cure: "location ^~ /small/ {"},
		"downloads that are not internal": {old: "include snippets/thumbd-files.conf; }", new: "}", want: "files-open", cure: "include snippets/thumbd-files.conf;"},
		"downloads of another folder":     {old: "{ alias /", new: "{ alias /srv/", want: "files-location", cure: "alias "},
		"downloads without a location":    {old: "location ^~ /open/ {", new: "location ^~ /closed/ {", want: "files-location", cure: "location ^~ /open/ {"},
		"nginx at another socket":         {file: "conf.d/thumbd.conf", old: "/thumbd.sock;", new: "/none.sock;", want: "socket-missing", cure: "start thumbd serve --listen "},
		"a file in place of the socket":   {file: "conf.d/thumbd.conf", old: "/thumbd.sock;", new: "/thumbd.toml;", want: "socket-missing", cure: "rm "},
		"a mistake in the configuration":  {file: "thumbd.toml", old: "[files.open]", new: "nonsense = 1\n[files.open]", want: "configuration", cure: "thumbd.toml(5)"},
		"a preset with another name":      {file: "thumbd.toml", old: "preset.wide]", new: "preset.wider]", want: "presets-changed", cure: "kill -HUP "},
		"a change without a reload":       {file: "thumbd.toml", old: "[files.open]", new: "# more\n[files.open]", want: "not-reloaded", cure: "kill -HUP "},
		"a wait that is too long":         {file: "thumbd.toml", old: "[files.open]", new: "[limits]\nqueue_time = \"290s\"\n[files.open]", want: "configuration-warning", cure: "thumbd.toml(5)"},

		"nginx not reloaded":       {change: touchConf, want: "nginx-not-reloaded", cure: "nginx -s reload"},
		"no configuration":         {change: away("thumbd.toml"), want: "no-site", cure: "thumbd init "},
		"nobody at the socket":     {change: deafSocket, kept: true, want: "socket-dead", cure: "start thumbd serve --listen ", log: "failed (111: Connection refused) while connecting to upstream"},
		"rights of the socket":     {change: mode("thumbd.sock", 0), kept: true, want: "socket-rights", cure: ",group="},
		"no answer":                {change: muteSocket, kept: true, want: "daemon-silent", cure: "see the log of thumbd"},
		"a tree that is a file":    {change: fileInPlaceOfTree, want: "tree-unwritable", cure: "restart"},
		"a root that is closed":    {change: mode("root/old", 0), want: "nginx-cannot-read", cure: "chmod o+x "},
		"no originals' folder":     {change: originalsAway(false), want: "originals-unreadable", cure: "install -d "},
		"no root of downloads":     {change: downloadsAway, want: "files-unreadable", cure: "install -d "},
		"no image of a watermark":  {change: watermarkAway, want: "watermark-unreadable", cure: "read the image"},
		"no placeholder":           {change: placeholderAway, want: "placeholder-unreadable", cure: "read the image"},
		"no original to try":       {change: originalsAway(true), want: "no-original", cure: "put a picture there"},
		"another key":              {change: otherKey, want: "probe-miss", cure: "restart thumbd"},
		"a damaged original alone": {change: damagedOriginals, want: "probe-miss", cure: "ANSWERS in thumbd-url(7)"},
	}
}

// healthy are other ways to write the same installation, with which nothing is wrong.
func healthy() map[string]disease {
	const location = "location ^~ /old/ {"
	return map[string]disease{
		"as it is":                         {},
		"a root with a slash":              {old: "/root/old;", new: "/root/old/;"},
		"a variable in the location":       {old: "/root/old;", new: "/root/old; set $quoted \"a b\";"},
		"rules for some clients":           {old: location, new: location + " allow 10.0.0.0/8; deny all;"},
		"everybody allowed":                {old: location, new: location + " allow all;"},
		"no password here":                 {old: location, new: location + " auth_basic off;"},
		"no links to follow":               {old: location, new: location + " disable_symlinks on;"},
		"a cache that is off":              {old: location, new: location + " open_file_cache off;"},
		"gzip of texts":                    {old: "sendfile     on;", new: "sendfile on; gzip on; gzip_types text/css image/svg+xml;"},
		"gzip that is off here":            {old: location, new: location + " gzip off; gzip_types image/jpeg;"},
		"more connections":                 {old: "worker_connections 1024", new: "worker_connections 8192"},
		"more headers":                     {old: location, new: location + ` add_header X-Frame-Options DENY always;`},
		"a name that is sent on":           {old: "server_name small.example", new: `if ($host = www.example) { return 301 http://small.example$request_uri; } server_name www.example small.example`},
		"a wildcard's name":                {old: "server_name small.example", new: "server_name small.example x.b.example"},
		"a location of something else":     {old: location, new: `location ~ \.php$ { return 404; } ` + location},
		"another site's server block":      {old: "sendfile     on;", new: "sendfile on; server { listen unix:other.sock; server_name other.example; root /srv/other; }"},
		"media types of its own":           {old: location, new: location + " types { image/jpeg jpg jpeg; image/png png; image/webp webp; image/avif avif; image/gif gif; }"},
		"a limit of misses":                {old: "sendfile     on;", new: "sendfile on; limit_req_zone $binary_remote_addr zone=miss:1m rate=9r/s;"},
		"an own location before thumbd":    {old: "location ^~ /news/ {", new: "location @mine { try_files /_none @thumbd; } location ^~ /news/ {"},
		"a comment in the configuration":   {old: "sendfile     on;", new: "# deny all; auth_basic x;\n sendfile on;"},
		"pages of its own in place of 404": {old: location, new: location + " error_page 404 /none.html;"},
	}
}

var updateTable = flag.Bool("update", false, "write testdata/doctor.txt anew")

// The doctor says of each situation exactly what the table has: each finding with its
// name, place, cause and cure, and nothing else; of a right one nothing at all.
func TestDoctorsTable(t *testing.T) {
	r := kit.Start(t, clinic(t))
	situations := diseases()
	for name, s := range healthy() {
		situations["right: "+name] = s
	}
	if len(situations) < 60 {
		t.Errorf("%d situations, want 60", len(situations))
	}
	table := doctorsTable(t)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(situations)) {
		s := situations[name]
		t.Run(name, func(t *testing.T) {
			if s.change != nil {
				defer s.change(t, r)()
			}
			if s.old != "" {
				defer replace(t, r, s)()
			}
			found := kit.Examine(t, r, s.flags...)
			if s.want != "" {
				kit.WantFinding(t, found, s.want, s.cure)
			}
			if text := fmt.Sprintf("%+v", found.Findings); !strings.Contains(text, s.log) {
				t.Errorf("no %q of nginx's error log in %s", s.log, text)
			}
			if s.kept {
				found.Findings = slices.DeleteFunc(found.Findings, func(f doctor.Finding) bool { return strings.HasPrefix(f.Name, "probe-") })
			}
			got := said(r, found)
			fmt.Fprintf(&b, "\n== %s\n%s", name, got)
			// Another user than root sees less, and names other users.
			if os.Geteuid() != 0 || *updateTable {
				return
			}
			if diff := cmp.Diff(table[name], got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
	if *updateTable {
		kit.Put(t, "testdata/doctor.txt", []byte(tableHead+b.String()))
	}
	for _, f := range kit.Examine(t, r).Findings {
		t.Errorf("undone: %+v", f)
	}
}

const tableHead = `# What thumbd doctor says of each situation of TestDoctorsTable: name, place, cause,
# and, below it, the cure. DIR is the installation, N a number that may differ. Made by
# go test ./internal/test/clinic -run TestDoctorsTable -update, as root: read the changes.
`

// doctorsTable returns testdata/doctor.txt by the situations.
func doctorsTable(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/doctor.txt")
	if err != nil && !*updateTable {
		t.Fatal(err)
	}
	table := make(map[string]string)
	for _, part := range strings.Split(string(text), "\n== ")[1:] {
		name, said, _ := strings.Cut(part, "\n")
		table[name] = strings.TrimRight(said, "\n")
		if said != "" {
			table[name] += "\n"
		}
	}
	return table
}

// said returns findings as the table has them.
func said(r *rig.Rig, found doctor.Result) string {
	var b strings.Builder
	for _, f := range found.Findings {
		fmt.Fprintf(&b, "%s: %s | %s | %s\n", f.Status, f.Name, f.Where, f.What)
		for _, line := range f.Cure {
			fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(line, "\n", "\n    "))
		}
	}
	text := strings.ReplaceAll(b.String(), r.Dir, "DIR")
	for pattern, with := range map[string]string{
		regexp.QuoteMeta(os.TempDir()) + `/thumbd-originals-\d+`: "ORIGINALS",
		`:\d+\b`:                    ":N",
		`HUP \d+`:                   "HUP N",
		`doctor[A-Z2-7]+_[\w-]{28}`: "doctorRANDOM_SIGNATURE",
		// Which operation fails first is chance.
		`(does not answer: ).*`:          "$1…",
		`(nginx's error log: \[\w+\]).*`: "$1 …",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, with)
	}
	return text
}

// linkedTree puts a link in place of the tree of a site.
func linkedTree(t *testing.T, r *rig.Rig) func() {
	path := r.Root("old")
	back := moved(t, path)
	if err := os.Symlink(path+".away", path); err != nil {
		t.Fatal(err)
	}
	return func() {
		aid.Must(t, os.Remove(path))
		back()
	}
}

// replace makes a disease's change in a file. It keeps the file's time, which is
// a finding of its own.
func replace(t *testing.T, r *rig.Rig, s disease) (undo func()) {
	t.Helper()
	path := filepath.Join(r.Dir, "nginx.conf")
	if s.file != "" {
		path = filepath.Join(r.Dir, s.file)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(s.old)) {
		t.Fatalf("%q is not in %s:\n%s", s.old, path, text)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		kit.Put(t, path, b)
		if err := os.Chtimes(path, time.Time{}, fi.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	write(bytes.ReplaceAll(text, []byte(s.old), []byte(s.new)))
	return func() { write(text) }
}

func touchConf(t *testing.T, r *rig.Rig) func() {
	path := filepath.Join(r.Dir, "nginx.conf")
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	set := func(at time.Time) {
		if err := os.Chtimes(path, time.Time{}, at); err != nil {
			t.Fatal(err)
		}
	}
	set(fi.ModTime().Add(time.Hour))
	return func() { set(fi.ModTime()) }
}

// away moves a file of the rig out of the way.
func away(name string) func(*testing.T, *rig.Rig) func() {
	return func(t *testing.T, r *rig.Rig) func() { return moved(t, filepath.Join(r.Dir, name)) }
}

func moved(t *testing.T, path string) (back func()) {
	t.Helper()
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
}

func mode(name string, m os.FileMode) func(*testing.T, *rig.Rig) func() {
	return func(t *testing.T, r *rig.Rig) func() {
		path := filepath.Join(r.Dir, name)
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		set := func(m os.FileMode) {
			if err := os.Chmod(path, m); err != nil {
				t.Fatal(err)
			}
		}
		set(m)
		return func() { set(fi.Mode().Perm()) }
	}
}

// otherSocket has a listener in place of the daemon's.
func otherSocket(t *testing.T, path string) (l *net.UnixListener, undo func()) {
	t.Helper()
	back := moved(t, path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	return l, back
}

func deafSocket(t *testing.T, r *rig.Rig) func() {
	t.Helper()
	return deafAt(t, nginxSocket(r))
}

func nginxSocket(r *rig.Rig) string { return filepath.Join(r.Dir, "thumbd.sock") }

// deafAt leaves a socket at path on which nobody listens.
func deafAt(t *testing.T, path string) func() {
	t.Helper()
	l, undo := otherSocket(t, path)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return undo
}

// muteSocket hangs up on everybody.
func muteSocket(t *testing.T, r *rig.Rig) func() {
	l, back := otherSocket(t, nginxSocket(r))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return func() {
		l.Close()
		<-ended
		back()
	}
}

func fileInPlaceOfTree(t *testing.T, r *rig.Rig) func() {
	path := filepath.Join(r.Root("old"), "old")
	back := moved(t, path)
	kit.Put(t, path, nil)
	return back
}

// otherKey gives a site a key that the daemon has not read.
func otherKey(t *testing.T, r *rig.Rig) func() {
	path := filepath.Join(r.Dir, "keys", "old.key")
	back := moved(t, path)
	aid.Must(t, os.WriteFile(path, []byte("another key of the old, 0123456789"), 0o600))
	return back
}

// originalsAway takes the originals of a site away, and leaves an empty folder
// or none.
func originalsAway(empty bool) func(*testing.T, *rig.Rig) func() {
	return func(t *testing.T, r *rig.Rig) func() {
		path := originalsIn(t, r, "old")
		back := moved(t, path)
		if empty {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return back
	}
}

func downloadsAway(t *testing.T, r *rig.Rig) func() {
	return moved(t, configured(t, r, "files.open", "root"))
}

func watermarkAway(t *testing.T, r *rig.Rig) func() {
	return moved(t, configured(t, r, "site.news.watermark.logo", "image"))
}

func placeholderAway(t *testing.T, r *rig.Rig) func() {
	return moved(t, configured(t, r, "site.small", "placeholder"))
}

// originalsIn returns the folder of a site's originals.
func originalsIn(t *testing.T, r *rig.Rig, site string) string {
	t.Helper()
	return configured(t, r, "site."+site, "originals")
}

// configured returns a path of a rig's configuration.
func configured(t *testing.T, r *rig.Rig, table, key string) string {
	t.Helper()
	_, rest, _ := strings.Cut(kit.Configuration(t, r), "["+table+"]")
	_, rest, _ = strings.Cut(rest, "\n"+key+` = "`)
	path, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no %s in %s", key, table)
	}
	return path
}

func damagedOriginals(t *testing.T, r *rig.Rig) func() {
	path := originalsIn(t, r, "old")
	back := moved(t, path)
	for i := range 9 {
		kit.Put(t, filepath.Join(path, fmt.Sprintf("%d.jpg", i)), []byte("no picture"))
	}
	return back
}

// Of several protected sites with one URI only the root tells thumbd which it is.
func TestDoctorTellsRivalsApart(t *testing.T) {
	site := func(name string) rig.Site {
		return rig.Site{
			Name: name, Prefix: "/t/", Scheme: "preset", Hosts: []string{name + ".example"}, Originals: kit.JPGs(t), Protected: true,
			TOML: fmt.Sprintf("[site.%s.access]\nproofs = [\"token\"]\ntoken_keys = [\"%[1]s.token\"]", name),
		}
	}
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{site("one"), site("two")},
		Keys:  map[string]string{"one.token": kit.TokenKey + "1", "two.token": kit.TokenKey + "2"},
	})
	if err := os.Symlink("root/two", filepath.Join(r.Dir, "linked")); err != nil {
		t.Fatal(err)
	}
	healthy := func() {
		t.Helper()
		for _, f := range kit.Examine(t, r).Findings {
			t.Errorf("healthy: %+v", f)
		}
	}
	healthy()
	root := fmt.Sprintf("root      %s;", r.Root("two"))
	for name, s := range map[string]disease{
		"another spelling": {old: root, new: "root linked;", want: "root-wrong", cure: "set $thumbd_root " + r.Root("two") + ";"},
		"no root told":     {file: "snippets/thumbd-auth.conf", old: "set $thumbd_root $document_root;", want: "root-wrong", cure: "root " + r.Root("one") + ";"},
		"no root sent":     {file: "snippets/thumbd.conf", old: "proxy_set_header X-Thumbd-Root   $thumbd_asking_root;", want: "snippet-outdated", cure: "nginx -t"},
	} {
		t.Run(name, func(t *testing.T) {
			defer replace(t, r, s)()
			kit.WantFinding(t, kit.Examine(t, r, s.flags...), s.want, s.cure)
		})
	}
	healthy()
	// What stands behind the include counts: both locations tell the root of two.
	const include = "include snippets/thumbd-auth.conf;"
	defer replace(t, r, disease{old: include, new: include + " set $thumbd_root " + r.Root("two") + ";"})()
	kit.WantFinding(t, kit.Examine(t, r), "root-wrong", "root "+r.Root("one")+";")
}
