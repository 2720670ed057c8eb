// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"thumbd/internal/thumb"
)

// Stand-ins for functions of libheif, which has its codecs in plugins that need
// not be installed: then these fail.
const (
	noEncoder = `typedef struct { int code, subcode; const char *message; } error;
error heif_context_get_encoder_for_format(void *c, int format, void **e) { return (error) { 2, 3000, "no plugin" }; }
`
	noDecoder = `typedef struct { int code, subcode; const char *message; } error;
error heif_decode_image(void *h, void **i, int space, int chroma, void *o) { return (error) { 2, 3000, "no plugin" }; }
`
)

// TestFormatsThatAPluginIsMissingFor are left out of the Hello, though libvips
// was built for them.
func TestFormatsThatAPluginIsMissingFor(t *testing.T) {
	whole := startWorker(t).hello
	without := func(formats []thumb.Format, lacking ...thumb.Format) []thumb.Format {
		return slices.DeleteFunc(slices.Clone(formats), func(f thumb.Format) bool { return slices.Contains(lacking, f) })
	}
	for name, c := range map[string]struct {
		source      string
		read, write []thumb.Format
	}{
		"encoder": {noEncoder, whole.Read, without(whole.Write, thumb.AVIF)},
		"decoder": {noDecoder, without(whole.Read, thumb.AVIF, thumb.HEIC), whole.Write},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LD_PRELOAD", preload(t, c.source))
			hello := startWorker(t).hello
			if !slices.Equal(hello.Read, c.read) || !slices.Equal(hello.Write, c.write) {
				t.Errorf("reads %v, want %v; writes %v, want %v", hello.Read, c.read, hello.Write, c.write)
			}
		})
	}
	if !slices.Contains(whole.Read, thumb.HEIC) || !slices.Contains(whole.Write, thumb.AVIF) {
		t.Errorf("got %+v", whole)
	}
}

// preload returns a library of the C source.
func preload(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	file, library := filepath.Join(dir, "lacking.c"), filepath.Join(dir, "lacking.so")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-o", library, file).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v: %s", err, out)
	}
	return library
}
