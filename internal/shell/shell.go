// SPDX-License-Identifier: MIT

// Package shell writes words that an administrator may type or see: quoted for a shell,
// and without characters that a terminal would obey.
package shell

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Quote returns a word as a line of sh has it: as it is if no character of it
// means anything to a shell, else within single quotes. A word with a control
// character, a newline say, or with bytes that are no UTF-8 is in the quotes
// $'…' of bash, zsh and ksh.
//
//	a/b.jpg         a/b.jpg
//	$(id).jpg       '$(id).jpg'
//	it's.jpg        'it'\''s.jpg'
//	a<newline>b.jpg $'a\nb.jpg'
func Quote(word string) string {
	switch {
	case word != "" && word[0] != '~' && word[0] != '=' && strings.Trim(word, plain) == "":
		return word
	case isPrintable(word):
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(word); {
		r, n := utf8.DecodeRuneInString(word[i:])
		switch part := word[i : i+n]; {
		case part == "'" || part == `\`:
			b.WriteString(`\` + part)
		case part == "\n":
			b.WriteString(`\n`)
		case r == utf8.RuneError && n == 1 || !unicode.IsPrint(r):
			for _, c := range []byte(part) {
				// Always three digits: a digit that follows is not of it.
				fmt.Fprintf(&b, `\%03o`, c)
			}
		default:
			b.WriteString(part)
		}
		i += n
	}
	return b.String() + "'"
}

// plain are the characters that mean nothing to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,=~-"

// Line returns a command with its arguments, each quoted. An argument that is a
// path does not look like a flag, as it begins with a slash.
func Line(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = Quote(word)
	}
	return strings.Join(quoted, " ")
}

// Printable returns a text for a terminal: a character that a terminal would
// obey, or not show, becomes the escape that JSON has for it, as \u001b, and a
// byte that is no UTF-8 one as \xff. Newlines and tabs stay. A backslash stays
// one, so the text can't be read back.
func Printable(text string) string {
	if isClean(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case isText(r):
			b.WriteString(text[i : i+n])
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
		i += n
	}
	return b.String()
}

func isClean(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !isText(r) })
}

func isText(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) }

func isPrintable(word string) bool {
	return utf8.ValidString(word) && !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Writer passes each text on to To as Printable returns it. It keeps no part of a text for
// the next Write.
type Writer struct{ To io.Writer }

// Write returns the length of text, although the printable text may be longer.
func (w Writer) Write(text []byte) (int, error) {
	if _, err := io.WriteString(w.To, Printable(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}
