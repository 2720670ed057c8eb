// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	keyA = []byte("the key of site a")
	keyB = []byte("the key of site b")
)

// testEnvironment has a few keys and links and no disk.
func testEnvironment() Environment {
	keys := map[string][]byte{
		"a.key": keyA, "b.key": keyB, "copy-of-a.key": keyA, "t.key": []byte("the key of site t"), "nodes.key": []byte("the key of nodes"),
		"short.key": []byte("fifteen bytes.."), "empty.key": {},
		"s3-access": []byte("AKEXAMPLE"), "s3-secret": []byte("very/secret+"), "s3-odd": []byte("very secret"),
	}
	links := map[string]string{"/link/t": "/var/t/t", "/srv/link": "/srv/b"}
	return Environment{
		CPUs: 3,
		Host: "N1.farm.example",
		Key: func(name string) ([]byte, error) {
			key, ok := keys[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return key, nil
		},
		Resolve: func(path string) (string, error) {
			if path == "/loop" {
				return "", errors.New("/loop: too many links")
			}
			if to, ok := links[path]; ok {
				return to, nil
			}
			return path, nil
		},
	}
}

// site returns the text of a site, five lines after its header in the order of
// base and then others. A line in place of one of the five replaces it; one
// with a key alone removes it, leaving it blank.
func site(name string, lines ...string) string {
	text := []string{
		"[site." + name + "]",
		`prefix = "/` + name + `/"`,
		`document_root = "/var/` + name + `"`,
		`originals = "/srv/` + name + `"`,
		`scheme = "signed"`,
		`keys = ["` + name + `.key"]`,
	}
	for _, line := range lines {
		key, _, given := strings.Cut(line, " = ")
		i := slices.IndexFunc(text, func(l string) bool { return strings.HasPrefix(l, key+" = ") })
		switch {
		case i < 0:
			text = append(text, line)
		case given:
			text[i] = line
		default:
			text[i] = ""
		}
	}
	return strings.Join(text, "\n") + "\n"
}

// nodes returns the text of [nodes], three lines of which one may be replaced, and of a
// site that begins in line 5.
func nodes(line string) string {
	text := []string{"[nodes]", `journal = "/shared/thumbd"`, `keys = ["b.key"]`, ""}
	key, _, _ := strings.Cut(line, " = ")
	i := slices.IndexFunc(text, func(l string) bool { return strings.HasPrefix(l, key+" = ") })
	if i < 0 {
		i = 3
	}
	text[i] = line
	return strings.Join(text, "\n") + "\n" + site("a")
}

// bucketJournal returns the text of [nodes] with a journal below a prefix of the bucket
// media, and of sections that begin in line 4.
func bucketJournal(prefix string, sections ...string) string {
	return "[nodes]\njournal = \"s3://media/" + prefix + "\"\nkeys = [\"b.key\"]\n" + strings.Join(sections, "")
}

// inBucket returns the text of a site with originals below photos/ of the bucket media,
// and with a line of its s3.
func inBucket(name, line string) string {
	return site(name, `originals = "s3://media/photos/"`, `keys = ["a.key"]`) + "[site." + name + ".s3]\naccess_key = \"s3-access\"\nsecret_key = \"s3-secret\"\n" + line
}

func preset(lines ...string) string {
	return site("a", `scheme = "preset"`, "keys") + "[site.a.preset.card]\n" + strings.Join(lines, "\n") + "\n"
}

// wordpress is a site of the layout wordpress without presets.
func wordpress(lines ...string) string {
	return site("a", append([]string{"keys"}, append(lines[:1:1], append([]string{`layout = "wordpress"`}, lines[1:]...)...)...)...)
}

func signedPreset(lines ...string) string {
	return site("a") + "[site.a.preset.card]\n" + strings.Join(lines, "\n") + "\n"
}

var mistakes = []struct {
	name string
	text string
	want string // without the file's name before each line
}{
	{"syntax", site("a") + "enlarge = maybe\n", ":7: expected value but found \"maybe\" instead"},
	{"a control character in a message", "x = 0x", ":1: not a hexadecimal number: '0x\ufffd'"},
	{"a key twice", site("a", `a = 1`) + "a = 2\n", ":8: Key 'site.a.a' has already been defined."},
	{"an empty file", "", ": no [site.NAME] section; add one, e.g. [site.gallery]"},
	{"no site beside others", "[daemon]\nworkers = -1\n", `:2: daemon.workers: want a whole number from 0 to 4096, have -1
: no [site.NAME] section; add one, e.g. [site.gallery]`},
	{"no site", "[site]\n", ": no [site.NAME] section; add one, e.g. [site.gallery]"},
	{"a value for the sites", "site = 1\n", ":1: site: want a table, have 1"},
	{"a list of sites", "[[site]]\n", ":1: site: want a table, have a list of tables"},
	{"a value for a site", "site.a = \"/t/\"\n", ":1: site.a: want a table, have \"/t/\""},
	{"an unknown section", "[demon]\n" + site("a"), ":1: demon: unknown key; did you mean daemon?"},
	{"an unknown top key", "x = 1\n" + site("a"), ":1: x: unknown key; want daemon, files, limits, nodes or site"},
	{"an unknown key of the daemon", "[daemon]\nworker = 1\n" + site("a"), ":2: daemon.worker: unknown key; did you mean workers?"},
	{"an unknown key of a site", site("a", `focus = 1`), ":7: site.a.focus: unknown key"},
	{"a watermark without image", site("a") + "[site.a.watermark.logo]\n", `:7: site.a.watermark.logo.image: missing; e.g. image = "/etc/thumbd/logo.png"`},
	{"an odd unknown key", site("a", `"we\nird" = 1`), `:7: site.a."we\nird": unknown key`},
	{"an unknown key of a preset", signedPreset(`size = "1x1"`, `method = "fit"`, `blurr = 1`, `lossless = true`),
		`:10: site.a.preset.card.blurr: unknown key; did you mean blur?
:11: site.a.preset.card.lossless: unknown key`},
	{"an unknown dotted key", site("a") + "x.y.z = 1\n", ":7: site.a.x: unknown key"},

	{"workers", "[daemon]\nworkers = -1\n" + site("a"), ":2: daemon.workers: want a whole number from 0 to 4096, have -1"},
	{"workers as text", "[daemon]\nworkers = \"2\"\n" + site("a"), ":2: daemon.workers: want a whole number from 0 to 4096, have \"2\""},
	{"worker_renders", "[daemon]\nworker_renders = 1.5\n" + site("a"), ":2: daemon.worker_renders: want a whole number from 0 to 2147483647, have 1.5"},
	{"worker_memory", "[daemon]\nworker_memory = \"100MiB\"\n" + site("a"),
		`:2: daemon.worker_memory: want a size from 160MiB to 1TiB such as "64MiB", "1GiB" or 65536, have "100MiB"`},
	{"idle_exit", "[daemon]\nidle_exit = 10\n" + site("a"), `:2: daemon.idle_exit: want a time from 0 to 10000h such as "90s" or "10m", have 10`},
	{"log_level", "[daemon]\nlog_level = \"INFO\"\n" + site("a"), `:2: daemon.log_level: want debug, info, warn or error, have "INFO"`},
	{"a list for log_level", "[daemon]\nlog_level = [\"info\"]\n" + site("a"), `:2: daemon.log_level: want debug, info, warn or error, have a list`},
	{"metrics on a name", "[daemon]\nmetrics = \"localhost:9105\"\n" + site("a"),
		`:2: daemon.metrics: want an IP address with a port, "127.0.0.1:9105", or the path of a socket, "/run/thumbd/metrics.sock", have "localhost:9105"`},
	{"metrics without a port", "[daemon]\nmetrics = \"127.0.0.1:0\"\n" + site("a"),
		`:2: daemon.metrics: want an IP address with a port, "127.0.0.1:9105", or the path of a socket, "/run/thumbd/metrics.sock", have "127.0.0.1:0"`},
	{"metrics as a number", "[daemon]\nmetrics = 9105\n" + site("a"), ":2: daemon.metrics: want text in quotes, have 9105"},
	{"metrics above a folder", "[daemon]\nmetrics = \"/run/../m.sock\"\n" + site("a"),
		`:2: daemon.metrics: "/run/../m.sock" has ..; write the path without`},
	{"the daemon is no table", "daemon = true\n" + site("a"), ":1: daemon: want a table, have true"},

	{"original_bytes in a wrong unit", "[limits]\noriginal_bytes = \"64MB\"\n" + site("a"),
		`:2: limits.original_bytes: want a size from 1 to 1TiB such as "64MiB", "1GiB" or 65536, have "64MB"`},
	{"original_bytes beyond 64 bits", "[limits]\noriginal_bytes = \"16777217TiB\"\n" + site("a"),
		`:2: limits.original_bytes: want a size from 1 to 1TiB such as "64MiB", "1GiB" or 65536, have "16777217TiB"`},
	{"original_pixels", "[limits]\noriginal_pixels = 0\n" + site("a"), ":2: limits.original_pixels: want a whole number from 1 to 1099511627776, have 0"},
	{"original_frames", "[limits]\noriginal_frames = 0\n" + site("a"), ":2: limits.original_frames: want a whole number from 1 to 2147483647, have 0"},
	{"thumbnail_width", "[limits]\nthumbnail_width = 16384\n" + site("a"), ":2: limits.thumbnail_width: want a whole number from 1 to 16383, have 16384"},
	{"thumbnail_height", "[limits]\nthumbnail_height = 0\n" + site("a"), ":2: limits.thumbnail_height: want a whole number from 1 to 16383, have 0"},
	{"thumbnail_bytes", "[limits]\nthumbnail_bytes = \"MiB\"\n" + site("a"),
		`:2: limits.thumbnail_bytes: want a size from 1 to 1TiB such as "64MiB", "1GiB" or 65536, have "MiB"`},
	{"render_time", "[limits]\nrender_time = \"0\"\n" + site("a"), `:2: limits.render_time: want a time from 1ms to 1h such as "90s" or "10m", have "0"`},
	{"queue", "[limits]\nqueue = 0\n" + site("a"), ":2: limits.queue: want a whole number from 1 to 2147483647, have 0"},
	{"queue_time", "[limits]\nqueue_time = \"2h\"\n" + site("a"), `:2: limits.queue_time: want a time from 1ms to 1h such as "90s" or "10m", have "2h"`},

	{"a site's name", site("Gallery", `keys = ["a.key"]`), ":1: site.Gallery: want a name of at most 63 letters a to z, digits and -, beginning with a letter"},
	{"a site's odd name", strings.Replace(site("a"), "site.a", `site."b c"`, 1),
		`:1: site."b c": want a name of at most 63 letters a to z, digits and -, beginning with a letter`},
	{"everything missing", "\n[site.gallery]\n", `:2: site.gallery.prefix: missing; e.g. prefix = "/thumbs/"
:2: site.gallery.document_root: missing; e.g. document_root = "/var/cache/thumbd/gallery"
:2: site.gallery.originals: missing; e.g. originals = "/srv/gallery/media"
:2: site.gallery.scheme: missing; e.g. scheme = "signed"`},
	{"missing in a site without header", "[site.a.preset.b]\nmethod = \"fit\"\nsize = \"1x1\"", `:1: site.a.prefix: missing; e.g. prefix = "/thumbs/"
:1: site.a.document_root: missing; e.g. document_root = "/var/cache/thumbd/a"
:1: site.a.originals: missing; e.g. originals = "/srv/a/media"
:1: site.a.scheme: missing; e.g. scheme = "signed"`},

	{"prefix is the root", site("a", `prefix = "/"`), `:2: site.a.prefix: want a folder of its own, e.g. "/thumbs/"`},
	{"prefix does not begin with a slash", site("a", `prefix = "t/"`), `:2: site.a.prefix: want a path that begins and ends with /, e.g. "/thumbs/", have "t/"`},
	{"prefix does not end with a slash", site("a", `prefix = "/t"`), `:2: site.a.prefix: want a path that begins and ends with /, e.g. "/thumbs/", have "/t"`},
	{"prefix is empty", site("a", `prefix = ""`), `:2: site.a.prefix: want a path that begins and ends with /, e.g. "/thumbs/", have ""`},
	{"prefix is no text", site("a", `prefix = 1979-05-27T07:32:00Z`), `:2: site.a.prefix: want text in quotes, have 1979-05-27 07:32:00 +0000 UTC`},
	{"prefix below the daemon's own", site("a", `prefix = "/_thumbd/x/"`), ":2: site.a.prefix: /_thumbd/ is the daemon's own; choose another"},
	{"prefix with two slashes", site("a", `prefix = "/a//b/"`), `:2: site.a.prefix: "/a//b/" has //, which nginx merges; write /`},
	{"prefix of slashes", site("a", `prefix = "//"`), `:2: site.a.prefix: "//" has //, which nginx merges; write /`},
	{"prefix with a dot segment", site("a", `prefix = "/a/../b/"`),
		`:2: site.a.prefix: "/a/../b/" has a segment that begins with a dot, which is never published; rename it`},
	{"prefix with a hidden segment", site("a", `prefix = "/a/.b/"`),
		`:2: site.a.prefix: "/a/.b/" has a segment that begins with a dot, which is never published; rename it`},
	{"prefix percent-encoded", site("a", `prefix = "/a%20b/"`),
		`:2: site.a.prefix: "/a%20b/" has one of %, ? and #; write the characters as they are once decoded, and none of these`},
	{"prefix with NUL", site("a", `prefix = "/a\u0000b/"`), `:2: site.a.prefix: "/a\x00b/" has a control character; remove it`},
	{"prefix with a long segment", site("a", `prefix = "/`+strings.Repeat("a", 256)+`/"`), ":2: site.a.prefix: has a segment of 256 bytes, over 255; shorten it"},
	{"prefix too long", site("a", `prefix = "`+strings.Repeat("/a", 2048)+`/"`), ":2: site.a.prefix: is 4097 bytes long, over 4095; shorten it"},

	{"host with a port", site("a", `hosts = ["a.example:8080"]`),
		`:7: site.a.hosts: want a host name in ASCII without a port, "a.example" or "*.a.example", have "a.example:8080"`},
	{"hosts, two of them wrong", site("a", `hosts = ["a.example", "*", 5]`),
		`:7: site.a.hosts: want a host name in ASCII without a port, "a.example" or "*.a.example", have "*"
:7: site.a.hosts: want a host name in ASCII without a port, "a.example" or "*.a.example", have 5`},
	{"a host twice", site("a", `hosts = ["a.example", "A.example"]`), `:7: site.a.hosts: "A.example" is there twice`},
	{"hosts are no list", site("a", `hosts = "a.example"`), `:7: site.a.hosts: want a list in brackets, have "a.example"`},

	{"document_root is relative", site("a", `document_root = "var/t"`), `:3: site.a.document_root: want an absolute path, have "var/t"`},
	{"document_root with dots", site("a", `document_root = "/var/../t"`), `:3: site.a.document_root: "/var/../t" has ..; write the path without`},
	{"document_root with NUL", site("a", `document_root = "/var/\u0000"`), `:3: site.a.document_root: "/var/\x00" has a control character; remove it`},
	{"document_root too long", site("a", `document_root = "`+strings.Repeat("/a", 2048)+`"`), ":3: site.a.document_root: is 4096 bytes long, over 4095; shorten it"},
	{"document_root too long with the prefix", site("a", `document_root = "`+strings.Repeat("/a", 2047)+`"`),
		":3: site.a.document_root: is 4097 bytes long with the prefix, over 4095; shorten it"},
	{"originals is relative", site("a", `originals = "media"`), `:4: site.a.originals: want an absolute path, have "media"`},

	{"scheme", site("a", `scheme = "sign"`), `:5: site.a.scheme: want signed, preset, restthumbnails or inplace, have "sign"`},
	{"scheme is no text", site("a", `scheme = 1`), `:5: site.a.scheme: want a word in quotes, have 1`},
	{"enlarge", site("a", `enlarge = "yes"`), `:7: site.a.enlarge: want true or false, have "yes"`},
	{"frames_over", site("a", `frames_over = "last"`), `:7: site.a.frames_over: want refuse or first, have "last"`},
	{"metadata", site("a", `metadata = "some"`), `:7: site.a.metadata: want none, copyright or all, have "some"`},
	{"original_formats", site("a", `original_formats = ["jpeg"]`),
		`:7: site.a.original_formats: want jpg, png, webp, avif, gif, heic, tiff, svg or jxl, have "jpeg"`},
	{"no original_formats", site("a", `original_formats = []`), ":7: site.a.original_formats: is empty; name a format, or remove it for the default"},
	{"formats", site("a", `formats = ["jpg", "heic", "jpg"]`), `:7: site.a.formats: want jpg, png, webp, avif or gif, have "heic"
:7: site.a.formats: "jpg" is there twice`},
	{"no formats", site("a", `formats = []`), ":7: site.a.formats: is empty; name a format, or remove it for the default"},
	{"quality", site("a", `quality = { jpg = 101, webp = 0 }`), `:7: site.a.quality.jpg: want a whole number from 1 to 100, or "auto", have 101
:7: site.a.quality.webp: want a whole number from 1 to 100, or "auto", have 0`},
	{"quality is no table", site("a", `quality = 82`), `:7: site.a.quality: want a table such as { jpg = 82, webp = "auto", avif = 55 }, have 82`},
	{"quality as one word", site("a", `quality = "auto"`), `:7: site.a.quality: want a table such as { jpg = 82, webp = "auto", avif = 55 }, have "auto"`},
	{"quality of another word", site("a", `quality = { jpg = "best" }`), `:7: site.a.quality.jpg: want a whole number from 1 to 100, or "auto", have "best"`},
	{"quality of a format without", site("a", `quality = { png = 9 }`), ":7: site.a.quality.png: unknown key; want avif, jpg or webp"},
	{"negotiate in another order", site("a", `negotiate = ["webp", "avif"]`), `:7: site.a.negotiate: want [], ["webp"] or ["avif", "webp"]`},
	{"negotiate avif alone", site("a", `negotiate = ["avif"]`), `:7: site.a.negotiate: want [], ["webp"] or ["avif", "webp"]`},
	{"negotiate what formats lacks", site("a", `formats = ["jpg", "avif"]`, `negotiate = ["avif", "webp"]`),
		":8: site.a.negotiate: webp is not in formats; add it there, or remove it here"},
	{"negotiate beside no formats", site("a", `formats = []`, `negotiate = ["webp"]`),
		":7: site.a.formats: is empty; name a format, or remove it for the default"},
	{"negotiate beside wrong formats", site("a", `formats = ["jpg", "wepb"]`, `negotiate = ["webp"]`),
		`:7: site.a.formats: want jpg, png, webp, avif or gif, have "wepb"`},
	{"factors", site("a", `scheme = "preset"`, "keys", `factors = [100, 0, 401]`), `:7: site.a.factors: want a whole number from 1 to 400, have 0
:7: site.a.factors: want a whole number from 1 to 400, have 401`},
	{"uncovered of another method", signedPreset(`size = "1x1"`, `method = "fit"`, `uncovered = "axes"`),
		":10: site.a.preset.card.uncovered: is for the methods crop, smart and attention; remove it, or choose one of these"},
	{"an unknown uncovered", signedPreset(`size = "1x1"`, `method = "crop"`, `uncovered = "both"`),
		`:10: site.a.preset.card.uncovered: want ratio or axes, have "both"`},
	{"a layout of another scheme", site("a", `layout = "liip"`), ":7: site.a.layout: is for the scheme preset; remove it"},
	{"an unknown layout", site("a", `scheme = "preset"`, "keys", `layout = "imgix"`),
		`:7: site.a.layout: want preset, liip, drupal or wordpress, have "imgix"`},
	{"wordpress without sizes", wordpress(`scheme = "preset"`), `:7: site.a.layout: want a [site.a.preset.NAME] for each size that WordPress has registered; thumbd init --from writes them`},
	{"wordpress of another scheme", site("a", `layout = "wordpress"`) + "[site.a.preset.card]\nsize = \"1x1\"\nmethod = \"fit\"\n", ":7: site.a.layout: is for the scheme preset; remove it"},
	{"what wordpress has no use for", wordpress(`scheme = "preset"`, `negotiate = ["webp"]`, `render_together = ["m"]`) +
		"[site.a.preset.m]\nsize = \"1024x9999\"\nmethod = \"fit\"\ndpr = [2]\nenlarge = true\nframes = 1\n[site.a.preset.n]\nsize = \"9x9\"\nmethod = \"pad\"\n",
		`:8: site.a.negotiate: has no effect with layout = "wordpress"; choose scheme = "inplace", or remove this
:9: site.a.render_together: has no effect with layout = "wordpress"; remove it
:13: site.a.preset.m.dpr: has no effect with layout = "wordpress"; remove it
:14: site.a.preset.m.enlarge: has no effect with layout = "wordpress"; remove it
:15: site.a.preset.m.frames: has no effect with layout = "wordpress"; remove it
:18: site.a.preset.n.method: WordPress has fit and crop; choose one of these, smart or attention`},
	{"wordpress with access rules", wordpress(`scheme = "preset"`) + "[site.a.preset.m]\nsize = \"9x9\"\nmethod = \"fit\"\n[site.a.access]\nproofs = [\"signature\"]\nkeys = [\"a.key\"]\n",
		`:11: site.a.access: is for scheme = "inplace" with layout = "wordpress"; choose that, or remove this`},
	{"wordpress of an origin", strings.Replace(wordpress(`scheme = "preset"`), "/srv/a", "https://a.example/", 1) + "[site.a.preset.m]\nsize = \"9x9\"\nmethod = \"fit\"\n",
		`:4: site.a.originals: want a folder with layout = "wordpress": nginx itself serves what is in it`},
	{"wordpress in place without sizes", inPlace("a", `layout = "wordpress"`), `:6: site.a.layout: want a [site.a.preset.NAME] for each size that WordPress has registered; thumbd init --from writes them`},
	{"factors of a layout", site("a", `scheme = "preset"`, "keys", `layout = "drupal"`, "factors = [50]"),
		`:8: site.a.factors: is for layout = "preset"; remove one of them`},
	{"a preset that can't be asked for", site("a", `scheme = "preset"`, "keys", `layout = "liip"`) +
		"[site.a.preset.resolve]\nsize = \"1x1\"\nmethod = \"fit\"",
		`:8: site.a.preset.resolve: begins the URLs of layout = "liip" that are redirected; choose another name`},
	{"a preset's name in the scheme preset", strings.Replace(preset(`size = "1x1"`, `method = "fit"`), "card", "-card", 1),
		":7: site.a.preset.-card: want a name of at most 166 letters, digits, _ and -, not beginning with -"},
	{"a long name in the scheme preset", strings.Replace(preset(`size = "1x1"`, `method = "fit"`), "card", strings.Repeat("B", 167), 1),
		":7: site.a.preset." + strings.Repeat("B", 167) + ": want a name of at most 166 letters, digits, _ and -, not beginning with -"},
	{"factors of another scheme", site("a", `factors = [100]`), ":7: site.a.factors: is for the scheme preset; remove it"},

	{"keys are missing", site("a", "keys"), `:1: site.a.keys: missing; e.g. keys = ["a.key"]`},
	{"keys are empty", site("a", "keys = []"), ":6: site.a.keys: is empty; URLs of the scheme signed are signed: name a key"},
	{"keys of inplace", site("a", `scheme = "inplace"`), ":6: site.a.keys: URLs of the scheme inplace are not signed; remove it"},
	{"inplace of another scheme", site("a") + "[site.a.inplace]\nwait = true\n", ":7: site.a.inplace: is for the scheme inplace; remove it"},
	{"nothing to negotiate in place", inPlace("a", "negotiate = []"), `:6: site.a.negotiate: is empty; want ["webp"] or ["avif", "webp"]`},
	{"without effect in place", inPlace("a", "enlarge = true", `formats = ["webp"]`),
		":6: site.a.enlarge: has no effect on the variants of the scheme inplace; remove it\n:7: site.a.formats: has no effect on the variants of the scheme inplace; remove it"},
	{"a preset in place", inPlace("a") + "[site.a.preset.card]\nsize = 5\n", ":6: site.a.preset: has no effect on the variants of the scheme inplace; remove it"},
	{"originals of an origin in place", strings.Replace(inPlace("a"), "/srv/a", "https://a.example/", 1),
		":4: site.a.originals: want a folder: in the scheme inplace nginx itself serves the originals"},
	{"a name of the snippet", inPlace("tree"), ":1: site.tree: snippets/thumbd-inplace.conf has the location @thumbd_tree; choose another name for the site"},
	{"variants over the limits", inPlace("a") + "[site.a.inplace]\nmax_width = 5000\n",
		":6: site.a.inplace: max_width x max_height, 5000x2560, is over thumbnail_width x thumbnail_height, 4096x4096; lower it, or raise those in [limits]"},
	{"values of inplace", inPlace("a") + "[site.a.inplace]\nmax_width = -1\nmin_saving = 1\nwait = 1\nx = 1\n",
		`:7: site.a.inplace.max_width: want a whole number from 0 to 16383, have -1
:8: site.a.inplace.min_saving: want a number from 0 to 0.99 with at most two places, have 1
:9: site.a.inplace.wait: want true or false, have 1
:10: site.a.inplace.x: unknown key; want max_height, max_width, min_saving or wait`},
	{"in place behind another server", "[daemon]\naccel = \"sendfile\"\n" + inPlace("a"), `:7: site.a.scheme: inplace is for nginx, and accel is "sendfile"`},
	{"keys of restthumbnails are empty", site("a", `scheme = "restthumbnails"`, "keys = []"),
		":6: site.a.keys: is empty; URLs of the scheme restthumbnails are signed: name a key"},
	{"keys of a scheme without", site("a", `scheme = "preset"`), ":6: site.a.keys: URLs of the scheme preset are not signed; remove it"},
	{"a key outside of keys/", site("a", `keys = ["../a.key"]`), `:6: site.a.keys: want the name of a file in keys/ or an absolute path, have "../a.key"`},
	{"an unreadable key", site("a", `keys = ["a.key", "x.key"]`), ":6: site.a.keys: open x.key: file does not exist"},
	{"a short key", site("a", `keys = ["short.key"]`),
		":6: site.a.keys: short.key is 15 bytes long, and under 16 can be guessed; make one with: openssl rand -base64 32"},
	{"an empty key", site("a", `scheme = "restthumbnails"`, `keys = ["empty.key"]`),
		":6: site.a.keys: empty.key is empty; make one with: openssl rand -base64 32"},

	{"a preset's name", strings.Replace(signedPreset(`size = "1x1"`, `method = "fit"`), "card", "Card", 1),
		":7: site.a.preset.Card: want a name of at most 63 letters a to z, digits and -, beginning with a letter"},
	{"a preset's long name", strings.Replace(signedPreset(`size = "1x1"`, `method = "fit"`), "card", strings.Repeat("a", 64), 1),
		":7: site.a.preset." + strings.Repeat("a", 64) + ": want a name of at most 63 letters a to z, digits and -, beginning with a letter"},
	{"a preset is no table", site("a", `preset.card = "400x300"`), `:7: site.a.preset.card: want a table, have "400x300"`},
	{"presets are no table", site("a", `preset = "card"`), `:7: site.a.preset: want a table, have "card"`},
	{"an empty preset", signedPreset(), `:7: site.a.preset.card.method: missing; e.g. method = "crop"
:7: site.a.preset.card.size: missing; e.g. size = "400x300"`},
	{"a preset's size", signedPreset(`method = "fit"`, `size = "0400x300"`),
		`:9: site.a.preset.card.size: want a size such as "400x300", "400x" or "x300", have "0400x300"`},
	{"a preset's free size", signedPreset(`method = "fit"`, `size = "x"`),
		`:9: site.a.preset.card.size: want a size such as "400x300", "400x" or "x300", have "x"`},
	{"a preset's method", signedPreset(`size = "1x1"`, `method = "cut"`),
		`:9: site.a.preset.card.method: want scale, crop, smart, attention, fit, pad, stretch or original, have "cut"`},
	{"a preset's dpr", signedPreset(`size = "1x1"`, `method = "fit"`, `dpr = [1, 5]`), `:10: site.a.preset.card.dpr: want a whole number from 2 to 4, have 1
:10: site.a.preset.card.dpr: want a whole number from 2 to 4, have 5`},
	{"a preset's quality", signedPreset(`size = "1x1"`, `method = "fit"`, `quality = 0`), `:10: site.a.preset.card.quality: want a whole number from 1 to 100, or "auto", have 0`},
	{"a preset's quality below none", signedPreset(`size = "1x1"`, `method = "fit"`, `quality = -1`), `:10: site.a.preset.card.quality: want a whole number from 1 to 100, or "auto", have -1`},
	{"max_bytes of a preset", signedPreset(`size = "1x1"`, `method = "fit"`, `max_bytes = "40kB"`),
		`:10: site.a.preset.card.max_bytes: want a size from 1 to 1TiB such as "64MiB", "1GiB" or 65536, have "40kB"`},
	{"max_bytes over the limit", signedPreset(`size = "1x1"`, `method = "fit"`, `max_bytes = "33MiB"`),
		":10: site.a.preset.card.max_bytes: is 33MiB, over thumbnail_bytes, 32MiB; lower it, or raise that in [limits]"},
	{"max_bytes of originals", preset(`method = "original"`, `max_bytes = "40KiB"`),
		`:9: site.a.preset.card.max_bytes: has no effect with method = "original"; remove it`},
	{"a preset's gravity", signedPreset(`size = "1x1"`, `method = "crop"`, `gravity = "up"`),
		`:10: site.a.preset.card.gravity: want north, northeast, east, southeast, south, southwest, west or northwest, have "up"`},
	{"gravity of another method", signedPreset(`size = "1x1"`, `method = "fit"`, `gravity = "north"`),
		`:10: site.a.preset.card.gravity: is for the method crop; remove it, or choose method = "crop"`},
	{"focus of another method", signedPreset(`size = "1x1"`, `method = "pad"`, `focus = "10:20.5"`),
		`:10: site.a.preset.card.focus: is for the method crop; remove it, or choose method = "crop"`},
	{"a URL without an end", site("a", `originals = "https://o.example/media"`), `:4: site.a.originals: want a URL that ends with /, have "https://o.example/media"`},
	{"a URL without a host", site("a", `originals = "https:///media/"`),
		`:4: site.a.originals: want a URL such as "https://origin.example/media/", have "https:///media/"`},
	{"a URL that is none", site("a", `originals = "https://[::1/"`),
		`:4: site.a.originals: want a URL such as "https://origin.example/media/", have "https://[::1/"`},
	{"a URL of another scheme", site("a", `originals = "ftp://o.example/"`), `:4: site.a.originals: want a URL of https or http, have "ftp://o.example/"`},
	{"a URL with a user", site("a", `originals = "https://me:secret@o.example/"`), ":4: site.a.originals: has a user's name, which is not sent; remove it"},
	{"a URL with a query", site("a", `originals = "https://o.example/?path=/"`),
		`:4: site.a.originals: "https://o.example/?path=/" has a query or a fragment, which the originals' names would follow; remove it`},
	{"a URL with an empty query", site("a", `originals = "https://o.example/?"`),
		`:4: site.a.originals: "https://o.example/?" has a query or a fragment, which the originals' names would follow; remove it`},
	{"a URL with a fragment", site("a", `originals = "https://o.example/#/"`),
		`:4: site.a.originals: "https://o.example/#/" has a query or a fragment, which the originals' names would follow; remove it`},
	{"a URL that climbs", site("a", `originals = "https://o.example/a/%2e%2e/"`),
		`:4: site.a.originals: "https://o.example/a/%2e%2e/" has ..; write the URL without`},
	{"a URL of a special address", site("a", `originals = "http://[::ffff:127.0.0.1]/"`),
		`:4: site.a.originals: ::ffff:127.0.0.1 is a special address; if it is meant, add allow_addresses = ["127.0.0.1"] to [site.a.fetch]`},
	{"a URL of another special address than is allowed", site("a", `originals = "http://127.0.0.1/"`) + "[site.a.fetch]\nallow_addresses = [\"10.0.0.0/8\"]\n",
		`:4: site.a.originals: 127.0.0.1 is a special address; if it is meant, add allow_addresses = ["127.0.0.1"] to [site.a.fetch]`},
	{"a bucket without keys", site("a", `originals = "s3://media/"`),
		`:1: site.a.s3.access_key: missing; e.g. access_key = "s3-access", the name of a file in keys/; or credentials = "none" for a bucket that everybody may read
:1: site.a.s3.secret_key: missing; e.g. secret_key = "s3-secret", the name of a file in keys/; or credentials = "none" for a bucket that everybody may read`},
	{"values of s3", site("a", `originals = "s3://media/"`) + `[site.a.s3]
endpoint = "s3.example"
region = "a b"
path_style = 1
credentials = "amazon"
access_key = "none"
secret_key = "s3-odd"
profile = "x]"
quaint = "x"
`, `:8: site.a.s3.endpoint: want the URL of a store such as "https://s3.example:9000", have "s3.example"
:9: site.a.s3.region: want the name of a region such as "eu-central-1", have "a b"
:10: site.a.s3.path_style: want true or false, have 1
:11: site.a.s3.credentials: want files, aws or none, have "amazon"
:14: site.a.s3.profile: want the name of a profile of AWS such as "thumbd", have "x]"
:15: site.a.s3.quaint: unknown key`},
	{"keys and the chain", site("a", `originals = "s3://media/"`) + "[site.a.s3]\ncredentials = \"aws\"\nsecret_key = \"s3-secret\"\n",
		`:9: site.a.s3.secret_key: is for credentials = "files", and that is "aws"; remove one of them`},
	{"a profile and keys", site("a", `originals = "s3://media/"`) + "[site.a.s3]\nprofile = \"p\"\naccess_key = \"s3-access\"\nsecret_key = \"s3-secret\"\n",
		`:8: site.a.s3.profile: is for credentials = "aws", and that is "files"; remove one of them`},
	{"keys of s3", site("a", `originals = "s3://media/"`) + "[site.a.s3]\naccess_key = \"none\"\nsecret_key = \"s3-odd\"\n",
		`:8: site.a.s3.access_key: open none: file does not exist; write the key that the store has given you into it
:9: site.a.s3.secret_key: s3-odd has no key of a store: want one line of letters, digits and punctuation`},
	{"keys and no credentials", site("a", `originals = "s3://media/"`) + "[site.a.s3]\ncredentials = \"none\"\naccess_key = \"s3-access\"\nrequester_pays = true\n",
		`:9: site.a.s3.access_key: is for credentials = "files", and that is "none"; remove one of them
:10: site.a.s3.requester_pays: takes keys, and credentials is "none"; remove one of them`},
	{"a bucket without a slash", site("a", `originals = "s3://media"`), `:4: site.a.originals: want a bucket and a prefix of keys such as "s3://media/photos/", have "s3://media"`},
	{"a prefix without a slash", site("a", `originals = "s3://media/photos"`), `:4: site.a.originals: want a URL that ends with /, have "s3://media/photos"`},
	{"a name that no bucket has", site("a", `originals = "s3://Me_dia/"`), `:4: site.a.originals: want a bucket and a prefix of keys such as "s3://media/photos/", have "s3://Me_dia/"`},
	{"a prefix with dots", site("a", `originals = "s3://media/../"`), `:4: site.a.originals: "s3://media/../" has a segment that is empty or "." or "..", which no original's URL can have`},
	{"a bucket with dots", site("a", `originals = "s3://me.dia/"`) + "[site.a.s3]\ncredentials = \"none\"\n",
		":4: site.a.originals: no certificate is for a host below another with the dots of me.dia; write path_style = true into [site.a.s3]"},
	{"a store at a special address", site("a", `originals = "s3://media/"`) + "[site.a.s3]\ncredentials = \"none\"\nendpoint = \"http://10.0.0.1\"\n",
		`:9: site.a.s3.endpoint: 10.0.0.1 is a special address; if it is meant, add allow_addresses = ["10.0.0.1"] to [site.a.fetch]`},
	{"redirects of a store", site("a", `originals = "s3://media/"`) + "[site.a.s3]\ncredentials = \"none\"\n[site.a.fetch]\nredirects = 1\n",
		":10: site.a.fetch.redirects: is for redirects, and thumbd follows no redirects of a store; remove it"},
	{"a store for a folder", site("a") + "[site.a.s3]\nregion = \"x\"\n", `:7: site.a.s3: is for originals in a bucket, "s3://media/photos/"; remove it`},
	{"a bucket and watch", site("a", `originals = "s3://media/"`, "watch = true") + "[site.a.s3]\ncredentials = \"none\"\n",
		":7: site.a.watch: follows originals in a folder, and these are at a URL; remove it"},
	{"how to fetch from a folder", site("a") + "[site.a.fetch]\nfetches = 1\n",
		":7: site.a.fetch: is for originals at a URL, and these are in a folder; remove it"},
	{"watching a URL", site("a", `originals = "https://o.example/"`, "watch = true"),
		":7: site.a.watch: follows originals in a folder, and these are at a URL; remove it"},
	{"a placeholder with a relative path", site("a", `placeholder = "none.png"`), `:7: site.a.placeholder: want an absolute path, have "none.png"`},
	{"another status of a placeholder", site("a", `placeholder = "/none.png"`, "placeholder_status = 301"),
		":8: site.a.placeholder_status: want 200 or 404, have 301"},
	{"a status without a placeholder", site("a", "placeholder_status = 200"),
		":7: site.a.placeholder_status: is for placeholder; add that, or remove this"},
	{"fetch is no table", site("a", `originals = "https://o.example/"`, "fetch = 1"), ":7: site.a.fetch: want a table, have 1"},
	{"values of fetch", site("a", `originals = "https://o.example/"`) + `[site.a.fetch]
allow_addresses = ["10.0.0.0/33", "10.1.2.3/8", "::ffff:10.0.0.0/104", "fe80::1%lo", "localhost"]
allow_hosts = ["*.*", "a b"]
allow_ports = [0, 65536]
redirects = 11
connect_time = "2m"
header_time = 5
total_time = "11m"
rate = 0
fetches = 0
lifetime = "0d"
proxy = "http://proxy/"
`, `:8: site.a.fetch.allow_addresses: want addresses such as "10.0.0.0/8", "192.168.1.7" or "fd00::/8", have "10.0.0.0/33"
:8: site.a.fetch.allow_addresses: "10.1.2.3/8" has bits beyond its length; want 10.0.0.0/8
:8: site.a.fetch.allow_addresses: want an address of IPv4 as that, 10.0.0.0, have "::ffff:10.0.0.0/104"
:8: site.a.fetch.allow_addresses: want addresses such as "10.0.0.0/8", "192.168.1.7" or "fd00::/8", have "fe80::1%lo"
:8: site.a.fetch.allow_addresses: want addresses such as "10.0.0.0/8", "192.168.1.7" or "fd00::/8", have "localhost"
:9: site.a.fetch.allow_hosts: want a host name in ASCII without a port, "a.example" or "*.a.example", have "*.*"
:9: site.a.fetch.allow_hosts: want a host name in ASCII without a port, "a.example" or "*.a.example", have "a b"
:10: site.a.fetch.allow_ports: want a whole number from 1 to 65535, have 0
:10: site.a.fetch.allow_ports: want a whole number from 1 to 65535, have 65536
:11: site.a.fetch.redirects: want a whole number from 0 to 10, have 11
:12: site.a.fetch.connect_time: want a time from 1ms to 1m such as "90s" or "10m", have "2m"
:13: site.a.fetch.header_time: want a time from 1ms to 5m such as "90s" or "10m", have 5
:14: site.a.fetch.total_time: want a time from 1ms to 10m such as "90s" or "10m", have "11m"
:15: site.a.fetch.rate: want a size from 1 to 1GiB such as "64MiB", "1GiB" or 65536, have 0
:16: site.a.fetch.fetches: want a whole number from 1 to 1024, have 0
:17: site.a.fetch.lifetime: want a time from 1m to 36500d such as "30d" or "36h", have "0d"
:18: site.a.fetch.proxy: unknown key`},
	{"a spool in a tree", "[daemon]\nspool = \"/var/a/a/spool\"\n" + site("a", `originals = "https://o.example/"`),
		":2: daemon.spool: /var/a/a/spool and the tree of site.a (line 3), /var/a/a, contain each other; choose another folder"},
	{"a tree in the spool", site("a", `originals = "https://o.example/"`, `document_root = "/var/cache/thumbd/spool"`),
		": daemon.spool: /var/cache/thumbd/spool and the tree of site.a (line 1), /var/cache/thumbd/spool/a, contain each other; choose another folder"},
	{"a spool in originals", "[daemon]\nspool = \"/srv/b/spool\"\n" + site("a", `originals = "https://o.example/"`) + site("b"),
		":2: daemon.spool: /srv/b/spool and the originals of site.b (line 9), /srv/b, contain each other; choose another folder"},
	{"a spool for less than an original", "[limits]\nspool_bytes = \"63MiB\"\n" + site("a", `originals = "https://o.example/"`),
		":2: limits.spool_bytes: is 63MiB, less than one original may take, original_bytes = 64MiB and 16KiB more; raise it, or lower that"},
	{"downloads at a URL", "[files.b]\nprefix = \"/b/\"\nroot = \"https://o.example/\"\ninternal = \"/_b/\"\nscheme = \"open\"\n",
		`:3: files.b.root: want an absolute path, have "https://o.example/"; only the originals of a site can be at a URL`},
	{"focus and gravity", signedPreset(`size = "1x1"`, `method = "crop"`, `focus = "10:20.5"`, `gravity = "north"`),
		":10: site.a.preset.card.focus: says where crop cuts, as gravity does; remove one of them"},
	{"a preset's focus", signedPreset(`size = "1x1"`, `method = "crop"`, `focus = "10:100.5"`),
		`:10: site.a.preset.card.focus: want two numbers from 0 to 100 with at most two places, such as "30:62.5", have "10:100.5"`},
	{"a preset's focus on the middle", signedPreset(`size = "1x1"`, `method = "crop"`, `focus = "50:50"`),
		`:10: site.a.preset.card.focus: "50:50" is the middle, which is the default`},
	{"a preset's background", signedPreset(`size = "1x1"`, `method = "pad"`, `background = "#FFFFFF"`),
		`:10: site.a.preset.card.background: want a color such as "ff8000", in lower case, have "#FFFFFF"`},
	{"a preset's blur", signedPreset(`size = "1x1"`, `method = "fit"`, `blur = 0.25`),
		":10: site.a.preset.card.blur: want a number from 0.3 to 50 with at most two places, have 0.25"},
	{"a preset's blur of three places", signedPreset(`size = "1x1"`, `method = "fit"`, `blur = 1.255`),
		":10: site.a.preset.card.blur: want a number from 0.3 to 50 with at most two places, have 1.255"},
	{"a preset's sharpen", signedPreset(`size = "1x1"`, `method = "fit"`, `sharpen = "1"`),
		`:10: site.a.preset.card.sharpen: want a number from 0.1 to 10 with at most two places, have "1"`},
	{"a preset's gray", signedPreset(`size = "1x1"`, `method = "fit"`, `gray = 1`), ":10: site.a.preset.card.gray: want true or false, have 1"},
	{"a preset's frames", signedPreset(`size = "1x1"`, `method = "fit"`, `frames = 2`), ":10: site.a.preset.card.frames: want 1, for the first alone, have 2"},
	{"a preset's watermark", signedPreset(`size = "1x1"`, `method = "fit"`, `watermark = "logo"`),
		":10: site.a.preset.card.watermark: there is no [site.a.watermark.logo]; add it, or remove this"},
	{"a preset's watermark's name", signedPreset(`size = "1x1"`, `method = "fit"`, `watermark = "Logo"`),
		":10: site.a.preset.card.watermark: want a name of at most 63 letters a to z, digits and -, beginning with a letter"},
	{"a watermark's values", site("a") + "[site.a.watermark.logo]\nimage = \"logo.png\"\nopacity = 1.5\nposition = \"middle\"\nscale = -0.1\nmargin = 1\n",
		`:8: site.a.watermark.logo.image: want an absolute path, have "logo.png"
:9: site.a.watermark.logo.opacity: want a number from 0 to 1 with at most two places, have 1.5
:10: site.a.watermark.logo.position: want north, northeast, east, southeast, south, southwest, west or northwest, have "middle"
:11: site.a.watermark.logo.scale: want a number from 0 to 1 with at most two places, have -0.1
:12: site.a.watermark.logo.margin: unknown key; want image, opacity, position or scale`},
	{"a watermark's name", site("a") + "[site.a.watermark.Logo]\nimage = \"/logo.png\"\n",
		":7: site.a.watermark.Logo: want a name of at most 63 letters a to z, digits and -, beginning with a letter"},
	{"watermarks are no table", site("a", `watermark = "logo"`), `:7: site.a.watermark: want a table, have "logo"`},
	{"a watermark of restthumbnails", site("a", `scheme = "restthumbnails"`) + "[site.a.watermark.logo]\nimage = \"/logo.png\"\n",
		":7: site.a.watermark: URLs of the scheme restthumbnails name no watermark; remove it"},
	{"together what is not there", site("a", `render_together = ["card", "card@2x", "hero", 7]`) + "[site.a.preset.card]\nsize = \"1x1\"\nmethod = \"fit\"\n",
		`:7: site.a.render_together: want a preset's name such as "card", "card@2x" or "hero-*", have 7`},
	{"together what has no widths", site("a", `render_together = ["card-*", "hero-*", "wide-*"]`) + "[site.a.preset.card]\nsize = \"1x1\"\nmethod = \"fit\"\n" +
		"[site.a.preset.wide]\nsize = \"9x1\"\nmethod = \"fit\"\nwidths = [3, 6]\n",
		`:7: site.a.render_together: there is no preset "card" with widths; add widths to it, or remove "card-*" here
:7: site.a.render_together: there is no preset "hero" with widths; add widths to it, or remove "hero-*" here`},
	{"more together than a job can have", site("a", `render_together = ["wide-*", "wide"]`) +
		"[site.a.preset.wide]\nsize = \"9x1\"\nmethod = \"fit\"\nformats = [\"avif\", \"webp\"]\nwidths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n",
		":7: site.a.render_together: is 33 thumbnails of each original, with the presets' formats, and the most are 32; remove some"},
	{"a preset whose name is that of a width", site("a") + "[site.a.preset.hero-320w]\nsize = \"1x1\"\nmethod = \"fit\"\n",
		":7: site.a.preset.hero-320w: ends as the widths of a preset do (hero-320w is hero at that width); choose another name, or give a preset these widths"},
	{"widths of a free width", signedPreset(`size = "x300"`, `method = "fit"`, `widths = [320]`),
		`:10: site.a.preset.card.widths: needs a size with a width, e.g. size = "1600x900" or size = "1600x"`},
	{"widths that are none", signedPreset(`size = "9x"`, `method = "fit"`, `widths = [0, 320, 320]`),
		":10: site.a.preset.card.widths: want a whole number from 1 to 16383, have 0\n:10: site.a.preset.card.widths: 320 is there twice"},
	{"a width over the limits by its height", signedPreset(`size = "100x500"`, `method = "fit"`, `widths = [50, 1000]`),
		":8: site.a.preset.card.size: is up to 1000x5000, over thumbnail_width x thumbnail_height, 4096x4096; lower it, or raise those in [limits]"},
	{"widths of the original's bytes", preset(`method = "original"`, `widths = [1]`),
		`:9: site.a.preset.card.widths: has no effect with method = "original"; remove it`},
	{"together what has no such dpr", site("a", `render_together = ["card", "card@2x", "hero"]`) + "[site.a.preset.card]\nsize = \"1x1\"\nmethod = \"fit\"\n",
		`:7: site.a.render_together: there is no preset "card@2x"; add it (card@2x needs dpr = [2]), or remove it here
:7: site.a.render_together: there is no preset "hero"; add it (hero@2x needs dpr = [2]), or remove it here`},
	{"one together", site("a", `scheme = "preset"`, "keys", `render_together = ["small"]`), ":7: site.a.render_together: is one preset; name others, or remove it"},
	{"one together twice", site("a", `scheme = "preset"`, "keys", `render_together = ["small", "icon", "small"]`), `:7: site.a.render_together: "small" is there twice`},
	{"together in restthumbnails", site("a", `scheme = "restthumbnails"`, `render_together = ["a", "b"]`),
		":7: site.a.render_together: URLs of the scheme restthumbnails name no preset; remove it"},
	{"options of an original preset", preset(`method = "original"`, `gray = true`, `watermark = "logo"`),
		`:9: site.a.preset.card.gray: has no effect with method = "original"; remove it
:10: site.a.preset.card.watermark: has no effect with method = "original"; remove it`},
	{"a preset's formats", preset(`size = "1x1"`, `method = "fit"`, `formats = ["tiff"]`),
		`:10: site.a.preset.card.formats: want jpg, png, webp, avif or gif, have "tiff"`},
	{"formats of a preset that the site lacks", site("a", `formats = ["jpg"]`) + "[site.a.preset.card]\nsize = \"1x1\"\nmethod = \"fit\"\nformats = [\"webp\"]\n",
		":11: site.a.preset.card.formats: the site's formats lack webp; add it there, or remove it here"},
	{"a preset over the limits", signedPreset(`size = "4097x300"`, `method = "fit"`),
		":8: site.a.preset.card.size: is up to 4097x300, over thumbnail_width x thumbnail_height, 4096x4096; lower it, or raise those in [limits]"},
	{"a preset over the limits by its dpr", signedPreset(`size = "x1400"`, `method = "fit"`, `dpr = [2, 3]`),
		":8: site.a.preset.card.size: is up to 0x4200, over thumbnail_width x thumbnail_height, 4096x4096; lower it, or raise those in [limits]"},
	{"a preset over the limits by dpr and factor", site("a", `scheme = "preset"`, "keys", "factors = [150]") + "[site.a.preset.card]\nsize = \"700x10\"\nmethod = \"fit\"\ndpr = [4]\n",
		":9: site.a.preset.card.size: is up to 4200x60, over thumbnail_width x thumbnail_height, 4096x4096; lower it, or raise those in [limits]"},
	{"a default preset over the limits", "[limits]\nthumbnail_width = 799\n" + site("a", `scheme = "preset"`, "keys"),
		":3: site.a: its default preset xlarge is up to 800x800, over thumbnail_width x thumbnail_height, 799x4096; name presets, or raise those in [limits]"},
	{"a default preset over the limits by a factor", site("a", `scheme = "preset"`, "keys", "factors = [400]", "enlarge = true") + "[limits]\nthumbnail_height = 3199",
		":1: site.a: its default preset xlarge is up to 3200x3200, over thumbnail_width x thumbnail_height, 4096x3199; name presets, or raise those in [limits]"},
	{"original in a signed site", signedPreset(`method = "original"`), ":8: site.a.preset.card.method: original is for the scheme preset; choose another"},
	{"original with a size", preset(`method = "original"`, `size = "1x1"`), `:9: site.a.preset.card.size: has no effect with method = "original"; remove it`},
	{"original negotiated", site("a", `scheme = "preset"`, "keys", `negotiate = ["webp"]`) + "[site.a.preset.card]\nmethod = \"original\"\n",
		":9: site.a.preset.card.method: original has no other format to negotiate; choose another, or remove the site's negotiate"},
	{"presets of restthumbnails", site("a", `scheme = "restthumbnails"`) + "[site.a.preset.card]\nsize = 5\n",
		":7: site.a.preset: URLs of the scheme restthumbnails name no preset; remove it"},

	{"prefixes overlap on any host", site("a") + site("b", `prefix = "/a/b/"`),
		`:8: site.b.prefix: "/a/b/" and "/a/" of site.a (line 1) overlap, and neither site has hosts; choose another prefix, or name hosts`},
	{"prefixes overlap, the shorter one later", site("a", `prefix = "/t/x/"`) + site("b", `prefix = "/t/"`),
		`:8: site.b.prefix: "/t/" and "/t/x/" of site.a (line 1) overlap, and neither site has hosts; choose another prefix, or name hosts`},
	{"prefixes overlap on a host", site("a", `hosts = ["x.example", "a.example"]`) + site("b", `prefix = "/a/"`, `hosts = ["A.EXAMPLE"]`),
		`:9: site.b.prefix: "/a/" and "/a/" of site.a (line 1) overlap, and both sites have the host a.example; choose another prefix, or other hosts`},
	{"prefixes overlap on a wildcard", site("a", `hosts = ["*.a.example"]`) + site("b", `prefix = "/a/"`, `hosts = ["*.a.example"]`),
		`:9: site.b.prefix: "/a/" and "/a/" of site.a (line 1) overlap, and both sites have the host *.a.example; choose another prefix, or other hosts`},
	{"one prefix beside wrong hosts", site("a") + site("b", `prefix = "/a/"`, `hosts = [""]`),
		`:13: site.b.hosts: want a host name in ASCII without a port, "a.example" or "*.a.example", have ""`},
	{"one key in two sites with one prefix", site("a", `hosts = ["a.example"]`) + site("b", `prefix = "/a/"`, `keys = ["b.key", "copy-of-a.key"]`),
		`:13: site.b.keys: copy-of-a.key is a key of site.a (line 1) too, which has an overlapping prefix; each needs its own`},
	{"one key beside an unreadable one", site("a", `hosts = ["a.example"]`) + site("b", `prefix = "/a/"`, `keys = ["x.key", "copy-of-a.key"]`),
		`:13: site.b.keys: open x.key: file does not exist
:13: site.b.keys: copy-of-a.key is a key of site.a (line 1) too, which has an overlapping prefix; each needs its own`},
	{"one tree", site("a") + site("b", `document_root = "/var/a/"`, `prefix = "/a/"`, `hosts = ["b.example"]`),
		`:9: site.b.document_root: the tree, /var/a/a, is that of site.a (line 1) too; choose another folder`},
	{"two trees that are not known", site("a", `prefix = "/"`) + site("b", `prefix = "/"`), `:2: site.a.prefix: want a folder of its own, e.g. "/thumbs/"
:8: site.b.prefix: want a folder of its own, e.g. "/thumbs/"`},
	{"a tree in another one", site("a") + site("b", `document_root = "/var/a/a"`),
		`:9: site.b.document_root: the tree, /var/a/a/b, and that of site.a (line 1), /var/a/a, contain each other; choose another folder`},
	{"one tree through a link", site("t") + site("b", `document_root = "/link"`, `prefix = "/t/"`, `hosts = ["b.example"]`),
		`:9: site.b.document_root: the tree, /var/t/t, is that of site.t (line 1) too; choose another folder`},
	{"originals below the tree", site("a", `originals = "/var/a/a/media"`),
		`:4: site.a.originals: /var/a/a/media and the tree, /var/a/a, contain each other; keep thumbnails and originals in separate folders`},
	{"the tree below originals", site("a", `originals = "/var/"`),
		`:4: site.a.originals: /var and the tree, /var/a/a, contain each other; keep thumbnails and originals in separate folders`},
	{"everything below originals", site("a", `originals = "/"`),
		`:4: site.a.originals: / and the tree, /var/a/a, contain each other; keep thumbnails and originals in separate folders`},
	{"originals below another site's tree", site("a") + site("b", `originals = "/var/a/a/x.jpg"`),
		`:10: site.b.originals: /var/a/a/x.jpg and the tree of site.a (line 1), /var/a/a, contain each other; choose another folder`},
	{"a tree below another site's originals, through a link", site("a", `originals = "/srv/link"`) + site("b", `document_root = "/srv"`, `originals = "/x"`),
		`:9: site.b.document_root: the tree, /srv/b, and the originals of site.a (line 1), /srv/b, contain each other; choose another folder`},

	{"max_bytes", site("a") + "[site.a.cache]\nmax_bytes = 0\n", `:8: site.a.cache.max_bytes: want a size from 1 to 1048576TiB such as "64MiB", "1GiB" or 65536, have 0`},
	{"max_files", site("a") + "[site.a.cache]\nmax_files = \"1\"\n", `:8: site.a.cache.max_files: want a whole number from 1 to 9223372036854775807, have "1"`},
	{"max_age below a minute", site("a") + "[site.a.cache]\nmax_age = \"59s\"\n", `:8: site.a.cache.max_age: want a time from 1m to 36500d such as "30d" or "36h", have "59s"`},
	{"max_age beyond a century", site("a") + "[site.a.cache]\nmax_age = \"36501d\"\n", `:8: site.a.cache.max_age: want a time from 1m to 36500d such as "30d" or "36h", have "36501d"`},
	{"max_age in parts of days", site("a") + "[site.a.cache]\nmax_age = \"1.5d\"\n", `:8: site.a.cache.max_age: want a time from 1m to 36500d such as "30d" or "36h", have "1.5d"`},
	{"min_free", site("a") + "[site.a.cache]\nmin_free = \"5%\"\n", `:8: site.a.cache.min_free: want a size from 1 to 1048576TiB such as "64MiB", "1GiB" or 65536, have "5%"`},
	{"an unknown key of the budget", site("a") + "[site.a.cache]\nmax_byte = 1\n", `:8: site.a.cache.max_byte: unknown key; did you mean max_bytes?`},

	{"nodes without anything", "[nodes]\n" + site("a"), `:1: nodes.journal: missing; e.g. journal = "/srv/shared/thumbd"
:1: nodes.keys: missing; e.g. keys = ["nodes.key"]`},
	{"nodes with a path that is none", nodes(`journal = "shared"`), `:2: nodes.journal: want an absolute path, have "shared"`},
	{"a journal at another URL", nodes(`journal = "https://media.example/thumbd/"`), `:2: nodes.journal: want an absolute path or a bucket such as "s3://media/thumbd/", have "https://media.example/thumbd/"`},
	{"a journal in a bucket without a slash", nodes(`journal = "s3://media"`), `:2: nodes.journal: want a bucket and a prefix of keys such as "s3://media/thumbd/", have "s3://media"`},
	{"a journal in a bucket of no site", nodes(`journal = "s3://media/thumbd/"`),
		":2: nodes.journal: no site has its originals in the bucket media; write [nodes.s3] with access_key and secret_key, and for a store other than AWS with endpoint"},
	{"a journal in a bucket that two sites ask for", bucketJournal("thumbd/", inBucket("a", ""), inBucket("c", "region = \"eu-test-1\"\n")),
		":2: nodes.journal: site.a (line 4) and site.c (line 13) ask for the bucket media in different ways; write [nodes.s3] with the keys of one of the two"},
	{"a journal among originals in a bucket", bucketJournal("photos/thumbd/", inBucket("a", "")),
		":2: nodes.journal: s3://media/photos/thumbd/ and the originals of site.a (line 4), s3://media/photos/, contain each other; choose another prefix or bucket"},
	{"a journal around originals in a bucket", bucketJournal("", inBucket("a", "")),
		":2: nodes.journal: s3://media/ and the originals of site.a (line 4), s3://media/photos/, contain each other; choose another prefix or bucket"},
	{"a journal among originals, asked for in another way", bucketJournal("photos/thumbd/", "[nodes.s3]\ncredentials = \"none\"\npath_style = true\nregion = \"eu-test-1\"\n", inBucket("a", "")),
		":2: nodes.journal: s3://media/photos/thumbd/ and the originals of site.a (line 8), s3://media/photos/, contain each other; choose another prefix or bucket"},
	{"a store for a folder of the journal", nodes("[nodes.s3]"), `:4: nodes.s3: is for a journal in a bucket, "s3://media/thumbd/"; remove it`},
	{"a journal in a store without keys", bucketJournal("thumbd/", "[nodes.s3]\nregin = \"x\"\n", inBucket("a", "")),
		`:4: nodes.s3.access_key: missing; e.g. access_key = "s3-access", the name of a file in keys/; or credentials = "none" for a bucket that everybody may read
:4: nodes.s3.secret_key: missing; e.g. secret_key = "s3-secret", the name of a file in keys/; or credentials = "none" for a bucket that everybody may read
:5: nodes.s3.regin: unknown key; did you mean region?`},
	{"a journal in a store at a special address", bucketJournal("thumbd/", "[nodes.s3]\ncredentials = \"none\"\nendpoint = \"http://10.0.0.1:9000\"\n", inBucket("a", "")),
		`:6: nodes.s3.endpoint: 10.0.0.1 is a special address; if it is meant, add allow_addresses = ["10.0.0.1"] to [nodes.s3]`},
	{"a journal in originals", nodes(`journal = "/srv/a/thumbd"`), ":2: nodes.journal: /srv/a/thumbd and the originals of site.a (line 5), /srv/a, contain each other; choose another folder"},
	{"a journal around trees", nodes(`journal = "/var"`), ":2: nodes.journal: /var and the tree of site.a (line 5), /var/a/a, contain each other; choose another folder"},
	{"nodes without a key", nodes("keys = []"), ":3: nodes.keys: is empty; whoever writes into the journal could purge: name a key"},
	{"nodes with a missing key", nodes(`keys = ["x.key"]`), ":3: nodes.keys: open x.key: file does not exist"},
	{"nodes with an empty key", nodes(`keys = ["empty.key"]`), ":3: nodes.keys: empty.key is empty; make one with: openssl rand -base64 32"},
	{"nodes with a short key", nodes(`keys = ["short.key"]`), ":3: nodes.keys: short.key is 15 bytes long, and under 16 can be guessed; make one with: openssl rand -base64 32"},
	{"nodes with a site's key", nodes(`keys = ["copy-of-a.key"]`), ":10: site.a.keys: a.key is a key of nodes.keys (line 3) too, which is for the journal; each purpose needs its own"},
	{"a node's name", nodes(`name = "n1.example"`), `:4: nodes.name: want a name of at most 63 letters a to z, digits and -, have "n1.example"`},
	{"poll", nodes(`poll = "100ms"`), `:4: nodes.poll: want a time from 200ms to 1m such as "90s" or "10m", have "100ms"`},
	{"wait", nodes(`wait = "6m"`), `:4: nodes.wait: want a time from 0 to 5m such as "90s" or "10m", have "6m"`},
	{"settle", nodes(`settle = "6m"`), `:4: nodes.settle: want a time from 0 to 5m such as "90s" or "10m", have "6m"`},
	{"lag", nodes(`lag = "3s"`), `:4: nodes.lag: is 3s, less than two poll, 4s; raise it`},
	{"keep", nodes(`keep = "10m"`), `:4: nodes.keep: want a time from 1h to 366d such as "7d" or "36h", have "10m"`},
	{"an unknown key of nodes", nodes("pol = 1"), ":4: nodes.pol: unknown key; did you mean poll?"},

	{"several, in the order of lines", "limit = 1\n[daemon]\nworkers = true\n" + site("b", "scheme") + site("a", `prefix = ""`, "formats = 1"),
		`:1: limit: unknown key; did you mean limits?
:3: daemon.workers: want a whole number from 0 to 4096, have true
:4: site.b.scheme: missing; e.g. scheme = "signed"
:11: site.a.prefix: want a path that begins and ends with /, e.g. "/thumbs/", have ""
:16: site.a.formats: want a list in brackets, have 1`},
}

func TestParseReportsEveryMistake(t *testing.T) {
	for _, tt := range mistakes {
		t.Run(tt.name, func(t *testing.T) {
			c, _, err := Parse([]File{{"thumbd.toml", []byte(tt.text)}}, testEnvironment())
			if err == nil || c != nil {
				t.Fatalf("Parse(%q) = %v, %v, want no configuration and an error", tt.text, c, err)
			}
			want := "thumbd.toml" + strings.ReplaceAll(tt.want, "\n:", "\nthumbd.toml:")
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("Parse(%q): mistakes (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

// inPlace returns a site of the scheme inplace.
func inPlace(name string, lines ...string) string {
	return fmt.Sprintf("[site.%s]\nprefix = \"/%[1]s/\"\ndocument_root = \"/var/%[1]s\"\noriginals = \"/srv/%[1]s\"\nscheme = \"inplace\"\n%s", name, strings.Join(append(lines, ""), "\n"))
}

// Each mistake names its file, those of thumbd.toml before those of the sites' files,
// and two files contradict each other as two sites of one file do.
func TestParseNamesTheFilesOfMistakes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []File
		want  string
	}{
		{"a table of all sites", []File{{"thumbd.toml", nil}, {"sites.d/a.toml", []byte("[daemon]\nworkers = 1\n[limits]\nqueue = 1\n" + site("a"))}},
			`sites.d/a.toml:1: daemon: is for all sites; write it into thumbd.toml
sites.d/a.toml:3: limits: is for all sites; write it into thumbd.toml`},
		{"an unknown table", []File{{"thumbd.toml", nil}, {"sites.d/a.toml", []byte("[sites.b]\nprefix = \"/b/\"\n" + site("a"))}},
			`sites.d/a.toml:1: sites: unknown key; did you mean site?`},
		{"syntax, in two files", []File{{"thumbd.toml", []byte("a =\n")}, {"sites.d/a.toml", []byte(site("a"))}, {"sites.d/b.toml", []byte("\n= 1\n")}},
			"thumbd.toml:1: expected value but found '\\n' instead\nsites.d/b.toml:2: unexpected '=': key name appears blank"},
		{"one site in two files", []File{{"thumbd.toml", []byte(site("a"))}, {"sites.d/a.toml", []byte("\n" + site("a"))}},
			`sites.d/a.toml:2: site.a: thumbd.toml:1 has it too; remove one of them`},
		{"one section of downloads in two files", []File{{"thumbd.toml", []byte(site("a"))}, {"sites.d/x.toml", []byte("[files.d]\n")}, {"sites.d/y.toml", []byte("files.d.prefix = \"/d/\"\n")}},
			`sites.d/x.toml:1: files.d.prefix: missing; e.g. prefix = "/d/"
sites.d/x.toml:1: files.d.root: missing; e.g. root = "/srv/d"
sites.d/x.toml:1: files.d.scheme: missing; e.g. scheme = "signed"
sites.d/x.toml:1: files.d.internal: missing; e.g. internal = "/_d/"
sites.d/y.toml:1: files.d: sites.d/x.toml:1 has it too; remove one of them`},
		{"an overlap with another file", []File{{"thumbd.toml", []byte("[limits]\nqueue = 0\n")}, {"sites.d/a.toml", []byte(site("a"))}, {"sites.d/b.toml", []byte("\n" + site("b", `prefix = "/a/b/"`))}},
			`thumbd.toml:2: limits.queue: want a whole number from 1 to 2147483647, have 0
sites.d/b.toml:3: site.b.prefix: "/a/b/" and "/a/" of site.a (sites.d/a.toml:1) overlap, and neither site has hosts; choose another prefix, or name hosts`},
		{"no site", []File{{"thumbd.toml", nil}, {"sites.d/a.toml", nil}},
			`thumbd.toml: no [site.NAME] section; add one, e.g. [site.gallery]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Parse(tt.files, testEnvironment())
			if err == nil {
				t.Fatal("no mistake")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFileOf(t *testing.T) {
	c, _, err := Parse([]File{{"thumbd.toml", []byte(site("a"))}, {"sites.d/b.toml", []byte(site("b"))}}, testEnvironment())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"site.a": "thumbd.toml", "site.b": "sites.d/b.toml"} {
		if got := c.FileOf(key); got != want {
			t.Errorf("%s is in %s, want %s", key, got, want)
		}
	}
}

// The files of sites are read in the order of their names. An editor's own files, and
// those of other names, are left out.
func TestReadFiles(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "thumbd.toml")
	if _, err := ReadFiles(main); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	if err := os.Mkdir(SitesFolder(main), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFiles(main); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{"b.toml", "a.toml", "10.toml", ".#a.toml", "a.toml~", "a.toml.dpkg-new", "README"} {
		if err := os.WriteFile(filepath.Join(SitesFolder(main), name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (all []string) {
		files, err := ReadFiles(main)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name, err := filepath.Rel(dir, f.Name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, name+" "+string(f.Data))
		}
		return all
	}
	want := []string{"thumbd.toml ", "sites.d/10.toml 10.toml", "sites.d/a.toml a.toml", "sites.d/b.toml b.toml"}
	if diff := cmp.Diff(want, names()); diff != "" {
		t.Errorf("without thumbd.toml (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(main, []byte("main"), 0o644); err != nil {
		t.Fatal(err)
	}
	want[0] += "main"
	if diff := cmp.Diff(want, names()); diff != "" {
		t.Errorf("with thumbd.toml (-want +got):\n%s", diff)
	}
	if err := os.Symlink("nowhere", filepath.Join(SitesFolder(main), "c.toml")); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFiles(main); err == nil || !strings.Contains(err.Error(), "sites.d/c.toml") {
		t.Errorf("a link to nowhere: %v, want its name", err)
	}
}
