// SPDX-License-Identifier: MIT

package daemon

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/s3"
	"thumbd/internal/share"
	"thumbd/internal/test/aid"
)

// A daemon starts with folders that are missing. The log and the doctor are told of each,
// and as soon as a folder is there, it is used.
func TestMissingFolders(t *testing.T) {
	const files = "[files.docs]\nprefix = \"/docs/\"\nroot = \"DIR/docs\"\ninternal = \"/_docs/\"\nscheme = \"open\"\n"
	for name, tt := range map[string]struct {
		away   string // moved away before the start
		text   string // after gallery
		kind   string
		uri    string
		before string // the answers for uri
		after  string
	}{
		"originals":   {"media", "", "originals gallery", "/thumbs/small/a.jpg", "500 original-unreadable", "200"},
		"watermark":   {"mark.png", "[site.gallery.watermark.logo]\nimage = \"DIR/mark.png\"\n[site.gallery.preset.card]\nsize = \"9x9\"\nmethod = \"crop\"\nwatermark = \"logo\"\n", "watermark gallery", "/thumbs/card/a.jpg", "500 watermark", "200"},
		"placeholder": {"mark.png", "placeholder = \"DIR/mark.png\"\n", "placeholder gallery", "/thumbs/small/none.jpg", "404 no-original", "404 no-original"},
		"files":       {"docs", files, "files docs", "/docs/a.pdf", "500 file-unreadable", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, gallery+tt.text)
			r.Write("mark.png", "a mark")
			aid.Must(t, os.Mkdir(r.Path("docs"), 0o755))
			r.Write("docs/a.pdf", "a paper")
			aid.Must(t, os.Rename(r.Path(tt.away), r.Path("away")))
			r.run()
			r.told("READY=1\nSTATUS=serves 1 sites")
			if !r.hasLine("level=ERROR", "msg=probe", r.Path(tt.away)) {
				t.Error("no line in the log")
			}
			r.want(tt.uri, tt.before)
			if got := r.troubles(); got != tt.kind {
				t.Errorf("troubles %q, want %q", got, tt.kind)
			}
			aid.Must(t, os.Rename(r.Path("away"), r.Path(tt.away)))
			if got := r.troubles(); got != "" {
				t.Errorf("troubles %q after it has come back", got)
			}
			r.want(tt.uri, tt.after)
		})
	}
}

// A tree that can't be written is told once, and its thumbnails are sent without being
// published until it can.
func TestTreeThatCanNotBeWritten(t *testing.T) {
	r := newRig(t, gallery)
	r.Write("root", "")
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	r.want("/thumbs/small/a.jpg", "200")
	if got, want := r.troubles(), "tree gallery"; got != want {
		t.Errorf("troubles %q, want %q", got, want)
	}
	if !r.hasLine("level=ERROR", "settings.json") {
		t.Error("no line of .thumbd/settings.json")
	}
	aid.Must(t, os.Remove(r.Path("root")))
	if got := r.troubles(); got != "" {
		t.Errorf("troubles %q after it can be written", got)
	}
	r.want("/thumbs/small/a.jpg", "200")
	if _, err := os.Stat(r.Path("root/thumbs/small/a.jpg")); err != nil {
		t.Error(err)
	}
}

// A share that hangs is told in the log, to the doctor and in the metrics, until it
// answers again. Other sites go on.
func TestShareHangs(t *testing.T) {
	r := start(t, gallery+
		"[files.docs]\nprefix = \"/docs/\"\nroot = \"DIR/docs\"\ninternal = \"/_docs/\"\nscheme = \"open\"\n")
	aid.Must(t, os.Mkdir(r.Path("docs"), 0o755))
	for section, folder := range map[string]string{"site=gallery": "media", "files=docs": "docs"} {
		end := make(chan struct{})
		r.setOriginalTime(time.Millisecond)
		err := share.Run(share.Of(r.Path(folder)), func() error {
			<-end
			return nil
		})
		if !errors.Is(err, share.ErrSlow) {
			t.Fatal(err)
		}
		r.setOriginalTime(time.Hour)
		if !r.hasLine("level=ERROR", "does not answer within original_time", section, "path="+r.Path(folder)) {
			t.Errorf("%s: no line that it hangs", section)
		}
		if folder == "media" {
			if got, want := r.troubles(), "share gallery"; got != want {
				t.Errorf("troubles %q, want %q", got, want)
			}
			if got := r.state().Stuck["gallery"]; got != 1 {
				t.Errorf("the metrics have %d operations that hang, want 1", got)
			}
			r.want("/thumbs/small/a.jpg", "503 original-busy")
		}
		close(end)
		r.logged("level=INFO", "answers again", section)
	}
	if got := r.state().Stuck["gallery"]; got != 0 {
		t.Errorf("the metrics have %d operations that hang, want none", got)
	}
}

// setOriginalTime changes the deadline of each folder, of operations that begin from now on.
func (r *rig) setOriginalTime(d time.Duration) {
	s := r.service.Load()
	c := *s.config
	c.OriginalTime = d
	(&Service{sites: s.sites, config: &c}).SetGates(r.reports())
}

// A site of an origin starts while its origin is away. The doctor asks the origin.
func TestOriginAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	aid.Must(t, err)
	address := l.Addr().String()
	aid.Must(t, l.Close())
	r := newRig(t, fmt.Sprintf(`[daemon]
workers = 1
spool = "DIR/spool"
[site.gallery]
prefix = "/thumbs/"
document_root = "DIR/root"
originals = "http://%s/media/"
scheme = "preset"
[site.gallery.fetch]
allow_addresses = ["127.0.0.0/8"]
`, address))
	r.Write("spool", "")
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	if !r.hasLine("level=ERROR", "msg=probe", "spool") || r.log.Count(address) > 0 {
		t.Error("the log wants the line of the spool alone")
	}
	if got, want := r.troubles(), "spool , origin gallery"; got != want {
		t.Errorf("troubles %q, want %q", got, want)
	}
	aid.Must(t, os.Remove(r.Path("spool")))
	l, err = net.Listen("tcp", address)
	aid.Must(t, err)
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = io.WriteString(w, "\xff\xd8\xff an original")
	}))
	aid.Must(t, origin.Listener.Close())
	origin.Listener = l
	origin.Start()
	defer origin.Close()
	if got := r.troubles(); got != "" {
		t.Errorf("troubles %q after the origin has come back", got)
	}
	r.want("/thumbs/small/a.jpg", "200")
}

// The doctor tells a store that refuses the keys, that refuses lists alone, and for which
// this process has no keys.
func TestKindsOfOrigins(t *testing.T) {
	for name, tt := range map[string]struct {
		err      error
		kind     string
		unlisted bool
		keyless  bool
	}{
		"list":        {probeError{unlisted, "gallery", originals.ErrUnlisted}, "site gallery: ", true, false},
		"keys":        {probeError{keyless, "gallery", s3.ErrNoKeys}, "site gallery: ", false, true},
		"credentials": {probeError{"credentials", "gallery", originals.ErrCredentials}, "site gallery: ", false, false},
		"files":       {probeError{"files", "docs", os.ErrNotExist}, "files docs: ", false, false},
		"journal":     {probeError{"journal", "n1", os.ErrNotExist}, "node n1: ", false, false},
		"spool":       {probeError{"spool", "", os.ErrNotExist}, os.ErrNotExist.Error(), false, false},
	} {
		if IsUnlisted(tt.err) != tt.unlisted || IsKeyless(tt.err) != tt.keyless || !strings.HasPrefix(tt.err.Error(), tt.kind) {
			t.Errorf("%s: %q, unlisted %v, keyless %v", name, tt.err, IsUnlisted(tt.err), IsKeyless(tt.err))
		}
	}
}

// A change of an original takes its thumbnails away. If originals can't be followed, the
// doctor and the metrics are told until they can.
func TestWatchedOriginals(t *testing.T) {
	r := newRig(t, gallery+"watch = true\n")
	aid.Must(t, os.Rename(r.Path("media"), r.Path("away")))
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	aid.Await(t, func() bool { return r.state().Unwatched["gallery"] })
	if got, want := r.troubles(), "watch gallery, originals gallery"; got != want {
		t.Errorf("troubles %q, want %q", got, want)
	}
	r.logged("level=ERROR", "originals are not followed", "site=gallery")
	aid.Must(t, os.Rename(r.Path("away"), r.Path("media")))
	aid.Await(t, func() bool { return !r.state().Unwatched["gallery"] })
	if got := r.troubles(); got != "" {
		t.Errorf("troubles %q while the originals are followed", got)
	}
	r.want("/thumbs/small/a.jpg", "200")
	aid.Must(t, os.Remove(r.Path("media/a.jpg")))
	aid.Await(t, func() bool {
		_, err := os.Stat(r.Path("root/thumbs/small/a.jpg"))
		return errors.Is(err, os.ErrNotExist)
	})
}

// If the disk runs full, thumbnails are evicted at once, and the log tells.
func TestDiskRunsFull(t *testing.T) {
	r := start(t, gallery+"[site.gallery.cache]\nmin_free = \"1048576TiB\"\n")
	r.want("/thumbs/small/a.jpg", "200")
	r.logged("level=WARN", "nothing left to remove", "site=gallery")
	r.logged("level=INFO", "gc, as there was less free than min_free", "site=gallery")
	aid.Await(t, func() bool { return r.state().Trees["gallery"].Over })
}

// A section of downloads is as the configuration says.
func TestDownloads(t *testing.T) {
	r := newRig(t, gallery+`[files.docs]
prefix = "/docs/"
root = "DIR/docs"
internal = "/_docs/"
scheme = "open"
disposition = "attachment"
`)
	aid.Must(t, os.Mkdir(r.Path("docs"), 0o755))
	r.Write("docs/a.pdf", "a paper")
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	resp, err := r.front.Get("http://localhost/docs/a.pdf")
	aid.Must(t, err)
	defer resp.Body.Close()
	if got := resp.Header.Get("X-Accel-Redirect"); got != "/_docs/a.pdf" {
		t.Errorf("X-Accel-Redirect %q", got)
	}
	if got := resp.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") {
		t.Errorf("Content-Disposition %q", got)
	}
}

// The list of revoked tokens is looked at while thumbd runs, and the log tells if it can't
// be read any more.
func TestListOfRevokedTokensIsLookedAt(t *testing.T) {
	r := newRig(t, gallery+"[site.gallery.access]\nproofs = [\"token\"]\ntoken_keys = [\"jwt.key\"]\nrevoked = \"DIR/revoked.txt\"\n")
	r.Write("keys/jwt.key", nodeKey)
	r.Write("revoked.txt", "")
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	aid.Must(t, os.Remove(r.Path("revoked.txt")))
	r.logged("level=ERROR", "msg=access", "site=gallery", r.Path("revoked.txt"))
}
