// SPDX-License-Identifier: MIT

package daemon

import (
	"regexp"
	"testing"
	"time"

	"thumbd/internal/config"
	"thumbd/nginx"
)

// A front of several machines waits longer than thumbd with its default limits takes: it
// would take all machines for dead if an origin is slow.
func TestFrontWaitsForTheLongestAnswer(t *testing.T) {
	text := `[site.a]
prefix = "/a/"
document_root = "/var/a"
originals = "https://origin.example/"
scheme = "preset"
`
	c, _, err := config.Parse([]config.File{{Name: "thumbd.toml", Data: []byte(text)}}, config.Environment{
		Resolve: func(path string) (string, error) { return path, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	snippet, err := nginx.Files.ReadFile("snippets/thumbd-front.conf")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^proxy_read_timeout +(\S+);$`).FindSubmatch(snippet)
	if line == nil {
		t.Fatal("the snippet has no proxy_read_timeout")
	}
	limit, err := time.ParseDuration(string(line[1]))
	if err != nil {
		t.Fatal(err)
	}
	if limit != config.FrontTimeout {
		t.Errorf("the front waits %v, and thumbd check says %v", limit, config.FrontTimeout)
	}
	if longest := c.LongestAnswer(); longest < 2*time.Minute || limit <= longest {
		t.Errorf("the front waits %v, and an answer may take %v", limit, longest)
	}
}
