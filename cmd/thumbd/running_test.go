// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"thumbd/internal/admin"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/standin"
)

// place is a folder of a test in which commands run.
type place struct{ *standin.Folder }

// gallery is a configuration of one site. DIR is the folder of the test.
const gallery = `[daemon]
workers = 1
[site.gallery]
prefix = "/thumbs/"
document_root = "DIR/root"
originals = "DIR/media"
scheme = "preset"
info = true
[site.gallery.preset.hero]
size = "40x40"
method = "crop"
widths = [20, 40]
formats = ["jpg"]
`

func newPlace(t *testing.T, configuration string) *place {
	t.Helper()
	return &place{standin.NewFolder(t, configuration)}
}

// run runs a command with the place's configuration and socket, if the command has these
// flags, and returns its exit code and its output without the path of the folder.
func (p *place) run(args ...string) (code int, stdout, stderr string) {
	p.T.Helper()
	for _, c := range rootCommand().Commands() {
		if c.Name() != args[0] {
			continue
		}
		for flag, file := range map[string]string{"config": "thumbd.toml", "admin": "admin", "socket": "front"} {
			if c.Flags().Lookup(flag) != nil {
				args = append(args[:1:1], append([]string{"--" + flag + "=" + p.Path(file)}, args[1:]...)...)
			}
		}
	}
	var out, errs bytes.Buffer
	code = run(p.T.Context(), args, &out, &errs)
	short := func(b bytes.Buffer) string { return strings.ReplaceAll(b.String(), p.Dir, "DIR") }
	return code, short(out), short(errs)
}

// expect runs a command and compares its exit code, and its outputs with patterns.
func (p *place) expect(want int, stdout, stderr string, args ...string) {
	p.T.Helper()
	code, out, errs := p.run(args...)
	match := func(pattern, text string) bool { return regexp.MustCompile("(?s)^" + pattern + "$").MatchString(text) }
	if code != want || !match(stdout, out) || !match(stderr, errs) {
		p.T.Errorf("thumbd %q: exit code %d, want %d\nstdout: %q, want %q\nstderr: %q, want %q", args, code, want, out, stdout, errs, stderr)
	}
}

// serve has thumbd serve run until the end of the test.
func (p *place) serve() {
	p.T.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	var errs aid.Log
	go func() {
		ended <- run(ctx, []string{"serve", "-c", p.Path("thumbd.toml"), "--listen", p.Path("front"), "--admin", p.Path("admin")}, &errs, &errs)
	}()
	p.T.Cleanup(func() {
		stop()
		if code := <-ended; code != exitOK {
			p.T.Errorf("thumbd serve: exit code %d: %s", code, &errs)
		}
	})
	aid.Await(p.T, func() bool {
		select {
		case code := <-ended:
			ended <- code
			p.T.Fatalf("thumbd serve: exit code %d: %s", code, &errs)
		default:
		}
		code, _, _ := p.run("health")
		return code == exitOK
	})
}

// Without a daemon, each command that asks one says that there is none, and how to start
// it; warm and info work without one.
func TestCommandsWithoutADaemon(t *testing.T) {
	p := newPlace(t, gallery)
	for _, args := range [][]string{
		{"health"}, {"status"}, {"status", "--json"}, {"status", "--nodes"}, {"status", "--nodes", "--forget", "b"}, {"purge", "gallery", "--all"},
	} {
		p.expect(exitRuntime, "", "thumbd: "+args[0]+": .*DIR/(front|admin).*no such file or directory.*\n", args...)
	}
	p.expect(exitOK, "gallery: 1 originals, made 1 thumbnails, 0 were there\n", "(gallery: .*\n)*", "warm", "gallery", "--preset", "hero")
	p.expect(exitOK, "gallery: 1 originals, made 0 thumbnails, 1 were there\n", "(gallery: .*\n)*", "warm", "gallery", "--preset", "hero")
}

// The commands print the answers of the running daemon.
func TestCommandsAskTheDaemon(t *testing.T) {
	p := newPlace(t, gallery)
	p.serve()
	p.expect(exitOK, "", "", "health")

	p.expect(exitOK, "gallery: 1 originals, made 2 thumbnails, 0 were there\n", "(gallery: .*\n)*", "warm", "gallery", "--preset", "hero", "--preset", "hero-20w")
	p.expect(exitUsage, "", "thumbd: .*preset.*none.*\n", "warm", "gallery", "--preset", "none")
	p.expect(exitUsage, "", "thumbd: .*\"galery\".*\n", "warm", "galery")
	p.expect(exitUsage, "", "thumbd: --since \"soon\": want a time such as .*\n", "warm", "gallery", "--since", "soon")
	p.expect(exitUsage, "", "thumbd: open DIR/none: no such file or directory; see thumbd --help\n", "warm", "gallery", "--from", p.Path("none"))
	p.Write("list", "a.jpg\nb.jpg\n")
	p.expect(exitRuntime, "gallery: 2 originals, made 0 thumbnails, 1 were there, 1 failed \\(1 no-original\\)\n", ".*thumbd: warm: 1 thumbnails could not be made\n",
		"warm", "gallery", "--preset", "hero", "--from", p.Path("list"))
	p.Write("one", "a.jpg\n")
	p.expect(exitOK, "gallery: 1 originals, made 0 thumbnails, 0 were there, left out 1 older originals\n", "(gallery: .*\n)*", "warm", "gallery", "--preset", "hero", "--since", "2999-01-01", "--from", p.Path("one"))

	code, out, errs := p.run("info", "gallery", "a.jpg")
	var one struct {
		Width  int
		Format string
	}
	if err := json.Unmarshal([]byte(out), &one); code != exitOK || err != nil || one.Width != 100 || one.Format != "jpg" || errs != "" {
		t.Errorf("info: exit code %d: %q, %q", code, out, errs)
	}
	p.expect(exitOK, `\{"original":"a.jpg","width":100,.*\}`+"\n", "", "info", "--ndjson", "gallery")
	p.expect(exitRuntime, "", "\"b.jpg\": no-original\nthumbd: info: 1 originals could not be described\n", "info", "gallery", "b.jpg")
	p.expect(exitUsage, "", "thumbd: .*\"galery\".*\n", "info", "galery", "a.jpg")
	p.Write("media/\xff.jpg", "an original")
	p.expect(exitRuntime, "", ".*the name is not UTF-8, so JSON can't have it\nthumbd: info: 1 originals could not be described\n", "info", "--ndjson", "gallery", "\xff.jpg")

	p.expect(exitOK, "purged: 3 thumbnails removed\n", "", "purge", "gallery", "a.jpg")
	if _, err := os.Stat(p.Path("root/thumbs/hero/a.jpg")); !os.IsNotExist(err) {
		t.Errorf("after the purge: %v", err)
	}
	p.expect(exitUsage, "", "thumbd: .*; see thumbd --help\n", "purge", "gallery")
	p.expect(exitUsage, "", "thumbd: .*galery.*; see thumbd --help\n", "purge", "galery", "a.jpg")
	p.expect(exitUsage, "", "thumbd: .*none.*; see thumbd --help\n", "purge", "gallery", "--preset", "none")

	// A description of each counter, and its values below.
	p.expect(exitOK, "(.*\n)?Thumbnails[^\n]*\n  [^\n]*\n.*", "", "status")
	code, out, errs = p.run("status", "--json")
	var families []admin.Family
	if err := json.Unmarshal([]byte(out), &families); code != exitOK || err != nil || len(families) == 0 || errs != "" {
		t.Errorf("status --json: exit code %d: %q, %q", code, out, errs)
	}
	p.expect(exitUsage, "", "thumbd: --forget is for --nodes; see thumbd --help\n", "status", "--forget", "b")
	p.expect(exitRuntime, "", "thumbd: status: thumbd.toml has no \\[nodes\\]: this machine is the only one\n", "status", "--nodes")
}

// The nodes of a journal are printed, a line for each, and can be forgotten.
func TestStatusOfNodes(t *testing.T) {
	p := newPlace(t, gallery+"[nodes]\njournal = \"DIR/journal\"\nname = \"one\"\nkeys = [\"nodes.key\"]\n")
	p.Write("keys/nodes.key", "0123456789abcdef0123456789abcdef")
	if err := os.Mkdir(p.Path("journal"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.serve()
	p.expect(exitOK, "one +read (never|[-0-9]+T[:0-9]+Z) +waits 0 +thumbd [^ ]+, libvips 8.99.0: [a-z]+ \\(this node\\).*\n", "", "status", "--nodes")
	code, out, errs := p.run("status", "--nodes", "--json")
	var nodes []admin.Node
	if err := json.Unmarshal([]byte(out), &nodes); code != exitOK || err != nil || len(nodes) != 1 || nodes[0].Name != "one" || !nodes[0].Here {
		t.Errorf("status --nodes --json: exit code %d: %q, %q", code, out, errs)
	}
	p.expect(exitUsage, "", "thumbd: .*two.*; see thumbd --help\n", "status", "--nodes", "--forget", "two")
	p.expect(exitOK, ".+\n", "", "purge", "gallery", "--all", "--here")
	p.expect(exitUsage, "", "thumbd: .*: wait: want a time from 0 to 5m0s; see thumbd --help\n", "purge", "gallery", "--all", "--wait", "6m")
	p.expect(exitOK, ".+\n", "", "purge", "gallery", "--all", "--wait", "30s")
}

// check tells that a configuration is good, with a worker, and the faults that only the
// folders have.
func TestCheckOfAPlace(t *testing.T) {
	p := newPlace(t, gallery)
	p.expect(exitOK, "(note: [^\n]*\n)*DIR/thumbd.toml: the configuration is good\n", "(warning: [^\n]*\n(\t[^\n]*\n)*)*", "check")
	p.expect(exitOK, "", "", "check", "--reload")
	if err := os.RemoveAll(p.Path("media")); err != nil {
		t.Fatal(err)
	}
	p.expect(exitRuntime, "(note: [^\n]*\n)*", ".*thumbd: .*DIR/media.*no such file or directory.*", "check")
	// A reload keeps the sites whose folders can be used.
	p.expect(exitOK, "", "", "check", "--reload")
	p.Write("thumbd.toml", gallery+"typo = 1\n")
	p.expect(exitUsage, "", "DIR/thumbd.toml:14: site.gallery.preset.hero.typo: unknown key[^\n]*\n", "check", "--reload")
}

// picture prints the element of a preset, from the size that a worker reads or that is
// given.
func TestPictureOfAPreset(t *testing.T) {
	p := newPlace(t, gallery)
	const element = `<img src="/thumbs/hero/a\.jpg" srcset="/thumbs/hero-20w/a\.jpg 20w, /thumbs/hero-40w/a\.jpg 40w" sizes="50vw" width="40" height="40" alt="A kitten" loading="lazy"[^>]*>` + "\n"
	p.expect(exitOK, "(<picture>\n)?"+element+"(</picture>\n)?", "", "picture", "gallery", "a.jpg", "hero", "--alt", "A kitten", "--sizes", "50vw", "--lazy")
	p.expect(exitOK, "(<picture>\n)?"+element+"(</picture>\n)?", "", "picture", "gallery", "a.jpg", "hero", "--alt", "A kitten", "--sizes", "50vw", "--lazy", "--original-size", "4000x3000")
	p.expect(exitOK, ".*style=\"[^\"]*url\\([^\"]*data:image/.*", "", "picture", "gallery", "a.jpg", "hero", "--placeholder")
	code, out, errs := p.run("picture", "gallery", "a.jpg", "hero", "--json", "--base", "https://img.example/")
	if !json.Valid([]byte(out)) || !strings.Contains(out, "https://img.example/thumbs/hero/a.jpg") || code != exitOK || errs != "" {
		t.Errorf("picture --json: exit code %d: %q, %q", code, out, errs)
	}
	for _, size := range []string{"4000", "x", "0x3", "-4x3", "4000x3000x2", "16777217x1"} {
		p.expect(exitUsage, "", "thumbd: --original-size \""+size+"\": want WIDTHxHEIGHT, e.g. 4000x3000\n", "picture", "gallery", "a.jpg", "hero", "--original-size="+size)
	}
	p.expect(exitUsage, "", "thumbd: no site \"galery\" in DIR/thumbd.toml; it has gallery\n", "picture", "galery", "a.jpg", "hero")
	p.expect(exitUsage, "", "thumbd: site gallery has no preset \"hreo\"; it has .*hero.*\n", "picture", "gallery", "a.jpg", "hreo")
	p.expect(exitRuntime, "", "thumbd: picture: .*b.jpg.*no such file or directory\n", "picture", "gallery", "b.jpg", "hero")
	t.Setenv("THUMBD_RENDER", p.Path("none"))
	p.expect(exitRuntime, "", "thumbd: picture: .*DIR/none: no such file or directory\n", "picture", "gallery", "a.jpg", "hero")
	p.Write("thumbd.toml", strings.ReplaceAll(gallery, `"DIR/media"`, `"https://origin.example/media/"`))
	p.expect(exitUsage, "", "thumbd: the originals of site gallery are on another server; want --original-size, e.g. 4000x3000, and no --placeholder\n", "picture", "gallery", "a.jpg", "hero")
}

// check reports a journal that this node or other nodes can't use, with the commands to type.
func TestCheckOfAJournal(t *testing.T) {
	const nodes = "[nodes]\njournal = \"DIR/journal\"\nname = \"one\"\nkeys = [\"nodes.key\"]\n"
	p := newPlace(t, gallery+nodes)
	p.Write("keys/nodes.key", "0123456789abcdef0123456789abcdef")
	p.expect(exitRuntime, "(note: [^\n]*\n)*", ".*the journal.*DIR/journal.*", "check")
	if err := os.Mkdir(p.Path("journal"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.expect(exitRuntime, "(note: [^\n]*\n)*", "thumbd: the journal: DIR/journal does not give its group to new files, [^\n]*; to mend it:\n(\t[^\n]*\n)+", "check")
	if err := os.Chmod(p.Path("journal"), os.ModeSetgid|0o770); err != nil {
		t.Fatal(err)
	}
	const good = "(note: [^\n]*\n)*DIR/[a-z]+.toml: the configuration is good\n"
	p.expect(exitOK, good, "", "check")
	p.serve()
	p.Write("two.toml", strings.NewReplacer(`"one"`, `"two"`, "DIR/root", "DIR/root2").Replace(gallery+nodes))
	p.expect(exitOK, good, "", "check", "-c", p.Path("two.toml"))
	p.Write("keys/other.key", "fedcba9876543210fedcba9876543210")
	p.Write("two.toml", strings.NewReplacer(`"one"`, `"two"`, "DIR/root", "DIR/root2", "nodes.key", "other.key").Replace(gallery+nodes))
	p.expect(exitOK, good, "warning: DIR/two.toml: the journal DIR/journal: the report of node one: .*; give all nodes the same keys and the same version of thumbd, "+
		"or, if that node is gone for good: thumbd status --nodes --forget one\n", "check", "-c", p.Path("two.toml"))
}

// verify names the variants that an original of the scheme inplace may be replaced by, and
// an original whose name differs in its Unicode normalization alone.
func TestVerifyOfNames(t *testing.T) {
	p := newPlace(t, gallery+"[site.uploads]\nprefix = \"/uploads/\"\ndocument_root = \"DIR/small\"\noriginals = \"DIR/media\"\nscheme = \"inplace\"\n")
	p.Write("media/a.svg", "<svg/>")
	p.Write("media/e\u0301.jpg", "an original")
	p.expect(exitOK, ".*\nvariant    [^\n]*\\.avif of \"a.jpg\", if it saves enough\nvariant    [^\n]*\\.webp of \"a.jpg\", if it saves enough\n.*accepted\n", "", "verify", "/uploads/a.jpg")
	p.expect(exitRuntime, ".*", "thumbd: refused: .*; but there is \"e\\\\u0301.jpg\", which differs in its Unicode normalization alone: rename it, or sign that name\n",
		"verify", "/thumbs/hero/\u00e9.jpg")
	p.expect(exitRuntime, ".*", "thumbd: refused: .*no.jpg.*no such file or directory.*\n", "verify", "/thumbs/hero/no.jpg")
	p.expect(exitOK, "/thumbs/hero/%C3%A9.jpg\n", "warning: there is no original \"\\\\u00e9.jpg\", but \"e\\\\u0301.jpg\", which differs in its Unicode normalization alone\n",
		"url", "gallery", "\u00e9.jpg", "--preset", "hero")
}
