// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

// A name in a URL or a token can't forge a line of what verify prints.
func TestVerifyPrintsOneLineForEachStage(t *testing.T) {
	err := &fs.PathError{Op: "open", Path: "a\naccepted", Err: fs.ErrNotExist}
	var out strings.Builder
	v := verifier{out: &out}
	v.say("access", "%s: %v", "token", err)
	if got, want := out.String(), "access     token: open a\\naccepted: file does not exist\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	refused := refusal{err}
	if got, want := refused.Error(), `refused: open a\naccepted: file does not exist`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(refused, fs.ErrNotExist) {
		t.Error("a refusal hides its cause")
	}
}
