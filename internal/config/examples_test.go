// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// Each example of thumbd.toml(5) that begins with a table, for example
//
//	[site.shop.cache]
//	max_bytes = "10GiB"
//
// is a configuration without mistakes, together with the keys that every site needs.
func TestExamplesOfTheManualAreConfigurations(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man/thumbd.toml.5")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range regexp.MustCompile(`(?ms)^\.Bd -literal.*?\n(.*?)^\.Ed$`).FindAllStringSubmatch(string(page), -1) {
		// Files of AWS look alike: [profile media].
		if text := strings.ReplaceAll(m[1], `\e`, `\`); regexp.MustCompile(`^\[(daemon|limits|nodes|site\.|files\.)`).MatchString(text) {
			n++
			tryExample(t, text)
		}
	}
	if n < 10 {
		t.Errorf("%d examples are in thumbd.toml(5)", n)
	}
}

func tryExample(t *testing.T, text string) {
	t.Helper()
	var c map[string]any
	if _, err := toml.Decode(text, &c); err != nil {
		t.Errorf("%s\n%v", text, err)
		return
	}
	sites, _ := c["site"].(map[string]any)
	if sites == nil {
		sites = map[string]any{"rest": map[string]any{}}
	}
	for name, s := range sites {
		for key, value := range map[string]any{
			"prefix": "/" + name + "/", "document_root": "/var/cache/thumbd/" + name,
			"originals": "/srv/" + name, "scheme": "preset",
		} {
			if s := s.(map[string]any); s[key] == nil {
				s[key] = value
			}
		}
	}
	c["site"] = sites
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(c); err != nil {
		t.Fatal(err)
	}
	environment := testEnvironment()
	environment.Key = func(name string) ([]byte, error) { return []byte("the-content-of-" + name), nil }
	environment.Resolve = func(path string) (string, error) { return path, nil }
	if _, _, err := Parse([]File{{"thumbd.toml", b.Bytes()}}, environment); err != nil {
		t.Errorf("%s\n%v", text, err)
	}
}
