// SPDX-License-Identifier: MIT

package watch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMounts(t *testing.T) {
	const text = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:30 / /srv/media rw - ext4 /dev/sdb1 rw
31 30 0:31 / /srv/media/usb rw shared:4 master:1 - autofs systemd-1 rw
32 31 0:32 / /srv/media/usb rw - nfs4 nas:/a rw
33 30 0:33 / /srv/media/a\040b\134c rw - tmpfs none rw
34 22 0:34 / /srv/mediaother rw - tmpfs none rw
nonsense
`
	want := map[string]mount{"/srv/media/usb": {"32", "nfs4"}, `/srv/media/a b\c`: {"33", "tmpfs"}}
	if diff := cmp.Diff(want, parseMounts(text, "/srv/media"), cmp.AllowUnexported(mount{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(parseMounts(text, "/")); n != 5 {
		t.Errorf("%d mounts below /, want 5", n)
	}
}
