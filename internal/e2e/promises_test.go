// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"thumbd/internal/rig"
)

// The promises of the design, and the tests that hold them.
//
//  1. A hit never reaches thumbd, and is served while it is stopped:
//     e2e TestServedWhileStopped, TestFirstHitIsAsLaterHits.
//  2. nginx sees a whole thumbnail or none.
//     Killed: e2e TestKilledInTheMiddle, TestKilledAtEachStepOfPublishing.
//     Full and failing disks: e2e TestDiskTrouble,
//     TestDiskFaultsAtEachStepOfPublishing, TestFaultsAtCallsOfPublishing,
//     TestFaultAtTheRemovalOfATempFile.
//     Damaged originals: e2e TestAnswers; engine TestCutOffOriginals.
//     Power cut: e2e TestPowerCut.
//     A worker that writes after its answer: publish TestPictureIsSealed,
//     TestPictureInTheWorkersHandsIsRefused.
//     Readers: publish TestReadersSeeAWholeFileOrNone.
//  3. N clients, one render: e2e TestManyClientsOneRender,
//     TestClientGoesAway; serve TestConcurrentClientsShareOneRender.
//  4. Nothing outside originals and tree is read or written:
//     e2e TestOddOriginals, TestLinkOutOfTheTree, TestNamesRefused;
//     originals TestOpen; publish TestLinksDoNotLeadOut,
//     TestNamesOutsideAreRefused.
//  5. No image crashes or blocks thumbd, or keeps a processor for longer than
//     render_time: e2e TestWorkerFailures; render TestFailures,
//     TestWorkersAreReplaced.
//  6. A bad signature costs no disk access:
//     e2e TestABadSignatureCostsNoDiskAccess; serve
//     TestABadSignatureCostsNoDiskAccess.
//  7. The same picture every time: engine TestSameBytesEveryTime;
//     e2e TestSameThumbnailOnEveryNode.
//
// What else a restart or a reload must not break: e2e TestRestartsUnderLoad,
// TestReloadsUnderLoad, TestIdleExitRaces, TestStopInTheMiddleOfARender.
func TestPromisesHaveTheirTests(t *testing.T) {
	self, err := os.ReadFile("promises_test.go")
	must(t, err)
	comment, _, _ := strings.Cut(string(self), "\nfunc TestPromises")
	files, err := filepath.Glob("../*/*_test.go")
	must(t, err)
	var all bytes.Buffer
	for _, file := range files {
		b, err := os.ReadFile(file)
		must(t, err)
		all.Write(b)
	}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(comment, -1) {
		if !bytes.Contains(all.Bytes(), []byte("\nfunc "+name+"(")) {
			t.Errorf("there is no %s", name)
		}
	}
}

// Two nodes give the same thumbnail the same bytes and validators.
func TestSameThumbnailOnEveryNode(t *testing.T) {
	var nodes [2]*rig.Rig
	for i := range nodes {
		nodes[i] = start(t, rig.Options{Sites: []rig.Site{gallery(t, testdata(t, "originals"))}})
	}
	for _, ext := range []string{"jpg", "png", "webp", "avif", "gif"} {
		thumbnail := target("photos/dandelion.jpg", "160x120_attention", ext)
		a, b := get(t, nodes[0], thumbnail), get(t, nodes[1], thumbnail)
		if a.Status != 200 || !bytes.Equal(a.Body, b.Body) {
			t.Errorf("%s: status %d, %d bytes and %d", ext, a.Status, len(a.Body), len(b.Body))
		}
		for _, name := range []string{"ETag", "Last-Modified"} {
			if a.Header.Get(name) != b.Header.Get(name) {
				t.Errorf("%s: %s %q and %q", ext, name, a.Header.Get(name), b.Header.Get(name))
			}
		}
	}
}
