// SPDX-License-Identifier: MIT

package kit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/rig"
)

// ConfigFile returns the path of thumbd's configuration.
func ConfigFile(r *rig.Rig) string { return filepath.Join(r.Dir, "thumbd.toml") }

func Configuration(t *testing.T, r *rig.Rig) string {
	t.Helper()
	b, err := os.ReadFile(ConfigFile(r))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Configure writes the configuration as it should be written: no reader sees
// half of it.
func Configure(t *testing.T, r *rig.Rig, text string) {
	t.Helper()
	Put(t, ConfigFile(r)+".new", []byte(text))
	if err := os.Rename(ConfigFile(r)+".new", ConfigFile(r)); err != nil {
		t.Fatal(err)
	}
}

// Reload has thumbd load another configuration, and waits until it says that
// it has.
func Reload(t *testing.T, r *rig.Rig, text string) {
	t.Helper()
	Configure(t, r, text)
	n := Count(r, "READY=1")
	HangUp(t, r)
	WaitNotified(t, r, n+1, "READY=1")
}

func HangUp(t *testing.T, r *rig.Rig) {
	t.Helper()
	if err := r.SignalDaemon(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// Count returns how often the running thumbd has told its manager a line that
// begins so.
func Count(r *rig.Rig, line string) int { return r.Notified.Count(byDaemon(r, line)) }

func byDaemon(r *rig.Rig, line string) string { return fmt.Sprintf("pid=%d %s", r.DaemonPID(), line) }

// WaitNotified waits until the running thumbd has told its manager n times a
// line that begins so.
func WaitNotified(t *testing.T, r *rig.Rig, n int, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	if err := r.Notified.Wait(ctx, n, byDaemon(r, line)); err != nil {
		t.Fatal(err)
	}
}

// Remote returns a site of the signed scheme, below /NAME/, that has its
// originals at a URL on loopback.
func Remote(name, originals string, lines ...string) rig.Site {
	return rig.Site{
		Name: name, Prefix: "/" + name + "/", Scheme: "signed", Originals: originals, Key: name + Key,
		TOML: fmt.Sprintf("[site.%s.fetch]\nallow_addresses = [\"127.0.0.0/8\"]\n%s", name, strings.Join(lines, "\n")),
	}
}

// RemoteTarget is the request target for a thumbnail of such a site.
func RemoteTarget(site, original, spec, ext string) string {
	return rig.Escape(SignedWith(site+Key, "/"+site+"/"+original, spec, ext))
}

// DaemonWithSpool is a [daemon] table with a spool of the test's own.
func DaemonWithSpool(t *testing.T) (toml, spool string) {
	t.Helper()
	spool = filepath.Join(Folder(t, nil), "spool")
	return fmt.Sprintf("[daemon]\nspool = %q\n", spool), spool
}

// StartOrigin starts an nginx that has the originals of testdata at the URL that
// it returns. An address is one that such an nginx had before.
func StartOrigin(t *testing.T, address string) (*rig.Rig, string) {
	t.Helper()
	r := Start(t, rig.Options{
		Plain: true, Address: address,
		Sites: []rig.Site{{Name: "media", Prefix: "/media/", Scheme: "preset"}},
	})
	aid.Must(t, os.CopyFS(r.Root("media")+"/media", os.DirFS(Testdata(t, "originals"))))
	return r, r.URL("/media/")
}
