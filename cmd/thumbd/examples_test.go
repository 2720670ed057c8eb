// SPDX-License-Identifier: MIT

package main

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every man page has a section EXAMPLES with at least one literal block.
func TestEachManualHasExamples(t *testing.T) {
	pages, err := filepath.Glob(manuals + "*.[1-9]")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, path := range pages {
		_, examples, _ := strings.Cut(manual(t, filepath.Base(path)), "\n.Sh EXAMPLES\n")
		examples, _, _ = strings.Cut(examples, "\n.Sh ")
		if !strings.Contains(examples, "\n.Bd -literal") {
			t.Errorf("%s has no EXAMPLES", filepath.Base(path))
		}
	}
}

var (
	tableLine = regexp.MustCompile(`^\[(\S+)\]$`)
	keyNames  = regexp.MustCompile(`\w+`)
)

// Every key of thumbd.toml(5) has an example: its text has the words "for example", or
// `key = value` is in its text or below its table in a literal block, such as
//
//	[nodes]
//	poll = "10s"
func TestEachKeyHasAnExample(t *testing.T) {
	page := manual(t, "thumbd.toml.5")
	shown := map[string]bool{}
	table := ""
	for _, line := range literals(page) {
		if m := tableLine.FindStringSubmatch(line); m != nil {
			// site.gallery.preset.card is site.NAME.preset.NAME.
			parts := strings.Split(m[1], ".")
			for i := 1; i < len(parts); i += 2 {
				if parts[0] != "nodes" {
					parts[i] = "NAME"
				}
			}
			table = strings.Join(parts, ".")
		}
		if key, _, ok := strings.Cut(line, " = "); ok {
			shown[table+" "+strings.TrimSpace(key)] = true
		}
	}
	keys := 0
	for _, section := range strings.Split(page, "\n.Ss ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		text, _, _ = strings.Cut(text, "\n.Sh ")
		for _, item := range items(text) {
			for _, key := range keyNames.FindAllString(item.names, -1) {
				keys++
				if !shown[strings.Trim(name, "[]")+" "+key] && !regexp.MustCompile(`\b`+key+` = `).MatchString(item.text) && !forExample.MatchString(item.text) {
					t.Errorf("%s %s has no example in thumbd.toml(5)", name, key)
				}
			}
		}
	}
	if keys < 100 {
		t.Errorf("%d keys are in thumbd.toml(5)", keys)
	}
}

// Every command has a command line in a literal of thumbd(8), and every flag, too:
//
//	thumbd gc --dry-run gallery
func TestEachFlagHasAnExample(t *testing.T) {
	lines := literals(manual(t, "thumbd.8"))
	for _, c := range rootCommand().Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		call := regexp.MustCompile(`\bthumbd ` + c.Name() + `\b`)
		of := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !call.MatchString(line) })
		if len(of) == 0 {
			t.Errorf("%s has no example in thumbd(8)", c.Name())
		}
		for _, flag := range flagPattern.FindAllStringSubmatch(c.LocalFlags().FlagUsages(), -1) {
			used := func(line string) bool { return slices.Contains(strings.Fields(line), "--"+flag[2]) }
			if flag[2] != "help" && flag[2] != "config" && !slices.ContainsFunc(of, used) {
				t.Errorf("%s --%s has no example in thumbd(8)", c.Name(), flag[2])
			}
		}
	}
}

// callLine is a line with a call, for example: runuser -u thumbd -- thumbd gc gallery >log
var callLine = regexp.MustCompile(`(?:^|\| |-- |\$ )thumbd (.+?)(?: \||\s*>|$)`)

// The command lines of the man pages have no command and no flag that thumbd refuses.
func TestExamplesAreCommands(t *testing.T) {
	pages, err := filepath.Glob(manuals + "*.[1-9]")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, path := range pages {
		for _, line := range literals(manual(t, filepath.Base(path))) {
			m := callLine.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			commands++
			c, args, err := rootCommand().Find(words(m[1]))
			if err == nil {
				err = c.ParseFlags(args)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(path), line, err)
			}
		}
	}
	if commands < 50 {
		t.Errorf("%d commands are in the man pages", commands)
	}
}

// The signatures among the examples of thumbd-url(7) are those of its key.
func TestSignaturesOfTheManual(t *testing.T) {
	key := []byte("correct horse battery staple")
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	signature := func(text string) string { return base64.RawURLEncoding.EncodeToString(mac(text)[:21]) }
	webp := signature("/thumbs/animals/kitten.jpg/400x300_crop_.webp")
	claims := "eyJhbGciOiJIUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1798761600,"aud":"gallery","prefix":"/thumbs/animals/"}`))
	page := manual(t, "thumbd-url.7")
	for _, want := range []string{
		"\n/thumbs/animals/kitten.jpg/400x300_crop_" + webp + ".webp\n",
		"\n/thumbs/animals/kitten.jpg/card@2x_" + signature("/thumbs/animals/kitten.jpg/card@2x_.jpg") + ".jpg\n",
		"\n/thumbs/%C3%A9t%C3%A9/a%20b.jpg/64x64_fit_" + signature("/thumbs/été/a b.jpg/64x64_fit_.jpg") + ".jpg\n",
		"\n" + signature("access\n/thumbs/animals/kitten.jpg/400x300_crop_"+webp+".webp\nexpires=1798761600") + "\n",
		"\n" + signature("file\n/documents/report.pdf\nexpires=1798761600&download=Annual%20report.pdf") + "\n",
		"\n" + claims + "." + base64.RawURLEncoding.EncodeToString(mac(claims)) + "\n",
		fmt.Sprintf("/%x-6b36ec80/report.pdf", md5.Sum([]byte(string(key)+"report.pdf"+"6b36ec80"))),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("thumbd-url(7) does not have %q", want)
		}
	}
}

// Every method and option of thumbd-url(7) has an example: 400x300_crop, q=70.
func TestEachOptionHasAnExample(t *testing.T) {
	text, _, _ := strings.Cut(manual(t, "thumbd-url.7"), "\n.Ss ")
	all := items(text)
	if len(all) == 0 {
		t.Error("thumbd-url(7) has no methods and options")
	}
	for _, item := range all {
		if !regexp.MustCompile(`(?m)^\.Li (\S*_` + item.names + `|\S*(?:_|\b)` + item.names + `=\S+)( |$)`).MatchString(item.text) {
			t.Errorf("%s has no example in thumbd-url(7)", item.names)
		}
	}
}

// Every route of thumbd-admin(7) has a call with curl, and every metric a line of its own
// as Prometheus reads it.
func TestEachRouteAndMetricHasAnExample(t *testing.T) {
	page := manual(t, "thumbd-admin.7")
	lines := strings.Join(literals(page), "\n")
	heads := regexp.MustCompile(`(?m)^\.It Li (?:(GET|POST) (/\S+)|(thumbd_\w+))`).FindAllStringSubmatch(page, -1)
	if len(heads) < 30 {
		t.Errorf("%d routes and metrics", len(heads))
	}
	for _, m := range heads {
		example := `(?m)^` + m[3] + `(_bucket)?[ {]`
		switch m[1] {
		case "GET":
			example = `(?m)^curl .*http://\S+` + m[2] + `$`
		case "POST":
			example = `(?m)^curl .*http://\S+` + m[2] + ` .*-d `
		}
		if !regexp.MustCompile(example).MatchString(lines) {
			t.Errorf("%s has no example in thumbd-admin(7)", strings.TrimPrefix(m[0], ".It Li "))
		}
	}
}

const manuals = "../../packaging/man/"

// manual returns the mdoc of a man page, for example thumbd.8. Lines that end with \ are
// joined.
func manual(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(manuals + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\(dq`, `"`, "\\e\n", "").Replace(string(b))
}

var forExample = regexp.MustCompile(`(?i)for\s+example|\bexample:`)

// literals returns the lines of a page that a reader can copy: those of literal blocks,
// and those of .Ql and .Dl.
func literals(page string) []string {
	var lines []string
	block := false
	for line := range strings.SplitSeq(page, "\n") {
		switch {
		case strings.HasPrefix(line, ".Bd -literal"):
			block = true
		case line == ".Ed":
			block = false
		case block:
			lines = append(lines, line)
		case strings.HasPrefix(line, ".Ql "), strings.HasPrefix(line, ".Dl "):
			lines = append(lines, line[len(".Ql "):])
		}
	}
	return lines
}

// item is an entry of a list: the names in its heads, for example
// "access_key , secret_key", and its text.
type item struct{ names, text string }

// items returns the entries of the lists in text whose names are .Cm. Heads that follow
// each other share the text below.
func items(text string) []item {
	var all []item
	head, depth := false, 0
	for line := range strings.SplitSeq(text, "\n") {
		switch names, ok := strings.CutPrefix(line, ".It Cm "); {
		case ok:
			// The default follows behind No.
			names, _, _ = strings.Cut(names, " No ")
			if head {
				all[len(all)-1].names += " , " + names
			} else {
				all = append(all, item{names: names})
			}
			head = true
		case strings.HasPrefix(line, ".Bl "):
			depth++
		case line == ".El":
			depth--
		case depth > 0 && len(all) > 0:
			all[len(all)-1].text += line + "\n"
			head = false
		}
	}
	return all
}

// words splits a command line as a shell does, if its quotes are single or double.
func words(line string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		all = append(all, m[1]+m[2]+m[3])
	}
	return all
}
