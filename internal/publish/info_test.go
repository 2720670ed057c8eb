// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"image"
	"slices"
	"testing"

	"thumbd/internal/info"
	"thumbd/internal/thumb"
)

// TestDescriptionIsVerified publishes a description, and refuses what a worker that an
// original has taken over could write in its place.
func TestDescriptionIsVerified(t *testing.T) {
	i := info.Info{Width: 1600, Height: 900, Format: thumb.JPEG, Bytes: 482113, Frames: 1}
	i.Look(image.NewNRGBA(image.Rect(0, 0, 10, 6)))
	if !i.Place(make([]byte, 60)) {
		t.Fatal("60 bytes are too many")
	}
	file, err := i.File()
	if err != nil {
		t.Fatal(err)
	}
	tree, _ := site(t, nil)
	publish := func(content []byte) error {
		return tree.Publish("/thumbs/a", memfd(t, content), Want{Format: thumb.JSON, Width: 100, Height: 56, Mtime: mtime})
	}
	if err := publish(file); err != nil {
		t.Errorf("a description is refused: %v", err)
	}
	for name, content := range map[string][]byte{
		"nothing":     nil,
		"a script":    []byte(`{"width":"<script>"}`),
		"cut off":     file[:len(file)-2],
		"more behind": slices.Concat(file, []byte("<script>")),
		"a picture":   encodePNG(t, 100, 56),
		"too long":    slices.Concat(file, make([]byte, 1<<20)),
	} {
		if err := publish(content); !errors.Is(err, ErrPicture) {
			t.Errorf("%s: %v, want %v", name, err, ErrPicture)
		}
	}
}
