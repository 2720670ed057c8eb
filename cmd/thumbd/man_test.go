// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every command is explained in thumbd(8), and is in its synopsis with all of
// its flags.
func TestManualHasAllCommands(t *testing.T) {
	b, err := os.ReadFile("../../packaging/man/thumbd.8")
	if err != nil {
		t.Fatal(err)
	}
	synopsis, description, _ := strings.Cut(string(b), ".Sh DESCRIPTION")
	for _, c := range rootCommand().Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		if !strings.Contains(description, ".It Cm "+c.Name()+"\n") {
			t.Errorf("%s is not explained", c.Name())
		}
		usage := ""
		for form := range strings.SplitSeq(synopsis, ".Nm\n") {
			if strings.HasPrefix(form, ".Cm "+c.Name()+"\n") {
				usage += form
			}
		}
		if usage == "" {
			t.Errorf("%s is not in the synopsis", c.Name())
		}
		words := strings.Fields(usage)
		for _, flag := range flagPattern.FindAllStringSubmatch(c.LocalFlags().FlagUsages(), -1) {
			if !slices.Contains(words, flag[1]) && !slices.Contains(words, "-"+flag[2]) && flag[2] != "help" {
				t.Errorf("%s --%s is not in the synopsis", c.Name(), flag[2])
			}
		}
	}
}

// flagPattern finds "-c, --config" in the usage of a command.
var flagPattern = regexp.MustCompile(`(?m)^ *(?:-(\w), )? *--([a-z-]+)`)
