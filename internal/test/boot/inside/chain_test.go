// SPDX-License-Identifier: MIT

package inside

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every format that the site has comes through nginx, as a picture that can be
// decoded, and is there while thumbd is stopped.
func TestThumbnailsOfEveryFormat(t *testing.T) {
	machine(t, "")
	const original = "photos/dogs.jpg"
	for ext, format := range map[string]string{"jpg": "jpeg", "png": "png", "webp": "webp", "gif": "gif"} {
		picture(t, signed(original, "64x48_crop", ext), format, 64, 48)
	}
	// Nothing here decodes AVIF but thumbd: such a thumbnail is an original as
	// good as another.
	avif := get(t, signed(original, "64x48_crop", "avif"))
	if avif.status != http.StatusOK || !bytes.HasPrefix(avif.body[4:], []byte("ftypavif")) {
		t.Fatalf("status %d, reason %q, %.16q", avif.status, avif.reason, avif.body)
	}
	put(t, "/srv/made/dogs.avif", string(avif.body))
	put(t, configuration, strings.ReplaceAll(gallery, originals, "/srv/made"))
	run(t, "systemctl", "restart", "thumbd.service")
	picture(t, signed("dogs.avif", "32x24_fit", "png"), "png", 32, 24)

	run(t, "systemctl", "stop", "thumbd.socket", "thumbd.service")
	picture(t, signed(original, "64x48_crop", "webp"), "webp", 64, 48)
}

// The worker's sandbox is complete inside of the unit's, and the unit's is as
// tight as it should be.
func TestSandboxInsideTheUnit(t *testing.T) {
	machine(t, "")
	picture(t, signed(small, "64x48_crop", "jpg"), "jpeg", 64, 48)
	told := journal(t)
	if !strings.Contains(told, "msg=loaded") || strings.Contains(told, "missing=") || strings.Contains(told, "ORC_CODE") {
		t.Errorf("want a start without a word of what is missing:\n%s", told)
	}
	awaitWorkers(t)
	checkExposure(t)
}

// awaitWorkers returns the workers, one that waits to take another's place
// among them, when all are there, and each has shut itself in, which is the last
// that it does before it renders.
func awaitWorkers(t testing.TB) []int {
	t.Helper()
	outside := seccompFilters(t, daemon(t))
	var all []int
	until(t, "workers in their sandbox", func() bool {
		all = workers(t)
		return len(all) >= runtime.NumCPU() &&
			!slices.ContainsFunc(all, func(pid int) bool { return seccompFilters(t, pid) <= outside })
	})
	return all
}

// checkExposure checks that the unit, drop-ins included, is tight.
func checkExposure(t testing.TB) {
	t.Helper()
	checkExposureOf(t, "8")
}

// checkExposureOf checks that it is exposed by so many tenths at most.
func checkExposureOf(t testing.TB, threshold string) {
	t.Helper()
	out := run(t, "systemd-analyze", "security", "--no-pager", "--threshold="+threshold, "thumbd.service")
	t.Log(tail(strings.TrimSpace(out), 1))
}

var filters = regexp.MustCompile(`(?m)^Seccomp_filters:\s*(\d+)$`)

// seccompFilters returns how many a process has, 0 for one that has ended.
func seccompFilters(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	found := filters.FindSubmatch(status)
	if found == nil {
		t.Fatalf("process %d: no seccomp in %s", pid, status)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
