// SPDX-License-Identifier: MIT

package originals

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOtherForm(t *testing.T) {
	const nfc, nfd = "F\u00fc\u00dfe/\u00e9.jpg", "Fu\u0308\u00dfe/e\u0301.jpg"
	for _, tt := range []struct{ there, asked, want string }{
		{nfd, nfc, nfd},
		{nfc, nfd, nfc},
		{"x.jpg", nfc, ""},
		{"x.jpg", "y.jpg", ""},
		{nfc, nfc + "\xff", ""},
	} {
		root := t.TempDir()
		path := filepath.Join(root, tt.there)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		d := New(root, 1)
		if got := d.OtherForm(tt.asked); got != tt.want {
			t.Errorf("%+q beside %+q: %+q, want %+q", tt.asked, tt.there, got, tt.want)
		}
		d.Close()
	}
}
