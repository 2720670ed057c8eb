// SPDX-License-Identifier: MIT

package doctor

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// change is one edit of the texts of a right installation.
type change struct {
	file     string // below /etc/nginx; "" is nginx.conf, thumbd.toml is thumbd's own
	old, new string
	want     []string // the findings' names
	part     string   // of the findings' text or cures
}

const (
	thumbs = "location ^~ /thumbs/ {\n"
	news   = "location ^~ /news/ {\n"

	smallServer = "server {\n        listen 80;\n        server_name small"

	thumbdConf = "include snippets/thumbd.conf;"
	nodeConf   = "include snippets/thumbd-node.conf;"
)

// front returns the blocks of nginx as the front of several machines, with more lines of
// the server and the values of proxy_next_upstream, if there are any.
func front(server, next string) string {
	if next != "" {
		next = "proxy_next_upstream " + next + ";"
	}
	return "upstream machines { hash $thumbd_original consistent; server 192.0.2.1; server 192.0.2.2; }\n" +
		"server { listen 81; " + server + " location / { proxy_pass http://machines; " + next + " } }\n"
}

// changes of nginx.conf are made in its text with the lines of all sites.
var changes = map[string]change{
	"right as it is": {},

	// The way of a request to the site's location.
	"another prefix in nginx":       {old: thumbs, new: "location ^~ /thumb/ {\n", want: []string{"location-missing"}, part: "location ^~ /thumbs/ {"},
	"a regular expression before":   {old: news, new: "location ~* \\.(jpe?g|png)$ { expires 1d; }\nlocation /news/ {\n", want: []string{"location-regexp"}, part: "write: location ^~ /news/ {"},
	"a regular expression of text":  {old: news, new: "location ~ \\.php$ { return 404; }\n" + news},
	"a location within the site":    {old: news, new: "location ^~ /news/animals/ { }\n" + news, want: []string{"location-taken"}, part: "location ^~ /news/animals/ takes"},
	"a location beside the samples": {old: news, new: "location ^~ /news/feed/ { }\n" + news},
	"no caret":                      {old: news, new: "location /news/ {\n", want: []string{"caret-missing"}, part: "write: location ^~ /news/ {"},
	"a prefix without its slash":    {old: news, new: "location ^~ /news {\n"},
	"another host":                  {old: "server_name small.example", new: "server_name large.example", want: []string{"host-elsewhere", "host-missing"}, part: "server_name of that server block: small.example"},
	"a server without the site":     {old: "location ^~ /small/ {", new: "location ^~ /large/ {", want: []string{"location-missing", "location-missing"}, part: "the server block that answers for small.example has no location for /small/"},
	"a host of the wildcard":        {old: "b.b.example", new: "c.b.example"},
	"a wildcard that nobody names":  {old: " b.b.example", new: "", want: []string{"host-elsewhere"}, part: "answers for thumbd-doctor.b.example"},
	"a name that is no host":        {old: "server_name small.example", new: "server_name other.example small.example", want: []string{"host-missing"}, part: `of [site.small]`},
	"a name that is sent on":        {old: "server_name small.example", new: "if ($host = other.example) { return 301 /; } server_name other.example small.example"},
	"an address of UDP alone":       {old: "listen 80;\n        server_name small", new: "listen 443 quic;\n        server_name small", want: []string{"host-elsewhere", "host-elsewhere"}},

	// The files that nginx looks for.
	"another root":                {old: "/root/news;", new: "/root;", want: []string{"root-wrong"}, part: "/root/news"},
	"a root with a slash":         {old: "/root/news;", new: "/root/news/;"},
	"a root by a variable":        {old: "/root/news;", new: "/root/$site;"},
	"no root":                     {old: "root      ", new: "set $x ", want: times(7, "root-wrong"), part: "there is no root"},
	"an alias of the root":        {old: news + "    root      ", new: news + "    alias     ", want: []string{"root-wrong"}, part: "alias leaves /news/ out"},
	"no try_files":                {old: "try_files $uri$thumbd_variant @thumbd;", want: []string{"try-files"}, part: "nginx never asks thumbd"},
	"try_files without thumbd":    {old: "try_files $uri$thumbd_variant @thumbd;", new: "try_files $uri$thumbd_variant =404;", want: []string{"try-files"}},
	"try_files of nowhere":        {old: "$uri$thumbd_variant @thumbd;", new: "$uri$thumbd_variant @nowhere;", want: []string{"try-files"}},
	"try_files with a third name": {old: "$uri$thumbd_variant @thumbd;", new: "$uri$thumbd_variant $uri @thumbd;", want: []string{"try-files"}},
	"try_files that goes on":      {old: "$uri$thumbd_variant @thumbd;", new: "$uri$thumbd_variant @thumbd =404;", want: []string{"try-files"}},
	"a named location before":     {old: news, new: "location @mine { try_files /_none @thumbd; }\n" + strings.Replace(news, "/news/", "/x/", 1) + "}\n" + news},
	"a named location of ours":    {old: "$uri$thumbd_variant @thumbd;", new: "$uri$thumbd_variant @mine; add_header Vary accept; } location @mine { try_files /_none @thumbd;"},
	"a ring of named locations":   {old: "$uri$thumbd_variant @thumbd;", new: "$uri$thumbd_variant @mine; add_header Vary Accept; } location @mine { try_files /_none @mine;", want: []string{"try-files"}},
	"no negotiation in nginx":     {old: "$uri$thumbd_variant @thumbd", new: "$uri @thumbd", want: []string{"negotiation"}, part: `negotiate = ["avif", "webp"]`},
	"negotiation of WebP alone":   {old: "$uri$thumbd_variant @thumbd", new: "$uri$thumbd_webp @thumbd", want: []string{"negotiation"}},
	"negotiation in nginx alone":  {old: "try_files $uri @thumbd;", new: "try_files $uri$thumbd_webp @thumbd;", want: times(2, "negotiation")},
	"no Vary":                     {old: "@thumbd;\n    add_header Vary Accept always;", new: "@thumbd;", want: []string{"vary-missing"}},
	"a Vary of another header":    {old: "@thumbd;\n    add_header Vary Accept", new: "@thumbd;\n    add_header Vary Cookie", want: []string{"vary-missing"}},
	"no media type of AVIF":       {old: "image/avif avif;", want: times(5, "mime-types"), part: "write: image/avif avif;"},
	"media types of its own":      {old: news, new: news + "types { image/webp webp; }\n", want: []string{"mime-types"}, part: "image/jpeg jpg; image/png png;"},

	// One machine of several.
	"a machine of several":        {old: thumbdConf, new: nodeConf},
	"a limit that says dead":      {old: thumbdConf, new: "limit_req zone=x; limit_req_status 429;\n" + nodeConf, want: times(2, "front-429"), part: "limit_req_status 503;"},
	"a limit of misses":           {old: thumbdConf, new: "location @few { limit_conn x 1; limit_conn_status 429; try_files /none @thumbd; }\n" + nodeConf, want: times(2, "front-429"), part: "limit_conn_status 503;"},
	"a limit of another location": {old: thumbdConf, new: "location /api/ { limit_req zone=x; limit_req_status 429; }\n" + nodeConf},

	// The front of several machines.
	"a front of the default":       {old: smallServer, new: front("", "") + smallServer},
	"a front that tries again":     {old: smallServer, new: front("", "error timeout http_429") + smallServer},
	"a front that says dead":       {old: smallServer, new: front("", "error http_503") + smallServer, want: []string{"front-502"}, part: "proxy_next_upstream error timeout http_429;"},
	"a front of all its locations": {old: smallServer, new: front("proxy_next_upstream http_500;", "") + smallServer, want: []string{"front-502"}, part: "has http_500"},
	"a front of another kind":      {old: smallServer, new: strings.Replace(front("", "http_503"), "$thumbd_original", "$uri", 1) + smallServer},

	// The snippets.
	"no snippet":                {old: "include snippets/thumbd.conf;", want: times(6, "snippet-missing")},
	"a fallback to another":     {file: "snippets/thumbd.conf", old: "http://thumbd;", new: "http://other;", want: append([]string{"snippet-edited"}, times(4, "snippet-missing")...), part: "does not ask thumbd as snippets/thumbd.conf does"},
	"an edited snippet":         {file: "snippets/thumbd.conf", old: "proxy_set_header X-Request-Id     $request_id;", want: []string{"snippet-edited"}, part: "thumbd.conf.edited"},
	"more in a snippet":         {file: "snippets/thumbd.conf", old: "proxy_bind off;", new: "proxy_bind off; proxy_limit_rate 1k;", want: []string{"snippet-edited"}, part: "besides"},
	"an old map":                {file: "conf.d/thumbd.conf", old: "map $uri $thumbd_webp {\n    volatile;", new: "map $uri $thumbd_webp {", want: []string{"snippet-edited"}, part: "conf.d/thumbd.conf.edited"},
	"another socket upstream":   {file: "conf.d/thumbd.conf", old: "/run/thumbd/thumbd.sock", new: "/run/other.sock"},
	"an old snippet of access":  {file: "snippets/thumbd-auth.conf", old: "expires    off;", want: []string{"snippet-edited"}},
	"an old snippet of files":   {file: "snippets/thumbd-files.conf", old: "disable_symlinks on from=$document_root;", want: []string{"snippet-edited"}},
	"an old snippet of inplace": {file: "snippets/thumbd-inplace.conf", old: "proxy_bind off;", want: []string{"snippet-edited"}},

	// What nginx refuses, remembers and packs.
	"everybody denied":                  {old: news, new: news + "deny all;\n", want: []string{"location-denied"}},
	"some allowed":                      {old: news, new: news + "allow 10.0.0.0/8; deny all;\n"},
	"all denied but one address around": {old: "sendfile on;", new: "sendfile on; allow 10.0.0.1; deny all;"},
	"a password":                        {old: news, new: news + "auth_basic closed;\n", want: []string{"location-password"}},
	"a password that is off":            {old: news, new: news + "auth_basic off;\n"},
	"links that lead nowhere":           {old: news, new: news + "disable_symlinks on;\n"},
	"a cache of open files":             {old: news, new: news + "open_file_cache max=100;\n", want: []string{"open-file-cache"}, part: "that were replaced"},
	"a cache of missing files":          {old: news, new: news + "open_file_cache max=100; open_file_cache_errors on;\n", want: []string{"open-file-cache"}, part: "was missing"},
	"a cache that is off":               {old: "sendfile on;", new: "sendfile on; open_file_cache off;"},
	"gzip of images":                    {old: news, new: news + "gzip on; gzip_types text/css image/jpeg;\n", want: []string{"gzip-images"}},
	"gzip of everything":                {old: news, new: news + "gzip on; gzip_types *;\n", want: []string{"gzip-images"}},
	"gzip of drawings":                  {old: news, new: news + "gzip on; gzip_types image/svg+xml;\n"},
	"gzip that is off":                  {old: news, new: news + "gzip_types image/jpeg;\n"},
	"few connections":                   {old: "worker_connections 1024", new: "worker_connections 64", want: []string{"worker-connections"}, part: "worker_connections 1024;"},
	"connections of the default":        {old: "worker_connections 1024;", want: []string{"worker-connections"}, part: "is 512"},
	"a queue of more than nginx's":      {file: "thumbd.toml", old: "\n[site.gallery]", new: "[limits]\nqueue = 4000\n[site.gallery]", want: []string{"worker-connections"}, part: "worker_connections 80"},

	// Protected sites.
	"a protected site not asked":        {old: "include   snippets/thumbd-auth.conf;", want: []string{"auth-missing"}},
	"another rule lets in":              {old: "include   snippets/thumbd-auth.conf;", new: "include snippets/thumbd-auth.conf; satisfy any;", want: []string{"auth-missing"}, part: "satisfy all;"},
	"an open site asked":                {old: news, new: news + "auth_request /_thumbd/auth;\n", want: []string{"auth-needless"}, part: "[site.news.access]"},
	"an open site of another guard":     {old: news, new: news + "auth_request /guard;\n"},
	"a protected site of another guard": {old: "include   snippets/thumbd-auth.conf;", new: "auth_request /guard;", want: []string{"auth-missing"}},
	"no marker kept":                    {file: "snippets/thumbd-auth.conf", old: "auth_request_set $thumbd_proof $upstream_http_x_thumbd_proof;", want: []string{"snippet-edited", "snippet-outdated"}},
	"no marker sent":                    {file: "snippets/thumbd.conf", old: "proxy_set_header X-Thumbd-Proof   $thumbd_proof;", want: []string{"snippet-edited", "snippet-outdated"}},
	"the tree as an alias":              {old: thumbs, new: "location ^~ /all/ { alias DIR/root/gallery/thumbs/; }\n" + thumbs, want: []string{"tree-open"}, part: "remove that location"},
	"the tree below a root":             {old: thumbs, new: "location ^~ /gallery/ { root DIR/root; }\n" + thumbs, want: []string{"tree-open"}, part: "location ^~ /gallery/thumbs/ { return 404; }"},
	"the tree of another server":        {old: "server_name small", new: "root DIR/root/gallery; server_name small", want: []string{"tree-open"}, part: "include snippets/thumbd-auth.conf;"},
	"the tree, and nothing sent":        {old: thumbs, new: "location ^~ /all/ { alias DIR/root/gallery/thumbs/; return 404; }\n" + thumbs},
	"the tree, and all denied":          {old: thumbs, new: "location ^~ /all/ { alias DIR/root/gallery/thumbs/; deny all; }\n" + thumbs},
	"the tree, and another asked":       {old: thumbs, new: "location ^~ /all/ { alias DIR/root/gallery/thumbs/; proxy_pass http://other; }\n" + thumbs},
	"the tree, inside alone":            {old: thumbs, new: "location ^~ /all/ { alias DIR/root/gallery/thumbs/; internal; }\n" + thumbs},
	"a folder beside the tree":          {old: thumbs, new: "location ^~ /all/ { alias DIR/root/gallery/thumbs-too/; }\n" + thumbs},

	// Sites whose originals nginx serves.
	"no snippet of inplace":         {old: "include snippets/thumbd-inplace.conf;", want: []string{"snippet-missing"}, part: "thumbd-inplace.conf"},
	"no location of the tree":       {old: "location @thumbd_uploads {", new: "location @thumbd_others {", want: []string{"location-missing"}, part: "location @thumbd_uploads"},
	"an original of another root":   {old: "alias     DIR/www/uploads/;", new: "alias DIR/www/;", want: []string{"root-wrong"}, part: "/www/uploads/"},
	"a file without its variants":   {old: "try_files  $thumbd_plain @", new: "try_files $uri @", want: []string{"try-files"}},
	"inplace without Vary":          {old: "@thumbd_inplace;\n    add_header Vary Accept always;", new: "@thumbd_inplace;", want: []string{"vary-missing"}},
	"a tree that answers 404":       {old: "try_files  $uri @thumbd_tree;\n    error_page 404 = @thumbd-removed;\n", new: "try_files $uri =404;\n"},
	"an error page of its own":      {old: "try_files  $uri @thumbd_tree;\n    error_page 404 = @thumbd-removed;\n", new: "try_files $uri @thumbd_tree;\nerror_page 404 /none.html;\n", want: []string{"error-page"}, part: "an error in place of the original"},
	"an error page without its end": {old: "recursive_error_pages on;\n    include", new: "include", want: []string{"error-page"}, part: "with recursive_error_pages on"},
	"a page for originals":          {old: "try_files $uri $uri/ @thumbd_tree;\n", new: "try_files $uri $uri/ @thumbd_tree;\nerror_page 404 /x;\n", want: []string{"error-page"}, part: "that they may not see"},
	"a rule that it switches off":   {old: "location ^~ /uploads/ {", new: "location ~ \\.sql$ { deny all; }\nlocation ^~ /uploads/ {", want: []string{"inplace-shadows", "inplace-shadows"}, part: "deny all"},
	"a rule that shows files":       {old: "location ^~ /uploads/ {", new: "location ~ \\.sql$ { expires 1d; }\nlocation ^~ /uploads/ {"},
	"programs that are denied":      {old: "location ^~ /uploads/ {", new: "location ~ \\.php$ { fastcgi_pass x; }\nlocation ^~ /uploads/ {"},
	"programs that nobody denies":   {old: "location ^~ /uploads/ {", new: "location ~ \\.php$ { fastcgi_pass x; }\nlocation ^~ /uploads/ {"},
	"sizes from a root of another":  {old: "    root       DIR/root/blog;", new: "    root DIR/root;", want: []string{"root-wrong"}},
	"sizes that nobody looks for":   {old: "try_files  $uri @thumbd_blog;", new: "try_files $uri =404;", want: []string{"try-files"}},
	"sizes without their location":  {old: "location @thumbd_blog {", new: "location @thumbd_blogs {", want: []string{"location-missing"}},
	"originals of another folder":   {old: "root       DIR/www;\n    try_files  $uri", new: "root DIR;\n    try_files $uri", want: []string{"root-wrong"}, part: "nginx looks for files in DIR/blog/, not in DIR/www/blog/"},

	// Downloads.
	"downloads without a location":  {old: "location ^~ /open/ {", new: "location ^~ /closed/ {", want: []string{"files-location"}, part: "location ^~ /open/ {"},
	"downloads that are not asked":  {old: "location ^~ /open/ { try_files /_thumbd/none @thumbd; }", new: "location ^~ /open/ { try_files $uri =404; }", want: []string{"files-location"}, part: "does not ask thumbd for each request"},
	"downloads that are open":       {old: "alias DIR/letters/; include snippets/thumbd-files.conf;", new: "alias DIR/letters/;", want: []string{"files-open"}, part: "not internal"},
	"downloads of another folder":   {old: "alias DIR/letters/;", new: "alias DIR/letter/;", want: []string{"files-location"}, part: "its alias is not"},
	"downloads without their slash": {old: "alias DIR/letters/;", new: "alias DIR/letters;", want: []string{"files-location"}},
	"downloads without internal":    {old: "location ^~ /_letters/ {", new: "location ^~ /_post/ {", want: []string{"files-location"}, part: "no location for /_letters/"},
	"signed downloads by a root":    {old: thumbs, new: "location ^~ /letters-too/ { alias DIR/letters/; }\n" + thumbs, want: []string{"files-open"}, part: "below /letters-too/"},
	"open downloads by a root":      {old: thumbs, new: "location ^~ /files-too/ { alias DIR/files/; }\n" + thumbs},
}

// times returns n findings of that name.
func times(n int, name string) []string { return slices.Repeat([]string{name}, n) }

func TestChanges(t *testing.T) {
	right := install(t)
	sound := right.sound(t)
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			in, v := *right, *sound
			edit := func(text string) string {
				t.Helper()
				old, with := strings.ReplaceAll(c.old, "DIR", in.dir), strings.ReplaceAll(c.new, "DIR", in.dir)
				if !strings.Contains(text, old) {
					t.Fatalf("no %q in\n%s", old, text)
				}
				return strings.ReplaceAll(text, old, with)
			}
			conf := in.conf(v.config)
			switch c.file {
			case "":
				conf = edit(conf)
			case "thumbd.toml":
				in.toml = edit(in.toml)
				v = *in.sound(t)
			default:
				in.files = maps.Clone(in.files)
				in.files["/etc/nginx/"+c.file] = edit(in.files["/etc/nginx/"+c.file])
			}
			in.read(t, &v, conf)
			v.examineNginx(t)
			v.wants(t, strings.ReplaceAll(c.part, "DIR", in.dir), c.want...)
		})
	}
}

// examineNginx makes the checks that compare nginx's configuration with thumbd's.
func (v *visit) examineNginx(t *testing.T) {
	t.Helper()
	v.compareShipped()
	v.fronts()
	v.sites(t.Context())
	v.files(t.Context())
}

// A tree behind a link is closed to an nginx that follows none.
func TestATreeBehindALink(t *testing.T) {
	in := install(t)
	if err := os.MkdirAll(filepath.Join(in.dir, "disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(in.dir, "disk"), filepath.Join(in.dir, "root/news")); err != nil {
		t.Fatal(err)
	}
	v := in.sound(t)
	in.read(t, v, strings.Replace(in.conf(v.config), news, news+"disable_symlinks if_not_owner;\n", 1))
	v.examineNginx(t)
	v.wants(t, "is behind a link, to "+filepath.Join(in.dir, "disk/news"), "symlinks-disabled")
}
