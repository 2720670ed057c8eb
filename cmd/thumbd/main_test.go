// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"

	"thumbd/internal/test/standin"
)

func TestMain(m *testing.M) {
	standin.Main()
	testscript.Main(m, map[string]func(){"thumbd": main})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// keymode gives a key file the mode that txtar can't.
			"keymode": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, name := range args {
					ts.Check(os.Chmod(ts.MkAbs(name), 0o600))
				}
			},
			// verify has thumbd verify look at what thumbd url has printed, the
			// URL and the cookie, and expects it to be good or bad.
			"verify": verify,
			// expand replaces $WORK in files.
			"expand": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, name := range args {
					text := strings.ReplaceAll(ts.ReadFile(name), "$WORK", ts.Getenv("WORK"))
					ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
				}
			},
		},
	})
}

func verify(ts *testscript.TestScript, _ bool, args []string) {
	url, cookie, _ := strings.Cut(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	_, token, _ := strings.Cut(cookie, "=")
	err := ts.Exec("thumbd", "verify", "-c", "thumbd.toml", "--token", token, url)
	if (err == nil) != (args[0] == "good") {
		ts.Fatalf("%s: %v", url, err)
	}
}

// Every command and every flag is in thumbd(8).
func TestEveryCommandIsInTheManual(t *testing.T) {
	b, err := os.ReadFile("../../packaging/man/thumbd.8")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, c := range rootCommand().Commands() {
		for _, line := range []string{"\n.Cm " + c.Name() + "\n", "\n.It Cm " + c.Name() + "\n"} {
			if !strings.Contains(page, line) {
				t.Errorf("thumbd(8) has no %q", line)
			}
		}
		for _, flag := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(c.Flags().FlagUsages(), -1) {
			// Its short form is in the manual.
			if flag[1] != "config" && !regexp.MustCompile(`Fl -`+flag[1]+`\b`).MatchString(page) {
				t.Errorf("thumbd(8) does not have --%s of %s", flag[1], c.Name())
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.toml")
	if err := os.WriteFile(bad, []byte("x = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good.toml")
	site := "[site.a]\nprefix = \"/t/\"\nscheme = \"preset\"\n" +
		"document_root = \"" + dir + "/root\"\noriginals = \"" + dir + "/media\"\n"
	if err := os.WriteFile(good, []byte(site), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"version"}, 0},
		{[]string{"--help"}, 0},
		{[]string{}, 2},
		{[]string{"nonsense"}, 2},
		{[]string{"serve", "--nonsense"}, 2},
		{[]string{"serve", "more"}, 2},
		{[]string{"check", "-c", bad}, 2},
		{[]string{"check", "-c", filepath.Join(dir, "none.toml")}, 2},
		{[]string{"serve", "-c", bad, "--listen", filepath.Join(dir, "s")}, 2},
		{[]string{"serve", "-c", good, "--listen", filepath.Join(dir, "none/s")}, 2},
		{[]string{"serve", "-c", good}, 1}, // no socket from systemd
		{[]string{"check", "-c", good}, 1}, // no worker
		{[]string{"url", "-c", good, "b", "x.jpg", "--preset", "small"}, 2},
		{[]string{"url", "-c", good, "a", "x.jpg", "--preset", "small"}, 0},
	} {
		t.Setenv("THUMBD_RENDER", filepath.Join(dir, "none"))
		var stderr bytes.Buffer
		if got := run(t.Context(), tt.args, &bytes.Buffer{}, &stderr); got != tt.want {
			t.Errorf("thumbd %q: exit code %d; want %d: %s", tt.args, got, tt.want, &stderr)
		} else if (got != 0) != (stderr.Len() > 0) {
			t.Errorf("thumbd %q: exit code %d and %q", tt.args, got, &stderr)
		}
	}
}

// Whatever a command prints, a terminal shows it and obeys nothing in it.
func TestNoCommandPrintsControlCharacters(t *testing.T) {
	dir := t.TempDir()
	name := "\x1b[31m\r\x7f\u009b\u202e\xff"
	strange := filepath.Join(dir, name)
	file := filepath.Join(dir, "thumbd.toml")
	text := fmt.Sprintf("[site.gallery]\nprefix = \"/thumbs/\"\ndocument_root = %q\noriginals = %q\nscheme = \"preset\"\n", dir+"/tree", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{name},
		{"check", "-c", strange},
		{"doctor", "-c", strange, "--nginx", strange},
		{"doctor", "--json", "-c", strange, "--nginx", strange},
		{"gc", "-c", strange},
		{"gc", "-c", file, name},
		{"init", "gallery", "-c", strange, "--prefix", "/thumbs/", "--originals", strange},
		{"init", name, "-c", file, "--prefix", "/thumbs/", "--originals", dir},
		{"purge", "gallery", "a.jpg", "--admin", strange},
		{"serve", "-c", strange, "--listen", strange},
		{"status", "--admin", strange},
		{"url", "gallery", name, "-c", file, "--preset", "none"},
		{"verify", "-c", file, "/thumbs/small/" + name + ".jpg"},
		{"verify", "-c", file, "http://" + name + "/thumbs/small/a%1b%0a.jpg"},
		{"warm", "gallery", "-c", strange, "--admin", strange},
		{"warm", "gallery", "-c", file, "--admin", strange, "--from", strange},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code == exitOK {
			t.Errorf("%q: exit code 0", args)
		}
		printed := out.String() + errs.String()
		if strings.ContainsFunc(printed, func(c rune) bool { return c != '\n' && c != '\t' && !unicode.IsPrint(c) }) || !utf8.ValidString(printed) {
			t.Errorf("%q prints %q", args, printed)
		}
	}
}
