// SPDX-License-Identifier: MIT

package daemon

import (
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"thumbd/internal/config"
	"thumbd/nginx"
)

// byDefault returns the configuration of a site whose limits are the defaults.
func byDefault(t *testing.T) *config.Config {
	t.Helper()
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
	return c
}

// waits returns the values of a setting of times in a file's text.
func waits(t *testing.T, text []byte, setting string) (all []time.Duration) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^ *`+setting+`([0-9]+s)\b`).FindAllSubmatch(text, -1) {
		d, err := time.ParseDuration(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		t.Fatalf("there is no %s", setting)
	}
	return all
}

// A front of several machines waits longer than thumbd with its default limits takes: it
// would take all machines for dead if an origin is slow.
func TestFrontWaitsForTheLongestAnswer(t *testing.T) {
	limits := waits(t, snippet(t, "thumbd-front.conf"), "proxy_read_timeout +")
	if want := []time.Duration{config.FrontTimeout}; !slices.Equal(limits, want) {
		t.Errorf("the front waits %v, and thumbd check says %v", limits, want)
	}
	if longest := byDefault(t).LongestAnswer(); longest < 2*time.Minute || config.FrontTimeout <= longest {
		t.Errorf("the front waits %v, and an answer may take %v", config.FrontTimeout, longest)
	}
}

// nginx and systemd wait longer than a render takes with the default limits, and nginx
// waits as long as thumbd check says.
func TestRendersAreWaitedFor(t *testing.T) {
	// A location that does not wait for renders asks a question, or for a download.
	const question = 10 * time.Second
	for name, want := range map[string][]time.Duration{
		"thumbd.conf":         {config.ReadTimeout, question},
		"thumbd-inplace.conf": {config.ReadTimeout},
		"thumbd-proxy.conf":   {config.ReadTimeout},
		"thumbd-node.conf":    {config.ReadTimeout, question, question},
	} {
		if got := waits(t, snippet(t, name), "proxy_read_timeout +"); !slices.Equal(got, want) {
			t.Errorf("%s waits %v, want %v", name, got, want)
		}
	}
	unit, err := os.ReadFile("../../packaging/systemd/thumbd.service")
	if err != nil {
		t.Fatal(err)
	}
	longest := byDefault(t).LongestRender()
	if longest != 70*time.Second {
		t.Errorf("a render takes up to %v, and the unit's comment says 70 s", longest)
	}
	for _, limit := range append(waits(t, unit, "TimeoutStopSec="), config.ReadTimeout) {
		if limit <= longest {
			t.Errorf("a limit of %v is not above the longest render, %v", limit, longest)
		}
	}
}

func snippet(t *testing.T, name string) []byte {
	t.Helper()
	data, err := nginx.Files.ReadFile("snippets/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
