// SPDX-License-Identifier: MIT

package inside

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/boot"
)

// defaultSite is the distribution's own, which a new machine has.
const defaultSite = "/etc/nginx/sites-available/default"

// From nothing to the first thumbnail it takes what the README says, and
// nothing else; how long that took is in the log.
func TestFromInstallToTheFirstThumbnail(t *testing.T) {
	untouched(t)
	withoutMirror(t)
	copyOriginals(t)
	// The README has it as an example.
	run(t, "install", "-D", "-m", "0644", originals+"/photos/dogs.jpg", "/srv/gallery/animals/kitten.jpg")
	steps := readme(t, "README.md", "Install", "make deb", "thumbd init", "location", "systemctl", "thumbd url")

	// The package was made outside.
	run(t, "sh", "-c", "cp "+repository+"/apt/pool/thumbd_*+next*.deb "+boot.Dir+"/dist")
	_, apt, _ := strings.Cut(steps["make deb"], "\n")
	begin := time.Now()
	inClone(t, apt)
	installed := time.Now()
	printed := inClone(t, steps["thumbd init"])
	if !strings.Contains(unindented(printed), unindented(steps["location"])) {
		t.Errorf("the README has\n%s\nfor nginx, and thumbd init prints\n%s", steps["location"], printed)
	}
	pasteIntoServer(t, steps["location"])
	for command := range strings.Lines(steps["systemctl"]) {
		// nginx loads its configuration behind the back of the command.
		until(t, command, func() bool { _, err := try(t, "sh", "-c", command); return err == nil })
	}
	url := strings.TrimSpace(inClone(t, steps["thumbd url"]))
	picture(t, strings.TrimPrefix(url, "http://localhost"), "webp", 400, 300)
	t.Logf("from apt install to the first thumbnail: %v, of which apt %v",
		time.Since(begin).Round(time.Millisecond), installed.Sub(begin).Round(time.Millisecond))
}

// The signed repository serves apt as packaging/README.md says.
func TestInstallFromTheRepository(t *testing.T) {
	untouched(t)
	withoutMirror(t)
	inClone(t, readme(t, "packaging/README.md", "From the signed repository", "install")["install"])
	if !exists("/usr/bin/thumbd") {
		t.Error("thumbd is not installed")
	}
}

// readme returns the indented blocks of a section of a page, by the words that
// they begin with.
func readme(t testing.TB, page, section string, begin ...string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(boot.Dir + "/tree/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## "+section+"\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	blocks := make(map[string]string)
	for block := range strings.SplitSeq(rest, "\n\n") {
		for _, name := range begin {
			if strings.HasPrefix(block, "    ") && strings.HasPrefix(strings.TrimLeft(block, " "), name) {
				blocks[name] = block
			}
		}
	}
	if len(blocks) != len(begin) {
		t.Fatalf("%s, %s: want blocks that begin with %q, have\n%s", page, section, begin, rest)
	}
	return blocks
}

// inClone runs commands where a clone with dist would be.
func inClone(t testing.TB, commands string) string {
	t.Helper()
	return run(t, "sh", "-e", "-c", "cd "+boot.Dir+"\n"+commands)
}

// unindented is text without the space that its lines begin with.
func unindented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimLeft(line, " "))
	}
	return b.String()
}

// On a machine that has the package and nothing else, the doctor says what is
// left to do.
func TestDoctorOnAnUntouchedMachine(t *testing.T) {
	untouched(t)
	install(t, "thumbd")
	out, err := try(t, "thumbd", "doctor")
	if err == nil {
		t.Error("the doctor finds it well")
	}
	for _, step := range []string{"thumbd init ", "systemctl reload nginx"} {
		if !strings.Contains(out, step) {
			t.Errorf("no word of %q:\n%s", step, out)
		}
	}
	// The package has had nginx load the files that it has added, behind its back.
	until(t, "no-site is all that the doctor finds", func() bool {
		return slices.Equal(doctor(t).named(), []string{"no-site"})
	})
	if got := property(t, "thumbd.socket", "ActiveState"); got != "active" {
		t.Errorf("the socket is %s", got)
	}
}

// untouched takes thumbd and all that tests have written away.
func untouched(t testing.TB) {
	t.Helper()
	if exists("/usr/bin/thumbd") {
		quiet(t)
		run(t, "apt-get", "-q", "-y", "purge", "thumbd")
	}
	for _, path := range []string{sourcesList, nginxSite, enabledDefault} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(defaultSite, enabledDefault); err != nil {
		t.Fatal(err)
	}
	run(t, "sh", "-c", restartNginx)
}

// pasteIntoServer writes lines into nginx's server block, and gives the block
// back when the test ends.
func pasteIntoServer(t testing.TB, lines string) {
	t.Helper()
	text, err := os.ReadFile(defaultSite)
	if err != nil {
		t.Fatal(err)
	}
	const name = "server_name _;"
	if !strings.Contains(string(text), name) {
		t.Fatalf("no %s in\n%s", name, text)
	}
	put(t, defaultSite, strings.Replace(string(text), name, name+"\n"+lines+"\n", 1))
	t.Cleanup(func() { put(t, defaultSite, string(text)) })
}
