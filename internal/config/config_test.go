// SPDX-License-Identifier: MIT

package config

import (
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"thumbd/internal/access"
	"thumbd/internal/fetch"
	"thumbd/internal/files"
	"thumbd/internal/route"
	"thumbd/internal/s3"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// parse returns the configuration of a text without mistakes, and its
// warnings.
func parse(t *testing.T, text string) (*Config, []Mistake) {
	t.Helper()
	c, warnings, err := Parse([]File{{"thumbd.toml", []byte(text)}}, testEnvironment())
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return c, warnings
}

func messages(mistakes []Mistake) []string {
	var s []string
	for _, m := range mistakes {
		s = append(s, m.Error())
	}
	return s
}

func diff(want, got *Config) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{}, Nodes{}),
		cmp.Comparer(func(a, b access.TokenKey) bool { return reflect.DeepEqual(a, b) }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty())
}

// defaults is the configuration of site("a").
func defaults() *Config {
	return &Config{
		Workers:         3,
		WorkerRenders:   1000,
		WorkerMemory:    1 << 30,
		IdleExit:        10 * time.Minute,
		LogLevel:        slog.LevelInfo,
		Accel:           "nginx",
		Spool:           "/var/cache/thumbd/spool",
		OriginalBytes:   64 << 20,
		OriginalPixels:  100_000_000,
		OriginalFrames:  200,
		OriginalTime:    10 * time.Second,
		ThumbnailWidth:  4096,
		ThumbnailHeight: 4096,
		ThumbnailBytes:  32 << 20,
		RenderTime:      20 * time.Second,
		Queue:           256,
		QueueTime:       30 * time.Second,
		SpoolBytes:      1 << 30,
		Sites: []Site{{
			Originals:         "/srv/a",
			PlaceholderStatus: 404,
			OriginalFormats: []thumb.Format{
				thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF, thumb.HEIC, thumb.TIFF,
			},
			Thumb: thumb.Site{
				Route:        route.Route{Name: "a", Prefix: "/a/"},
				DocumentRoot: "/var/a",
				Scheme:       thumb.Signed,
				Keys:         [][]byte{keyA},
				Formats:      []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF},
				Quality:      map[thumb.Format]int{thumb.JPEG: 82, thumb.WebP: 80, thumb.AVIF: 55},
				MaxWidth:     4096,
				MaxHeight:    4096,
			},
		}},
	}
}

// defaultFetch is what a site has of originals at a URL.
func defaultFetch(site, base string) *fetch.Options {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	return &fetch.Options{
		Site: site, Base: u, Redirects: 3,
		ConnectTime: 5 * time.Second, HeaderTime: 10 * time.Second, TotalTime: time.Minute, Rate: 16 << 10,
		Fetches: 16, Queue: 256, OriginalBytes: 64 << 20, Lifetime: 30 * 24 * time.Hour,
	}
}

func TestParseDefaults(t *testing.T) {
	c, warnings := parse(t, site("a"))
	if d := diff(defaults(), c); d != "" {
		t.Errorf("defaults (-want +got):\n%s", d)
	}
	if warnings != nil {
		t.Errorf("warnings: %v", warnings)
	}
}

const everything = `
[daemon]
workers = 2
worker_renders = 0
worker_memory = "512MiB"
idle_exit = "0"
log_level = "debug"
accel = "sendfile"
metrics = "[::1]:9105"
[limits]
original_bytes = 4096
original_pixels = 1_000
original_frames = 1
original_time = "3s"
thumbnail_width = 1600
thumbnail_height = 900
thumbnail_bytes = "8KiB"
render_time = "1m30s"
queue = 1
queue_time = "250ms"
[nodes]
journal = "/shared/thumbd/"
keys = ["nodes.key"]
name = "east-1"
poll = "500ms"
wait = "0"
settle = "1m"
lag = "30s"
keep = "30d"
[site.zoo]
prefix = "/zoo thumbs/"
hosts = ["Zoo.example", "*.zoo.example"]
document_root = "/var//www/"
originals = "/srv/zoo/"
scheme = "preset"
enlarge = true
original_formats = ["svg", "jpg"]
formats = ["jpg", "webp"]
quality.jpg = 70
quality.webp = "auto"
metadata = "copyright"
frames_over = "first"
info = true
negotiate = ["webp"]
layout = "preset"
factors = [100, 75]
render_together = ["card", "card@2x", "detail", "card-*", "card-300w"]
watch = true
placeholder = "/etc//none.png"
placeholder_status = 200
[site.zoo.preset.card]
size = "400x300"
method = "crop"
dpr = [2, 3]
widths = [300, 200]
quality = "auto"
max_bytes = "4KiB"
gravity = "southeast"
enlarge = false
uncovered = "axes"
formats = ["avif"]
background = "00ff80"
blur = 0.3
sharpen = 1
gray = true
frames = 1
watermark = "logo"
[site.zoo.preset.detail]
size = "40x30"
method = "crop"
focus = "0:62.5"
[site.zoo.watermark.logo]
image = "/etc//logo.png"
opacity = 0.5
position = "north"
scale = 0.25
[site.zoo.access]
proofs = ["token", "token-query", "signature"]
keys = ["a.key"]
cookie = "zoo-token"
token_keys = ["t.key"]
audience = "zoo-app"
leeway = "1m"
revoked = "/var/lib/zoo/revoked"
[site.zoo.cache]
max_bytes = "10GiB"
max_files = 5000
max_age = "30d"
min_free = 4096
[files.documents]
prefix = "/documents/"
hosts = ["zoo.example"]
root = "/srv//documents/"
internal = "/_documents/"
scheme = "authtoken"
keys = ["b.key"]
digest = "sha256"
timeout = "1h"
disposition = "inline"
`

func TestParseTakesThePresetOriginal(t *testing.T) {
	c, _ := parse(t, site("a", `scheme = "preset"`, "keys")+"[site.a.preset.bytes]\nmethod = \"original\"\n")
	want := map[string]thumb.Preset{"bytes": {Transform: thumb.Transform{Method: thumb.Original}}}
	if d := cmp.Diff(want, c.Sites[0].Thumb.Presets); d != "" {
		t.Errorf("presets (-want +got):\n%s", d)
	}
}

func TestParseTakesAWatermarkThatSaysLittle(t *testing.T) {
	c, _ := parse(t, site("a")+"[site.a.watermark.logo]\nimage = \"/logo.png\"\n")
	want := map[string]thumb.Watermark{"logo": {Name: "logo", Opacity: 100, Position: thumb.SouthEast}}
	if d := cmp.Diff(want, c.Sites[0].Thumb.Watermarks); d != "" {
		t.Errorf("watermarks (-want +got):\n%s", d)
	}
}

func TestParseTakesEveryKey(t *testing.T) {
	tokenKeys, err := access.ParseTokenKeys([]byte("the key of site t"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Workers:         2,
		WorkerMemory:    512 << 20,
		LogLevel:        slog.LevelDebug,
		Accel:           "sendfile",
		Metrics:         "[::1]:9105",
		Spool:           "/var/cache/thumbd/spool",
		OriginalBytes:   4096,
		OriginalPixels:  1000,
		OriginalFrames:  1,
		OriginalTime:    3 * time.Second,
		ThumbnailWidth:  1600,
		ThumbnailHeight: 900,
		ThumbnailBytes:  8 << 10,
		RenderTime:      90 * time.Second,
		Queue:           1,
		QueueTime:       250 * time.Millisecond,
		SpoolBytes:      1 << 30,
		Nodes: &Nodes{
			Journal: "/shared/thumbd", Keys: [][]byte{[]byte("the key of nodes")}, Name: "east-1",
			Poll: 500 * time.Millisecond, Settle: time.Minute, Lag: 30 * time.Second, Keep: 30 * day,
		},
		Sites: []Site{{
			Originals:       "/srv/zoo",
			OriginalFormats: []thumb.Format{thumb.SVG, thumb.JPEG},
			WatermarkImages: map[string]string{"logo": "/etc/logo.png"},
			Watch:           true,
			Placeholder:     "/etc/none.png", PlaceholderStatus: 200,
			Access: &access.Options{
				Site: "zoo", Proofs: []access.Proof{access.Token, access.TokenQuery, access.Signature}, Keys: [][]byte{keyA},
				Audience: "zoo-app", Cookie: "zoo-token", TokenKeys: tokenKeys, Leeway: time.Minute, Revoked: "/var/lib/zoo/revoked",
			},
			Cache: Cache{MaxBytes: 10 << 30, MaxFiles: 5000, MaxAge: 720 * time.Hour, MinFree: 4096},
			Thumb: thumb.Site{
				Route:        route.Route{Name: "zoo", Prefix: "/zoo thumbs/", Hosts: []string{"zoo.example", "*.zoo.example"}},
				Negotiate:    []thumb.Format{thumb.WebP},
				DocumentRoot: "/var/www",
				Scheme:       thumb.PresetScheme,
				Formats:      []thumb.Format{thumb.JPEG, thumb.WebP},
				Factors:      []int{100, 75},
				Together:     []string{"card", "card@2x", "detail", "card-300w", "card-200w"},
				Enlarge:      true,
				Quality:      map[thumb.Format]int{thumb.JPEG: 70, thumb.WebP: thumb.AutoQuality, thumb.AVIF: 55},
				Metadata:     thumb.CopyrightMetadata,
				FramesOver:   thumb.FirstFrame,
				MaxWidth:     1600,
				MaxHeight:    900,
				Presets: map[string]thumb.Preset{
					"card": {
						Transform: thumb.Transform{
							Width: 400, Height: 300, Method: thumb.Crop, Quality: thumb.AutoQuality, MaxBytes: 4096, Gravity: thumb.SouthEast,
							Uncovered:  thumb.Axes,
							Background: thumb.NewColor(0, 255, 128), Blur: 30, Sharpen: 100, Gray: true, Frames: 1,
							Watermark: thumb.Watermark{Name: "logo"},
						},
						DPR:     []int{2, 3},
						Widths:  []int{300, 200},
						Formats: []thumb.Format{thumb.AVIF},
						Enlarge: thumb.Never,
					},
					"detail": {Transform: thumb.Transform{Width: 40, Height: 30, Method: thumb.Crop, Focus: thumb.NewFocus(0, 6250)}},
					"info":   thumb.InfoPreset(),
				},
				Watermarks: map[string]thumb.Watermark{"logo": {Name: "logo", Opacity: 50, Position: thumb.North, Scale: 25}},
			},
		}},
		Files: []Files{{
			Route: route.Route{Name: "documents", Prefix: "/documents/", Hosts: []string{"zoo.example"}}, Root: "/srv/documents", Internal: "/_documents/",
			Scheme: files.AuthToken, Keys: [][]byte{keyB}, Digest: sign.SHA256, Timeout: time.Hour,
		}},
	}
	c, _ := parse(t, everything)
	if d := diff(want, c); d != "" {
		t.Errorf("configuration (-want +got):\n%s", d)
	}
}

// The keys of the texts above and below are all that there are.
func TestEverythingIsEveryKey(t *testing.T) {
	for _, known := range []fields{
		daemonFields(&Config{}), limitsFields(&Config{}), siteFields(&draft{}), presetFields(&thumb.Preset{}),
		watermarkFields(&thumb.Watermark{}, new(string)), accessFields(&draft{}, &access.Options{}), filesFields(&Files{}, new([]string)),
		cacheFields(&Cache{}), inPlaceFields(&thumb.VariantRules{}, new(bool)),
		fetchFields(&fetch.Options{}), storeFields(&store{}), nodesFields(&Nodes{}),
	} {
		for _, key := range slices.Sorted(maps.Keys(known)) {
			// Sites of the scheme preset have no keys.
			if key != "keys" && !regexp.MustCompile(`(?m)\b`+key+`\b.* = |\[.*\b`+key+`\b`).MatchString(everything+fetched+inPlaceText+stored+chained) {
				t.Errorf("%s is not in the text", key)
			}
		}
	}
}

func TestParseAccepts(t *testing.T) {
	sites := func(c *Config) (names []string) {
		for _, s := range c.Sites {
			names = append(names, s.Thumb.Name)
		}
		return names
	}
	first := func(c *Config) thumb.Site { return c.Sites[0].Thumb }
	tests := []struct {
		name string
		text string
		get  func(*Config) any
		want any
	}{
		{"sites in any order, sorted by name", site("b") + site("a"), func(c *Config) any { return sites(c) }, []string{"a", "b"}},
		{"several keys, the first signs", site("a", `keys = ["b.key", "a.key"]`),
			func(c *Config) any { return first(c).Keys }, [][]byte{keyB, keyA}},
		{"restthumbnails enlarges", site("a", `scheme = "restthumbnails"`), func(c *Config) any { return first(c).Enlarge }, true},
		{"restthumbnails that does not enlarge", site("a", `scheme = "restthumbnails"`, "enlarge = false"),
			func(c *Config) any { return first(c).Enlarge }, false},
		{"preset without presets has the default ones", site("a", `scheme = "preset"`, "keys"),
			func(c *Config) any { return first(c).Presets }, thumb.DefaultPresets()},
		{"preset with empty keys", site("a", `scheme = "preset"`, "keys = []"), func(c *Config) any { return len(first(c).Keys) }, 0},
		{"a preset at the limits", signedPreset(`size = "1024x1024"`, `method = "smart"`, "dpr = [4]"),
			func(c *Config) any { return first(c).Presets["card"].DPR }, []int{4}},
		{"a free height", signedPreset(`size = "400x"`, `method = "scale"`),
			func(c *Config) any { return first(c).Presets["card"].Transform }, thumb.Transform{Width: 400, Method: thumb.Scale}},
		{"a free width", signedPreset(`size = "x300"`, `method = "attention"`),
			func(c *Config) any { return first(c).Presets["card"].Transform }, thumb.Transform{Height: 300, Method: thumb.Attention}},
		{"AVIF and WebP to negotiate", site("a", `negotiate = ["avif", "webp"]`),
			func(c *Config) any { return c.Sites[0].Thumb.Negotiate }, []thumb.Format{thumb.AVIF, thumb.WebP}},
		{"overlapping prefixes on an exact host and its wildcard",
			site("a", `hosts = ["x.example"]`) + site("b", `prefix = "/a/"`, `hosts = ["*.example"]`),
			func(c *Config) any { return sites(c) }, []string{"a", "b"}},
		{"overlapping prefixes on a host and any", site("a") + site("b", `prefix = "/a/b/"`, `hosts = ["x.example"]`),
			func(c *Config) any { return sites(c) }, []string{"a", "b"}},
		{"one prefix begins like the other", site("a") + site("b", `prefix = "/ab/"`),
			func(c *Config) any { return sites(c) }, []string{"a", "b"}},
		{"one tree begins like the other", site("a", `prefix = "/x/t/"`, `document_root = "/v"`) + site("b", `prefix = "/x/t2/"`, `document_root = "/v"`),
			func(c *Config) any { return sites(c) }, []string{"a", "b"}},
		{"one key for different prefixes", site("a") + site("b", `keys = ["a.key"]`),
			func(c *Config) any { return sites(c) }, []string{"a", "b"}},
		{"the originals of two sites in one folder", site("a") + site("b", `originals = "/srv/a"`),
			func(c *Config) any { return c.Sites[1].Originals }, "/srv/a"},
		{"originals beside the tree", site("a", `originals = "/var/a/originals"`),
			func(c *Config) any { return c.Sites[0].Originals }, "/var/a/originals"},
		{"a document root of /", site("a", `document_root = "/"`), func(c *Config) any { return first(c).DocumentRoot }, "/"},
		{"only warnings in the log", site("a") + "[daemon]\nlog_level = \"warn\"", func(c *Config) any { return c.LogLevel }, slog.LevelWarn},
		{"only errors in the log", site("a") + "[daemon]\nlog_level = \"error\"", func(c *Config) any { return c.LogLevel }, slog.LevelError},
		{"CRLF at the ends of lines", strings.ReplaceAll(site("a"), "\n", "\r\n"), func(c *Config) any { return sites(c) }, []string{"a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, warnings := parse(t, tt.text)
			if d := cmp.Diff(tt.want, tt.get(c)); d != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", tt.text, d)
			}
			if warnings != nil {
				t.Errorf("Parse(%q): warnings %v", tt.text, warnings)
			}
		})
	}
}

func TestParseWarns(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"of a short key of restthumbnails", site("a", `scheme = "restthumbnails"`, `keys = ["a.key", "short.key"]`), []string{
			"thumbd.toml:6: site.a.keys: short.key is 15 bytes long, and under 16 can be guessed; change it with the next change of URLs",
		}},
		{"of waits over nginx's", site("a") + "[limits]\nrender_time = \"100s\"\nqueue_time = \"101s\"\n", []string{
			"thumbd.toml:9: limits.queue_time: queue_time and two render_time are 5m1s, and nginx waits 5m (proxy_read_timeout); lower one of them",
		}},
		{"of renders that take nearly all of it", site("a") + "[limits]\nrender_time = \"2m30s\"\n", []string{
			"thumbd.toml:8: limits.render_time: queue_time and two render_time are 5m30s, and nginx waits 5m (proxy_read_timeout); lower one of them",
		}},
		{"of a site that is watched, as that holds up the idle exit", site("a", `watch = true`), []string{
			`thumbd.toml:7: site.a.watch: as long as this is true thumbd does not end after idle_exit, because it must see changes; say so with idle_exit = "0"`,
		}},
		{"of none where it says so", "[daemon]\nidle_exit = \"0\"\n" + site("a", `watch = true`), nil},
		{"of waits with a fetch over nginx's", site("a", `originals = "http://o.example/"`) + "[site.a.fetch]\ntotal_time = \"4m\"\n", []string{
			"thumbd.toml:8: site.a.fetch.total_time: total_time, queue_time and two render_time are 5m10s, and nginx waits 5m (proxy_read_timeout); lower one of them",
		}},
		{"of an answer that the front of several machines does not wait for", nodes(`wait = "1s"`) + "[limits]\nrender_time = \"80s\"\n", []string{
			"thumbd.toml:1: nodes: an answer may take 3m30s (total_time, queue_time, two render_time and two original_time), and snippets/thumbd-front.conf of the front waits 2m40s; lower one of them, or raise proxy_read_timeout of the front",
		}},
		{"of none on one machine", site("a") + "[limits]\nrender_time = \"80s\"\n", nil},
		{"of none with the limits of several machines as they are", nodes(`wait = "1s"`), nil},
		{"of metrics that other machines reach", "[daemon]\nmetrics = \"0.0.0.0:9105\"\n" + site("a"), []string{
			"thumbd.toml:2: daemon.metrics: every machine that reaches 0.0.0.0:9105 reads the names of sites and their counters; use 127.0.0.1, or a firewall",
		}},
		{"of none on a socket", "[daemon]\nmetrics = \"/run/thumbd/metrics.sock,mode=0666\"\n" + site("a"), nil},
		{"of none on loopback", "[daemon]\nmetrics = \"127.0.0.2:9105\"\n" + site("a"), nil},
		{"of links that can't be resolved", site("a", `originals = "/loop"`), []string{
			"thumbd.toml:4: site.a.originals: /loop: too many links; whether it shares files with other folders is not known",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, warnings := parse(t, tt.text)
			if d := cmp.Diff(tt.want, messages(warnings)); d != "" {
				t.Errorf("Parse(%q): warnings (-want +got):\n%s", tt.text, d)
			}
		})
	}
}

const fetched = `
[daemon]
spool = "/var/spool/t"
[limits]
original_bytes = 1000
spool_bytes = "10GiB"
queue = 7
[site.a]
prefix = "/a/"
document_root = "/var/a"
originals = "http://10.1.2.3:8080/Me%20dia/"
scheme = "signed"
keys = ["a.key"]
[site.a.fetch]
allow_addresses = ["10.0.0.0/8", "192.168.1.7", "fd00::/8", "::1"]
allow_hosts = ["CDN.example", "*.b.example", "*"]
allow_ports = [8080, 1]
redirects = 0
connect_time = "1s"
header_time = "2s"
total_time = "3s"
rate = 5
fetches = 6
lifetime = "36h"
`

func TestParseFetch(t *testing.T) {
	c, _ := parse(t, fetched)
	want := defaults()
	want.Spool, want.SpoolBytes, want.OriginalBytes, want.Queue = "/var/spool/t", 10<<30, 1000, 7
	o := defaultFetch("a", "http://10.1.2.3:8080/Me%20dia/")
	o.AllowAddresses = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.1.7/32"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("::1/128"),
	}
	o.AllowHosts, o.AllowPorts = []string{"cdn.example", "*.b.example", "*"}, []int{8080, 1}
	o.Redirects, o.ConnectTime, o.HeaderTime, o.TotalTime = 0, time.Second, 2*time.Second, 3*time.Second
	o.Rate, o.Fetches, o.Queue, o.OriginalBytes, o.Lifetime = 5, 6, 7, 1000, 36*time.Hour
	want.Sites[0].Originals, want.Sites[0].Fetch = "", o
	if d := diff(want, c); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

const stored = `
[site.a]
prefix = "/a/"
document_root = "/var/a"
originals = "s3://media/my photos/"
scheme = "signed"
keys = ["a.key"]
[site.a.fetch]
allow_addresses = ["10.0.0.0/8"]
[site.a.s3]
endpoint = "http://10.1.2.3:9000/"
region = "garage"
path_style = false
credentials = "files"
access_key = "s3-access"
secret_key = "s3-secret"
requester_pays = true
`

func TestParseBucket(t *testing.T) {
	c, _ := parse(t, stored)
	want := defaults()
	o := defaultFetch("a", "http://media.10.1.2.3:9000/my%20photos/")
	o.AllowAddresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	want.Sites[0].Originals, want.Sites[0].Fetch = "", o
	want.Sites[0].S3 = &s3.Options{
		Bucket: "media", Prefix: "my photos/", Endpoint: &url.URL{Scheme: "http", Host: "10.1.2.3:9000"}, Region: "garage",
		AccessKey: "AKEXAMPLE", SecretKey: "very/secret+", RequesterPays: true,
	}
	if d := diff(want, c); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// The bucket of a journal is asked for as its site's, unless [nodes.s3] says otherwise.
func TestParseBucketOfTheJournal(t *testing.T) {
	journal := "[nodes]\njournal = \"s3://media/thumbd/\"\nkeys = [\"nodes.key\"]\n"
	ten := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	site := s3.Options{
		Bucket: "media", Prefix: "thumbd/", Endpoint: &url.URL{Scheme: "http", Host: "10.1.2.3:9000"}, Region: "garage",
		AccessKey: "AKEXAMPLE", SecretKey: "very/secret+", RequesterPays: true,
	}
	aws := s3.Options{Bucket: "media", Prefix: "thumbd/", Region: "eu-north-1", AccessKey: "AKEXAMPLE", SecretKey: "very/secret+"}
	for name, tt := range map[string]struct {
		table string
		want  s3.Options
		allow []netip.Prefix
	}{
		"the site's": {"", site, ten},
		"its own":    {"[nodes.s3]\nregion = \"eu-north-1\"\naccess_key = \"s3-access\"\nsecret_key = \"s3-secret\"\nallow_addresses = [\"10.0.0.0/8\"]\n", aws, ten},
	} {
		c, _ := parse(t, journal+tt.table+stored)
		if d := cmp.Diff(&tt.want, c.Nodes.S3) + cmp.Diff(tt.allow, c.Nodes.AllowAddresses, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if c.Nodes.Settle != 0 {
			t.Errorf("%s: settle is %v, and no originals are on a mount", name, c.Nodes.Settle)
		}
		if c.Nodes.Journal != "s3://media/thumbd/" || c.Sites[0].S3.Prefix != "my photos/" {
			t.Errorf("%s: the journal is %s, and the originals are below %s", name, c.Nodes.Journal, c.Sites[0].S3.Prefix)
		}
	}
}

// The least that a bucket of AWS takes, and one that everybody may read.
func TestParseBucketDefaults(t *testing.T) {
	keys := "[site.a.s3]\naccess_key = \"s3-access\"\nsecret_key = \"s3-secret\"\n"
	for text, base := range map[string]string{
		site("a", `originals = "s3://media/"`) + keys:                                                                 "https://media.s3.us-east-1.amazonaws.com/",
		site("a", `originals = "s3://media/"`) + "[site.a.s3]\ncredentials = \"none\"\n":                              "https://media.s3.us-east-1.amazonaws.com/",
		site("a", `originals = "s3://me.dia/x/"`) + keys + "path_style = true\n":                                      "https://s3.us-east-1.amazonaws.com/me.dia/x/",
		site("a", `originals = "s3://media/ä/"`) + keys + "region = \"eu-north-1\"\nendpoint = \"https://o.example\"": "https://o.example/media/%C3%A4/",
	} {
		c, warnings := parse(t, text)
		if got := c.Sites[0].Fetch.Base.String(); got != base || warnings != nil {
			t.Errorf("%s: got %s, want %s; warnings %v", text, got, base, warnings)
		}
	}
}

const chained = `
[site.a.s3]
credentials = "aws"
profile = "reader"
requester_pays = true
`

// The keys of AWS's chain are not read with the configuration.
func TestParseBucketChain(t *testing.T) {
	c, _ := parse(t, site("a", `originals = "s3://media/"`)+chained)
	want := s3.Options{Bucket: "media", Region: "us-east-1", Chain: true, Profile: "reader", RequesterPays: true}
	if got := *c.Sites[0].S3; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseWarnsBesideMistakes(t *testing.T) {
	_, warnings, err := Parse([]File{{"thumbd.toml", []byte(site("a", `originals = "/loop"`, `prefix = "/"`))}}, testEnvironment())
	if err == nil {
		t.Fatal("no mistake")
	}
	if len(warnings) != 1 {
		t.Errorf("got warnings %v, want one", warnings)
	}
}

// commented matches what the packaged file has as a key or a section.
var commented = regexp.MustCompile(`(?m)^#([a-z_]+ = .*|\[.*\])$`)

func TestPackagedFile(t *testing.T) {
	b, err := os.ReadFile("../../packaging/thumbd.toml")
	if err != nil {
		t.Fatal(err)
	}
	env := testEnvironment()
	env.Key = func(name string) ([]byte, error) {
		if strings.HasPrefix(name, "s3-") {
			return []byte(name + "-content"), nil
		}
		return []byte("the content of " + name), nil
	}

	_, _, err = Parse([]File{{"thumbd.toml", b}}, env)
	if err == nil || err.Error() != "thumbd.toml: no [site.NAME] section; add one, e.g. [site.gallery]" {
		t.Errorf("as installed: got %v, want only that there is no site", err)
	}

	text := commented.ReplaceAll(b, []byte("$1"))
	got, warnings, err := Parse([]File{{"thumbd.toml", text}}, env)
	if err != nil || warnings != nil {
		t.Fatalf("all of it: %v %v", err, warnings)
	}
	want := defaults()
	want.Nodes = &Nodes{
		Journal: "/srv/shared/thumbd", Keys: [][]byte{[]byte("the content of nodes.key")}, Name: "n1",
		Poll: 2 * time.Second, Wait: 10 * time.Second, Settle: 5 * time.Second, Lag: time.Minute, Keep: 7 * day,
	}
	s := &want.Sites[0]
	s.Originals = "/srv/gallery/media"
	s.Placeholder = "/etc/thumbd/placeholder.png"
	s.Thumb.Name = "gallery"
	s.Thumb.Prefix = "/thumbs/"
	s.Thumb.DocumentRoot = "/var/cache/thumbd/gallery"
	s.Thumb.Presets = map[string]thumb.Preset{"card": {
		Transform: thumb.Transform{Width: 400, Height: 300, Method: thumb.Crop, Quality: 75, MaxBytes: 40 << 10, Gravity: thumb.North},
		DPR:       []int{2},
		Enlarge:   thumb.Never,
		Widths:    []int{200, 400, 800},
	}, "banner": {
		Transform: thumb.Transform{
			Width: 1200, Height: 200, Method: thumb.Crop, Focus: thumb.NewFocus(3000, 6250), Background: thumb.NewColor(255, 255, 255),
			Blur: 200, Sharpen: 50, Gray: true, Frames: 1, Watermark: thumb.Watermark{Name: "logo"},
		},
	}}
	s.Thumb.Watermarks = map[string]thumb.Watermark{"logo": {Name: "logo", Opacity: 100, Position: thumb.SouthEast}}
	s.WatermarkImages = map[string]string{"logo": "/etc/thumbd/logo.png"}
	s.Thumb.Keys = [][]byte{[]byte("the content of gallery.key")}
	tokenKeys, err := access.ParseTokenKeys([]byte("the content of jwt.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.Access = &access.Options{
		Site: "gallery", Audience: "gallery", Proofs: []access.Proof{access.Signature, access.Token}, Keys: [][]byte{[]byte("the content of access.key")},
		Cookie: "thumbd", TokenKeys: tokenKeys, Leeway: 30 * time.Second, Revoked: "revoked.txt",
	}
	s.Cache = Cache{MaxBytes: 10 << 30, MaxFiles: 1_000_000, MaxAge: 2160 * time.Hour, MinFree: 5 << 30}
	elsewhere := defaults().Sites[0]
	elsewhere.Originals = ""
	elsewhere.Fetch = defaultFetch("elsewhere", "https://origin.example/media/")
	elsewhere.Thumb.Name, elsewhere.Thumb.Prefix, elsewhere.Thumb.DocumentRoot = "elsewhere", "/elsewhere/", "/var/cache/thumbd/elsewhere"
	elsewhere.Thumb.Keys = [][]byte{[]byte("the content of elsewhere.key")}
	uploads := defaults().Sites[0]
	uploads.Originals, uploads.Watch = "/var/www/example/uploads", true
	uploads.Thumb.Name, uploads.Thumb.Prefix, uploads.Thumb.DocumentRoot = "uploads", "/uploads/", "/var/cache/thumbd/uploads"
	uploads.Thumb.Scheme, uploads.Thumb.Keys, uploads.Thumb.Negotiate = thumb.InPlace, nil, thumb.Variants()
	uploads.Thumb.Variants = thumb.VariantRules{MaxWidth: 2560, MaxHeight: 2560, MinSaving: 10}
	bucket := elsewhere
	bucket.Fetch = defaultFetch("bucket", "https://s3.example:9000/media/photos/")
	bucket.S3 = &s3.Options{
		Bucket: "media", Prefix: "photos/", Endpoint: &url.URL{Scheme: "https", Host: "s3.example:9000"}, Region: "us-east-1", PathStyle: true,
		AccessKey: "s3-access-content", SecretKey: "s3-secret-content",
	}
	bucket.Thumb.Name, bucket.Thumb.Prefix, bucket.Thumb.DocumentRoot = "bucket", "/bucket/", "/var/cache/thumbd/bucket"
	bucket.Thumb.Keys = [][]byte{[]byte("the content of bucket.key")}
	want.Sites = []Site{bucket, elsewhere, *s, uploads}
	want.Files = []Files{{
		Route: route.Route{Name: "documents", Prefix: "/documents/"}, Root: "/srv/documents", Internal: "/_documents/",
		Scheme: files.AuthToken, Keys: [][]byte{[]byte("the content of documents.key")}, Digest: sign.MD5, Timeout: 2 * time.Minute, Attachment: true,
	}}
	if d := diff(want, got); d != "" {
		t.Errorf("all of it (-want +got):\n%s", d)
	}

	for _, known := range []fields{
		daemonFields(got), limitsFields(got), siteFields(&draft{}), presetFields(&thumb.Preset{}),
		watermarkFields(&thumb.Watermark{}, new(string)), accessFields(&draft{}, &access.Options{}), filesFields(&Files{}, new([]string)),
		cacheFields(&Cache{}), inPlaceFields(&thumb.VariantRules{}, new(bool)),
		fetchFields(&fetch.Options{}), storeFields(&store{}), nodesFields(&Nodes{}),
	} {
		for _, key := range slices.Sorted(maps.Keys(known)) {
			if key != "preset" && key != "access" && key != "cache" && key != "fetch" && key != "s3" && key != "inplace" && (key != "watermark" || known["size"] != nil) && !strings.Contains(string(b), "\n#"+key+" = ") {
				t.Errorf("%s is not in the packaged file", key)
			}
		}
	}
}

func TestManualHasEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man/thumbd.toml.5")
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []fields{
		daemonFields(&Config{}), limitsFields(&Config{}), siteFields(&draft{}), presetFields(&thumb.Preset{}),
		accessFields(&draft{}, &access.Options{}), filesFields(&Files{}, new([]string)),
		cacheFields(&Cache{}), inPlaceFields(&thumb.VariantRules{}, new(bool)),
		fetchFields(&fetch.Options{}), storeFields(&store{}), nodesFields(&Nodes{}),
	} {
		for key := range known {
			item := regexp.MustCompile(`(?m)^\.(It Cm (.* , )?|Ss .*\.)` + key + `\b`)
			if !item.Match(page) {
				t.Errorf("%s is not in thumbd.toml(5)", key)
			}
		}
	}
}

// inPlaceText is a site of the scheme inplace with all keys of its section.
const inPlaceText = `
[site.uploads]
prefix = "/uploads/"
document_root = "/var/cache/uploads"
originals = "/srv/uploads"
scheme = "inplace"
negotiate = ["webp"]
watch = false
[site.uploads.inplace]
max_width = 1600
max_height = 0
min_saving = 0.25
wait = true
`

func TestInPlace(t *testing.T) {
	c, _ := parse(t, inPlaceText)
	s := c.Sites[0]
	want := thumb.VariantRules{MaxWidth: 1600, MinSaving: 25}
	if s.Thumb.Variants != want || !s.Wait || s.Watch || !slices.Equal(s.Thumb.Negotiate, []thumb.Format{thumb.WebP}) {
		t.Errorf("got %+v", s)
	}
}

// The presets of the layout wordpress have the order of the file, and a box may be
// larger than a thumbnail: 1024x9999.
func TestSizesOfWordPressHaveAnOrder(t *testing.T) {
	for _, scheme := range []string{"preset", "inplace"} {
		const text = "layout = \"wordpress\"\n[site.a.preset.zebra]\nsize = \"1024x9999\"\nmethod = \"fit\"\n[site.a.preset.2_x]\nsize = \"9x9\"\nmethod = \"crop\"\n"
		c, _, err := LoadFiles([]File{{Name: "a.toml", Data: []byte(site("a", "keys", "scheme = \""+scheme+"\"") + text)}}, "")
		if err != nil {
			t.Fatal(err)
		}
		s := c.Sites[0].Thumb
		if s.Layout != thumb.WordPressLayout || s.Presets["zebra"].Rank != 0 || s.Presets["2_x"].Rank != 1 {
			t.Errorf("%s: %+v", scheme, s)
		}
	}
}
