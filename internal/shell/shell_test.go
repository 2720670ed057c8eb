// SPDX-License-Identifier: MIT

package shell

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// words are names that an uploader may give a file.
var words = []string{
	"", "/srv/a/b.jpg", "a b", "-rf", "~root", "=ls", "#x", "it's", `"`, `\`, `a\'b`, "$(id).jpg", "`id`", "$HOME", "a;id", "a&id", "a|id", "*.jpg",
	"{a,b}", "!1", "<x", "ü.jpg", "日本.jpg", "\x1b[31m;id\n        rm -rf x #.jpg", "a\nb", "a\rb", "a\tb'c\\d", "\x7f", "\u009b31m", "\u202egpj.a",
	"\xff\xfe", "\x011", "\U000e0001", "\u00a0", "'\n'", `$'x'`,
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"/srv/a_b-1.jpg": "/srv/a_b-1.jpg",
		"":               "''",
		"a b.jpg":        "'a b.jpg'",
		"$(id).jpg":      "'$(id).jpg'",
		"it's":           `'it'\''s'`,
		"~root":          "'~root'",
		"a\nb":           `$'a\nb'`,
		"\x1b[31m'1\\":   `$'\033[31m\'1\\'`,
		"\xff1":          `$'\3771'`,
		"ü\u009b":        `$'ü\302\233'`,
		"photo ü 日本.jpg": "'photo ü 日本.jpg'",
	} {
		if got := Quote(word); got != want {
			t.Errorf("Quote(%q) is %s, want %s", word, got, want)
		}
	}
	if got, want := Line("ls", "-l", "/a b"), "ls -l '/a b'"; got != want {
		t.Errorf("Line: %s, want %s", got, want)
	}
}

// A shell reads each word back, and none of them begins another command.
func TestShellsReadQuotedWords(t *testing.T) {
	for _, name := range []string{"bash", "zsh", "sh"} {
		program, err := exec.LookPath(name)
		if errors.Is(err, exec.ErrNotFound) && name == "zsh" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var mine []string
		for _, word := range words {
			// The POSIX shell of Debian has no $'…'.
			if name != "sh" || isPrintable(word) {
				mine = append(mine, word)
			}
		}
		cmd := exec.CommandContext(t.Context(), program)
		// Histories and ! are of shells that somebody types at.
		cmd.Stdin = strings.NewReader(`printf '%s\0' ` + Line(mine...) + "\n")
		got, err := cmd.CombinedOutput()
		if want := strings.Join(mine, "\x00") + "\x00"; err != nil || string(got) != want {
			t.Errorf("%s: %v, read\n%q, want\n%q", name, err, got, want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, word := range words {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		got := Quote(word)
		if !isPrintable(got) {
			t.Errorf("Quote(%q) is %q", word, got)
		}
		if back := unquote(t, got); back != word {
			t.Errorf("Quote(%q) is %s, which reads as %q", word, got, back)
		}
	})
}

// unquote reads a quoted word as bash's manual says (3.1.2), and fails the test
// for a character that means something outside of quotes.
func unquote(t *testing.T, s string) string {
	var b bytes.Buffer
	for s != "" {
		switch {
		case strings.HasPrefix(s, "$'"):
			s = s[2:]
			for s[0] != '\'' {
				n := 1
				switch {
				case s[0] != '\\':
					b.WriteByte(s[0])
				case s[1] == 'n':
					b.WriteByte('\n')
					n = 2
				case s[1] >= '0' && s[1] <= '3':
					b.WriteByte((s[1]-'0')<<6 | (s[2]-'0')<<3 | (s[3] - '0'))
					n = 4
				default:
					b.WriteByte(s[1])
					n = 2
				}
				s = s[n:]
			}
			s = s[1:]
		case s[0] == '\'':
			text, rest, ok := strings.Cut(s[1:], "'")
			if !ok {
				t.Fatalf("no end of the quotes: %s", s)
			}
			b.WriteString(text)
			s = rest
		case s[0] == '\\':
			b.WriteByte(s[1])
			s = s[2:]
		case strings.IndexByte(plain, s[0]) < 0:
			t.Fatalf("%q is not quoted", s[0])
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String()
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\nc ü 日本": "a\tb\nc ü 日本",
		"\x1b[31m\r":   `\u001b[31m\u000d`,
		"\u009b\x7f":   `\u009b\u007f`,
		"\u202egpj":    `\u202egpj`,
		"\U000e0001":   `\udb40\udc01`,
		"\xffa":        `\xffa`,
		`\u001b`:       `\u001b`,
	} {
		var b bytes.Buffer
		if n, err := (Writer{&b}).Write([]byte(text)); n != len(text) || err != nil || b.String() != want {
			t.Errorf("%q: wrote %d, %v, %q, want %q", text, n, err, b.String(), want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	for _, word := range words {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Printable(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }) {
			t.Errorf("%q: %q", text, got)
		}
		if again := Printable(got); again != got {
			t.Errorf("%q: %q, and once more %q", text, got, again)
		}
	})
}
