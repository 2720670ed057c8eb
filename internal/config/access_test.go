// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/access"
)

const signature = `proofs = ["signature"]` + "\n" + `keys = ["t.key"]` + "\n"

func guarded(lines string) string { return site("a") + "[site.a.access]\n" + lines }

func section(name string, lines ...string) string {
	return "[files." + name + "]\n" + `prefix = "/` + name + `/"` + "\n" + `root = "/srv/` + name + `"` + "\n" +
		`internal = "/_` + name + `/"` + "\n" + strings.Join(lines, "\n") + "\n"
}

var accessMistakes = []struct {
	name string
	text string
	want string // without the file's name before each line
}{
	{"accel", "[daemon]\naccel = \"apache\"\n" + site("a"), `:2: daemon.accel: want nginx, sendfile or direct, have "apache"`},
	{"access without proofs", guarded(""), `:7: site.a.access.proofs: missing; e.g. proofs = ["signature", "token"]`},
	{"no proof", guarded("proofs = []\n"), ":8: site.a.access.proofs: is empty, and nobody could see anything; name one of signature, token and token-query"},
	{"an unknown proof", guarded(`proofs = ["ip"]`), `:8: site.a.access.proofs: want signature, token or token-query, have "ip"`},
	{"a value for access", site("a", "access = true"), ":7: site.a.access: want a table, have true"},
	{"an unknown key of access", guarded(signature + "cookies = 1\n"), ":10: site.a.access.cookies: unknown key; did you mean cookie?"},
	{"a signature without keys", guarded(`proofs = ["signature"]`), `:7: site.a.access.keys: missing; e.g. keys = ["access.key"]`},
	{"a signature with none", guarded("proofs = [\"signature\"]\nkeys = []\n"), ":9: site.a.access.keys: is empty; the proof signature needs a key"},
	{"a token without keys", guarded(`proofs = ["token"]`), `:7: site.a.access.token_keys: missing; e.g. token_keys = ["jwt.pem"]`},
	{"a token in the query without keys", guarded(`proofs = ["token-query"]`), `:7: site.a.access.token_keys: missing; e.g. token_keys = ["jwt.pem"]`},
	{"keys that nothing needs", guarded("proofs = [\"token\"]\nkeys = [\"t.key\"]\ntoken_keys = [\"b.key\"]\n"),
		":9: site.a.access.keys: no proof needs it; add signature to proofs, or remove it"},
	{"token_keys that nothing needs", guarded(signature + "token_keys = [\"b.key\"]\n"), ":10: site.a.access.token_keys: no proof needs it; add token to proofs, or remove it"},
	{"a short access key", guarded("proofs = [\"signature\"]\nkeys = [\"short.key\"]\n"),
		":9: site.a.access.keys: short.key is 15 bytes long, and under 16 can be guessed; make one with: openssl rand -base64 32"},
	{"a short secret", guarded("proofs = [\"token\"]\ntoken_keys = [\"short.key\"]\n"),
		":9: site.a.access.token_keys: short.key is 15 bytes long, and under 16 can be guessed; make one with: openssl rand -base64 32"},
	{"an empty access key", guarded("proofs = [\"signature\"]\nkeys = [\"empty.key\"]\n"), ":9: site.a.access.keys: empty.key is empty; make one with: openssl rand -base64 32"},
	{"a private key for tokens", guarded("proofs = [\"token\"]\ntoken_keys = [\"private.pem\"]\n"),
		":9: site.a.access.token_keys: private.pem has a PRIVATE KEY in PEM; want a PUBLIC KEY, as openssl pkey -pubout writes it"},
	{"an access key that is missing", guarded("proofs = [\"signature\"]\nkeys = [\"none.key\"]\n"), ":9: site.a.access.keys: open none.key: file does not exist"},
	{"a cookie", guarded(signature + "cookie = \"a b\"\n"), `:10: site.a.access.cookie: want the name of a cookie, have "a b"`},
	{"leeway", guarded(signature + "leeway = \"2h\"\n"), `:10: site.a.access.leeway: want a time from 0 to 1h such as "90s" or "10m", have "2h"`},
	{"revoked", guarded(signature + "revoked = \"../x\"\n"), `:10: site.a.access.revoked: want the name of a file beside the configuration or an absolute path, have "../x"`},
	{"one key for URLs and access", guarded("proofs = [\"signature\"]\nkeys = [\"copy-of-a.key\"]\n"),
		":9: site.a.access.keys: copy-of-a.key is a key of site.a.keys (line 6) too, which is for URLs of thumbnails; each purpose needs its own"},
	{"one key for access and tokens", guarded("proofs = [\"signature\", \"token\"]\nkeys = [\"t.key\"]\ntoken_keys = [\"t.key\"]\n"),
		":10: site.a.access.token_keys: t.key is a key of site.a.access.keys (line 9) too, which is for signatures for access; each purpose needs its own"},
	{"one key for URLs and another site's tokens", site("b") + site("a") + "[site.a.access]\nproofs = [\"token\"]\ntoken_keys = [\"b.key\"]\n",
		":15: site.a.access.token_keys: b.key is a key of site.b.keys (line 6) too, which is for URLs of thumbnails; each purpose needs its own"},
	{"one access key for two sites of one prefix", site("a", `hosts = ["a.example"]`) + "[site.a.access]\n" + signature + site("b", `prefix = "/a/"`, `hosts = ["b.example"]`) + "[site.b.access]\n" + signature,
		":20: site.b.access.keys: t.key is a key of site.a (line 1) too, which has an overlapping prefix; each needs its own"},

	{"no section of files", "[files]\n" + site("a"), ":1: files: no [files.NAME] section in it; add one, e.g. [files.documents]"},
	{"a value for files", "files = 1\n" + site("a"), ":1: files: want a table, have 1"},
	{"files without anything", "[files.d]\n", `:1: files.d.prefix: missing; e.g. prefix = "/d/"
:1: files.d.root: missing; e.g. root = "/srv/d"
:1: files.d.scheme: missing; e.g. scheme = "signed"
:1: files.d.internal: missing; e.g. internal = "/_d/"`},
	{"a name of files", section("D", `scheme = "open"`), ":1: files.D: " + nameRule},
	{"a scheme of files", section("d", `scheme = "preset"`), `:5: files.d.scheme: want open, signed or authtoken, have "preset"`},
	{"an unknown key of files", section("d", `scheme = "open"`, `expires = 1`), ":6: files.d.expires: unknown key"},
	{"open files with keys", section("d", `scheme = "open"`, `keys = ["a.key"]`), ":6: files.d.keys: URLs of the scheme open are not signed; remove it"},
	{"signed files without keys", section("d", `scheme = "signed"`), `:1: files.d.keys: missing; e.g. keys = ["d.key"]`},
	{"signed files with none", section("d", `scheme = "signed"`, `keys = []`), ":6: files.d.keys: is empty; URLs of the scheme signed are signed: name a key"},
	{"signed files with a short key", section("d", `scheme = "signed"`, `keys = ["short.key"]`),
		":6: files.d.keys: short.key is 15 bytes long, and under 16 can be guessed; make one with: openssl rand -base64 32"},
	{"digest and timeout of signed files", section("d", `scheme = "signed"`, `keys = ["a.key"]`, `digest = "md5"`, `timeout = "1m"`),
		":7: files.d.digest: is for the scheme authtoken; remove it\n:8: files.d.timeout: is for the scheme authtoken; remove it"},
	{"digest", section("d", `scheme = "authtoken"`, `keys = ["a.key"]`, `digest = "crc32"`), `:7: files.d.digest: want md5, sha1 or sha256, have "crc32"`},
	{"disposition", section("d", `scheme = "open"`, `disposition = "save"`), `:6: files.d.disposition: want inline or attachment, have "save"`},
	{"files below a site", site("a") + strings.Replace(section("d", `scheme = "open"`), "/d/", "/a/d/", 1),
		`:8: files.d.prefix: "/a/d/" and "/a/" of site.a (line 1) overlap, and neither site has hosts; choose another prefix, or name hosts`},
	{"files below files", section("d", `scheme = "open"`) + strings.Replace(section("e", `scheme = "open"`), "/e/", "/d/e/", 1),
		`:7: files.e.prefix: "/d/e/" and "/d/" of files.d (line 1) overlap, and neither site has hosts; choose another prefix, or name hosts`},
	{"internal that is a prefix", site("a") + strings.Replace(section("d", `scheme = "open"`), "/_d/", "/a/", 1),
		`:10: files.d.internal: "/a/" and the prefix of site.a (line 1) overlap; choose another`},
	{"internal that is its own prefix", strings.Replace(section("d", `scheme = "open"`), "/_d/", "/d/x/", 1),
		`:4: files.d.internal: "/d/x/" and the prefix of files.d (line 1) overlap; choose another`},
	{"internal of two", section("d", `scheme = "open"`) + strings.Replace(section("e", `scheme = "open"`), "/_e/", "/_d/", 1),
		`:9: files.e.internal: "/_d/" and that of files.d (line 1) overlap; choose another`},
	{"one key for URLs and files", site("a") + section("d", `scheme = "signed"`, `keys = ["a.key"]`),
		":12: files.d.keys: a.key is a key of site.a.keys (line 6) too, which is for URLs of thumbnails; each purpose needs its own"},
	{"one key for two of authtoken", section("d", `scheme = "authtoken"`, `keys = ["a.key"]`) + section("e", `scheme = "authtoken"`, `keys = ["a.key"]`),
		":12: files.e.keys: a.key is a key of files.d.keys (line 6) too; each needs its own"},
}

func TestParseAccessMistakes(t *testing.T) {
	env := testEnvironment()
	known := env.Key
	env.Key = func(name string) ([]byte, error) {
		switch name {
		case "private.pem":
			return []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), nil
		case "none.key":
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return known(name)
	}
	for _, tt := range accessMistakes {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Parse([]File{{"f", []byte(tt.text)}}, env)
			if err == nil {
				t.Fatalf("Parse(%q): no mistake", tt.text)
			}
			if d := cmp.Diff("f"+strings.ReplaceAll(tt.want, "\n:", "\nf:"), err.Error()); d != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", tt.text, d)
			}
		})
	}
}

func TestParseAccess(t *testing.T) {
	c, warnings := parse(t, section("d", `scheme = "authtoken"`, `keys = ["short.key"]`))
	if len(c.Sites) != 0 || len(c.Files) != 1 || len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "files.d.keys: short.key is 15 bytes long") {
		t.Errorf("files alone: %+v, %v", c, warnings)
	}
	c, _ = parse(t, "[daemon]\naccel = \"direct\"\n"+strings.Replace(section("d", `scheme = "open"`), `internal = "/_d/"`, "", 1))
	if c.Files[0].Internal != "" {
		t.Errorf("internal of another front end: %q", c.Files[0].Internal)
	}
	c, _, err := Parse([]File{{"/etc/thumbd/thumbd.toml", []byte(guarded(signature + "revoked = \"revoked.txt\"\n"))}}, testEnvironment())
	if err != nil || c.Sites[0].Access.Revoked != "/etc/thumbd/revoked.txt" {
		t.Errorf("revoked: %+v, %v", c, err)
	}
	m := c.Mistake("site.a.access.revoked", errors.New("gone"))
	if got := m.Error(); got != "/etc/thumbd/thumbd.toml:10: site.a.access.revoked: gone" {
		t.Error(got)
	}
	c, _ = parse(t, site("a")+"[site.a.access]\nproofs = [\"token\"]\ntoken_keys = [\"t.key\"]\n"+site("b")+"[site.b.access]\nproofs = [\"token\"]\ntoken_keys = [\"t.key\"]\n")
	if c.Sites[1].Access.Site != "b" || c.Sites[0].Access.Proofs[0] != access.Token {
		t.Errorf("two sites with one secret for tokens: %+v", c.Sites)
	}
}
