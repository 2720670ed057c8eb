// SPDX-License-Identifier: MIT

package kit

import (
	"bytes"
	"encoding/binary"
	"image"
	"strconv"
	"strings"
	"testing"

	"thumbd/internal/test/rig"
)

// EachEntry gets every entry of a srcset, whose widths grow.
func EachEntry(t testing.TB, r *rig.Rig, format, srcset string) {
	t.Helper()
	last := 0
	for entry := range strings.SplitSeq(srcset, ", ") {
		url, claim, _ := strings.Cut(entry, " ")
		width, err := strconv.Atoi(strings.TrimSuffix(claim, "w"))
		if err != nil || width <= last {
			t.Fatalf("srcset %q", srcset)
		}
		last = width
		resp := Get(t, r, url)
		if resp.Status != 200 || resp.Header.Get("Content-Type") != "image/"+format {
			t.Errorf("%s: %d %s", url, resp.Status, resp.Header.Get("Content-Type"))
			continue
		}
		if got := widthOf(t, resp.Body); got != width {
			t.Errorf("%s: %d pixels wide, claims %d", url, got, width)
		}
	}
}

// widthOf returns the width that a picture's header tells.
func widthOf(t testing.TB, data []byte) int {
	t.Helper()
	// The property ispe of an AVIF: four bytes of version and flags, width, height.
	if _, ispe, ok := bytes.Cut(data, []byte("ispe")); ok && bytes.HasPrefix(data[4:], []byte("ftypavif")) {
		return int(binary.BigEndian.Uint32(ispe[4:]))
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return c.Width
}
